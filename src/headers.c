/* SPDX-License-Identifier: BSD-3-Clause */
#include "headers.h"

#include <netinet/in.h>
#include <pcap/dlt.h>
#include <string.h>

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_8021Q = 0x8100,
	ETHERTYPE_8021AD = 0x88a8,
	ETHERTYPE_9100 = 0x9100, /* stacked tags before 802.1ad */
	VLAN_TAGS_MAX = 4,
	EXTENSIONS_MAX = 8,
	FRAGMENT_OFFSET = 0x1fff,
};

/* What is left of a packet: captured, and on the wire. */
struct rest {
	const uint8_t *p;
	uint32_t have, len;
};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

/* n captured bytes of which the rest is then what follows; NULL: they are not there. */
static const uint8_t *take(struct rest *r, uint32_t n)
{
	const uint8_t *p = r->p;

	if (r->have < n || r->len < n)
		return NULL;
	r->p += n;
	r->have -= n;
	r->len -= n;
	return p;
}

/* A header's own length ends the packet: what is behind it is padding. */
static void limit(struct rest *r, uint32_t len)
{
	if (len < r->len)
		r->len = len;
	if (r->have > r->len)
		r->have = r->len;
}

static void payload(struct headers *h, const struct rest *r)
{
	h->payload_len = r->len;
	h->payload_caplen = r->have;
	h->payload = r->have ? r->p : NULL;
}

static bool ports(struct headers *h, const uint8_t *p)
{
	if (!p)
		return false;
	h->has_ports = true;
	h->tuple.sport = be16(p);
	h->tuple.dport = be16(p + 2);
	return true;
}

/* RFC 9293, 3.1 */
static void parse_tcp(struct headers *h, struct rest r)
{
	struct rest whole = r;
	const uint8_t *p;
	uint32_t offset;

	if (!ports(h, r.have >= 4 ? r.p : NULL))
		return;
	p = take(&r, 20);
	if (!p)
		return;
	h->has_tcp = true;
	h->tcp_seq = be32(p + 4);
	h->tcp_ack = be32(p + 8);
	h->tcp_flags = p[13];
	offset = (uint32_t)(p[12] >> 4) * 4;
	if (offset < 20 || offset > whole.len)
		return;
	h->payload_len = whole.len - offset;
	if (take(&whole, offset))
		payload(h, &whole);
}

static void parse_udp(struct headers *h, struct rest r)
{
	const uint8_t *p;

	if (!ports(h, r.have >= 4 ? r.p : NULL))
		return;
	p = take(&r, 8);
	if (!p)
		return;
	/* 0: a jumbogram, RFC 2675. UDP-Lite has there how much the checksum covers (RFC 3828, 3.1). */
	if (h->tuple.proto == IPPROTO_UDP && be16(p + 4) >= 8)
		limit(&r, be16(p + 4) - 8U);
	payload(h, &r);
}

static void parse_icmp(struct headers *h, struct rest r)
{
	if (r.have < 2)
		return;
	h->has_icmp = true;
	h->icmp_type = r.p[0];
	h->icmp_code = r.p[1];
}

static void parse_transport(struct headers *h, struct rest r)
{
	if (h->fragment)
		return;
	switch (h->tuple.proto) {
	case IPPROTO_TCP: parse_tcp(h, r); break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE: parse_udp(h, r); break;
	case IPPROTO_SCTP:
	case IPPROTO_DCCP: ports(h, r.have >= 4 ? r.p : NULL); break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6: parse_icmp(h, r); break;
	default: break;
	}
}

/* RFC 791, 3.1 */
static void parse_ipv4(struct headers *h, struct rest r)
{
	const struct rest whole = r;
	const uint8_t *p = take(&r, 20);
	uint32_t size, total;

	if (!p || p[0] >> 4 != 4)
		return;
	size = (p[0] & 15U) * 4;
	total = be16(p + 2);
	if (size < 20)
		return;
	h->tuple.family = 4;
	h->tuple.proto = p[9];
	memcpy(h->tuple.src, p + 12, 4);
	memcpy(h->tuple.dst, p + 16, 4);
	h->fragment = be16(p + 6) & FRAGMENT_OFFSET;
	r = whole;
	/* 0: segments that the device is to cut (TSO) */
	if (total >= size)
		limit(&r, total);
	if (take(&r, size))
		parse_transport(h, r);
}

/* RFC 8200, 4; RFC 4302 for AH. False: the protocol is not known, since the header is cut. */
static bool skip_extension(struct headers *h, struct rest *r)
{
	const uint8_t *p = r->have >= 8 ? r->p : NULL;
	uint32_t size;

	if (!p)
		return false;
	switch (h->tuple.proto) {
	case IPPROTO_FRAGMENT:
		h->fragment = be16(p + 2) & 0xfff8;
		size = 8;
		break;
	case IPPROTO_AH: size = (p[1] + 2U) * 4; break;
	default: size = (p[1] + 1U) * 8; break;
	}
	h->tuple.proto = p[0];
	return take(r, size) && !h->fragment;
}

static bool is_extension(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_FRAGMENT ||
	       proto == IPPROTO_DSTOPTS || proto == IPPROTO_AH || proto == IPPROTO_MH;
}

static void parse_ipv6(struct headers *h, struct rest r)
{
	const uint8_t *p = take(&r, 40);

	if (!p || p[0] >> 4 != 6)
		return;
	h->tuple.family = 6;
	h->tuple.proto = p[6];
	memcpy(h->tuple.src, p + 8, 16);
	memcpy(h->tuple.dst, p + 24, 16);
	/* 0: a jumbogram, or segments that the device is to cut */
	if (be16(p + 4))
		limit(&r, be16(p + 4));
	for (int i = 0; is_extension(h->tuple.proto); i++) {
		if (i == EXTENSIONS_MAX || !skip_extension(h, &r))
			return;
	}
	parse_transport(h, r);
}

static bool is_vlan(uint16_t type)
{
	return type == ETHERTYPE_8021Q || type == ETHERTYPE_8021AD || type == ETHERTYPE_9100;
}

static void parse_network(struct headers *h, struct rest r)
{
	for (int i = 0; i < VLAN_TAGS_MAX && is_vlan(h->ethertype); i++) {
		const uint8_t *p = take(&r, 4);

		if (!p)
			return;
		if (i == 0)
			h->vlan = be16(p) & 0xfff;
		h->ethertype = be16(p + 2);
	}
	if (h->ethertype == ETHERTYPE_IPV4)
		parse_ipv4(h, r);
	else if (h->ethertype == ETHERTYPE_IPV6)
		parse_ipv6(h, r);
}

static void parse_raw(struct headers *h, struct rest r)
{
	if (r.have == 0)
		return;
	h->ethertype = r.p[0] >> 4 == 4 ? ETHERTYPE_IPV4 : r.p[0] >> 4 == 6 ? ETHERTYPE_IPV6 : 0;
	parse_network(h, r);
}

static void parse_ethernet(struct headers *h, struct rest r)
{
	const uint8_t *p = take(&r, 14);

	if (!p)
		return;
	h->has_mac = true;
	memcpy(h->dmac, p, 6);
	memcpy(h->smac, p + 6, 6);
	h->ethertype = be16(p + 12);
	parse_network(h, r);
}

/* https://www.tcpdump.org/linktypes/LINKTYPE_NULL.html: a 32-bit family of the machine that captured; in DLT_LOOP big endian. */
static void parse_null(struct headers *h, struct rest r)
{
	if (take(&r, 4))
		parse_raw(h, r);
}

/* https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html and _SLL2.html: behind it stands what behind Ethernet's would. */
static void parse_sll(struct headers *h, struct rest r, uint32_t size, uint32_t protocol)
{
	const uint8_t *p = take(&r, size);

	if (!p)
		return;
	h->ethertype = be16(p + protocol);
	parse_network(h, r);
}

struct headers_tuple headers_turned(const struct headers_tuple *t)
{
	struct headers_tuple r = *t;

	memcpy(r.src, t->dst, sizeof(r.src));
	memcpy(r.dst, t->src, sizeof(r.dst));
	r.sport = t->dport;
	r.dport = t->sport;
	return r;
}

void headers_parse(struct headers *h, const struct packet *packet)
{
	const struct rest r = {
		.p = packet->data,
		.have = packet->caplen < packet->len ? packet->caplen : packet->len,
		.len = packet->len,
	};

	*h = (struct headers){ .vlan = -1 };
	switch (packet->iface->dlt) {
	case DLT_EN10MB: parse_ethernet(h, r); break;
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6: parse_raw(h, r); break;
	case DLT_NULL:
	case DLT_LOOP: parse_null(h, r); break;
	case DLT_LINUX_SLL: parse_sll(h, r, 16, 14); break;
	case DLT_LINUX_SLL2: parse_sll(h, r, 20, 0); break;
	default: break;
	}
}
