/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tokens of libpcap's scanner, as far as it takes to see where a primitive begins, what stands under a not, and
 * which parentheses belong together. Everything else is libpcap's to judge.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "annotation.h"
#include "filter/scan.h"
#include "util/glob.h"

enum {
	VALUE_MAX = 4095, /* bytes: a path */
	SHOWN_MAX = 60,	  /* of a value in a message */
};

#define BLANKS " \t\n\v\f\r"
#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_AND, TOKEN_OR, TOKEN_NOT, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_OTHER };

struct token {
	enum token_kind kind;
	const char *p;
	size_t n;
};

/* The words in front of a value. */
struct head {
	enum term_kind kind;
	enum term_end end;
	const char *to;	   /* their end */
	const char *value; /* or a parenthesis with several */
};

/* What stands between two parentheses, or the whole. */
struct frame {
	bool negative;
	bool values; /* of a libpcap primitive, or of the index of a load */
	bool terms;  /* values of: */
	struct head list;
};

struct parser {
	const char *text;
	struct expr_scan *s;
	struct frame *frames;
	size_t depth, cap;
	bool begin;    /* a primitive can */
	bool negative; /* what begins is, by the nots since the last operator */
	bool lists;    /* the next parenthesis holds values of: */
	struct head list;
	bool after_term; /* without anything but operators between */
	char *err;
};

static struct frame *top(const struct parser *p)
{
	return &p->frames[p->depth - 1];
}

static bool token_is(const struct token *t, const char *word)
{
	return t->kind != TOKEN_END && strlen(word) == t->n && memcmp(t->p, word, t->n) == 0;
}

static enum token_kind word_kind(const struct token *t)
{
	return token_is(t, "and")   ? TOKEN_AND
	       : token_is(t, "or")  ? TOKEN_OR
	       : token_is(t, "not") ? TOKEN_NOT
				    : TOKEN_WORD;
}

/* libpcap's words do not end in these. */
static size_t word_len(const char *p)
{
	size_t n = strspn(p, WORD);

	while (n > 1 && (p[n - 1] == '-' || p[n - 1] == '_'))
		n--;
	return n;
}

static struct token token_at(const char *p)
{
	struct token t = { .kind = TOKEN_OTHER, .p = p + strspn(p, BLANKS), .n = 1 };

	switch (*t.p) {
	case '\0': t.kind = TOKEN_END; return t;
	case '(': t.kind = TOKEN_OPEN; return t;
	case ')': t.kind = TOKEN_CLOSE; return t;
	case '!':
		if (t.p[1] == '=')
			t.n = 2;
		else
			t.kind = TOKEN_NOT;
		return t;
	case '&':
	case '|':
		if (t.p[1] == *t.p) {
			t.n = 2;
			t.kind = *t.p == '&' ? TOKEN_AND : TOKEN_OR;
		}
		return t;
	case '\\': t.n += strcspn(t.p + 1, " !()\n\t"); return t;
	case '-':
	case '_':
	case '.': return t;
	}
	if (strchr(WORD, *t.p)) {
		t.n = word_len(t.p);
		t.kind = word_kind(&t);
	}
	return t;
}

static struct token token_after(const struct token *t)
{
	return token_at(t->p + t->n);
}

/* --- messages ----------------------------------------------------------------------------------------- */

/* The term with what can be shown of a value, NUL-terminated. */
static void put_shown(struct buf *b, const struct head *h, const char *value)
{
	char shown[SHOWN_MAX + 4];
	const struct filter_term t = { .kind = h->kind, .end = h->end, .value = shown };

	snprintf(shown, sizeof(shown), "%.*s%s", SHOWN_MAX, value, strlen(value) > SHOWN_MAX ? "..." : "");
	filter_term_put(b, &t);
	buf_putc(b, '\0');
}

/* "src pid abc: why". */
static int fail_value(const struct parser *p, const struct head *h, const char *value, const char *why)
{
	struct buf b = { 0 };

	put_shown(&b, h, value);
	snprintf(p->err, FILTER_ERR_LEN, "%s: %s", b.p, why);
	buf_done(&b);
	return -EINVAL;
}

static int fail(const struct parser *p, enum term_kind kind, const char *why)
{
	snprintf(p->err, FILTER_ERR_LEN, "%s: %s", filter_term_word(kind), why);
	return -EINVAL;
}

/* --- values ------------------------------------------------------------------------------------------- */

static bool digits(const char *s)
{
	return s[strspn(s, "0123456789")] == '\0';
}

static const char *pid_flaw(const char *value)
{
	_Static_assert(PID_LIMIT == 4194304, "the message says so");
	uint32_t pid;

	if (value[0] < '0' || value[0] > '9' || strpbrk(value, BLANKS) || !annot_parse_pid(str_of(value), &pid))
		return "not a number (pname takes names; several: pid (7 or 8))";
	pid &= ~PID_OUTSIDE;
	return pid && pid <= PID_LIMIT ? NULL : "not a number from 1 to 4194304";
}

/* A key is no pattern. */
static const char *label_flaw(const char *label)
{
	const char *mark = strchr(label, '=');

	if (mark == label)
		return "no key: a label is KEY or KEY=VALUE";
	return mark ? glob_flaw(mark + 1) : NULL;
}

static const char *value_flaw(enum term_kind kind, const char *value)
{
	uint32_t n;

	if (!value[0])
		return "an empty value matches nothing";
	switch (kind) {
	case TERM_PID: return pid_flaw(value);
	case TERM_PARENT:
		return digits(value) || annot_parse_pid(str_of(value), &n) ? pid_flaw(value) : glob_flaw(value);
	case TERM_UID:
		if (value[strspn(value, "-0123456789")] == '\0' &&
		    (!digits(value) || !annot_parse_u32(str_of(value), &n) || n == UINT32_MAX))
			return "not a number below 4294967295";
		return NULL;
	case TERM_LABEL: return label_flaw(value);
	default: return glob_flaw(value);
	}
}

/* Appends what is between the quotes, and a NUL. In double quotes a backslash makes a quote or a backslash plain, and
 * stays in front of others, which are a pattern's. NULL: the quote has no end. */
static const char *quoted(struct buf *b, const char *p)
{
	const char quote = *p++;

	for (; *p != quote; p++) {
		if (quote == '"' && *p == '\\' && (p[1] == '"' || p[1] == '\\'))
			p++;
		if (!*p)
			return NULL;
		buf_putc(b, *p);
	}
	buf_putc(b, '\0');
	return p + 1;
}

static const char *unquoted(struct buf *b, const char *p)
{
	const size_t n = strcspn(p, BLANKS "()&|!\"'");

	buf_put(b, p, n);
	buf_putc(b, '\0');
	return p + n;
}

/* Of what no value begins with, unless it is quoted; 0 it does not either. */
static size_t operator_len(const struct head *h)
{
	if (h->kind == TERM_LABEL && *h->value == '=') /* a key is lacking */
		return 0;
	return strncmp(h->value, "!=", 2) == 0 ? 2 : strspn(h->value, "=<>");
}

/* What to write instead of "pid != 7", as libpcap's own primitives have it. */
static void put_without(struct buf *b, const struct head *h)
{
	const char *p = h->value + operator_len(h);
	struct buf value = { 0 };

	p += strspn(p, BLANKS);
	if (!(*p == '"' || *p == '\'' ? quoted(&value, p) : unquoted(&value, p)) || !value.p[0]) {
		value.len = 0;
		buf_put(&value, "...", sizeof("..."));
	}
	if (*h->value == '!')
		buf_puts(b, "not ");
	put_shown(b, h, value.p);
	buf_done(&value);
}

static int fail_operator(const struct parser *p, const struct head *h)
{
	const char *word = filter_term_word(h->kind);
	struct buf b = { 0 };

	if (*h->value == '<' || *h->value == '>')
		buf_printf(&b, "all values, %s (A or B)%c", word, '\0');
	else
		put_without(&b, h);
	snprintf(p->err, FILTER_ERR_LEN, "%s %.*s: a process term has no operator: write %s", word,
		 (int)operator_len(h), h->value, b.p);
	buf_done(&b);
	return -EINVAL;
}

static int value_check(const struct parser *p, const struct head *h, const char *value, const char *end)
{
	const char *flaw;

	if (strlen(value) > VALUE_MAX)
		return fail_value(p, h, value, "the value is longer than 4095 bytes");
	flaw = value_flaw(h->kind, value);
	if (flaw)
		return fail_value(p, h, value, flaw);
	if (*end == '"' || *end == '\'' || *end == '(')
		return fail_value(p, h, value, "goes on behind the value: put the whole value in quotes");
	return 0;
}

/* A term, or the beginning of another primitive, is there. */
static void operand(struct parser *p, bool is_term)
{
	p->begin = p->negative = false;
	p->after_term = is_term;
}

static void edit(struct expr_scan *s, const char *text, const char *from, const char *to, int term)
{
	s->edits[s->nedits++] =
		(struct expr_edit){ .from = (size_t)(from - text), .to = (size_t)(to - text), .term = term };
}

static int fail_many(const struct parser *p)
{
	snprintf(p->err, FILTER_ERR_LEN, "more than %d process terms in an expression", FILTER_TERMS_MAX);
	return -EINVAL;
}

/* from: where in the text the term begins. Returns its end. */
static int term_add(struct parser *p, const struct head *h, const char *from, const char **end)
{
	struct expr_scan *s = p->s;
	const size_t at = s->text.len;
	int err;

	if (s->n == FILTER_TERMS_MAX)
		return fail_many(p);
	if (h->kind == TERM_UNKNOWN) {
		buf_putc(&s->text, '\0');
		*end = h->to;
	} else {
		if (operator_len(h))
			return fail_operator(p, h);
		*end = *h->value == '"' || *h->value == '\'' ? quoted(&s->text, h->value)
							     : unquoted(&s->text, h->value);
		if (!*end)
			return fail(p, h->kind, "the quote behind it has no end");
		err = value_check(p, h, s->text.p + at, *end);
		if (err)
			return err;
	}
	edit(s, p->text, from, *end, (int)s->n);
	s->values[s->n] = at;
	s->terms[s->n++] =
		(struct filter_term){ .kind = h->kind, .end = h->end, .negative = top(p)->negative != p->negative };
	operand(p, true);
	return 0;
}

/* --- where terms begin ------------------------------------------------------------------------------------ */

static enum term_kind term_kind_of(const struct token *t)
{
	enum term_kind kind = 0;

	if (t->kind != TOKEN_WORD)
		return TERM_KINDS;
	while (kind < TERM_KINDS && !token_is(t, filter_term_word(kind)))
		kind++;
	return kind;
}

static bool direction(const struct token *t, enum term_end *ret)
{
	*ret = token_is(t, "src") ? TERM_SRC : TERM_DST;
	return *ret == TERM_SRC || token_is(t, "dst");
}

/* [src | dst | src or dst | src and dst], in libpcap's way. t: behind it */
static enum term_end direction_take(struct token *t)
{
	enum term_end end, other;
	struct token op, next;

	if (!direction(t, &end))
		return TERM_EITHER;
	op = token_after(t);
	next = token_after(&op);
	if ((op.kind != TOKEN_AND && op.kind != TOKEN_OR) || !direction(&next, &other) || other == end) {
		*t = op;
		return end;
	}
	*t = token_after(&next);
	return op.kind == TOKEN_AND ? TERM_BOTH : TERM_EITHER;
}

/* What may follow a name: the word in front of it is one, of a host perhaps. */
static bool is_name_end(const struct token *t)
{
	switch (t->kind) {
	case TOKEN_END:
	case TOKEN_AND:
	case TOKEN_OR:
	case TOKEN_CLOSE: return true;
	case TOKEN_OTHER: return *t->p == '&' || *t->p == '|';
	default: return false;
	}
}

static bool head_at(const struct token *first, struct head *ret)
{
	struct token t = *first, value;

	ret->end = direction_take(&t);
	ret->kind = term_kind_of(&t);
	if (ret->kind == TERM_KINDS)
		return false;
	ret->to = t.p + t.n;
	value = token_after(&t);
	ret->value = value.p;
	return ret->kind == TERM_UNKNOWN || !is_name_end(&value);
}

/* A term word of another place; libpcap may take it for a name. */
static void hint_place(struct parser *p, const struct token *t)
{
	const struct token next = token_after(t);
	const enum term_kind kind = term_kind_of(t);

	if (kind == TERM_KINDS || kind == TERM_UNKNOWN || is_name_end(&next))
		return;
	snprintf(p->s->hint, sizeof(p->s->hint),
		 "%s: a process term begins the expression or stands after and, or, not "
		 "or a parenthesis (tcp and %s ...)",
		 filter_term_word(kind), filter_term_word(kind));
}

/* "pid 1 or 2": libpcap, for which only a primitive of its own hands on what its values are, refuses it. */
static void hint_bare(struct parser *p, const struct token *t)
{
	const struct token next = token_after(t);
	const enum term_kind kind = p->s->terms[p->s->n - 1].kind;
	char name[48];

	if (p->s->hint[0] || !is_name_end(&next) || kind == TERM_UNKNOWN)
		return;
	snprintf(name, sizeof(name), "%.*s", (int)(t->n < sizeof(name) ? t->n : sizeof(name)), t->p);
	if (filter_has_names(name) || (name[0] >= '0' && name[0] <= '9')) /* "or tcp" is good */
		snprintf(p->s->hint, sizeof(p->s->hint),
			 "'%s' is not another value of %s: several stand in parentheses, %s (A or B)", name,
			 filter_term_word(kind), filter_term_word(kind));
}

/* --- the expression --------------------------------------------------------------------------------------- */

static int frame_push(struct parser *p, const struct frame *f)
{
	if (p->depth == p->cap) {
		const size_t cap = 2 * p->cap + 16;
		struct frame *frames = realloc(p->frames, cap * sizeof(*frames));

		if (!frames)
			return -ENOMEM;
		p->frames = frames;
		p->cap = cap;
	}
	p->frames[p->depth++] = *f;
	return 0;
}

static int open_parenthesis(struct parser *p)
{
	const struct frame *around = top(p);
	struct frame f = { .negative = around->negative != p->negative };

	f.terms = p->lists || around->terms;
	f.list = p->lists ? p->list : around->list;
	f.values = !f.terms && (around->values || !p->begin);
	p->begin = true;
	p->lists = p->negative = p->after_term = false;
	return frame_push(p, &f);
}

static void close_parenthesis(struct parser *p)
{
	p->begin = false;
	if (p->depth > 1) /* else it is for libpcap to complain of */
		p->depth--;
}

static void operator(struct parser *p)
{
	p->begin = true;
	p->negative = false;
}

static void note_number(struct expr_scan *s, const struct token *t)
{
	const uint32_t block = (uint32_t)strtoul(t->p, NULL, 0) >> 20;

	if (*t->p >= '0' && *t->p <= '9')
		s->blocks[block / 64] |= UINT64_C(1) << block % 64;
}

/* Of a primitive of libpcap's. */
static void word(struct parser *p, const struct token *t)
{
	note_number(p->s, t);
	if (!p->begin) {
		hint_place(p, t);
		return;
	}
	if (p->after_term)
		hint_bare(p, t);
	operand(p, false);
}

static int own(struct parser *p, const struct token *t)
{
	if (p->s->nedits - p->s->n == FILTER_TERMS_MAX)
		return fail_many(p);
	edit(p->s, p->text, t->p, t->p + t->n, EDIT_OWN);
	p->s->own = true;
	operand(p, false);
	return 0;
}

/* What may be the beginning of a term. Moves *end behind what it is. */
static int begin(struct parser *p, const struct token *t, const char **end)
{
	struct head h;

	if (token_is(t, "own") && !top(p)->values)
		return own(p, t);
	if (!head_at(t, &h)) {
		word(p, t);
		return 0;
	}
	if (top(p)->values)
		return fail(p, h.kind, "stands among the values in a parenthesis: close that first");
	if (h.kind != TERM_UNKNOWN && token_at(h.value).kind == TOKEN_NOT) {
		snprintf(p->err, FILTER_ERR_LEN, "%s: not stands in front of it: not %s ...", filter_term_word(h.kind),
			 filter_term_word(h.kind));
		return -EINVAL;
	}
	if (h.kind == TERM_UNKNOWN || *h.value != '(')
		return term_add(p, &h, t->p, end);
	if (p->s->nedits - p->s->n == FILTER_TERMS_MAX)
		return fail_many(p);
	edit(p->s, p->text, t->p, h.value, EDIT_NOTHING);
	p->lists = true;
	p->list = h;
	*end = h.value;
	return 0;
}

/* Between the parentheses behind a term's words. */
static int value(struct parser *p, const struct token *t, const char **end)
{
	struct head h = top(p)->list;

	if (!p->begin)
		return fail(p, h.kind, "several values in parentheses have and or or between them");
	h.value = t->p;
	return term_add(p, &h, t->p, end);
}

static int take(struct parser *p, const struct token *t, const char **end)
{
	*end = t->p + t->n;
	switch (t->kind) {
	case TOKEN_OPEN: return open_parenthesis(p);
	case TOKEN_CLOSE: close_parenthesis(p); return 0;
	case TOKEN_AND:
	case TOKEN_OR: operator(p); return 0;
	case TOKEN_NOT:
		p->begin = true;
		p->negative = !p->negative;
		return 0;
	default: break;
	}
	if (top(p)->terms)
		return value(p, t, end);
	if (p->begin && t->kind == TOKEN_WORD)
		return begin(p, t, end);
	word(p, t);
	return 0;
}

int scan_expr(struct expr_scan *ret, const char *text, char err[FILTER_ERR_LEN])
{
	struct parser p = { .text = text, .s = ret, .begin = true, .err = err };
	struct token t = token_at(text);
	int rc = frame_push(&p, &(struct frame){ 0 });

	while (!rc && t.kind != TOKEN_END) {
		const char *end;

		rc = take(&p, &t, &end);
		if (!rc)
			t = token_at(end);
	}
	if (rc == -ENOMEM)
		snprintf(err, FILTER_ERR_LEN, "%s", strerror(ENOMEM));
	free(p.frames);
	return rc;
}

void scan_done(struct expr_scan *s)
{
	buf_done(&s->text);
}
