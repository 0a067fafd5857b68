/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Values of maps that both sides of the capture read or write; both compilers see this file. */
#ifndef PTCPDUMP_CONFIG_H
#define PTCPDUMP_CONFIG_H

#include <linux/types.h>

/* What the reader wants to be woken for; see docs/capture.md. */
enum {
	WAKE_NONE, /* it is awake, or a timer will wake it soon */
	WAKE_ANY,  /* it sleeps until the next record */
	WAKE_FILL, /* a timer will wake it, unless a ring holds wake_fill bytes before */
};

/* The single value of the map ptcp_control; user space maps it into memory. */
struct capture_control {
	__u32 wake;
	__u32 stop;	   /* not 0: the capture ends, packets pass unseen */
	__u64 wake_fill;   /* bytes in one packet ring */
	__u32 owner_pid;   /* the capturing process, so that a later run can tell what was left by a dead one: */
	__u32 owner_pidns; /* inode of the pid namespace that owner_pid is of */
	__u64 owner_start; /* ns, CLOCK_BOOTTIME, as exact as /proc/PID/stat is */
	__u32 count_half;  /* of ptcp_counts, that packets are added up in */
};

#define LOOPBACK_IFINDEX 1 /* in every network namespace: net/net_namespace.h */

struct iface_key {
	__u32 netns; /* inode number */
	__u32 ifindex;
};

enum drop_cause {
	DROP_RING_FULL,
	DROP_NO_SCRATCH, /* a CPU that was added later */
	DROP_COPY,	 /* the packet could not be read */
	DROP_CAUSES
};

struct iface_counters { /* per CPU */
	__u64 received; /* passed the filters; what did not get lost is in a ring */
	__u64 dropped[DROP_CAUSES];
};

#define RINGS_MAX 16 /* rings of packets, ptcp_ring0 and so on: one for each CPU, with more CPUs some share */

/* Records put together at once on a CPU: of what a task sends, and where that is interrupted, of what arrives. */
#define SCRATCH_SLOTS 1
#define SCRATCH_SLOTS_NESTED 2

#define IFACE_SLOTS 256

/*
 * An interface that we are attached to: in ptcp_iface_slots at ifindex % IFACE_SLOTS, and where that is another's, in
 * ptcp_ifaces.
 */
struct iface_slot {
	struct iface_key key; /* ifindex 0: free */
	struct iface_counters n;
};

#endif
