/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Values of the attribution maps and settings that user space writes and the eBPF programs read. */
#ifndef PTCPDUMP_OWNER_H
#define PTCPDUMP_OWNER_H

#include <ptcpdump/event.h>

/* select_kinds: which kinds of criteria are given; see select_how */
enum { SELECT_PID = 1, SELECT_NAME = 2, SELECT_UID = 4, SELECT_CGROUP = 8 };

/*
 * select_how: a packet passes when either end satisfies all of the kinds by itself; or any of them, as terms of an expression
 * need not all be true, or any or the packet matches what is left of the expression where none is. User space then decides.
 */
enum { SELECT_ALL, SELECT_ANY, SELECT_ANY_OR_REST };

/*
 * Values of ptcp_pids: the kinds that a process satisfies. The dead stay, since their packets may still be in flight, until
 * their pid is used again. A name is more than the kernel knows: user space decides.
 */
enum {
	SELECT_PID_LIVE = 1, /* SELECT_PID; with select_follow descendants, too */
	SELECT_PID_NAME = 2, /* its name may match; so may that of what it forks */
	SELECT_PID_DEAD = 4,
	SELECT_PID_USER = 8,   /* with select_follow: SELECT_UID by descent, where neither of the above is asked for */
	SELECT_PID_GIVEN = 16, /* by its number, whoever has that: SELECT_PID_LIVE again when it is another's */
	SELECT_PID_SINCE = 8,  /* from this bit on: when its name ceased to match, in units of 2^30 ns */
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
} __attribute__((aligned(8))); /* copied by eight bytes, which the verifier takes half as long for */
EVENT_ASSERT_SIZE(struct flow_key, 48);

#define OWNER_INLINE __attribute__((always_inline))
typedef __u64 __attribute__((may_alias)) flow_word;

/* The six products do not wait for each other; splitmix64's last steps bring their high bits down. */
static inline OWNER_INLINE __u64 flow_hash(const struct flow_key *k)
{
	const flow_word *w = (const flow_word *)k;
	__u64 h = w[0] * 0x9e3779b97f4a7c15 + w[1] * 0xc2b2ae3d27d4eb4f + w[2] * 0x165667b19e3779f9 +
		  w[3] * 0x27d4eb2f165667c5 + w[4] * 0xd6e8feb86659fd93 + w[5] * 0xff51afd7ed558ccd;

	h = (h ^ h >> 32) * 0xbf58476d1ce4e5b9;
	return h ^ h >> 29;
}

/* Index of the local end's address and namespace in flow_ends: most packets are of none that ptcp_flows has a flow of. */
enum { FLOW_ENDS = 1 << 13 };

static inline OWNER_INLINE __u64 flow_end_mixed(const struct flow_key *k)
{
	const flow_word *w = (const flow_word *)k->l;

	return w[0] ^ w[1] ^ k->netns;
}

static inline OWNER_INLINE __u32 flow_end_slot(__u64 mixed)
{
	return mixed * 0x9e3779b97f4a7c15 >> 51;
}

/*
 * A SYN arrives before its socket has a cookie. Its packet carries this stand-in, made of the tuple, and the
 * EVENT_OWNER of the accepted socket is sent for both. Real cookies count up from 1 and never have this bit.
 */
static inline OWNER_INLINE __u64 flow_cookie(const struct flow_key *k)
{
	return flow_hash(k) | 1ULL << 63;
}

/*
 * Value of ptcp_plain, at flow_plain_slot() of a local end: NAT is not concerned with what comes for it. flow_plain() is
 * that end, as it is asked for.
 */
struct nat_plain {
	__u32 tag;   /* flow_plain_tag() of the end; another one's: nothing is known */
	__u32 until; /* in steps of CLOCK_MONOTONIC, see nat_step() */
};

enum { NAT_PLAIN_SLOTS = 4096 };

/* About a second. */
static inline OWNER_INLINE __u32 nat_step(__u64 ns)
{
	return ns >> 30;
}

/* The local end of k alone, at the interface that the packet came in by: rules of NAT tell them apart. */
static inline OWNER_INLINE void flow_plain(struct flow_key *to, const struct flow_key *k, __u32 ifindex)
{
	*to = *k;
	to->r[0] = ifindex;
	to->r[1] = to->r[2] = to->r[3] = 0;
	to->rport = 0;
}

static inline OWNER_INLINE __u32 flow_plain_slot(__u64 hash)
{
	return (hash >> 32) & (NAT_PLAIN_SLOTS - 1);
}

static inline OWNER_INLINE __u32 flow_plain_tag(__u64 hash)
{
	return (__u32)hash | 1;
}

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
	__u8 shared;	   /* several processes use it: bpf/owner.bpf.h */
	__u8 contested;	   /* in ptcp_flows, of nobody: see flow_put() */
	__u16 image;	   /* of the owner: EVENT_IMAGE() */
	union {
		__u32 forward_told; /* hash of owner and flow that bpf/forward.bpf.c told last, 0: none */
		__u32 netns;	    /* in ptcp_flows with namespace 0: whose flow it is; 0: not known */
	};
	union {
		__u32 forward_time; /* then, in jiffies */
		__u32 since;	    /* in ptcp_flows with namespace 0: nat_step() of when it became this namespace's */
	};
};
EVENT_ASSERT_SIZE(struct owner_rec, 64);

#endif
