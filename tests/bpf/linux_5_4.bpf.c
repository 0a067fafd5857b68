/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The kernel's types as Linux 5.4 has them, where later ones differ: for test_old_kernel.c, which has our programs fitted to them. By
 * include/linux/sched.h, include/net/sock.h, include/linux/kernfs.h and include/linux/fs.h of that version.
 */
#define start_boottime real_start_time
/* A byte among bits. */
#define sk_protocol                                                                                                    \
	sk_gone;                                                                                                       \
	__u32 sk_bits : 8, sk_protocol : 8
#define kernfs_node kernfs_node_later
#define f_ref f_gone
#include "vmlinux.h"
#undef sk_protocol
#undef kernfs_node
#include <bpf/bpf_helpers.h>

union kernfs_node_id {
	struct {
		u32 ino;
		u32 generation;
	};
	u64 id;
};

struct kernfs_node {
	union kernfs_node_id id;
};

/* By value, so that all of each is told. */
struct {
	struct task_struct task;
	struct signal_struct signal;
	struct css_set css;
	struct cgroup cgroup;
	struct kernfs_node kn;
	struct nsproxy nsproxy;
	struct mnt_namespace mnt;
	struct pid_namespace pidns;
	struct net net;
	struct pid pid;
	struct cred cred;
	struct mm_struct mm;
	struct file file;
	struct mount mount;
	struct dentry dentry;
	struct sk_buff skb;
	struct sk_buff___vlan_present tagged;
	struct net_device dev;
	struct sock sk;
	struct sock_reuseport reuseport;
} all_types SEC(".bss.types");
