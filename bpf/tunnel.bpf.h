/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The packets inside of the packets of an overlay: VXLAN, Geneve, GRE, IP in IP. The kernel makes the outer ones, and whose
 * the inner one is, they are. What processes make themselves, by sockets of theirs, is not opened: tunnel_of_process(), tunnel_elsewhere().
 */
#ifndef TUNNEL_BPF_H
#define TUNNEL_BPF_H

#include "nat.bpf.h"

/* drivers/net/vxlan of Linux uses 8472 unless told; the other two are of IANA. */
enum { PORT_VXLAN = 4789, PORT_VXLAN_LINUX = 8472, PORT_GENEVE = 6081 };

static __always_inline bool is_tunnel(const struct owner_scratch *S)
{
	const struct flow_key *k = &S->flow[FLOW_SRC];

	if (k->proto == IPPROTO_TCP || S->head.later_frag)
		return false;
	if (k->proto == IPPROTO_UDP)
		return k->rport == bpf_htons(PORT_VXLAN) || k->rport == bpf_htons(PORT_VXLAN_LINUX) ||
		       k->rport == bpf_htons(PORT_GENEVE);
	return k->proto == IPPROTO_GRE || k->proto == IPPROTO_IPIP || k->proto == IPPROTO_IPV6;
}

/* What a tunnel's header, h, at off says of what it carries; protocol 0: this is not such a header. */
struct tunnel_load {
	__u32 off;
	__u16 protocol; /* ETH_P_*, ETH_P_TEB: an Ethernet frame */
};

/* RFC 7348; with the bits of extensions, which Linux may be told to use. */
static __always_inline void tunnel_vxlan(const __u8 *h, struct tunnel_load *to)
{
	enum { HEADER = 8, HAS_VNI = 0x08 };

	if (!(h[0] & HAS_VNI) || h[7])
		return;
	to->off += HEADER;
	to->protocol = ETH_P_TEB;
}

/* RFC 8926. */
static __always_inline void tunnel_geneve(const __u8 *h, struct tunnel_load *to)
{
	enum { HEADER = 8, OPTION_WORDS = 0x3f, VERSION = 0xc0 };

	if ((h[0] & VERSION) || h[7])
		return;
	to->off += HEADER + (h[0] & OPTION_WORDS) * 4;
	to->protocol = h[2] << 8 | h[3];
}

/* RFC 2784 and 2890; version 0. */
static __always_inline void tunnel_gre(const __u8 *h, struct tunnel_load *to)
{
	enum { HEADER = 4, CHECKSUM = 0x80, KEY = 0x20, SEQUENCE = 0x10, VERSION = 7 };

	if (h[1] & VERSION)
		return;
	to->off += HEADER + (h[0] & CHECKSUM ? 4 : 0) + (h[0] & KEY ? 4 : 0) + (h[0] & SEQUENCE ? 4 : 0);
	to->protocol = h[2] << 8 | h[3];
}

/* From the network header of the outer packet to that of the inner one. */
static __always_inline bool tunnel_find(struct __sk_buff *skb, const struct owner_scratch *S, __u32 protocol,
					struct tunnel_load *to)
{
	enum { UDP_HEADER = 8, ETHERTYPE = 12 };
	const struct flow_key *k = &S->flow[FLOW_SRC];
	__u8 h[8];
	__u16 type;

	if (protocol == ETH_P_IP) {
		if (packet_load(skb, &S->head, to->off, h, 1))
			return false;
		to->off += (h[0] & 15) * 4;
	} else {
		to->off = S->head.transport;
	}
	if (k->proto == IPPROTO_IPIP || k->proto == IPPROTO_IPV6) {
		to->protocol = k->proto == IPPROTO_IPIP ? ETH_P_IP : ETH_P_IPV6;
		return true;
	}
	if (k->proto == IPPROTO_UDP)
		to->off += UDP_HEADER;
	if (packet_load(skb, &S->head, to->off, h, sizeof(h)))
		return false;
	if (k->proto == IPPROTO_GRE)
		tunnel_gre(h, to);
	else if (k->rport == bpf_htons(PORT_GENEVE))
		tunnel_geneve(h, to);
	else
		tunnel_vxlan(h, to);
	if (to->protocol == ETH_P_TEB) {
		if (packet_load(skb, &S->head, to->off + ETHERTYPE, &type, sizeof(type)))
			return false;
		to->off += ETH_HLEN;
		to->protocol = bpf_ntohs(type);
	}
	return to->protocol == ETH_P_IP || to->protocol == ETH_P_IPV6;
}

/* Whether a process of another namespace has made it, or gets it. */
static __always_inline bool tunnel_elsewhere(struct owner_scratch *S)
{
	if (!attrib_forwarded)
		return false;
	flow_flip(&S->flow[FLOW_DST], &S->flow[FLOW_SRC]);
	return forward_get(S, FLOW_SRC) || forward_get(S, FLOW_DST);
}

/*
 * S->flow[FLOW_SRC] and S->head are of the outer packet, whose network header is at to->off. True: to tells where the inner one's is,
 * and they are ready for it to be parsed.
 */
static __always_inline bool tunnel_open(struct __sk_buff *skb, struct tunnel_load *to, __u32 protocol, __u32 slot)
{
	struct owner_scratch *S = owner_scratch_get(slot);
	struct flow_key *k;

	if (!S || tunnel_elsewhere(S) || !tunnel_find(skb, S, protocol, to))
		return false;
	k = &S->flow[FLOW_SRC];
	k->lport = k->rport = 0;
	k->fragment = 0;
	S->head.inner_off = 0;
	S->head.frag_id = 0;
	S->head.tcp_flags = S->head.sctp_chunk = 0;
	S->head.more_frags = S->head.later_frag = 0;
	S->head.tunnel = 1;
	return true;
}

/* Global: see lookup_tcp(). */
__weak __noinline int tunnel_packet(struct __sk_buff *skb, __u32 off, __u32 protocol, __u32 slot)
{
	struct tunnel_load to = { .off = off };

	return tunnel_open(skb, &to, protocol, slot) && parse_packet(skb, FLOW_SRC, to.off, to.protocol, slot);
}

#endif
