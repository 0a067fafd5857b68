/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* From headers to flows, for every program that looks at packets. */
#ifndef PARSE_BPF_H
#define PARSE_BPF_H

#include "flow.bpf.h"
#include "scratch.bpf.h"

/* So that it is copied by eight bytes. */
#define ALIGNED __attribute__((aligned(8)))

/* Where the network header is in a packet whose flags are known. */
static __always_inline __u32 network_offset(const struct event_packet *e)
{
	return e->flags & EVENT_PKT_L3 ? 0 : ETH_HLEN;
}

/* skb NULL: from the memory that head tells. */
static __always_inline long packet_load(struct __sk_buff *skb, const struct packet_head *head, __u32 off, void *to,
					__u32 size)
{
	if (skb)
		return bpf_skb_load_bytes(skb, off, to, size);
	if (off > head->linear || size > head->linear - off)
		return -1;
	return bpf_probe_read_kernel(to, size, (const void *)(head->start + off));
}

/* Ports, or the identifier of an ICMP echo. */
static __always_inline void parse_transport(struct __sk_buff *skb, struct packet_head *head, struct flow_key *k,
					    __u32 off)
{
	__u8 h[8] ALIGNED = {};
	bool quotes = false;

	if (packet_load(skb, head, off, h, sizeof(h)))
		return;
	if (k->proto == IPPROTO_ICMP || k->proto == IPPROTO_ICMPV6) {
		__u16 id;

		__builtin_memcpy(&id, h + 4, sizeof(id));
		if (k->proto == IPPROTO_ICMP)
			quotes = h[0] == ICMP_DEST_UNREACH || h[0] == ICMP_TIME_EXCEEDED || h[0] == ICMP_PARAMETERPROB;
		else
			quotes = !(h[0] & ICMPV6_INFOMSG_MASK);
		if (quotes)
			head->inner_off = off + 8;
		else if (h[0] == ICMP_ECHO || h[0] == ICMPV6_ECHO_REQUEST)
			k->lport = id;
		else if (h[0] == ICMP_ECHOREPLY || h[0] == ICMPV6_ECHO_REPLY)
			k->rport = id;
		return;
	}
	__builtin_memcpy(&k->lport, h, sizeof(k->lport));
	__builtin_memcpy(&k->rport, h + 2, sizeof(k->rport));
	if (k->proto == IPPROTO_TCP)
		packet_load(skb, head, off + 13, &head->tcp_flags, 1);
	else if (k->proto == IPPROTO_SCTP)
		packet_load(skb, head, off + 12, &head->sctp_chunk, 1);
}

static __always_inline bool parse_ipv4(struct __sk_buff *skb, struct packet_head *head, struct flow_key *k, __u32 off)
{
	__u8 h[20] ALIGNED;
	__u32 addr;

	if (packet_load(skb, head, off, h, sizeof(h)))
		return false;
	__builtin_memcpy(&addr, h + 12, 4);
	addr_set_v4(k->l, addr);
	__builtin_memcpy(&addr, h + 16, 4);
	addr_set_v4(k->r, addr);
	k->proto = h[9];
	__builtin_memcpy(&head->frag_id, h + 4, 2);
	head->more_frags = h[6] & 0x20;
	head->later_frag = (h[6] & 0x1f) | h[7];
	if (!head->later_frag && (h[0] & 15) * 4 >= sizeof(h) && proto_has_ports(k->proto))
		parse_transport(skb, head, k, off + (h[0] & 15) * 4);
	return true;
}

static __always_inline bool parse_ipv6(struct __sk_buff *skb, struct packet_head *head, struct flow_key *k, __u32 off)
{
	__u8 h[40] ALIGNED, x[8] ALIGNED = {}, next;

	if (packet_load(skb, head, off, h, sizeof(h)))
		return false;
	__builtin_memcpy(k->l, h + 8, 16);
	__builtin_memcpy(k->r, h + 24, 16);
	next = h[6];
	off += sizeof(h);
	for (int i = 0; i < 4; i++) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
		    next != IPPROTO_FRAGMENT)
			break;
		if (packet_load(skb, head, off, x, sizeof(x)))
			break;
		if (next == IPPROTO_FRAGMENT) {
			head->more_frags = x[3] & 1;
			head->later_frag = x[2] | (x[3] & 0xf8);
			head->frag_id = (x[6] << 8 | x[7]) ^ (x[4] << 8 | x[5]);
			off += 8;
		} else {
			off += (x[1] + 1) * 8;
		}
		next = x[0];
	}
	k->proto = next;
	head->transport = off;
	if (!head->later_frag && proto_has_ports(next))
		parse_transport(skb, head, k, off);
	return true;
}

/* The flow with its source as the local end. False: neither IPv4 nor IPv6. */
static __always_inline bool parse_network(struct __sk_buff *skb, struct packet_head *head, struct flow_key *k,
					  __u32 off, __u32 protocol)
{
	if (protocol == ETH_P_IP)
		return parse_ipv4(skb, head, k, off);
	if (protocol == ETH_P_IPV6)
		return parse_ipv6(skb, head, k, off);
	return false;
}

/* The addresses only, for those who cannot keep the rest of the parser on their stack. */
static __always_inline bool parse_addresses(struct __sk_buff *skb, struct flow_key *k, __u32 protocol)
{
	enum { V4_SOURCE = 12, V6_SOURCE = 8 };
	__u32 a[8];

	if (protocol == ETH_P_IP) {
		if (bpf_skb_load_bytes(skb, V4_SOURCE, a, 8))
			return false;
		addr_set_v4(k->l, a[0]);
		addr_set_v4(k->r, a[1]);
		return true;
	}
	if (protocol != ETH_P_IPV6 || bpf_skb_load_bytes(skb, V6_SOURCE, a, sizeof(a)))
		return false;
	__builtin_memcpy(k->l, a, sizeof(k->l));
	__builtin_memcpy(k->r, a + 4, sizeof(k->r));
	return true;
}

static __always_inline bool parse_at(struct __sk_buff *skb, __u32 which, __u32 off, __u32 protocol, __u32 slot)
{
	struct owner_scratch *S = owner_scratch_get(slot);
	struct flow_key *k;
	__u16 tag[2];

	if (!S)
		return 0;
	k = scratch_flow(S, which);
	/* tags inside the packet: those of a VLAN device below us, or a second one */
	for (int i = 0; i < 2; i++) {
		if (protocol != ETH_P_8021Q && protocol != ETH_P_8021AD)
			break;
		if (packet_load(skb, &S->head, off, tag, sizeof(tag)))
			return false;
		protocol = bpf_ntohs(tag[1]);
		off += 4;
	}
	return parse_network(skb, &S->head, k, off, protocol);
}

/* Fills S->flow[which] from the network header at off; 0: it is neither IPv4 nor IPv6. Global: see lookup_tcp(). */
__weak __noinline int parse_packet(struct __sk_buff *skb, __u32 which, __u32 off, __u32 protocol, __u32 slot)
{
	return parse_at(skb, which, off, protocol, slot);
}

/*
 * What most packets are, TCP or UDP over IPv4 without options and in one piece, read without helpers. False:
 * parse_packet() has to look. Only for program types that may access packets directly. head NULL: the flow is enough.
 */
static __always_inline bool parse_direct(struct __sk_buff *skb, struct packet_head *head, struct flow_key *k, __u32 l3,
					 __u16 protocol)
{
	enum { HEADER = 20, PORTS = 4, TCP_FLAGS = 13, NO_OPTIONS = 0x45, FRAGMENT = 0x3fff };
	const __u8 *h = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (!packet_unaligned || protocol != ETH_P_IP)
		return false;
	h += l3;
	if (h + HEADER + (head ? TCP_FLAGS + 1 : PORTS) > end)
		return false;
	if (h[0] != NO_OPTIONS || (*(const __u16 *)(h + 6) & bpf_htons(FRAGMENT)))
		return false;
	if (h[9] != IPPROTO_TCP && h[9] != IPPROTO_UDP)
		return false;
	addr_set_v4(k->l, *(const __u32 *)(h + 12));
	addr_set_v4(k->r, *(const __u32 *)(h + 16));
	k->proto = h[9];
	k->lport = *(const __u16 *)(h + HEADER);
	k->rport = *(const __u16 *)(h + HEADER + 2);
	if (head && h[9] == IPPROTO_TCP)
		head->tcp_flags = h[HEADER + TCP_FLAGS];
	return true;
}

/* FLOW_SRC was parsed: FLOW_DST is its other side. Later fragments show no ports. */
static __always_inline void parse_ends(struct owner_scratch *S)
{
	if (S->head.later_frag) {
		S->flow[FLOW_SRC].fragment = 1;
		S->flow[FLOW_SRC].lport = S->flow[FLOW_SRC].rport = S->head.frag_id;
	}
	flow_flip(&S->flow[FLOW_DST], &S->flow[FLOW_SRC]);
}

/* The key that the later fragments of the packet have for its destination: they show no ports. */
static __always_inline void flow_fragment(struct owner_scratch *S)
{
	S->flow[FLOW_INNER] = S->flow[FLOW_DST];
	S->flow[FLOW_INNER].fragment = 1;
	S->flow[FLOW_INNER].lport = S->flow[FLOW_INNER].rport = S->head.frag_id;
}

static __always_inline bool icmp_answers(const struct flow_key *k)
{
	return (k->proto == IPPROTO_ICMP || k->proto == IPPROTO_ICMPV6) && k->rport;
}

static __always_inline bool tcp_is(const struct owner_scratch *S, __u8 flags)
{
	return S->flow[FLOW_SRC].proto == IPPROTO_TCP && (S->head.tcp_flags & (TCPHDR_SYN | TCPHDR_ACK)) == flags;
}

#endif
