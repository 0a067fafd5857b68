/* SPDX-License-Identifier: BSD-3-Clause */
#include "hints_containers.h"

#include <stdlib.h>

#include "meta/meant.h"
#include "options_containers.h"
#include "util/escape.h"
#include "util/hash.h"
#include "util/log.h"

enum {
	SLOTS = 2048,	 /* a power of two */
	SEEN_MAX = 1024, /* containers that are remembered */
	LISTED = 8,
};

struct seen_container {
	struct container_desc container; /* the strings belong to it: name */
	struct pod_desc pod;		 /* name, namespace */
};

struct seen_containers {
	uint64_t serial; /* of the annotation before, */
	size_t file;	 /* and where it is from */
	bool wanted;
	struct meant *meant; /* whom else it may have been; NULL: no memory */
	struct hash_key key;
	size_t n;
	struct seen_container v[LISTED]; /* the first ones */
	uint64_t slots[SLOTS];		 /* hashes of all, 0: empty */
};

struct seen_containers *seen_containers_new(const struct options *o)
{
	const struct container_query query = options_containers(o);
	struct seen_containers *s = calloc(1, sizeof(*s));

	if (s) {
		s->key = hash_key();
		s->meant = meant_new(&query);
	}
	return s;
}

static uint64_t hash_of(const struct hash_key *key, const struct container_desc *container, const struct pod_desc *pod)
{
	const struct str parts[] = { container->id, container->name, pod->name, pod->namespace };
	uint64_t h = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		h = hash_more(key, h, parts[i].p, parts[i].n);
	return h ? h : 1;
}

static struct str copy(struct str s)
{
	char *p = s.p ? malloc(s.n + 1) : NULL;

	if (!p)
		return (struct str){ 0 };
	memcpy(p, s.p, s.n);
	return (struct str){ p, s.n };
}

static void add(struct seen_containers *s, const struct container_desc *container, const struct pod_desc *pod)
{
	const uint64_t hash = hash_of(&s->key, container, pod);
	size_t at = hash & (SLOTS - 1);

	for (; s->slots[at]; at = (at + 1) & (SLOTS - 1)) {
		if (s->slots[at] == hash)
			return;
	}
	if (s->n == SEEN_MAX)
		return;
	s->slots[at] = hash;
	if (s->n < LISTED)
		s->v[s->n] = (struct seen_container){
			.container.name = copy(container->name),
			.pod = { .name = copy(pod->name), .namespace = copy(pod->namespace) },
		};
	s->n++;
}

static void add_end(struct seen_containers *s, const struct container_desc *container, const struct pod_desc *pod)
{
	static const struct container_desc no_container;
	static const struct pod_desc no_pod;

	if (container)
		add(s, container, pod ? pod : &no_pod);
	if (s->meant && (container || pod))
		meant_offer(s->meant, container ? container : &no_container, pod ? pod : &no_pod);
}

void seen_containers_add(struct seen_containers *s, const struct annotation *a, size_t file, const struct match *match)
{
	if (a->serial == s->serial && file == s->file)
		return;
	s->serial = a->serial;
	s->file = file;
	s->wanted = s->wanted || match_containers(match, a);
	add_end(s, a->has & ANNOT_CONTAINER ? &a->container : NULL, a->has & ANNOT_POD ? &a->pod : NULL);
	add_end(s, a->has & ANNOT_PEER_CONTAINER ? &a->peer_container : NULL,
		a->has & ANNOT_PEER_POD ? &a->peer_pod : NULL);
}

static void put_container(struct buf *b, const struct seen_container *c)
{
	buf_puts(b, b->len ? ", '" : "'");
	escape_put(b, c->container.name, IN_QUOTES);
	buf_putc(b, '\'');
	if (!c->pod.name.p)
		return;
	buf_puts(b, " of pod '");
	escape_put(b, c->pod.name, IN_QUOTES);
	buf_putc(b, '.');
	escape_put(b, c->pod.namespace, IN_QUOTES);
	buf_putc(b, '\'');
}

static void warn_of_none(const struct seen_containers *s, const char *file)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < s->n && i < LISTED; i++)
		put_container(&b, &s->v[i]);
	if (s->n > LISTED)
		buf_printf(&b, " and %zu%s more", s->n - LISTED, s->n == SEEN_MAX ? " or" : "");
	log_warn("no container of %s matches; there %s %.*s", file, s->n == 1 ? "is" : "are", (int)b.len, b.p);
	buf_done(&b);
}

void seen_containers_warn(const struct seen_containers *s, const char *file)
{
	if (!s->wanted && s->n)
		warn_of_none(s, file);
	if (s->meant)
		meant_warn(s->meant);
}

static void free_str(struct str s)
{
	free((void *)s.p);
}

void seen_containers_free(struct seen_containers *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < LISTED; i++) {
		free_str(s->v[i].container.name);
		free_str(s->v[i].pod.name);
		free_str(s->v[i].pod.namespace);
	}
	meant_free(s->meant);
	free(s);
}
