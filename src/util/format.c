/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/format.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/decimal.h"

enum {
	LITERAL_MAX = 32,    /* copied whole: most are of a few bytes, and a loop took longer */
	STEPS_MAX = 24,	     /* longer formats are glibc's business */
	FIELD_MAX = 1 << 16, /* so are wider fields, with its overflow rules */
	SLOT_BITS = 11,
	SLOTS = 1 << SLOT_BITS,
};

enum spec_flag { SPEC_LEFT = 1, SPEC_ZERO = 2, SPEC_PLUS = 4, SPEC_SPACE = 8, SPEC_ALT = 16 };
enum spec_size { SIZE_CHAR, SIZE_SHORT, SIZE_INT, SIZE_LONG };

/* One conversion specification. */
struct spec {
	int width, prec; /* prec -1: none */
	uint8_t flags, size;
	bool star_width, star_prec; /* an argument tells */
	char conv;
};

enum step_kind {
	STEP_LITERAL,  /* nothing but text */
	STEP_STRING,   /* %s */
	STEP_UNSIGNED, /* %u */
	STEP_CHAR,     /* %c */
	STEP_HEX,      /* %x, %02x, %04x, %08x */
	STEP_SPEC,
};

/* A piece of a format: text, then what kind tells. */
struct step {
	char literal[LITERAL_MAX];
	uint8_t literal_len, kind;
	bool last;
	struct spec spec;
};

struct slot {
	const char *fmt;    /* NULL: free */
	struct step *steps; /* NULL: glibc's */
};

struct formats {
	size_t used;
	struct slot slots[SLOTS]; /* open addressing */
};

/* By the linker and glibc's crt1.o: what lies between is never written to. */
extern const char __executable_start[], __data_start[];

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

static const char *parse_number(const char *f, int *ret, bool *star)
{
	int n = 0;

	*star = *f == '*';
	if (*star)
		return f + 1;
	for (; *f >= '0' && *f <= '9'; f++)
		n = n < FIELD_MAX ? n * 10 + (*f - '0') : FIELD_MAX;
	*ret = n;
	return f;
}

/* f is behind the per cent sign. Returns the end of the specification, or NULL when it is not one of the plain ones. */
static const char *parse_spec(const char *f, struct spec *s)
{
	*s = (struct spec){ .size = SIZE_INT, .prec = -1 };
	for (; flag_of(*f); f++)
		s->flags |= (uint8_t)flag_of(*f);
	f = parse_number(f, &s->width, &s->star_width);
	if (*f == '.')
		f = parse_number(f + 1, &s->prec, &s->star_prec);
	if (s->width >= FIELD_MAX || s->prec >= FIELD_MAX)
		return NULL;

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
	case 'c': return s->size == SIZE_INT ? f + 1 : NULL;
	case 'd':
	case 'i':
	case 'u':
	case 'x':
	case 'X':
	case 'o': return f + 1;
	default: return NULL;
	}
}

static bool is_plain_hex(const struct spec *s)
{
	return s->conv == 'x' && s->size == SIZE_INT && s->prec < 0 && !s->star_width && !s->star_prec &&
	       s->width <= 8 && s->flags == (s->width > 0 ? SPEC_ZERO : 0);
}

/* Behind the literal. Returns where the next step begins, or NULL. */
static const char *parse_conversion(const char *f, struct step *s)
{
	if (*f != '%') {
		s->kind = STEP_LITERAL;
		return f;
	}
	switch (*++f) {
	case 's': s->kind = STEP_STRING; return f + 1;
	case 'u': s->kind = STEP_UNSIGNED; return f + 1;
	case 'c': s->kind = STEP_CHAR; return f + 1;
	}
	s->kind = STEP_SPEC;
	f = parse_spec(f, &s->spec);
	if (f && is_plain_hex(&s->spec))
		s->kind = STEP_HEX;
	return f;
}

/* The number of steps; 0: the format is one for glibc. */
static size_t parse(const char *f, struct step steps[STEPS_MAX])
{
	for (size_t n = 0; n < STEPS_MAX; n++) {
		struct step *s = steps + n;

		s->literal_len = 0;
		while (*f && s->literal_len < LITERAL_MAX && (*f != '%' || f[1] == '%')) {
			s->literal[s->literal_len++] = *f;
			f += *f == '%' ? 2 : 1;
		}
		f = parse_conversion(f, s);
		if (!f)
			return 0;
		s->last = *f == '\0';
		if (s->last)
			return n + 1;
	}
	return 0;
}

static void put_times(struct buf *b, char c, size_t n)
{
	if (n > 0)
		memset(buf_reserve(b, n), c, n);
	b->len += n;
}

static size_t padding(const struct spec *s, size_t n)
{
	return s->width > 0 && (size_t)s->width > n ? (size_t)s->width - n : 0;
}

/* Text with blanks up to the width on the side that the flags tell. */
static void put_field(struct buf *b, const struct spec *s, const char *text, size_t n)
{
	const size_t pad = padding(s, n);

	put_times(b, ' ', s->flags & SPEC_LEFT ? 0 : pad);
	buf_put(b, text, n);
	put_times(b, ' ', s->flags & SPEC_LEFT ? pad : 0);
}

static void put_string(struct buf *b, const struct spec *s, const char *text)
{
	if (!text)
		text = s->prec >= 0 && s->prec < 6 ? "" : "(null)";
	put_field(b, s, text, s->prec >= 0 ? strnlen(text, (size_t)s->prec) : strlen(text));
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

static char *put_long(char *d, uint64_t v)
{
	if (v < DECIMAL_EIGHT)
		return decimal_put(d, (uint32_t)v);
	return decimal_put_digits(put_long(d, v / DECIMAL_EIGHT), (uint32_t)(v % DECIMAL_EIGHT), 8);
}

/* At least n digits. */
static char *put_hex(char *d, uint32_t v, unsigned n)
{
	while (n < 8 && v >> (4 * n) != 0)
		n++;
	n += n == 0;
	for (unsigned shift = 4 * n; shift > 0; shift -= 4)
		*d++ = "0123456789abcdef"[v >> (shift - 4) & 15];
	return d;
}

static int64_t to_signed(uint64_t v, unsigned size)
{
	switch (size) {
	case SIZE_CHAR: return (signed char)v;
	case SIZE_SHORT: return (short)v;
	case SIZE_INT: return (int)v;
	default: return (int64_t)v;
	}
}

static uint64_t to_unsigned(uint64_t v, unsigned size)
{
	switch (size) {
	case SIZE_CHAR: return (unsigned char)v;
	case SIZE_SHORT: return (unsigned short)v;
	case SIZE_INT: return (unsigned)v;
	default: return v;
	}
}

/* Blanks, the sign or the radix mark, zeros up to the precision or the width, digits, blanks. */
static void put_integer(struct buf *b, const struct spec *s, uint64_t v)
{
	char text[32];
	char *const end = text + sizeof(text);
	char *d = text;
	const char *mark = "";
	size_t digits, zeros, pad;

	if (s->conv == 'd' || s->conv == 'i') {
		const int64_t i = to_signed(v, s->size);

		v = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
		mark = i < 0 ? "-" : s->flags & SPEC_PLUS ? "+" : s->flags & SPEC_SPACE ? " " : "";
	} else {
		v = to_unsigned(v, s->size);
		if ((s->flags & SPEC_ALT) && v != 0)
			mark = s->conv == 'x' ? "0x" : s->conv == 'X' ? "0X" : "";
	}
	if (s->conv == 'x' || s->conv == 'X')
		d = put_radix(end, v, 4, s->conv == 'x' ? "0123456789abcdef" : "0123456789ABCDEF");
	else if (s->conv == 'o')
		d = put_radix(end, v, 3, "01234567");
	digits = d > text ? (size_t)(end - d) : (size_t)(put_long(text, v) - text);
	if (v == 0 && s->prec == 0)
		digits = 0;

	zeros = s->prec > 0 && (size_t)s->prec > digits ? (size_t)s->prec - digits : 0;
	if (s->conv == 'o' && (s->flags & SPEC_ALT) && zeros == 0 && (digits == 0 || *d != '0'))
		zeros = 1;
	pad = padding(s, strlen(mark) + zeros + digits);
	if (s->prec < 0 && (s->flags & (SPEC_ZERO | SPEC_LEFT)) == SPEC_ZERO) {
		zeros += pad;
		pad = 0;
	}
	put_times(b, ' ', s->flags & SPEC_LEFT ? 0 : pad);
	buf_puts(b, mark);
	put_times(b, '0', zeros);
	buf_put(b, d, digits);
	put_times(b, ' ', s->flags & SPEC_LEFT ? pad : 0);
}

/* A conversion of any kind, with the values of its stars; v: the number, the character, or the address of the text. */
__attribute__((noinline)) static void put_spec(struct buf *b, struct spec spec, int width, int prec, uint64_t v)
{
	const char c = (char)v;

	if (spec.star_width) {
		spec.flags |= width < 0 ? SPEC_LEFT : 0;
		spec.width = width < -INT_MAX ? INT_MAX : abs(width);
	}
	if (spec.star_prec)
		spec.prec = prec;
	if (spec.conv == 's')
		put_string(b, &spec, (const char *)(uintptr_t)v);
	else if (spec.conv == 'c')
		put_field(b, &spec, &c, 1);
	else
		put_integer(b, &spec, v);
}

/* Room for n bytes at d, the end of what b holds. */
static inline char *room(struct buf *b, char *d, size_t n)
{
	if ((size_t)(b->p + b->cap - d) >= n)
		return d;
	b->len = (size_t)(d - b->p);
	return buf_reserve(b, n);
}

/* As the others that print: returns the bytes added. */
static int run(struct buf *b, const struct step *s, va_list ap)
{
	const size_t start = b->len;
	char *d = buf_reserve(b, 1);

	do {
		d = room(b, d, LITERAL_MAX + DECIMAL_ROOM);
		memcpy(d, s->literal, LITERAL_MAX);
		d += s->literal_len;
		switch (s->kind) {
		case STEP_LITERAL: break;
		case STEP_STRING: {
			const char *arg = va_arg(ap, const char *);
			const char *const text = arg ? arg : "(null)";
			const size_t n = strlen(text);

			d = room(b, d, n);
			memcpy(d, text, n);
			d += n;
			break;
		}
		case STEP_UNSIGNED: d = decimal_put(d, va_arg(ap, unsigned)); break;
		case STEP_CHAR: *d++ = (char)va_arg(ap, int); break;
		case STEP_HEX: d = put_hex(d, va_arg(ap, unsigned), (unsigned)s->spec.width); break;
		case STEP_SPEC: {
			const int width = s->spec.star_width ? va_arg(ap, int) : 0;
			const int prec = s->spec.star_prec ? va_arg(ap, int) : 0;
			const uint64_t v = s->spec.conv == 's'	       ? (uintptr_t)va_arg(ap, const char *)
					   : s->spec.size == SIZE_LONG ? va_arg(ap, unsigned long)
								       : va_arg(ap, unsigned);

			b->len = (size_t)(d - b->p);
			put_spec(b, s->spec, width, prec, v);
			d = b->p + b->len;
		}
		}
	} while (!s++->last);
	b->len = (size_t)(d - b->p);
	return (int)(b->len - start);
}

__attribute__((format(printf, 2, 0))) static int print_libc(struct buf *b, const char *fmt, va_list ap)
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
	if (n < 0)
		return 0;
	b->len += (size_t)n;
	return n;
}

/* The slot of fmt, or the free one where it belongs. */
static struct slot *find_slot(struct formats *formats, const char *fmt)
{
	size_t i = (uintptr_t)fmt * UINT64_C(0x9e3779b97f4a7c15) >> (64 - SLOT_BITS);

	while (formats->slots[i].fmt && formats->slots[i].fmt != fmt)
		i = (i + 1) % SLOTS;
	return &formats->slots[i];
}

/* Remembers the n steps of fmt when that is a constant, and there is room. */
static void keep(struct formats *formats, const char *fmt, const struct step *steps, size_t n)
{
	struct step *copy = NULL;

	if (fmt < __executable_start || fmt >= __data_start || formats->used > SLOTS / 4 * 3)
		return;
	if (n > 0) {
		copy = malloc(n * sizeof(*copy));
		if (!copy)
			return;
		memcpy(copy, steps, n * sizeof(*copy));
	}
	*find_slot(formats, fmt) = (struct slot){ fmt, copy };
	formats->used++;
}

__attribute__((format(printf, 3, 0), noinline)) static int print_first(struct formats *formats, struct buf *b,
								       const char *fmt, va_list ap)
{
	struct step steps[STEPS_MAX];
	const size_t n = parse(fmt, steps);

	if (formats)
		keep(formats, fmt, steps, n);
	return n > 0 ? run(b, steps, ap) : print_libc(b, fmt, ap);
}

int format_print(struct formats *formats, struct buf *b, const char *fmt, va_list ap)
{
	const struct slot *slot = formats ? find_slot(formats, fmt) : NULL;

	if (!slot || !slot->fmt)
		return print_first(formats, b, fmt, ap);
	return slot->steps ? run(b, slot->steps, ap) : print_libc(b, fmt, ap);
}

int formats_new(struct formats **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void formats_free(struct formats *formats)
{
	if (!formats)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		free(formats->slots[i].steps);
	free(formats);
}
