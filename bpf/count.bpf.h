/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Packets that are added up instead of being copied. What may fail returns 0, or the negative LOST() of why the packet is lost. */
#ifndef COUNT_BPF_H
#define COUNT_BPF_H

#include "maps.bpf.h"
#include "parse.bpf.h"
#include "settings.bpf.h"
#include <bpf/bpf_endian.h>
#include <ptcpdump/count.h>

/* User space sets max_entries, or leaves it out. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct count_slot);
} ptcp_counts __weak SEC(".maps");

/*
 * By a flow's hash: some bits of it, and the sequence number that follows the highest one sent. Of all CPUs, as a connection
 * may change them. Another flow takes the place over, so that retransmissions are missed rather than made up.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} ptcp_seqs __weak SEC(".maps");

/* Behind the record, where else the packet is; the stack is the filter's. */
struct count_work {
	struct count_key key;
	__u8 ip[20] ALIGNED; /* the IP header's first bytes */
	__u8 tcp[20] ALIGNED;
	__u32 seq, end; /* of a TCP segment, which takes these sequence numbers */
	__u64 parsed;	/* of a TCP segment: the above are known */
};
EVENT_ASSERT_SIZE(struct count_work, 184);
_Static_assert(sizeof(struct count_work) <= COUNT_WORK_MAX, "there is room for it");

static __always_inline void count_owner(struct event_owner *to, const struct event_owner *o)
{
	to->start = o->start;
	to->cookie = o->flags ? o->cookie : 0;
	to->tgid = o->tgid;
	to->tid = o->tid == OWNER_TID_NOBODY ? OWNER_TID_NOBODY : 0;
	to->uid = o->uid;
	to->source = o->flags ? o->source : 0;
	to->flags = o->flags;
	to->image = o->image;
}

static __always_inline void count_key_fill(struct count_key *k, const struct event_packet *rec,
					   const struct flow_key *flow)
{
	k->flow = *flow;
	if (flow->fragment)
		k->flow.lport = k->flow.rport = 0;
	k->flow.netns = rec->netns;
	k->ifindex = rec->ifindex;
	k->protocol = rec->protocol;
	k->dir = rec->dir;
	k->flags = rec->flags & EVENT_PKT_MAYBE;
	count_owner(&k->src, &rec->src);
	count_owner(&k->dst, &rec->dst);
}

static __always_inline __u64 count_hash(const struct count_key *k)
{
	__u64 h = flow_hash(&k->flow) + k->src.start * 0x9e3779b97f4a7c15 + k->dst.start * 0xc2b2ae3d27d4eb4f;

	h += (k->src.cookie ^ k->dst.cookie ^ k->src.image) * 0x165667b19e3779f9;
	h ^= k->ifindex ^ (__u64)k->protocol << 32 ^ (__u64)k->dir << 48;
	h *= 0xbf58476d1ce4e5b9;
	return h ^ h >> 32;
}

static __always_inline bool count_key_same(const struct count_key *a, const struct count_key *b)
{
	const __u64 *v = (const void *)a, *w = (const void *)b;
	__u64 unequal = 0;

	for (unsigned i = 0; i < sizeof(*a) / sizeof(*v); i++)
		unequal |= v[i] ^ w[i];
	return !unequal;
}

/* The slot of a key among those behind first, or a free one; NULL: there is none. */
static __noinline struct count_slot *count_find(const struct count_key *k, __u32 first, __u32 mask, __u64 hash)
{
	const __u32 step = (__u32)(hash >> 32) | 1;
	__u32 at = (__u32)hash;

	for (int i = 0; i < COUNT_PROBES; i++) {
		__u32 index = first + (at & mask);
		struct count_slot *slot = bpf_map_lookup_elem(&ptcp_counts, &index);

		if (!slot)
			return NULL;
		if (!slot->packets || count_key_same(&slot->key, k))
			return slot;
		at += step;
	}
	return NULL;
}

static __always_inline void count_begin(struct count_slot *slot, const struct count_key *k)
{
	__builtin_memset(slot, 0, sizeof(*slot));
	slot->key = *k;
}

/* One more slot of the CPU's table is in use: the reader comes before there are many. */
static __always_inline void count_grew(struct capture_control *control, __u32 base)
{
	struct count_slot *head = bpf_map_lookup_elem(&ptcp_counts, &base);

	if (!head)
		return;
	head->packets++;
	reader_wake(control, head->packets);
}

static __always_inline struct count_slot *count_slot_get(struct capture_control *control, struct count_key *k)
{
	const __u32 cpu = bpf_get_smp_processor_id();
	const __u32 base = ((control->count_half & 1) * count_cpus + cpu) * (COUNT_FRONT + count_slots);
	struct count_slot *slot;

	if (cpu >= count_cpus)
		return NULL;
	slot = count_find(k, base + COUNT_FRONT, count_slots - 1, count_hash(k));
	if (slot) {
		if (!slot->packets) {
			count_begin(slot, k);
			count_grew(control, base);
		}
		return slot;
	}
	__builtin_memset(&k->flow, 0, offsetof(struct flow_key, netns));
	k->flow.lport = k->flow.rport = k->flow.proto = k->flow.fragment = 0;
	k->protocol = 0;
	k->flags |= COUNT_OTHERS;
	__builtin_memset(&k->src, 0, 2 * sizeof(k->src));
	slot = count_find(k, base + 1, COUNT_OTHERS_SLOTS - 1, count_hash(k));
	if (slot && !slot->packets)
		count_begin(slot, k);
	return slot;
}

/*
 * The headers of a TCP segment, and which sequence numbers it takes. Padding behind the IP packet is none of it. Tags of VLANs
 * inside the packet are not looked through.
 */
static __always_inline void count_segment(struct __sk_buff *skb, struct packet_head *head, struct count_work *w,
					  const struct event_packet *rec)
{
	const __u32 l3 = network_offset(rec);
	__u32 off, total, header;

	w->parsed = false;
	if (packet_load(skb, head, l3, w->ip, sizeof(w->ip)))
		return;
	if (rec->protocol == ETH_P_IP) {
		off = (w->ip[0] & 15) * 4;
		total = w->ip[2] << 8 | w->ip[3];
	} else if (rec->protocol == ETH_P_IPV6) {
		off = head->transport - l3;
		total = w->ip[4] << 8 | w->ip[5];
		if (total)
			total += 40;
	} else {
		return;
	}
	/* What is larger than the field can say, before it is segmented. */
	if (!total)
		total = rec->len - l3;
	if (packet_load(skb, head, l3 + off, w->tcp, sizeof(w->tcp)))
		return;
	header = off + (w->tcp[12] >> 4) * 4;
	w->seq = bpf_ntohl(*(__u32 *)(w->tcp + 4));
	w->end = w->seq + !!(w->tcp[13] & TCPHDR_SYN) + !!(w->tcp[13] & TCPHDR_FIN);
	if (total > header)
		w->end += total - header;
	w->parsed = true;
}

/*
 * Whether bytes of it were sent before: as is_retransmit() of src/flows/table.c. A SYN may begin another connection of the same ports;
 * what asks whether the peer is alive repeats one byte at most.
 */
static __always_inline bool count_again(const struct count_work *w)
{
	const __u64 hash = count_hash(&w->key);
	const __u32 i = (hash >> 8) & (count_seqs - 1), tag = hash >> 40 | 1;
	const __u8 flags = w->tcp[13];
	__u64 *seen = bpf_map_lookup_elem(&ptcp_seqs, &i);
	bool known, begins = flags & TCPHDR_SYN;
	__s32 ahead;

	if (!seen || !w->parsed)
		return false;
	known = *seen >> 32 == tag;
	ahead = w->seq - (__u32)*seen;
	if (!known || begins || (__s32)(w->end - (__u32)*seen) > 0)
		*seen = (__u64)tag << 32 | w->end;
	if (!known || w->seq == w->end)
		return false;
	if (begins)
		return ahead == -1;
	return ahead < 0 && !(ahead == -1 && w->end - w->seq == 1 && !(flags & TCPHDR_FIN));
}

static __always_inline void count_tcp(struct count_slot *slot, const struct count_work *w, __u8 flags, bool again)
{
	slot->tcp_flags |= flags;
	slot->syns += (flags & (TCPHDR_SYN | TCPHDR_ACK)) == TCPHDR_SYN;
	slot->resets += !!(flags & TCPHDR_RST);
	slot->fins += !!(flags & TCPHDR_FIN);
	slot->retransmits += again;
}

static __always_inline void count_packet(struct count_slot *slot, const struct event_packet *rec)
{
	slot->packets++;
	slot->bytes += rec->len;
	if ((rec->flags & (EVENT_PKT_VLAN | EVENT_PKT_L3)) == EVENT_PKT_VLAN)
		slot->bytes += 4;
	if (!slot->first)
		slot->first = rec->ts;
	slot->last = rec->ts;
	slot->dst_tid = rec->dst.tid;
	if (rec->src.source == OWNER_CURRENT) {
		slot->sent = 1;
		slot->src_tid = rec->src.tid;
		__builtin_memcpy(slot->comm, rec->comm, sizeof(slot->comm));
	} else if (!slot->sent) {
		slot->src_tid = rec->src.tid;
	}
}

/* rec: described, its owners known; S: what was found out about its headers, now. */
static __always_inline int count_add(struct __sk_buff *skb, struct event_packet *rec, struct owner_scratch *S)
{
	struct count_work *w = (void *)rec->data;
	struct capture_control *control = control_get();
	const struct flow_key *flow = &S->flow[FLOW_SRC];
	struct count_slot *slot;
	bool tcp, again = false;

	if (!control)
		return LOST(DROP_NO_SCRATCH);
	count_key_fill(&w->key, rec, flow);
	tcp = flow->proto == IPPROTO_TCP && !flow->fragment;
	if (tcp) {
		count_segment(skb, &S->head, w, rec);
		again = count_again(w);
	}
	slot = count_slot_get(control, &w->key);
	if (!slot)
		return LOST(DROP_RING_FULL);
	count_packet(slot, rec);
	if (tcp)
		count_tcp(slot, w, S->head.tcp_flags, again);
	return 0;
}

/* The headers as they are on the wire: nobody has looked at them, or at what a tunnel carries instead. */
static __always_inline bool count_needs_parse(const struct owner_scratch *S)
{
	return attrib_off || S->head.tunnel;
}

static __always_inline void count_parse_begin(struct owner_scratch *S, const struct event_packet *rec)
{
	__builtin_memset(&S->head, 0, sizeof(S->head));
	__builtin_memset(&S->flow[FLOW_SRC], 0, sizeof(S->flow[FLOW_SRC]));
	S->flow[FLOW_SRC].netns = rec->netns;
}

/* As take_end(). err: of counting the packet. */
static __always_inline void count_end(struct iface_counters *n, int err)
{
	n->received++;
	if (err == LOST(DROP_NO_SCRATCH))
		n->dropped[DROP_NO_SCRATCH]++;
	else if (err)
		n->dropped[DROP_RING_FULL]++;
}

/* The packet of this CPU's record. Global: see lookup_tcp(). */
__weak __noinline int count_skb(struct __sk_buff *skb)
{
	struct event_packet *rec = scratch_get(bpf_get_smp_processor_id());
	const __u32 slot = owner_nested && !task_context(task_current()); /* as tap_resolve() */
	struct owner_scratch *S = owner_scratch_get(slot);

	if (!rec || !S)
		return LOST(DROP_NO_SCRATCH);
	if (count_needs_parse(S)) {
		count_parse_begin(S, rec);
		parse_packet(skb, FLOW_SRC, network_offset(rec), rec->protocol, slot);
		parse_ends(S);
	}
	return count_add(skb, rec, S);
}

#endif
