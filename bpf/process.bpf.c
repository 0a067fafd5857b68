/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The life of processes: exec, fork, exit, new names, moves between cgroups; and who is in the process filter. Raw tracepoints,
 * since they need nothing of the kernel's own BTF; every field is probed.
 */
#include "path.bpf.h"
#include "task.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline __u32 read_filename(struct exec_scratch *s, struct file *exe)
{
	__u32 pos = build_path(s, exe);
	__u32 len = (EVENT_FILENAME_MAX - 1 - pos) & (EVENT_FILENAME_MAX - 1);
	long n;

	if (len) {
		pos &= EVENT_FILENAME_MAX - 1;
		bpf_probe_read_kernel(s->event.data, len, s->path + pos);
		return len;
	}
	/* A file in no folder, of memfd_create(): "/memfd:NAME" in /proc/PID/exe, too. */
	s->event.data[0] = '/';
	n = bpf_probe_read_kernel_str(s->event.data + 1, COMPONENT_MAX + 1,
				      BPF_CORE_READ(exe, f_path.dentry, d_name.name));
	return n <= 1 ? 0 : n & (EVENT_FILENAME_MAX - 1);
}

static __always_inline __u32 read_args(struct exec_scratch *s, __u32 filename_len)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	unsigned long start = BPF_CORE_READ(task, mm, arg_start);
	unsigned long size = BPF_CORE_READ(task, mm, arg_end) - start;

	s->event.args_cut = size > EVENT_ARGS_MAX;
	if (size > EVENT_ARGS_MAX)
		size = EVENT_ARGS_MAX;
	/* clang knows the bound and drops a second test; the verifier forgets it when the value is spilled */
	asm volatile("" : "+r"(size));
	if (size == 0 || size > EVENT_ARGS_MAX)
		return 0;
	filename_len &= EVENT_FILENAME_MAX - 1;
	if (bpf_probe_read_user(s->event.data + filename_len, size, (void *)start)) {
		s->event.args_cut = 1;
		return 0;
	}
	return size;
}

/* Whether ptcp_pids is asked for anything. */
static __always_inline bool select_pids(void)
{
	return (select_kinds & (SELECT_PID | SELECT_NAME)) || (select_kinds && select_follow);
}

static __always_inline bool name_given(struct exec_scratch *s, struct file *exe)
{
	if (comm_given(s->name, s->event.task.comm))
		return true;
	__builtin_memset(s->name, 0, sizeof(s->name));
	bpf_probe_read_kernel_str(s->name, sizeof(s->name), BPF_CORE_READ(exe, f_path.dentry, d_name.name));
	return bpf_map_lookup_elem(&ptcp_names, s->name);
}

/* Other bits are kept: a process given by pid stays matched whatever it executes. */
static __always_inline void filter_exec(struct exec_scratch *s, struct file *exe)
{
	__u32 tgid = s->event.task.tgid, *bits = bpf_map_lookup_elem(&ptcp_pids, &tgid), value = bits ? *bits : 0;

	if (name_given(s, exe))
		value |= SELECT_PID_NAME;
	else if (!bits)
		return;
	else if (!select_follow && (value & SELECT_PID_NAME))
		value = (value & (SELECT_PID_LIVE | SELECT_PID_DEAD | SELECT_PID_GIVEN)) | select_clock()
												   << SELECT_PID_SINCE;
	bpf_map_update_elem(&ptcp_pids, &tgid, &value, BPF_ANY);
}

/* It may be in another container now, or the pid another's. */
static __always_inline void verdict_forget(__u32 tgid)
{
	if (select_kinds & SELECT_CGROUP)
		bpf_map_delete_elem(&ptcp_judged, &tgid);
}

SEC("raw_tp/sched_process_exec")
int BPF_PROG(ptcp_exec, struct task_struct *task)
{
	struct file *exe = BPF_CORE_READ(task, mm, exe_file);
	struct exec_scratch *s;
	__u32 zero = 0, size;

	s = bpf_map_lookup_elem(&ptcp_exec_buf, &zero);
	if (!s)
		return 0;
	s->event.type = EVENT_EXEC;
	s->event.pad = 0;
	s->event.ts = bpf_ktime_get_ns();
	fill_task(&s->event.task, task);
	verdict_forget(s->event.task.tgid);
	s->event.filename_len = read_filename(s, exe);
	s->event.args_len = read_args(s, s->event.filename_len);
	if (select_pids())
		filter_exec(s, exe);
	if (!attrib_ring) {
		event_queue(&ptcp_longs, s->room);
		return 0;
	}
	size = sizeof(s->event) + s->event.filename_len + s->event.args_len;
	asm volatile("" : "+r"(size));
	if (size > sizeof(s->room))
		return 0;
	process_event(&s->event, size, netns_is_news(s->event.task.netns));
	return 0;
}

/* What a child is of what its parent is. */
static __always_inline __u32 inherited(__u32 bits)
{
	if (bits & SELECT_PID_DEAD)
		return 0;
	return bits & (select_follow ? SELECT_PID_LIVE | SELECT_PID_NAME | SELECT_PID_USER : SELECT_PID_NAME);
}

static __always_inline void filter_fork(__u32 parent, __u32 child, __u32 uid)
{
	__u32 *bits = bpf_map_lookup_elem(&ptcp_pids, &parent), value = bits ? inherited(*bits) : 0;

	bits = bpf_map_lookup_elem(&ptcp_pids, &child);
	if (bits && (*bits & SELECT_PID_GIVEN))
		value |= SELECT_PID_GIVEN | SELECT_PID_LIVE;
	/* A child starts as its parent's user. */
	if (select_by_user() && bpf_map_lookup_elem(&ptcp_uids, &uid))
		value |= SELECT_PID_USER;
	if (value)
		bpf_map_update_elem(&ptcp_pids, &child, &value, BPF_ANY);
	else
		bpf_map_delete_elem(&ptcp_pids, &child); /* a pid used again */
}

SEC("raw_tp/sched_process_fork")
int BPF_PROG(ptcp_fork, struct task_struct *parent, struct task_struct *child)
{
	struct event_fork e = { .type = EVENT_FORK };

	if (BPF_CORE_READ(child, tgid) != BPF_CORE_READ(child, pid))
		return 0;
	e.ts = bpf_ktime_get_ns();
	fill_task(&e.child, child);
	/* With CLONE_PARENT the real parent is another, but what the child runs comes from the task that forked. */
	e.child.parent_tgid = task_tgid(parent, BPF_CORE_READ(parent, tgid));
	verdict_forget(e.child.tgid);
	if (select_pids()) {
		filter_fork(e.child.parent_tgid, e.child.tgid, e.child.uid);
		/* Of the thread that forked, which may have another than its process. */
		select_by_comm(e.child.tgid, child->comm);
	}
	e.child.parent_start = task_start(parent);
	process_event(&e, sizeof(e), netns_is_news(e.child.netns));
	return 0;
}

SEC("raw_tp/sched_process_exit")
int BPF_PROG(ptcp_exit, struct task_struct *task)
{
	struct event_exit e = { .type = EVENT_EXIT };
	__u32 *bits, value, tgid;
	__u64 start;

	/* The leader may go first; the process ends with its last thread. */
	if (BPF_CORE_READ(task, signal, live.counter) > 0)
		return 0;
	tgid = task_tgid(task, BPF_CORE_READ(task, tgid));
	verdict_forget(tgid);
	if (attrib_forwarded) {
		start = task_start(task);
		bpf_map_update_elem(&ptcp_ended, &tgid, &start, BPF_ANY);
	}
	if (select_pids()) {
		bits = bpf_map_lookup_elem(&ptcp_pids, &tgid);
		if (bits) {
			value = *bits | SELECT_PID_DEAD;
			bpf_map_update_elem(&ptcp_pids, &tgid, &value, BPF_ANY);
		}
	}
	e.ts = bpf_ktime_get_ns();
	fill_task(&e.task, task);
	BPF_CORE_READ_STR_INTO(&e.task.comm, task, group_leader, comm);
	process_event(&e, sizeof(e), false);
	return 0;
}

/* execve() names the task, too, and tells so itself, with what it runs. */
static __always_inline bool task_in_execve(struct task_struct *task)
{
	return bpf_core_field_exists(task->in_execve) && BPF_CORE_READ_BITFIELD_PROBED(task, in_execve);
}

SEC("raw_tp/task_rename")
int BPF_PROG(ptcp_rename, struct task_struct *task, const char *comm)
{
	struct event_rename e = { .type = EVENT_RENAME };

	if (!task_is_user(task) || task_in_execve(task))
		return 0;
	e.tgid = task_tgid(task, BPF_CORE_READ(task, tgid));
	e.tid = task_tid(task, BPF_CORE_READ(task, pid));
	bpf_probe_read_kernel_str(e.comm, sizeof(e.comm), comm);
	if (select_pids() && e.tid == e.tgid)
		select_by_comm(e.tgid, comm);
	e.ts = bpf_ktime_get_ns();
	e.start = task_start(task);
	process_event(&e, sizeof(e), false);
	return 0;
}

SEC("raw_tp/cgroup_attach_task")
int BPF_PROG(ptcp_cgmove, struct cgroup *to, const char *path, struct task_struct *task)
{
	struct event_cgroup e = { .type = EVENT_CGROUP };

	if (BPF_CORE_READ(task, tgid) != BPF_CORE_READ(task, pid))
		return 0;
	e.tgid = task_tgid(task, BPF_CORE_READ(task, tgid));
	e.ts = bpf_ktime_get_ns();
	verdict_forget(e.tgid);
	e.start = task_start(task);
	/* The move may be in a v1 hierarchy; the v2 one is what identifies. */
	e.cgroup = task_cgroup(task);
	process_event(&e, sizeof(e), false);
	return 0;
}
