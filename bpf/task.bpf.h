/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The running task, the process ring, and the process filter: shared by every program that attributes. */
#ifndef TASK_BPF_H
#define TASK_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <ptcpdump/owner.h>

#include "settings.bpf.h"

#define PF_KTHREAD 0x00200000
#define PIDNS_LEVELS 32 /* MAX_PID_NS_LEVEL, include/linux/pid_namespace.h */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} ptcp_process SEC(".maps") __weak;

/*
 * Instead, where there are no rings: queues (4.20) of what is short, and of programs that are executed. They need nothing of the
 * context that a program runs in, as perf event arrays do, and what all CPUs put into one is in order. Nobody is woken: user space
 * comes every 20 ms.
 */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 16384);
	__uint(value_size, sizeof(union event_short));
} ptcp_shorts SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 1024);
	__uint(value_size, EVENT_EXEC_MAX);
} ptcp_longs SEC(".maps") __weak;

/* tgid -> SELECT_PID_* */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u32);
} ptcp_pids SEC(".maps") __weak;

/* --pname: the names given, and what the kernel makes of longer ones as comm, padded with zeros */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, char[SELECT_NAME_LEN]);
	__type(value, __u32);
} ptcp_names SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u32);
} ptcp_uids SEC(".maps") __weak;

/* cgroup v2 id -> does it match */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u32);
} ptcp_cgroups SEC(".maps") __weak;

/* Likewise of processes whose cgroup does not tell it, by tgid: as long as they run the same and stay where they are. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u32);
} ptcp_judged SEC(".maps") __weak;

/* Processes that have ended lately: tgid -> start. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} ptcp_ended SEC(".maps") __weak;

/* Network namespaces that user space has been woken for; it takes out those that ended. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u32);
} ptcp_netns SEC(".maps") __weak;

/* The highest byte of all kernel addresses: PAGE_OFFSET and above on powerpc, s390 begins at 0. */
#if defined(__TARGET_ARCH_powerpc)
#define KERNEL_TOP_BYTE 0xc0
#elif defined(__TARGET_ARCH_s390)
#define KERNEL_TOP_BYTE 0
#else
#define KERNEL_TOP_BYTE 0xff
#endif

/*
 * A kernel pointer as a number, so that it can be probed: the verifier allows no arithmetic on sockets and frames.
 * Writing one byte over a spilled pointer makes plain bytes of it; that byte is known.
 */
static __always_inline unsigned long pointer_value(const void *p)
{
	union {
		const void *pointer;
		unsigned long value;
		__u8 bytes[sizeof(void *)];
	} volatile spilled = { .pointer = p };

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	spilled.bytes[sizeof(void *) - 1] = KERNEL_TOP_BYTE;
#else
	spilled.bytes[0] = KERNEL_TOP_BYTE;
#endif
	return spilled.value;
}

/* Children are followed of the users that are asked for: with no process to follow. */
static __always_inline bool select_by_user(void)
{
	return select_follow && !(select_kinds & (SELECT_PID | SELECT_NAME));
}

static __always_inline bool comm_given(char name[SELECT_NAME_LEN], const char *comm)
{
	__builtin_memset(name, 0, SELECT_NAME_LEN);
	bpf_probe_read_kernel_str(name, EVENT_COMM_LEN, comm);
	return bpf_map_lookup_elem(&ptcp_names, name);
}

/* A process that is called so may match by its name. */
static __always_inline void select_by_comm(__u32 tgid, const char *comm)
{
	__u32 *bits = bpf_map_lookup_elem(&ptcp_pids, &tgid), value = SELECT_PID_NAME | (bits ? *bits : 0);
	char name[SELECT_NAME_LEN];

	if (comm_given(name, comm))
		bpf_map_update_elem(&ptcp_pids, &tgid, &value, BPF_ANY);
}

/* arm64 */
struct thread_info___long {
	__u64 preempt_count;
} CORE;

struct task_struct___long {
	struct thread_info___long thread_info;
} CORE;

/* riscv, powerpc, loongarch. A load of an int is not made one of a long, nor the other way round. */
struct thread_info___int {
	int preempt_count;
} CORE;

struct task_struct___int {
	struct thread_info___int thread_info;
} CORE;

/* s390: what is the CPU's own, which each sees at address 0. */
struct lowcore {
	int preempt_count;
} CORE;

/*
 * The running task for packet programs. What attrib_task_btf says is known when the program is verified, so a pointer
 * has one type in each load: fields go by TASK_READ(), 25 ns cheaper each without bpf_probe_read_kernel().
 */
static __always_inline struct task_struct *task_current(void)
{
	if (attrib_task_btf)
		return (void *)bpf_get_current_task_btf();
	return (void *)bpf_get_current_task();
}

#define TASK_READ(task, field) (attrib_task_btf ? (task)->field : BPF_CORE_READ(task, field))

/*
 * The words at the top of the stack of an x86-64 task that came from user mode, down to orig_ax: the last of them are
 * struct pt_regs, below 16 bytes of padding on kernels built for FRED. orig_ax is the number of the system call, or -1
 * for an interrupt.
 */
static __noinline bool interrupted_as_probed(unsigned long top)
{
	enum { ORIG_AX_FRED = 0, ORIG_AX = 2, SS = 7, WORDS = 8, USER_SS = 0x2b };
	__u64 w[WORDS] = {};

	bpf_probe_read_kernel(w, sizeof(w), (const void *)(top - sizeof(w)));
	return ((__u16)w[SS] == USER_SS ? w[ORIG_AX] : w[ORIG_AX_FRED]) == ~0ULL;
}

static __always_inline bool interrupted_in_user_mode(struct task_struct *task, unsigned long top)
{
	if (attrib_task_btf)
		return ((struct pt_regs *)bpf_task_pt_regs(task))->orig_ax == ~0UL;
	return interrupted_as_probed(top);
}

static __always_inline bool preempt_count_known(struct task_struct *task)
{
	struct task_struct___int *t = (void *)task;

	return bpf_core_type_exists(struct lowcore) || bpf_core_field_exists(t->thread_info.preempt_count);
}

static __always_inline __u32 preempt_count(struct task_struct *task)
{
	struct task_struct___long *wide = (void *)task;
	struct task_struct___int *t = (void *)task;
	int count;

	if (bpf_core_type_exists(struct lowcore)) {
		if (bpf_probe_read_kernel(&count, sizeof(count),
					  (const void *)(long)bpf_core_field_offset(struct lowcore, preempt_count)))
			return ~0U; /* as in all kinds of interrupts: kernels may be told to have it elsewhere */
		return count;
	}
	if (bpf_core_field_size(t->thread_info.preempt_count) == sizeof(__u64))
		return TASK_READ(wide, thread_info.preempt_count);
	return TASK_READ(t, thread_info.preempt_count);
}

/*
 * False in hard and soft interrupts, where "current" is whoever was interrupted. Most architectures have the preempt count in
 * the task. x86-64 keeps it per CPU, out of reach without CONFIG_KALLSYMS_ALL; but interrupts that hit the kernel run on
 * stacks of their own, and a program's frame is on the stack it was called on. Those that hit user mode run on the
 * task's empty stack, and left their mark at its top. ksoftirqd is a kernel thread: see task_is_user().
 * frame: an address on the stack that the program was called on. From 6.13 on tracing programs have a stack of their own.
 */
static __always_inline bool task_context_at(struct task_struct *task, unsigned long frame)
{
	enum { INTERRUPTED = 0x00ff0100 }; /* NMI, hard interrupt, a soft one that is served: linux/preempt.h */
	unsigned long base;

	if (!attrib_softirq_stack)
		return false;
	if (preempt_count_known(task))
		return !(preempt_count(task) & INTERRUPTED);
	if (!bpf_core_field_exists(struct pt_regs, orig_ax))
		return false;
	base = (unsigned long)TASK_READ(task, stack);
	return frame - base < attrib_stack_size && !interrupted_in_user_mode(task, base + attrib_stack_size);
}

static __always_inline bool task_context(struct task_struct *task)
{
	int here;

	return task_context_at(task, pointer_value(&here));
}

/*
 * The number that a struct pid has in shown_pidns, else the initial one with PID_OUTSIDE. A global function, which the
 * verifier checks once and not at each call; on 5.10 such a function takes no pointers.
 */
__weak __attribute__((noinline)) __u32 pid_shown(unsigned long address)
{
	struct pid *pid = (void *)address;
	struct upid at = {};
	__u32 level;

	if (!shown_pidns)
		return 0;
	level = BPF_CORE_READ(pid, level);
	for (__u32 i = 1; i <= PIDNS_LEVELS && i <= level; i++) {
		bpf_probe_read_kernel(&at, sizeof(at),
				      (char *)pid + bpf_core_field_offset(pid->numbers) +
					      i * bpf_core_type_size(struct upid));
		if (BPF_CORE_READ(at.ns, ns.inum) == shown_pidns)
			return at.nr;
	}
	return BPF_CORE_READ(pid, numbers[0].nr) | PID_OUTSIDE;
}

/* tgid: as the kernel has it, which is the one that is shown unless we are in a pid namespace. */
static __always_inline __u32 task_tgid(struct task_struct *task, __u32 tgid)
{
	return shown_pidns ? pid_shown((unsigned long)BPF_CORE_READ(task, signal, pids[PIDTYPE_TGID])) : tgid;
}

/* The same for a thread, and for one of a process whose shown tgid is known. */
static __always_inline __u32 task_tid(struct task_struct *task, __u32 tid)
{
	return shown_pidns ? pid_shown((unsigned long)BPF_CORE_READ(task, thread_pid)) : tid;
}

static __always_inline __u32 task_tid_of(struct task_struct *task, __u32 shown_tgid)
{
	if (shown_pidns && TASK_READ(task, tgid) == TASK_READ(task, pid))
		return shown_tgid;
	return task_tid(task, TASK_READ(task, pid));
}

static __always_inline void task_comm(char *to, struct task_struct *task)
{
	if (attrib_task_btf) {
		((__u64 *)to)[0] = ((__u64 *)task->comm)[0];
		((__u64 *)to)[1] = ((__u64 *)task->comm)[1];
	} else {
		bpf_probe_read_kernel(to, EVENT_COMM_LEN, &task->comm);
	}
}

static __always_inline bool task_is_user(struct task_struct *task)
{
	return !(BPF_CORE_READ(task, flags) & PF_KTHREAD);
}

static __always_inline __u16 task_image(struct task_struct *task)
{
	return EVENT_IMAGE(TASK_READ(task, self_exec_id));
}

/* Up to 5.4. */
struct task_struct___real_start_time {
	__u64 real_start_time;
} CORE;

static __always_inline __u64 task_start(struct task_struct *task)
{
	struct task_struct___real_start_time *old;

	if (bpf_core_field_exists(task->start_boottime))
		return BPF_CORE_READ(task, group_leader, start_boottime);
	old = (void *)BPF_CORE_READ(task, group_leader);
	return BPF_CORE_READ(old, real_start_time);
}

/* In a pid namespace its start tells, which is 100 ns cheaper to read than its pid there. */
static __always_inline bool task_is_of(struct task_struct *task, const struct owner_rec *rec)
{
	if (!shown_pidns)
		return rec->tgid == task_tgid(task, TASK_READ(task, tgid));
	return rec->start == (attrib_task_btf ? task->group_leader->start_boottime : task_start(task));
}

/*
 * Whether rec names the user of the running task. Packet programs have no helper for it on older kernels. To walk a pointer of a
 * task makes the verifier look for names among all of the kernel's types, a ms each time.
 */
static __always_inline bool task_user_is(struct task_struct *task, const struct owner_rec *rec, bool often)
{
#ifdef HAVE_CURRENT_UID
	return rec->uid == (__u32)bpf_get_current_uid_gid();
#else
	if (often && attrib_task_btf)
		return rec->uid == task->cred->uid.val;
	return rec->uid == BPF_CORE_READ(task, cred, uid.val);
#endif
}

/* The program that the running task has, under the same user, is what rec names. */
static __always_inline bool task_is_owner(struct task_struct *task, const struct owner_rec *rec)
{
	return task_is_of(task, rec) && rec->image == task_image(task) && task_user_is(task, rec, false);
}

/* For what most packets are asked. */
static __always_inline bool task_is_owner_again(struct task_struct *task, const struct owner_rec *rec)
{
	return task_is_of(task, rec) && rec->image == task_image(task) && task_user_is(task, rec, true);
}

/* Up to 5.4, where a cgroup's inode has the first half for its number. */
struct kernfs_node___union {
	union kernfs_node_id {
		struct {
			__u32 ino;
		};
	} id;
} CORE;

static __always_inline __u64 task_cgroup(struct task_struct *task)
{
	struct kernfs_node___union *old;

	if (bpf_core_type_exists(union kernfs_node_id)) {
		old = (void *)BPF_CORE_READ(task, cgroups, dfl_cgrp, kn);
		return BPF_CORE_READ(old, id.ino);
	}
	return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
}

static __always_inline void fill_task(struct event_task *t, struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);
	unsigned int level = BPF_CORE_READ(pid, level);
	struct pid_namespace *pidns = NULL;

	t->start = task_start(task);
	t->cgroup = task_cgroup(task);
	t->parent_start = task_start(parent);
	t->tgid = task_tgid(task, BPF_CORE_READ(task, tgid));
	t->parent_tgid = task_tgid(parent, BPF_CORE_READ(parent, tgid));
	t->uid = BPF_CORE_READ(task, cred, uid.val);
	t->image = EVENT_IMAGE(BPF_CORE_READ(task, self_exec_id));
	t->mntns = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	t->netns = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
	/* The namespace the task lives in; nsproxy->pid_ns_for_children differs after unshare(). */
	bpf_probe_read_kernel(&pidns, sizeof(pidns),
			      (char *)pid + bpf_core_field_offset(pid->numbers) +
				      level * bpf_core_type_size(struct upid) + bpf_core_field_offset(struct upid, ns));
	t->pidns = BPF_CORE_READ(pidns, ns.inum);
	BPF_CORE_READ_STR_INTO(&t->comm, task, comm);
}

static __always_inline void event_queue(void *queue, const void *event)
{
	if (bpf_map_push_elem(queue, event, BPF_ANY))
		__sync_fetch_and_add(&attrib_lost, 1);
}

/* A function, as a queue takes as many bytes from the stack as the longest event has. */
static __noinline void short_queue(const void *event, __u32 size)
{
	union event_short any = {};

	if (size <= sizeof(any)) {
		bpf_probe_read_kernel(&any, size, event);
		event_queue(&ptcp_shorts, &any);
	}
}

/* Quiet unless the ring is filling up: user space drains it before every batch of packets anyway. */
static __always_inline void process_event(void *event, __u64 size, bool urgent)
{
	__u64 flags = BPF_RB_NO_WAKEUP;

	if (!attrib_ring) {
		short_queue(event, size);
		return;
	}
	if (urgent || bpf_ringbuf_query(&ptcp_process, BPF_RB_AVAIL_DATA) > (1 << 20))
		flags = BPF_RB_FORCE_WAKEUP;
	if (bpf_ringbuf_output(&ptcp_process, event, size, flags))
		__sync_fetch_and_add(&attrib_lost, 1);
}

static __always_inline __u32 select_clock(void)
{
	return bpf_ktime_get_ns() >> 30;
}

/* Whether packets of a process may be of a name that is asked for. */
static __always_inline bool name_possible(__u32 bits)
{
	return (bits & SELECT_PID_NAME) || (select_clock() << SELECT_PID_SINCE) - (bits & ~0U << SELECT_PID_SINCE) <
						   SELECT_NAME_KEEP << SELECT_PID_SINCE;
}

/* Whether user space has to hear at once of something in this network namespace. */
static __always_inline bool netns_is_news(__u32 inode)
{
	__u32 known = 1;

	if (!any_netns || bpf_map_lookup_elem(&ptcp_netns, &inode))
		return false;
	bpf_map_update_elem(&ptcp_netns, &inode, &known, BPF_ANY);
	return true;
}

#endif
