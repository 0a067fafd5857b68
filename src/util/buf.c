/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/buf.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/log.h"

enum { BUF_MIN = 256 };

void buf_grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : BUF_MIN;
	char *p;

	while (cap - b->len < need && cap <= SIZE_MAX / 2)
		cap *= 2;
	p = cap - b->len < need ? NULL : realloc(b->p, cap);
	if (!p) {
		log_error("out of memory: a buffer of %zu bytes cannot grow by %zu", b->cap, need);
		abort();
	}
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

enum spec_flag { SPEC_LEFT = 1, SPEC_ZERO = 2, SPEC_PLUS = 4, SPEC_SPACE = 8, SPEC_ALT = 16 };
enum spec_size { SIZE_CHAR, SIZE_SHORT, SIZE_INT, SIZE_LONG };

/* One conversion specification. */
struct spec {
	unsigned flags;
	unsigned width;
	int prec; /* -1: none */
	enum spec_size size;
	char conv;
};

/* The compiler passes a va_list array as a pointer; wrapped, helpers can advance the caller's. */
struct args {
	va_list ap;
};

/* Wider fields than this are glibc's business, with its overflow rules. */
enum { FIELD_MAX = 1 << 16 };

static char *put_decimal(char *end, uint64_t v)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";

	while (v >= 100) {
		end -= 2;
		memcpy(end, pairs + 2 * (v % 100), 2);
		v /= 100;
	}
	if (v < 10) {
		*--end = (char)('0' + v);
		return end;
	}
	end -= 2;
	memcpy(end, pairs + 2 * v, 2);
	return end;
}

static char *put_radix(char *end, uint64_t v, unsigned shift, const char *digits)
{
	const unsigned mask = (1U << shift) - 1;

	do {
		*--end = digits[v & mask];
		v >>= shift;
	} while (v > 0);
	return end;
}

/* Text with blanks up to the width on the side that the flags tell. */
static void put_field(struct buf *b, const struct spec *s, const char *text, size_t n)
{
	const size_t pad = s->width > n ? s->width - n : 0;
	char *d = buf_reserve(b, n + pad);

	if (pad > 0 && !(s->flags & SPEC_LEFT)) {
		memset(d, ' ', pad);
		d += pad;
	}
	memcpy(d, text, n);
	if (pad > 0 && (s->flags & SPEC_LEFT))
		memset(d + n, ' ', pad);
	b->len += n + pad;
}

static uint64_t spec_unsigned(const struct spec *s, struct args *args)
{
	uint64_t v = s->size == SIZE_LONG ? va_arg(args->ap, unsigned long) : va_arg(args->ap, unsigned);

	if (s->size == SIZE_SHORT)
		return (unsigned short)v;
	return s->size == SIZE_CHAR ? (unsigned char)v : v;
}

static int64_t spec_signed(const struct spec *s, struct args *args)
{
	int64_t v = s->size == SIZE_LONG ? va_arg(args->ap, long) : va_arg(args->ap, int);

	if (s->size == SIZE_SHORT)
		return (short)v;
	return s->size == SIZE_CHAR ? (signed char)v : v;
}

/* Digits, then zeros up to the precision or the width, then the sign or the radix mark. */
static void put_integer(struct buf *b, const struct spec *s, struct args *args)
{
	char text[FIELD_MAX / 64]; /* spec_parse() bounds what gets here */
	char *const end = text + sizeof(text);
	char *d;
	const char *mark = "";
	size_t digits;
	uint64_t v;

	if (s->conv == 'd' || s->conv == 'i') {
		const int64_t i = spec_signed(s, args);

		v = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
		mark = i < 0 ? "-" : s->flags & SPEC_PLUS ? "+" : s->flags & SPEC_SPACE ? " " : "";
	} else {
		v = spec_unsigned(s, args);
		if ((s->flags & SPEC_ALT) && v != 0)
			mark = s->conv == 'x' ? "0x" : s->conv == 'X' ? "0X" : "";
	}
	if (v == 0 && s->prec == 0)
		d = end;
	else if (s->conv == 'x' || s->conv == 'X')
		d = put_radix(end, v, 4, s->conv == 'x' ? "0123456789abcdef" : "0123456789ABCDEF");
	else if (s->conv == 'o')
		d = put_radix(end, v, 3, "01234567");
	else
		d = put_decimal(end, v);

	digits = s->prec >= 0 ? (size_t)s->prec : 0;
	if (s->prec < 0 && (s->flags & (SPEC_ZERO | SPEC_LEFT)) == SPEC_ZERO && s->width > strlen(mark))
		digits = s->width - strlen(mark);
	while ((size_t)(end - d) < digits)
		*--d = '0';
	if (s->conv == 'o' && (s->flags & SPEC_ALT) && (d == end || *d != '0'))
		*--d = '0';
	for (size_t n = strlen(mark); n > 0; n--)
		*--d = mark[n - 1];
	put_field(b, s, d, (size_t)(end - d));
}

static void put_string(struct buf *b, const struct spec *s, struct args *args)
{
	const char *text = va_arg(args->ap, const char *);

	if (!text)
		text = s->prec >= 0 && s->prec < 6 ? "" : "(null)";
	put_field(b, s, text, s->prec >= 0 ? strnlen(text, (size_t)s->prec) : strlen(text));
}

static const char *parse_number(const char *f, int *ret, struct args *args)
{
	int n = 0;

	if (*f == '*') {
		*ret = va_arg(args->ap, int);
		return f + 1;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		n = n < FIELD_MAX ? n * 10 + (*f - '0') : FIELD_MAX;
	*ret = n;
	return f;
}

static unsigned flag_of(char c)
{
	switch (c) {
	case '-': return SPEC_LEFT;
	case '0': return SPEC_ZERO;
	case '+': return SPEC_PLUS;
	case ' ': return SPEC_SPACE;
	case '#': return SPEC_ALT;
	default: return 0;
	}
}

/* f is behind the per cent sign. Returns the end of the specification, or NULL when it is not one of the plain ones. */
static const char *spec_parse(const char *f, struct spec *s, struct args *args)
{
	int width, prec = -1;

	*s = (struct spec){ .size = SIZE_INT };
	for (; flag_of(*f); f++)
		s->flags |= flag_of(*f);
	f = parse_number(f, &width, args);
	if (width < 0) {
		if (width < -FIELD_MAX)
			return NULL;
		s->flags |= SPEC_LEFT;
		width = -width;
	}
	if (*f == '.')
		f = parse_number(f + 1, &prec, args);
	s->width = (unsigned)width;
	s->prec = prec < 0 ? -1 : prec;

	if (*f == 'l') {
		s->size = SIZE_LONG;
		f += f[1] == 'l' ? 2 : 1;
	} else if (*f == 'z' || *f == 'j' || *f == 't') {
		s->size = SIZE_LONG;
		f++;
	} else if (*f == 'h') {
		s->size = f[1] == 'h' ? SIZE_CHAR : SIZE_SHORT;
		f += f[1] == 'h' ? 2 : 1;
	}
	s->conv = *f;
	switch (s->conv) {
	case 's':
	case 'c': return s->size == SIZE_INT && width < FIELD_MAX ? f + 1 : NULL;
	case 'd':
	case 'i':
	case 'u':
	case 'x':
	case 'X':
	case 'o': return width < FIELD_MAX / 128 && prec < FIELD_MAX / 128 ? f + 1 : NULL;
	default: return NULL;
	}
}

/* Up to the next conversion or the end. Most are of a few bytes: searching, then copying, took longer. */
static const char *put_literal(struct buf *b, const char *f)
{
	enum { STEP = 64 };

	while (*f != '\0' && *f != '%') {
		char *d = buf_reserve(b, STEP);
		const char *const start = f;

		while (f < start + STEP && *f != '\0' && *f != '%')
			*d++ = *f++;
		b->len += (size_t)(f - start);
	}
	return f;
}

/* false: the format has a conversion that only glibc does. */
static bool put_format(struct buf *b, const char *f, struct args *args)
{
	char text[32];
	struct spec spec;

	for (;;) {
		f = put_literal(b, f);
		if (*f == '\0')
			return true;
		/* The commonest ones without a look at flags. */
		switch (*++f) {
		case 's': {
			const char *s = va_arg(args->ap, const char *);

			buf_puts(b, s ? s : "(null)");
			f++;
			continue;
		}
		case 'u': {
			const char *s = put_decimal(text + sizeof(text), va_arg(args->ap, unsigned));

			buf_put(b, s, (size_t)(text + sizeof(text) - s));
			f++;
			continue;
		}
		case '%':
			buf_putc(b, '%');
			f++;
			continue;
		}
		f = spec_parse(f, &spec, args);
		if (!f)
			return false;
		if (spec.conv == 's') {
			put_string(b, &spec, args);
		} else if (spec.conv == 'c') {
			text[0] = (char)va_arg(args->ap, int);
			put_field(b, &spec, text, 1);
		} else {
			put_integer(b, &spec, args);
		}
	}
}

__attribute__((format(printf, 2, 0))) static void put_format_libc(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	size_t room;
	int n;

	va_copy(again, ap);
	buf_reserve(b, 1);
	room = b->cap - b->len;
	n = vsnprintf(b->p + b->len, room, fmt, ap);
	if (n > 0 && (size_t)n >= room) {
		buf_reserve(b, (size_t)n + 1);
		n = vsnprintf(b->p + b->len, (size_t)n + 1, fmt, again);
	}
	va_end(again);
	if (n > 0)
		b->len += (size_t)n;
}

int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	const size_t start = b->len;
	struct args args;
	bool plain;

	va_copy(args.ap, ap);
	plain = put_format(b, fmt, &args);
	va_end(args.ap);
	if (!plain) {
		b->len = start;
		put_format_libc(b, fmt, ap);
	}
	return (int)(b->len - start);
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
	const unsigned char *const end = p + (s.p ? s.n : 0);

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

static int wait_writable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	return poll(&pfd, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

int buf_flush(struct buf *b, int fd)
{
	size_t done = 0;
	int err = 0;

	while (done < b->len && err == 0) {
		const ssize_t n = write(fd, b->p + done, b->len - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			err = wait_writable(fd);
		else if (errno != EINTR)
			err = -errno;
	}
	if (done > 0 && done < b->len)
		memmove(b->p, b->p + done, b->len - done);
	b->len -= done;
	return err;
}

void buf_done(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}
