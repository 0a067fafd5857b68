/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a terminal sends when keys are pressed: characters in UTF-8, and sequences of ECMA-48 as xterm, tmux, screen and Linux's
 * console have them. Whatever else comes is passed over; nothing is kept of it, however long it is.
 */
#ifndef OUTPUT_KEYS_H
#define OUTPUT_KEYS_H

#include <stdbool.h>
#include <stdint.h>

/* Besides the characters, which stand for themselves. */
enum {
	KEY_NONE = 0,
	KEY_ESCAPE = 0x110000, /* behind Unicode */
	KEY_ENTER,
	KEY_BACKSPACE,
	KEY_ERASE,  /* Ctrl-U: the line */
	KEY_REDRAW, /* Ctrl-L */
	KEY_UP,
	KEY_DOWN,
	KEY_LEFT,
	KEY_RIGHT,
	KEY_HOME,
	KEY_END,
	KEY_PAGE_UP,
	KEY_PAGE_DOWN,
};

/* All zeros to begin with. */
struct keys {
	uint8_t state;
	uint8_t wants;	/* bytes of a character */
	uint32_t value; /* of it so far, or a sequence's first number */
	uint32_t least; /* what needs that many bytes */
};

/* The next byte; returns the key that it completes, KEY_NONE: none. */
uint32_t keys_byte(struct keys *k, uint8_t byte);
/* An escape came and nothing behind it yet: the key, or the beginning of a sequence. */
bool keys_wait(const struct keys *k);
/* Nothing came for so long that it was the key. Returns that, or KEY_NONE. */
uint32_t keys_pause(struct keys *k);

#endif
