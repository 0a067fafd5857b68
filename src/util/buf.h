/* SPDX-License-Identifier: BSD-3-Clause */
/* A growable byte buffer. Out of memory ends the program, with a message and exit status 1: nothing sensible can follow. */
#ifndef UTIL_BUF_H
#define UTIL_BUF_H

#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include "util/str.h"

struct buf {
	char *p;
	size_t len, cap;
};

/* The slow half of buf_reserve(). */
void buf_grow(struct buf *b, size_t need);

/* Room for need more bytes at the end; returns where to write. Does not change len. */
static inline char *buf_reserve(struct buf *b, size_t need)
{
	if (b->cap - b->len < need || !b->p)
		buf_grow(b, need);
	return b->p + b->len;
}

static inline void buf_put(struct buf *b, const void *p, size_t n)
{
	if (n > 0)
		memcpy(buf_reserve(b, n), p, n);
	b->len += n;
}

static inline void buf_putc(struct buf *b, char c)
{
	*buf_reserve(b, 1) = c;
	b->len++;
}

void buf_puts(struct buf *b, const char *s);
void buf_insert(struct buf *b, size_t pos, const void *p, size_t n);
/* printf's conversions as glibc prints them, several times faster for the plain ones. Returns bytes added. */
int buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Writes everything to fd as fd_write() and empties the buffer; -errno on failure, what was written is removed from the
 * buffer, after -EINTR all. done may be NULL. */
int buf_flush(struct buf *b, int fd, const volatile sig_atomic_t *interrupted, size_t *done);
void buf_done(struct buf *b);

#endif
