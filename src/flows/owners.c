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

/* By what tells owners apart. */
static uint64_t owner_hash(const struct flows_owners *o, const struct annotation *a)
{
	const uint64_t numbers[] = { a->has & OWNER_BITS, a->has & ANNOT_PROCESS ? a->start : 0,
				     a->has & ANNOT_PROCESS ? a->process.pid : 0, a->has & ANNOT_USER ? a->uid : 0 };
	uint64_t h = hash_bytes(&o->key, numbers, sizeof(numbers));

	if (a->has & ANNOT_PROCESS) {
		h = hash_str(&o->key, h, a->process.cmd);
		h = hash_str(&o->key, h, process_desc_name(&a->process));
	}
	if (a->has & ANNOT_CONTAINER) {
		h = hash_str(&o->key, h, a->container.id);
		h = hash_str(&o->key, h, a->container.name);
	}
	if (a->has & ANNOT_POD) {
		h = hash_str(&o->key, h, a->pod.namespace);
		h = hash_str(&o->key, h, a->pod.name);
	}
	return h;
}

static bool same_process(const struct annotation *a, const struct annotation *b)
{
	return a->start == b->start && a->process.pid == b->process.pid && str_eq(a->process.cmd, b->process.cmd) &&
	       str_eq(process_desc_name(&a->process), process_desc_name(&b->process));
}

static bool owner_is(const struct flows_owner *owner, const struct annotation *b)
{
	const struct annotation *a = owner->annot;
	const unsigned has = b->has & OWNER_BITS;

	return a->has == has && (!(has & ANNOT_PROCESS) || same_process(a, b)) &&
	       (!(has & ANNOT_USER) || a->uid == b->uid) &&
	       (!(has & ANNOT_CONTAINER) ||
		(str_eq(a->container.id, b->container.id) && str_eq(a->container.name, b->container.name))) &&
	       (!(has & ANNOT_POD) || (str_eq(a->pod.namespace, b->pod.namespace) && str_eq(a->pod.name, b->pod.name)));
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
