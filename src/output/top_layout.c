/* SPDX-License-Identifier: BSD-3-Clause */
/* Which columns fit side by side: the most important ones first. */
#include "output/top_private.h"

/* Texts get as much as they take up to fair, and up to most where there is room. */
static const struct {
	unsigned fair, most;
} widths[TOP_COLS] = {
	[TOP_COL_NAME] = { 12, 40 },	 [TOP_COL_PLACE] = { 14, 60 },	   [TOP_COL_PEER] = { 21, 50 },
	[TOP_COL_BYTES_IN] = { 9, 9 },	 [TOP_COL_BYTES_OUT] = { 9, 9 },   [TOP_COL_RATE] = { 6, 6 },
	[TOP_COL_PACKETS_IN] = { 8, 8 }, [TOP_COL_PACKETS_OUT] = { 8, 8 }, [TOP_COL_RETRANSMITS] = { 5, 5 },
	[TOP_COL_RESETS] = { 5, 5 },	 [TOP_COL_FIRST] = { 8, 8 },	   [TOP_COL_LAST] = { 8, 8 },
};

/* By importance; with the second goes the first. */
static const enum top_column order[][2] = {
	{ TOP_COL_NAME, TOP_COL_NAME },
	{ TOP_COL_BYTES_IN, TOP_COL_BYTES_OUT },
	{ TOP_COL_RATE, TOP_COL_RATE },
	{ TOP_COL_PEER, TOP_COL_PEER },
	{ TOP_COL_PLACE, TOP_COL_PLACE },
	{ TOP_COL_PACKETS_IN, TOP_COL_PACKETS_OUT },
	{ TOP_COL_RETRANSMITS, TOP_COL_RETRANSMITS },
	{ TOP_COL_LAST, TOP_COL_LAST },
	{ TOP_COL_RESETS, TOP_COL_RESETS },
	{ TOP_COL_FIRST, TOP_COL_FIRST },
};

/* A row that is a container, a pod or a user is in none; where no row is in one, nothing is told of it. */
static bool has_column(enum flows_by by, enum top_column c, const unsigned wanted[TOP_TEXTS])
{
	return c != TOP_COL_PLACE || ((by == FLOWS_BY_FLOW || by == FLOWS_BY_PROCESS) && wanted[TOP_COL_PLACE] > 1);
}

static unsigned at_first(enum top_column c, const unsigned wanted[TOP_TEXTS])
{
	enum { HEAD_LEAST = 9 };
	unsigned width = widths[c].fair;

	if (c < TOP_TEXTS && wanted[c] < width)
		width = wanted[c] > HEAD_LEAST ? wanted[c] : HEAD_LEAST;
	return width;
}

/* The room that is left, by importance. */
static void spread(struct top_layout *l, unsigned left, const unsigned wanted[TOP_TEXTS])
{
	static const enum top_column texts[] = { TOP_COL_NAME, TOP_COL_PEER, TOP_COL_PLACE };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const enum top_column c = texts[i];
		const unsigned want = wanted[c] < widths[c].most ? wanted[c] : widths[c].most,
			       has = l->columns[c].width, more = has && want > has ? want - has : 0,
			       take = more < left ? more : left;

		l->columns[c].width += take;
		left -= take;
	}
}

void top_layout(struct top_layout *l, enum flows_by by, unsigned width, const unsigned wanted[TOP_TEXTS])
{
	unsigned used = 0, at = 0;

	*l = (struct top_layout){ 0 };
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		const enum top_column a = order[i][0], b = order[i][1];
		const unsigned need = at_first(a, wanted) + (a != b ? 1 + at_first(b, wanted) : 0) + (used ? 1 : 0);

		if (!has_column(by, a, wanted))
			continue;
		/* What is less important does not stand where this lacks. */
		if (used + need > width)
			break;
		l->columns[a].width = at_first(a, wanted);
		l->columns[b].width = at_first(b, wanted);
		used += need;
	}
	if (!used)
		l->columns[TOP_COL_NAME].width = used = width;
	spread(l, width - used, wanted);
	for (unsigned c = 0; c < TOP_COLS; c++) {
		l->columns[c].at = at;
		at += l->columns[c].width ? l->columns[c].width + 1 : 0;
	}
}
