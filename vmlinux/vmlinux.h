/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The kernel types that our programs touch, and of those only the fields they read: offsets are relocated at
 * load time (CO-RE) from the BTF of the running kernel. UAPI types come from the UAPI headers, unrelocated.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#define CORE __attribute__((preserve_access_index))

typedef __s32 pid_t;
typedef __s64 s64;
typedef __u32 u32;
typedef __u64 u64;
typedef __u16 u16;
typedef __u8 u8;

typedef struct {
	int counter;
} CORE atomic_t;

typedef struct {
	s64 counter;
} CORE atomic64_t;

typedef struct {
	long counter;
} CORE atomic_long_t;

struct ns_common {
	unsigned int inum;
} CORE;

struct net {
	struct ns_common ns;
} CORE;

struct mnt_namespace {
	struct ns_common ns;
} CORE;

struct pid_namespace {
	struct ns_common ns;
	unsigned int level;
} CORE;

struct upid {
	int nr;
	struct pid_namespace *ns;
} CORE;

struct pid {
	unsigned int level;
	struct upid numbers[1];
} CORE;

struct nsproxy {
	struct mnt_namespace *mnt_ns;
	struct pid_namespace *pid_ns_for_children;
	struct net *net_ns;
} CORE;

typedef struct {
	struct net *net;
} CORE possible_net_t;

typedef struct {
	unsigned int val;
} CORE kuid_t;

struct cred {
	kuid_t uid;
} CORE;

struct qstr {
	const unsigned char *name;
	u32 len;
} CORE;

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
} CORE;

struct vfsmount {
	struct dentry *mnt_root;
} CORE;

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
} CORE;

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} CORE;

typedef struct {
	atomic_long_t refcnt;
} CORE file_ref_t;

struct file {
	struct path f_path;
	atomic_long_t f_count; /* up to 6.12 */
	file_ref_t f_ref;      /* from 6.13 */
} CORE;

struct mm_struct {
	unsigned long arg_start, arg_end;
	struct file *exe_file;
} CORE;

struct fs_struct {
	struct path root;
} CORE;

struct kernfs_node {
	u64 id;
} CORE;

struct cgroup {
	struct kernfs_node *kn;
} CORE;

struct css_set {
	struct cgroup *dfl_cgrp;
} CORE;

enum pid_type { PIDTYPE_TGID = 1 };

struct signal_struct {
	atomic_t live;
	struct pid *pids[PIDTYPE_TGID + 1];
} CORE;

struct pt_regs {
	unsigned long orig_ax; /* x86-64 */
	unsigned long di;      /* likewise: a function's first argument, as the following */
	unsigned long gpr[32]; /* powerpc */
} CORE;

struct user_pt_regs {
	u64 regs[31];		/* arm64 */
	unsigned long gprs[16]; /* s390 */
} CORE;

struct user_regs_struct {
	unsigned long a0; /* riscv */
} CORE;

struct task_struct {
	void *stack;
	unsigned int flags;
	pid_t pid, tgid;
	u64 start_boottime;
	u64 self_exec_id;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	const struct cred *cred;
	char comm[16];
	struct fs_struct *fs;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct css_set *cgroups;
	struct mm_struct *mm;
	unsigned in_execve : 1;
} CORE;

struct in6_addr___core {
	__u8 s6_addr[16];
};

struct sock_common {
	__be32 skc_daddr, skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_reuseport : 1;
	possible_net_t skc_net;
	struct in6_addr___core skc_v6_daddr, skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
} CORE;

typedef struct {
	int owned;
} CORE socket_lock_t;

struct sock_reuseport {
	struct bpf_prog *prog;
} CORE;

struct sock {
	struct sock_common __sk_common;
	socket_lock_t sk_lock;
	struct sock_reuseport *sk_reuseport_cb;
	u16 sk_type, sk_protocol;
	__u8 sk_kern_sock : 1;
} CORE;

struct socket {
	struct sock *sk;
} CORE;

struct net_device {
	possible_net_t nd_net;
	int ifindex;
	unsigned short type;
} CORE;

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	unsigned long _nfct;
	unsigned int len, data_len, tail;
	unsigned char *head, *data;
	int skb_iif;
	__be16 protocol, vlan_proto;
	__u16 vlan_tci, mac_header, network_header;
	__u8 pkt_type : 3;
	__u8 tc_at_ingress : 1; /* CONFIG_NET_CLS_ACT, from 6.6 on CONFIG_NET_XGRESS: what tc needs */
} CORE;

/* Up to 6.1; since then a tag is there when vlan_proto is not 0. */
struct sk_buff___vlan_present {
	__u8 vlan_present : 1;
} CORE;

union nf_inet_addr {
	__u32 all[4];
} CORE;

union nf_conntrack_man_proto {
	__u16 all;
} CORE;

struct nf_conntrack_man {
	union nf_inet_addr u3;
	union nf_conntrack_man_proto u;
} CORE;

struct nf_conntrack_tuple {
	struct nf_conntrack_man src;
	struct {
		union nf_inet_addr u3;
		union {
			__u16 all;
		} u;
	} dst;
} CORE;

struct nf_conntrack_tuple_hash {
	struct nf_conntrack_tuple tuple;
} CORE;

struct nf_conn {
	struct nf_conntrack_tuple_hash tuplehash[2];
	long unsigned int status;
} CORE;

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} CORE;

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u32 fd;
	struct file *file;
} CORE;

#endif
