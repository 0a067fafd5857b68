/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "filter/expr.h"
#include "filter/scan.h"
#include "util/escape.h"

/* Of a megabyte each, in which the offsets may be: beyond all packets, below what Linux has negative offsets for. */
enum { BLOCKS_FROM = 0x801, BLOCKS_TO = 0xfdf, BLOCK_LIKELY = 0x9d1 };
_Static_assert(FILTER_TERMS_MAX *FILTER_TERM_SPACING <= 1 << 20, "more than a block");

/* The public part comes first. */
struct whole {
	struct filter_expr expr;
	struct expr_scan scan;
	struct buf text, exact;
};

static const char *const words[TERM_KINDS] = {
	[TERM_PID] = "pid",
	[TERM_PNAME] = "pname",
	[TERM_UID] = "uid",
	[TERM_EXE] = "exe",
	[TERM_CMDLINE] = "cmdline",
	[TERM_PARENT] = "parent",
	[TERM_CONTAINER] = "container",
	[TERM_POD] = "pod",
	[TERM_LABEL] = "label",
	[TERM_NETNS] = "netns",
	[TERM_UNKNOWN] = "unknown",
};

const char *filter_term_word(enum term_kind kind)
{
	return words[kind];
}

/* In double quotes, as scan.c reads them. */
static void put_quoted(struct buf *b, const char *value)
{
	buf_putc(b, '"');
	for (;;) {
		const size_t n = strcspn(value, "\"");

		escape_put(b, (struct str){ value, (uint32_t)n }, IN_LINE);
		if (!value[n])
			break;
		buf_puts(b, "\\\"");
		value += n + 1;
	}
	buf_putc(b, '"');
}

static bool plain(const char *value)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/@=*?+,%~[]";

	return value[0] && value[0] != '=' && value[strspn(value, safe)] == '\0' && strcmp(value, "and") != 0 &&
	       strcmp(value, "or") != 0 && strcmp(value, "not") != 0;
}

void filter_term_put(struct buf *b, const struct filter_term *t)
{
	static const char *const ends[] = {
		[TERM_EITHER] = "", [TERM_SRC] = "src ", [TERM_DST] = "dst ", [TERM_BOTH] = "src and dst "
	};

	buf_puts(b, ends[t->end]);
	buf_puts(b, filter_term_word(t->kind));
	if (t->kind == TERM_UNKNOWN)
		return;
	buf_putc(b, ' ');
	if (plain(t->value))
		buf_puts(b, t->value);
	else
		put_quoted(b, t->value);
}

/* No number of the expression may be taken for a term. 0: there are too many. */
static uint32_t first_free(const struct expr_scan *s)
{
	const uint32_t n = BLOCKS_TO - BLOCKS_FROM;

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t block = BLOCKS_FROM + (BLOCK_LIKELY - BLOCKS_FROM + i) % n;

		if (!(s->blocks[block / 64] >> block % 64 & 1))
			return block << 20;
	}
	return 0;
}

/* The text without what is not libpcap's. */
static void render(const struct whole *w, struct buf *b)
{
	const char *text = w->text.p;
	size_t at = 0;

	for (uint32_t i = 0; i < w->scan.nedits; i++) {
		const struct expr_edit *e = &w->scan.edits[i];

		buf_put(b, text + at, e->from - at);
		at = e->to;
		if (e->term < 0)
			continue;
		buf_printf(b, "byte 0x%x = 1", w->expr.first + (uint32_t)e->term * FILTER_TERM_SPACING);
		if (isalnum((unsigned char)text[at])) /* behind a quote */
			buf_putc(b, ' ');
	}
	buf_puts(b, text + at);
	buf_putc(b, '\0');
}

static int finish(struct whole *w, char err[FILTER_ERR_LEN])
{
	struct expr_scan *s = &w->scan;
	struct filter_expr *e = &w->expr;

	*e = (struct filter_expr){ .text = w->text.p, .exact = w->text.p };
	e->own = s->own;
	if (s->hint[0])
		e->hint = s->hint;
	if (!s->n)
		return 0;
	for (uint32_t i = 0; i < s->n; i++)
		s->terms[i].value = s->text.p + s->values[i];
	e->terms = s->terms;
	e->n = s->n;
	e->first = first_free(s);
	if (!e->first) {
		snprintf(err, FILTER_ERR_LEN, "an expression with process terms has too many different numbers");
		return -EINVAL;
	}
	render(w, &w->exact);
	e->exact = w->exact.p;
	return 0;
}

int filter_expr_new(struct filter_expr **ret, const char *text, char err[FILTER_ERR_LEN])
{
	struct whole *w = calloc(1, sizeof(*w));
	int rc;

	if (!w) {
		snprintf(err, FILTER_ERR_LEN, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	buf_puts(&w->text, text);
	buf_putc(&w->text, '\0');
	rc = scan_expr(&w->scan, w->text.p, err);
	if (!rc)
		rc = finish(w, err);
	if (rc)
		filter_expr_free(&w->expr);
	else
		*ret = &w->expr;
	return rc;
}

char *filter_expr_expand(const struct filter_expr *e, const char *own)
{
	const struct expr_scan *s = &((const struct whole *)e)->scan;
	struct buf b = { 0 };
	size_t at = 0;

	for (uint32_t i = 0; i < s->nedits; i++) {
		if (s->edits[i].term != EDIT_OWN)
			continue;
		buf_put(&b, e->text + at, s->edits[i].from - at);
		buf_puts(&b, own);
		at = s->edits[i].to;
	}
	buf_puts(&b, e->text + at);
	buf_putc(&b, '\0');
	return b.p;
}

void filter_expr_hint(const struct filter_expr *e, char err[FILTER_ERR_LEN])
{
	if (e && e->hint && strstr(err, "syntax error"))
		snprintf(err, FILTER_ERR_LEN, "%s", e->hint);
}

void filter_expr_free(struct filter_expr *e)
{
	struct whole *w = (struct whole *)e;

	if (!w)
		return;
	scan_done(&w->scan);
	buf_done(&w->text);
	buf_done(&w->exact);
	free(w);
}
