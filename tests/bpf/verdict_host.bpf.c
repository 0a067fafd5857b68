/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What the process filter says of a packet whose owners are given, for BPF_PROG_TEST_RUN. */
#include "take.bpf.h"

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

__u32 l3;    /* the packet starts with its IP header */
__u32 told;  /* of it in its record: EVENT_PKT_* */
__u32 taken; /* in spite of OWNER_NO, as the rest of the expression matches */

/* In this section, where the rest of an expression can be put in. */
SEC(FILTER_SEC_TC) int host_verdict(struct __sk_buff *skb)
{
	struct owner_scratch *S = owner_scratch_get(OWNER_SLOT);
	struct event_packet e = {};
	enum owner_verdict src, dst, verdict;

	if (!S)
		return -1;
	src = judge(S, 0);
	dst = judge(S, 1);
	verdict = packet_judge(&e, src, dst);
	told = e.flags;
	taken = verdict == OWNER_NO && take_rest(skb, false, l3 ? EVENT_PKT_L3 : 0);
	return verdict;
}
