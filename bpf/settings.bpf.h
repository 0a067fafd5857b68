/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * What user space tells the programs before the load, so that the verifier drops what is switched off: helpers that a
 * kernel lacks in a program type are refused even in branches that never run. And what they tell each other at run time.
 * User space sets them by the skeleton's rodata and bss only: a name that does not exist does not compile.
 */
#ifndef SETTINGS_BPF_H
#define SETTINGS_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <ptcpdump/owner.h>

/* What is captured. */
const volatile __u32 packet_snaplen __weak = 262144; /* bytes */
const volatile __u32 ring_count __weak = 1;	     /* rings that exist */
const volatile __u32 only_netns __weak = 0;	     /* inode of the only namespace that is captured in; 0: several */
const volatile __u32 any_netns __weak = 0;	     /* namespaces that appear are captured in, too */
/* Of taps: which directions; a loopback device shows each packet once, on egress where that is wanted. */
const volatile __u32 tap_in __weak = 1;
const volatile __u32 tap_out __weak = 1;
const volatile __u32 packet_unaligned __weak = 1; /* packets may be looked into without minding how words lie */
const volatile __u32 tap_fragments __weak = 0;	  /* tracepoints may read fragments (6.12) */

/* Only counts are wanted: nothing crosses the rings. A CPU has so many slots of ptcp_counts (bpf/count.bpf.h). */
const volatile __u32 counting __weak = 0;
const volatile __u32 count_slots __weak = 1; /* a power of two */
const volatile __u32 count_cpus __weak = 1;
const volatile __u32 count_seqs __weak = 1; /* entries of ptcp_seqs, likewise */

/* Whose packets. */
const volatile __u32 attrib_off __weak = 0;    /* no attribution at all */
const volatile __u32 select_kinds __weak = 0;  /* SELECT_* */
const volatile __u32 select_how __weak = 0;    /* SELECT_ALL, ... */
const volatile __u32 select_follow __weak = 0; /* children of matching processes match */
const volatile __u32 shown_pidns __weak = 0;   /* inode of the pid namespace whose pids are told; 0: the initial one */

/* Packets are looked at later, by ptcp_flows: of whom a flow was before is told. */
const volatile __u32 flows_told __weak = 0;

/* What this kernel can do. */
const volatile __u32 attrib_trace_storage __weak = 0;  /* tracing programs may use socket storage (5.11) */
const volatile __u32 attrib_ring __weak = 1;	       /* events of processes go into a ring, else into queues (5.8) */
const volatile __u32 attrib_bind_certain __weak = 0;   /* nothing tells who receives: whoever made the socket */
const volatile __u32 attrib_egress_told __weak = 0;    /* ptcp_skb has seen what a socket sends before a device does */
const volatile __u32 attrib_synack6 __weak = 0;	       /* SYN-ACKs of IPv6 pass cgroup_skb (6.12) */
const volatile __u32 attrib_stack_size __weak = 16384; /* THREAD_SIZE */
const volatile __u32 attrib_task_btf __weak = 0;       /* packet programs may look into the task without probing */
/* Soft interrupts run on stacks of their own: no PREEMPT_RT. Asked for without attribution, too, when nobody sets it. */
const volatile __u32 attrib_softirq_stack __weak = 1;
/* Programs at cgroup_skb work for a task whose system call may be interrupted, and run again on what arrived. */
const volatile __u32 owner_nested __weak = 0;
/* Such a task may also be taken off the CPU, and another one run there: not while this is switched off (6.14). */
const volatile __u32 owner_preempt_off __weak = 0;

/* Process events lost for want of ring space. */
__u64 attrib_lost __weak = 0;
/* Packets that found no room before it was known whether they are wanted: neither received nor dropped. */
__u64 packets_unjudged __weak = 0;
/* A hook at a function tells who reads datagrams, on kernels without sock_recv_length. */
__u32 attrib_reads_told __weak = 0;
/* Becomes 1 when the start-up scan has seen every socket. */
__u32 attrib_scanned __weak = 0;
/* Becomes 1 with the first socket outside only_netns: until then nothing can have been forwarded for others. */
__u32 attrib_forwarded __weak = 0;
/* forward_step() of when a packet last waited for who has a flow in another namespace. */
__u32 attrib_asked __weak = 0;
/* User space has put sockets into ptcp_cookies, as no iterator could tell the programs of them. */
__u32 attrib_listed __weak = 0;
/* Becomes 1 when ptcp_flows may name another owner than a socket has by now: ptcp_cookies has that one. */
__u32 attrib_moved __weak = 0;
/* Becomes 1 when ptcp_flows has an end of a captured namespace that NAT gives to another. */
__u32 attrib_published __weak = 0;
/* flow_end_slot() -> whether ptcp_flows may have flows with this local end. A byte each, as all set what is never unset. */
__u8 flow_ends[FLOW_ENDS] __weak;
/*
 * Hooks that cost those who do not need them: user space attaches them when it is told to. recvmsg4/6, when datagrams may
 * have one of several readers: the kernel then locks each socket that is read with room for an address, 0.9 us a call.
 */
__u32 attrib_receivers __weak = 0;
/* cgroup skb ingress, when a socket of another namespace may get what none there has sent for. */
__u32 attrib_hearers __weak = 0;
/* sock_send_length, when several processes may write into a connection. */
__u32 attrib_senders __weak = 0;
/* Becomes 1 when a packet was seen whose receiver a program chooses. */
__u32 attrib_chosen __weak = 0;

#endif
