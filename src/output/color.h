/* SPDX-License-Identifier: BSD-3-Clause */
/* Colours around parts of the text, as terminals know them. What is coloured has been escaped before. */
#ifndef OUTPUT_COLOR_H
#define OUTPUT_COLOR_H

#include "packet.h"
#include "util/buf.h"

#define COLOR_PROCESS "\033[1;36m"
#define COLOR_CONTAINER "\033[35m"
#define COLOR_IN "\033[32m"
#define COLOR_OUT "\033[33m"
#define COLOR_BAD "\033[31m" /* a segment that resets its connection, packets that were lost */
#define COLOR_END "\033[0m"

/* NULL: none. */
static inline const char *color_of_direction(enum direction dir, bool color)
{
	if (!color || dir == DIR_NONE)
		return NULL;
	return dir == DIR_IN ? COLOR_IN : COLOR_OUT;
}

/* color: NULL none. */
static inline void color_begin(struct buf *b, const char *color)
{
	if (color)
		buf_puts(b, color);
}

static inline void color_end(struct buf *b, const char *color)
{
	if (color)
		buf_puts(b, COLOR_END);
}

#endif
