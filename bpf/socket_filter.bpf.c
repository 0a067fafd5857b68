/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Packets where tcpdump sees them: before tc on ingress, after it on egress. The filter of a packet socket copies them
 * into our rings and lets none into the socket.
 */
#include "filter.bpf.h"
#include "ring.bpf.h"
#include "tap.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define NOTHING 0

static __always_inline bool socket_wants(struct __sk_buff *skb)
{
	return skb->pkt_type != PACKET_LOOPBACK && tap_wants(skb->ifindex, skb->pkt_type == PACKET_OUTGOING);
}

__attribute__((noinline)) int socket_take(struct __sk_buff *skb, __u32 flags)
{
	struct capture_control *control = control_get();
	bool egress = skb->pkt_type == PACKET_OUTGOING;
	enum drop_cause cause = DROP_NO_SCRATCH;
	struct iface_counters *n;
	__u32 netns;
	struct event_packet *rec;

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
	describe(skb, rec, netns, egress ? EVENT_DIR_OUT : EVENT_DIR_IN, flags);
	if (tap_resolve(skb, rec, flags & EVENT_PKT_L3 ? 0 : ETH_HLEN, egress, egress && !skb->ingress_ifindex) ==
	    OWNER_NO)
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

SEC(FILTER_SEC_SOCKET)
int ptcp_sock(struct __sk_buff *skb)
{
	if (!socket_wants(skb))
		return NOTHING;
	if (device_has_header(skb)) {
		if (pcap_filter_l2(skb, skb->pkt_type == PACKET_OUTGOING))
			socket_take(skb, 0);
	} else if (pcap_filter_l3(skb, skb->pkt_type == PACKET_OUTGOING)) {
		socket_take(skb, EVENT_PKT_L3);
	}
	return NOTHING;
}

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} ptcp_sock_rest SEC(".maps");

/*
 * What is attached: a filter's size counts as memory of its socket, of which there is 20 kB for options before 6.7
 * (net.core.optmem_max). That of what is called from it does not.
 */
SEC("socket")
int ptcp_sock_enter(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &ptcp_sock_rest, 0);
	return NOTHING;
}
