/* SPDX-License-Identifier: BSD-3-Clause */
/* A time that facts are asked for, and around it how long the answers stay the same. CLOCK_MONOTONIC ns. */
#ifndef META_PERIOD_H
#define META_PERIOD_H

#include <stdbool.h>
#include <stdint.h>

struct period {
	uint64_t at;
	uint64_t from, until; /* from <= at < until, once narrowed */
};

static inline struct period period_at(uint64_t ts)
{
	return (struct period){ ts, 0, UINT64_MAX };
}

static inline void period_narrow(struct period *p, uint64_t from, uint64_t until)
{
	if (from > p->from)
		p->from = from;
	if (until < p->until)
		p->until = until;
}

#endif
