/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * At the root of cgroup v2, where each packet of a socket in any cgroup passes. First whose flows, for backends whose
 * programs cannot look up sockets, or that have none: on egress before the taps and in its sender's context it leaves its
 * tuple in ptcp_flows. Then the packets of the backend cgroup-skb: from their IP header on, before fragmentation and
 * before any device, after the former. Both in one file: two that call the same kernel function cannot be joined (bpftool 7.1).
 */
#include "anywhere.bpf.h"
#include "filter.bpf.h"
#include "sender.bpf.h"
#include "take.bpf.h"
#include "tap.bpf.h"
#include <ptcpdump/kfunc.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PROCEED 1

static void (*const bpf_preempt_disable)(void) = (void *)KFUNC_PREEMPT_DISABLE;
static void (*const bpf_preempt_enable)(void) = (void *)KFUNC_PREEMPT_ENABLE;

static __always_inline void note_sender(struct __sk_buff *skb, struct owner_scratch *S, struct bpf_sock *full,
					bool found)
{
	struct task_struct *task = task_current();

	if (!task_context(task) || !task_is_user(task) || !task_sends(S, full))
		return;
	if (!found || S->provisional || !task_is_owner(task, &S->rec))
		owner_store_current(skb, S, full, task, false);
}

static __always_inline void note(struct __sk_buff *skb, bool egress)
{
	struct bpf_sock *sk = skb->sk, *full;
	struct owner_scratch *S;
	__u32 which = egress ? FLOW_SRC : FLOW_DST, slot;
	__u64 cookie;
	bool found;

	slot = owner_nested && !task_context(task_current());
	S = owner_scratch_get(slot);
	if (!S || !sk)
		return;
	full = bpf_sk_fullsock(sk);
	if (!full || (!egress && hears_all(full)))
		return;
	cookie = bpf_get_socket_cookie(skb);
	/* SYN and SYN-ACK come with the listener; who accepts is not known yet, and will be told: children inherit it. */
	if (full->state == BPF_TCP_LISTEN) {
		struct owner_rec *rec = bpf_sk_storage_get(&ptcp_sockets, full, NULL, 0);

		if (!rec)
			rec = listener_adopt(full, bpf_map_lookup_elem(&ptcp_cookies, &cookie));
		if (rec)
			owner_expose(rec, cookie);
		return;
	}
	__builtin_memset(S, 0, offsetof(struct owner_scratch, flow[FLOW_SENT]));
	S->slot = slot;
	S->flow[FLOW_SRC].netns = socket_netns(pointer_value(sk));
	if (!parse_packet(skb, FLOW_SRC, 0, bpf_ntohs(skb->protocol), slot) || S->head.later_frag ||
	    !S->flow[FLOW_SRC].proto)
		return;
	flow_flip(&S->flow[FLOW_DST], &S->flow[FLOW_SRC]);
	/* Of a connection, who connects: what comes before is of an earlier one. Others have it before they send on it. */
	S->begins = egress && (S->flow[FLOW_SRC].proto != IPPROTO_TCP || tcp_is(S, TCPHDR_SYN));
	found = owner_of_socket(S, full, cookie, which);
	if (egress)
		note_sender(skb, S, full, found);
	flow_anywhere(S, scratch_flow(S, which), !egress && skb->pkt_type != PACKET_HOST);
}

static __always_inline int note_unpreempted(struct __sk_buff *skb, bool egress)
{
	if (owner_preempt_off)
		bpf_preempt_disable();
	note(skb, egress);
	if (owner_preempt_off)
		bpf_preempt_enable();
	return PROCEED;
}

SEC("cgroup_skb/egress")
int ptcp_flow_out(struct __sk_buff *skb)
{
	return note_unpreempted(skb, true);
}

SEC("cgroup_skb/ingress")
int ptcp_flow_in(struct __sk_buff *skb)
{
	return note_unpreempted(skb, false);
}

static __always_inline enum owner_verdict cgroup_resolve(struct __sk_buff *skb, struct event_packet *rec, bool egress)
{
	return tap_resolve(skb, rec, egress, egress);
}

__attribute__((noinline)) int cgroup_take(struct __sk_buff *skb, __u32 egress)
{
	/* Of all namespaces: interfaces of several have the same index. */
	__u32 netns = device_netns(skb), slot;

	if (!iface_find(netns, skb->ifindex))
		return 0;
	/* What a task sends is interrupted by what arrives: a record for each. */
	slot = bpf_get_smp_processor_id() * SCRATCH_SLOTS_NESTED + !task_context(task_current());
	take_skb(skb, netns, slot, egress, EVENT_PKT_L3, cgroup_resolve);
	return 0;
}

static __always_inline int cgroup_see(struct __sk_buff *skb, bool egress)
{
	if (skb->pkt_type == PACKET_LOOPBACK || !tap_wants(skb->ifindex, egress) || !pcap_filter_l3(skb, egress))
		return PROCEED;
	if (owner_preempt_off)
		bpf_preempt_disable();
	cgroup_take(skb, egress);
	if (owner_preempt_off)
		bpf_preempt_enable();
	return PROCEED;
}

SEC(FILTER_SEC_EGRESS)
int ptcp_cg_out(struct __sk_buff *skb)
{
	return cgroup_see(skb, true);
}

SEC(FILTER_SEC_INGRESS)
int ptcp_cg_in(struct __sk_buff *skb)
{
	return cgroup_see(skb, false);
}
