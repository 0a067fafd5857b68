/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/summary.h"

#include <errno.h>
#include <stdlib.h>

#include "output/flow_text.h"
#include "util/columns.h"

enum { COLUMNS_MAX = 17 };

struct summary {
	struct output base;
	struct summary_config config;
	struct flows *flows;
	bool failed;
};

/* A column: of which groupings, and what it says of a row. */
struct column {
	const char *title;
	unsigned only; /* 1 << enum flows_by, 0: of all */
	bool right;
	void (*put)(struct buf *b, const struct flows_row *row, bool utc);
};

static void put_who(struct buf *b, const struct flows_row *row, bool utc)
{
	(void)utc;
	flow_put_who(b, row);
}

static void put_where(struct buf *b, const struct flows_row *row, bool utc)
{
	(void)utc;
	flow_put_where(b, row);
}

static void put_proto(struct buf *b, const struct flows_row *row, bool utc)
{
	(void)utc;
	flow_put_proto(b, row);
}

static void put_local(struct buf *b, const struct flows_row *row, bool utc)
{
	(void)utc;
	flow_put_local(b, row);
}

static void put_peer(struct buf *b, const struct flows_row *row, bool utc)
{
	(void)utc;
	flow_put_peer(b, row);
}

static void put_number(struct buf *b, uint64_t n)
{
	buf_printf(b, "%llu", (unsigned long long)n);
}

static void put_packets_in(struct buf *b, const struct flows_row *row, bool utc)
{
	(void)utc;
	put_number(b, row->n.way[FLOWS_IN].packets);
}

static void put_bytes_in(struct buf *b, const struct flows_row *row, bool utc)
{
	(void)utc;
	put_number(b, row->n.way[FLOWS_IN].bytes);
}

static void put_packets_out(struct buf *b, const struct flows_row *row, bool utc)
{
	(void)utc;
	put_number(b, row->n.way[FLOWS_OUT].packets);
}

static void put_bytes_out(struct buf *b, const struct flows_row *row, bool utc)
{
	(void)utc;
	put_number(b, row->n.way[FLOWS_OUT].bytes);
}

static void put_rate(struct buf *b, const struct flows_row *row, bool utc)
{
	(void)utc;
	flow_put_rate(b, row->n.way[FLOWS_IN].bytes + row->n.way[FLOWS_OUT].bytes, row->n.last - row->n.first);
}

static void put_retransmits(struct buf *b, const struct flows_row *row, bool utc)
{
	(void)utc;
	put_number(b, row->n.retransmits);
}

static void put_resets(struct buf *b, const struct flows_row *row, bool utc)
{
	(void)utc;
	put_number(b, row->n.resets);
}

static void put_first(struct buf *b, const struct flows_row *row, bool utc)
{
	flow_put_time(b, row->n.first, utc);
}

static void put_last(struct buf *b, const struct flows_row *row, bool utc)
{
	flow_put_time(b, row->n.last, utc);
}

#define BY(what) (1U << FLOWS_BY_##what)

static const struct column columns[] = {
	{ "PROCESS", BY(PROCESS) | BY(FLOW), false, put_who },
	{ "CONTAINER", BY(CONTAINER), false, put_who },
	{ "POD", BY(POD), false, put_who },
	{ "USER", BY(USER), false, put_who },
	{ "POD/CONTAINER", BY(PROCESS) | BY(FLOW), false, put_where },
	{ "PROTO", BY(FLOW), false, put_proto },
	{ "LOCAL", BY(FLOW), false, put_local },
	{ "PEER", 0, false, put_peer },
	{ "PKTS-IN", 0, true, put_packets_in },
	{ "BYTES-IN", 0, true, put_bytes_in },
	{ "PKTS-OUT", 0, true, put_packets_out },
	{ "BYTES-OUT", 0, true, put_bytes_out },
	{ "BYTES/S", 0, true, put_rate },
	{ "RETR", 0, true, put_retransmits },
	{ "RST", 0, true, put_resets },
	{ "FIRST", 0, false, put_first },
	{ "LAST", 0, false, put_last },
};
_Static_assert(sizeof(columns) / sizeof(columns[0]) <= COLUMNS_MAX, "no room for their widths");

struct table {
	enum flows_by by;
	bool utc;
	unsigned width[COLUMNS_MAX];
	struct buf cell;
};

static bool shown(const struct table *t, const struct column *c)
{
	return !c->only || (c->only & (1U << t->by));
}

static struct str cell_text(const struct buf *b)
{
	return (struct str){ b->p, b->len };
}

/* row NULL: the titles. */
static void make_cell(struct table *t, const struct column *c, const struct flows_row *row)
{
	t->cell.len = 0;
	if (row)
		c->put(&t->cell, row, t->utc);
	else
		buf_puts(&t->cell, c->title);
}

static void measure(struct table *t, const struct flows_row *row)
{
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		unsigned width;

		make_cell(t, &columns[i], row);
		width = columns_of(cell_text(&t->cell));
		if (width > t->width[i])
			t->width[i] = width;
	}
}

static void put_line(struct buf *b, struct table *t, const struct flows_row *row)
{
	unsigned blanks = 0;

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		unsigned fill;

		if (!shown(t, &columns[i]))
			continue;
		make_cell(t, &columns[i], row);
		fill = t->width[i] - columns_of(cell_text(&t->cell));
		blanks += columns[i].right ? fill : 0;
		buf_printf(b, "%*s", (int)blanks, "");
		buf_put(b, t->cell.p, t->cell.len);
		blanks = 2 + (columns[i].right ? 0 : fill);
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
	const uint64_t packets = n.way[FLOWS_IN].packets + n.way[FLOWS_OUT].packets;
	const uint64_t bytes = n.way[FLOWS_IN].bytes + n.way[FLOWS_OUT].bytes;

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

static int summary_iface(struct output *o, const struct iface *iface)
{
	(void)o;
	(void)iface;
	return 0;
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

static int summary_flush(struct output *o)
{
	(void)o;
	return 0;
}

static void summary_free(struct output *o)
{
	struct summary *s = summary_of(o);

	flows_free(s->flows);
	free(s);
}

static const struct output_ops summary_ops = {
	.name = "summary",
	.iface = summary_iface,
	.packet = summary_packet,
	.sample = summary_sample,
	.report = summary_report,
	.flush = summary_flush,
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
