/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Ends of packets that are forwarded for other namespaces: see bpf/forward.bpf.c, which tells whose they are. */
#ifndef NAT_BPF_H
#define NAT_BPF_H

#include "lookup.bpf.h"

enum {
	NFCT_INFO_MASK = 7,
	NFCT_INFO_RELATED = 1,
	NFCT_INFO_REPLY = 3,
	NFCT_INFO_RELATED_REPLY = 4,
	NFCT_CONFIRMED = 1 << 3,
	NFCT_SRC_NAT = 1 << 4,
	NFCT_DST_NAT = 1 << 5
};

/* The entry of conntrack, and in the lowest bits what the packet is to it; 0: it is not tracked (yet, or here). */
static __always_inline unsigned long nat_entry(struct __sk_buff *skb)
{
	struct sk_buff *b = (struct sk_buff *)skb;

	if (!bpf_core_field_exists(b->_nfct) || !bpf_core_type_exists(struct nf_conn))
		return 0;
	return BPF_CORE_READ(b, _nfct);
}

static __always_inline struct nf_conn *nat_conn(unsigned long nfct)
{
	return (struct nf_conn *)(nfct & ~(unsigned long)NFCT_INFO_MASK);
}

/* Whether we send it to another than the sender meant. */
static __always_inline bool nat_redirects(struct __sk_buff *skb)
{
	unsigned long nfct = nat_entry(skb);
	struct nf_conn *ct = nat_conn(nfct);

	return ct && (nfct & NFCT_INFO_MASK) < NFCT_INFO_REPLY && (BPF_CORE_READ(ct, status) & NFCT_DST_NAT);
}

/* The tuple that an end sends by; k: that end as the packet shows it. */
static __always_inline void nat_tuple(struct flow_key *to, const struct nf_conntrack_tuple *t, const struct flow_key *k)
{
	*to = *k;
	to->netns = 0;
	to->fragment = 0;
	BPF_CORE_READ_INTO(&to->l, t, src.u3.all);
	BPF_CORE_READ_INTO(&to->r, t, dst.u3.all);
	to->lport = BPF_CORE_READ(t, src.u.all);
	to->rport = BPF_CORE_READ(t, dst.u.all);
	if (addr_is_v4(k->l)) {
		addr_set_v4(to->l, to->l[0]);
		addr_set_v4(to->r, to->r[0]);
	}
	if (k->proto == IPPROTO_ICMP || k->proto == IPPROTO_ICMPV6) {
		/* the identifier in one of the two; the other holds type and code there */
		to->rport = k->rport ? to->lport : 0;
		to->lport = k->lport ? to->lport : 0;
	}
}

/*
 * What both ends of a packet with this entry of conntrack call it, into FLOW_SENT and FLOW_HEARD, however much of NAT it has
 * passed. Returns NAT_*. Global: see lookup_tcp().
 */
__weak __noinline int nat_look(__u64 nfct, __u32 slot)
{
	struct owner_scratch *S = owner_scratch_get(slot);
	struct nf_conn *ct = nat_conn(nfct);
	__u32 info = nfct & NFCT_INFO_MASK;
	unsigned long status;

	if (!S || !ct || !bpf_core_type_exists(struct nf_conn))
		return NAT_NONE;
	/* What is related, an ICMP error, is not of the flow itself. */
	if (info == NFCT_INFO_RELATED || info == NFCT_INFO_RELATED_REPLY)
		return NAT_NONE;
	status = BPF_CORE_READ(ct, status);
	if (!(status & (NFCT_SRC_NAT | NFCT_DST_NAT)))
		return NAT_NONE;
	if (info >= NFCT_INFO_REPLY) {
		nat_tuple(&S->flow[FLOW_SENT], &ct->tuplehash[1].tuple, &S->flow[FLOW_SRC]);
		nat_tuple(&S->flow[FLOW_HEARD], &ct->tuplehash[0].tuple, &S->flow[FLOW_DST]);
		return NAT_REPLY;
	}
	nat_tuple(&S->flow[FLOW_SENT], &ct->tuplehash[0].tuple, &S->flow[FLOW_SRC]);
	nat_tuple(&S->flow[FLOW_HEARD], &ct->tuplehash[1].tuple, &S->flow[FLOW_DST]);
	return status & NFCT_CONFIRMED ? NAT_REQUEST : NAT_FIRST;
}

/* Whether NAT changes this packet of S->flow: on its way out, or where a bridge has asked netfilter as it came in. */
static __always_inline bool nat_changes(struct __sk_buff *skb, struct owner_scratch *S, __u32 ifindex)
{
	unsigned long nfct;

	/* Conntrack has seen the packet around it. */
	if (!attrib_forwarded || ifindex == LOOPBACK_IFINDEX || S->head.tunnel)
		return false;
	nfct = nat_entry(skb);
	S->nat = nfct ? nat_look(nfct, S->slot) : NAT_NONE;
	return S->nat != NAT_NONE;
}

/*
 * A request that was sent on is refused, by nobody. Its conntrack entry goes with that, so user space, which asks for it
 * later, finds here where it was sent: by the flow in this namespace, other than forward_tell().
 */
static __always_inline void nat_refused(const struct owner_scratch *S, const struct flow_key *k)
{
	if (k->proto == IPPROTO_TCP && (S->head.tcp_flags & TCPHDR_RST))
		bpf_map_update_elem(&ptcp_nat, k, &S->flow[FLOW_SENT], BPF_ANY);
}

/*
 * The sender of a packet that NAT changes, by the tuple that it sent. What comes back is not translated yet where most
 * devices see it, so the tuple of that is remembered: in a bridge, a packet may be between the two.
 */
static __always_inline bool nat_source(struct owner_scratch *S)
{
	struct flow_key *k = &S->flow[FLOW_FORWARD];
	struct owner_rec *old;

	flow_flip(k, &S->flow[FLOW_HEARD]);
	k->netns = S->flow[FLOW_SRC].netns;
	if (!flow_get(S, FLOW_SENT)) {
		nat_refused(S, k);
		return false;
	}
	old = flows_find(k);
	if (old && old->cookie == S->rec.cookie && old->certain == S->rec.certain && owner_same(old, &S->rec))
		return true;
	S->rec.forwarded = 1;
	attrib_published = 1;
	flows_put(k, &S->rec, BPF_ANY);
	bpf_map_update_elem(&ptcp_nat, &S->flow[FLOW_SENT], k, BPF_ANY);
	/* Datagrams that came before: nobody will accept anything. */
	if (k->proto != IPPROTO_TCP && !S->provisional)
		forward_tell_nat(&S->rec, k);
	return true;
}

/* The receiver of a packet that NAT changes, where that is not as the packet shows it. */
static __always_inline bool nat_destination(struct owner_scratch *S)
{
	if (!S->nat || tcp_is(S, TCPHDR_SYN) || flow_same_ends(&S->flow[FLOW_HEARD], &S->flow[FLOW_DST]))
		return false;
	return flow_get(S, FLOW_HEARD);
}

/* What stands for the receiver of a packet that NAT changes: forward_tell() is told of it. */
static __always_inline void nat_stand_in(struct owner_scratch *S)
{
	if (S->nat == NAT_FIRST)
		flow_flip(&S->flow[FLOW_FORWARD], &S->flow[FLOW_SENT]);
	else
		S->flow[FLOW_FORWARD] = S->flow[FLOW_HEARD];
}

/* Is a flow whose owner was never told, S->flow[FLOW_FORWARD], still so young that it may be? */
static __always_inline bool datagram_young(struct owner_scratch *S, __u64 cookie)
{
	enum { YOUNG_NS = 200000000 };
	struct owner_rec *rec = flows_find(&S->flow[FLOW_FORWARD]);
	__u64 now = bpf_ktime_get_ns();

	if (rec && rec->cookie == cookie)
		return now - rec->start < YOUNG_NS;
	if (rec && rec->contested)
		return false;
	__builtin_memset(&S->rec, 0, sizeof(S->rec));
	S->rec.cookie = cookie;
	S->rec.start = now;
	S->rec.forwarded = 1;
	flows_put(&S->flow[FLOW_FORWARD], &S->rec, BPF_ANY);
	return true;
}

/* Ends that NAT was not concerned with a moment ago: user space asks conntrack, and writes them here. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NAT_PLAIN_SLOTS);
	__type(key, __u32);
	__type(value, struct nat_plain);
} ptcp_plain SEC(".maps") __weak;

/*
 * A packet comes for an end of ours, k, that NAT may have published: only after us it is found out where it goes, and the
 * socket that we see there (docker-proxy) may never get it.
 */
static __always_inline bool nat_possible(struct owner_scratch *S, const struct flow_key *k, __u32 ifindex, __u64 ts)
{
	struct nat_plain *plain;
	bool possible;
	__u32 slot;
	__u64 hash;

	/* What this machine sends to itself has passed NAT before. */
	if (!attrib_forwarded || ifindex == LOOPBACK_IFINDEX || !flow_forwardable(k))
		return false;
	flow_plain(&S->flow[FLOW_FORWARD], k, ifindex);
	hash = flow_hash(&S->flow[FLOW_FORWARD]);
	slot = flow_plain_slot(hash);
	plain = bpf_map_lookup_elem(&ptcp_plain, &slot);
	possible = !plain || plain->tag != flow_plain_tag(hash) || (__s32)(plain->until - nat_step(ts)) < 0;
	if (possible)
		forward_ask(&S->rec);
	return possible;
}

/*
 * The destination may be a socket of another namespace that has not answered yet. Such a packet waits, with a stand-in
 * for the cookie, until forward_tell() knows better: SYNs, and of UDP the first datagrams unless we send them ourselves, to
 * whom we mean. Nothing else comes here. Returns a negative number, or OWNER_F_*, and the stand-in in S->rec.cookie. Global: see lookup_tcp().
 */
__weak __noinline int forward_wait(struct __sk_buff *skb, __u32 egress, __u64 ts)
{
	struct owner_scratch *S = owner_scratch_get(OWNER_SLOT);
	const struct flow_key *k;
	int flags = 0;
	__u64 cookie;
	bool local;

	if (!S)
		return -1;
	k = &S->flow[FLOW_DST];
	if (!flow_forwardable(k) || k->fragment)
		return -1;
	if (k->proto == IPPROTO_UDP && egress && skb->sk && !nat_redirects(skb))
		return -1;
	local = !egress && destination_local(skb, FLOW_DST);
	if (local && !S->nat && nat_possible(S, k, skb->ifindex, ts))
		flags = OWNER_F_NAT;
	S->flow[FLOW_FORWARD] = *k;
	/* Our own address: the tuple before NAT. */
	if (!local)
		S->flow[FLOW_FORWARD].netns = 0;
	if (S->nat)
		nat_stand_in(S);
	forward_ask(&S->rec);
	cookie = flow_cookie(&S->flow[FLOW_FORWARD]);
	if (k->proto != IPPROTO_UDP || datagram_young(S, cookie))
		flags |= OWNER_F_PROVISIONAL;
	S->rec.cookie = cookie;
	return flags;
}

#endif
