/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* From sockets and flows to their owners. */
#ifndef LOOKUP_BPF_H
#define LOOKUP_BPF_H

#include "owner.bpf.h"
#include "parse.bpf.h"
#include "scratch.bpf.h"

/*
 * SCTP sockets cannot be looked up. An INIT waits with the stand-in of its tuple for who answers it; where that is not
 * known yet, its entry in ptcp_flows, which names nobody, asks the next packet of the same end.
 */
static __always_inline void init_tell(struct owner_scratch *S, const struct flow_key *k)
{
	struct owner_rec *old = flows_find(k);

	if (S->head.sctp_chunk == SCTP_CID_INIT_ACK || (old && !old->tgid))
		owner_tell(&S->rec, flow_cookie(k));
}

/* The end of a connection, whose socket is soon gone, or the answer to an INIT. */
static __always_inline bool flow_again(const struct owner_scratch *S, const struct flow_key *k)
{
	return (k->proto == IPPROTO_TCP && (S->head.tcp_flags & (TCPHDR_FIN | TCPHDR_RST))) ||
	       S->head.sctp_chunk == SCTP_CID_INIT_ACK;
}

/* Of whom the flow has been, whose packets may be looked at later, where S->rec is of another. */
static __noinline void flow_tell(const struct owner_scratch *S, const struct flow_key *k)
{
	const struct owner_rec *old = flows_find(k);
	struct event_flow e = { .type = EVENT_FLOW };

	if (!old || !old->tgid || (owner_same(old, &S->rec) && old->uid == S->rec.uid))
		return;
	e.ts = bpf_ktime_get_ns();
	e.flow = flow_hash(k);
	e.before.start = old->start;
	e.before.cookie = old->cookie;
	e.before.tgid = old->tgid;
	e.before.tid = old->tid;
	e.before.uid = old->uid;
	e.before.source = old->source;
	e.before.image = old->image;
	process_event(&e, sizeof(e), false);
}

/* Whether there is no need to insert it, which takes an LRU map ten times what it takes to find, and so to keep, it. */
static __always_inline bool flow_is_known(const struct owner_scratch *S, const struct flow_key *k)
{
	struct owner_rec *old = flows_find(k);

	if (!old || old->start != S->rec.start || !owner_same(old, &S->rec))
		return false;
	owner_renew(old, &S->rec);
	return true;
}

/* Not 0: what was told of a socket that has only been made is told again when it is used. */
static __always_inline __u32 flow_told(const struct owner_scratch *S, const struct flow_key *k)
{
	return S->rec.certain ? flow_short(k) : flow_short(k) ^ 2;
}

/* Global: see lookup_tcp(). */
__weak __noinline int flow_remember_now(__u32 which, __u32 slot)
{
	struct owner_scratch *S = owner_scratch_get(slot);
	struct flow_key *k;

	if (!S)
		return 0;
	k = scratch_flow(S, which);
	if (k->proto == IPPROTO_SCTP)
		init_tell(S, k);
	if (flows_told && S->begins)
		flow_tell(S, k);
	if (!flow_is_known(S, k))
		flows_put(k, &S->rec, BPF_ANY);
	return 0;
}

/* Tells ptcp_flows whose tuple it is; rec is what is known of the socket. Once per socket and tuple, and flow_again(). */
static __always_inline void flow_remember(struct owner_scratch *S, struct owner_rec *rec, __u32 which)
{
	const struct flow_key *k = scratch_flow(S, which);
	__u32 told = flow_told(S, k);

	if (rec->flow == told && !flow_again(S, k))
		return;
	flow_remember_now(which, S->slot);
	rec->flow = told;
}

/*
 * What is known of a socket goes to S->rec. full: the socket when it has storage. cookie 0: it has none yet.
 * which: its flow, FLOWS not to remember it.
 */
static __always_inline bool owner_of_socket(struct owner_scratch *S, struct bpf_sock *full, __u64 cookie, __u32 which)
{
	struct owner_rec *rec = NULL, *other, *adopted;
	const struct flow_key *k;

	S->provisional = 0;
	if (full)
		/* Before the scan has seen it, an unknown socket is one whose owner will be told. */
		rec = bpf_sk_storage_get(&ptcp_sockets, full, NULL, attrib_scanned ? 0 : BPF_SK_STORAGE_GET_F_CREATE);
	if (rec && owner_provisional(rec, cookie)) {
		other = cookie ? bpf_map_lookup_elem(&ptcp_cookies, &cookie) : NULL;
		if (other && other->certain)
			rec = other;
		else
			S->provisional = owner_expose(rec, cookie);
	}
	if (!rec && cookie) {
		rec = bpf_map_lookup_elem(&ptcp_cookies, &cookie);
		if (rec && owner_provisional(rec, cookie))
			S->provisional = owner_expose(rec, cookie);
		if (full && full->state == BPF_TCP_LISTEN) {
			adopted = listener_adopt(full, rec);
			if (adopted)
				owner_expose(adopted, cookie);
		}
	}
	if (!rec)
		return false;
	S->rec = *rec;
	S->rec.cookie = cookie;
	if (S->rec.tgid == 0) {
		S->provisional = !attrib_scanned;
		if (!cookie)
			S->rec.cookie = socket_stand_in(full);
		return false;
	}
	if (which >= FLOWS)
		return true;
	k = scratch_flow(S, which);
	if (!k->proto)
		return true;
	/*
	 * What was only made by its owner may go in: flow_get() asks again. What a child inherited may not, before its
	 * end: nobody may ever accept it, or nobody that we see, as with subflows of MPTCP.
	 */
	if (!S->provisional || rec->cookie == cookie) {
		flow_remember(S, rec, which);
	} else if (k->proto == IPPROTO_TCP && (S->head.tcp_flags & (TCPHDR_FIN | TCPHDR_RST))) {
		S->rec.certain = 0;
		flow_remember(S, rec, which);
	}
	return true;
}

/* A request socket (SYN-ACK) belongs to its listener until someone accepts. */
static __always_inline bool owner_of_listener(struct owner_scratch *S, struct bpf_sock *sk, __u64 cookie)
{
	struct bpf_sock *listener = bpf_get_listener_sock(sk);
	struct owner_rec *rec;

	if (!listener)
		return false;
	rec = bpf_sk_storage_get(&ptcp_sockets, listener, NULL, 0);
	if (!rec)
		return false;
	owner_expose(rec, cookie);
	S->rec = *rec;
	S->rec.cookie = cookie;
	S->provisional = 1;
	return S->rec.tgid != 0;
}

/* As flow_end(), of a flow that is in a map: of what comes from there, the verifier remembers nothing. */
static __always_inline bool flow_may_be(__u64 end)
{
	return flow_ends[flow_end_slot(end) % FLOW_ENDS];
}

static __always_inline bool flow_read(struct owner_scratch *S, const struct flow_key *k)
{
	struct owner_rec *rec = flows_find(k), *now;
	__u64 cookie;

	/* Who makes it certain in this moment may not see that somebody waits. */
	if (rec && rec->forwarded && !rec->certain) {
		forward_ask(rec);
		rec = flows_find(k);
	}
	if (!rec)
		return false;
	cookie = rec->cookie;
	/* whoever uses the socket by now */
	now = cookie && (!rec->certain || attrib_moved) ? bpf_map_lookup_elem(&ptcp_cookies, &cookie) : NULL;
	S->rec = now && now->tgid ? *now : *rec;
	S->rec.forwarded = rec->forwarded;
	S->provisional = rec->forwarded && !S->rec.certain;
	return S->rec.tgid != 0;
}

/* Global: see lookup_tcp(). */
__weak __noinline int flow_get_once(__u32 which, __u32 slot)
{
	struct owner_scratch *S = owner_scratch_get(slot);

	return S && flow_read(S, scratch_flow(S, which));
}

/* The owner of a flow of ptcp_flows into S->rec. */
static __always_inline bool flow_get(const struct owner_scratch *S, __u32 which)
{
	return flow_may_be(flow_end_mixed(&S->flow[which])) && flow_get_once(which, S->slot);
}

__weak __noinline int forward_get_once(__u32 which, __u32 slot)
{
	struct owner_scratch *S = owner_scratch_get(slot);

	if (!S || !flow_forwardable(scratch_flow(S, which)))
		return false;
	S->flow[FLOW_FORWARD] = *scratch_flow(S, which);
	S->flow[FLOW_FORWARD].netns = 0;
	return flow_read(S, &S->flow[FLOW_FORWARD]);
}

/* Likewise, of a flow of another namespace, which its own end sees as this one. */
static __always_inline bool forward_get(const struct owner_scratch *S, __u32 which)
{
	const struct flow_key *k = &S->flow[which];

	return flow_may_be(flow_end_mixed(k) ^ k->netns) && forward_get_once(which, S->slot);
}

/*
 * Is the flow's local end, the packet's destination, one of our addresses? Else a wildcard socket on the same port is not meant.
 * Global: see lookup_tcp().
 */
__weak __noinline int destination_local(struct __sk_buff *skb, __u32 which)
{
	struct bpf_fib_lookup fib = { .ifindex = skb->ifindex };
	struct owner_scratch *S = owner_scratch_get(OWNER_SLOT);
	const struct flow_key *k;
	long ret;

	if (!S)
		return false;
	k = scratch_flow(S, which);
	if (addr_is_v4(k->l)) {
		fib.family = AF_INET;
		fib.ipv4_src = k->r[3];
		fib.ipv4_dst = k->l[3];
	} else {
		fib.family = AF_INET6;
		__builtin_memcpy(fib.ipv6_src, k->r, sizeof(fib.ipv6_src));
		__builtin_memcpy(fib.ipv6_dst, k->l, sizeof(fib.ipv6_dst));
	}
	ret = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (ret == BPF_FIB_LKUP_RET_FWD_DISABLED)
		return skb->pkt_type != PACKET_OTHERHOST;
	return ret == BPF_FIB_LKUP_RET_NOT_FWDED || ret < 0;
}

/* A socket bound to the address itself: it is ours then, and the route need not be looked up. */
static __always_inline bool bound_to_destination(struct bpf_sock *sk, const struct flow_key *k)
{
	return sk->family == AF_INET && k->l[0] == 0 && k->l[1] == 0 && sk->src_ip4 == k->l[3];
}

static __always_inline __u32 tuple_of_flow(struct bpf_sock_tuple *t, const struct flow_key *k)
{
	if (addr_is_v4(k->l)) {
		t->ipv4.saddr = k->r[3];
		t->ipv4.daddr = k->l[3];
		t->ipv4.sport = k->rport;
		t->ipv4.dport = k->lport;
		return sizeof(t->ipv4);
	}
	__builtin_memcpy(t->ipv6.saddr, k->r, sizeof(t->ipv6.saddr));
	__builtin_memcpy(t->ipv6.daddr, k->l, sizeof(t->ipv6.daddr));
	t->ipv6.sport = k->rport;
	t->ipv6.dport = k->lport;
	return sizeof(t->ipv6);
}

/*
 * The socket that owns the local end of S->flow[which], into S->rec. syn: the packet is a SYN that arrives, the only
 * one that may be credited to a listener. Two functions, since clang would merge the two kinds of lookup into one
 * instruction with two pointer types, which the verifier refuses. Global ones, which it checks once and not once per
 * call; on 5.10 they take no pointers but the packet.
 */
__weak __noinline int lookup_tcp(struct __sk_buff *skb, __u32 which, __u32 syn)
{
	struct owner_scratch *S = owner_scratch_get(OWNER_SLOT);
	struct bpf_sock_tuple t = {};
	struct flow_key *k;
	struct bpf_sock *sk, *full;
	struct sock_common *sc;
	__u64 cookie;
	bool found = false;
	__u32 size;

	if (!S)
		return 0;
	k = scratch_flow(S, which);
	size = tuple_of_flow(&t, k);
	sk = bpf_skc_lookup_tcp(skb, &t, size, BPF_F_CURRENT_NETNS, 0);
	if (sk && syn && sk->state == BPF_TCP_TIME_WAIT) {
		/* A new connection with the tuple of an old one goes to the listener: no connection has port 0. */
		bpf_sk_release(sk);
		if (size == sizeof(t.ipv4))
			t.ipv4.sport = 0;
		else
			t.ipv6.sport = 0;
		sk = bpf_skc_lookup_tcp(skb, &t, size, BPF_F_CURRENT_NETNS, 0);
	}
	if (!sk)
		return false;
	S->state = sk->state;
	if (S->state == BPF_TCP_LISTEN && (!syn || !destination_local(skb, which)))
		goto release;
	sc = (struct sock_common *)pointer_value(sk);
	cookie = BPF_CORE_READ(sc, skc_cookie.counter);
	full = bpf_sk_fullsock(sk);
	found = owner_of_socket(S, full, cookie, S->state == BPF_TCP_LISTEN ? FLOWS : which);
	if (!found && !full)
		found = owner_of_listener(S, sk, cookie);
	if (S->state == BPF_TCP_LISTEN) {
		S->provisional = 1;
		S->rec.cookie = flow_cookie(k);
	} else if (found && S->provisional && !cookie) {
		S->rec.cookie = flow_cookie(k);
	}
release:
	bpf_sk_release(sk);
	return found;
}

/* Who receives it is told when it is received: see ptcp_recvmsg4. */
static __always_inline void datagram_expose(struct owner_scratch *S, struct bpf_sock *sk, const struct flow_key *k)
{
	struct owner_rec *rec = bpf_sk_storage_get(&ptcp_sockets, sk, NULL, 0);

	if (!rec)
		return;
	owner_expose(rec, S->rec.cookie);
	S->rec.cookie = datagram_cookie(k);
	S->provisional = 1;
}

static __always_inline bool datagram_chosen(struct bpf_sock *sk)
{
	if (sk->dst_port || !socket_is_chosen(sk))
		return false;
	attrib_chosen = 1;
	hooks_want(&attrib_receivers);
	return true;
}

__weak __noinline int lookup_udp(struct __sk_buff *skb, __u32 which)
{
	struct owner_scratch *S = owner_scratch_get(OWNER_SLOT);
	struct bpf_sock_tuple t = {};
	struct sock_common *sc;
	struct flow_key *k;
	struct bpf_sock *sk;
	bool found = false;

	if (!S)
		return 0;
	k = scratch_flow(S, which);
	sk = bpf_sk_lookup_udp(skb, &t, tuple_of_flow(&t, k), BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return false;
	S->state = sk->dst_port ? 0 : BPF_TCP_LISTEN;
	if (sk->dst_port || bound_to_destination(sk, k) || destination_local(skb, which)) {
		sc = (struct sock_common *)pointer_value(sk);
		found = owner_of_socket(S, sk, BPF_CORE_READ(sc, skc_cookie.counter), which);
		if (found && (S->rec.shared || datagram_chosen(sk)))
			datagram_expose(S, sk, k);
	}
	bpf_sk_release(sk);
	return found;
}

static __always_inline bool lookup(struct __sk_buff *skb, struct owner_scratch *S, __u32 which, bool syn)
{
	const struct flow_key *k = scratch_flow(S, which);

	if (k->fragment)
		return false;
	if (k->proto == IPPROTO_TCP)
		return lookup_tcp(skb, which, syn);
	if (k->proto == IPPROTO_UDP)
		return lookup_udp(skb, which);
	return false;
}

#endif
