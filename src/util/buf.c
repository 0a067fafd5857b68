/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/format.h"

enum { BUF_MIN = 256 };

/* Without any memory: messages may need some. */
static _Noreturn void die(void)
{
	static const char text[] = "ptcpdump: out of memory\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_FAILURE);
	_exit(EXIT_FAILURE);
}

void buf_grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : BUF_MIN;
	char *p;

	while (cap - b->len < need && cap <= SIZE_MAX / 2)
		cap *= 2;
	p = cap - b->len < need ? NULL : realloc(b->p, cap);
	if (!p)
		die();
	b->p = p;
	b->cap = cap;
}

void buf_puts(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void buf_insert(struct buf *b, size_t pos, const void *p, size_t n)
{
	if (n == 0)
		return;
	buf_reserve(b, n);
	memmove(b->p + pos + n, b->p + pos, b->len - pos);
	memcpy(b->p + pos, p, n);
	b->len += n;
}

int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	return format_print(NULL, b, fmt, ap);
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return n;
}

int buf_flush(struct buf *b, int fd, const volatile sig_atomic_t *interrupted, size_t *done)
{
	size_t own, *const n = done ? done : &own;
	int err = fd_write(fd, b->p, b->len, interrupted, n);

	if (*n > 0 && *n < b->len)
		memmove(b->p, b->p + *n, b->len - *n);
	b->len -= *n;
	if (err == -EINTR)
		b->len = 0;
	return err;
}

void buf_done(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}
