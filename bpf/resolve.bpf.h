/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Whose packet it is, for programs that may look up sockets and read packets directly (tc): the order of questions. */
#ifndef RESOLVE_BPF_H
#define RESOLVE_BPF_H

#include <ptcpdump/config.h>

#include "lookup.bpf.h"
#include "nat.bpf.h"
#include "sender.bpf.h"
#include "tunnel.bpf.h"
#include "verdict.bpf.h"

/*
 * What most packets that are sent are: another one of the task that used the socket last, and of the flow that it told
 * last. As source_by_socket(), with fewer copies and calls. False: that has to look.
 */
static __always_inline bool source_again(struct __sk_buff *skb, struct owner_scratch *S, struct event_packet *e)
{
	struct task_struct *task = task_current();
	const struct flow_key *k = &S->flow[FLOW_SRC];
	struct bpf_sock *sk = skb->sk;
	struct owner_rec *rec;
	__u64 cookie;

	if (!sk || flow_again(S, k))
		return false;
	rec = bpf_sk_storage_get(&ptcp_sockets, sk, NULL, 0);
	if (!rec || !rec->certain || !task_is_owner_again(task, rec) || rec->flow != flow_short(k))
		return false;
	if ((TASK_READ(task, flags) & PF_KTHREAD) || !task_context(task))
		return false;
	/* Only those that a listener made have inherited what they have from another socket. */
	cookie = rec->cookie;
	if (k->proto != IPPROTO_UDP && cookie != bpf_get_socket_cookie(skb))
		return false;
	e->src.start = rec->start;
	e->src.cookie = cookie;
	e->src.tgid = rec->tgid;
	e->src.tid = task_tid_of(task, rec->tgid);
	e->src.uid = rec->uid;
	e->src.image = rec->image;
	e->src.source = OWNER_CURRENT;
	task_comm(e->comm, task);
	S->provisional = 0;
	if (select_kinds)
		S->rec = *rec;
	return true;
}

/*
 * Since Linux 6.13 the kernel's own answers (resets, acknowledgements of requests) carry the socket that made them, which is the
 * listener when that of the connection is gone. Only a SYN-ACK is a listener's own.
 */
static __always_inline bool answers_for_another(const struct owner_scratch *S, const struct bpf_sock *full)
{
	return full && full->state == BPF_TCP_LISTEN && S->flow[FLOW_SRC].proto == IPPROTO_TCP &&
	       !tcp_is(S, TCPHDR_SYN | TCPHDR_ACK);
}

/* With OWNER_CURRENT: the running task was not known as the owner. */
enum { NEWS = 0x100 };

/*
 * The source end by the socket on the skb, in S->rec. Returns OWNER_NONE when that tells nothing but, in S->rec, a cookie to wait
 * for. Global: see lookup_tcp().
 */
__weak __noinline int source_by_socket(struct __sk_buff *skb, __u32 egress)
{
	struct owner_scratch *S = owner_scratch_get(OWNER_SLOT);
	struct task_struct *task = task_current();
	struct bpf_sock *sk = skb->sk, *full;
	__u64 cookie;
	bool found;

	if (!S)
		return OWNER_NONE;
	__builtin_memset(&S->rec, 0, sizeof(S->rec));
	if (!sk)
		return OWNER_NONE;
	cookie = bpf_get_socket_cookie(skb);
	full = bpf_sk_fullsock(sk);
	if (answers_for_another(S, full))
		return OWNER_NONE;
	found = owner_of_socket(S, full, cookie, FLOW_SRC);
	if (egress && !(TASK_READ(task, flags) & PF_KTHREAD) && task_context(task) && task_sends(S, full))
		return found && !S->provisional && task_is_owner(task, &S->rec) ? OWNER_CURRENT : OWNER_CURRENT | NEWS;
	if (found && full && full->state == BPF_TCP_LISTEN) {
		/* a SYN cookie: no request socket exists, and the SYN's stand-in is all there is */
		S->provisional = 1;
		S->rec.cookie = flow_cookie(&S->flow[FLOW_SRC]);
	}
	if (found)
		return full ? OWNER_STORAGE : OWNER_COOKIE;
	if (!full && owner_of_listener(S, sk, cookie)) {
		if (!cookie)
			S->rec.cookie = flow_cookie(&S->flow[FLOW_SRC]);
		return OWNER_LISTENER;
	}
	S->rec.cookie = cookie;
	return OWNER_NONE;
}

/* Read anew each time: a verifier that knows it checks all that follows twice. */
static __always_inline bool leaves(const struct event_packet *e)
{
	return *(const volatile __u8 *)&e->dir == EVENT_DIR_OUT;
}

static __always_inline enum owner_verdict resolve_source(struct __sk_buff *skb, struct owner_scratch *S,
							 struct event_packet *e)
{
	__u32 source;

	if (leaves(e) && source_again(skb, S, e))
		return select_kinds ? owner_judge(S) : OWNER_MATCH;
	source = source_by_socket(skb, leaves(e));
	/* Not by that function: all that call each other share 512 bytes of stack. */
	if (source & NEWS)
		sender_store(skb);
	source &= ~NEWS;
	if (source == OWNER_CURRENT) {
		S->provisional = 0;
		S->rec.source = 0;
		S->rec.tid = task_tid_of(task_current(), S->rec.tgid);
		task_comm(e->comm, task_current());
	}
	if (source)
		return owner_take(&e->src, S, source);
	e->src.cookie = S->rec.cookie;
	e->src.flags = S->provisional ? OWNER_F_PROVISIONAL : 0;
	if (!S->flow[FLOW_SRC].proto)
		return OWNER_NO;
	/* Ports that NAT has given to this flow may have been another's before. */
	if (nat_changes(skb, S, e->ifindex) && nat_source(S))
		return owner_take(&e->src, S, OWNER_CONNTRACK);
	/* A SYN-ACK may follow a dead connection of the same tuple: its socket tells, the flow map does not. */
	if (!tcp_is(S, TCPHDR_SYN | TCPHDR_ACK) && flow_get(S, FLOW_SRC))
		return owner_take(&e->src, S, OWNER_FLOW);
	if (attrib_forwarded && forward_get(S, FLOW_SRC))
		return owner_take(&e->src, S, OWNER_FLOW);
	if ((leaves(e) || skb->ifindex == LOOPBACK_IFINDEX) && lookup(skb, S, FLOW_SRC, false))
		return owner_take(&e->src, S, OWNER_LOOKUP);
	return e->src.flags ? OWNER_MAYBE : OWNER_NO;
}

/* The INIT of an association with this machine: see init_tell(). What it waits for is in S->rec.cookie. Global: see lookup_tcp(). */
__weak __noinline int init_wait(struct __sk_buff *skb)
{
	struct owner_scratch *S = owner_scratch_get(OWNER_SLOT);
	const struct flow_key *k;

	if (!S || !destination_local(skb, FLOW_DST))
		return false;
	k = &S->flow[FLOW_DST];
	__builtin_memset(&S->rec, 0, sizeof(S->rec));
	S->rec.cookie = flow_cookie(k);
	flows_put(k, &S->rec, BPF_NOEXIST);
	return true;
}

/* The receiver of what comes back to us from where NAT has sent it: its socket is as the request was. */
static __always_inline bool nat_own(struct __sk_buff *skb, struct owner_scratch *S)
{
	if (S->nat != NAT_REPLY)
		return false;
	S->flow[FLOW_INNER] = S->flow[FLOW_HEARD];
	S->flow[FLOW_INNER].netns = S->flow[FLOW_DST].netns;
	return lookup(skb, S, FLOW_INNER, false);
}

static __always_inline enum owner_verdict resolve_destination(struct __sk_buff *skb, struct owner_scratch *S,
							      struct event_packet *e)
{
	bool nat;
	enum owner_verdict verdict;
	int waits = -1;

	if (S->head.sctp_chunk == SCTP_CID_INIT && (!leaves(e) || skb->ifindex == LOOPBACK_IFINDEX) && init_wait(skb)) {
		e->dst.cookie = S->rec.cookie;
		e->dst.flags = OWNER_F_PROVISIONAL;
		return OWNER_MAYBE;
	}
	/* A published port: a socket of ours on the same port (docker-proxy) gets nothing of this flow. */
	if (attrib_published && !leaves(e) && S->flow[FLOW_DST].proto == IPPROTO_UDP && flow_get(S, FLOW_DST) &&
	    S->rec.forwarded)
		return owner_take(&e->dst, S, OWNER_CONNTRACK);
	if (nat_destination(S) || (S->nat && !leaves(e) && nat_own(skb, S)))
		return owner_take(&e->dst, S, OWNER_CONNTRACK);
	S->provisional = 0;
	/* Sent elsewhere: no socket of this namespace receives it, but one that sent through us before might. */
	if ((!leaves(e) || skb->ifindex == LOOPBACK_IFINDEX) && lookup(skb, S, FLOW_DST, tcp_is(S, TCPHDR_SYN))) {
		if (S->head.more_frags && !S->provisional) {
			flow_fragment(S);
			flows_put(&S->flow[FLOW_INNER], &S->rec, BPF_ANY);
		}
		nat = !leaves(e) && !S->nat && S->state == BPF_TCP_LISTEN &&
		      nat_possible(S, &S->flow[FLOW_DST], e->ifindex, e->ts);
		verdict = owner_take(&e->dst, S, OWNER_LOOKUP);
		if (!nat)
			return verdict;
		e->dst.flags |= OWNER_F_NAT;
		return select_kinds ? OWNER_MAYBE : OWNER_MATCH;
	}
	/* A socket that the scan has not come to. */
	if (!attrib_scanned && S->provisional) {
		e->dst.cookie = S->rec.cookie;
		e->dst.flags = OWNER_F_PROVISIONAL;
		return OWNER_MAYBE;
	}
	/* A forwarded SYN may follow a dead connection, too. */
	if (!(attrib_forwarded && tcp_is(S, TCPHDR_SYN)) &&
	    (flow_get(S, FLOW_DST) || (attrib_forwarded && forward_get(S, FLOW_DST))))
		return owner_take(&e->dst, S, OWNER_FLOW);
	if (attrib_forwarded && (tcp_is(S, TCPHDR_SYN) || S->flow[FLOW_DST].proto == IPPROTO_UDP))
		waits = forward_wait(skb, leaves(e), e->ts);
	if (waits >= 0) {
		e->dst.cookie = S->rec.cookie;
		e->dst.flags = waits;
		if (waits)
			return OWNER_MAYBE;
	}
	if (!S->head.inner_off)
		return OWNER_NO;
	__builtin_memset(&S->flow[FLOW_INNER], 0, sizeof(S->flow[FLOW_INNER]));
	S->flow[FLOW_INNER].netns = e->netns;
	if (!parse_packet(skb, FLOW_INNER, S->head.inner_off,
			  S->flow[FLOW_SRC].proto == IPPROTO_ICMP ? ETH_P_IP : ETH_P_IPV6, OWNER_SLOT))
		return OWNER_NO;
	if (flow_get(S, FLOW_INNER) || (attrib_forwarded && forward_get(S, FLOW_INNER)) ||
	    lookup(skb, S, FLOW_INNER, false))
		return owner_take(&e->dst, S, OWNER_ICMP);
	return OWNER_NO;
}

/* Whether a process of this namespace has made this packet of an overlay, or gets it, by a socket of its own. */
static __always_inline bool tunnel_of_process(struct __sk_buff *skb, struct owner_scratch *S, bool egress)
{
	const struct flow_key *k = &S->flow[FLOW_SRC];
	struct bpf_sock *sk = egress ? skb->sk : NULL;

	if (sk)
		sk = bpf_sk_fullsock(sk);
	/* The packet has kept the socket of the inner one. */
	if (sk)
		return sk->protocol == k->proto && (k->proto != IPPROTO_UDP || sk->src_port == bpf_ntohs(k->lport));
	if (egress || k->proto != IPPROTO_UDP)
		return false;
	flow_flip(&S->flow[FLOW_DST], k);
	return lookup_udp(skb, FLOW_DST);
}

static __always_inline void tunnel_enter(struct __sk_buff *skb, struct owner_scratch *S, __u32 off, __u32 protocol,
					 bool egress)
{
	if (is_tunnel(S) && !tunnel_of_process(skb, S, egress))
		tunnel_packet(skb, off, protocol, OWNER_SLOT);
}

/*
 * Fills e->src, e->dst and e->comm. The caller has set e->netns (of the device), e->protocol (network protocol,
 * host order) and e->flags; e may be stack, map or ring memory.
 */
static __always_inline enum owner_verdict owner_resolve(struct __sk_buff *skb, struct event_packet *e, bool egress)
{
	enum owner_verdict src, dst = OWNER_NO;
	__u32 l3 = network_offset(e);
	struct owner_scratch *S;

	__builtin_memset(&e->src, 0, sizeof(e->src));
	__builtin_memset(&e->dst, 0, sizeof(e->dst));
	__builtin_memset(e->comm, 0, sizeof(e->comm));
	if (attrib_off)
		return OWNER_MATCH;
	S = owner_scratch_get(OWNER_SLOT);
	if (!S)
		return OWNER_MATCH;
	/* What is not cleared is written before it is read. */
	__builtin_memset(&S->flow[FLOW_SRC], 0, sizeof(S->flow[FLOW_SRC]));
	S->flow[FLOW_DST].proto = 0;
	S->nat = NAT_NONE;
	__builtin_memset(&S->head, 0, sizeof(S->head));
	S->flow[FLOW_SRC].netns = e->netns;
	if (parse_direct(skb, &S->head, &S->flow[FLOW_SRC], l3, e->protocol) ||
	    parse_packet(skb, FLOW_SRC, l3, e->protocol, OWNER_SLOT)) {
		tunnel_enter(skb, S, l3, e->protocol, egress);
		parse_ends(S);
	}
	S->provisional = 0;
	src = resolve_source(skb, S, e);
	if (S->flow[FLOW_DST].proto)
		dst = resolve_destination(skb, S, e);
	return packet_judge(e, src, dst);
}

#endif
