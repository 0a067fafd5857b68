/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Processes outside of shown_pidns that ran before the capture: /proc does not show them, and no event tells of them
 * unless they execute something.
 */
#ifndef OUTSIDE_BPF_H
#define OUTSIDE_BPF_H

#include "task.bpf.h"

/* tgid -> start of those that were told */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} ptcp_outside SEC(".maps") __weak;

/* address: of the process's main thread. A global function, which the verifier checks once. */
__weak __attribute__((noinline)) int outside_tell(unsigned long address, __u32 tgid)
{
	struct event_seen e = { .type = EVENT_SEEN };
	struct task_struct *leader = (void *)address;
	__u64 start, *told;

	if (!shown_pidns)
		return 0;
	start = task_start(leader);
	told = bpf_map_lookup_elem(&ptcp_outside, &tgid);
	if (told && *told == start)
		return 0;
	bpf_map_update_elem(&ptcp_outside, &tgid, &start, BPF_ANY);
	/* Their comm is all that is known of their names. */
	if (select_kinds & SELECT_NAME)
		select_by_comm(tgid, leader->comm);
	e.ts = bpf_ktime_get_ns();
	fill_task(&e.task, leader);
	process_event(&e, sizeof(e), false);
	return 0;
}

#endif
