/* SPDX-License-Identifier: BSD-3-Clause */
/* An object for each flow when it has ended, and, of one that goes on, from time to time: all that was counted until then. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "flows/flows.h"
#include "output/json_private.h"
#include "util/clock.h"
#include "util/log.h"

#define TICK NSEC_PER_SEC
/* Silence that ends a flow; after a connection was closed, what may still come: acknowledgements. */
#define IDLE (120 * NSEC_PER_SEC)
#define LINGER (2 * NSEC_PER_SEC)

enum { SYN_ACK = HEADERS_SYN | HEADERS_ACK };

/* Bits of flow->told. In flow->told_counts, last is when it was told. */
enum {
	TOLD = 1,
	NEW = 2,      /* the following are known */
	TURNED = 4,   /* the other end began */
	DIRECTED = 8, /* which end is ours is known */
};

struct json_flow {
	struct output output;
	struct json_common common;
	struct flows *flows;
	struct flow rest;   /* of packets for whose flows, or owners, there was no room */
	uint64_t now, next; /* ns since the epoch: the latest there was, and when to look at the table again */
	const char *reason; /* why flows end that leave the table now */
	int err;
};

static struct json_flow *flow_from(struct output *o)
{
	return (struct json_flow *)((char *)o - offsetof(struct json_flow, output));
}

/* --- an object ------------------------------------------------------------------------- */

static void put_count(struct buf *b, const struct flows_count *n)
{
	JSON_PUT(b, ",\"packets\":");
	json_put_number(b, n->packets);
	JSON_PUT(b, ",\"bytes\":");
	json_put_number(b, n->bytes);
}

static const char *end_reason(const struct json_flow *j, const struct flow *f)
{
	if (f->reset)
		return "reset";
	return f->fin[FLOWS_IN] && f->fin[FLOWS_OUT] ? "fin" : j->reason;
}

static void put_event(struct json_flow *j, const struct flow *f, bool ends)
{
	struct json_common *c = &j->common;
	struct buf *b = &c->buf;

	JSON_PUT(b, ",\"event\":{\"kind\":\"event\",\"category\":[\"network\"],\"type\":[\"connection\"");
	if (!(f->told & TOLD))
		JSON_PUT(b, ",\"start\"");
	if (ends)
		JSON_PUT(b, ",\"end\"");
	JSON_PUT(b, "],\"dataset\":\"ptcpdump.flow\"");
	if (ends) {
		JSON_PUT(b, ",\"reason\":");
		json_put_word(b, end_reason(j, f));
	}
	JSON_PUT(b, ",\"start\":");
	json_put_time(b, &c->clock, f->n.first);
	JSON_PUT(b, ",\"end\":");
	json_put_time(b, &c->clock, f->n.last);
	JSON_PUT(b, ",\"duration\":");
	json_put_number(b, f->n.last - f->n.first);
	buf_putc(b, '}');
}

static void put_ends(struct json_flow *j, const struct flow *f)
{
	struct buf *b = &j->common.buf;
	const bool turned = f->told & TURNED;
	const struct flows_count *in = &f->n.way[FLOWS_IN], *out = &f->n.way[FLOWS_OUT];
	const struct flows_count both = { flows_packets_of(&f->n), flows_bytes_of(&f->n) };
	const struct headers h = {
		.tuple = turned ? headers_turned(&f->tuple) : f->tuple,
		.vlan = -1,
		.has_ports = f->tuple.sport || f->tuple.dport,
	};
	struct json_object object = json_open(b, "source");

	if (h.tuple.family)
		json_ends_put_source(b, &h.tuple);
	put_count(b, turned ? in : out);
	json_close(b, object);
	object = json_open(b, "destination");
	if (h.tuple.family)
		json_ends_put_destination(b, &h.tuple);
	put_count(b, turned ? out : in);
	json_close(b, object);
	object = json_open(b, "network");
	json_ends_put_network(b, &h);
	put_count(b, &both);
	if (f->told & DIRECTED)
		buf_puts(b, turned ? ",\"direction\":\"ingress\"" : ",\"direction\":\"egress\"");
	json_close(b, object);
}

static void put_tcp(struct buf *b, const struct flow *f)
{
	JSON_PUT(b, ",\"tcp\":{\"retransmits\":");
	json_put_number(b, f->n.retransmits);
	JSON_PUT(b, ",\"resets\":");
	json_put_number(b, f->n.resets);
	JSON_PUT(b, ",\"connections\":");
	json_put_number(b, f->n.connections);
	buf_putc(b, '}');
}

static void put_owner(struct json_flow *j, const struct flow *f)
{
	struct json_common *c = &j->common;
	struct buf *b = &c->buf;
	const enum direction dir = !(f->told & DIRECTED) ? DIR_NONE : f->told & TURNED ? DIR_IN : DIR_OUT;
	const struct json_iface *iface = f->iface ? json_common_iface(c, f->iface) : NULL;
	struct json_owner owner = { 0 };
	struct json_object ours;

	if (iface)
		buf_put(b, iface->way[dir].members.p, iface->way[dir].members.len);
	if (f->owner && f->owner->annot)
		owner = json_owners_get(c->owners, f->owner->annot);
	buf_put(b, owner.members.p, owner.members.n);
	ours = json_open(b, "ptcpdump");
	if (iface)
		buf_put(b, iface->way[dir].ours.p, iface->way[dir].ours.len);
	if (f->tuple.proto == IPPROTO_TCP)
		put_tcp(b, f);
	if (f->owner && f->owner->annot && f->told & DIRECTED)
		buf_puts(b, f->told & TURNED ? ",\"owner\":\"destination\"" : ",\"owner\":\"source\"");
	buf_put(b, owner.ours.p, owner.ours.n);
	json_close(b, ours);
}

static void tell(struct json_flow *j, struct flow *f, bool ends)
{
	if (j->err)
		return;
	json_put_begin(&j->common, f->n.last);
	put_event(j, f, ends);
	put_ends(j, f);
	put_owner(j, f);
	f->told |= TOLD;
	f->told_counts = f->n;
	f->told_counts.last = j->now;
	j->err = json_line_end(&j->common);
}

/* --- when ------------------------------------------------------------------------------ */

static void on_gone(void *arg, struct flow *f)
{
	tell(arg, f, true);
}

static void tell_due(void *arg, struct flow *f)
{
	struct json_flow *j = arg;
	const uint64_t since = f->told & TOLD ? f->told_counts.last : f->n.first;

	if (since + j->common.config.flow_interval <= j->now &&
	    flows_packets_of(&f->n) != flows_packets_of(&f->told_counts))
		tell(j, f, false);
}

static int look(struct json_flow *j, uint64_t now)
{
	if (now > j->now)
		j->now = now;
	if (j->now < j->next)
		return j->err;
	j->next = j->now + TICK;
	j->reason = "timeout";
	flows_expire(j->flows, j->now > IDLE ? j->now - IDLE : 0, j->now > LINGER ? j->now - LINGER : 0);
	j->reason = "table_full";
	if (j->common.config.flow_interval)
		flows_each(j->flows, tell_due, j);
	return j->err;
}

/* The first packet tells who began, unless it is an answer. */
static void note_begin(struct flow *f, const struct packet *packet, const struct flows_sample *s)
{
	const bool out = memcmp(&s->tuple, &f->tuple, sizeof(f->tuple)) == 0;
	const bool answer = (s->tcp_flags & SYN_ACK) == SYN_ACK;

	f->told = NEW;
	if (out == answer)
		f->told |= TURNED;
	if (packet->dir != DIR_NONE || (packet->annot && packet->annot->has & ANNOT_END))
		f->told |= DIRECTED;
}

static void count_rest(struct flow *rest, const struct flows_sample *s)
{
	const struct flows_counts more = {
		.way[FLOWS_OUT] = { s->packets, s->bytes },
		.first = s->first,
		.last = s->last,
	};

	flows_counts_join(&rest->n, &more);
}

static int flow_packet(struct output *o, const struct packet *packet)
{
	struct json_flow *j = flow_from(o);
	struct flows_sample sample;
	struct flow *f;
	int err = 0;

	if (!j->common.config.live)
		err = look(j, packet_ns(packet));
	if (err)
		return err;
	f = flows_packet(j->flows, packet, &sample);
	if (!f)
		count_rest(&j->rest, &sample);
	else if (!f->told)
		note_begin(f, packet, &sample);
	return j->err;
}

static int flow_tick(struct output *o, uint64_t now, uint64_t *next)
{
	struct json_flow *j = flow_from(o);
	int err = 0;

	if (j->common.config.live) {
		if (now + TICK < *next)
			*next = now + TICK;
		err = look(j, clock_ns(CLOCK_REALTIME));
		/* Nothing else may happen for long. */
		if (!err)
			err = json_flush(&j->common);
	}
	return err;
}

static int flow_iface(struct output *o, const struct iface *iface)
{
	return json_common_announce(&flow_from(o)->common, iface);
}

static int flow_counts(struct output *o, const struct output_counts *counts)
{
	return json_common_count(&flow_from(o)->common, counts);
}

static int flow_flush(struct output *o)
{
	return json_flush(&flow_from(o)->common);
}

static int flow_finish(struct output *o)
{
	struct json_flow *j = flow_from(o);

	j->reason = "capture_end";
	flows_each(j->flows, on_gone, j);
	j->reason = "table_full";
	if (flows_packets_of(&j->rest.n))
		tell(j, &j->rest, true);
	return j->err ? j->err : json_common_finish(&j->common);
}

static void flow_free(struct output *o)
{
	struct json_flow *j;

	if (!o)
		return;
	j = flow_from(o);
	flows_free(j->flows);
	json_common_done(&j->common);
	free(j);
}

static const struct output_ops flow_ops = {
	.name = "json",
	.iface = flow_iface,
	.packet = flow_packet,
	.tick = flow_tick,
	.counts = flow_counts,
	.flush = flow_flush,
	.finish = flow_finish,
	.free = flow_free,
};

int output_json_flow_new(struct output **ret, const struct json_config *config)
{
	struct json_flow *j = calloc(1, sizeof(*j));
	const struct flows_config flows = { .gone = on_gone, .arg = j };
	int err = -ENOMEM;

	if (j) {
		j->output.ops = &flow_ops;
		j->reason = "table_full";
		err = flows_new(&j->flows, &flows);
	}
	if (err) {
		log_error("out of memory");
		free(j);
		return err;
	}
	err = json_common_init(&j->common, config);
	if (err) {
		flow_free(&j->output);
		return err;
	}
	*ret = &j->output;
	return 0;
}
