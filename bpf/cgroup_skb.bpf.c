// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * Packets of local sockets, at the root of cgroup v2: from their IP header on, before fragmentation and before any
 * device. bpf/cgroup.bpf.c runs before these programs, so ptcp_flows knows both directions of a socket's flow.
 */
#include "tap.bpf.h"

#include "filter.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PASS 1

/* What a task sends is interrupted by what arrives: a record for each. */
static __always_inline struct event_packet *record_get(void)
{
	struct task_struct *task = task_current();
	__u32 slot = bpf_get_smp_processor_id() * 2 + !task_context(task);

	return bpf_map_lookup_elem(&ptcp_scratch, &slot);
}

__attribute__((noinline)) int cgroup_take(struct __sk_buff *skb, __u32 egress)
{
	struct capture_control *control = control_get();
	enum drop_cause cause = DROP_NO_SCRATCH;
	struct iface_counters *n;
	struct event_packet *rec;
	__u32 netns;

	if (!control || control->stop)
		return 0;
	netns = device_netns(skb);
	n = iface_find(netns, skb->ifindex);
	if (!n)
		return 0;
	rec = record_get();
	if (!rec) {
		n->received++;
		n->dropped[DROP_NO_SCRATCH]++;
		return 0;
	}
	describe(skb, rec, netns, egress ? EVENT_DIR_OUT : EVENT_DIR_IN, EVENT_PKT_L3);
	if (tap_resolve(skb, rec, 0, egress, egress) == OWNER_NO)
		return 0;
	n->received++;
	if (publish(skb, control, rec, n->received, &cause) != 0) {
		if (cause == DROP_COPY)
			n->dropped[DROP_COPY]++;
		else
			n->dropped[DROP_RING_FULL]++;
	}
	return 0;
}

static __always_inline int cgroup_see(struct __sk_buff *skb, bool egress)
{
	if (skb->pkt_type == PACKET_TYPE_LOOPBACK || !tap_wants(skb->ifindex, egress) || !pcap_filter_l3(skb, egress))
		return PASS;
	if (owner_preempt_off)
		bpf_preempt_disable();
	cgroup_take(skb, egress);
	if (owner_preempt_off)
		bpf_preempt_enable();
	return PASS;
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
