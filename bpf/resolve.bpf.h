/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Whose packet it is. For tc programs: call owner_resolve() on packets that passed the filter. */
#ifndef RESOLVE_BPF_H
#define RESOLVE_BPF_H

#include "owner.bpf.h"
#include <ptcpdump/kfunc.h>

#define TCP_FLAG_SYN_BIT 0x02
#define TCP_FLAG_RST_BIT 0x04
#define TCP_FLAG_ACK_BIT 0x10
#define TCP_FLAG_END_BITS 0x05 /* FIN, RST */

#define SCTP_INIT 1
#define SCTP_INIT_ACK 2

#define PACKET_TYPE_OTHERHOST 3 /* linux/if_packet.h */
#define PACKET_TYPE_LOOPBACK 5

/* What the process filter says of a packet. */
enum owner_verdict {
	OWNER_NO,    /* drop it */
	OWNER_MATCH, /* one end matches, or no process filter is active */
	OWNER_MAYBE, /* user space decides once the owner is settled; EVENT_PKT_MAYBE was set in e->flags */
};

/* Index of owner_scratch.flow. */
enum {
	FLOW_SRC,   /* the source seen as the local end */
	FLOW_DST,   /* the destination seen as the local end */
	FLOW_INNER, /* the packet that an ICMP error quotes, or the fragment's key */
	FLOWS
};

struct owner_scratch {
	struct flow_key flow[FLOWS];
	struct flow_key forward; /* the flow as another namespace sees it */
	struct owner_rec rec;	 /* what the last lookup found */
	__u32 inner_off;	 /* offset of the quoted IP header, 0 none */
	__u16 frag_id;
	__u8 tcp_flags;
	__u8 more_frags;
	__u8 later_frag;
	__u8 provisional; /* of rec */
	__u8 state;	  /* of the socket that was looked up */
	__u8 sctp_chunk;  /* the type of the first one; 0 (DATA) of other protocols, too */
	__u32 linear;	  /* bytes at start; only of programs that have no __sk_buff */
	__u64 start;
};

static void (*const bpf_preempt_disable)(void) = (void *)KFUNC_PREEMPT_DISABLE;
static void (*const bpf_preempt_enable)(void) = (void *)KFUNC_PREEMPT_ENABLE;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2); /* of a task, of what interrupts it */
	__type(key, __u32);
	__type(value, struct owner_scratch);
} ptcp_owner_buf SEC(".maps") __weak;

static __always_inline struct owner_scratch *owner_scratch_get(void)
{
	__u32 slot = 0;

	if (owner_nested)
		slot = !task_context(task_current());
	return bpf_map_lookup_elem(&ptcp_owner_buf, &slot);
}

/* Asks owner_note() for EVENT_OWNER. False when the owner became certain in this moment. */
static __always_inline bool owner_expose(struct owner_rec *rec, __u64 cookie)
{
	__sync_fetch_and_add(&rec->exposed, 1);
	return owner_provisional(rec, cookie);
}

/*
 * SCTP sockets cannot be looked up. An INIT waits with the stand-in of its tuple for who answers it; where that is not
 * known yet, its entry in ptcp_flows, which names nobody, asks the next packet of the same end.
 */
static __noinline void init_tell(struct owner_scratch *S, const struct flow_key *k)
{
	struct owner_rec *old = bpf_map_lookup_elem(&ptcp_flows, k);

	if (S->sctp_chunk == SCTP_INIT_ACK || (old && !old->tgid))
		owner_tell(&S->rec, flow_cookie(k));
}

/* The end of a connection, whose socket is soon gone, or the answer to an INIT. */
static __always_inline bool flow_again(const struct owner_scratch *S, const struct flow_key *k)
{
	return (k->proto == PROTO_TCP && (S->tcp_flags & TCP_FLAG_END_BITS)) || S->sctp_chunk == SCTP_INIT_ACK;
}

/* Tells ptcp_flows whose tuple it is; rec is the socket's own record. Once per socket and tuple, and flow_again(). */
static __always_inline void flow_remember(struct owner_scratch *S, struct owner_rec *rec, const struct flow_key *k)
{
	__u32 hash = flow_short(k);

	if (rec->flow == hash && !flow_again(S, k))
		return;
	if (k->proto == PROTO_SCTP)
		init_tell(S, k);
	bpf_map_update_elem(&ptcp_flows, k, &S->rec, BPF_ANY);
	rec->flow = hash;
}

/*
 * What is known of a socket goes to S->rec. full: the socket when it has storage. cookie 0: it has none yet.
 * k: its tuple, NULL not to remember it.
 */
static __always_inline bool owner_of_socket(struct owner_scratch *S, struct bpf_sock *full, __u64 cookie,
					    const struct flow_key *k)
{
	struct owner_rec *rec = NULL, *other;

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
		if (full && full->state == TCP_STATE_LISTEN)
			listener_adopt(full, rec);
	}
	if (!rec)
		return false;
	S->rec = *rec;
	S->rec.cookie = cookie;
	if (rec->tgid == 0) {
		S->provisional = !attrib_scanned;
		if (!cookie)
			S->rec.cookie = socket_stand_in(full);
		return false;
	}
	if (!k || !k->proto)
		return true;
	/*
	 * What was only made by its owner may go in: flow_get() asks again. What a child inherited may not, before its
	 * end: nobody may ever accept it, or nobody that we see, as with subflows of MPTCP.
	 */
	if (!S->provisional || rec->cookie == cookie) {
		flow_remember(S, rec, k);
	} else if (k->proto == PROTO_TCP && (S->tcp_flags & TCP_FLAG_END_BITS)) {
		S->rec.certain = 0;
		flow_remember(S, rec, k);
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
	__sync_fetch_and_add(&rec->exposed, 1);
	S->rec = *rec;
	S->rec.cookie = cookie;
	S->provisional = 1;
	return rec->tgid != 0;
}

static __always_inline bool flow_get(struct owner_scratch *S, const struct flow_key *k)
{
	struct owner_rec *rec = bpf_map_lookup_elem(&ptcp_flows, k), *now;
	__u64 cookie;

	if (!rec)
		return false;
	cookie = rec->cookie;
	/* whoever uses the socket by now */
	now = cookie ? bpf_map_lookup_elem(&ptcp_cookies, &cookie) : NULL;
	S->rec = now && now->tgid ? *now : *rec;
	S->rec.forwarded = rec->forwarded;
	S->provisional = rec->forwarded && !S->rec.certain;
	return S->rec.tgid != 0;
}

/* Is the packet's destination one of our addresses? Else a wildcard socket on the same port is not meant. */
static __always_inline bool destination_local(struct __sk_buff *skb, const struct flow_key *k)
{
	struct bpf_fib_lookup fib = { .ifindex = skb->ifindex };
	long ret;

	if (k->l[0] == 0 && k->l[1] == 0 && k->l[2] == bpf_htonl(0xffff)) {
		fib.family = SOCK_AF_INET;
		fib.ipv4_src = k->r[3];
		fib.ipv4_dst = k->l[3];
	} else {
		fib.family = SOCK_AF_INET6;
		__builtin_memcpy(fib.ipv6_src, k->r, sizeof(fib.ipv6_src));
		__builtin_memcpy(fib.ipv6_dst, k->l, sizeof(fib.ipv6_dst));
	}
	ret = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (ret == BPF_FIB_LKUP_RET_FWD_DISABLED)
		return skb->pkt_type != PACKET_TYPE_OTHERHOST;
	return ret == BPF_FIB_LKUP_RET_NOT_FWDED || ret < 0;
}

/* A socket bound to the address itself: it is ours then, and the route need not be looked up. */
static __always_inline bool bound_to_destination(struct bpf_sock *sk, const struct flow_key *k)
{
	return sk->family == SOCK_AF_INET && k->l[0] == 0 && k->l[1] == 0 && sk->src_ip4 == k->l[3];
}

static __always_inline __u32 tuple_of_flow(struct bpf_sock_tuple *t, const struct flow_key *k)
{
	if (k->l[0] == 0 && k->l[1] == 0 && k->l[2] == bpf_htonl(0xffff)) {
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
	struct owner_scratch *S = owner_scratch_get();
	struct bpf_sock_tuple t = {};
	struct flow_key *k;
	struct bpf_sock *sk, *full;
	struct sock_common *sc;
	__u64 cookie;
	bool found = false;
	__u32 size;

	if (!S || which >= FLOWS)
		return 0;
	k = &S->flow[which];
	size = tuple_of_flow(&t, k);
	sk = bpf_skc_lookup_tcp(skb, &t, size, BPF_F_CURRENT_NETNS, 0);
	if (sk && syn && sk->state == TCP_STATE_TIME_WAIT) {
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
	if (S->state == TCP_STATE_LISTEN && (!syn || !destination_local(skb, k)))
		goto release;
	sc = (struct sock_common *)pointer_value(sk);
	cookie = BPF_CORE_READ(sc, skc_cookie.counter);
	full = bpf_sk_fullsock(sk);
	found = owner_of_socket(S, full, cookie, S->state == TCP_STATE_LISTEN ? NULL : k);
	if (!found && !full)
		found = owner_of_listener(S, sk, cookie);
	if (S->state == TCP_STATE_LISTEN) {
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
	__sync_fetch_and_add(&rec->exposed, 1);
	S->rec.cookie = datagram_cookie(k);
	S->provisional = 1;
}

static __always_inline bool datagram_chosen(struct bpf_sock *sk)
{
	if (sk->dst_port || !socket_is_chosen(sk))
		return false;
	attrib_chosen = 1;
	return true;
}

__weak __noinline int lookup_udp(struct __sk_buff *skb, __u32 which)
{
	struct owner_scratch *S = owner_scratch_get();
	struct bpf_sock_tuple t = {};
	struct sock_common *sc;
	struct flow_key *k;
	struct bpf_sock *sk;
	bool found = false;

	if (!S || which >= FLOWS)
		return 0;
	k = &S->flow[which];
	sk = bpf_sk_lookup_udp(skb, &t, tuple_of_flow(&t, k), BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return false;
	S->state = 0;
	if (sk->dst_port || bound_to_destination(sk, k) || destination_local(skb, k)) {
		sc = (struct sock_common *)pointer_value(sk);
		found = owner_of_socket(S, sk, BPF_CORE_READ(sc, skc_cookie.counter), k);
		if (found && (S->rec.shared || datagram_chosen(sk)))
			datagram_expose(S, sk, k);
	}
	bpf_sk_release(sk);
	return found;
}

static __always_inline bool lookup(struct __sk_buff *skb, struct owner_scratch *S, __u32 which, bool syn)
{
	const struct flow_key *k = &S->flow[which];

	if (k->fragment)
		return false;
	if (k->proto == PROTO_TCP)
		return lookup_tcp(skb, which, syn);
	if (k->proto == PROTO_UDP)
		return lookup_udp(skb, which);
	return false;
}

#include "nat.bpf.h"

/* skb NULL: from the memory that S tells. */
static __always_inline long packet_load(struct __sk_buff *skb, const struct owner_scratch *S, __u32 off, void *to,
					__u32 size)
{
	if (skb)
		return bpf_skb_load_bytes(skb, off, to, size);
	if (off > S->linear || size > S->linear - off)
		return -1;
	return bpf_probe_read_kernel(to, size, (const void *)(S->start + off));
}

/* Ports, or the identifier of an ICMP echo. */
static __always_inline void parse_transport(struct __sk_buff *skb, struct owner_scratch *S, struct flow_key *k,
					    __u32 off)
{
	__u8 h[8] = {};
	bool quotes = false;

	if (packet_load(skb, S, off, h, sizeof(h)))
		return;
	if (k->proto == PROTO_ICMP || k->proto == PROTO_ICMPV6) {
		__u16 id;

		__builtin_memcpy(&id, h + 4, sizeof(id));
		if (k->proto == PROTO_ICMP)
			quotes = h[0] == 3 || h[0] == 11 || h[0] == 12;
		else
			quotes = h[0] < 128;
		if (quotes)
			S->inner_off = off + 8;
		else if (h[0] == 8 || h[0] == 128)
			k->lport = id;
		else if (h[0] == 0 || h[0] == 129)
			k->rport = id;
		return;
	}
	__builtin_memcpy(&k->lport, h, sizeof(k->lport));
	__builtin_memcpy(&k->rport, h + 2, sizeof(k->rport));
	if (k->proto == PROTO_TCP)
		packet_load(skb, S, off + 13, &S->tcp_flags, 1);
	else if (k->proto == PROTO_SCTP)
		packet_load(skb, S, off + 12, &S->sctp_chunk, 1);
}

static __always_inline bool parse_ipv4(struct __sk_buff *skb, struct owner_scratch *S, struct flow_key *k, __u32 off)
{
	__u8 h[20];
	__u32 addr;

	if (packet_load(skb, S, off, h, sizeof(h)))
		return false;
	__builtin_memcpy(&addr, h + 12, 4);
	flow_set_v4(k->l, addr);
	__builtin_memcpy(&addr, h + 16, 4);
	flow_set_v4(k->r, addr);
	k->proto = h[9];
	__builtin_memcpy(&S->frag_id, h + 4, 2);
	S->more_frags = (h[6] & 0x20) != 0;
	S->later_frag = ((h[6] & 0x1f) | h[7]) != 0;
	if (!S->later_frag && flow_has_ports(k->proto))
		parse_transport(skb, S, k, off + (h[0] & 15) * 4);
	return true;
}

static __always_inline bool parse_ipv6(struct __sk_buff *skb, struct owner_scratch *S, struct flow_key *k, __u32 off)
{
	__u8 h[40], x[8] = {}, next;

	if (packet_load(skb, S, off, h, sizeof(h)))
		return false;
	__builtin_memcpy(k->l, h + 8, 16);
	__builtin_memcpy(k->r, h + 24, 16);
	next = h[6];
	off += sizeof(h);
	for (int i = 0; i < 4; i++) {
		if (next != PROTO_HOPOPTS && next != PROTO_ROUTING && next != PROTO_DSTOPTS && next != PROTO_FRAGMENT)
			break;
		if (packet_load(skb, S, off, x, sizeof(x)))
			break;
		if (next == PROTO_FRAGMENT) {
			S->more_frags = x[3] & 1;
			S->later_frag = (x[2] | (x[3] & 0xf8)) != 0;
			S->frag_id = (x[6] << 8 | x[7]) ^ (x[4] << 8 | x[5]);
			off += 8;
		} else {
			off += (x[1] + 1) * 8;
		}
		next = x[0];
	}
	k->proto = next;
	if (!S->later_frag && flow_has_ports(next))
		parse_transport(skb, S, k, off);
	return true;
}

static __always_inline bool parse_at(struct __sk_buff *skb, __u32 which, __u32 off, __u32 protocol)
{
	struct owner_scratch *S = owner_scratch_get();
	struct flow_key *k;
	__u16 tag[2];

	if (!S || which >= FLOWS)
		return 0;
	k = &S->flow[which];
	/* tags inside the packet: those of a VLAN device below us, or a second one */
	for (int i = 0; i < 2; i++) {
		if (protocol != ETHERTYPE_8021Q && protocol != ETHERTYPE_8021AD)
			break;
		if (packet_load(skb, S, off, tag, sizeof(tag)))
			return false;
		protocol = bpf_ntohs(tag[1]);
		off += 4;
	}
	if (protocol == ETHERTYPE_IPV4)
		return parse_ipv4(skb, S, k, off);
	if (protocol == ETHERTYPE_IPV6)
		return parse_ipv6(skb, S, k, off);
	return false;
}

/* Fills S->flow[which] from the network header at off; 0: it is neither IPv4 nor IPv6. Global: see lookup_tcp(). */
__weak __noinline int parse_packet(struct __sk_buff *skb, __u32 which, __u32 off, __u32 protocol)
{
	return parse_at(skb, which, off, protocol);
}

static __always_inline void flow_flip(struct flow_key *to, const struct flow_key *from)
{
	*to = *from;
	__builtin_memcpy(to->l, from->r, sizeof(to->l));
	__builtin_memcpy(to->r, from->l, sizeof(to->r));
	to->lport = from->rport;
	to->rport = from->lport;
}

/* The key that the later fragments of the packet have for its destination: they show no ports. */
static __always_inline void flow_fragment(struct owner_scratch *S)
{
	S->flow[FLOW_INNER] = S->flow[FLOW_DST];
	S->flow[FLOW_INNER].fragment = 1;
	S->flow[FLOW_INNER].lport = S->flow[FLOW_INNER].rport = S->frag_id;
}

static __always_inline void owner_fill(struct event_owner *o, const struct owner_scratch *S, __u8 source)
{
	o->start = S->rec.start;
	o->cookie = S->rec.cookie;
	o->tgid = S->rec.tgid;
	o->tid = S->rec.tid;
	o->uid = S->rec.uid;
	o->source = S->rec.source ? S->rec.source : source;
	o->flags = S->provisional ? OWNER_F_PROVISIONAL : 0;
}

/* What the filter says of the owner in S->rec. */
static __noinline enum owner_verdict owner_judge(struct owner_scratch *S)
{
	__u32 *known;

	if (S->provisional)
		return OWNER_MAYBE;
	if ((select_kinds & SELECT_PID) && bpf_map_lookup_elem(&ptcp_pids, &S->rec.tgid))
		return OWNER_MATCH;
	if ((select_kinds & SELECT_UID) && bpf_map_lookup_elem(&ptcp_uids, &S->rec.uid))
		return OWNER_MATCH;
	if (!(select_kinds & SELECT_CGROUP))
		return OWNER_NO;
	known = bpf_map_lookup_elem(&ptcp_cgroups, &S->rec.cgroup);
	if (!known)
		return OWNER_MAYBE;
	return *known ? OWNER_MATCH : OWNER_NO;
}

static __always_inline enum owner_verdict owner_take(struct event_owner *o, struct owner_scratch *S, __u8 source)
{
	owner_fill(o, S, source);
	return select_kinds ? owner_judge(S) : OWNER_MATCH;
}

static __always_inline bool icmp_answers(const struct flow_key *k)
{
	return (k->proto == PROTO_ICMP || k->proto == PROTO_ICMPV6) && k->rport;
}

/* Sockets of the kernel itself (resets, ICMP errors, ACKs of TIME_WAIT) act for everyone. */
static __always_inline bool socket_is_kernel(struct bpf_sock *sk)
{
	struct sock *s = (struct sock *)pointer_value(sk);

	return BPF_CORE_READ_BITFIELD_PROBED(s, sk_kern_sock);
}

/*
 * Whether the task that runs is who sends, and not one on whose stack a packet is received that this answers: what a
 * process writes to a tun device, or reads from a device that it polls. Who sends or reads on a stream holds the
 * lock of its socket; others answer from sockets of the kernel's own, which else act for the task (looking for neighbours,
 * joining groups).
 */
static __always_inline bool task_sends(const struct owner_scratch *S, struct bpf_sock *full)
{
	const struct flow_key *k = &S->flow[FLOW_SRC];
	struct sock *s;

	if (!full)
		return false;
	if (full->type == SOCK_TYPE_STREAM) {
		s = (struct sock *)pointer_value(full);
		return BPF_CORE_READ(s, sk_lock.owned);
	}
	if (k->proto == PROTO_TCP || S->inner_off || icmp_answers(k))
		return !socket_is_kernel(full);
	return true;
}

/* The sending task is the owner: remember it where that is news. */
static __always_inline void owner_store_current(struct owner_scratch *S, struct bpf_sock *full, __u64 cookie,
						struct task_struct *task)
{
	struct owner_rec *rec;

	owner_current(&S->rec, task);
	if (!full || socket_is_kernel(full))
		return;
	owner_note(full, cookie, true, true);
	rec = bpf_sk_storage_get(&ptcp_sockets, full, NULL, 0);
	if (rec && S->flow[FLOW_SRC].proto)
		flow_remember(S, rec, &S->flow[FLOW_SRC]);
}

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
	if (!rec || !rec->certain || rec->tgid != (__u32)TASK_READ(task, tgid) || rec->flow != flow_short(k))
		return false;
	if ((TASK_READ(task, flags) & PF_KTHREAD) || !task_context(task))
		return false;
	/* Only those that a listener made have inherited what they have from another socket. */
	cookie = rec->cookie;
	if (k->proto != PROTO_UDP && cookie != bpf_get_socket_cookie(skb))
		return false;
	e->src.start = rec->start;
	e->src.cookie = cookie;
	e->src.tgid = rec->tgid;
	e->src.tid = TASK_READ(task, pid);
	e->src.uid = rec->uid;
	e->src.source = OWNER_CURRENT;
	task_comm(e->comm, task);
	S->provisional = 0;
	if (select_kinds)
		S->rec = *rec;
	return true;
}

/* The source end by the socket on the skb. Returns OWNER_NONE when that tells nothing. */
static __always_inline __u8 source_by_socket(struct __sk_buff *skb, struct owner_scratch *S, struct event_packet *e,
					     bool egress)
{
	struct task_struct *task = task_current();
	struct bpf_sock *sk = skb->sk, *full;
	__u64 cookie;
	bool found;

	if (!sk)
		return OWNER_NONE;
	cookie = bpf_get_socket_cookie(skb);
	full = bpf_sk_fullsock(sk);
	found = owner_of_socket(S, full, cookie, &S->flow[FLOW_SRC]);
	if (egress && !(TASK_READ(task, flags) & PF_KTHREAD) && task_context(task) && task_sends(S, full)) {
		if (!found || S->provisional || S->rec.tgid != (__u32)TASK_READ(task, tgid))
			owner_store_current(S, full, cookie, task);
		S->provisional = 0;
		S->rec.source = 0;
		S->rec.tid = TASK_READ(task, pid);
		task_comm(e->comm, task);
		return OWNER_CURRENT;
	}
	if (found && full && full->state == TCP_STATE_LISTEN) {
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
	e->src.cookie = cookie;
	e->src.flags = S->provisional ? OWNER_F_PROVISIONAL : 0;
	return OWNER_NONE;
}

static __always_inline bool tcp_is(const struct owner_scratch *S, __u8 flags)
{
	return S->flow[FLOW_SRC].proto == PROTO_TCP && (S->tcp_flags & (TCP_FLAG_SYN_BIT | TCP_FLAG_ACK_BIT)) == flags;
}

static __always_inline enum owner_verdict resolve_source(struct __sk_buff *skb, struct owner_scratch *S,
							 struct event_packet *e, bool egress)
{
	__u8 source;

	if (egress && source_again(skb, S, e))
		return select_kinds ? owner_judge(S) : OWNER_MATCH;
	__builtin_memset(&S->rec, 0, sizeof(S->rec));
	source = source_by_socket(skb, S, e, egress);
	if (source)
		return owner_take(&e->src, S, source);
	if (!S->flow[FLOW_SRC].proto)
		return OWNER_NO;
	/* Ports that NAT has given to this flow may have been another's before. */
	if (egress && nat_source(skb, S, &S->flow[FLOW_SRC]))
		return owner_take(&e->src, S, OWNER_CONNTRACK);
	/* A SYN-ACK may follow a dead connection of the same tuple: its socket tells, the flow map does not. */
	if (!tcp_is(S, TCP_FLAG_SYN_BIT | TCP_FLAG_ACK_BIT) && flow_get(S, &S->flow[FLOW_SRC]))
		return owner_take(&e->src, S, OWNER_FLOW);
	if (forward_get(S, &S->flow[FLOW_SRC]))
		return owner_take(&e->src, S, OWNER_FLOW);
	if ((egress || skb->ifindex == 1) && lookup(skb, S, FLOW_SRC, false))
		return owner_take(&e->src, S, OWNER_LOOKUP);
	return e->src.flags ? OWNER_MAYBE : OWNER_NO;
}

/* The INIT of an association with this machine: see init_tell(). */
static __noinline bool init_wait(struct __sk_buff *skb, struct owner_scratch *S, struct event_owner *o)
{
	const struct flow_key *k = &S->flow[FLOW_DST];

	if (!destination_local(skb, k))
		return false;
	o->cookie = flow_cookie(k);
	o->flags = OWNER_F_PROVISIONAL;
	__builtin_memset(&S->rec, 0, sizeof(S->rec));
	S->rec.cookie = o->cookie;
	bpf_map_update_elem(&ptcp_flows, k, &S->rec, BPF_NOEXIST);
	return true;
}

static __always_inline enum owner_verdict resolve_destination(struct __sk_buff *skb, struct owner_scratch *S,
							      struct event_packet *e, bool egress)
{
	bool syn = tcp_is(S, TCP_FLAG_SYN_BIT);

	if (S->sctp_chunk == SCTP_INIT && (!egress || skb->ifindex == 1) && init_wait(skb, S, &e->dst))
		return OWNER_MAYBE;
	/* A published port: a socket of ours on the same port (docker-proxy) gets nothing of this flow. */
	if (attrib_forwarded && !egress && S->flow[FLOW_DST].proto == PROTO_UDP && flow_get(S, &S->flow[FLOW_DST]) &&
	    S->rec.forwarded)
		return owner_take(&e->dst, S, OWNER_CONNTRACK);
	S->provisional = 0;
	/* Sent elsewhere: no socket of this namespace receives it, but one that sent through us before might. */
	if ((!egress || skb->ifindex == 1) && lookup(skb, S, FLOW_DST, syn)) {
		if (S->more_frags && !S->provisional) {
			flow_fragment(S);
			bpf_map_update_elem(&ptcp_flows, &S->flow[FLOW_INNER], &S->rec, BPF_ANY);
		}
		return owner_take(&e->dst, S, OWNER_LOOKUP);
	}
	/* A socket that the scan has not come to. */
	if (!attrib_scanned && S->provisional) {
		e->dst.cookie = S->rec.cookie;
		e->dst.flags = OWNER_F_PROVISIONAL;
		return OWNER_MAYBE;
	}
	/* A forwarded SYN may follow a dead connection, too. */
	if (!(syn && attrib_forwarded) && (flow_get(S, &S->flow[FLOW_DST]) || forward_get(S, &S->flow[FLOW_DST])))
		return owner_take(&e->dst, S, OWNER_FLOW);
	if (forward_wait(skb, S, &e->dst, &S->flow[FLOW_DST], syn, egress))
		return OWNER_MAYBE;
	if (!S->inner_off)
		return OWNER_NO;
	__builtin_memset(&S->flow[FLOW_INNER], 0, sizeof(S->flow[FLOW_INNER]));
	S->flow[FLOW_INNER].netns = e->netns;
	if (!parse_packet(skb, FLOW_INNER, S->inner_off,
			  S->flow[FLOW_SRC].proto == PROTO_ICMP ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6))
		return OWNER_NO;
	if (flow_get(S, &S->flow[FLOW_INNER]) || forward_get(S, &S->flow[FLOW_INNER]) ||
	    lookup(skb, S, FLOW_INNER, false))
		return owner_take(&e->dst, S, OWNER_ICMP);
	return OWNER_NO;
}

/*
 * What most packets are, TCP or UDP over IPv4 without options and in one piece, read without helpers. False:
 * parse_packet() has to look. Only for program types that may access packets directly.
 */
static __always_inline bool parse_direct(struct __sk_buff *skb, struct owner_scratch *S, struct flow_key *k, __u32 l3,
					 __u16 protocol)
{
	enum { HEADER = 20, TCP_FLAGS = 13, NO_OPTIONS = 0x45, FRAGMENT = 0x3fff };
	const __u8 *h = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (protocol != ETHERTYPE_IPV4)
		return false;
	h += l3;
	if (h + HEADER + TCP_FLAGS + 1 > end)
		return false;
	if (h[0] != NO_OPTIONS || (*(const __u16 *)(h + 6) & bpf_htons(FRAGMENT)))
		return false;
	if (h[9] != PROTO_TCP && h[9] != PROTO_UDP)
		return false;
	flow_set_v4(k->l, *(const __u32 *)(h + 12));
	flow_set_v4(k->r, *(const __u32 *)(h + 16));
	k->proto = h[9];
	k->lport = *(const __u16 *)(h + HEADER);
	k->rport = *(const __u16 *)(h + HEADER + 2);
	if (h[9] == PROTO_TCP)
		S->tcp_flags = h[HEADER + TCP_FLAGS];
	return true;
}

/*
 * Fills e->src, e->dst and e->comm. The caller has set e->netns (of the device), e->protocol (network protocol,
 * host order) and e->flags; e may be stack, map or ring memory. l3: offset of the network header from skb->data.
 */
static __always_inline enum owner_verdict owner_resolve(struct __sk_buff *skb, struct event_packet *e, __u32 l3,
							bool egress)
{
	enum owner_verdict src, dst = OWNER_NO;
	struct owner_scratch *S;

	__builtin_memset(&e->src, 0, sizeof(e->src));
	__builtin_memset(&e->dst, 0, sizeof(e->dst));
	__builtin_memset(e->comm, 0, sizeof(e->comm));
	if (attrib_off)
		return OWNER_MATCH;
	S = owner_scratch_get();
	if (!S)
		return OWNER_MATCH;
	/* What is not cleared is written before it is read. */
	__builtin_memset(&S->flow[FLOW_SRC], 0, sizeof(S->flow[FLOW_SRC]));
	S->flow[FLOW_DST].proto = 0;
	__builtin_memset(&S->inner_off, 0, sizeof(*S) - __builtin_offsetof(struct owner_scratch, inner_off));
	S->flow[FLOW_SRC].netns = e->netns;
	if (parse_direct(skb, S, &S->flow[FLOW_SRC], l3, e->protocol) || parse_packet(skb, FLOW_SRC, l3, e->protocol)) {
		if (S->later_frag) {
			S->flow[FLOW_SRC].fragment = 1;
			S->flow[FLOW_SRC].lport = S->flow[FLOW_SRC].rport = S->frag_id;
		}
		flow_flip(&S->flow[FLOW_DST], &S->flow[FLOW_SRC]);
	}
	src = resolve_source(skb, S, e, egress);
	if (S->flow[FLOW_DST].proto)
		dst = resolve_destination(skb, S, e, egress);
	if (!select_kinds || src == OWNER_MATCH || dst == OWNER_MATCH)
		return OWNER_MATCH;
	if (src == OWNER_NO && dst == OWNER_NO)
		return OWNER_NO;
	e->flags |= EVENT_PKT_MAYBE;
	return OWNER_MAYBE;
}

#endif
