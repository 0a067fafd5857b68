/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/memo.h"

#include <string.h>

static uint8_t device_of(const struct iface *iface)
{
	return iface ? (uint8_t)(iface->paired | iface->bridged << 1 | iface->other_netns << 2) : 0;
}

/* Both directions of a conversation have a slot each. */
static size_t slot_of(const struct event_packet *e)
{
	return (e->src.tid + 3 * e->dst.tid + e->dir) & (MEMO_SLOTS - 1);
}

static inline bool owner_same(const struct event_owner *a, const struct event_owner *b)
{
	enum { BEHIND_COOKIE = offsetof(struct event_owner, tgid) };

	return a->start == b->start && memcmp((const char *)a + BEHIND_COOKIE, (const char *)b + BEHIND_COOKIE,
					      sizeof(*a) - BEHIND_COOKIE) == 0;
}

static bool key_is_of(const struct memo_key *k, const struct packet *packet)
{
	const struct event_packet *e = packet->event;

	return k->netns == e->netns && k->dir == e->dir && k->device == device_of(packet->iface) &&
	       owner_same(&k->src, &e->src) && owner_same(&k->dst, &e->dst) &&
	       memcmp(k->comm, e->comm, sizeof(k->comm)) == 0;
}

const struct annotation *memo_find(const struct memo *m, const struct packet *packet, uint64_t generation)
{
	const struct event_packet *e = packet->event;
	const struct memo_slot *s = &m->slots[slot_of(e)];

	if (s->generation != generation || e->ts < s->when.from || e->ts >= s->when.until ||
	    !key_is_of(&s->key, packet))
		return NULL;
	return s->annot->serial == s->serial ? s->annot : NULL;
}

void memo_keep(struct memo *m, const struct packet *packet, uint64_t generation, const struct period *when,
	       const struct annotation *annot)
{
	const struct event_packet *e = packet->event;
	struct memo_slot *s = &m->slots[slot_of(e)];

	*s = (struct memo_slot){
		.key = {
			.src = e->src,
			.dst = e->dst,
			.netns = e->netns,
			.dir = e->dir,
			.device = device_of(packet->iface),
		},
		.generation = generation,
		.when = *when,
		.annot = annot,
		.serial = annot->serial,
	};
	memcpy(s->key.comm, e->comm, sizeof(s->key.comm));
}
