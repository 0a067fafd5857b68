/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Whose packet it is, for programs that may not look up sockets (socket filters, tracepoints, cgroup_skb): by the
 * running task and by ptcp_flows, which bpf/cgroup.bpf.c fills, on egress before any of them sees the packet. What is
 * not known yet, user space asks for when the packet is delivered (src/capture/owners.c).
 */
#ifndef TAP_BPF_H
#define TAP_BPF_H

#include <ptcpdump/config.h>

#include "nat.bpf.h"
#include "tunnel.bpf.h"
#include "verdict.bpf.h"

static __always_inline bool tap_wants(__u32 ifindex, bool egress)
{
	if (egress)
		return tap_out;
	return tap_in && !(ifindex == LOOPBACK_IFINDEX && tap_out);
}

/* Of this namespace, or of one whose packet passes here. */
static __always_inline bool tap_flow(struct owner_scratch *S, __u32 which)
{
	if (!flow_get(S, which) && !forward_get(S, which))
		return false;
	S->provisional = !S->rec.certain;
	return true;
}

/* A connection that is only asked for: who accepts it is told for this stand-in. */
static __always_inline enum owner_verdict tap_stand_in(struct event_owner *o, const struct flow_key *k)
{
	o->cookie = flow_cookie(k);
	o->flags = OWNER_F_PROVISIONAL;
	return OWNER_MAYBE;
}

/*
 * As task_sends(), for packets that have lost their socket: ptcp_flow_out has told before who sends by TCP. What it has not
 * seen is from a kernel without cgroup v2, or a reset from nobody.
 */
static __always_inline bool tap_task_sends(struct owner_scratch *S, struct task_struct *task)
{
	const struct flow_key *k = &S->flow[FLOW_SRC];

	if (k->proto != IPPROTO_TCP)
		return !S->head.inner_off && !icmp_answers(k);
	if (tcp_is(S, TCPHDR_SYN | TCPHDR_ACK))
		return false;
	if (!tap_flow(S, FLOW_SRC))
		return !(S->head.tcp_flags & TCPHDR_RST);
	return task_is_of(task, &S->rec);
}

/* sends: the packet leaves, and was made here, not forwarded. in_task: not in an interrupt. */
static __always_inline enum owner_verdict tap_source(struct __sk_buff *skb, struct owner_scratch *S,
						     struct event_packet *e, bool egress, bool sends, bool in_task)
{
	struct task_struct *task = task_current();
	const struct flow_key *k = &S->flow[FLOW_SRC];

	if (sends && k->proto && in_task && tap_task_sends(S, task) && owner_current(&S->rec, task)) {
		S->rec.source = 0;
		S->rec.cookie = 0;
		S->provisional = 0;
		bpf_probe_read_kernel(e->comm, sizeof(e->comm), &task->comm);
		return owner_take(&e->src, S, OWNER_CURRENT);
	}
	if (!k->proto)
		return OWNER_NO;
	if (nat_changes(skb, S, e->ifindex) && nat_source(S))
		return owner_take(&e->src, S, OWNER_CONNTRACK);
	/* It may follow a dead connection of the same tuple. */
	if (tcp_is(S, TCPHDR_SYN | TCPHDR_ACK))
		return sends || e->ifindex == LOOPBACK_IFINDEX ? tap_stand_in(&e->src, k) : OWNER_MAYBE;
	if (tap_flow(S, FLOW_SRC))
		return owner_take(&e->src, S, OWNER_FLOW);
	return OWNER_MAYBE;
}

/* As nat_destination(); ptcp_flow_out has told the flow of our own ends as it is after NAT, which the other end answers. */
static __always_inline bool tap_nat(struct owner_scratch *S)
{
	bool found = nat_destination(S);

	if (!found && S->nat == NAT_REPLY) {
		flow_flip(&S->flow[FLOW_FORWARD], &S->flow[FLOW_SENT]);
		S->flow[FLOW_FORWARD].netns = S->flow[FLOW_DST].netns;
		found = flow_get(S, FLOW_FORWARD);
	}
	return found;
}

/* Conntrack does not know the packet as it is between two changes: user space is not to ask. */
static __always_inline enum owner_verdict tap_nat_wait(struct owner_scratch *S, struct event_owner *o)
{
	nat_stand_in(S);
	o->source = OWNER_CONNTRACK;
	return tap_stand_in(o, &S->flow[FLOW_FORWARD]);
}

static __always_inline enum owner_verdict tap_destination(struct owner_scratch *S, struct event_packet *e, bool egress)
{
	const struct flow_key *k = &S->flow[FLOW_DST];

	if (!k->proto)
		return OWNER_NO;
	if (tcp_is(S, TCPHDR_SYN)) {
		if (S->nat == NAT_FIRST)
			return tap_nat_wait(S, &e->dst);
		if (egress && e->ifindex != LOOPBACK_IFINDEX)
			return OWNER_MAYBE;
		/* What is there is of an earlier connection. */
		bpf_map_delete_elem(&ptcp_flows, k);
		return tap_stand_in(&e->dst, k);
	}
	if (S->nat && tap_nat(S))
		return owner_take(&e->dst, S, OWNER_CONNTRACK);
	if (!tap_flow(S, FLOW_DST)) {
		/* Soon after its SYN: nobody has accepted yet. */
		if (k->proto == IPPROTO_TCP && !k->fragment && (!egress || e->ifindex == LOOPBACK_IFINDEX))
			return tap_stand_in(&e->dst, k);
		return S->nat == NAT_FIRST ? tap_nat_wait(S, &e->dst) : OWNER_MAYBE;
	}
	if (S->head.more_frags && !k->fragment && !S->provisional) {
		flow_fragment(S);
		flows_put(&S->flow[FLOW_INNER], &S->rec, BPF_ANY);
	}
	return owner_take(&e->dst, S, OWNER_FLOW);
}

/* The end that an ICMP error is about, from the packet that it quotes: parsed into FLOW_INNER. */
static __always_inline enum owner_verdict tap_quoted(struct owner_scratch *S, struct event_packet *e)
{
	return tap_flow(S, FLOW_INNER) ? owner_take(&e->dst, S, OWNER_ICMP) : OWNER_MAYBE;
}

static __always_inline struct owner_scratch *tap_begin(struct event_packet *e, __u32 slot)
{
	struct owner_scratch *S = attrib_off ? NULL : owner_scratch_get(slot);

	__builtin_memset(&e->src, 0, sizeof(e->src));
	__builtin_memset(&e->dst, 0, sizeof(e->dst));
	__builtin_memset(e->comm, 0, sizeof(e->comm));
	if (!S)
		return NULL;
	__builtin_memset(S, 0, offsetof(struct owner_scratch, flow[FLOW_SENT]));
	S->slot = slot;
	S->flow[FLOW_SRC].netns = S->flow[FLOW_INNER].netns = e->netns;
	return S;
}

/* As owner_resolve(). sends: see tap_source(). */
static __always_inline enum owner_verdict tap_resolve(struct __sk_buff *skb, struct event_packet *e, bool egress,
						      bool sends)
{
	bool in_task = task_context(task_current());
	struct owner_scratch *S = tap_begin(e, owner_nested && !in_task);
	enum owner_verdict src, dst;

	if (!S)
		return OWNER_MATCH;
	if (parse_packet(skb, FLOW_SRC, network_offset(e), e->protocol, S->slot)) {
		if (is_tunnel(S))
			tunnel_packet(skb, network_offset(e), e->protocol, S->slot);
		parse_ends(S);
	}
	src = tap_source(skb, S, e, egress, sends, sends && in_task);
	if (S->head.inner_off && parse_packet(skb, FLOW_INNER, S->head.inner_off,
					      S->flow[FLOW_SRC].proto == IPPROTO_ICMP ? ETH_P_IP : ETH_P_IPV6, S->slot))
		dst = tap_quoted(S, e);
	else
		dst = tap_destination(S, e, egress);
	return packet_judge(e, src, dst);
}

#endif
