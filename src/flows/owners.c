/* SPDX-License-Identifier: BSD-3-Clause */
#include "flows/owners.h"

#include <stdlib.h>

#include "util/hash.h"

/*
 * What of an annotation belongs to a packet rather than to its owner. The ancestors are those of the process, yet long; the peer's are
 * another owner's.
 */
#define OWNER_BITS (ANNOT_PROCESS | ANNOT_USER | ANNOT_PARENT | ANNOT_CONTAINER | ANNOT_POD)

enum {
	OWNERS_MAX = 8192,
	MEMO_SLOTS = 256, /* a power of two */
};

struct memo {
	uint64_t serial;
	struct flows_owner *owner;
};

struct flows_owners {
	size_t max, n, room;
	struct flows_owner **slots; /* room, open addressing, a power of two, at most half of it in use */
	struct flows_owner nobody, others;
	struct hash_key key;
	struct memo memo[MEMO_SLOTS];
};

static uint64_t hash_str(const struct hash_key *key, uint64_t h, struct str s)
{
	return hash_more(key, h, s.p, s.n);
}

static const unsigned groups[] = { ANNOT_PROCESS, ANNOT_USER, ANNOT_CONTAINER, ANNOT_POD };
enum { GROUPS = sizeof(groups) / sizeof(groups[0]) };

uint64_t flows_owner_hash(const struct hash_key *key, uint64_t h, const struct annotation *a, unsigned bit)
{
	if (!(a->has & bit))
		return h;
	switch (bit) {
	case ANNOT_PROCESS:
		h = hash_more(key, h, &a->start, sizeof(a->start));
		h = hash_more(key, h, &a->process.pid, sizeof(a->process.pid));
		h = hash_str(key, h, a->process.cmd);
		return hash_str(key, h, process_desc_name(&a->process));
	case ANNOT_USER: return hash_more(key, h, &a->uid, sizeof(a->uid));
	case ANNOT_CONTAINER: return hash_str(key, hash_str(key, h, a->container.id), a->container.name);
	case ANNOT_POD: return hash_str(key, hash_str(key, h, a->pod.namespace), a->pod.name);
	default: return h;
	}
}

static uint64_t owner_hash(const struct flows_owners *o, const struct annotation *a)
{
	uint64_t h = a->has & OWNER_BITS;

	for (size_t i = 0; i < GROUPS; i++)
		h = flows_owner_hash(&o->key, h, a, groups[i]);
	return h;
}

bool flows_owner_same(const struct annotation *a, const struct annotation *b, unsigned bit)
{
	if (!(a->has & bit) || !(b->has & bit))
		return !((a->has | b->has) & bit);
	switch (bit) {
	case ANNOT_PROCESS:
		return a->start == b->start && a->process.pid == b->process.pid &&
		       str_eq(a->process.cmd, b->process.cmd) &&
		       str_eq(process_desc_name(&a->process), process_desc_name(&b->process));
	case ANNOT_USER: return a->uid == b->uid;
	case ANNOT_CONTAINER:
		return str_eq(a->container.id, b->container.id) && str_eq(a->container.name, b->container.name);
	case ANNOT_POD: return str_eq(a->pod.namespace, b->pod.namespace) && str_eq(a->pod.name, b->pod.name);
	default: return true;
	}
}

static bool owner_is(const struct flows_owner *owner, const struct annotation *a)
{
	bool same = owner->annot->has == (a->has & OWNER_BITS);

	for (size_t i = 0; i < GROUPS && same; i++)
		same = flows_owner_same(owner->annot, a, groups[i]);
	return same;
}

/* The rest is not kept. */
static struct annotation owners_part(const struct annotation *a)
{
	const struct annot_schema *s = &annotation_schema;
	struct annotation part = *a;

	part.has &= OWNER_BITS;
	for (size_t i = 0; i < s->nfields; i++) {
		if (annot_is_string(&s->fields[i]) && !(s->fields[i].bit & part.has))
			memset((char *)&part + s->fields[i].offset, 0, sizeof(struct str));
	}
	return part;
}

static struct flows_owner *owner_new(const struct annotation *a, uint64_t hash)
{
	const struct annotation part = owners_part(a);
	const size_t strings = annot_strings_size(&annotation_schema, &part);
	struct flows_owner *owner = malloc(sizeof(*owner) + sizeof(part) + strings);

	if (!owner)
		return NULL;
	*owner = (struct flows_owner){ .annot = (struct annotation *)(owner + 1), .hash = hash };
	*owner->annot = part;
	annot_strings_move(&annotation_schema, owner->annot, (char *)(owner->annot + 1));
	return owner;
}

static void slot_put(struct flows_owner **slots, size_t room, struct flows_owner *owner)
{
	size_t i = owner->hash & (room - 1);

	while (slots[i])
		i = (i + 1) & (room - 1);
	slots[i] = owner;
}

static bool make_room(struct flows_owners *o)
{
	const size_t room = o->room ? 2 * o->room : 64;
	struct flows_owner **slots;

	if (2 * (o->n + 1) <= o->room)
		return true;
	slots = calloc(room, sizeof(struct flows_owner *));
	if (!slots)
		return false;
	for (size_t i = 0; i < o->room; i++) {
		if (o->slots[i])
			slot_put(slots, room, o->slots[i]);
	}
	free(o->slots);
	o->slots = slots;
	o->room = room;
	return true;
}

static struct flows_owner *look_up(struct flows_owners *o, const struct annotation *annot)
{
	const uint64_t hash = owner_hash(o, annot);
	struct flows_owner *owner;

	for (size_t i = hash & (o->room - 1); o->room && o->slots[i]; i = (i + 1) & (o->room - 1)) {
		if (o->slots[i]->hash == hash && owner_is(o->slots[i], annot))
			return o->slots[i];
	}
	if (o->n >= o->max || !make_room(o))
		return &o->others;
	owner = owner_new(annot, hash);
	if (!owner)
		return &o->others;
	slot_put(o->slots, o->room, owner);
	o->n++;
	return owner;
}

struct flows_owner *flows_owner_find(struct flows_owners *o, const struct annotation *annot, bool others)
{
	struct memo *memo;

	if (others)
		return &o->others;
	if (!annot || !(annot->has & OWNER_BITS))
		return &o->nobody;
	memo = &o->memo[annot->serial & (MEMO_SLOTS - 1)];
	if (memo->serial == annot->serial && memo->owner)
		return memo->owner;
	memo->owner = look_up(o, annot);
	/* Made by hand, without a number: nothing is known of the next one. */
	if (!annot->serial) {
		struct flows_owner *owner = memo->owner;

		memo->owner = NULL;
		return owner;
	}
	memo->serial = annot->serial;
	return memo->owner;
}

void flows_owners_each(struct flows_owners *o, void (*fn)(void *arg, struct flows_owner *owner), void *arg)
{
	fn(arg, &o->nobody);
	for (size_t i = 0; i < o->room; i++) {
		if (o->slots[i])
			fn(arg, o->slots[i]);
	}
	fn(arg, &o->others);
}

struct flows_owners *flows_owners_new(size_t max)
{
	struct flows_owners *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->max = max ? max : OWNERS_MAX;
	o->others.others = true;
	o->key = hash_key();
	return o;
}

void flows_owners_free(struct flows_owners *o)
{
	for (size_t i = 0; i < o->room; i++)
		free(o->slots[i]);
	free(o->slots);
	free(o);
}
