/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Programs around the filter stubs, each returning the filter's verdict, for BPF_PROG_TEST_RUN. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "filter.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* What a packet has beside its bytes. */
__u32 vlan_proto; /* network order, 0: no tag */
__u32 vlan_tci;
__u32 egress;
__u32 turns;

/* What host_count saw. */
__u32 seen, matched, nonlinear;

SEC(FILTER_SEC_TC) int host_tc(struct __sk_buff *skb)
{
	return pcap_filter_l2(skb, 0);
}

SEC(FILTER_SEC_TC "/meta") int host_meta(struct __sk_buff *skb)
{
	if (vlan_proto && bpf_skb_vlan_push(skb, (__be16)vlan_proto, (__u16)vlan_tci))
		return -1;
	return pcap_filter_l2(skb, egress);
}

static long count(__u32 i, void *ctx)
{
	turns++;
	return 0;
}

/* Several stubs called several times, and a function pointer across them. */
SEC(FILTER_SEC_TC "/several") int host_several(struct __sk_buff *skb)
{
	int l2 = pcap_filter_l2(skb, 0), l3;

	bpf_loop(3, count, NULL, 0);
	l3 = pcap_filter_l3(skb, 0);
	if (!pcap_filter_l2(skb, 1) != !l2 || !pcap_filter_l3(skb, 1) != !l3)
		return -1;
	return (l2 ? 1 : 0) | (l3 ? 2 : 0);
}

SEC(FILTER_SEC_TC "/count") int host_count(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&seen, 1);
	if (skb->data_end - skb->data < skb->len)
		__sync_fetch_and_add(&nonlinear, 1);
	if (pcap_filter_l2(skb, 0))
		__sync_fetch_and_add(&matched, 1);
	return -1; /* TC_ACT_UNSPEC */
}

SEC(FILTER_SEC_TC "/none") int host_none(struct __sk_buff *skb)
{
	return 7;
}

SEC(FILTER_SEC_INGRESS) int host_cgroup(struct __sk_buff *skb)
{
	return pcap_filter_l3(skb, 0) ? 1 : 0;
}

SEC(FILTER_SEC_SOCKET) int host_socket(struct __sk_buff *skb)
{
	return pcap_filter_l3(skb, 0);
}

struct sk_buff___linear {
	unsigned char *head, *data;
	__u32 tail, len;
} CORE;

extern void *bpf_cast_to_kern_ctx(void *obj) __ksym __weak; /* 6.2 */

static __always_inline int filter_memory(struct __sk_buff *ctx, __u64 vlan, __u64 meta)
{
	struct sk_buff___linear *skb = bpf_cast_to_kern_ctx(ctx);
	__u64 head = (__u64)BPF_CORE_READ(skb, head), start = (__u64)BPF_CORE_READ(skb, data);

	return pcap_filter_mem_l2(start, skb->tail - (__u32)(start - head), skb->len, vlan, meta);
}

SEC(FILTER_SEC_TC "/memory") int host_memory(struct __sk_buff *ctx)
{
	return filter_memory(ctx, 0, 0);
}

/* The packet's metadata as host_meta gives it, but nothing is pushed: the tag is told, not put there. */
SEC(FILTER_SEC_TC "/memory_meta") int host_memory_meta(struct __sk_buff *ctx)
{
	__u64 vlan = vlan_proto ? FILTER_VLAN(vlan_tci, __builtin_bswap16((__u16)vlan_proto)) : 0;

	return filter_memory(ctx, vlan, FILTER_META(egress ? 4 /* PACKET_OUTGOING */ : ctx->pkt_type, ctx->ifindex));
}
