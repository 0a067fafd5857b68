/* SPDX-License-Identifier: BSD-3-Clause */
/* A row of --top as a line. */
#include <inttypes.h>

#include "output/flow_text.h"
#include "output/top_private.h"
#include "util/columns.h"

enum { DIGITS_MAX = 20 };

static const char cut_mark[] = "..";

static unsigned digits(uint64_t v)
{
	unsigned n = 1;

	for (; v >= 10; v /= 10)
		n++;
	return n;
}

void top_put_number(struct buf *b, uint64_t v, unsigned width)
{
	if (digits(v) <= width)
		buf_printf(b, "%" PRIu64, v);
	else
		flow_put_short(b, v);
}

static void put_text(struct buf *b, struct str s, unsigned width)
{
	if (columns_of(s) <= width) {
		buf_put(b, s.p, s.n);
		return;
	}
	buf_put(b, s.p, columns_bytes(s, width - (sizeof(cut_mark) - 1)));
	buf_puts(b, cut_mark);
}

static bool is_ascii(struct str s)
{
	for (uint32_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	}
	return true;
}

/* To column `to` from behind what stands from start on, in column from. How wide a terminal shows other characters than those of
 * ASCII does not matter: the cursor is sent there. */
static void fill(struct buf *b, size_t start, unsigned from, unsigned to)
{
	const struct str s = { b->p + start, (uint32_t)(b->len - start) };

	if (is_ascii(s))
		buf_printf(b, "%*s", (int)(to - from - s.n), "");
	else
		buf_printf(b, "\033[K\033[%uG", to + 1);
}

/* What stands behind start, one column a byte, to the right of width columns. */
static void align_right(struct buf *b, size_t start, unsigned width)
{
	static const char blanks[] = "                    ";
	const size_t n = b->len - start, lack = n < width ? width - n : 0;

	buf_insert(b, start, blanks, lack < sizeof(blanks) ? lack : sizeof(blanks) - 1);
}

static void put_number(struct buf *b, uint64_t v, unsigned width)
{
	const size_t start = b->len;

	top_put_number(b, v, width);
	align_right(b, start, width);
}

static void put_time(struct buf *b, uint64_t ns, bool utc, unsigned width)
{
	const size_t start = b->len;

	flow_put_time(b, ns, utc);
	align_right(b, start, width);
}

static void put_cell(struct buf *b, enum top_column c, const struct top_row *row, unsigned width, bool utc)
{
	const struct flows_counts *n = row->n;

	switch (c) {
	case TOP_COL_NAME:
	case TOP_COL_PLACE:
	case TOP_COL_PEER: put_text(b, row->texts[c], width); break;
	case TOP_COL_BYTES_IN: put_number(b, n->way[FLOWS_IN].bytes, width); break;
	case TOP_COL_BYTES_OUT: put_number(b, n->way[FLOWS_OUT].bytes, width); break;
	case TOP_COL_RATE: put_number(b, row->rate, width); break;
	case TOP_COL_PACKETS_IN: put_number(b, n->way[FLOWS_IN].packets, width); break;
	case TOP_COL_PACKETS_OUT: put_number(b, n->way[FLOWS_OUT].packets, width); break;
	case TOP_COL_RETRANSMITS: put_number(b, n->retransmits, width); break;
	case TOP_COL_RESETS: put_number(b, n->resets, width); break;
	case TOP_COL_FIRST: put_time(b, n->first, utc, width); break;
	case TOP_COL_LAST: put_time(b, n->last, utc, width); break;
	default: break;
	}
}

void top_put_row(struct buf *b, const struct top_layout *l, const struct top_row *row, bool utc)
{
	size_t start = b->len;
	unsigned at = 0;

	for (unsigned c = 0; c < TOP_COLS; c++) {
		if (!l->columns[c].width)
			continue;
		if (l->columns[c].at) {
			fill(b, start, at, l->columns[c].at);
			at = l->columns[c].at;
			start = b->len;
		}
		put_cell(b, c, row, l->columns[c].width, utc);
	}
}

static const char *head_of(enum top_column c, enum flows_by by)
{
	static const char *const heads[TOP_COLS] = {
		[TOP_COL_PLACE] = "POD/CONTAINER",  [TOP_COL_PEER] = "PEER",	    [TOP_COL_BYTES_IN] = "BYTES-IN",
		[TOP_COL_BYTES_OUT] = "BYTES-OUT",  [TOP_COL_RATE] = "B/S",	    [TOP_COL_PACKETS_IN] = "PKTS-IN",
		[TOP_COL_PACKETS_OUT] = "PKTS-OUT", [TOP_COL_RETRANSMITS] = "RETR", [TOP_COL_RESETS] = "RST",
		[TOP_COL_FIRST] = "FIRST",	    [TOP_COL_LAST] = "LAST",
	};
	static const char *const names[] = {
		[FLOWS_BY_PROCESS] = "PROCESS", [FLOWS_BY_FLOW] = "PROCESS", [FLOWS_BY_CONTAINER] = "CONTAINER",
		[FLOWS_BY_POD] = "POD",		[FLOWS_BY_USER] = "USER",
	};

	return c == TOP_COL_NAME ? names[by] : heads[c];
}

static bool sorts(enum flows_sort sort, enum top_column c)
{
	switch (sort) {
	case FLOWS_SORT_BYTES: return c == TOP_COL_BYTES_IN || c == TOP_COL_BYTES_OUT;
	case FLOWS_SORT_PACKETS: return c == TOP_COL_PACKETS_IN || c == TOP_COL_PACKETS_OUT;
	case FLOWS_SORT_RATE:
	case FLOWS_SORT_AVERAGE: return c == TOP_COL_RATE;
	case FLOWS_SORT_RETRANSMITS: return c == TOP_COL_RETRANSMITS;
	case FLOWS_SORT_NAME: return c == TOP_COL_NAME;
	case FLOWS_SORT_LAST: return c == TOP_COL_LAST;
	}
	return false;
}

/* Reversed; those that rows are sorted by are bold as well. */
void top_put_heads(struct buf *b, const struct top_layout *l, enum flows_by by, enum flows_sort sort)
{
	unsigned end = 0;

	buf_puts(b, "\033[7m");
	for (unsigned c = 0; c < TOP_COLS; c++) {
		const unsigned width = l->columns[c].width;
		size_t start;

		if (!width)
			continue;
		for (; end < l->columns[c].at; end++)
			buf_putc(b, ' ');
		buf_puts(b, sorts(sort, c) ? "\033[1m" : "");
		start = b->len;
		buf_printf(b, "%-*.*s", c < TOP_TEXTS ? (int)width : 0, (int)width, head_of(c, by));
		align_right(b, start, width);
		buf_puts(b, sorts(sort, c) ? "\033[m\033[7m" : "");
		end += width;
	}
}

void top_cut(struct buf *b, unsigned width)
{
	const struct str s = { b->p, (uint32_t)b->len };

	if (columns_of(s) <= width)
		return;
	b->len = width > 2 ? columns_bytes(s, width - 2) : 0;
	buf_puts(b, width > 2 ? cut_mark : "");
}
