/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* From a packet to a record in a ring: shared by all programs that see packets. */
#ifndef RING_BPF_H
#define RING_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#include "maps.bpf.h"
#include "settings.bpf.h"
#include "wire.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct iface_key);
	__type(value, struct iface_slot);
} ptcp_ifaces __weak SEC(".maps");

/* Found by index: 16 ns cheaper than by key. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, IFACE_SLOTS);
	__type(key, __u32);
	__type(value, struct iface_slot);
} ptcp_iface_slots __weak SEC(".maps");

/* NULL: not an interface that is captured on. */
static __always_inline struct iface_counters *iface_find(__u32 netns, __u32 ifindex)
{
	struct iface_key key = { .netns = netns, .ifindex = ifindex };
	__u32 i = ifindex % IFACE_SLOTS;
	struct iface_slot *slot = bpf_map_lookup_elem(&ptcp_iface_slots, &i);

	if (!slot || slot->key.ifindex != ifindex || slot->key.netns != netns)
		slot = bpf_map_lookup_elem(&ptcp_ifaces, &key);
	return slot ? &slot->n : NULL;
}

/*
 * One ring per CPU, so that CPUs do not queue on one lock; with more CPUs than rings some share. An array of rings
 * would do, but filling a map of maps waits for an RCU grace period per entry, 14 ms each, and costs a lookup per
 * packet. User space sets the sizes, and leaves out those from ring_count on: their code is dead then.
 */
#define RINGS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

#define RING_DEFINE(n)                                                                                                 \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                                    \
		__uint(max_entries, 4096);                                                                             \
	} ptcp_ring##n __weak SEC(".maps");
RINGS(RING_DEFINE)

/* Puts the record into this CPU's ring. Returns the bytes that wait there now unless !ask, or a negative error. */
static __always_inline __s64 ring_output(__u32 slot, void *record, __u32 size, bool ask)
{
#define RING_OUTPUT(n)                                                                                                 \
	if (n < ring_count && slot == n) {                                                                             \
		long err = bpf_ringbuf_output(&ptcp_ring##n, record, size, BPF_RB_NO_WAKEUP);                          \
		return err || !ask ? err : (__s64)bpf_ringbuf_query(&ptcp_ring##n, BPF_RB_AVAIL_DATA);                 \
	}
	RINGS(RING_OUTPUT)
	return -1;
}

/* A ring that gets full wakes the reader some small packets later than it could: to ask takes 9 ns. */
static __always_inline bool ring_ask(__u32 caplen, __u64 nth)
{
	enum { SMALL = 1024, EVERY = 8 };

	return caplen > SMALL || nth % EVERY == 0;
}

static __always_inline __u32 device_netns(struct __sk_buff *skb)
{
	return only_netns ? only_netns : BPF_CORE_READ((struct sk_buff *)skb, dev, nd_net.net, ns.inum);
}

/* Ethernet, loopback: packets start at a link header. The others that we serve start at the IP header. */
static __always_inline bool device_has_header(struct __sk_buff *skb)
{
	enum { ETHER = 1, LOOPBACK = 772 }; /* ARPHRD_*, linux/if_arp.h */
	__u16 type = BPF_CORE_READ((struct sk_buff *)skb, dev, type);

	return type == ETHER || type == LOOPBACK;
}

static __always_inline void describe(struct __sk_buff *skb, struct event_packet *rec, __u32 netns, __u32 dir,
				     __u32 flags)
{
	rec->type = EVENT_PACKET;
	rec->ifindex = skb->ifindex;
	rec->ts = bpf_ktime_get_ns();
	rec->netns = netns;
	rec->len = skb->len;
	rec->protocol = bpf_ntohs(skb->protocol);
	rec->dir = dir;
	rec->pkt_type = skb->pkt_type;
	rec->vlan_tci = 0;
	rec->vlan_proto = 0;
	if (skb->vlan_present) {
		flags |= EVENT_PKT_VLAN;
		rec->vlan_tci = skb->vlan_tci;
		rec->vlan_proto = bpf_ntohs(skb->vlan_proto);
	}
	rec->flags = flags;
	__builtin_memset(rec->pad, 0, sizeof(rec->pad));
}

/* Copies the nth packet behind the record and the record into a ring; -1: lost, and *cause says why. */
static __always_inline int publish(struct __sk_buff *skb, struct capture_control *control, struct event_packet *rec,
				   __u64 nth, enum drop_cause *cause)
{
	__u32 caplen = skb->len, slot = bpf_get_smp_processor_id() % ring_count, last;
	__s64 used;

	if (caplen > packet_snaplen)
		caplen = packet_snaplen;
	rec->caplen = caplen;
	*cause = DROP_COPY;
	/*
	 * The size must be above 0, and verifiers up to 6.1 learn that neither from "!= 0" nor from what clang makes of
	 * "> 0". So its last byte is compared; the asm keeps clang from seeing through that.
	 */
	last = caplen - 1;
	asm volatile("" : "+r"(last));
	if (last < packet_snaplen) {
		caplen = last + 1;
		if (bpf_skb_load_bytes(skb, 0, rec->data, caplen) != 0)
			return -1;
	}
	asm volatile("" : "+r"(caplen));
	*cause = DROP_RING_FULL;
	if (caplen > packet_snaplen)
		return -1;
	used = ring_output(slot, rec, sizeof(*rec) + caplen, ring_ask(caplen, nth));
	if (used < 0)
		return -1;
	reader_wake(control, used);
	return 0;
}

#endif
