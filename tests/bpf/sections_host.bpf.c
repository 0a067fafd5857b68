/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Programs of the sections that src/capture/sections.c loads. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u64 calls;

SEC("cgroup/recvmsg4")
int host_waits(struct bpf_sock_addr *ctx)
{
	__sync_fetch_and_add(&calls, 1);
	return 1;
}

/* The kernel wants 1. */
SEC("cgroup/recvmsg6")
int host_refused(struct bpf_sock_addr *ctx)
{
	__sync_fetch_and_add(&calls, 1);
	return 0;
}

SEC("tp_btf/task_rename")
int host_traces(void *ctx)
{
	__sync_fetch_and_add(&calls, 1);
	return 0;
}

SEC("tp_btf/task_newtask")
int host_traces_later(void *ctx)
{
	__sync_fetch_and_add(&calls, 1);
	return 0;
}
