/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What bpf/task.bpf.h finds out about the running task, for test_context.c. */
#include "task.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u32 known, count, in_task;

SEC("tc")
int host_context(struct __sk_buff *skb)
{
	struct task_struct *task = task_current();

	known = preempt_count_known(task);
	if (preempt_count_known(task))
		count = preempt_count(task);
	in_task = task_context(task);
	return 0;
}
