/* SPDX-License-Identifier: BSD-3-Clause */
/* Standard error while a screen is in use: kept, as far as a bound allows, and written afterwards. */
#ifndef OUTPUT_MESSAGES_H
#define OUTPUT_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"

struct messages {
	int saved; /* the real standard error, -1: messages are not kept */
	int fd;	   /* readable when there are some, -1 none */
	struct buf kept;
	size_t lost; /* bytes that were too many */
};

#define MESSAGES_NONE                                                                                                  \
	{                                                                                                              \
		.saved = -1, .fd = -1                                                                                  \
	}

/* From now on; nothing happens when standard error is no terminal. Programs started from now on write there as well, and never
 * wait. -errno. */
int messages_begin(struct messages *m);
/* Takes what is there. True: there was something. */
bool messages_read(struct messages *m);
/* The last line, escaped, into b, without its end. */
void messages_last(const struct messages *m, struct buf *b);
/* Standard error is what it was, and what was kept is written to it. */
void messages_end(struct messages *m);

#endif
