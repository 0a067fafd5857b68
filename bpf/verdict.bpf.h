/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What goes into a packet's record of its owners, and what the process filter says of them. */
#ifndef VERDICT_BPF_H
#define VERDICT_BPF_H

#include "scratch.bpf.h"
#include "task.bpf.h"

/* What the process filter says of a packet. */
enum owner_verdict {
	OWNER_NO,	/* drop it */
	OWNER_MATCH,	/* one end matches, or no process filter is active */
	OWNER_MAYBE,	/* user space decides once the owner is settled; EVENT_PKT_MAYBE was set in e->flags */
	OWNER_UNJUDGED, /* of one end: likewise, but the owner is known */
};

static __always_inline void owner_fill(struct event_owner *o, const struct owner_scratch *S, __u8 source)
{
	o->start = S->rec.start;
	o->cookie = S->rec.cookie;
	o->tgid = S->rec.tgid;
	o->tid = S->rec.tid;
	o->uid = S->rec.uid;
	o->image = S->rec.image;
	o->source = S->rec.source ? S->rec.source : source;
	o->flags = S->provisional ? OWNER_F_PROVISIONAL : 0;
}

/* Of the kinds that ptcp_pids tells of: a name is decided by user space. */
static __always_inline enum owner_verdict process_judge(__u32 tgid)
{
	const __u32 *bits = bpf_map_lookup_elem(&ptcp_pids, &tgid);

	if (!bits || ((select_kinds & SELECT_PID) && !(*bits & SELECT_PID_LIVE)))
		return OWNER_NO;
	if (!(select_kinds & SELECT_NAME))
		return OWNER_MATCH;
	return name_possible(*bits) ? OWNER_MAYBE : OWNER_NO;
}

static __always_inline bool user_selected(const struct owner_rec *rec)
{
	const __u32 *bits;

	if (bpf_map_lookup_elem(&ptcp_uids, &rec->uid))
		return true;
	if (!select_by_user())
		return false;
	bits = bpf_map_lookup_elem(&ptcp_pids, &rec->tgid);
	return bits && (*bits & SELECT_PID_USER);
}

/* First: it has those only that their cgroup does not decide for. */
static __always_inline const __u32 *container_known(const struct owner_rec *rec)
{
	const __u32 *known = bpf_map_lookup_elem(&ptcp_judged, &rec->tgid);

	return known ? known : bpf_map_lookup_elem(&ptcp_cgroups, &rec->cgroup);
}

static __always_inline enum owner_verdict process_judge_any(__u32 tgid)
{
	const __u32 *bits = bpf_map_lookup_elem(&ptcp_pids, &tgid);

	if (!bits)
		return OWNER_NO;
	if ((select_kinds & SELECT_PID) && (*bits & SELECT_PID_LIVE))
		return OWNER_MATCH;
	return (select_kinds & SELECT_NAME) && name_possible(*bits) ? OWNER_MAYBE : OWNER_NO;
}

static __always_inline enum owner_verdict owner_judge_any(const struct owner_rec *rec)
{
	enum owner_verdict verdict = OWNER_NO;
	const __u32 *known;

	if (select_kinds & (SELECT_PID | SELECT_NAME))
		verdict = process_judge_any(rec->tgid);
	if (verdict == OWNER_MATCH || ((select_kinds & SELECT_UID) && user_selected(rec)))
		return OWNER_MATCH;
	if (!(select_kinds & SELECT_CGROUP))
		return verdict;
	known = container_known(rec);
	if (!known)
		return verdict == OWNER_NO ? OWNER_UNJUDGED : verdict;
	return *known ? OWNER_MATCH : verdict;
}

/* What the filter says of the owner in S->rec. */
static __noinline enum owner_verdict owner_judge(struct owner_scratch *S)
{
	enum owner_verdict verdict = OWNER_MATCH;
	const __u32 *known;

	if (S->provisional)
		return OWNER_MAYBE;
	if (select_how != SELECT_ALL)
		return owner_judge_any(&S->rec);
	if (select_kinds & (SELECT_PID | SELECT_NAME))
		verdict = process_judge(S->rec.tgid);
	if (verdict == OWNER_NO || ((select_kinds & SELECT_UID) && !user_selected(&S->rec)))
		return OWNER_NO;
	if (!(select_kinds & SELECT_CGROUP))
		return verdict;
	known = container_known(&S->rec);
	if (!known)
		return OWNER_UNJUDGED;
	return *known ? verdict : OWNER_NO;
}

static __always_inline enum owner_verdict owner_take(struct event_owner *o, struct owner_scratch *S, __u8 source)
{
	owner_fill(o, S, source);
	return select_kinds ? owner_judge(S) : OWNER_MATCH;
}

/* What it says of the packet, by what it says of its ends. */
static __always_inline enum owner_verdict packet_judge(struct event_packet *e, enum owner_verdict src,
						       enum owner_verdict dst)
{
	if (!select_kinds)
		return OWNER_MATCH;
	/* Else clang tests this last, and branches on src and dst keep states of the verifier apart: a third more. */
	asm volatile("");
	if (src == OWNER_MATCH || dst == OWNER_MATCH)
		return OWNER_MATCH;
	if (src == OWNER_NO && dst == OWNER_NO)
		return OWNER_NO;
	e->flags |= EVENT_PKT_MAYBE;
	/* What the rest of the expression matches is wanted whoever it is of. */
	if (select_how != SELECT_ANY_OR_REST && src != OWNER_MAYBE && dst != OWNER_MAYBE)
		e->flags |= EVENT_PKT_UNJUDGED;
	return OWNER_MAYBE;
}

#endif
