/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What the process filter says of a packet whose owners are given, for BPF_PROG_TEST_RUN. */
#include "verdict.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Of the source and the destination. */
struct owner_rec owners[2];
__u32 provisional[2];

static __always_inline enum owner_verdict judge(struct owner_scratch *S, __u32 end)
{
	S->rec = owners[end];
	S->provisional = provisional[end];
	return owner_judge(S);
}

SEC("tc") int host_verdict(struct __sk_buff *skb)
{
	struct owner_scratch *S = owner_scratch_get(OWNER_SLOT);
	struct event_packet e = {};
	enum owner_verdict src, dst;

	if (!S)
		return -1;
	src = judge(S, 0);
	dst = judge(S, 1);
	return packet_judge(&e, src, dst);
}
