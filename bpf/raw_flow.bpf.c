/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Whose flows, where programs at cgroup_skb cannot tell: before Linux 5.8 these may not ask who runs, and some machines have
 * no cgroup v2. Raw tracepoints can, and see what a task sends before any tap does, and who reads from a connection. Who only
 * receives datagrams they do not see: user space looks for it in /proc (src/capture/owners_proc.c).
 * What they need of a kernel is in Linux 5.4; fields that were bits or had other names there are read as such.
 */
#include "anywhere.bpf.h"
#include "memory.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* frame: see task_context_at(). */
static __always_inline bool by_task(struct task_struct *task, unsigned long frame)
{
	return task_context_at(task, frame) && task_is_user(task);
}

static __always_inline bool is_locked(struct sock *s)
{
	return BPF_CORE_READ(s, sk_lock.owned);
}

/* Requests and sockets in TIME_WAIT are shorter than others. */
static __always_inline bool is_full(struct sock *s)
{
	__u8 state = BPF_CORE_READ(s, __sk_common.skc_state);

	return state != BPF_TCP_NEW_SYN_RECV && state != BPF_TCP_TIME_WAIT && state != BPF_TCP_LISTEN;
}

/* The packet is one that this socket sends, and not that of a tunnel around it. */
static __always_inline bool is_of_socket(struct sock *s, const struct flow_key *k)
{
	__u16 family = BPF_CORE_READ(s, __sk_common.skc_family);
	__u16 protocol = BPF_CORE_READ_BITFIELD_PROBED(s, sk_protocol);

	if (family != AF_INET && family != AF_INET6)
		return true;
	if (protocol == IPPROTO_RAW)
		return true;
	return protocol == k->proto &&
	       (k->proto != IPPROTO_UDP || BPF_CORE_READ(s, __sk_common.skc_num) == bpf_ntohs(k->lport));
}

/* As task_sends(), by what a tracepoint can read. */
static __always_inline bool socket_sends(const struct owner_scratch *S, struct sock *s)
{
	const struct flow_key *k = &S->flow[FLOW_SRC];

	if (!is_of_socket(s, k))
		return false;
	if (k->proto == IPPROTO_TCP)
		return is_locked(s);
	return !BPF_CORE_READ_BITFIELD_PROBED(s, sk_kern_sock) && !S->head.inner_off && !icmp_answers(k);
}

static __always_inline void flow_note(struct owner_scratch *S, struct task_struct *task, struct sock *s)
{
	const struct owner_rec *old;

	if (!owner_current(&S->rec, task))
		return;
	old = flows_find(&S->flow[FLOW_SRC]);
	if (old && owner_same(old, &S->rec) && old->uid != S->rec.uid)
		owner_user_changed(&S->rec, old->uid);
	if (!attrib_forwarded && socket_elsewhere((unsigned long)s))
		attrib_forwarded = 1;
	if (shown_pidns && S->rec.tgid & PID_OUTSIDE)
		outside_tell((unsigned long)BPF_CORE_READ(task, group_leader), S->rec.tgid);
	S->rec.certain = 1;
	flow_remember_now(FLOW_SRC, S->slot);
	flow_anywhere(S, &S->flow[FLOW_SRC], false);
}

static __always_inline struct owner_scratch *flow_begin(void)
{
	struct owner_scratch *S = owner_scratch_get(OWNER_SLOT);

	if (S)
		__builtin_memset(S, 0, offsetof(struct owner_scratch, flow[FLOW_SENT]));
	return S;
}

SEC("raw_tp/net_dev_queue")
int BPF_PROG(ptcp_flow_queue, struct sk_buff *skb)
{
	struct sock *sk = BPF_CORE_READ(skb, sk);
	struct task_struct *task = task_current();
	struct owner_scratch *S;
	__u64 head;

	if (!sk || BPF_CORE_READ(skb, skb_iif) || !by_task(task, pointer_value(ctx)) || !is_full(sk))
		return 0;
	S = flow_begin();
	if (!S)
		return 0;
	head = (__u64)BPF_CORE_READ(skb, head);
	S->head.start = head + BPF_CORE_READ(skb, network_header);
	S->head.linear = (__u32)(head + BPF_CORE_READ(skb, tail) - S->head.start);
	S->flow[FLOW_SRC].netns = BPF_CORE_READ(skb, dev, nd_net.net, ns.inum);
	if (!parse_memory(FLOW_SRC, 0, bpf_ntohs(BPF_CORE_READ(skb, protocol)), OWNER_SLOT) || S->head.later_frag ||
	    !S->flow[FLOW_SRC].proto || !socket_sends(S, sk))
		return 0;
	/* See ptcp_flow_out. */
	S->begins = S->flow[FLOW_SRC].proto != IPPROTO_TCP || tcp_is(S, TCPHDR_SYN);
	flow_note(S, task, sk);
	return 0;
}

/* Who reads from a connection, whether or not anything comes of it. */
SEC("raw_tp/tcp_rcv_space_adjust")
int BPF_PROG(ptcp_flow_read, struct sock *sk)
{
	struct task_struct *task = task_current();
	struct owner_scratch *S;

	if (!by_task(task, pointer_value(ctx)) || !is_locked(sk))
		return 0;
	S = flow_begin();
	if (!S || !flow_of_socket(&S->flow[FLOW_SRC], (unsigned long)sk))
		return 0;
	S->flow[FLOW_SRC].proto = IPPROTO_TCP;
	flow_note(S, task, sk);
	return 0;
}
