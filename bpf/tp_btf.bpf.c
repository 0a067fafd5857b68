/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Packets at the tracepoints net_dev_queue (before the queue of a device, after tc) and netif_receive_skb (before tc):
 * every device of every namespace with one attachment. The packet is kernel memory here: the linear part is probed,
 * what follows in fragments is read where the kernel permits (6.12), else it is cut off.
 */
#include "filter.bpf.h"
#include "memory.bpf.h"
#include "take.bpf.h"
#include "tap.bpf.h"
#include <bpf/bpf_tracing.h>
#include <ptcpdump/kfunc.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* struct bpf_dynptr, which headers before Linux 5.19 lack. Only its kind and size matter to libbpf and the kernel. */
struct ptcp_dynptr {
	__u64 opaque[2];
};

static int (*const bpf_dynptr_from_skb)(struct __sk_buff *skb, __u64 flags,
					struct ptcp_dynptr *ptr) = (void *)KFUNC_DYNPTR_FROM_SKB;

/* A packet in memory. */
struct tap_packet {
	__u64 start;  /* of the first header */
	__u32 linear; /* bytes there */
	__u32 len;    /* on the wire */
	__u32 ifindex;
	__u32 netns;
	__u64 vlan;
	__u16 protocol;
	__u8 pkt_type;
	bool egress, l3, in_task;
};

static __always_inline bool has_tag(struct sk_buff *skb)
{
	struct sk_buff___vlan_present *old = (void *)skb;

	if (bpf_core_field_exists(old->vlan_present))
		return BPF_CORE_READ_BITFIELD_PROBED(old, vlan_present);
	return BPF_CORE_READ(skb, vlan_proto) != 0;
}

static __always_inline bool packet_wanted(struct tap_packet *p)
{
	return p->pkt_type != PACKET_LOOPBACK && tap_wants(p->ifindex, p->egress) && iface_find(p->netns, p->ifindex);
}

/* False: not one that we capture. */
static __always_inline bool packet_look(struct tap_packet *p, struct sk_buff *skb, bool egress)
{
	struct net_device *dev = BPF_CORE_READ(skb, dev);
	__u64 head, data;

	p->egress = egress;
	p->ifindex = BPF_CORE_READ(dev, ifindex);
	p->netns = BPF_CORE_READ(dev, nd_net.net, ns.inum);
	p->pkt_type = BPF_CORE_READ_BITFIELD_PROBED(skb, pkt_type);
	if (!packet_wanted(p))
		return false;
	p->l3 = !type_has_header(BPF_CORE_READ(dev, type));
	head = (__u64)BPF_CORE_READ(skb, head);
	data = (__u64)BPF_CORE_READ(skb, data);
	/* What receives does so behind the link header; skb->mac_header need not be set. */
	p->start = egress || p->l3 ? data : data - ETH_HLEN;
	p->len = BPF_CORE_READ(skb, len) + (__u32)(data - p->start);
	p->linear = (__u32)(head + BPF_CORE_READ(skb, tail) - p->start);
	p->protocol = bpf_ntohs(BPF_CORE_READ(skb, protocol));
	p->vlan = has_tag(skb) ? FILTER_VLAN(BPF_CORE_READ(skb, vlan_tci), bpf_ntohs(BPF_CORE_READ(skb, vlan_proto)))
			       : 0;
	return true;
}

static __always_inline void packet_describe(const struct tap_packet *p, struct event_packet *rec)
{
	rec->type = EVENT_PACKET;
	rec->ifindex = p->ifindex;
	rec->ts = bpf_ktime_get_ns();
	rec->netns = p->netns;
	rec->len = p->len;
	rec->protocol = p->protocol;
	rec->dir = p->egress ? EVENT_DIR_OUT : EVENT_DIR_IN;
	rec->pkt_type = p->pkt_type;
	rec->vlan_tci = (__u16)p->vlan;
	rec->vlan_proto = p->vlan >> 32;
	rec->flags = (p->l3 ? EVENT_PKT_L3 : 0) | (p->vlan ? EVENT_PKT_VLAN : 0);
	__builtin_memset(rec->pad, 0, sizeof(rec->pad));
}

/* As count_skb(). */
__weak __noinline int count_memory(__u64 start, __u32 linear, __u32 slot)
{
	struct event_packet *rec = scratch_get(bpf_get_smp_processor_id());
	struct owner_scratch *S = owner_scratch_get(slot);

	if (!rec || !S)
		return LOST(DROP_NO_SCRATCH);
	if (count_needs_parse(S)) {
		count_parse_begin(S, rec);
		S->head.start = start;
		S->head.linear = linear;
		parse_memory(FLOW_SRC, network_offset(rec), rec->protocol, slot);
		parse_ends(S);
	}
	return count_add(NULL, rec, S);
}

static __always_inline enum owner_verdict packet_resolve(struct sk_buff *skb, const struct tap_packet *p,
							 struct event_packet *e)
{
	struct owner_scratch *S = tap_begin(e, owner_nested && !p->in_task);
	bool sends = p->egress && BPF_CORE_READ(skb, skb_iif) == 0;
	enum owner_verdict src, dst;

	if (!S)
		return OWNER_MATCH;
	S->head.start = p->start;
	S->head.linear = p->linear;
	if (parse_memory(FLOW_SRC, network_offset(e), p->protocol, S->slot)) {
		if (is_tunnel(S))
			tunnel_memory(network_offset(e), p->protocol, S->slot);
		parse_ends(S);
	}
	src = tap_source((struct __sk_buff *)skb, S, e, p->egress, sends, sends && p->in_task);
	if (S->head.inner_off && parse_memory(FLOW_INNER, S->head.inner_off,
					      S->flow[FLOW_SRC].proto == IPPROTO_ICMP ? ETH_P_IP : ETH_P_IPV6, S->slot))
		dst = tap_quoted(S, e);
	else
		dst = tap_destination(S, e, p->egress);
	return packet_judge(e, src, dst);
}

/* All of the packet, fragments too. front: bytes before skb->data, a constant. */
static __always_inline long fragments_copy(struct sk_buff *skb, struct event_packet *rec, __u64 start, __u32 caplen,
					   __u32 front)
{
	struct ptcp_dynptr all;
	__u32 rest = caplen - front;

	if (packet_snaplen <= front || bpf_dynptr_from_skb((struct __sk_buff *)skb, 0, &all))
		return -1;
	if (front && bpf_probe_read_kernel(rec->data, front, (const void *)start))
		return -1;
	asm volatile("" : "+r"(rest));
	if (rest > packet_snaplen - front)
		return -1;
	return bpf_dynptr_read(rec->data + front, rest, (struct bpf_dynptr *)&all, 0, 0);
}

static __always_inline int packet_copy(struct sk_buff *skb, const struct tap_packet *p, struct event_packet *rec,
				       bool egress)
{
	__u32 caplen = p->len < packet_snaplen ? p->len : packet_snaplen;
	long err = -1;

	if (tap_fragments && caplen > p->linear && caplen > ETH_HLEN)
		err = egress || p->l3 ? fragments_copy(skb, rec, p->start, caplen, 0)
				      : fragments_copy(skb, rec, p->start, caplen, ETH_HLEN);
	if (err) {
		if (caplen > p->linear)
			caplen = p->linear;
		asm volatile("" : "+r"(caplen));
		if (caplen > packet_snaplen || bpf_probe_read_kernel(rec->data, caplen, (const void *)p->start))
			return LOST(DROP_COPY);
	}
	rec->caplen = caplen;
	return 0;
}

/* Not inlined: the filter needs most of the stack that the caller leaves. False: it is not wanted. */
static __noinline int packet_tell(struct sk_buff *skb, struct tap_packet *p, struct event_packet *rec)
{
	packet_describe(p, rec);
	return packet_resolve(skb, p, rec) != OWNER_NO;
}

static __always_inline __u64 meta_of(const struct tap_packet *p, bool egress)
{
	return FILTER_META(egress ? PACKET_OUTGOING : p->pkt_type, p->ifindex);
}

/* As take_rest(). */
static __always_inline bool packet_rest(const struct tap_packet *p, bool egress)
{
	if (select_how != SELECT_ANY_OR_REST)
		return false;
	if (p->l3)
		return pcap_rest_mem_l3(p->start, p->linear, p->len, p->vlan, meta_of(p, egress));
	return pcap_rest_mem_l2(p->start, p->linear, p->len, p->vlan, meta_of(p, egress));
}

/* Inlined: calls of kernel functions are linked in the programs themselves only (src/capture/kfunc_link.c). */
static __always_inline void packet_take(struct sk_buff *skb, struct tap_packet *p, bool egress)
{
	struct capture_control *control = take_control();
	struct event_packet *rec = scratch_get(bpf_get_smp_processor_id());
	struct iface_counters *n;

	if (!control || (rec && !packet_tell(skb, p, rec) && !packet_rest(p, egress)))
		return;
	n = iface_find(p->netns, p->ifindex);
	if (!n)
		return;
	if (counting)
		count_end(n, count_memory(p->start, p->linear, owner_nested && !p->in_task));
	else
		take_end(control, n, rec, rec ? packet_copy(skb, p, rec, egress) : LOST(DROP_NO_SCRATCH));
}

/* args: on the stack of who calls the tracepoint. */
static __always_inline int packet_see(const void *args, struct sk_buff *skb, bool egress)
{
	struct tap_packet p = {};
	__u64 meta;
	int match;

	if (!packet_look(&p, skb, egress))
		return 0;
	meta = meta_of(&p, egress);
	if (p.l3)
		match = pcap_filter_mem_l3(p.start, p.linear, p.len, p.vlan, meta);
	else
		match = pcap_filter_mem_l2(p.start, p.linear, p.len, p.vlan, meta);
	if (!match)
		return 0;
	p.in_task = task_context_at(task_current(), pointer_value(args));
	packet_take(skb, &p, egress);
	return 0;
}

SEC(FILTER_SEC_TP_BTF)
int BPF_PROG(ptcp_queue, struct sk_buff *skb)
{
	return packet_see(ctx, skb, true);
}

SEC(FILTER_SEC_TP_BTF)
int BPF_PROG(ptcp_receive, struct sk_buff *skb)
{
	return packet_see(ctx, skb, false);
}
