/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What programs that see a flow's own end tell those who see it elsewhere. */
#ifndef ANYWHERE_BPF_H
#define ANYWHERE_BPF_H

#include "contest.bpf.h"
#include "lookup.bpf.h"

/*
 * The same flow seen from other namespaces, on the host's end of a container's veth for instance. Addresses of
 * loopback say nothing outside of theirs. several: others may get the same packet.
 */
static __always_inline void flow_anywhere(struct owner_scratch *S, const struct flow_key *k, bool several)
{
	struct owner_rec *rec = flows_find(k), *there;

	if (!rec || addr_is_loopback(k->l))
		return;
	S->flow[FLOW_INNER] = *k;
	S->flow[FLOW_INNER].netns = 0;
	S->rec = *rec;
	there = flows_find(&S->flow[FLOW_INNER]);
	if (there && owner_same(there, &S->rec) && there->cookie == S->rec.cookie && there->certain == S->rec.certain)
		return;
	if (flows_told && S->begins)
		flow_tell(S, &S->flow[FLOW_INNER]);
	flow_put(&S->rec, there, &S->flow[FLOW_INNER], several ? 0 : k->netns);
}

#endif
