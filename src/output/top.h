/* SPDX-License-Identifier: BSD-3-Clause */
/* --top: who talks, redrawn every second; on what is no terminal, the table of --summary instead. */
#ifndef OUTPUT_TOP_H
#define OUTPUT_TOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "flows/flows.h"
#include "output/output.h"

struct top_config {
	enum flows_by by;
	const char *expr; /* the expression, "": none; borrowed until the output is freed */
	bool live;	  /* packets come as they are sent, or may: not a file that is there as a whole */
	bool reads;	  /* files and streams: keys are looked for in ticks as well, and nobody tells of drops */
	bool utc;	  /* times */
	const volatile sig_atomic_t *interrupted; /* see fd_write() */
};

enum { TOP_FDS = 3 };

/* Opens the terminal, if there is one, and leaves it as it is; see screen_new(). -errno, logged. */
int output_top_new(struct output **ret, const struct top_config *config);
/* What is written to standard error, by children from now on as well, is kept until finish. -errno, logged. */
int output_top_collect(struct output *o);
/* Then: takes the terminal. finish gives it back. -errno, logged. */
int output_top_begin(struct output *o);
/* Readable when output_top_input() has something to do: how many, at most TOP_FDS. */
unsigned output_top_fds(const struct output *o, int fds[TOP_FDS]);
/* As the operations of an output; -ECANCELED: the user wants the end. */
int output_top_input(struct output *o);
/* All packets are there. True: what is shown stays until the user wants the end. */
bool output_top_stays(struct output *o);

#endif
