/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/container_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/budget.h"
#include "meta/pods.h"
#include "util/clock.h"
#include "util/hash.h"

enum {
	BUCKETS = 1024,
	ENTRIES_MAX = 8192,
	BY_USERS_MAX = 2048, /* entries that users may make, so that they do not push out others */
	NAMESPACES_MAX = 256,
	ID_LEN = 64,
	KEY_MAX = 256,
	NAME_MAX_BYTES = 1024,
	SHORT_ID = 12, /* as docker ps prints ids */
};
#define GONE_KEEP_NS (120 * NSEC_PER_SEC) /* packets in flight, and a pause in reading them */
#define SWEEP_NS (5 * NSEC_PER_SEC)

struct container_store {
	struct container_store_hooks hooks;
	struct budget budget;
	struct hash_key key;
	struct container_entry *buckets[BUCKETS];
	size_t nentries, nby_users;
	struct pods pods;
	char *namespaces[NAMESPACES_MAX];
	size_t nnamespaces, oldest_namespace;
	uint64_t version, serial, swept_at;
};

int container_store_new(struct container_store **ret, const struct container_store_hooks *hooks)
{
	struct container_store *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->hooks = *hooks;
	s->key = hash_key();
	pods_init(&s->pods);
	s->version = 1;
	*ret = s;
	return 0;
}

uint64_t container_store_version(const struct container_store *s)
{
	return s->version;
}

void container_store_touch(struct container_store *s)
{
	s->version++;
}

static bool id_is_unique(const char *id, size_t len)
{
	return len == ID_LEN && strspn(id, "0123456789abcdef") >= ID_LEN;
}

/* Length, 0: not to be had. */
static size_t make_key(char key[KEY_MAX], const char *ns, size_t ns_len, const char *id, size_t id_len)
{
	int n;

	if (id_len == 0 || id_len + ns_len + 2 > KEY_MAX)
		return 0;
	if (id_is_unique(id, id_len) || ns_len == 0)
		n = snprintf(key, KEY_MAX, "%.*s", (int)id_len, id);
	else
		n = snprintf(key, KEY_MAX, "%.*s/%.*s", (int)ns_len, ns, (int)id_len, id);
	return (size_t)n;
}

static void replace(char **field, const char *value)
{
	char *copy = value ? strndup(value, NAME_MAX_BYTES) : NULL;

	free(*field);
	*field = copy;
}

static void entry_free(struct container_entry *e)
{
	free(e->published);
	free(e->key);
	free(e->id);
	free(e->name);
	free(e->image);
	free(e->labels);
	free(e->sandbox);
	free(e->pod_name);
	free(e->pod_namespace);
	free(e->pod_uid);
	free(e->init_cgroup);
	free(e);
}

static void entry_forget(struct container_store *s, struct container_entry *e)
{
	struct container_entry **p = &s->buckets[e->hash % BUCKETS];

	while (*p != e)
		p = &(*p)->next;
	*p = e->next;
	s->nentries--;
	s->nby_users -= e->by_user;
	s->version++;
	s->hooks.forget(s->hooks.arg, e);
	pods_remove(&s->pods, &s->budget, e->id);
	budget_set(&s->budget, &e->bytes, 0, e->by_user);
	entry_free(e);
}

struct container_entry *container_store_each(struct container_store *s, struct container_entry *after)
{
	size_t i = 0;

	if (after && after->next)
		return after->next;
	if (after)
		i = after->hash % BUCKETS + 1;
	for (; i < BUCKETS; i++) {
		if (s->buckets[i])
			return s->buckets[i];
	}
	return NULL;
}

/* Makes room: what has gone first, then what was used longest ago. */
static void evict(struct container_store *s)
{
	struct container_entry *oldest = NULL;

	for (struct container_entry *e = container_store_each(s, NULL); e; e = container_store_each(s, e)) {
		if (!oldest || (e->gone_at && !oldest->gone_at) ||
		    (!e->gone_at == !oldest->gone_at && e->used_at < oldest->used_at))
			oldest = e;
	}
	if (oldest)
		entry_forget(s, oldest);
}

static struct container_entry *entry_new(struct container_store *s, const char *key, size_t len, const char *id,
					 size_t id_len)
{
	struct container_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->hash = hash_bytes(&s->key, key, len);
	e->key = strdup(key);
	e->id = strndup(id, id_len);
	if (!e->key || !e->id) {
		entry_free(e);
		return NULL;
	}
	if (s->nentries >= ENTRIES_MAX)
		evict(s);
	e->used_at = clock_ns(CLOCK_MONOTONIC);
	e->next = s->buckets[e->hash % BUCKETS];
	s->buckets[e->hash % BUCKETS] = e;
	s->nentries++;
	return e;
}

struct container_entry *container_store_get(struct container_store *s, const char *ns, size_t ns_len, const char *id,
					    size_t id_len, enum container_create create)
{
	struct container_entry *e;
	char key[KEY_MAX];
	size_t len = make_key(key, ns, ns_len, id, id_len);
	uint64_t hash;

	if (len == 0)
		return NULL;
	hash = hash_bytes(&s->key, key, len);
	for (e = s->buckets[hash % BUCKETS]; e; e = e->next) {
		if (e->hash == hash && strcmp(e->key, key) == 0)
			return e;
	}
	if (create == CREATE_NOT || (create == CREATE_OF_USER && s->nby_users >= BY_USERS_MAX))
		return NULL;
	e = entry_new(s, key, len, id, id_len);
	if (e && create == CREATE_OF_USER) {
		e->by_user = true;
		s->nby_users++;
	}
	return e;
}

static struct container_entry *entry_of(struct container_store *s, const char *ns, const char *id,
					enum container_create create)
{
	return container_store_get(s, ns, ns ? strlen(ns) : 0, id, strlen(id), create);
}

static bool pod_is_of_labels(const struct pod *p, const struct container_entry *e)
{
	return e->pod_name && e->pod_namespace && e->pod_uid && strcmp(p->name, e->pod_name) == 0 &&
	       strcmp(p->namespace, e->pod_namespace) == 0 && strcmp(p->uid, e->pod_uid) == 0;
}

/* By the sandbox; a container that only containerd has told is known by its labels. */
static const struct pod *pod_of(const struct container_store *s, const struct container_entry *e)
{
	const struct pod *pod = pods_find(&s->pods, e->sandbox ? e->sandbox : e->id);

	if (pod || !e->pod_name)
		return pod;
	for (pod = pods_each(&s->pods, NULL); pod && !pod_is_of_labels(pod, e); pod = pods_each(&s->pods, pod))
		continue;
	return pod;
}

static struct annotation compose(const struct container_store *s, const struct container_entry *e)
{
	const struct pod *pod = pod_of(s, e);
	struct annotation a = { 0 };

	a.container.id = str_of(e->id);
	a.container.name = e->name && e->name[0] ? str_of(e->name) : a.container.id;
	if (a.container.name.p == a.container.id.p && id_is_unique(e->id, a.container.id.n))
		a.container.name.n = SHORT_ID;
	a.container.image = str_of(e->image ? e->image : "");
	a.container.labels = str_of(e->labels ? e->labels : "{}");
	if (pod) {
		a.pod.name = str_of(pod->name);
		a.pod.namespace = str_of(pod->namespace);
		a.pod.uid = str_of(pod->uid);
		a.pod.labels = str_of(pod->labels);
		a.pod.annotations = str_of(pod->annotations);
	} else if (e->pod_name) {
		a.pod.name = str_of(e->pod_name);
		a.pod.namespace = str_of(e->pod_namespace ? e->pod_namespace : "");
		a.pod.uid = str_of(e->pod_uid ? e->pod_uid : "");
		a.pod.labels = a.pod.annotations = str_of("{}");
	}
	return a;
}

/* One allocation for the struct and all its strings. */
static struct container *published_new(struct annotation a)
{
	struct container *p = malloc(sizeof(*p) + annot_strings_size(&annotation_schema, &a));

	if (!p)
		return NULL;
	annot_strings_move(&annotation_schema, &a, (char *)(p + 1));
	*p = (struct container){ .desc = a.container, .pod = a.pod };
	return p;
}

static bool published_is(const struct container *p, const struct annotation *a)
{
	const struct annotation published = { .container = p->desc, .pod = p->pod };

	return annot_same(&annotation_schema, &published, a);
}

static void entry_refresh(struct container_store *s, struct container_entry *e)
{
	struct annotation a = compose(s, e);
	size_t size = annot_strings_size(&annotation_schema, &a);
	struct container *p;

	e->pod_told = pod_of(s, e) != NULL;
	if (e->published && published_is(e->published, &a))
		return;
	/* Each container of a pod has what is the pod's. */
	if (size > e->bytes && !budget_allows(&s->budget, e->by_user) && a.pod.name.p)
		a.pod.labels = a.pod.annotations = str_of("{}");
	size = annot_strings_size(&annotation_schema, &a);
	p = published_new(a);
	if (!p)
		return;
	p->serial = ++s->serial;
	free(e->published);
	e->published = p;
	budget_set(&s->budget, &e->bytes, size + (e->labels ? strlen(e->labels) : 0), e->by_user);
	s->version++;
}

static void put_pod_labels(struct container_entry *e, const struct container_facts *f)
{
	const char *name = label_get(f->labels, f->nlabels, "io.kubernetes.pod.name");

	/* Any user may put that on a container of theirs. */
	if (!name || f->rank == RANK_USER)
		return;
	replace(&e->pod_name, name);
	replace(&e->pod_namespace, label_get(f->labels, f->nlabels, "io.kubernetes.pod.namespace"));
	replace(&e->pod_uid, label_get(f->labels, f->nlabels, "io.kubernetes.pod.uid"));
}

/* Whom a user's daemon may tell of: containers that nobody else has told of. */
static struct container_entry *entry_of_user(struct container_store *s, const struct container_facts *f)
{
	struct container_entry *e = entry_of(s, NULL, f->id, CREATE_NOT);

	if (e)
		return e->rank == RANK_NONE || (e->rank == RANK_USER && e->user == f->user) ? e : NULL;
	return entry_of(s, NULL, f->id, CREATE_OF_USER);
}

/* Short ids come again with another container. */
static void forget_former(struct container_entry *e)
{
	e->rank = RANK_NONE;
	replace(&e->name, NULL);
	replace(&e->image, NULL);
	replace(&e->sandbox, NULL);
	replace(&e->pod_name, NULL);
	replace(&e->pod_namespace, NULL);
	replace(&e->pod_uid, NULL);
}

void container_store_put(struct container_store *s, const struct container_facts *f)
{
	struct container_entry *e = f->rank == RANK_USER ? entry_of_user(s, f) : entry_of(s, f->ns, f->id, CREATE);
	const char *name = label_get(f->labels, f->nlabels, "io.kubernetes.container.name");

	if (!e)
		return;
	if (e->gone_at && !id_is_unique(e->id, strlen(e->id)))
		forget_former(e);
	e->gone_at = 0;
	e->used_at = clock_ns(CLOCK_MONOTONIC);
	if (f->sandbox && !e->sandbox)
		replace(&e->sandbox, f->sandbox);
	if (f->rank >= e->rank) {
		if (!f->some_labels || f->rank > e->rank || !e->labels) {
			free(e->labels);
			e->labels = budget_labels(&s->budget, f->labels, f->nlabels, f->rank == RANK_USER);
		}
		e->rank = f->rank;
		e->user = f->user;
		/* Docker's own name of a pod's container is a made-up one: k8s_NAME_POD_NAMESPACE_UID_N. */
		name = name && f->rank != RANK_USER ? name : f->name;
		if (name && name[0] == '/')
			name++;
		if (name)
			replace(&e->name, name);
		if (f->image)
			replace(&e->image, f->image);
		put_pod_labels(e, f);
	}
	entry_refresh(s, e);
}

void container_store_put_pod(struct container_store *s, const struct pod_facts *f)
{
	const struct pod *pod = pods_put(&s->pods, &s->budget, f);

	if (!pod)
		return;
	for (struct container_entry *e = container_store_each(s, NULL); e; e = container_store_each(s, e)) {
		if (e->rank != RANK_NONE &&
		    (strcmp(e->sandbox ? e->sandbox : e->id, pod->sandbox) == 0 || pod_is_of_labels(pod, e)))
			entry_refresh(s, e);
	}
	s->version++;
}

bool container_store_has_pod(const struct container_store *s, const char *sandbox)
{
	return pods_find(&s->pods, sandbox) != NULL;
}

void container_store_put_init(struct container_store *s, const char *ns, const char *id, uint32_t pid)
{
	struct container_entry *e = entry_of(s, ns, id, CREATE);

	if (!e || pid == 0 || e->init_pid == pid)
		return;
	e->used_at = clock_ns(CLOCK_MONOTONIC);
	e->init_pid = pid;
	e->pidns = e->mntns = 0;
	replace(&e->init_cgroup, NULL);
	e->gone_at = 0;
	s->hooks.init(s->hooks.arg, e);
	s->version++;
}

void container_store_put_image(struct container_store *s, const char *id, enum container_rank rank, const char *image)
{
	struct container_entry *e = entry_of(s, NULL, id, CREATE_NOT);

	if (!e || rank < e->rank)
		return;
	replace(&e->image, image);
	entry_refresh(s, e);
}

void container_store_gone(struct container_store *s, const char *ns, const char *id)
{
	struct container_entry *e = entry_of(s, ns, id, CREATE_NOT);

	if (e && !e->gone_at)
		e->gone_at = clock_ns(CLOCK_MONOTONIC);
	container_store_stopped(s, ns, id); /* the kernel gives its namespaces' numbers to others now */
}

void container_store_stopped(struct container_store *s, const char *ns, const char *id)
{
	struct container_entry *e = entry_of(s, ns, id, CREATE_NOT);

	if (!e)
		return;
	e->init_pid = e->pidns = e->mntns = 0;
	replace(&e->init_cgroup, NULL);
}

void container_store_put_namespace(struct container_store *s, const char *ns)
{
	const size_t full = s->nnamespaces == NAMESPACES_MAX;
	char *copy;

	if (container_store_has_namespace(s, ns, strlen(ns)) || !*ns || !(copy = strndup(ns, KEY_MAX)))
		return;
	if (full) {
		free(s->namespaces[s->oldest_namespace]);
		s->namespaces[s->oldest_namespace] = copy;
		s->oldest_namespace = (s->oldest_namespace + 1) % NAMESPACES_MAX;
	} else {
		s->namespaces[s->nnamespaces++] = copy;
	}
	s->version++;
}

bool container_store_has_namespace(const struct container_store *s, const char *ns, size_t len)
{
	for (size_t i = 0; i < s->nnamespaces; i++) {
		if (strlen(s->namespaces[i]) == len && memcmp(s->namespaces[i], ns, len) == 0)
			return true;
	}
	return false;
}

struct container_entry *container_store_by_init(struct container_store *s, uint32_t tgid, uint32_t pidns,
						uint32_t mntns)
{
	struct container_entry *by_pidns = NULL, *by_mntns = NULL;
	bool several_pidns = false, several_mntns = false;

	for (struct container_entry *e = container_store_each(s, NULL); e; e = container_store_each(s, e)) {
		/* A pid that another process has got is in other namespaces. */
		if (e->init_pid == tgid && !e->gone_at &&
		    ((!e->pidns && !e->mntns) || (e->pidns == pidns && e->mntns == mntns)))
			return e;
		if (e->pidns && e->pidns == pidns) {
			several_pidns = by_pidns != NULL;
			by_pidns = e;
		}
		if (e->mntns && e->mntns == mntns) {
			several_mntns = by_mntns != NULL;
			by_mntns = e;
		}
	}
	/* Containers may share a pid namespace, and share it with the host; a mount namespace is their own. */
	if (by_mntns && !several_mntns)
		return by_mntns;
	return several_pidns ? NULL : by_pidns;
}

void container_store_asking(struct container_store *s, const char *ns, const char *id)
{
	struct container_entry *e = entry_of(s, ns, id, CREATE_NOT);

	if (e)
		e->asking++;
}

void container_store_answered(struct container_store *s, const char *ns, const char *id)
{
	struct container_entry *e = entry_of(s, ns, id, CREATE_NOT);

	/* It may have been forgotten and have come back meanwhile. */
	if (e && e->asking > 0)
		e->asking--;
	s->version++;
}

bool container_entry_named(const struct container_entry *e)
{
	return e->rank == RANK_USER || e->rank >= RANK_CONTAINERD;
}

bool container_entry_complete(const struct container_entry *e)
{
	/* The name of its image comes with the next answer. */
	if (e->rank == RANK_CRI && !e->image && e->asking)
		return false;
	return e->rank == RANK_USER || (e->rank >= RANK_CONTAINERD && (!e->pod_name || e->pod_told));
}

const struct container *container_entry_publish(struct container_store *s, struct container_entry *e)
{
	if (!e->published)
		entry_refresh(s, e);
	return e->published;
}

void container_store_sweep(struct container_store *s, uint64_t now)
{
	struct container_entry *next;

	if (now < s->swept_at + SWEEP_NS)
		return;
	s->swept_at = now;
	for (struct container_entry *e = container_store_each(s, NULL); e; e = next) {
		next = container_store_each(s, e);
		if (e->gone_at && now > e->gone_at + GONE_KEEP_NS)
			entry_forget(s, e);
	}
}

void container_store_free(struct container_store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (s->buckets[i]) {
			struct container_entry *e = s->buckets[i];

			s->buckets[i] = e->next;
			entry_free(e);
		}
	}
	pods_free(&s->pods);
	for (size_t i = 0; i < s->nnamespaces; i++)
		free(s->namespaces[i]);
	free(s);
}
