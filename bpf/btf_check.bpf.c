/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * What the other programs would read of a process, of sockets and packets of ours, with a BTF file that is not the kernel's
 * own. An object of its own, loaded only to try such a file; user space
 * knows what is right. No type of program here needs BTF in the kernel.
 */
#include "flow.bpf.h"
#include "path.bpf.h"
#include <ptcpdump/btf_check.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Names that a thread gives itself when it begins, and when it has done all; and that of its child. */
char check_begin[BTF_CHECK_NAME], check_end[BTF_CHECK_NAME], check_born[BTF_CHECK_NAME];
__u64 check_who; /* bpf_get_current_pid_tgid() of it, 0: it has not begun */
__u32 check_done, check_socks_seen;
__u32 check_file; /* a descriptor of it, 0: none */

struct btf_check_task check_task;
struct btf_check_child check_child;
struct btf_check_sock check_socks[BTF_CHECK_SOCKS];
struct btf_check_packet check_packets[2]; /* egress, ingress */

/* Ways to what the other programs look into, and do not go themselves. */
struct fdtable {
	struct file **fd;
} CORE;

struct files_struct {
	struct fdtable *fdt;
} CORE;

struct task_struct___files {
	struct files_struct *files;
} CORE;

struct net___rtnl {
	struct sock *rtnl;
} CORE;

static __always_inline bool same_name(const char *a, const char *b)
{
	return ((const __u64 *)a)[0] == ((const __u64 *)b)[0] && ((const __u64 *)a)[1] == ((const __u64 *)b)[1];
}

/* Its number where it lives. */
static __always_inline __u32 pid_inner(struct pid *pid)
{
	struct upid at = {};

	bpf_probe_read_kernel(&at, sizeof(at),
			      (char *)pid + bpf_core_field_offset(pid->numbers) +
				      BPF_CORE_READ(pid, level) * bpf_core_type_size(struct upid));
	return at.nr;
}

static __always_inline void look_helpers(struct btf_check_task *t)
{
	t->pid_tgid = bpf_get_current_pid_tgid();
	t->uid_gid = bpf_get_current_uid_gid();
	t->cgroup = bpf_get_current_cgroup_id();
	bpf_get_current_comm(t->comm, sizeof(t->comm));
}

static __always_inline void look_pids(struct btf_check_task *t, struct task_struct *task)
{
	BPF_CORE_READ_INTO(&t->tgid, task, tgid);
	BPF_CORE_READ_INTO(&t->tid, task, pid);
	t->outer_tid = BPF_CORE_READ(task, thread_pid, numbers[0].nr);
	t->inner_tid = pid_inner(BPF_CORE_READ(task, thread_pid));
	t->inner_tgid = pid_inner(BPF_CORE_READ(task, signal, pids[PIDTYPE_TGID]));
}

/* How programs see whether the task runs, or an interrupt on it: task_context_at(). */
static __always_inline void look_context(struct btf_check_task *t, struct task_struct *task)
{
	if (preempt_count_known(task)) {
		t->preempt = preempt_count(task);
		return;
	}
	if (bpf_core_field_exists(struct pt_regs, di))
		t->first_argument = bpf_core_field_offset(struct pt_regs, di);
	t->stack_used = bpf_core_field_exists(struct pt_regs, orig_ax);
	if (!t->stack_used)
		return;
	bpf_probe_read_kernel(t->stack, sizeof(t->stack),
			      (char *)BPF_CORE_READ(task, stack) + attrib_stack_size - sizeof(t->stack));
}

static __noinline void look_path(struct btf_check_path *p, struct file *file)
{
	__u32 zero = 0;
	struct exec_scratch *s = bpf_map_lookup_elem(&ptcp_exec_buf, &zero);

	if (!s)
		return;
	p->at = build_path(s, file);
	p->cut = s->event.filename_cut;
	bpf_probe_read_kernel(p->text, sizeof(p->text), s->path);
}

/* Of a file that is open, as no executable of ours is where another file system is mounted. */
static __always_inline void look_file(struct btf_check_task *t, struct task_struct *task)
{
	struct files_struct *files = (void *)BPF_CORE_READ((struct task_struct___files *)task, files);
	struct file **all = BPF_CORE_READ(files, fdt, fd), *file = NULL;

	bpf_probe_read_kernel(&file, sizeof(file), all + check_file);
	look_path(&t->file, file);
}

static __always_inline void look_program(struct btf_check_task *t, struct task_struct *task)
{
	t->arg_start = BPF_CORE_READ(task, mm, arg_start);
	t->arg_end = BPF_CORE_READ(task, mm, arg_end);
	t->in_execve = bpf_core_field_exists(task->in_execve) && BPF_CORE_READ_BITFIELD_PROBED(task, in_execve);
	look_path(&t->exe, BPF_CORE_READ(task, mm, exe_file));
	if (check_file && bpf_core_type_exists(struct files_struct) && bpf_core_type_exists(struct fdtable))
		look_file(t, task);
}

static __always_inline void look_task(struct btf_check_task *t)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	look_helpers(t);
	fill_task(&t->task, task);
	look_pids(t, task);
	look_context(t, task);
	look_program(t, task);
	BPF_CORE_READ_STR_INTO(&t->leader, task, group_leader, comm);
	t->exec_id = BPF_CORE_READ(task, self_exec_id);
	t->flags = BPF_CORE_READ(task, flags);
	t->live = BPF_CORE_READ(task, signal, live.counter);
}

static __always_inline void look_sock(struct btf_check_sock *s)
{
	struct sock *sk = (void *)s->address;
	struct net___rtnl *net;
	struct sock_reuseport *group;

	if (!sk)
		return;
	net = (void *)BPF_CORE_READ(sk, __sk_common.skc_net.net);
	group = BPF_CORE_READ(sk, sk_reuseport_cb);
	flow_of_socket(&s->flow, s->address);
	/* Bits of a word, before Linux 5.6. */
	s->flow.proto = BPF_CORE_READ_BITFIELD_PROBED(sk, sk_protocol);
	s->cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	s->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	s->shared = BPF_CORE_READ_BITFIELD_PROBED(sk, __sk_common.skc_reuseport);
	s->chosen = group && BPF_CORE_READ(group, prog);
	s->unlocked = BPF_CORE_READ(sk, sk_lock.owned);
	s->kernel = BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock);
	s->kernel_reached = bpf_core_field_exists(net->rtnl);
	if (!s->kernel_reached)
		return;
	sk = BPF_CORE_READ(net, rtnl);
	s->kernel_other = BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock);
}

static __always_inline void look_child(struct btf_check_child *c)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct event_task t = {};

	fill_task(&t, task);
	c->pid_tgid = bpf_get_current_pid_tgid();
	c->uid_gid = bpf_get_current_uid_gid();
	c->outer_tid = BPF_CORE_READ(task, thread_pid, numbers[0].nr);
	c->inner_tid = pid_inner(BPF_CORE_READ(task, thread_pid));
	c->level = BPF_CORE_READ(task, thread_pid, level);
	c->pidns = t.pidns;
	c->uid = t.uid;
	c->ended = 0;
	c->seen = 1;
}

static __always_inline void look_all(void)
{
	look_task(&check_task);
	for (int i = 0; i < BTF_CHECK_SOCKS; i++)
		look_sock(&check_socks[i]);
	check_done = 1;
}

static __always_inline void begin(void)
{
	check_who = bpf_get_current_pid_tgid();
	check_done = check_socks_seen = check_child.seen = 0;
	check_packets[0].seen = check_packets[1].seen = check_packets[0].socks = 0;
	for (int i = 0; i < BTF_CHECK_SOCKS; i++)
		check_socks[i].address = 0;
}

SEC("raw_tp/task_rename")
int btf_check_rename(struct bpf_raw_tracepoint_args *ctx)
{
	char name[BTF_CHECK_NAME] = {};

	bpf_probe_read_kernel_str(name, sizeof(name), (const void *)ctx->args[1]);
	if (same_name(name, check_begin))
		begin();
	else if (same_name(name, check_born))
		look_child(&check_child);
	else if (same_name(name, check_end) && check_who == bpf_get_current_pid_tgid())
		look_all();
	return 0;
}

SEC("raw_tp/sched_process_exit")
int btf_check_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];

	if (!check_child.seen || check_child.pid_tgid != bpf_get_current_pid_tgid())
		return 0;
	check_child.live = BPF_CORE_READ(task, signal, live.counter);
	check_child.ended = 1;
	return 0;
}

/* The first change of each: it listens, or connects. */
SEC("raw_tp/inet_sock_set_state")
int btf_check_state(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (void *)ctx->args[0];
	__u32 n = check_socks_seen;

	if (!check_who || check_who != bpf_get_current_pid_tgid() || n >= BTF_CHECK_SOCKS)
		return 0;
	for (int i = 0; i < BTF_CHECK_SOCKS; i++) {
		if (check_socks[i].address == ctx->args[0])
			return 0;
	}
	check_socks[n].address = ctx->args[0];
	check_socks[n].locked = BPF_CORE_READ(sk, sk_lock.owned);
	check_socks_seen = n + 1;
	return 0;
}

static __always_inline int look_packet(struct __sk_buff *skb, struct btf_check_packet *p)
{
	struct sk_buff *b = (struct sk_buff *)skb;
	__u64 sk = (__u64)BPF_CORE_READ(b, sk);

	for (int i = 0; i < BTF_CHECK_SOCKS; i++)
		p->socks |= sk && check_socks[i].address == sk;
	p->link_len = BPF_CORE_READ(b, network_header) - BPF_CORE_READ(b, mac_header);
	p->at_ingress = BPF_CORE_READ_BITFIELD_PROBED(b, tc_at_ingress);
	p->type = BPF_CORE_READ(b, dev, type);
	p->netns = BPF_CORE_READ(b, dev, nd_net.net, ns.inum);
	p->nfct = bpf_core_field_exists(b->_nfct) ? BPF_CORE_READ(b, _nfct) : 0;
	p->seen = 1;
	return -1;
}

SEC("tc")
int btf_check_egress(struct __sk_buff *skb)
{
	return look_packet(skb, &check_packets[0]);
}

SEC("tc")
int btf_check_ingress(struct __sk_buff *skb)
{
	return look_packet(skb, &check_packets[1]);
}
