/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Records that cross from the eBPF programs to user space through ring buffers.
 * Both compilers (clang -target bpf, cc) read this file. What they share in maps is in config.h and owner.h.
 *
 * Every record starts with enum event_type. All integers are in host byte order unless said
 * otherwise; times are nanoseconds of CLOCK_MONOTONIC except *start*, which is the group leader's
 * task_struct.start_boottime (CLOCK_BOOTTIME), the value that /proc/PID/stat field 22 shows in ticks.
 */
#ifndef PTCPDUMP_EVENT_H
#define PTCPDUMP_EVENT_H

#ifdef __bpf__
#define EVENT_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)
#else
#include <linux/types.h>
#define EVENT_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)
#endif

enum event_type {
	EVENT_NONE,
	EVENT_PACKET, /* packet rings: struct event_packet, by bpf/take.bpf.h */
	EVENT_EXEC,   /* process ring: struct event_exec, by sched_process_exec */
	EVENT_FORK,   /* process ring: struct event_fork, by sched_process_fork */
	EVENT_EXIT,   /* process ring: struct event_exit, by sched_process_exit of the last thread */
	EVENT_OWNER,  /* process ring: struct event_socket_owner, a provisional owner became certain */
	EVENT_CGROUP, /* process ring: struct event_cgroup, a process moved to another cgroup */
	EVENT_RENAME, /* process ring: struct event_rename, by task_rename: a thread took a name, other than in execve() */
	EVENT_SEEN, /* process ring: struct event_seen, by bpf/outside.bpf.h, of whom no other event and no /proc tells */
	EVENT_USER, /* process ring: struct event_user, a process uses a socket under another user than before */
	EVENT_FLOW, /* process ring: struct event_flow, a flow is another process's than before: told when flows_told */
	EVENT_NETNS, /* process ring: struct event_netns, a socket was made in a namespace not heard of before */
};

/*
 * In a tgid or tid: the process is outside of the pid namespace that /proc shows, and the rest is its number in the initial
 * one. All others are those of that namespace. The kernel's own go up to PID_MAX_LIMIT, 1 << 22.
 */
#define PID_OUTSIDE 0x80000000U

/* How the owner of one end of a packet was found; the order is not a ranking. */
enum owner_source {
	OWNER_NONE,
	OWNER_CURRENT,	 /* the task that is sending right now */
	OWNER_STORAGE,	 /* socket storage */
	OWNER_COOKIE,	 /* socket cookie map */
	OWNER_LISTENER,	 /* the listener behind a request socket */
	OWNER_LOOKUP,	 /* socket lookup by tuple */
	OWNER_FLOW,	 /* flow map */
	OWNER_CONNTRACK, /* tuple before NAT */
	OWNER_ICMP,	 /* tuple embedded in an ICMP error */
	OWNER_SCAN,	 /* start-up scan of existing sockets */
};

enum {
	OWNER_F_PROVISIONAL = 1, /* inherited from a listener or the scan: EVENT_OWNER may correct it */
	OWNER_F_LATER = 2,	 /* asked for after the packet: it may run another program by now */
	OWNER_F_NAT = 4, /* of a destination: it is so unless NAT sends this flow elsewhere, which conntrack knows */
};

/*
 * task_struct.self_exec_id counts what a process has executed, its forefathers before the fork included. Enough of it to
 * tell programs apart that follow each other; 0: unknown.
 */
#define EVENT_IMAGE(self_exec_id) ((__u16)(self_exec_id))

/*
 * Instead of a thread: not this process has the packet, but nobody that is known in its network namespace, of which only the
 * container is to be told.
 */
#define OWNER_TID_NOBODY 0xffffffffU

/* One end of a packet. tgid 0: nobody known (cookie may still be set). */
struct event_owner {
	__u64 start;  /* with tgid, the identity of a process: pids are reused */
	__u64 cookie; /* socket cookie, 0 unknown */
	__u32 tgid;
	__u32 tid; /* thread that used the socket, 0 unknown */
	__u32 uid;
	__u8 source; /* enum owner_source */
	__u8 flags;  /* OWNER_F_* */
	__u16 image; /* which of its programs the process ran then: EVENT_IMAGE() */
};
EVENT_ASSERT_SIZE(struct event_owner, 32);

enum { EVENT_DIR_NONE, EVENT_DIR_IN, EVENT_DIR_OUT };
enum {
	EVENT_PKT_L3 = 1,	/* data starts at the network header (device without link header) */
	EVENT_PKT_VLAN = 2,	/* vlan_tci/vlan_proto hold a tag that the device or the stack stripped */
	EVENT_PKT_MAYBE = 4,	/* the process filter could not decide yet: user space decides once settled */
	EVENT_PKT_UNJUDGED = 8, /* only since its owners, who are known, have not been judged */
};
#define EVENT_COMM_LEN 16 /* TASK_COMM_LEN, include/linux/sched.h */

struct event_packet {
	__u32 type;
	__u32 ifindex;
	__u64 ts;
	__u32 netns;  /* inode number of the device's network namespace */
	__u32 len;    /* bytes on the wire, as libpcap counts, without a stripped VLAN tag */
	__u32 caplen; /* bytes in data[] */
	__u16 vlan_tci;
	__u16 vlan_proto; /* host order */
	__u16 protocol;	  /* skb->protocol, host order: tells IPv4 from IPv6 on L3 devices */
	__u8 dir;	  /* EVENT_DIR_* */
	__u8 flags;	  /* EVENT_PKT_* */
	__u8 pkt_type;	  /* PACKET_HOST ..., linux/if_packet.h */
	__u8 pad[3];
	struct event_owner src;	   /* owner of the source end */
	struct event_owner dst;	   /* owner of the destination end */
	char comm[EVENT_COMM_LEN]; /* of the sending thread when src.source is OWNER_CURRENT, else "" */
	__u8 data[];
};
EVENT_ASSERT_SIZE(struct event_packet, 120);

/* Facts of a process, in the events below. */
struct event_task {
	__u64 start;
	__u64 cgroup; /* cgroup v2 id, 0 unknown */
	__u64 parent_start;
	__u32 tgid;
	__u32 parent_tgid;
	__u32 uid;
	__u32 pidns, mntns, netns; /* inode numbers */
	char comm[EVENT_COMM_LEN];
	__u16 image; /* EVENT_IMAGE() */
	__u16 pad[3];
};
EVENT_ASSERT_SIZE(struct event_task, 72);

#define EVENT_ARGS_MAX 4096 /* longer argument vectors are cut and marked */
#define EVENT_FILENAME_MAX 512

struct event_exec {
	__u32 type;
	__u32 pad;
	__u64 ts;
	struct event_task task;
	__u16 filename_len; /* without NUL */
	__u8 filename_cut;
	__u8 args_cut;
	__u32 args_len;
	__u8 data[]; /* filename, then args: the argument strings, each ended by NUL, as in mm->arg_start */
};

struct event_fork {
	__u32 type;
	__u32 pad;
	__u64 ts;
	struct event_task child; /* inherits the parent's executable and arguments */
};

struct event_exit {
	__u32 type;
	__u32 pad;
	__u64 ts;
	struct event_task task; /* for who has not heard of it before; its comm is the leader's */
};

struct event_seen {
	__u32 type;
	__u32 pad;
	__u64 ts;
	struct event_task task;
};

struct event_socket_owner {
	__u32 type;
	__u32 pad;
	__u64 ts;
	struct event_owner owner; /* owner.cookie names the socket */
	__u64 also;		  /* another cookie that stands for it, 0: none */
};

struct event_cgroup {
	__u32 type;
	__u32 tgid;
	__u64 ts;
	__u64 start;
	__u64 cgroup;
};

struct event_rename {
	__u32 type;
	__u32 tgid;
	__u32 tid; /* the leader's: the process's own name */
	__u32 pad;
	__u64 ts;
	__u64 start; /* of the process */
	char comm[EVENT_COMM_LEN];
};

struct event_user {
	__u32 type;
	__u32 tgid;
	__u64 ts;
	__u64 start;
	__u32 before, uid;
};

struct event_flow {
	__u32 type;
	__u32 pad;
	__u64 ts;
	__u64 flow; /* flow_hash() of its key */
	struct event_owner before;
};

struct event_netns {
	__u32 type;
	__u32 netns; /* inode */
	__u32 tid;   /* of who made the socket, and likely is in the namespace */
	__u32 pad;
};

/* One of the process ring but for struct event_exec, where queues take the ring's place: bpf/task.bpf.h. */
union event_short {
	__u32 type;
	struct event_fork fork;
	struct event_exit exit;
	struct event_seen seen;
	struct event_socket_owner owner;
	struct event_cgroup cgroup;
	struct event_rename rename;
	struct event_user user;
	struct event_flow flow;
	struct event_netns netns;
};

#define EVENT_EXEC_MAX (sizeof(struct event_exec) + EVENT_FILENAME_MAX + EVENT_ARGS_MAX)

#endif
