/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What becomes of the process filter when a process forks, for BPF_PROG_TEST_RUN. */
#include "process.bpf.c"

__u32 parent, child, uid;

SEC("tc") int host_fork(struct __sk_buff *skb)
{
	filter_fork(parent, child, uid);
	return 0;
}
