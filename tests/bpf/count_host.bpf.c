/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Counts packets whose owners are given, for BPF_PROG_TEST_RUN. */
#include "take.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct event_owner src, dst;
__u32 egress;
__u64 now;

SEC("tc") int host_count(struct __sk_buff *skb)
{
	struct event_packet *rec = scratch_get(bpf_get_smp_processor_id());

	if (!rec)
		return -1;
	skb_describe(skb, rec, 1, egress, 0);
	rec->ts = ++now;
	rec->src = src;
	rec->dst = dst;
	__builtin_memset(rec->comm, 0, sizeof(rec->comm));
	return count_skb(skb);
}
