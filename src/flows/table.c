/* SPDX-License-Identifier: BSD-3-Clause */
#include "flows/flows.h"

#include <errno.h>
#include <stdlib.h>

#include "flows/owners.h"
#include "util/hash.h"

enum {
	FLOWS_MAX = 65536,
	FLOWS_FIRST = 256,
	NONE = UINT32_MAX,
};

struct flow_key {
	const struct iface *iface;
	const struct flows_owner *owner;
	struct headers_tuple tuple;
};
_Static_assert(sizeof(struct flow_key) == 2 * sizeof(void *) + sizeof(struct headers_tuple),
	       "no padding: it is hashed");

/* By order of the last packet: newest and oldest are ends of a list through the entries. */
struct flows {
	struct flows_config config;
	struct flows_owners *owners;
	struct hash_key key;
	struct flow *flows;	/* n of room */
	uint32_t n, room, free; /* free: a list through newer, NONE: none */
	uint32_t *slots;	/* 2 * room, open addressing; NONE: empty */
	uint32_t newest, oldest;
	struct flows_counts total;
	bool *ifaces; /* by their numbers, which have packets */
	size_t ifaces_room, nifaces;
};

static uint32_t flow_hash(const struct flows *f, const struct flow_key *k)
{
	return (uint32_t)hash_bytes(&f->key, k, sizeof(*k));
}

static bool flow_is(const struct flow *e, const struct flow_key *k)
{
	return e->iface == k->iface && e->owner == k->owner && memcmp(&e->tuple, &k->tuple, sizeof(k->tuple)) == 0;
}

static uint32_t slot_mask(const struct flows *f)
{
	return 2 * f->room - 1;
}

static struct flow *find(const struct flows *f, const struct flow_key *k, uint32_t hash)
{
	if (!f->room)
		return NULL;
	for (uint32_t i = hash & slot_mask(f); f->slots[i] != NONE; i = (i + 1) & slot_mask(f)) {
		struct flow *e = &f->flows[f->slots[i]];

		if (e->hash == hash && flow_is(e, k))
			return e;
	}
	return NULL;
}

static void slot_put(struct flows *f, uint32_t at)
{
	uint32_t i = f->flows[at].hash & slot_mask(f);

	while (f->slots[i] != NONE)
		i = (i + 1) & slot_mask(f);
	f->slots[i] = at;
}

/* What stands behind a hole moves up, unless it would then stand in front of its place (Knuth, 6.4, algorithm R). */
static void slot_remove(struct flows *f, uint32_t at)
{
	const uint32_t mask = slot_mask(f);
	uint32_t hole = f->flows[at].hash & mask;

	while (f->slots[hole] != at)
		hole = (hole + 1) & mask;
	for (uint32_t i = (hole + 1) & mask; f->slots[i] != NONE; i = (i + 1) & mask) {
		const uint32_t home = f->flows[f->slots[i]].hash & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			f->slots[hole] = f->slots[i];
			hole = i;
		}
	}
	f->slots[hole] = NONE;
}

static void unlink_flow(struct flows *f, uint32_t at)
{
	const struct flow *e = &f->flows[at];

	if (e->newer == NONE)
		f->newest = e->older;
	else
		f->flows[e->newer].older = e->older;
	if (e->older == NONE)
		f->oldest = e->newer;
	else
		f->flows[e->older].newer = e->newer;
}

static void link_newest(struct flows *f, uint32_t at)
{
	struct flow *e = &f->flows[at];

	e->newer = NONE;
	e->older = f->newest;
	if (f->newest == NONE)
		f->oldest = at;
	else
		f->flows[f->newest].newer = at;
	f->newest = at;
}

void flows_counts_join(struct flows_counts *to, const struct flows_counts *n)
{
	for (int way = 0; way < FLOWS_WAYS; way++) {
		to->way[way].packets += n->way[way].packets;
		to->way[way].bytes += n->way[way].bytes;
	}
	to->retransmits += n->retransmits;
	to->resets += n->resets;
	to->connections += n->connections;
	if (n->first && (!to->first || n->first < to->first))
		to->first = n->first;
	if (n->last > to->last)
		to->last = n->last;
	to->recent += n->recent;
	to->marked += n->marked;
}

static void fold(struct flows *f, uint32_t at)
{
	struct flow *e = &f->flows[at];

	if (f->config.gone)
		f->config.gone(f->config.arg, e);
	flows_counts_join(&e->owner->folded, &e->n);
	slot_remove(f, at);
	unlink_flow(f, at);
	e->owner = NULL;
	e->newer = f->free;
	f->free = at;
}

static bool grow(struct flows *f)
{
	const uint32_t room = f->room ? 2 * f->room : FLOWS_FIRST;
	struct flow *flows = reallocarray(f->flows, room, sizeof(*flows));
	uint32_t *slots;

	if (!flows)
		return false;
	f->flows = flows;
	slots = malloc(2 * (size_t)room * sizeof(*slots));
	if (!slots)
		return false;
	free(f->slots);
	f->slots = slots;
	f->room = room;
	memset(slots, 0xff, 2 * (size_t)room * sizeof(*slots));
	for (uint32_t at = f->newest; at != NONE; at = f->flows[at].older)
		slot_put(f, at);
	return true;
}

/* NONE: there is no memory for even one. */
static uint32_t take_entry(struct flows *f)
{
	uint32_t at;

	if (f->free == NONE && f->n == f->room && f->room < f->config.flows_max)
		grow(f);
	if (f->free == NONE && f->n == f->room && f->oldest != NONE)
		fold(f, f->oldest);
	if (f->free == NONE)
		return f->n < f->room ? f->n++ : NONE;
	at = f->free;
	f->free = f->flows[at].newer;
	return at;
}

static struct flow *make(struct flows *f, const struct flow_key *k, struct flows_owner *owner, uint32_t hash)
{
	const uint32_t at = take_entry(f);

	if (at == NONE)
		return NULL;
	f->flows[at] = (struct flow){ .iface = k->iface, .owner = owner, .tuple = k->tuple, .hash = hash };
	slot_put(f, at);
	link_newest(f, at);
	return &f->flows[at];
}

enum flows_way flows_way(const struct flows_sample *s)
{
	if (s->annot)
		return annot_owner_sends(s->annot, (uint8_t)s->dir) ? FLOWS_OUT : FLOWS_IN;
	return s->dir == DIR_OUT ? FLOWS_OUT : FLOWS_IN;
}

/* Of a packet without direction and owner the first of its flow says which end is ours. */
static enum flows_way way_of(const struct flows *f, const struct flows_sample *s, const struct flows_owner *owner)
{
	struct flow_key k = { .iface = s->iface, .owner = owner };

	if (s->annot || s->dir != DIR_NONE)
		return flows_way(s);
	k.tuple = headers_turned(&s->tuple);
	return find(f, &k, flow_hash(f, &k)) ? FLOWS_IN : FLOWS_OUT;
}

static void count(struct flows_counts *n, const struct flows_sample *s, enum flows_way way)
{
	struct flows_counts more = {
		.retransmits = s->retransmits,
		.resets = s->resets,
		.connections = s->syns,
		.first = s->first,
		.last = s->last,
	};

	more.way[way] = (struct flows_count){ s->packets, s->bytes };
	flows_counts_join(n, &more);
}

static void note_iface(struct flows *f, uint32_t id)
{
	const size_t room = 2 * (size_t)id + 16;
	bool *more;

	if (id >= f->ifaces_room) {
		more = reallocarray(f->ifaces, room, sizeof(*more));
		if (!more)
			return;
		memset(more + f->ifaces_room, 0, room - f->ifaces_room);
		f->ifaces = more;
		f->ifaces_room = room;
	}
	f->nifaces += !f->ifaces[id];
	f->ifaces[id] = true;
}

/* The flow of a sample, not counted yet; NULL: none, owner has its counts then. */
static struct flow *place(struct flows *f, const struct flows_sample *s, struct flows_owner *owner, enum flows_way *way)
{
	struct flow_key k = { .iface = s->iface, .owner = owner };
	struct flow *e;
	uint32_t hash;

	*way = way_of(f, s, owner);
	if (owner->others || s->others)
		return NULL;
	k.tuple = *way == FLOWS_OUT ? s->tuple : headers_turned(&s->tuple);
	hash = flow_hash(f, &k);
	e = find(f, &k, hash);
	if (!e)
		return make(f, &k, owner, hash);
	if (f->newest != (uint32_t)(e - f->flows)) {
		unlink_flow(f, (uint32_t)(e - f->flows));
		link_newest(f, (uint32_t)(e - f->flows));
	}
	return e;
}

static void put(struct flows *f, struct flow *e, struct flows_owner *owner, const struct flows_sample *s,
		enum flows_way way)
{
	note_iface(f, s->iface->id);
	count(&f->total, s, way);
	count(e ? &e->n : &owner->folded, s, way);
	if (!e)
		return;
	e->fin[way] |= s->tcp_flags & HEADERS_FIN;
	e->reset |= s->tcp_flags & HEADERS_RST;
}

struct flow *flows_add(struct flows *f, const struct flows_sample *sample)
{
	struct flows_owner *owner = flows_owner_find(f->owners, sample->annot, sample->others);
	enum flows_way way;
	struct flow *e = place(f, sample, owner, &way);

	put(f, e, owner, sample, way);
	return e;
}

/* Bytes that were sent before, but for a keep-alive's (RFC 9293, 3.8.4), which is the last one, or none, again. */
static bool is_retransmit(struct flow *e, enum flows_way way, const struct headers *h)
{
	const uint32_t len = h->payload_len + !!(h->tcp_flags & HEADERS_SYN) + !!(h->tcp_flags & HEADERS_FIN);
	const uint32_t end = h->tcp_seq + len;
	const int32_t ahead = (int32_t)(h->tcp_seq - e->next_seq[way]);
	const bool known = e->seq_known[way];

	/* The ports are used again, or the other end has forgotten all. */
	if (!known || (h->tcp_flags & HEADERS_SYN)) {
		const bool again = known && h->tcp_seq + 1 == e->next_seq[way];

		e->seq_known[way] = true;
		e->next_seq[way] = end;
		return again;
	}
	if (len == 0)
		return false;
	if ((int32_t)(end - e->next_seq[way]) > 0)
		e->next_seq[way] = end;
	return ahead < 0 &&
	       !(ahead == -1 && len == 1 && h->payload_len <= 1 && !(h->tcp_flags & (HEADERS_SYN | HEADERS_FIN)));
}

static void sample_tcp(struct flows_sample *s, const struct headers *h)
{
	s->tcp_flags = h->tcp_flags;
	s->syns = (h->tcp_flags & (HEADERS_SYN | HEADERS_ACK)) == HEADERS_SYN;
	s->resets = !!(h->tcp_flags & HEADERS_RST);
	s->fins = !!(h->tcp_flags & HEADERS_FIN);
}

/* Another connection of the same ends: that the one before was closed says nothing of it. */
static void begin_again(struct flow *e)
{
	e->fin[FLOWS_IN] = e->fin[FLOWS_OUT] = e->reset = false;
}

struct flow *flows_packet(struct flows *f, const struct packet *packet, struct flows_sample *s)
{
	const uint64_t ns = packet_ns(packet);
	struct flows_owner *owner = flows_owner_find(f->owners, packet->annot, false);
	struct headers h;
	enum flows_way way;
	struct flow *e;

	headers_parse(&h, packet);
	*s = (struct flows_sample){
		.iface = packet->iface,
		.annot = packet->annot,
		.dir = packet->dir,
		.tuple = h.tuple,
		.packets = 1,
		.bytes = packet->len,
		.first = ns,
		.last = ns,
	};
	if (h.has_tcp)
		sample_tcp(s, &h);
	e = place(f, s, owner, &way);
	if (e && s->syns)
		begin_again(e);
	if (e && h.has_tcp && is_retransmit(e, way, &h)) {
		s->retransmits = 1;
		/* One connection, although it was asked for twice. */
		s->syns = 0;
	}
	put(f, e, owner, s, way);
	return e;
}

void flows_each(struct flows *f, void (*fn)(void *arg, struct flow *flow), void *arg)
{
	for (uint32_t at = f->oldest; at != NONE; at = f->flows[at].newer)
		fn(arg, &f->flows[at]);
}

static void mark(struct flows_counts *n)
{
	const uint64_t bytes = flows_bytes_of(n);

	n->recent = bytes - n->marked;
	n->marked = bytes;
}

static void mark_owner(void *arg, struct flows_owner *owner)
{
	(void)arg;
	mark(&owner->folded);
}

void flows_tick(struct flows *f)
{
	for (uint32_t at = f->oldest; at != NONE; at = f->flows[at].newer)
		mark(&f->flows[at].n);
	flows_owners_each(f->owners, mark_owner, NULL);
	mark(&f->total);
}

void flows_expire(struct flows *f, uint64_t before, uint64_t closed)
{
	uint32_t newer;

	for (uint32_t at = f->oldest; at != NONE; at = newer) {
		const struct flow *e = &f->flows[at];
		const bool ended = e->reset || (e->fin[FLOWS_IN] && e->fin[FLOWS_OUT]);

		newer = e->newer;
		if (e->n.last < before || (ended && e->n.last < closed))
			fold(f, at);
	}
}

struct flows_counts flows_total(const struct flows *f)
{
	return f->total;
}

size_t flows_ifaces(const struct flows *f)
{
	return f->nifaces;
}

static void forget_owner(void *arg, struct flows_owner *owner)
{
	(void)arg;
	owner->folded = (struct flows_counts){ 0 };
}

void flows_clear(struct flows *f)
{
	flows_owners_each(f->owners, forget_owner, NULL);
	if (f->room)
		memset(f->slots, 0xff, 2 * (size_t)f->room * sizeof(*f->slots));
	f->n = 0;
	f->free = f->newest = f->oldest = NONE;
	f->total = (struct flows_counts){ 0 };
	if (f->nifaces)
		memset(f->ifaces, 0, f->ifaces_room);
	f->nifaces = 0;
}

struct flows_owners *flows_owners_of(const struct flows *f)
{
	return f->owners;
}

int flows_new(struct flows **ret, const struct flows_config *config)
{
	struct flows *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->config = *config;
	f->config.flows_max = config->flows_max ? config->flows_max : FLOWS_MAX;
	f->key = hash_key();
	f->free = f->newest = f->oldest = NONE;
	f->owners = flows_owners_new(config->owners_max);
	if (!f->owners) {
		free(f);
		return -ENOMEM;
	}
	*ret = f;
	return 0;
}

void flows_free(struct flows *f)
{
	if (!f)
		return;
	flows_owners_free(f->owners);
	free(f->ifaces);
	free(f->flows);
	free(f->slots);
	free(f);
}
