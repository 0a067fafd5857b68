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

enum { NFCT_INFO_MASK = 7, NFCT_INFO_REPLY = 3, NFCT_DST_NAT = 1 << 5 };

/* Of a packet that leaves; NULL: it is not tracked. */
static __always_inline struct nf_conn *nat_conn(struct __sk_buff *skb, unsigned long *nfct)
{
	struct sk_buff *b = (struct sk_buff *)skb;

	if (!bpf_core_field_exists(b->_nfct) || !bpf_core_type_exists(struct nf_conn))
		return NULL;
	*nfct = BPF_CORE_READ(b, _nfct);
	return (struct nf_conn *)(*nfct & ~(unsigned long)NFCT_INFO_MASK);
}

/* Whether we send it to another than the sender meant. */
static __always_inline bool nat_redirects(struct __sk_buff *skb)
{
	unsigned long nfct;
	struct nf_conn *ct = nat_conn(skb, &nfct);

	return ct && (nfct & NFCT_INFO_MASK) < NFCT_INFO_REPLY && (BPF_CORE_READ(ct, status) & NFCT_DST_NAT);
}

/* What the sender called this packet, into S->forward; false unless NAT has changed it. */
static __always_inline bool nat_original(struct __sk_buff *skb, struct owner_scratch *S, const struct flow_key *k)
{
	struct flow_key *to = &S->forward;
	unsigned long nfct;
	struct nf_conn *ct = nat_conn(skb, &nfct);

	if (!ct)
		return false;
	*to = *k;
	to->netns = 0;
	if ((nfct & NFCT_INFO_MASK) < NFCT_INFO_REPLY) {
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
 * A request that was sent on is refused, by nobody. Its conntrack entry goes with that, so user space, which asks for it
 * later, finds here where it was sent: by the flow in this namespace, other than forward_tell().
 */
static __always_inline void nat_refused(const struct owner_scratch *S, const struct flow_key *k)
{
	if (k->proto == IPPROTO_TCP && (S->head.tcp_flags & TCPHDR_RST))
		bpf_map_update_elem(&ptcp_nat, k, &S->forward, BPF_ANY);
}

/*
 * The sender of a packet that leaves and has no socket, by its tuple before NAT. What comes back is not translated yet
 * when we see it, so the translated tuple is remembered.
 */
static __always_inline bool nat_source(struct __sk_buff *skb, struct owner_scratch *S, const struct flow_key *k)
{
	struct owner_rec *old;

	if (!attrib_forwarded || !nat_original(skb, S, k))
		return false;
	if (!flow_get(S, &S->forward)) {
		nat_refused(S, k);
		return false;
	}
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
static __always_inline bool nat_possible(struct owner_scratch *S, const struct event_packet *e,
					 const struct flow_key *k)
{
	struct nat_plain *plain;
	__u32 slot;
	__u64 hash;

	/* What this machine sends to itself has passed NAT before. */
	if (!attrib_forwarded || e->ifindex == LOOPBACK_IFINDEX || !flow_forwardable(k))
		return false;
	flow_plain(&S->forward, k, e->ifindex);
	hash = flow_hash(&S->forward);
	slot = flow_plain_slot(hash);
	plain = bpf_map_lookup_elem(&ptcp_plain, &slot);
	return !plain || plain->tag != flow_plain_tag(hash) || (__s32)(plain->until - nat_step(e->ts)) < 0;
}

/*
 * The destination may be a socket of another namespace that has not answered yet. Such a packet waits, with a stand-in
 * for the cookie, until forward_tell() knows better: SYNs, and the first datagrams unless we send them ourselves, to
 * whom we mean.
 */
static __always_inline bool forward_wait(struct __sk_buff *skb, struct owner_scratch *S, struct event_packet *e,
					 const struct flow_key *k, bool syn, bool egress)
{
	struct event_owner *o = &e->dst;
	bool local;

	if (!attrib_forwarded || !flow_forwardable(k) || k->fragment)
		return false;
	if (k->proto == IPPROTO_TCP ? !syn : k->proto != IPPROTO_UDP || (egress && skb->sk && !nat_redirects(skb)))
		return false;
	local = !egress && destination_local(skb, k);
	o->flags = local && nat_possible(S, e, k) ? OWNER_F_NAT : 0;
	S->forward = *k;
	/* Our own address: the tuple before NAT. */
	if (!local)
		S->forward.netns = 0;
	o->cookie = flow_cookie(&S->forward);
	if (k->proto == IPPROTO_UDP && !datagram_young(S, o->cookie))
		return o->flags;
	o->flags |= OWNER_F_PROVISIONAL;
	return true;
}

#endif
