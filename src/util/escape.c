/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/escape.h"

#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

enum {
	MARKS_MAX = 4,		/* on one character; towers of them reach into other lines */
	EMOJI_STYLE = 0xfe0f,	/* VARIATION SELECTOR-16 */
	BRAILLE_BLANK = 0x2800, /* a symbol as the other patterns are, but without a dot */
	EVERYWHERE = 0xff,
	HALF_MIN = 0x10000, /* beyond, JSON has surrogates */
};

/* The places where a byte may have to be escaped; else it is copied. */
static const uint8_t places[256] = {
	[0 ... 0x1f] = EVERYWHERE,
	[0x7f ... 0xff] = EVERYWHERE,
	['\\'] = EVERYWHERE & ~IN_MESSAGE,
	[' '] = IN_NAMES | IN_PARTS | IN_HOSTS | IN_QUOTES,
	[','] = IN_HOSTS | IN_QUOTES | IN_FIELDS | IN_JSON,
	['['] = IN_NAMES | IN_PARTS | IN_HOSTS | IN_QUOTES,
	[']'] = IN_NAMES | IN_PARTS | IN_HOSTS | IN_QUOTES,
	['/'] = IN_PARTS,
	['@'] = IN_PARTS,
	['('] = IN_HOSTS | IN_QUOTES | IN_FIELDS | IN_JSON,
	[')'] = IN_HOSTS | IN_QUOTES | IN_FIELDS | IN_JSON,
	['"'] = IN_HOSTS | IN_QUOTES | IN_JSON,
	['\''] = IN_HOSTS | IN_QUOTES,
	[':'] = IN_HOSTS,
	[';'] = IN_HOSTS,
	['<'] = IN_HOSTS,
	['>'] = IN_HOSTS,
};

/* What a character may need in front of it. */
enum before {
	NOTHING,
	BASE,	       /* marks may follow */
	PICTURE,       /* and what joins pictures */
	PICTURE_STYLED /* not another style */
};

struct escaper {
	struct buf *b;
	enum escape_place place;
	const uint8_t *start, *end;
	enum before before;
	unsigned marks;		 /* on it */
	bool quoted;		 /* JSON: in a string */
	const uint8_t *word_end; /* of the word that was looked at last */
	bool word_pairs;	 /* all of its parentheses are pairs */
};

/* In an escape no room is asked for that is not used: b may be of a fixed size. */
static void put_hex(struct buf *b, const char *mark, unsigned v, unsigned digits)
{
	char text[8] = { mark[0], mark[1] };

	for (unsigned i = 0; i < digits; i++)
		text[2 + i] = "0123456789abcdef"[v >> 4 * (digits - 1 - i) & 15];
	buf_put(b, text, 2 + digits);
}

static void put_json_escape(struct buf *b, uint32_t c)
{
	if (c >= HALF_MIN) {
		put_hex(b, "\\u", 0xd800 + ((c - HALF_MIN) >> 10), 4);
		c = 0xdc00 + ((c - HALF_MIN) & 0x3ff);
	}
	put_hex(b, "\\u", c, 4);
}

/* All of the n bytes of a character c: what follows must not be misread. */
static void put_escape(struct escaper *e, const uint8_t *p, size_t n, uint32_t c)
{
	e->before = NOTHING;
	if (e->place == IN_JSON) {
		put_json_escape(e->b, c);
		return;
	}
	for (size_t i = 0; i < n; i++)
		put_hex(e->b, "\\x", p[i], 2);
}

/* Full-width, small and vertical forms and the like. */
static bool is_form_of_ascii_mark(int32_t c)
{
	int32_t to[2] = { 0 };
	const ssize_t n = utf8proc_decompose_char(c, to, 2, UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE, NULL);

	return n == 1 && to[0] < 0x7f && !((to[0] | 0x20) >= 'a' && (to[0] | 0x20) <= 'z') &&
	       !(to[0] >= '0' && to[0] <= '9');
}

/* c is not ASCII. */
static bool is_printable(int32_t c, const utf8proc_property_t *p)
{
	switch (p->category) {
	case UTF8PROC_CATEGORY_CN:
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_CF:
	case UTF8PROC_CATEGORY_CS:
	case UTF8PROC_CATEGORY_CO:
	case UTF8PROC_CATEGORY_ZS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
	case UTF8PROC_CATEGORY_PS:
	case UTF8PROC_CATEGORY_PE: return false;
	}
	return !p->ignorable && c != BRAILLE_BLANK && !is_form_of_ascii_mark(c);
}

static bool is_mark(const utf8proc_property_t *p)
{
	return p->category == UTF8PROC_CATEGORY_MN || p->category == UTF8PROC_CATEGORY_MC ||
	       p->category == UTF8PROC_CATEGORY_ME;
}

static bool is_picture(const utf8proc_property_t *p)
{
	return p->boundclass == UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC;
}

/* What is invisible between two pictures makes one of them. */
static bool joins_pictures(struct escaper *e, int32_t c, const utf8proc_property_t *p, const uint8_t *behind)
{
	const utf8proc_property_t *next;
	int32_t follows;

	if (e->before == PICTURE && c == EMOJI_STYLE) {
		e->before = PICTURE_STYLED;
		return true;
	}
	if (e->before < PICTURE || p->boundclass != UTF8PROC_BOUNDCLASS_ZWJ ||
	    utf8proc_iterate(behind, e->end - behind, &follows) <= 0)
		return false;
	next = utf8proc_get_property(follows);
	return is_picture(next) && is_printable(follows, next);
}

static bool may_stand(struct escaper *e, int32_t c, const uint8_t *behind)
{
	const utf8proc_property_t *p = utf8proc_get_property(c);

	if (joins_pictures(e, c, p, behind))
		return true;
	if (!is_printable(c, p))
		return false;
	if (is_mark(p))
		return e->before != NOTHING && e->marks++ < MARKS_MAX;
	/* The colour of a skin belongs to the picture. */
	if (is_picture(p))
		e->before = PICTURE;
	else if (e->before < PICTURE || p->boundclass != UTF8PROC_BOUNDCLASS_EXTEND)
		e->before = BASE;
	e->marks = 0;
	return true;
}

/* These return how many bytes they have dealt with. */
static size_t put_wide(struct escaper *e, const uint8_t *p)
{
	int32_t c;
	const ssize_t n = utf8proc_iterate(p, e->end - p, &c);

	if (n <= 0) {
		put_escape(e, p, 1, 0xfffd);
		return 1;
	}
	if (may_stand(e, c, p + n))
		buf_put(e->b, p, (size_t)n);
	else
		put_escape(e, p, (size_t)n, (uint32_t)c);
	return (size_t)n;
}

static bool ends_word(const struct escaper *e, uint8_t c)
{
	return c == ' ' || (c == '"' && e->place == IN_JSON);
}

/* Whether each parenthesis of the word around p has its other one there. Each word is looked at once. */
static bool is_of_pair(struct escaper *e, const uint8_t *p)
{
	long open = 0;
	bool pairs = true;

	if (p < e->word_end)
		return e->word_pairs;
	while (p > e->start && !ends_word(e, p[-1]))
		p--;
	for (; p < e->end && !ends_word(e, *p); p++) {
		open += (*p == '(') - (*p == ')');
		pairs = pairs && open >= 0;
	}
	e->word_end = p;
	e->word_pairs = pairs && open == 0;
	return e->word_pairs;
}

/* Would be read as the end of a value. */
static bool is_separator(const struct escaper *e, const uint8_t *p)
{
	if (e->place == IN_JSON)
		return p + 1 < e->end && p[1] == ' ';
	return e->place != IN_FIELDS || p + 1 == e->end || p[1] == ' ';
}

/* Outside of its strings, JSON means the same without blanks. */
static size_t put_comma(struct escaper *e, const uint8_t *p)
{
	size_t n = 1;

	if (e->place == IN_JSON && !e->quoted) {
		buf_putc(e->b, ',');
		while (p + n < e->end && p[n] == ' ')
			n++;
	} else if (is_separator(e, p)) {
		put_escape(e, p, 1, *p);
	} else {
		buf_putc(e->b, ',');
	}
	return n;
}

/* In JSON it begins an escape already; one of a quote or of a backslash is whole with that. */
static size_t put_backslash(struct escaper *e, const uint8_t *p)
{
	const bool pair = e->place == IN_JSON && p + 1 < e->end && (p[1] == '"' || p[1] == '\\');

	if (e->place != IN_JSON)
		buf_put(e->b, "\\\\", 2);
	else
		buf_put(e->b, p, pair ? 2 : 1);
	return pair ? 2 : 1;
}

static size_t put_ascii(struct escaper *e, const uint8_t *p)
{
	e->before = NOTHING;
	switch (*p) {
	case '\n': buf_put(e->b, "\\n", 2); return 1;
	case '\t': buf_put(e->b, "\\t", 2); return 1;
	case '\r': buf_put(e->b, "\\r", 2); return 1;
	case '\\': return put_backslash(e, p);
	case ',': return put_comma(e, p);
	case '"':
		if (e->place != IN_JSON)
			break;
		e->quoted = !e->quoted;
		buf_putc(e->b, '"');
		return 1;
	case '(':
	case ')':
		if (!(e->place & (IN_FIELDS | IN_JSON)) || !is_of_pair(e, p))
			break;
		buf_putc(e->b, (char)*p);
		return 1;
	}
	put_escape(e, p, 1, *p);
	return 1;
}

static const uint8_t *put_run(struct escaper *e, const uint8_t *p)
{
	const uint8_t *const from = p;

	while (p < e->end && !(places[*p] & e->place))
		p++;
	if (p == from)
		return p;
	buf_put(e->b, from, (size_t)(p - from));
	e->before = p[-1] == ' ' ? NOTHING : BASE;
	e->marks = 0;
	return p;
}

void escape_put(struct buf *b, struct str s, enum escape_place place)
{
	const uint8_t *p = (const uint8_t *)s.p;
	struct escaper e = { .b = b, .place = place, .start = p };

	/* Nothing may be added to a null pointer, not even 0 (C11 6.5.6). */
	if (!p)
		return;
	e.end = p + s.n;
	while (p < e.end) {
		p = put_run(&e, p);
		if (p < e.end)
			p += *p < 0x80 ? put_ascii(&e, p) : put_wide(&e, p);
	}
}

const char *escape_quoted(char *to, size_t size, const char *name)
{
	struct buf b = { .p = to, .cap = size };

	escape_put(&b, (struct str){ name, (uint32_t)strnlen(name, (size - 1) / 4) }, IN_QUOTES);
	to[b.len] = '\0';
	return to;
}
