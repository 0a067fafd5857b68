/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Ends of packets that are forwarded for other namespaces: see bpf/forward.bpf.c, which tells whose they are. */
#ifndef NAT_BPF_H
#define NAT_BPF_H

#include "lookup.bpf.h"

/* The owner of a flow of another namespace, k as its own end sees it. */
static __always_inline bool forward_get(struct owner_scratch *S, const struct flow_key *k)
{
	if (!attrib_forwarded || !flow_forwardable(k))
		return false;
	S->forward = *k;
	S->forward.netns = 0;
	return flow_get(S, &S->forward);
}

/* What the sender called this packet, into S->forward; false unless NAT has changed it. */
static __always_inline bool nat_original(struct __sk_buff *skb, struct owner_scratch *S, const struct flow_key *k)
{
	enum { INFO_MASK = 7, INFO_REPLY = 3 };
	struct sk_buff *b = (struct sk_buff *)skb;
	struct flow_key *to = &S->forward;
	struct nf_conn *ct;
	unsigned long nfct;

	if (!bpf_core_field_exists(b->_nfct) || !bpf_core_type_exists(struct nf_conn))
		return false;
	nfct = BPF_CORE_READ(b, _nfct);
	ct = (struct nf_conn *)(nfct & ~(unsigned long)INFO_MASK);
	if (!ct)
		return false;
	*to = *k;
	to->netns = 0;
	if ((nfct & INFO_MASK) < INFO_REPLY) {
		BPF_CORE_READ_INTO(&to->l, ct, tuplehash[0].tuple.src.u3.all);
		BPF_CORE_READ_INTO(&to->r, ct, tuplehash[0].tuple.dst.u3.all);
		to->lport = BPF_CORE_READ(ct, tuplehash[0].tuple.src.u.all);
		to->rport = BPF_CORE_READ(ct, tuplehash[0].tuple.dst.u.all);
	} else {
		BPF_CORE_READ_INTO(&to->l, ct, tuplehash[1].tuple.src.u3.all);
		BPF_CORE_READ_INTO(&to->r, ct, tuplehash[1].tuple.dst.u3.all);
		to->lport = BPF_CORE_READ(ct, tuplehash[1].tuple.src.u.all);
		to->rport = BPF_CORE_READ(ct, tuplehash[1].tuple.dst.u.all);
	}
	if (addr_is_v4(k->l)) {
		addr_set_v4(to->l, to->l[0]);
		addr_set_v4(to->r, to->r[0]);
	}
	if (k->proto == IPPROTO_ICMP || k->proto == IPPROTO_ICMPV6) {
		/* the identifier in one of the two; the other holds type and code there */
		to->rport = k->rport ? to->lport : 0;
		to->lport = k->lport ? to->lport : 0;
	}
	return !flow_same_ends(to, k);
}

/*
 * The sender of a packet that leaves and has no socket, by its tuple before NAT. What comes back is not translated yet
 * when we see it, so the translated tuple is remembered.
 */
static __always_inline bool nat_source(struct __sk_buff *skb, struct owner_scratch *S, const struct flow_key *k)
{
	struct owner_rec *old;

	if (!attrib_forwarded || !nat_original(skb, S, k) || !flow_get(S, &S->forward))
		return false;
	old = bpf_map_lookup_elem(&ptcp_flows, k);
	if (old && old->cookie == S->rec.cookie && old->certain == S->rec.certain && owner_same(old, &S->rec))
		return true;
	S->rec.forwarded = 1;
	bpf_map_update_elem(&ptcp_flows, k, &S->rec, BPF_ANY);
	bpf_map_update_elem(&ptcp_nat, &S->forward, k, BPF_ANY);
	/* Datagrams that came before: nobody will accept anything. */
	if (k->proto != IPPROTO_TCP && !S->provisional)
		forward_tell_nat(&S->rec, k);
	return true;
}

/* Is a flow whose owner was never told, S->forward, still so young that it may be? */
static __always_inline bool datagram_young(struct owner_scratch *S, __u64 cookie)
{
	enum { YOUNG_NS = 200000000 };
	struct owner_rec *rec = bpf_map_lookup_elem(&ptcp_flows, &S->forward);
	__u64 now = bpf_ktime_get_ns();

	if (rec && rec->cookie == cookie)
		return now - rec->start < YOUNG_NS;
	__builtin_memset(&S->rec, 0, sizeof(S->rec));
	S->rec.cookie = cookie;
	S->rec.start = now;
	S->rec.forwarded = 1;
	bpf_map_update_elem(&ptcp_flows, &S->forward, &S->rec, BPF_ANY);
	return true;
}

/*
 * The destination may be a socket of another namespace that has not answered yet. Such a packet waits, with a stand-in
 * for the cookie, until forward_tell() knows better: SYNs, and the first datagrams unless we send them ourselves.
 */
static __always_inline bool forward_wait(struct __sk_buff *skb, struct owner_scratch *S, struct event_owner *o,
					 const struct flow_key *k, bool syn, bool egress)
{
	bool local;

	if (!attrib_forwarded || !flow_forwardable(k) || k->fragment)
		return false;
	if (k->proto == IPPROTO_TCP ? !syn : k->proto != IPPROTO_UDP || (egress && skb->sk))
		return false;
	local = !egress && destination_local(skb, k);
	S->forward = *k;
	/* Our own address: the tuple before NAT. */
	if (!local)
		S->forward.netns = 0;
	o->cookie = flow_cookie(&S->forward);
	if (k->proto == IPPROTO_UDP && !datagram_young(S, o->cookie))
		return false;
	o->flags = OWNER_F_PROVISIONAL;
	return true;
}

#endif
