/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The terminal as a whole, for what is redrawn: standard output, and the keyboard of standard input, else of /dev/tty. Only what
 * xterm, tmux, screen and Linux's console know is sent (ECMA-48, and DEC's private modes 7, 25 and 1049). Nobody waits for a
 * terminal that takes nothing: it misses redraws.
 *
 * What is written to standard error while the screen is in use would be overwritten: where that is a terminal, too, it is kept
 * and written when the screen is given back, at the latest by exit().
 */
#ifndef OUTPUT_SCREEN_H
#define OUTPUT_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/str.h"

struct screen;

enum { SCREEN_FDS = 3 };

/* Standard output is a terminal, and the environment (TERM) does not say that it knows no sequences. */
bool screen_possible(void);
/*
 * Opens what is needed, and changes nothing but that signals of the terminal (SIGWINCH, SIGTSTP, SIGCONT, SIGQUIT) are waited for
 * by a descriptor. To be called before threads are started and privileges are given up. -errno, logged.
 */
int screen_new(struct screen **ret);
/* What is written to standard error, by children from now on as well, is kept. -errno, logged. At most one screen at a time. */
int screen_collect(struct screen *s);
/* Then: takes the terminal. -errno, logged. */
int screen_begin(struct screen *s);
/* Gives it back as it was, with what was written to standard error behind it. */
void screen_end(struct screen *s);
void screen_free(struct screen *s);

/* Descriptors that are readable when screen_step() has something to do: how many, at most SCREEN_FDS. */
unsigned screen_fds(const struct screen *s, int fds[SCREEN_FDS]);

enum screen_news {
	SCREEN_KEY = 1,
	SCREEN_RESIZED = 1 << 1, /* or its contents are lost */
	SCREEN_MESSAGE = 1 << 2,
	SCREEN_GONE = 1 << 3, /* the terminal is, or a signal asks for the end */
};
/* Does what there is to do, stopping by Ctrl-Z included, and returns what is new: SCREEN_*, 0 nothing more. One key each. */
unsigned screen_step(struct screen *s, uint32_t *key);
/* An escape was received and may be a key of its own (keys.h): screen_pause() after some 100 ms. */
bool screen_waits(const struct screen *s);
uint32_t screen_pause(struct screen *s);

/* In characters, at least 1. */
void screen_size(const struct screen *s, unsigned *columns, unsigned *rows);
/* A line of a redraw, from the first one on: text, escaped, of at most columns - 1. More than fit are left out. */
void screen_line(struct screen *s, struct str line);
/* Shows these lines, and nothing below them; they begin anew. */
void screen_show(struct screen *s);
/* The last line that was written to standard error, escaped; empty: none. */
struct str screen_message(const struct screen *s);

#endif
