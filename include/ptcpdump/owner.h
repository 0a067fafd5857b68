/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Values of the attribution maps and settings that user space writes and the eBPF programs read. */
#ifndef PTCPDUMP_OWNER_H
#define PTCPDUMP_OWNER_H

#include <ptcpdump/event.h>

/* select_kinds: which kinds of criteria are given; a packet passes when either end satisfies all of them by itself */
enum { SELECT_PID = 1, SELECT_NAME = 2, SELECT_UID = 4, SELECT_CGROUP = 8 };

/*
 * Values of ptcp_pids: the kinds that a process satisfies. The dead stay, since their packets may still be in flight, until
 * their pid is used again. A name is more than the kernel knows: user space decides.
 */
enum {
	SELECT_PID_LIVE = 1, /* SELECT_PID; with select_follow descendants, too */
	SELECT_PID_NAME = 2, /* its name may match; so may that of what it forks */
	SELECT_PID_DEAD = 4,
	SELECT_PID_USER = 8,  /* with select_follow: SELECT_UID by descent, where neither of the above is asked for */
	SELECT_PID_SINCE = 8, /* from this bit on: when its name ceased to match, in units of 2^30 ns */
};

#define SELECT_NAME_KEEP 10 /* for so many of these units its packets of then may come */

#define SELECT_NAME_LEN 64 /* key of ptcp_names: padded with zeros, at least one; longer names are cut */

/* One end of a flow: l is the end it tells about. IPv4 as ::ffff:a.b.c.d, ports in network order. */
struct flow_key {
	__u32 l[4], r[4];
	__u32 netns;	    /* inode number; 0 in ptcp_flows: any, see bpf/cgroup.bpf.c */
	__u16 lport, rport; /* ICMP echo: the identifier is lport of the end that asks */
	__u8 proto;
	__u8 fragment; /* lport and rport hold the IP identification */
	__u8 pad[6];
};
EVENT_ASSERT_SIZE(struct flow_key, 48);

/* Value of ptcp_sockets, ptcp_cookies and ptcp_flows. Its states, and who writes it, are told in bpf/owner.bpf.h. */
struct owner_rec {
	__u64 start;
	__u64 cookie; /* of the socket it was recorded for: another one's when a child inherited its listener's */
	__u64 cgroup;
	__u32 tgid; /* 0: nobody yet */
	__u32 tid;
	__u32 uid;
	__u32 flow;    /* hash of the last entry in ptcp_flows that names this socket */
	__u32 exposed; /* packets were credited to it while provisional */
	__u32 changes; /* of owner; counted for the barrier that the atomic addition is */
	__u8 source;   /* OWNER_SCAN, or 0 */
	__u8 certain;
	__u8 forward_done; /* its packets need not be looked at for ptcp_flows again: see bpf/forward.bpf.c */
	__u8 forwarded;	   /* in ptcp_flows: known from another namespace, and provisional unless certain */
	__u8 shared;	   /* of UDP: several processes may receive, and each datagram is told for itself */
	__u8 pad[1];
	__u16 image;	    /* of the owner: EVENT_IMAGE() */
	__u32 forward_told; /* hash of owner and flow that bpf/forward.bpf.c told last, 0: none */
	__u32 forward_time; /* then, in jiffies */
};
EVENT_ASSERT_SIZE(struct owner_rec, 64);

#endif
