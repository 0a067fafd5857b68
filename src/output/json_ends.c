/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/json_ends.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "output/community.h"
#include "output/json_put.h"
#include "util/hash.h"

enum {
	SLOTS_BITS = 12,
	SLOTS = 1 << SLOTS_BITS,
	LINE = 64, /* of a processor's cache */
	ETHERTYPE_ARP = 0x0806,
};

/* All that the text depends on, in words that are compared and mixed without going through memory. */
struct ends_key {
	uint64_t src[2], dst[2], smac, dmac;
	uint64_t transport; /* ports, protocol, family, ICMP's type and code */
	uint64_t rest;
};

/* The key has a line of its own: most of the time goes into waiting for it. */
struct slot {
	struct ends_key key;
	uint32_t len; /* 0: empty */
	char text[7 * LINE - 4];
};
_Static_assert(sizeof(struct ends_key) == LINE && sizeof(struct slot) == 8 * LINE, "slots begin with a line");

struct json_ends {
	struct hash_key hash;
	struct buf scratch;
	void *memory;
	struct slot *slots;
};

static uint64_t mac_word(const uint8_t *mac)
{
	uint32_t low;
	uint16_t high;

	memcpy(&low, mac, sizeof(low));
	memcpy(&high, mac + 4, sizeof(high));
	return (uint64_t)high << 32 | low;
}

static void address_words(uint64_t words[2], const uint8_t *address, uint8_t family)
{
	uint32_t ipv4;

	if (family == 6) {
		memcpy(words, address, 16);
		return;
	}
	memcpy(&ipv4, address, sizeof(ipv4));
	words[0] = ipv4;
	words[1] = 0;
}

static struct ends_key key_of(const struct headers *h)
{
	const struct headers_tuple *t = &h->tuple;
	struct ends_key k = {
		.smac = mac_word(h->smac),
		.dmac = mac_word(h->dmac),
		.transport = t->sport | (uint64_t)t->dport << 16 | (uint64_t)t->proto << 32 |
			     (uint64_t)t->family << 40 | (uint64_t)h->icmp_type << 48 | (uint64_t)h->icmp_code << 56,
		.rest = h->ethertype | (uint64_t)(uint16_t)h->vlan << 16 | (uint64_t)h->has_mac << 32 |
			(uint64_t)h->has_ports << 33 | (uint64_t)h->has_icmp << 34 | (uint64_t)h->fragment << 35,
	};

	address_words(k.src, t->src, t->family);
	address_words(k.dst, t->dst, t->family);
	return k;
}

static bool same(const struct ends_key *a, const struct ends_key *b)
{
	return !((a->src[0] ^ b->src[0]) | (a->src[1] ^ b->src[1]) | (a->dst[0] ^ b->dst[0]) | (a->dst[1] ^ b->dst[1]) |
		 (a->smac ^ b->smac) | (a->dmac ^ b->dmac) | (a->transport ^ b->transport) | (a->rest ^ b->rest));
}

/* Whoever makes keys fall together makes texts anew, and nothing worse: a cheap hash will do. */
static struct slot *slot_of(const struct json_ends *e, const struct ends_key *k)
{
	const uint64_t src = k->src[0] ^ hash_rotate(k->src[1], 31), dst = k->dst[0] ^ hash_rotate(k->dst[1], 31);
	const uint64_t h = hash_number(&e->hash, src + hash_rotate(dst, 32)) ^
			   hash_number(&e->hash, k->transport + src);

	return &e->slots[h >> (64 - SLOTS_BITS)];
}

static void put_address(struct buf *b, unsigned family, const uint8_t *ip, bool has_port, uint16_t port)
{
	JSON_PUT(b, ",\"ip\":");
	json_put_ip(b, family, ip);
	if (!has_port)
		return;
	JSON_PUT(b, ",\"port\":");
	json_put_number(b, port);
}

static void put_end(struct buf *b, const char *name, const uint8_t *ip, unsigned family, bool has_ports, uint16_t port,
		    const uint8_t *mac)
{
	const struct json_object end = json_open(b, name);

	if (family)
		put_address(b, family, ip, has_ports, port);
	if (mac) {
		JSON_PUT(b, ",\"mac\":");
		json_put_mac(b, mac);
	}
	json_close(b, end);
}

void json_ends_put_source(struct buf *b, const struct headers_tuple *t)
{
	put_address(b, t->family, t->src, t->sport || t->dport, t->sport);
}

void json_ends_put_destination(struct buf *b, const struct headers_tuple *t)
{
	put_address(b, t->family, t->dst, t->sport || t->dport, t->dport);
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

void json_ends_put_network(struct buf *b, const struct headers *h)
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
	if (community_id(h, id)) {
		JSON_PUT(b, ",\"community_id\":\"");
		buf_put(b, id, sizeof(id));
		buf_putc(b, '"');
	}
}

static void make_text(struct buf *b, const struct headers *h)
{
	const struct headers_tuple *t = &h->tuple;
	struct json_object network;

	b->len = 0;
	put_end(b, "source", t->src, t->family, h->has_ports, t->sport, h->has_mac ? h->smac : NULL);
	put_end(b, "destination", t->dst, t->family, h->has_ports, t->dport, h->has_mac ? h->dmac : NULL);
	network = json_open(b, "network");
	json_ends_put_network(b, h);
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
	struct slot *s = slot_of(e, &key);
	struct buf *b = &e->scratch;

	if (s->len && same(&s->key, &key))
		return (struct str){ s->text, s->len };
	make_text(b, h);
	if (b->len > sizeof(s->text))
		return (struct str){ b->p, (uint32_t)b->len };
	s->key = key;
	s->len = (uint32_t)b->len;
	memcpy(s->text, b->p, b->len);
	return (struct str){ s->text, s->len };
}

struct json_ends *json_ends_new(void)
{
	struct json_ends *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->hash = hash_key();
	/* Zeros that are not written until they are used. */
	e->memory = calloc(SLOTS + 1, sizeof(struct slot));
	if (!e->memory) {
		json_ends_free(e);
		return NULL;
	}
	e->slots = (void *)(((uintptr_t)e->memory + LINE - 1) / LINE * LINE);
	return e;
}

void json_ends_free(struct json_ends *e)
{
	if (!e)
		return;
	buf_done(&e->scratch);
	free(e->memory);
	free(e);
}
