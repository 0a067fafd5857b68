/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Flows of other namespaces into ptcp_flows, with namespace 0, where two networks may use the same addresses. */
#ifndef CONTEST_BPF_H
#define CONTEST_BPF_H

#include "owner.bpf.h"

static __always_inline bool owner_ended(const struct owner_rec *rec)
{
	__u64 *start = bpf_map_lookup_elem(&ptcp_ended, &rec->tgid);

	return start && *start == rec->start;
}

/* For owner_rec.netns: that of the other end was contested, this one's are not known. */
enum { NETNS_BEYOND = 1 };
/* So long a flow is taken for contested; of nat_step(). */
enum { CONTEST_STEPS = 60 };

/* Both may have the flow: two namespaces have told of it within a minute. */
static __always_inline bool flow_is_contested(const struct owner_rec *old, __u32 netns, __u32 now)
{
	if (!netns || !old->netns || now - old->since > CONTEST_STEPS)
		return false;
	return old->contested || (old->netns != netns && !owner_ended(old));
}

static __always_inline void owner_set_nobody(struct owner_rec *rec)
{
	rec->certain = 0;
	rec->tgid = 0;
	rec->cookie = 0;
	rec->contested = 1;
}

/* Neither end of a contested flow can be told from that of the other flow. */
static __noinline void flow_contest(struct owner_rec *nobody, const struct flow_key *k)
{
	struct owner_rec *there;
	struct flow_key other;

	flow_flip(&other, k);
	there = flows_find(&other);
	if (there && there->contested && there->since == nobody->since)
		return;
	nobody->netns = NETNS_BEYOND;
	flows_put(&other, nobody, BPF_ANY);
}

/* The flow is another's now, and the other end may be, too: who had it may still send a last packet. */
static __noinline void flow_taken_over(const struct flow_key *k, __u32 now)
{
	enum { LAST_STEPS = 2 };
	struct owner_rec *there;
	struct flow_key other;

	flow_flip(&other, k);
	there = flows_find(&other);
	if (!there)
		return;
	owner_set_nobody(there);
	there->netns = NETNS_BEYOND;
	there->since = now - CONTEST_STEPS + LAST_STEPS;
}

/*
 * new is of a namespace's end of a flow, k (with namespace 0), and goes into ptcp_flows for whoever sees the flow elsewhere. old:
 * what is there. Where two networks have the same addresses it may be the same flow of another: it is then of nobody, as long
 * as both may have it. netns 0: several may rightly have it. True: it is of its owner alone.
 */
static __always_inline bool flow_put(struct owner_rec *new, const struct owner_rec *old, const struct flow_key *k,
				     __u32 netns)
{
	__u32 now = nat_step(bpf_ktime_get_ns());
	bool taken_over;

	new->contested = 0;
	new->netns = netns;
	new->since = now;
	if (!old) {
		/* Of two at the same time, the second has to see the first. */
		if (!flows_put(k, new, BPF_NOEXIST))
			return true;
		old = flows_find(k);
		if (!old)
			return true;
	}
	/* A contest began when the second one came, and goes on while others than this one do. */
	if (old->netns == netns || (old->contested && old->netns == NETNS_BEYOND))
		new->since = old->since;
	if (flow_is_contested(old, netns, now)) {
		if (old->contested && old->netns == netns)
			return false;
		owner_set_nobody(new);
		flows_replace(k, new);
		flow_contest(new, k);
		return false;
	}
	/* No insertion, which takes an LRU map 0.8 us: whoever looks meanwhile sees the same owner. */
	if (owner_same(old, new) && old->netns == netns && old->start == new->start) {
		owner_renew((struct owner_rec *)old, new);
		return true;
	}
	/* Looked at before, as what is there changes with what is written. */
	taken_over = netns && old->netns && old->netns != netns;
	flows_replace(k, new);
	if (taken_over)
		flow_taken_over(k, now);
	return true;
}

#endif
