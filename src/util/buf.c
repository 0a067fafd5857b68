/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/buf.h"

#include <errno.h>
#include <stdbool.h>
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

/* Bytes of the UTF-8 sequence at p (RFC 3629: shortest form, no surrogates, up to U+10FFFF), 0 when invalid. */
static size_t utf8_decode(const unsigned char *p, size_t n, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
	uint32_t c;

	if (len == 0 || len > n)
		return 0;
	c = len == 1 ? p[0] : p[0] & (0x7fU >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return len;
}

static bool is_harmless(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == '\\')
		return false;
	/* Line and paragraph separators; marks, embeddings, overrides and isolates of bidirectional text. */
	return !(c == 0x200e || c == 0x200f || c == 0x061c || (c >= 0x2028 && c <= 0x202e) ||
		 (c >= 0x2066 && c <= 0x2069));
}

/* json: the escapes are those of RFC 8259 section 7, and a backslash begins one already. */
static void put_escaped(struct buf *b, struct str s, bool json)
{
	const unsigned char *p = (const unsigned char *)s.p;
	const unsigned char *const end = p ? p + s.n : p;

	while (p < end) {
		uint32_t c = 0;
		const size_t len = utf8_decode(p, (size_t)(end - p), &c);

		if (len > 0 && is_harmless(c)) {
			buf_put(b, p, len);
			p += len;
			continue;
		}
		switch (*p) {
		case '\n': buf_puts(b, "\\n"); break;
		case '\t': buf_puts(b, "\\t"); break;
		case '\r': buf_puts(b, "\\r"); break;
		case '\\': buf_puts(b, json ? "\\" : "\\\\"); break;
		default:
			/* A harmful character of several bytes: all of them, so that what follows is not misread. */
			if (json)
				buf_printf(b, "\\u%04x", len ? (unsigned)c : 0xfffdu);
			for (size_t i = 0; !json && i < (len ? len : 1); i++)
				buf_printf(b, "\\x%02x", p[i]);
		}
		p += len ? len : 1;
	}
}

void buf_put_escaped(struct buf *b, struct str s)
{
	put_escaped(b, s, false);
}

void buf_put_json(struct buf *b, struct str json)
{
	put_escaped(b, json, true);
}

int buf_flush(struct buf *b, int fd, const volatile sig_atomic_t *interrupted)
{
	size_t done;
	int err = fd_write(fd, b->p, b->len, interrupted, &done);

	if (done > 0 && done < b->len)
		memmove(b->p, b->p + done, b->len - done);
	b->len -= done;
	if (err == -EINTR)
		b->len = 0;
	return err;
}

void buf_done(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}
