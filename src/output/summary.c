/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/summary.h"

#include <errno.h>
#include <stdlib.h>

#include "output/flow_text.h"
#include "util/columns.h"

struct summary {
	struct output base;
	struct summary_config config;
	struct flows *flows;
	bool failed;
};

enum column {
	COLUMN_WHO,
	COLUMN_WHERE,
	COLUMN_PROTO,
	COLUMN_LOCAL,
	COLUMN_PEER,
	COLUMN_PACKETS_IN,
	COLUMN_BYTES_IN,
	COLUMN_PACKETS_OUT,
	COLUMN_BYTES_OUT,
	COLUMN_RATE,
	COLUMN_RETRANSMITS,
	COLUMN_RESETS,
	COLUMN_FIRST,
	COLUMN_LAST,
	COLUMNS,
};

static const char *const titles[COLUMNS] = {
	[COLUMN_WHERE] = "POD/CONTAINER",
	[COLUMN_PROTO] = "PROTO",
	[COLUMN_LOCAL] = "LOCAL",
	[COLUMN_PEER] = "PEER",
	[COLUMN_PACKETS_IN] = "PKTS-IN",
	[COLUMN_BYTES_IN] = "BYTES-IN",
	[COLUMN_PACKETS_OUT] = "PKTS-OUT",
	[COLUMN_BYTES_OUT] = "BYTES-OUT",
	[COLUMN_RATE] = "BYTES/S",
	[COLUMN_RETRANSMITS] = "RETR",
	[COLUMN_RESETS] = "RST",
	[COLUMN_FIRST] = "FIRST",
	[COLUMN_LAST] = "LAST",
};

/* Of whom rows are. */
static const char *const who_titles[] = {
	[FLOWS_BY_PROCESS] = "PROCESS", [FLOWS_BY_FLOW] = "PROCESS", [FLOWS_BY_CONTAINER] = "CONTAINER",
	[FLOWS_BY_POD] = "POD",		[FLOWS_BY_USER] = "USER",
};

/* Numbers stand to the right. */
static bool is_number(enum column c)
{
	return c >= COLUMN_PACKETS_IN && c <= COLUMN_RESETS;
}

static void put_number(struct buf *b, uint64_t n)
{
	buf_printf(b, "%llu", (unsigned long long)n);
}

struct table {
	enum flows_by by;
	bool utc;
	unsigned width[COLUMNS];
	struct buf cell;
};

static bool shown(const struct table *t, enum column c)
{
	switch (c) {
	case COLUMN_WHERE: return t->by == FLOWS_BY_PROCESS || t->by == FLOWS_BY_FLOW;
	case COLUMN_PROTO:
	case COLUMN_LOCAL: return t->by == FLOWS_BY_FLOW;
	default: return true;
	}
}

static struct str cell_text(const struct buf *b)
{
	return (struct str){ b->p, (uint32_t)b->len };
}

static void put_cell(struct buf *b, enum column c, const struct flows_row *row, bool utc)
{
	const struct flows_counts *n = &row->n;

	switch (c) {
	case COLUMN_WHO: flow_put_who(b, row); break;
	case COLUMN_WHERE: flow_put_where(b, row); break;
	case COLUMN_PROTO: flow_put_proto(b, row); break;
	case COLUMN_LOCAL: flow_put_local(b, row); break;
	case COLUMN_PEER: flow_put_peer(b, row); break;
	case COLUMN_PACKETS_IN: put_number(b, n->way[FLOWS_IN].packets); break;
	case COLUMN_BYTES_IN: put_number(b, n->way[FLOWS_IN].bytes); break;
	case COLUMN_PACKETS_OUT: put_number(b, n->way[FLOWS_OUT].packets); break;
	case COLUMN_BYTES_OUT: put_number(b, n->way[FLOWS_OUT].bytes); break;
	case COLUMN_RATE: flow_put_rate(b, flows_bytes_of(n), n->last - n->first); break;
	case COLUMN_RETRANSMITS: put_number(b, n->retransmits); break;
	case COLUMN_RESETS: put_number(b, n->resets); break;
	case COLUMN_FIRST: flow_put_time(b, n->first, utc); break;
	case COLUMN_LAST: flow_put_time(b, n->last, utc); break;
	case COLUMNS: break;
	}
}

/* row NULL: the titles. */
static void make_cell(struct table *t, enum column c, const struct flows_row *row)
{
	t->cell.len = 0;
	if (row)
		put_cell(&t->cell, c, row, t->utc);
	else
		buf_puts(&t->cell, c == COLUMN_WHO ? who_titles[t->by] : titles[c]);
}

static void measure(struct table *t, const struct flows_row *row)
{
	for (enum column c = 0; c < COLUMNS; c++) {
		unsigned width;

		if (!shown(t, c))
			continue;
		make_cell(t, c, row);
		width = columns_of(cell_text(&t->cell));
		if (width > t->width[c])
			t->width[c] = width;
	}
}

static void put_line(struct buf *b, struct table *t, const struct flows_row *row)
{
	unsigned blanks = 0;

	for (enum column c = 0; c < COLUMNS; c++) {
		unsigned fill;

		if (!shown(t, c))
			continue;
		make_cell(t, c, row);
		fill = t->width[c] - columns_of(cell_text(&t->cell));
		blanks += is_number(c) ? fill : 0;
		buf_printf(b, "%*s", (int)blanks, "");
		buf_put(b, t->cell.p, t->cell.len);
		blanks = 2 + (is_number(c) ? 0 : fill);
	}
	buf_putc(b, '\n');
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void put_total(struct buf *b, const struct flows *f)
{
	const struct flows_counts n = flows_total(f);
	const uint64_t packets = flows_packets_of(&n);
	const uint64_t bytes = flows_bytes_of(&n);

	buf_printf(b, "%llu packet%s, %llu bytes", (unsigned long long)packets, plural(packets),
		   (unsigned long long)bytes);
	if (flows_ifaces(f) > 1)
		buf_printf(b, " on %zu interfaces: a packet counts on each of them that it was seen on",
			   flows_ifaces(f));
	buf_putc(b, '\n');
}

int summary_put(struct buf *b, struct flows *f, enum flows_by by, bool utc)
{
	struct table t = { .by = by, .utc = utc };
	struct flows_row *rows;
	const ssize_t n = flows_rows(f, by, FLOWS_SORT_BYTES, &rows);

	if (n < 0)
		return (int)n;
	measure(&t, NULL);
	for (ssize_t i = 0; i < n; i++)
		measure(&t, &rows[i]);
	put_line(b, &t, NULL);
	for (ssize_t i = 0; i < n; i++)
		put_line(b, &t, &rows[i]);
	put_total(b, f);
	buf_done(&t.cell);
	free(rows);
	return 0;
}

static struct summary *summary_of(struct output *o)
{
	return (struct summary *)o;
}

static int summary_packet(struct output *o, const struct packet *packet)
{
	struct flows_sample sample;

	flows_packet(summary_of(o)->flows, packet, &sample);
	return 0;
}

static int summary_sample(struct output *o, const struct flows_sample *sample)
{
	flows_add(summary_of(o)->flows, sample);
	return 0;
}

static int summary_report(struct output *o)
{
	struct summary *s = summary_of(o);
	struct buf b = { 0 };
	int err = s->failed ? 0 : summary_put(&b, s->flows, s->config.by, s->config.utc);

	if (!err && b.len)
		err = buf_flush(&b, s->config.fd, s->config.interrupted, NULL);
	s->failed |= err;
	buf_done(&b);
	return err;
}

static void summary_free(struct output *o)
{
	struct summary *s = summary_of(o);

	flows_free(s->flows);
	free(s);
}

static const struct output_ops summary_ops = {
	.name = "summary",
	.packet = summary_packet,
	.sample = summary_sample,
	.report = summary_report,
	.finish = summary_report,
	.free = summary_free,
};

int output_summary_new(struct output **ret, const struct summary_config *config)
{
	const struct flows_config flows = { 0 };
	struct summary *s = calloc(1, sizeof(*s));
	int err = s ? flows_new(&s->flows, &flows) : -ENOMEM;

	if (err) {
		free(s);
		return err;
	}
	s->base.ops = &summary_ops;
	s->config = *config;
	*ret = &s->base;
	return 0;
}
