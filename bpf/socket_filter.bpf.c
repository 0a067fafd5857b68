/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Packets where tcpdump sees them: before tc on ingress, after it on egress. The filter of a packet socket copies them
 * into our rings and lets none into the socket.
 */
#include "filter.bpf.h"
#include "take.bpf.h"
#include "tap.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define NOTHING 0

static __always_inline bool socket_wants(struct __sk_buff *skb)
{
	return skb->pkt_type != PACKET_LOOPBACK && tap_wants(skb->ifindex, skb->pkt_type == PACKET_OUTGOING);
}

static __always_inline enum owner_verdict socket_resolve(struct __sk_buff *skb, struct event_packet *rec, bool egress)
{
	return tap_resolve(skb, rec, egress, egress && !skb->ingress_ifindex);
}

__attribute__((noinline)) int socket_take(struct __sk_buff *skb, __u32 flags)
{
	__u32 netns = captured_netns(skb);

	if (iface_find(netns, skb->ifindex))
		take_skb(skb, netns, bpf_get_smp_processor_id(), skb->pkt_type == PACKET_OUTGOING, flags,
			 socket_resolve);
	return 0;
}

/* Devices without a link header, such as tun, have packets that start at the IP header. */
static __always_inline bool device_has_header(struct __sk_buff *skb)
{
	return type_has_header(BPF_CORE_READ((struct sk_buff *)skb, dev, type));
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
