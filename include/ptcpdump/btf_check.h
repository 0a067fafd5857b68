/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What bpf/btf_check.bpf.c has read by a BTF file, and what the kernel itself told it, for src/capture/kernel_btf_check.c. */
#ifndef PTCPDUMP_BTF_CHECK_H
#define PTCPDUMP_BTF_CHECK_H

#include <ptcpdump/event.h>
#include <ptcpdump/owner.h>

enum { BTF_CHECK_SOCKS = 3, BTF_CHECK_NAME = 16, BTF_CHECK_WORDS = 8 };

struct btf_check_path {
	__u32 cut;
	__u32 at; /* where in text it starts; it ends before the last byte */
	char text[EVENT_FILENAME_MAX];
};

struct btf_check_task {
	/* of helpers, which know without BTF */
	__u64 pid_tgid, uid_gid, cgroup;
	char comm[EVENT_COMM_LEN];
	/* of fields */
	struct event_task task;
	char leader[EVENT_COMM_LEN];
	__u64 arg_start, arg_end, exec_id;
	__u64 stack[BTF_CHECK_WORDS]; /* the words at its top; only where the programs look at them */
	__u32 stack_used;
	__u32 first_argument; /* where in struct pt_regs, on x86-64 */
	__u32 tgid, tid;
	__u32 outer_tid, inner_tid, inner_tgid; /* of struct pid: the first number and the last */
	__u32 flags, live, in_execve, preempt;
	struct btf_check_path exe, file;
};

struct btf_check_sock {
	__u64 address, cookie;
	struct flow_key flow;
	__u32 state, kernel, chosen, shared;
	__u32 locked, unlocked; /* sk_lock.owned in a call that works on it, and outside */
	__u32 kernel_other;	/* sk_kern_sock of a socket of the kernel; where it can be reached: */
	__u32 kernel_reached;
};

/* A process of the thread's, in a pid namespace of its own where that is possible. */
struct btf_check_child {
	__u64 pid_tgid, uid_gid;
	__u32 outer_tid, inner_tid, level, pidns, uid;
	__u32 live; /* threads when its only one had ended */
	__u32 seen, ended;
};

struct btf_check_packet {
	__u32 seen, at_ingress, type, netns;
	__u32 socks;	/* one was of a socket of ours */
	__u32 link_len; /* between the offsets of two headers */
	__u64 nfct;
};

#endif
