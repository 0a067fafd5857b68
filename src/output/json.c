/* SPDX-License-Identifier: BSD-3-Clause */
/* An object for each packet: most of it is copied from texts that were made once, of its flow, its owner and its interface. */
#include "output/json.h"

#include <errno.h>
#include <stdlib.h>

#include "output/json_names.h"
#include "output/json_private.h"
#include "util/log.h"

enum { TCP_FLAGS = 256 };

struct json {
	struct output output;
	struct json_common common;
	struct buf flags_text;
	uint32_t flags[TCP_FLAGS + 1]; /* where each one's text begins in it */
};

static struct json *json_from(struct output *o)
{
	return (struct json *)((char *)o - offsetof(struct json, output));
}

static void make_flags(struct json *j)
{
	static const char *const names[] = { "fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr" };

	for (unsigned flags = 0; flags < TCP_FLAGS; flags++) {
		bool any = false;

		j->flags[flags] = (uint32_t)j->flags_text.len;
		JSON_PUT(&j->flags_text, ",\"tcp\":{\"flags\":[");
		for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			if (!(flags & 1U << i))
				continue;
			buf_puts(&j->flags_text, any ? "," : "");
			json_put_string(&j->flags_text, str_of(names[i]));
			any = true;
		}
		JSON_PUT(&j->flags_text, "],\"seq\":");
	}
	j->flags[TCP_FLAGS] = (uint32_t)j->flags_text.len;
}

static void put_network(struct buf *b, const struct packet *packet, enum json_names names)
{
	JSON_PUT(b, "\"packets\":1,\"bytes\":");
	json_put_number(b, packet->len);
	if (packet->dir == DIR_IN)
		JSON_PUT(b, ",\"direction\":\"ingress\"");
	else if (packet->dir == DIR_OUT)
		JSON_PUT(b, ",\"direction\":\"egress\"");
	if (names == NAMES_DNS)
		JSON_PUT(b, ",\"protocol\":\"dns\"");
	else if (names == NAMES_TLS)
		JSON_PUT(b, ",\"protocol\":\"tls\"");
	buf_putc(b, '}');
}

static void put_icmp(struct buf *b, const struct headers *h)
{
	JSON_PUT(b, ",\"icmp\":{\"type\":");
	json_put_number(b, h->icmp_type);
	JSON_PUT(b, ",\"code\":");
	json_put_number(b, h->icmp_code);
	buf_putc(b, '}');
}

static void put_tcp(const struct json *j, struct buf *b, const struct headers *h)
{
	const uint32_t at = j->flags[h->tcp_flags];

	buf_put(b, j->flags_text.p + at, j->flags[h->tcp_flags + 1] - at);
	json_put_number(b, h->tcp_seq);
	JSON_PUT(b, ",\"ack\":");
	json_put_number(b, h->tcp_ack);
	buf_putc(b, '}');
}

/* What the common schema has no names for. */
static void put_ours(const struct json *j, struct buf *b, const struct packet *packet, const struct headers *h,
		     const struct json_iface *iface, struct str owner)
{
	const struct annotation *a = packet->annot;
	const struct json_object ours = json_open(b, "ptcpdump");

	buf_put(b, iface->way[packet->dir].ours.p, iface->way[packet->dir].ours.len);
	if (h->has_tcp)
		put_tcp(j, b, h);
	if (packet->caplen < packet->len) {
		JSON_PUT(b, ",\"captured_bytes\":");
		json_put_number(b, packet->caplen);
	}
	if (h->fragment)
		JSON_PUT(b, ",\"fragment\":true");
	if (!h->tuple.family && h->ethertype) {
		JSON_PUT(b, ",\"ethertype\":");
		json_put_number(b, h->ethertype);
	}
	if (a && (packet->dir != DIR_NONE || a->has & ANNOT_END))
		buf_puts(b, annot_owner_sends(a, (uint8_t)packet->dir) ? ",\"owner\":\"source\""
								       : ",\"owner\":\"destination\"");
	if (packet->by_peer)
		JSON_PUT(b, ",\"by_peer\":true");
	buf_put(b, owner.p, owner.n);
	json_close(b, ours);
}

/* Of what another process did not hand on, nothing is known. */
static void cut_payload(struct headers *h, const struct packet *packet)
{
	const uint8_t *end = packet->data + packet->caplen - packet->absent;

	if (!h->payload)
		return;
	if (h->payload >= end)
		h->payload_caplen = 0;
	else if (h->payload_caplen > (size_t)(end - h->payload))
		h->payload_caplen = (uint32_t)(end - h->payload);
}

static void put_packet(struct json *j, const struct packet *packet, const struct json_iface *iface)
{
	struct json_common *c = &j->common;
	struct buf *b = &c->buf;
	struct json_owner owner = { 0 };
	enum json_names names;
	struct headers h;
	struct str ends;

	headers_parse(&h, packet);
	cut_payload(&h, packet);
	json_put_begin(c, packet_ns(packet));
	JSON_PUT(b, ",\"event\":{\"kind\":\"event\",\"category\":[\"network\"],\"type\":[\"info\"],"
		    "\"dataset\":\"ptcpdump.packet\"}");
	names = json_names_kind(&h);
	if (names != NAMES_NONE && !json_names_put(b, &h, names))
		names = NAMES_NONE;
	ends = json_ends_get(c->ends, &h);
	buf_put(b, ends.p, ends.n);
	put_network(b, packet, names);
	if (h.has_icmp)
		put_icmp(b, &h);
	buf_put(b, iface->way[packet->dir].members.p, iface->way[packet->dir].members.len);
	if (packet->annot)
		owner = json_owners_get(c->owners, packet->annot);
	buf_put(b, owner.members.p, owner.members.n);
	put_ours(j, b, packet, &h, iface, owner.ours);
}

static int json_packet(struct output *o, const struct packet *packet)
{
	struct json *j = json_from(o);
	const struct json_iface *iface = json_common_iface(&j->common, packet->iface);

	if (!iface)
		return -ENOMEM;
	put_packet(j, packet, iface);
	return json_line_end(&j->common);
}

static int json_iface(struct output *o, const struct iface *iface)
{
	return json_common_announce(&json_from(o)->common, iface);
}

static int json_counts(struct output *o, const struct output_counts *counts)
{
	return json_common_count(&json_from(o)->common, counts);
}

static int json_write(struct output *o)
{
	return json_flush(&json_from(o)->common);
}

static int json_finish(struct output *o)
{
	return json_common_finish(&json_from(o)->common);
}

static void json_free(struct output *o)
{
	struct json *j;

	if (!o)
		return;
	j = json_from(o);
	json_common_done(&j->common);
	buf_done(&j->flags_text);
	free(j);
}

static const struct output_ops json_ops = {
	.name = "json",
	.iface = json_iface,
	.packet = json_packet,
	.counts = json_counts,
	.flush = json_write,
	.finish = json_finish,
	.free = json_free,
};

uint32_t output_json_reach(const struct packet *packet)
{
	struct headers h;
	size_t headers;

	headers_parse(&h, packet);
	if (!h.payload || json_names_kind(&h) != NAMES_NONE)
		return packet->caplen;
	headers = (size_t)(h.payload - packet->data) + NAMES_BEGIN;
	return headers < packet->caplen ? (uint32_t)headers : packet->caplen;
}

int output_json_new(struct output **ret, const struct json_config *config)
{
	struct json *j = calloc(1, sizeof(*j));
	int err;

	if (!j) {
		log_error("out of memory");
		return -ENOMEM;
	}
	j->output.ops = &json_ops;
	make_flags(j);
	err = json_common_init(&j->common, config);
	if (err) {
		json_free(&j->output);
		return err;
	}
	*ret = &j->output;
	return 0;
}
