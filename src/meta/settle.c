/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/settle.h"

#include <errno.h>
#include <stdlib.h>

/* 64 Ki sockets: some seconds of very many connections, and owners are asked for only during the settle time. */
enum { SETS = 16384, WAYS = 4 };

struct settled {
	struct event_owner owner; /* cookie 0: empty */
	uint64_t ts;
};

struct settle_table {
	struct settled sets[SETS][WAYS];
};

int settle_table_new(struct settle_table **ret)
{
	/* Pages that are never used cost nothing. */
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

static size_t set_of(uint64_t cookie)
{
	return cookie * UINT64_C(0x9e3779b97f4a7c15) >> 50 & (SETS - 1);
}

/* Cookies with this bit stand for the tuple of a connection request, and tuples come again (bpf/owner.bpf.h). */
static bool is_tuple(uint64_t cookie)
{
	return cookie >> 63;
}

/* A socket has one owner at last; the packets of a tuple may each have their own. */
static struct settled *place(struct settle_table *t, uint64_t cookie)
{
	struct settled *set = t->sets[set_of(cookie)], *oldest = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].owner.cookie == cookie && !is_tuple(cookie))
			return &set[i];
		if (set[i].ts < oldest->ts)
			oldest = &set[i];
	}
	return oldest;
}

void settle_table_event(struct settle_table *t, const struct event_owner *owner, uint64_t ts)
{
	if (owner->cookie)
		*place(t, owner->cookie) = (struct settled){ *owner, ts };
}

void settle_table_expire(struct settle_table *t, const struct event_owner *owner, uint64_t ts)
{
	if (!is_tuple(owner->cookie))
		settle_table_event(t, owner, ts);
}

const struct event_owner *settle_table_find(const struct settle_table *t, uint64_t cookie, uint64_t ts)
{
	const struct settled *set = t->sets[set_of(cookie)], *first = NULL;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].owner.cookie != cookie)
			continue;
		if (!is_tuple(cookie))
			return &set[i].owner;
		/* What was told before the packet was seen is of an earlier one. */
		if (set[i].ts >= ts && (!first || set[i].ts < first->ts))
			first = &set[i];
	}
	return first ? &first->owner : NULL;
}

void settle_table_free(struct settle_table *t)
{
	free(t);
}
