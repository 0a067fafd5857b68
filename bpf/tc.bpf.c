/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Packets at tc, ingress and egress: filter, owner, copy. No verdict is ever changed. */
#include "filter.bpf.h"
#include "resolve.bpf.h"
#include "ring.bpf.h"

/* "Go on with the next program": TCX_NEXT and TC_ACT_UNSPEC. */
#define NEXT (-1)

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* A packet that the filter let pass. A global function: verified once, not once per program. */
__attribute__((noinline)) int packet_take(struct __sk_buff *skb, __u32 dir, __u32 flags)
{
	struct capture_control *control = control_get();
	struct iface_counters *n;
	__u32 netns;
	struct event_packet *rec;
	enum drop_cause cause = DROP_NO_SCRATCH;

	if (!control || control->stop)
		return 0;
	netns = device_netns(skb);
	n = iface_find(netns, skb->ifindex);
	if (!n)
		return 0;
	rec = scratch_get();
	if (!rec) {
		n->received++;
		n->dropped[DROP_NO_SCRATCH]++;
		return 0;
	}
	describe(skb, rec, netns, dir, flags);
	if (owner_resolve(skb, rec, flags & EVENT_PKT_L3 ? 0 : ETH_HLEN, dir == EVENT_DIR_OUT) == OWNER_NO)
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

/*
 * What the stack hands to itself when it sends to a group that it is in, or to all: a second copy without a link header,
 * which taps do not show either.
 */
static __always_inline bool looped_back(const struct __sk_buff *skb)
{
	return skb->pkt_type == PACKET_LOOPBACK;
}

/*
 * One program serves both directions: it takes long to verify. Only what is forwarded back through the device it came
 * from has that device for its input at egress, too.
 */
static __always_inline bool at_egress(struct __sk_buff *skb)
{
	return skb->ingress_ifindex != skb->ifindex ||
	       !BPF_CORE_READ_BITFIELD_PROBED((struct sk_buff *)skb, tc_at_ingress);
}

SEC(FILTER_SEC_TC)
int ptcp_l2(struct __sk_buff *skb)
{
	bool egress = at_egress(skb);

	if ((egress || !looped_back(skb)) && pcap_filter_l2(skb, egress))
		packet_take(skb, egress ? EVENT_DIR_OUT : EVENT_DIR_IN, 0);
	return NEXT;
}

/* Devices without a link header, such as tun. */
SEC(FILTER_SEC_TC)
int ptcp_l3(struct __sk_buff *skb)
{
	bool egress = at_egress(skb);

	if ((egress || !looped_back(skb)) && pcap_filter_l3(skb, egress))
		packet_take(skb, egress ? EVENT_DIR_OUT : EVENT_DIR_IN, EVENT_PKT_L3);
	return NEXT;
}
