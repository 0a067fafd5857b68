/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Where only counts are wanted: packets are added up in the map ptcp_counts, a table of slots for each CPU, twice: the programs
 * fill one half while user space reads the other. See docs/counting.md.
 */
#ifndef PTCPDUMP_COUNT_H
#define PTCPDUMP_COUNT_H

#include <ptcpdump/event.h>
#include <ptcpdump/owner.h>

enum {
	COUNT_MAYBE = EVENT_PKT_MAYBE, /* the process filter could not decide: user space does */
	COUNT_OTHERS = 0x80,	       /* of any flow and owner, for which there was no slot */
};

/* What packets have in common that are added up; compared by eight bytes. */
struct count_key {
	/* As the source sees it. Fragments but the first show no ports; proto 0: neither IPv4 nor IPv6. netns: of the device */
	struct flow_key flow;
	__u32 ifindex;
	__u16 protocol; /* as in struct event_packet */
	__u8 dir;	/* EVENT_DIR_* */
	__u8 flags;	/* COUNT_* */
	/*
	 * tid: OWNER_TID_NOBODY or 0; cookie and source: 0 unless somebody else may become the owner, see OWNER_F_PROVISIONAL and
	 * OWNER_F_NAT.
	 */
	struct event_owner src, dst;
};
EVENT_ASSERT_SIZE(struct count_key, 120);

struct count_slot {
	struct count_key key;
	__u64 packets; /* 0: free */
	__u64 bytes;   /* on the wire, with VLAN tags that were stripped */
	__u64 first, last;
	__u32 syns; /* without ACK */
	__u32 resets, fins;
	__u32 retransmits;	   /* segments with bytes that were sent before */
	__u32 src_tid, dst_tid;	   /* the last ones */
	char comm[EVENT_COMM_LEN]; /* of the last thread that was seen sending; "": none was */
	__u8 tcp_flags;		   /* of all, or-ed */
	__u8 sent;		   /* 1: comm and src_tid are of a task that was sending: OWNER_CURRENT */
	__u8 pad[6];
};
EVENT_ASSERT_SIZE(struct count_slot, 200);

/*
 * A CPU's part of a half: one slot whose packets says how many of the table are in use, COUNT_OTHERS_SLOTS for COUNT_OTHERS, by
 * interface and direction, and the table: a power of two.
 */
enum {
	COUNT_OTHERS_SLOTS = 64,
	COUNT_FRONT = 1 + COUNT_OTHERS_SLOTS,
	COUNT_PROBES = 8, /* places that a key may be at */
	COUNT_HALVES = 2,
	COUNT_WORK_MAX = 256, /* bytes behind a record where a packet is prepared */
};

#endif
