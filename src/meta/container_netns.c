/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/container_netns.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/container_store.h"
#include "meta/match.h"
#include "meta/netns_asked.h"
#include "meta/runtimes.h"
#include "util/clock.h"
#include "util/procfs.h"

enum {
	BUCKETS = 1024,
	HOMES_MAX = 8192,
	RESIDENTS_MAX = 256, /* of one namespace */
};

/* A container that has a process in a namespace. */
struct resident {
	struct resident *next;
	struct container_entry *entry;
	unsigned depth;
	uint32_t pid;	    /* a process in it: the last that was heard of, or one that lives */
	uint32_t first_pid; /* likewise the first, since the last may be gone soon */
	uint64_t start;	    /* of the first */
	uint64_t since;	    /* CLOCK_MONOTONIC ns */
	uint64_t judged;    /* what was known of it when it was last asked whether it is asked for: that serial + 1 */
	bool wanted;
};

/* A namespace. */
struct home {
	struct home *next;
	uint32_t inode;
	struct resident *residents;
	unsigned nresidents;
	const struct container_entry *owner; /* whose name it has; NULL: nobody's, or one that is forgotten */
	bool named;			     /* by a runtime, for good; else by an id */
	char name[NAME_MAX + 1];	     /* "": none */
};

struct container_netns {
	struct netns_config config;
	struct container_store *store;
	const struct runtimes *runtimes;
	struct match *filter; /* NULL: none */
	struct netns_asked *asked;
	uint32_t own, host; /* which are called after nobody */
	struct home *buckets[BUCKETS];
	unsigned nhomes;
	uint64_t told; /* version of the store */
	bool held;
};

/* --- which are asked for ----------------------------------------------------------- */

int container_netns_new(struct container_netns **ret, const struct netns_config *config, struct container_store *store,
			const struct runtimes *runtimes, struct match *filter)
{
	struct container_netns *n = calloc(1, sizeof(*n));
	int err;

	if (!n)
		return -ENOMEM;
	n->config = *config;
	n->store = store;
	n->runtimes = runtimes;
	n->filter = config->selected ? filter : NULL;
	n->own = procfs_namespace(0, "net");
	n->host = procfs_namespace(1, "net");
	err = netns_asked_new(&n->asked, config->containers, config->pods);
	if (err) {
		container_netns_free(n);
		return err;
	}
	*ret = n;
	return 0;
}

/* Before anything is told of it, its id is known. */
static bool entry_wanted(const struct container_netns *n, const struct container_entry *e)
{
	const struct container *known = e->published;
	const bool of_pod = known && known->pod.name.p;
	struct annotation annot = { .serial = 1, .has = ANNOT_CONTAINER | (of_pod ? ANNOT_POD : 0) };
	bool asked;

	annot.container = known ? known->desc : (struct container_desc){ .id = str_of(e->id) };
	if (of_pod)
		annot.pod = known->pod;
	asked = netns_asked_fits(n->asked, &annot.container, of_pod ? &annot.pod : NULL);
	return asked || (n->filter && match_containers(n->filter, &annot));
}

static bool resident_wanted(const struct container_netns *n, struct resident *r)
{
	const uint64_t serial = (r->entry->published ? r->entry->published->serial : 0) + 1;

	if (r->judged != serial)
		r->wanted = entry_wanted(n, r->entry);
	r->judged = serial;
	return r->wanted;
}

size_t container_netns_put_missing(struct container_netns *n, struct buf *b)
{
	for (struct container_entry *e = container_store_each(n->store, NULL); e;
	     e = container_store_each(n->store, e)) {
		if (!e->gone_at)
			entry_wanted(n, e);
	}
	return netns_asked_put_missing(n->asked, b);
}

/* --- what they are called ------------------------------------------------------------ */

/* Containers in a container come after it, those that joined after the one whose it is. */
static bool is_before(const struct resident *a, const struct resident *b)
{
	return a->depth != b->depth ? a->depth < b->depth : a->start < b->start;
}

static struct resident *first_resident(const struct home *h)
{
	struct resident *first = h->residents;

	for (struct resident *r = first; r; r = r->next) {
		if (is_before(r, first))
			first = r;
	}
	return first;
}

/* Somebody may still tell its name. */
static bool is_awaited(const struct container_netns *n, const struct home *h, uint64_t now)
{
	for (const struct resident *r = h->residents; r; r = r->next) {
		if (!container_entry_complete(r->entry) && runtimes_alive(n->runtimes) &&
		    (now < r->since + RUNTIMES_WAIT_NS || !runtimes_answered(n->runtimes, now)))
			return true;
	}
	return false;
}

static void set_name(struct home *h, const struct container *c)
{
	if (c->pod.name.n)
		snprintf(h->name, sizeof(h->name), "%.*s.%.*s", (int)c->pod.name.n, c->pod.name.p,
			 (int)c->pod.namespace.n, c->pod.namespace.p);
	else
		snprintf(h->name, sizeof(h->name), "%.*s", (int)c->desc.name.n, c->desc.name.p);
}

static void home_name(struct container_netns *n, struct home *h, uint64_t now)
{
	struct resident *first = h->named ? NULL : first_resident(h);
	const struct container *c;

	if (h->inode == n->host || h->inode == n->own)
		return;
	if (first && is_awaited(n, h, now))
		return;
	if (first) {
		h->owner = first->entry;
		h->named = container_entry_named(first->entry);
		/* An id that is short names a container only together with its containerd namespace. */
		if (!h->named && strchr(first->entry->key, '/'))
			return;
		container_entry_publish(n->store, first->entry);
	}
	c = h->owner ? h->owner->published : NULL;
	if (c)
		set_name(h, c);
}

static void home_tell(struct container_netns *n, struct home *h, uint64_t now)
{
	struct netns_news news = { .inode = h->inode, .own = h->inode == n->own };

	home_name(n, h, now);
	for (struct resident *r = h->residents; r; r = r->next) {
		const bool wanted = resident_wanted(n, r);

		if (!news.pid || (wanted && !news.chosen))
			news.pid = r->pid;
		news.chosen |= wanted;
	}
	news.name = h->name[0] ? h->name : NULL;
	if (h->residents)
		n->config.tell(n->config.arg, &news);
}

/* --- who is where ----------------------------------------------------------------- */

static struct home **home_place(struct container_netns *n, uint32_t inode)
{
	struct home **p = &n->buckets[inode % BUCKETS];

	while (*p && (*p)->inode != inode)
		p = &(*p)->next;
	return p;
}

static void resident_remove(struct home *h, struct resident **p)
{
	struct resident *r = *p;

	*p = r->next;
	if (h->owner == r->entry)
		h->owner = NULL;
	h->nresidents--;
	free(r);
}

static bool is_in(uint32_t pid, uint32_t inode)
{
	return pid && procfs_namespace(pid, "net") == inode;
}

static bool resident_lives(struct resident *r, uint32_t inode)
{
	const uint32_t pids[] = { r->entry->init_pid, r->first_pid, r->pid };

	for (size_t i = 0; i < sizeof(pids) / sizeof(pids[0]); i++) {
		if (is_in(pids[i], inode)) {
			r->pid = pids[i];
			return true;
		}
	}
	return false;
}

/* The kernel gives the number of a namespace that has ended to a new one: whoever was in that is not in this. */
static void home_check(struct home *h)
{
	for (struct resident **p = &h->residents; *p;) {
		if (resident_lives(*p, h->inode))
			p = &(*p)->next;
		else
			resident_remove(h, p);
	}
	if (h->residents)
		return;
	h->owner = NULL;
	h->named = false;
	h->name[0] = '\0';
}

static void home_remove(struct container_netns *n, struct home **p)
{
	struct home *h = *p;

	*p = h->next;
	while (h->residents)
		resident_remove(h, &h->residents);
	free(h);
	n->nhomes--;
}

static void homes_check(struct container_netns *n)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		for (struct home **p = &n->buckets[i]; *p;) {
			home_check(*p);
			if ((*p)->residents)
				p = &(*p)->next;
			else
				home_remove(n, p);
		}
	}
}

static struct home *home_get(struct container_netns *n, uint32_t inode)
{
	struct home **p = home_place(n, inode), *h = *p;

	if (h)
		return h;
	if (n->nhomes >= HOMES_MAX)
		homes_check(n);
	h = n->nhomes < HOMES_MAX ? calloc(1, sizeof(*h)) : NULL;
	if (!h)
		return NULL;
	h->inode = inode;
	h->next = n->buckets[inode % BUCKETS];
	n->buckets[inode % BUCKETS] = h;
	n->nhomes++;
	return h;
}

static struct resident *resident_get(struct home *h, struct container_entry *e, uint64_t now)
{
	struct resident *r = h->residents;

	while (r && r->entry != e)
		r = r->next;
	if (r)
		return r;
	home_check(h);
	r = h->nresidents < RESIDENTS_MAX ? calloc(1, sizeof(*r)) : NULL;
	if (!r)
		return NULL;
	r->entry = e;
	r->depth = UINT_MAX;
	r->start = UINT64_MAX;
	r->since = now;
	r->next = h->residents;
	h->residents = r;
	h->nresidents++;
	return r;
}

void container_netns_note(struct container_netns *n, struct container_entry *e, unsigned depth, uint32_t inode,
			  uint32_t pid, uint64_t start)
{
	const uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct home *h = inode ? home_get(n, inode) : NULL;
	struct resident *r = h ? resident_get(h, e, now) : NULL;

	if (!r)
		return;
	r->pid = pid;
	if (depth < r->depth)
		r->depth = depth;
	if (start < r->start) {
		r->start = start;
		r->first_pid = pid;
	}
	if (!n->held)
		home_tell(n, h, now);
}

void container_netns_hold(struct container_netns *n, bool held)
{
	n->held = held;
	n->told = UINT64_MAX;
}

void container_netns_step(struct container_netns *n, uint64_t now)
{
	if (n->held || n->told == container_store_version(n->store))
		return;
	homes_check(n);
	for (unsigned i = 0; i < BUCKETS; i++) {
		for (struct home *h = n->buckets[i]; h; h = h->next)
			home_tell(n, h, now);
	}
	n->told = container_store_version(n->store);
}

void container_netns_forget(struct container_netns *n, const struct container_entry *e)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		for (struct home **h = &n->buckets[i]; *h;) {
			for (struct resident **p = &(*h)->residents; *p;) {
				if ((*p)->entry == e)
					resident_remove(*h, p);
				else
					p = &(*p)->next;
			}
			if ((*h)->residents)
				h = &(*h)->next;
			else
				home_remove(n, h);
		}
	}
}

void container_netns_free(struct container_netns *n)
{
	if (!n)
		return;
	for (unsigned i = 0; i < BUCKETS; i++) {
		while (n->buckets[i])
			home_remove(n, &n->buckets[i]);
	}
	netns_asked_free(n->asked);
	free(n);
}
