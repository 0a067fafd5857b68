/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What is worked out about one packet. */
#ifndef SCRATCH_BPF_H
#define SCRATCH_BPF_H

#include "task.bpf.h"
#include <ptcpdump/config.h>
#include <ptcpdump/owner.h>

/* Index of owner_scratch.flow. */
enum {
	FLOW_SRC,     /* the source seen as the local end */
	FLOW_DST,     /* the destination seen as the local end */
	FLOW_INNER,   /* the packet that an ICMP error quotes, or the fragment's key */
	FLOW_FORWARD, /* one of these as another namespace sees it */
	FLOW_SENT,    /* not cleared: unless nat is NAT_NONE, the source as that end sees it */
	FLOW_HEARD,   /* the destination, likewise */
	FLOWS,
	FLOW_SLOTS = 8 /* a power of two */
};

/* What the headers tell beside the flow. */
struct packet_head {
	__u32 inner_off; /* offset of the quoted IP header, 0 none */
	__u32 transport; /* of IPv6: offset of what comes after its headers */
	__u16 frag_id;
	__u8 tcp_flags;
	__u8 more_frags;
	__u8 later_frag;
	__u8 tunnel;	 /* it is of the packet that a tunnel carries */
	__u8 sctp_chunk; /* the type of the first one; 0 (DATA) of other protocols, too */
	__u32 linear;	 /* bytes at start; only of programs that have no __sk_buff */
	__u64 start;
};

/* What NAT has to do with a packet. */
enum {
	NAT_NONE,
	NAT_FIRST, /* it opens a flow, and more may be changed before it leaves */
	NAT_REQUEST,
	NAT_REPLY
};

/* Functions that are verified once take the index of a flow: on 5.10 they take no pointer but the packet. */
struct owner_scratch {
	struct owner_rec rec; /* what the last lookup found */
	__u8 provisional;     /* of rec */
	__u8 state;	      /* of the socket that was looked up; of UDP BPF_TCP_LISTEN: it hears everybody */
	__u8 nat;	      /* NAT_* */
	__u8 slot;	      /* of this, see owner_scratch_get() */
	__u8 begins;	      /* of packets that cgroup.bpf.c sees: its source may be the first to send on this flow */
	struct packet_head head;
	struct flow_key flow[FLOW_SLOTS];
};

enum { OWNER_SLOT = 0 };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_SLOTS_NESTED);
	__type(key, __u32);
	__type(value, struct owner_scratch);
} ptcp_owner_buf SEC(".maps") __weak;

/*
 * slot: OWNER_SLOT, or where owner_nested is set whether the program interrupts a task. Who begins finds that out, and S->slot tells
 * the functions that are called: theirs may be the only frames on the task's stack, see task_context_at().
 */
static __always_inline struct owner_scratch *owner_scratch_get(__u32 slot)
{
	return bpf_map_lookup_elem(&ptcp_owner_buf, &slot);
}

/* A mask, since verifiers up to 6.1 lose a bound that was tested in another register. The asm keeps clang from leaving it out. */
static __always_inline struct flow_key *scratch_flow(struct owner_scratch *S, __u32 which)
{
	asm volatile("" : "+r"(which));
	return &S->flow[which % FLOW_SLOTS];
}

#endif
