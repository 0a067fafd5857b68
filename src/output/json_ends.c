/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/json_ends.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "output/community.h"
#include "output/json_put.h"
#include "util/hash.h"

enum {
	SLOTS = 4096,
	ETHERTYPE_ARP = 0x0806,
};

/* All that the text depends on. */
struct ends_key {
	struct headers_tuple tuple;
	uint8_t smac[6], dmac[6];
	int16_t vlan;
	uint16_t ethertype;
	uint8_t known; /* which of the others are: bits */
	uint8_t icmp_type, icmp_code;
	uint8_t pad;
};
_Static_assert(sizeof(struct ends_key) % 4 == 0 && sizeof(struct ends_key) <= 4 * HASH_BLOCK,
	       "hash_numbers() takes it");

struct slot {
	struct ends_key key;
	struct buf text; /* empty: the slot is */
};

struct json_ends {
	struct community *community;
	struct hash_long_key hash;
	struct slot slots[SLOTS];
};

static struct ends_key key_of(const struct headers *h)
{
	struct ends_key k = {
		.tuple = h->tuple,
		.vlan = (int16_t)h->vlan,
		.ethertype = h->ethertype,
		.known = (uint8_t)(h->has_mac | h->has_ports << 1 | h->has_icmp << 2 | h->fragment << 3),
		.icmp_type = h->icmp_type,
		.icmp_code = h->icmp_code,
	};

	memcpy(k.smac, h->smac, sizeof(k.smac));
	memcpy(k.dmac, h->dmac, sizeof(k.dmac));
	return k;
}

static void put_end(struct buf *b, const char *name, const uint8_t *ip, unsigned family, bool has_ports, uint16_t port,
		    const uint8_t *mac)
{
	const struct json_object end = json_open(b, name);

	if (family) {
		JSON_PUT(b, ",\"ip\":");
		json_put_ip(b, family, ip);
	}
	if (has_ports) {
		JSON_PUT(b, ",\"port\":");
		json_put_number(b, port);
	}
	if (mac) {
		JSON_PUT(b, ",\"mac\":");
		json_put_mac(b, mac);
	}
	json_close(b, end);
}

void json_ends_put_source(struct buf *b, const struct headers_tuple *t)
{
	JSON_PUT(b, ",\"ip\":");
	json_put_ip(b, t->family, t->src);
	if (t->sport || t->dport) {
		JSON_PUT(b, ",\"port\":");
		json_put_number(b, t->sport);
	}
}

void json_ends_put_destination(struct buf *b, const struct headers_tuple *t)
{
	JSON_PUT(b, ",\"ip\":");
	json_put_ip(b, t->family, t->dst);
	if (t->sport || t->dport) {
		JSON_PUT(b, ",\"port\":");
		json_put_number(b, t->dport);
	}
}

/* Names of https://www.iana.org/assignments/protocol-numbers, in small letters as ECS wants them. */
static const char *transport_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP: return "tcp";
	case IPPROTO_UDP: return "udp";
	case IPPROTO_ICMP: return "icmp";
	case IPPROTO_ICMPV6: return "ipv6-icmp";
	case IPPROTO_SCTP: return "sctp";
	case IPPROTO_DCCP: return "dccp";
	case IPPROTO_UDPLITE: return "udplite";
	case IPPROTO_IGMP: return "igmp";
	case IPPROTO_GRE: return "gre";
	case IPPROTO_ESP: return "esp";
	case IPPROTO_AH: return "ah";
	case IPPROTO_IPIP: return "ipv4";
	case IPPROTO_IPV6: return "ipv6";
	case IPPROTO_PIM: return "pim";
	case 89: return "ospfigp";
	case 112: return "vrrp";
	default: return NULL;
	}
}

static void put_type(struct buf *b, const struct headers *h)
{
	if (h->ethertype == ETHERTYPE_ARP)
		JSON_PUT(b, ",\"type\":\"arp\"");
	else if (h->tuple.family)
		buf_puts(b, h->tuple.family == 4 ? ",\"type\":\"ipv4\"" : ",\"type\":\"ipv6\"");
}

void json_ends_put_network(struct json_ends *e, struct buf *b, const struct headers *h)
{
	const char *transport = h->tuple.family ? transport_name(h->tuple.proto) : NULL;
	char id[COMMUNITY_LEN];

	put_type(b, h);
	if (transport) {
		JSON_PUT(b, ",\"transport\":");
		json_put_word(b, transport);
	}
	if (h->tuple.family) {
		JSON_PUT(b, ",\"iana_number\":");
		json_put_id(b, h->tuple.proto);
	}
	if (h->vlan >= 0) {
		JSON_PUT(b, ",\"vlan\":{\"id\":");
		json_put_id(b, (uint32_t)h->vlan);
		buf_putc(b, '}');
	}
	if (community_id(e->community, h, id)) {
		JSON_PUT(b, ",\"community_id\":\"");
		buf_put(b, id, sizeof(id));
		buf_putc(b, '"');
	}
}

static void make_text(struct json_ends *e, struct buf *b, const struct headers *h)
{
	const struct headers_tuple *t = &h->tuple;
	struct json_object network;

	b->len = 0;
	put_end(b, "source", t->src, t->family, h->has_ports, t->sport, h->has_mac ? h->smac : NULL);
	put_end(b, "destination", t->dst, t->family, h->has_ports, t->dport, h->has_mac ? h->dmac : NULL);
	network = json_open(b, "network");
	json_ends_put_network(e, b, h);
	if (b->len > network.inside) {
		b->p[network.inside] = '{';
		buf_putc(b, ',');
	} else {
		buf_putc(b, '{');
	}
}

struct str json_ends_get(struct json_ends *e, const struct headers *h)
{
	const struct ends_key key = key_of(h);
	struct slot *s = &e->slots[hash_numbers(&e->hash, &key, sizeof(key)) % SLOTS];

	if (!s->text.len || memcmp(&s->key, &key, sizeof(key)) != 0) {
		s->key = key;
		make_text(e, &s->text, h);
	}
	return (struct str){ s->text.p, (uint32_t)s->text.len };
}

struct json_ends *json_ends_new(void)
{
	struct json_ends *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->hash = hash_long_key();
	e->community = community_new();
	if (!e->community) {
		free(e);
		return NULL;
	}
	return e;
}

void json_ends_free(struct json_ends *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		buf_done(&e->slots[i].text);
	community_free(e->community);
	free(e);
}
