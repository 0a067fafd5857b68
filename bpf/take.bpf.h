/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * What becomes of a packet that passed the filter: it is given a record, whose owner it is is found out, it is copied,
 * put into a ring and counted. Programs that have a __sk_buff call take_skb(), others the parts of it.
 * What may fail returns 0, or the negative LOST() of why the packet is lost.
 */
#ifndef TAKE_BPF_H
#define TAKE_BPF_H

#include "count.bpf.h"
#include "filter.bpf.h"
#include "maps.bpf.h"
#include "ring.bpf.h"
#include "settings.bpf.h"
#include "verdict.bpf.h"
#include "wire.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

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
 * Whether packets of a device of this type, ARPHRD_*, start with a link header; those of others that are captured on
 * (src/capture/links.c) start at the IP header, and have EVENT_PKT_L3.
 */
static __always_inline bool type_has_header(__u16 type)
{
	return type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK;
}

/* NULL: the capture ends, packets pass unseen. */
static __always_inline struct capture_control *take_control(void)
{
	struct capture_control *control = control_get();

	return control && !control->stop ? control : NULL;
}

/*
 * Whether it is of a container that is wanted is not known yet. Names, if they have to be satisfied as well, leave so few that these
 * are taken for wanted.
 */
static __always_inline bool take_unjudged(const struct event_packet *rec)
{
	return (select_kinds & SELECT_CGROUP) && (select_how != SELECT_ALL || !(select_kinds & SELECT_NAME)) && rec &&
	       (rec->flags & EVENT_PKT_UNJUDGED);
}

/*
 * The unwanted are many until the runtimes have answered: half of what wakes the reader is left to those that are
 * wanted, and to the first of a container that starts.
 */
static __always_inline bool take_has_room(const struct capture_control *control, const struct event_packet *rec)
{
	return !take_unjudged(rec) || ring_used(bpf_get_smp_processor_id() % ring_count) < control->wake_fill / 2;
}

/* The record and the bytes behind it into a ring. nth: packet of its interface. */
static __always_inline int take_publish(struct capture_control *control, struct event_packet *rec, __u64 nth)
{
	__u32 caplen = rec->caplen;
	__s64 used;

	/* clang knows the bound; verifiers need to see it tested. */
	asm volatile("" : "+r"(caplen));
	if (caplen > packet_snaplen || !take_has_room(control, rec))
		return LOST(DROP_RING_FULL);
	used = ring_output(bpf_get_smp_processor_id() % ring_count, rec, sizeof(*rec) + caplen, ring_ask(caplen, nth));
	if (used < 0)
		return LOST(DROP_RING_FULL);
	reader_wake(control, used);
	return 0;
}

/* A packet of the interface that n counts, which is wanted, or may be. err: of copying it behind rec. */
static __always_inline void take_end(struct capture_control *control, struct iface_counters *n,
				     struct event_packet *rec, int err)
{
	n->received++;
	if (!err)
		err = take_publish(control, rec, n->received);
	if (err && take_unjudged(rec)) {
		n->received--;
		__sync_fetch_and_add(&packets_unjudged, 1);
		return;
	}
	if (err == LOST(DROP_COPY))
		n->dropped[DROP_COPY]++;
	else if (err == LOST(DROP_NO_SCRATCH))
		n->dropped[DROP_NO_SCRATCH]++;
	else if (err)
		n->dropped[DROP_RING_FULL]++;
}

static __always_inline void skb_describe(struct __sk_buff *skb, struct event_packet *rec, __u32 netns, bool egress,
					 __u32 flags)
{
	rec->type = EVENT_PACKET;
	rec->ifindex = skb->ifindex;
	rec->ts = bpf_ktime_get_ns();
	rec->netns = netns;
	rec->len = skb->len;
	rec->protocol = bpf_ntohs(skb->protocol);
	rec->dir = egress ? EVENT_DIR_OUT : EVENT_DIR_IN;
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
	/* Else clang clears what follows along with these, byte by byte. */
	asm volatile("" ::: "memory");
}

static __always_inline int skb_copy(struct __sk_buff *skb, struct event_packet *rec)
{
	__u32 caplen = skb->len < packet_snaplen ? skb->len : packet_snaplen, last;

	rec->caplen = caplen;
	/*
	 * The size must be above 0, and verifiers up to 6.1 learn that neither from "!= 0" nor from what clang makes of
	 * "> 0". So its last byte is compared; the asm keeps clang from seeing through that.
	 */
	last = caplen - 1;
	asm volatile("" : "+r"(last));
	if (last < packet_snaplen && bpf_skb_load_bytes(skb, 0, rec->data, last + 1))
		return LOST(DROP_COPY);
	return 0;
}

static __always_inline __u32 device_netns(struct __sk_buff *skb)
{
	return BPF_CORE_READ((struct sk_buff *)skb, dev, nd_net.net, ns.inum);
}

/* For programs that see no device of another namespace than those that are captured in. */
static __always_inline __u32 captured_netns(struct __sk_buff *skb)
{
	return only_netns ? only_netns : device_netns(skb);
}

/* Of a packet that neither end of makes wanted. */
static __always_inline bool take_rest(struct __sk_buff *skb, bool egress, __u32 flags)
{
	if (select_how != SELECT_ANY_OR_REST)
		return false;
	return flags & EVENT_PKT_L3 ? pcap_rest_l3(skb, egress) : pcap_rest_l2(skb, egress);
}

/*
 * netns: of the device. slot: of ptcp_scratch. flags: EVENT_PKT_L3 or 0. resolve: a function to inline that fills in the owners of a
 * described record. Who sees packets of interfaces that are not captured on asks iface_find() before.
 */
static __always_inline void take_skb(struct __sk_buff *skb, __u32 netns, __u32 slot, bool egress, __u32 flags,
				     enum owner_verdict (*resolve)(struct __sk_buff *skb, struct event_packet *rec,
								   bool egress))
{
	struct capture_control *control = take_control();
	struct event_packet *rec = scratch_get(slot);
	struct iface_counters *n;

	if (!control)
		return;
	if (rec) {
		skb_describe(skb, rec, netns, egress, flags);
		if (resolve(skb, rec, egress) == OWNER_NO && !take_rest(skb, egress, flags))
			return;
	}
	/* Last: there are two maps that it may be in, and what follows is verified once for each. */
	n = iface_find(netns, skb->ifindex);
	if (!n)
		return;
	if (counting)
		count_end(n, count_skb(skb));
	else
		take_end(control, n, rec, rec ? skb_copy(skb, rec) : LOST(DROP_NO_SCRATCH));
}

#endif
