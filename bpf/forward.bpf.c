/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Flows of sockets in other network namespaces, for the packets that are forwarded for them: on a bridge, on the
 * host's end of a veth pair, or behind NAT, no socket is on the packet. Sockets of the namespace that is captured in
 * are passed over after their first packet.
 */
#include "owner.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PROCEED 1

/* Ports, or the identifier of an ICMP echo. Whole packets only: fragments are made later, or joined before. */
static __always_inline void parse_ports(struct __sk_buff *skb, struct flow_key *k, __u32 off, bool egress)
{
	__u16 h[4] = {}, from, to;
	__u8 type;

	bpf_skb_load_bytes(skb, off, h, sizeof(h));
	from = h[0];
	to = h[1];
	if (k->proto == IPPROTO_ICMP || k->proto == IPPROTO_ICMPV6) {
		type = bpf_ntohs(h[0]) >> 8;
		from = type == 8 || type == 128 ? h[2] : 0;
		to = type == 0 || type == 129 ? h[2] : 0;
	}
	k->lport = egress ? from : to;
	k->rport = egress ? to : from;
}

/* The packet's flow as our end sees it; the data start with the network header. */
static __always_inline bool parse_flow(struct __sk_buff *skb, struct flow_key *k, bool egress)
{
	__u32 h[10] = {}, off;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, 0, h, 20))
			return false;
		addr_set_v4(k->l, egress ? h[3] : h[4]);
		addr_set_v4(k->r, egress ? h[4] : h[3]);
		k->proto = bpf_ntohl(h[2]) >> 16;
		off = (bpf_ntohl(h[0]) >> 24 & 15) * 4;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (bpf_skb_load_bytes(skb, 0, h, sizeof(h)))
			return false;
		__builtin_memcpy(k->l, egress ? h + 2 : h + 6, sizeof(k->l));
		__builtin_memcpy(k->r, egress ? h + 6 : h + 2, sizeof(k->r));
		k->proto = bpf_ntohl(h[1]) >> 8;
		off = sizeof(h);
	} else {
		return false;
	}
	if (proto_has_ports(k->proto))
		parse_ports(skb, k, off, egress);
	return true;
}

/* The same of plain UDP over IPv4, without helpers: the packets that come here again and again. */
static __always_inline bool parse_udp(struct __sk_buff *skb, struct flow_key *k, bool egress)
{
	enum { HEADER = 20, NO_OPTIONS = 0x45 };
	const __u8 *h = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (skb->protocol != bpf_htons(ETH_P_IP) || h + HEADER + 4 > end || h[0] != NO_OPTIONS || h[9] != IPPROTO_UDP)
		return false;
	addr_set_v4(k->l, *(const __u32 *)(h + (egress ? 12 : 16)));
	addr_set_v4(k->r, *(const __u32 *)(h + (egress ? 16 : 12)));
	k->proto = IPPROTO_UDP;
	k->lport = *(const __u16 *)(h + HEADER + (egress ? 0 : 2));
	k->rport = *(const __u16 *)(h + HEADER + (egress ? 2 : 0));
	return true;
}

static __always_inline __u32 forward_hash(const struct flow_key *k, __u32 tgid)
{
	return flow_short(k) ^ tgid << 1;
}

/* What was told last, and not long ago: an LRU map forgets what nobody asks for. */
static __always_inline bool forward_again(const struct owner_rec *rec, const struct flow_key *k)
{
	enum { JIFFIES = 64 };

	return rec && rec->certain && rec->forward_told == forward_hash(k, rec->tgid) &&
	       (__u32)bpf_jiffies64() - rec->forward_time < JIFFIES;
}

static __always_inline void forward_store(struct bpf_sock *sk, struct owner_rec *rec, __u64 cookie,
					  const struct flow_key *k, bool egress)
{
	struct owner_rec *known = rec, *other, new;
	bool listens = sk->state == BPF_TCP_LISTEN;

	if (!known || owner_provisional(known, cookie)) {
		other = bpf_map_lookup_elem(&ptcp_cookies, &cookie);
		if (other && (other->certain || !known))
			known = other;
	}
	if (!known || !known->tgid)
		return;
	new = *known;
	new.certain = !listens && !owner_provisional(known, cookie);
	new.cookie = listens ? flow_cookie(k) : cookie;
	new.forwarded = 1;
	if (listens && !rec)
		rec = listener_adopt(sk, known);
	if (!new.certain && rec)
		owner_expose(rec, cookie);
	other = bpf_map_lookup_elem(&ptcp_flows, k);
	if (!other || other->cookie != new.cookie || other->certain != new.certain || other->tgid != new.tgid) {
		bpf_map_update_elem(&ptcp_flows, k, &new, BPF_ANY);
		if (!egress && k->proto != IPPROTO_TCP)
			forward_tell(&new, k);
	}
	if (rec == known && new.certain && k->proto == IPPROTO_UDP) {
		rec->forward_told = forward_hash(k, new.tgid);
		rec->forward_time = (__u32)bpf_jiffies64();
	}
	/* Whose it is later, ptcp_cookies tells. */
	if (rec && sk->protocol == IPPROTO_TCP && !listens)
		rec->forward_done = 1;
}

static __always_inline int forward_note(struct __sk_buff *skb, bool egress)
{
	struct bpf_sock *sk = skb->sk;
	struct flow_key k = {};
	struct owner_rec *rec;
	bool parsed;

	if (!sk)
		return PROCEED;
	rec = bpf_sk_storage_get(&ptcp_sockets, sk, NULL, 0);
	if (rec && rec->forward_done)
		return PROCEED;
	parsed = parse_udp(skb, &k, egress);
	if (parsed && forward_again(rec, &k))
		return PROCEED;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return PROCEED;
	if (!socket_elsewhere(pointer_value(sk))) {
		if (rec)
			rec->forward_done = 1;
		return PROCEED;
	}
	attrib_forwarded = 1;
	/* What a listener gets is not its own yet; what it sends is the answer to a request. */
	if (sk->state == BPF_TCP_LISTEN && !egress)
		return PROCEED;
	if ((parsed || parse_flow(skb, &k, egress)) && flow_forwardable(&k))
		forward_store(sk, rec, bpf_get_socket_cookie(skb), &k, egress);
	return PROCEED;
}

SEC("cgroup_skb/egress")
int ptcp_skb_out(struct __sk_buff *skb)
{
	return forward_note(skb, true);
}

SEC("cgroup_skb/ingress")
int ptcp_skb_in(struct __sk_buff *skb)
{
	return forward_note(skb, false);
}
