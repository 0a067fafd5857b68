/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/count_packet.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <string.h>

#include "headers.h"

enum {
	V4_LEN = 20,
	V6_LEN = 40,
	TCP_LEN = 20,
	TRANSPORT_LEN = 8, /* of others, as far as ports and identifiers reach */
	/* Types of ICMP and of ICMPv6; of messages that neither ask, answer nor quote. */
	ECHO_REPLY = 0,
	ECHO = 8,
	NO_ECHO = 9,
	ECHO6 = 128,
	ECHO6_REPLY = 129,
	NO_ECHO6 = 133,
};

struct event_packet count_event(const struct count_slot *slot)
{
	const struct count_key *k = &slot->key;
	struct event_packet e = {
		.type = EVENT_PACKET,
		.ifindex = k->ifindex,
		.ts = slot->first,
		.netns = k->flow.netns,
		.protocol = k->protocol,
		.dir = k->dir,
		.flags = k->flags & COUNT_MAYBE,
		.src = k->src,
		.dst = k->dst,
	};

	if (e.src.tid != OWNER_TID_NOBODY)
		e.src.tid = slot->src_tid;
	if (e.dst.tid != OWNER_TID_NOBODY)
		e.dst.tid = slot->dst_tid;
	if (slot->sent && !e.src.source)
		e.src.source = OWNER_CURRENT;
	memcpy(e.comm, slot->comm, sizeof(e.comm));
	return e;
}

static bool is_icmp(const struct flow_key *flow)
{
	return flow->proto == IPPROTO_ICMP || flow->proto == IPPROTO_ICMPV6;
}

static uint8_t icmp_type(const struct flow_key *flow)
{
	const bool v6 = flow->proto == IPPROTO_ICMPV6;

	if (flow->lport)
		return v6 ? ECHO6 : ECHO;
	if (flow->rport)
		return v6 ? ECHO6_REPLY : ECHO_REPLY;
	return v6 ? NO_ECHO6 : NO_ECHO;
}

static uint32_t transport(const struct count_slot *slot, uint8_t *to)
{
	const struct flow_key *flow = &slot->key.flow;
	const uint16_t id = flow->lport ? flow->lport : flow->rport;

	if (is_icmp(flow)) {
		to[0] = icmp_type(flow);
		memcpy(to + 4, &id, sizeof(id));
		return TRANSPORT_LEN;
	}
	memcpy(to, &flow->lport, sizeof(flow->lport));
	memcpy(to + 2, &flow->rport, sizeof(flow->rport));
	if (flow->proto != IPPROTO_TCP)
		return TRANSPORT_LEN;
	to[12] = TCP_LEN / 4 << 4;
	to[13] = slot->syns ? HEADERS_SYN : slot->tcp_flags;
	return TCP_LEN;
}

static uint32_t network(const struct count_slot *slot, uint8_t *to)
{
	const struct flow_key *flow = &slot->key.flow;
	uint32_t len;

	if (slot->key.protocol == ETH_P_IP) {
		len = V4_LEN + transport(slot, to + V4_LEN);
		to[0] = 4 << 4 | V4_LEN / 4;
		to[3] = (uint8_t)len;
		to[7] = flow->fragment;
		to[9] = flow->proto;
		memcpy(to + 12, &flow->l[3], sizeof(flow->l[3]));
		memcpy(to + 16, &flow->r[3], sizeof(flow->r[3]));
		return len;
	}
	len = transport(slot, to + V6_LEN);
	to[0] = 6 << 4;
	to[5] = (uint8_t)len;
	to[6] = flow->fragment ? IPPROTO_NONE : flow->proto;
	memcpy(to + 8, flow->l, sizeof(flow->l));
	memcpy(to + 24, flow->r, sizeof(flow->r));
	return V6_LEN + len;
}

static bool is_ip(const struct count_key *k)
{
	return k->flow.proto && (k->protocol == ETH_P_IP || k->protocol == ETH_P_IPV6);
}

uint32_t count_headers(const struct count_slot *slot, bool l3, uint8_t to[COUNT_HEADERS_MAX])
{
	const uint16_t protocol = htons(slot->key.protocol);
	const uint32_t link = l3 ? 0 : ETH_HLEN;

	memset(to, 0, COUNT_HEADERS_MAX);
	if (!l3)
		memcpy(to + 2 * ETH_ALEN, &protocol, sizeof(protocol));
	return link + (is_ip(&slot->key) ? network(slot, to + link) : 0);
}

static struct headers_tuple tuple_of(const struct count_key *k)
{
	const struct flow_key *flow = &k->flow;
	struct headers_tuple t = { 0 };

	/* Behind a tag inside of the packet the protocol is that of the tag. */
	if (!flow->proto && !flow->l[3])
		return t;
	t.proto = flow->proto;
	if (flow->l[0] == 0 && flow->l[1] == 0 && flow->l[2] == htonl(0xffff)) {
		t.family = 4;
		memcpy(t.src, &flow->l[3], 4);
		memcpy(t.dst, &flow->r[3], 4);
	} else {
		t.family = 6;
		memcpy(t.src, flow->l, sizeof(t.src));
		memcpy(t.dst, flow->r, sizeof(t.dst));
	}
	if (!is_icmp(flow)) {
		t.sport = ntohs(flow->lport);
		t.dport = ntohs(flow->rport);
	}
	return t;
}

struct flows_sample count_sample(const struct count_slot *slot, int64_t clock_offset)
{
	return (struct flows_sample){
		.dir = (enum direction)slot->key.dir,
		.tuple = tuple_of(&slot->key),
		.packets = slot->packets,
		.bytes = slot->bytes,
		.first = slot->first + (uint64_t)clock_offset,
		.last = slot->last + (uint64_t)clock_offset,
		.tcp_flags = slot->tcp_flags,
		.syns = slot->syns,
		.resets = slot->resets,
		.fins = slot->fins,
		.retransmits = slot->retransmits,
		.others = slot->key.flags & COUNT_OTHERS,
	};
}
