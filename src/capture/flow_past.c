/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/flow_past.h"

#include <stdbool.h>
#include <stdlib.h>

#include "util/clock.h"
#include "util/hash.h"

/* Powers of two. A packet waits for a second at most, unless the machine is stopped. */
enum { ENTRIES = 4096, SLOT_BITS = 10, SLOTS = 1 << SLOT_BITS };

/*
 * The time of a packet is by another clock than that of the change, made comparable at the start. Two programs follow
 * each other less closely than this.
 */
#define CLOCKS_DIFFER_NS (20 * NSEC_PER_USEC)

struct entry {
	uint64_t flow, until;
	struct event_owner owner;
	uint32_t older; /* number of the one before in its slot */
};

struct flow_past {
	struct hash_key key;
	uint32_t newest; /* number of the last one, the first is 1: it is in entries[number % ENTRIES] */
	uint32_t slots[SLOTS];
	struct entry entries[ENTRIES];
};

struct flow_past *flow_past_new(void)
{
	struct flow_past *p = calloc(1, sizeof(*p));

	if (p)
		p->key = hash_key();
	return p;
}

static size_t place_of(const struct flow_past *p, uint64_t flow)
{
	return hash_number(&p->key, flow) >> (64 - SLOT_BITS);
}

static uint32_t *slot_of(struct flow_past *p, uint64_t flow)
{
	return &p->slots[place_of(p, flow)];
}

void flow_past_add(struct flow_past *p, uint64_t flow, uint64_t until, const struct event_owner *owner)
{
	uint32_t *slot = slot_of(p, flow);

	p->newest++;
	p->entries[p->newest % ENTRIES] = (struct entry){ flow, until, *owner, *slot };
	*slot = p->newest;
}

/* It is there, and no other has taken its place. */
static bool is_kept(const struct flow_past *p, uint32_t number)
{
	return number && p->newest - number < ENTRIES;
}

const struct event_owner *flow_past_find(const struct flow_past *p, uint64_t flow, uint64_t ts)
{
	const struct event_owner *found = NULL;

	for (uint32_t n = p->slots[place_of(p, flow)]; is_kept(p, n);) {
		const struct entry *e = &p->entries[n % ENTRIES];

		if (e->until <= ts + CLOCKS_DIFFER_NS)
			break;
		if (e->flow == flow)
			found = &e->owner;
		n = e->older;
	}
	return found;
}

void flow_past_free(struct flow_past *p)
{
	free(p);
}
