/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/annot_cache.h"

#include <stdlib.h>
#include <string.h>

#include "format/comments.h"
#include "format/pcapng.h"
#include "format/reference.h"
#include "util/hash.h"

enum {
	/* What references may count on twice: of two files that were merged. */
	GENERATION_ENTRIES = 2 * REMEMBERED_TEXTS,
	GENERATION_BYTES = 2 * REMEMBERED_BYTES, /* of comments: their annotations take as much again */
	SLOTS = 4 * GENERATION_ENTRIES,		 /* a power of two, never more than a quarter full */
};

/* What references to an entry lead to. */
enum naming {
	NAME_UNASKED, /* nobody wants to know yet */
	NAME_NONE,    /* nothing refers to what is told once, or is long */
	NAME_ENTRY,
	NAME_DISPUTED, /* two that differ have this reference: to neither */
};

struct entry {
	uint64_t hash;
	const struct annotation *annot; /* NULL: these comments are none */
	enum naming naming;
	struct reference reference; /* NAME_ENTRY, NAME_DISPUTED: to it */
	size_t len;
	uint8_t options[];
};

/* When the young generation is full the old one goes, and the young one takes its place: what is in use moves over. */
struct generation {
	struct entry *slots[SLOTS];
	struct entry *named[SLOTS]; /* by reference */
	size_t entries, bytes;
};

struct annot_cache {
	struct generation *young, *old;
	struct entry *last;
	bool names;  /* references were asked for */
	bool failed; /* there was no memory for some */
	struct buf scratch, other;
	uint64_t serial;
	unsigned lost;
	struct hash_long_key key; /* a file must not be able to choose which entries collide */
};

struct annot_cache *annot_cache_new(void)
{
	struct annot_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->young = calloc(1, sizeof(*c->young));
	c->old = calloc(1, sizeof(*c->old));
	c->key = hash_long_key();
	if (!c->young || !c->old) {
		annot_cache_free(c);
		return NULL;
	}
	return c;
}

static bool entry_is(const struct entry *e, const uint8_t *options, size_t len)
{
	return e->len == len && memcmp(e->options, options, len) == 0;
}

/* The slot that holds these options, or the empty one where they belong. */
static struct entry **find_slot(struct generation *g, uint64_t hash, const uint8_t *options, size_t len)
{
	size_t i = hash & (SLOTS - 1);

	while (g->slots[i] && !(g->slots[i]->hash == hash && entry_is(g->slots[i], options, len)))
		i = (i + 1) & (SLOTS - 1);
	return &g->slots[i];
}

static void entry_free(struct entry *e)
{
	if (e)
		free((void *)e->annot);
	free(e);
}

/* What was never written to is no memory yet: not touched, not even to be cleared. */
static void generation_empty(struct generation *g)
{
	for (size_t i = 0; g->entries && i < SLOTS; i++)
		entry_free(g->slots[i]);
}

static void generation_clear(struct generation *g)
{
	generation_empty(g);
	if (g->entries)
		memset(g, 0, sizeof(*g));
}

/* Entries that were taken over into the young generation are marked by an annotation-less, empty shell. */
static struct entry *take_old(struct annot_cache *c, uint64_t hash, const uint8_t *options, size_t len)
{
	struct entry **slot = find_slot(c->old, hash, options, len);
	struct entry *e = *slot, *shell;

	if (!e)
		return NULL;
	shell = calloc(1, sizeof(*shell));
	if (!shell)
		return NULL;
	*slot = shell; /* keeps the probe chains of others whole */
	return e;
}

static struct entry *entry_new(struct annot_cache *c, uint64_t hash, const uint8_t *options, size_t len)
{
	struct entry *e = malloc(sizeof(*e) + len);
	struct annotation *annot;

	if (!e || annotation_decode(&annotation_schema, &annot, options, len, c->serial + 1)) {
		free(e);
		return NULL;
	}
	if (annot)
		c->serial++;
	*e = (struct entry){ .hash = hash, .annot = annot, .len = len };
	memcpy(e->options, options, len);
	return e;
}

static bool same_reference(const struct reference *a, const struct reference *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* The place of what has that reference, or the empty one where it belongs. */
static struct entry **find_named(struct generation *g, const struct reference *reference,
				 const struct hash_long_key *key)
{
	size_t i = hash_bytes(&key->key, reference->hash, sizeof(reference->hash)) & (SLOTS - 1);

	while (g->named[i] && !same_reference(&g->named[i]->reference, reference))
		i = (i + 1) & (SLOTS - 1);
	return &g->named[i];
}

/* What references to e refer to. */
static void put_text(struct buf *b, const struct entry *e)
{
	b->len = 0;
	annotation_encode(&annotation_schema, b, e->annot, ANNOT_ALL);
}

static void make_reference(struct annot_cache *c, struct entry *e)
{
	e->naming = NAME_NONE;
	if (!e->annot || e->annot->has & TOLD_ONCE)
		return;
	put_text(&c->scratch, e);
	if (c->scratch.len > REFERRED_MAX)
		return;
	e->reference = reference_of((const uint8_t *)c->scratch.p, c->scratch.len);
	e->naming = NAME_ENTRY;
}

static bool same_text(struct annot_cache *c, const struct entry *a, const struct entry *b)
{
	put_text(&c->scratch, a);
	put_text(&c->other, b);
	return c->scratch.len == c->other.len && memcmp(c->scratch.p, c->other.p, c->scratch.len) == 0;
}

/* Nobody is known who could make two texts of the same hash. Should he come, he gains nothing. */
static void dispute(struct annot_cache *c, struct entry *e, struct entry *other)
{
	if (!other || other == e)
		return;
	if (e->naming == other->naming && (e->naming == NAME_DISPUTED || same_text(c, e, other)))
		return;
	e->naming = other->naming = NAME_DISPUTED;
	c->lost++;
}

static void name_entry(struct annot_cache *c, struct generation *g, struct entry *e)
{
	struct entry **slot;

	if (e->naming == NAME_UNASKED)
		make_reference(c, e);
	if (e->naming == NAME_NONE)
		return;
	slot = find_named(g, &e->reference, &c->key);
	dispute(c, e, *slot);
	dispute(c, e, *find_named(g == c->young ? c->old : c->young, &e->reference, &c->key));
	*slot = e;
}

/* Most files have no references. */
static void name_all(struct annot_cache *c)
{
	struct generation *const both[] = { c->young, c->old };

	c->names = true;
	for (size_t g = 0; g < 2; g++) {
		for (size_t i = 0; i < SLOTS; i++) {
			if (both[g]->slots[i])
				name_entry(c, both[g], both[g]->slots[i]);
		}
	}
}

static void turn_generations(struct annot_cache *c)
{
	struct generation *old = c->old;

	generation_clear(old);
	c->old = c->young;
	c->young = old;
	c->lost++;
}

static struct entry *lookup(struct annot_cache *c, const uint8_t *options, size_t len)
{
	const uint64_t hash = hash_long(&c->key, options, len);
	struct entry **slot = find_slot(c->young, hash, options, len);
	struct entry *e = *slot;

	if (e)
		return e;
	e = take_old(c, hash, options, len);
	if (!e)
		e = entry_new(c, hash, options, len);
	if (!e) {
		c->failed = true;
		return NULL;
	}
	if (c->young->entries == GENERATION_ENTRIES || c->young->bytes > GENERATION_BYTES) {
		turn_generations(c);
		slot = find_slot(c->young, hash, options, len);
	}
	*slot = e;
	if (c->names)
		name_entry(c, c->young, e);
	c->young->entries++;
	c->young->bytes += len;
	return e;
}

const struct annotation *annot_cache_get(struct annot_cache *c, const uint8_t *options, size_t len)
{
	struct entry *e = c->last;

	if (!e || !entry_is(e, options, len)) {
		e = lookup(c, options, len);
		c->last = e;
	}
	return e ? e->annot : NULL;
}

const struct annotation *annot_cache_named(struct annot_cache *c, const struct reference *reference)
{
	const struct entry *e;

	if (!c->names)
		name_all(c);
	e = *find_named(c->young, reference, &c->key);
	if (!e) {
		e = *find_named(c->old, reference, &c->key);
		/* In use: it moves over. */
		if (e && annot_cache_get(c, e->options, e->len))
			e = c->last;
	}
	return e && e->naming == NAME_ENTRY ? e->annot : NULL;
}

bool annot_cache_failed(const struct annot_cache *c)
{
	return c->failed;
}

unsigned annot_cache_lost(const struct annot_cache *c)
{
	return c->lost;
}

void annot_cache_set_serials(struct annot_cache *c, uint64_t first)
{
	c->serial = first - 1;
}

void annot_cache_free(struct annot_cache *c)
{
	if (!c)
		return;
	if (c->young)
		generation_empty(c->young);
	if (c->old)
		generation_empty(c->old);
	free(c->young);
	free(c->old);
	buf_done(&c->scratch);
	buf_done(&c->other);
	free(c);
}
