/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Packets at tc, ingress and egress: filter, owner, copy. No verdict is ever changed. */
#include "filter.bpf.h"
#include "resolve.bpf.h"
#include "take.bpf.h"

/* "Go on with the next program": TCX_NEXT and TC_ACT_UNSPEC. */
#define NEXT (-1)

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* A packet that the filter let pass. A global function: verified once, not once per program. */
__attribute__((noinline)) int packet_take(struct __sk_buff *skb, __u32 egress, __u32 flags)
{
	take_skb(skb, captured_netns(skb), bpf_get_smp_processor_id(), egress, flags, owner_resolve);
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
		packet_take(skb, egress, 0);
	return NEXT;
}

/* Devices without a link header, such as tun. */
SEC(FILTER_SEC_TC)
int ptcp_l3(struct __sk_buff *skb)
{
	bool egress = at_egress(skb);

	if ((egress || !looped_back(skb)) && pcap_filter_l3(skb, egress))
		packet_take(skb, egress, EVENT_PKT_L3);
	return NEXT;
}
