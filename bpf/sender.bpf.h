/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Whether the task that runs sends the packet. */
#ifndef SENDER_BPF_H
#define SENDER_BPF_H

#include "lookup.bpf.h"

/*
 * Whether the task that runs is who sends, and not one on whose stack a packet is received that this answers: what a
 * process writes to a tun device, or reads from a device that it polls. Who sends or reads on a stream holds the
 * lock of its socket; others answer from sockets of the kernel's own, which else act for the task (looking for neighbours,
 * joining groups).
 */
static __always_inline bool task_sends(const struct owner_scratch *S, struct bpf_sock *full)
{
	const struct flow_key *k = &S->flow[FLOW_SRC];

	if (!full)
		return false;
	if (full->type == SOCK_STREAM)
		return socket_is_locked(full);
	if (k->proto == IPPROTO_TCP || S->head.inner_off || icmp_answers(k))
		return !socket_is_kernel(full);
	return true;
}

/*
 * The task that runs sends, and is not known for the socket's user. What else would tell that costs more: sock_send_length
 * is there for every call of every socket, and for sendmsg4/6 the kernel locks the socket. Global: see lookup_tcp().
 */
__weak __noinline int sender_note(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	if (sk)
		sk = bpf_sk_fullsock(sk);
	/* A listener answers whoever asks. What is received on this task's stack meanwhile answers by sockets that it does not use. */
	if (!sk || (sk->state == BPF_TCP_LISTEN && sk->protocol == IPPROTO_TCP))
		return 0;
	if (sk->type == SOCK_STREAM || sk->type == SOCK_SEQPACKET ? socket_is_locked(sk) : !socket_is_kernel(sk))
		owner_note(sk, bpf_get_socket_cookie(skb), true, true);
	return 0;
}

/* Of a socket that no program at cgroup_skb sees, of AF_PACKET for instance. Its flow is then told anew, too. */
static __always_inline void sender_publish(struct owner_scratch *S, struct bpf_sock *sk, __u64 cookie)
{
	struct owner_rec *rec = bpf_sk_storage_get(&ptcp_sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);

	S->rec.cookie = cookie;
	S->rec.certain = 1;
	S->rec.source = 0;
	if (!rec)
		return;
	rec->flow = 0;
	if (owner_publish(rec, &S->rec))
		owner_tell(&S->rec, cookie);
}

/* The sending task is the owner, which is news. told: it was noted at cgroup_skb, where that sees it. */
static __always_inline void owner_store_current(struct __sk_buff *skb, struct owner_scratch *S, struct bpf_sock *full,
						struct task_struct *task, bool told)
{
	struct owner_rec *rec;

	owner_current(&S->rec, task);
	if (!full || socket_is_kernel(full))
		return;
	if (!told)
		sender_note(skb);
	else if (full->family != AF_INET && full->family != AF_INET6)
		sender_publish(S, full, bpf_get_socket_cookie(skb));
	rec = bpf_sk_storage_get(&ptcp_sockets, full, NULL, 0);
	if (rec && S->flow[FLOW_SRC].proto)
		flow_remember(S, rec, FLOW_SRC);
}

/* Likewise, for programs at devices. Global: see lookup_tcp(). */
__weak __noinline int sender_store(struct __sk_buff *skb)
{
	struct owner_scratch *S = owner_scratch_get(OWNER_SLOT);
	struct bpf_sock *sk = skb->sk;

	if (S && sk)
		owner_store_current(skb, S, bpf_sk_fullsock(sk), task_current(), attrib_egress_told);
	return 0;
}

#endif
