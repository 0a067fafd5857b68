/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows as rows: each alone, or those of a process, container, pod or user together. */
#include <errno.h>
#include <stdlib.h>

#include "flows/owners.h"
#include "util/hash.h"

struct grouping {
	enum flows_by by;
	struct flows_row *rows;
	size_t n, room;
	size_t *slots; /* 2 * room, row + 1; 0: empty */
	struct hash_key key;
	bool failed;
};

static const struct annotation nobody;

static const struct annotation *known(const struct flows_row *row)
{
	return row->annot ? row->annot : &nobody;
}

static const unsigned group_bits[] = {
	[FLOWS_BY_PROCESS] = ANNOT_PROCESS,
	[FLOWS_BY_CONTAINER] = ANNOT_CONTAINER,
	[FLOWS_BY_POD] = ANNOT_POD,
	[FLOWS_BY_USER] = ANNOT_USER,
};

static uint64_t group_hash(const struct grouping *g, const struct flows_row *row)
{
	return row->others ? 0 : flows_owner_hash(&g->key, 0, known(row), group_bits[g->by]);
}

static bool same_group(const struct flows_row *x, const struct flows_row *y)
{
	return x->others == y->others && flows_owner_same(known(x), known(y), group_bits[x->by]);
}

static void row_join(struct flows_row *row, const struct flows_row *more)
{
	flows_counts_join(&row->n, &more->n);
	row->flows += more->flows;
	if (!more->flows || (row->tuple.family && more->busiest <= row->busiest))
		return;
	row->iface = more->iface;
	row->tuple = more->tuple;
	row->busiest = more->busiest;
}

static bool grow(struct grouping *g)
{
	const size_t room = g->room ? 2 * g->room : 64;
	struct flows_row *rows = reallocarray(g->rows, room, sizeof(*rows));
	size_t *slots;

	if (!rows)
		return false;
	g->rows = rows;
	/* Then each is a row, and none is looked for. */
	if (g->by == FLOWS_BY_FLOW) {
		g->room = room;
		return true;
	}
	slots = calloc(2 * room, sizeof(*slots));
	if (!slots)
		return false;
	free(g->slots);
	g->slots = slots;
	g->room = room;
	for (size_t i = 0; i < g->n; i++) {
		size_t at = group_hash(g, &rows[i]) & (2 * room - 1);

		while (slots[at])
			at = (at + 1) & (2 * room - 1);
		slots[at] = i + 1;
	}
	return true;
}

static void add_row(struct grouping *g, const struct flows_row *row)
{
	size_t at;

	if (g->n == g->room && !grow(g)) {
		g->failed = true;
		return;
	}
	if (g->by == FLOWS_BY_FLOW) {
		g->rows[g->n++] = *row;
		return;
	}
	at = group_hash(g, row) & (2 * g->room - 1);
	for (; g->slots[at]; at = (at + 1) & (2 * g->room - 1)) {
		if (same_group(&g->rows[g->slots[at] - 1], row)) {
			row_join(&g->rows[g->slots[at] - 1], row);
			return;
		}
	}
	g->rows[g->n++] = *row;
	g->slots[at] = g->n;
}

static void add_flow(void *arg, struct flow *flow)
{
	struct grouping *g = arg;
	const struct flows_row row = {
		.by = g->by,
		.annot = flow->owner->annot,
		.n = flow->n,
		.flows = 1,
		.iface = flow->iface,
		.tuple = flow->tuple,
		.busiest = flows_bytes_of(&flow->n),
	};

	add_row(g, &row);
}

static void add_folded(void *arg, struct flows_owner *owner)
{
	struct grouping *g = arg;
	const struct flows_row row = {
		.by = g->by, .annot = owner->annot, .others = owner->others, .n = owner->folded
	};

	if (flows_packets_of(&owner->folded))
		add_row(g, &row);
}

/* The owners of a group may differ in what else is known of them. */
static struct str row_name(const struct flows_row *row)
{
	const struct annotation *a = known(row);

	switch (row->by) {
	case FLOWS_BY_CONTAINER: return a->container.name;
	case FLOWS_BY_POD: return a->pod.name;
	case FLOWS_BY_USER: return a->user;
	default: return process_desc_name(&a->process);
	}
}

static int more_first(uint64_t a, uint64_t b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

static int compare_names(struct str a, struct str b)
{
	const size_t n = a.n < b.n ? a.n : b.n;
	const int order = n ? memcmp(a.p, b.p, n) : 0;

	return order ? order : a.n < b.n ? -1 : a.n > b.n;
}

/* By the time that they have taken; what has taken none has no rate. */
static int compare_averages(const struct flows_counts *a, const struct flows_counts *b)
{
	const uint64_t a_ns = a->last - a->first, b_ns = b->last - b->first;
	const unsigned __int128 x = (unsigned __int128)flows_bytes_of(a) * b_ns,
				y = (unsigned __int128)flows_bytes_of(b) * a_ns;

	if (!a_ns || !b_ns)
		return more_first(a_ns != 0, b_ns != 0);
	return x < y ? 1 : x > y ? -1 : 0;
}

/* What is the same in the first respect goes by bytes, then by age, so that rows do not change places for nothing. */
static int compare(const void *x, const void *y, void *arg)
{
	const struct flows_row *a = x, *b = y;
	const enum flows_sort *sort = arg;
	int order = 0;

	switch (*sort) {
	case FLOWS_SORT_PACKETS: order = more_first(flows_packets_of(&a->n), flows_packets_of(&b->n)); break;
	case FLOWS_SORT_RATE: order = more_first(a->n.recent, b->n.recent); break;
	case FLOWS_SORT_RETRANSMITS: order = more_first(a->n.retransmits, b->n.retransmits); break;
	case FLOWS_SORT_NAME: order = compare_names(row_name(a), row_name(b)); break;
	case FLOWS_SORT_LAST: order = more_first(a->n.last, b->n.last); break;
	case FLOWS_SORT_AVERAGE: order = compare_averages(&a->n, &b->n); break;
	case FLOWS_SORT_BYTES: break;
	}
	if (!order)
		order = more_first(flows_bytes_of(&a->n), flows_bytes_of(&b->n));
	if (!order)
		order = more_first(b->n.first, a->n.first);
	return order ? order : memcmp(&a->tuple, &b->tuple, sizeof(a->tuple));
}

/* All of them, in no order; -ENOMEM. */
static int group_all(struct flows *f, struct grouping *g)
{
	flows_each(f, add_flow, g);
	flows_owners_each(flows_owners_of(f), add_folded, g);
	free(g->slots);
	if (!g->failed)
		return 0;
	free(g->rows);
	return -ENOMEM;
}

ssize_t flows_rows(struct flows *f, enum flows_by by, enum flows_sort sort, struct flows_row **ret)
{
	struct grouping g = { .by = by, .key = hash_key() };

	if (group_all(f, &g))
		return -ENOMEM;
	if (g.n)
		qsort_r(g.rows, g.n, sizeof(*g.rows), compare, &sort);
	*ret = g.rows;
	return (ssize_t)g.n;
}

static size_t keep_wanted(struct grouping *g, const struct flows_pick *pick)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->n && pick->wanted; i++) {
		if (pick->wanted(pick->arg, &g->rows[i]))
			g->rows[kept++] = g->rows[i];
	}
	return pick->wanted ? kept : g->n;
}

/* Takes the place of a heap's root, the last one in order. */
static void sink(struct flows_row *heap, size_t n, const struct flows_row *row, enum flows_sort sort)
{
	size_t at = 0, child;

	while ((child = 2 * at + 1) < n) {
		if (child + 1 < n && compare(&heap[child + 1], &heap[child], &sort) > 0)
			child++;
		if (compare(row, &heap[child], &sort) >= 0)
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = *row;
}

/* The first ones of n rows to the front: a sorted array, turned round, is a heap. */
static void pick_first(struct flows_row *rows, size_t n, size_t most, enum flows_sort sort)
{
	qsort_r(rows, most, sizeof(*rows), compare, &sort);
	for (size_t i = 0, j = most; i + 1 < j; i++) {
		const struct flows_row row = rows[i];

		rows[i] = rows[--j];
		rows[j] = row;
	}
	for (size_t i = most; i < n; i++) {
		const struct flows_row row = rows[i];

		if (compare(&row, &rows[0], &sort) < 0)
			sink(rows, most, &row, sort);
	}
	qsort_r(rows, most, sizeof(*rows), compare, &sort);
}

ssize_t flows_rows_first(struct flows *f, enum flows_by by, enum flows_sort sort, const struct flows_pick *pick,
			 struct flows_row **ret, size_t *of)
{
	struct grouping g = { .by = by, .key = hash_key() };
	size_t most;

	if (group_all(f, &g))
		return -ENOMEM;
	*of = keep_wanted(&g, pick);
	most = pick->most < *of ? pick->most : *of;
	if (most)
		pick_first(g.rows, *of, most, sort);
	*ret = g.rows;
	return (ssize_t)most;
}
