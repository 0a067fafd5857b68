/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose a flow was, of the last few thousand that have become another process's: for packets that are looked at later. */
#ifndef CAPTURE_FLOW_PAST_H
#define CAPTURE_FLOW_PAST_H

#include <ptcpdump/owner.h>
#include <stdint.h>

struct flow_past;

/* NULL: out of memory. */
struct flow_past *flow_past_new(void);
/* The flow with this flow_hash() was owner's until then, CLOCK_MONOTONIC ns. */
void flow_past_add(struct flow_past *p, uint64_t flow, uint64_t until, const struct event_owner *owner);
/* Whose it was at a time; NULL: nobody has had it since. Valid until the next addition. */
const struct event_owner *flow_past_find(const struct flow_past *p, uint64_t flow, uint64_t ts);
void flow_past_free(struct flow_past *p);

#endif
