/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/join.h"

#include <errno.h>
#include <stdlib.h>

#include "meta/ends.h"
#include "meta/image.h"
#include "meta/memo.h"
#include "meta/settle.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/hash.h"

enum {
	CACHE_MAX = 8192, /* annotations; those not used lately are replaced */
	BUCKETS = 16384,
	NONE = -1,
};

/* A runtime that has not answered by now is not waited for. */
static const uint64_t container_wait_ns = 1000 * UINT64_C(1000000);

/* Where the owner is, if it is not where the packet's direction has it. */
enum told_end { END_AS_DIRECTION, END_SOURCE, END_DESTINATION };

/* What makes two packets share an annotation. Compared as bytes: no padding. */
struct annot_key {
	uint64_t start, peer_start;
	uint32_t tgid, tid, uid, peer_tgid, peer_uid;
	uint16_t peer_nobody; /* 1: OWNER_TID_NOBODY */
	uint16_t end;	      /* ANNOT_END is told: enum told_end */
	uint16_t image, peer_image;
	uint16_t later, peer_later; /* 1: OWNER_F_LATER */
	char comm[EVENT_COMM_LEN];
};
EVENT_ASSERT_SIZE(struct annot_key, 64);

/* Contents that an annotation was made of; when one changes, it is made anew, with a new serial. */
struct annot_versions {
	uint64_t container, peer_container;
	uint32_t process, parent, peer;
	bool image_known, parent_known, peer_known, peer_image_known;
	char thread[EVENT_COMM_LEN];
};

struct annot_entry {
	struct annot_key key;
	struct annot_versions versions;
	uint64_t checked;   /* generation in which the versions were seen to be right, */
	struct period when; /* for packets of this time */
	struct annotation annot;
	char *strings;
	int32_t next;  /* in the bucket */
	bool used;     /* since the hand passed */
	bool nameless; /* a user's name is still asked for */
};

struct join {
	struct hash_key key; /* processes choose their names */
	struct join_config config;
	struct settle_table *settled;
	uint64_t generation, next_serial;
	uint64_t boot;	/* CLOCK_BOOTTIME's 0, ns since the epoch, as of the beginning */
	uint64_t began; /* of join_begin(), 0: long ago */
	struct annot_entry entries[CACHE_MAX];
	size_t nentries, hand;
	const struct annotation *in_hand; /* of the packet that the caller looks at */
	struct memo memo;
	int32_t buckets[BUCKETS];
};

/* The facts of one annotation, looked up. */
struct facts {
	const struct process *process, *parent, *peer;
	const struct container *container, *peer_container;
	struct str thread;
	struct period when;
	bool image_known, peer_image_known; /* else process tells of another program than the one that is asked for */
	bool earlier;			    /* process tells of before: the thread and the user are not of then */
	bool pending;			    /* a container may become known */
};

int join_new(struct join **ret, const struct join_config *config)
{
	struct join *j = calloc(1, sizeof(*j));
	int err;

	if (!j)
		return -ENOMEM;
	err = settle_table_new(&j->settled);
	if (err) {
		free(j);
		return err;
	}
	j->config = *config;
	j->key = hash_key();
	j->generation = 1;
	j->next_serial = 1;
	j->boot = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME);
	for (size_t i = 0; i < BUCKETS; i++)
		j->buckets[i] = NONE;
	*ret = j;
	return 0;
}

void join_owner(struct join *j, const struct event_socket_owner *event)
{
	struct event_owner also = event->owner;

	if (!event->owner.tgid)
		return;
	settle_table_event(j->settled, &event->owner, event->ts);
	also.cookie = event->also;
	settle_table_event(j->settled, &also, event->ts);
}

void join_begin(struct join *j, uint64_t now)
{
	j->began = now;
}

void join_changed(struct join *j)
{
	j->generation++;
}

static size_t bucket_of(const struct join *j, const struct annot_key *key)
{
	return hash_bytes(&j->key, key, sizeof(*key)) & (BUCKETS - 1);
}

static void entry_unlink(struct join *j, int32_t index)
{
	int32_t *link = &j->buckets[bucket_of(j, &j->entries[index].key)];

	while (*link != index)
		link = &j->entries[*link].next;
	*link = j->entries[index].next;
}

/* Second chance: the first one, from the hand on, that was not used since the hand passed it. */
static int32_t entry_evict(struct join *j)
{
	for (;;) {
		int32_t index = (int32_t)j->hand;

		j->hand = (j->hand + 1) % CACHE_MAX;
		if (!j->entries[index].used && &j->entries[index].annot != j->in_hand) {
			entry_unlink(j, index);
			return index;
		}
		j->entries[index].used = false;
	}
}

static struct annot_entry *entry_get(struct join *j, const struct annot_key *key)
{
	int32_t *head = &j->buckets[bucket_of(j, key)];
	struct annot_entry *e;
	int32_t index;

	for (index = *head; index != NONE; index = j->entries[index].next) {
		e = &j->entries[index];
		if (memcmp(&e->key, key, sizeof(*key)) == 0)
			return e;
	}
	index = j->nentries < CACHE_MAX ? (int32_t)j->nentries++ : entry_evict(j);
	e = &j->entries[index];
	free(e->strings);
	*e = (struct annot_entry){ .key = *key, .next = *head };
	*head = index;
	return e;
}

static const struct container *container_of(struct join *j, const struct process *p, bool *pending)
{
	const struct container *container = NULL;

	if (!j->config.containers)
		return NULL;
	switch (containers_find(j->config.containers, p, &container)) {
	case CONTAINER_FOUND: break;
	case CONTAINER_PENDING: *pending = true; break;
	case CONTAINER_NONE: container = NULL; break;
	}
	return container;
}

static struct str comm_of(const char comm[EVENT_COMM_LEN])
{
	return (struct str){ comm, (uint32_t)strnlen(comm, EVENT_COMM_LEN) };
}

static struct str thread_of(struct join *j, const struct annot_key *key, struct facts *f)
{
	const struct thread_id id = { key->start, key->tgid, key->tid };

	if (f->earlier)
		return str_of("");
	if (key->comm[0] || !key->tid)
		return comm_of(key->comm);
	if (key->tid == key->tgid && f->image_known)
		return comm_of(f->process->comm);
	return process_thread_name(j->config.processes, &id, &f->when);
}

/* Else p tells of another program. */
static bool runs(const struct process *p, const struct process_id *id)
{
	return p && (id->later || !id->image || !p->image || p->image == id->image);
}

static struct process_id owner_id(const struct annot_key *key)
{
	return (struct process_id){ key->start, key->tgid, key->image, key->later };
}

static struct process_id peer_id(const struct annot_key *key)
{
	return (struct process_id){ key->peer_start, key->peer_tgid, key->peer_image, key->peer_later };
}

static void look_up_ends(struct join *j, const struct annot_key *key, struct facts *f)
{
	const struct process_id owner = owner_id(key), peer = peer_id(key);

	f->process = process_at(j->config.processes, &owner, &f->when);
	f->image_known = runs(f->process, &owner);
	f->earlier = owner.later && f->process && f->process->image && f->process->image != owner.image;
	f->peer = peer.tgid ? process_at(j->config.processes, &peer, &f->when) : NULL;
	f->peer_image_known = runs(f->peer, &peer);
}

static struct facts look_up(struct join *j, const struct annot_key *key, uint64_t ts)
{
	const struct process_id owner = owner_id(key), peer = peer_id(key);
	struct process_table *t = j->config.processes;
	struct facts f = { .when = period_at(ts) };
	struct process_id parent;

	look_up_ends(j, key, &f);
	if ((f.process && !f.image_known) || (f.peer && !f.peer_image_known)) {
		process_catch_up(t, &owner, ts);
		process_catch_up(t, &peer, ts);
		look_up_ends(j, key, &f);
	}
	f.thread = thread_of(j, key, &f);
	if (f.peer)
		f.peer_container = container_of(j, f.peer, &f.pending);
	if (!f.process)
		return f;
	parent = (struct process_id){ f.process->parent_start, f.process->parent_tgid, 0, false };
	if (parent.tgid)
		f.parent = process_at(t, &parent, &f.when);
	f.container = container_of(j, f.process, &f.pending);
	return f;
}

static struct annot_versions versions_of(const struct facts *f)
{
	struct annot_versions v = {
		.container = f->container ? f->container->serial : 0,
		.peer_container = f->peer_container ? f->peer_container->serial : 0,
		.process = f->process ? f->process->version : 0,
		.parent = f->parent ? f->parent->version : 0,
		.peer = f->peer ? f->peer->version : 0,
		.image_known = f->image_known,
		.parent_known = f->parent != NULL,
		.peer_known = f->peer != NULL,
		.peer_image_known = f->peer_image_known,
	};

	memcpy(v.thread, f->thread.p, f->thread.n);
	return v;
}

static bool versions_equal(const struct annot_versions *a, const struct annot_versions *b)
{
	return a->container == b->container && a->peer_container == b->peer_container && a->process == b->process &&
	       a->parent == b->parent && a->peer == b->peer && a->parent_known == b->parent_known &&
	       a->peer_known == b->peer_known && memcmp(a->thread, b->thread, sizeof(a->thread)) == 0;
}

/* Who ended and was forgotten since is what he was: that counts as unchanged. */
static void versions_keep(struct annot_versions *now, const struct annot_versions *before)
{
	if ((!now->process && before->process) || (!now->image_known && before->image_known))
		*now = *before;
	if (!now->thread[0])
		memcpy(now->thread, before->thread, sizeof(now->thread));
	if (!now->parent_known && before->parent_known) {
		now->parent_known = true;
		now->parent = before->parent;
	}
	if (!now->peer_image_known && before->peer_image_known) {
		now->peer_known = now->peer_image_known = true;
		now->peer = before->peer;
		now->peer_container = before->peer_container;
	}
}

/* comm: what is known better than by p, or when nothing else is; n == 0 nothing. */
static struct process_desc describe(const struct process *p, uint32_t pid, struct str comm)
{
	struct process_desc d = { .pid = pid };

	if (p) {
		d = process_describe(p);
		if (comm.n)
			process_desc_set_names(&d, p->name, comm);
	} else {
		d.cmd = comm.n ? comm : str_of(ANNOT_UNKNOWN);
		process_desc_set_names(&d, d.cmd, d.cmd);
	}
	return d;
}

static void fill_peer(struct join *j, struct annot_entry *e, struct annotation *a, const struct facts *f)
{
	const struct process *peer = f->peer_image_known ? f->peer : NULL;
	const struct annot_key *key = &e->key;
	bool nameless = false;

	a->has |= ANNOT_PEER | ANNOT_PEER_USER;
	a->peer = describe(peer, key->peer_tgid, str_of(""));
	a->peer_ancestors = peer ? process_ancestry(j->config.processes, peer) : str_of(NULL);
	if (a->peer_ancestors.n)
		a->has |= ANNOT_PEER_ANCESTORS;
	a->peer_uid = key->peer_later && f->peer ? process_uid(j->config.processes, f->peer, key->peer_uid)
						 : key->peer_uid;
	a->peer_user = users_find(j->config.users, a->peer_uid, &nameless);
	e->nameless |= nameless;
}

static void fill_peer_container(struct annotation *a, const struct container *c)
{
	a->has |= ANNOT_PEER_CONTAINER | ANNOT_PEER_IMAGE;
	a->peer_container = c->desc;
	if (c->pod.name.p) {
		a->has |= ANNOT_PEER_POD | ANNOT_PEER_POD_LABELS;
		a->peer_pod = c->pod;
	}
}

static void entry_fill(struct join *j, struct annot_entry *e, const struct facts *f)
{
	const struct annot_key *key = &e->key;
	struct annotation a = { .has = ANNOT_PROCESS | ANNOT_USER };
	const struct str comm = comm_of(key->comm);
	struct buf strings = { 0 };

	/* A thread's name is not its process's. */
	a.start = key->start ? key->start + j->boot : 0;
	a.process = describe(f->image_known ? f->process : NULL, key->tgid, key->tid == key->tgid ? comm : str_of(""));
	a.uid = key->later && f->process ? process_uid(j->config.processes, f->process, key->uid) : key->uid;
	a.user = users_find(j->config.users, a.uid, &e->nameless);
	/* The other direction of its packets does not tell it. */
	if (key->comm[0])
		process_thread_told(j->config.processes, &(struct thread_id){ key->start, key->tgid, key->tid },
				    key->comm, f->when.at);
	/* None: gone before anybody could ask, its process too. */
	if (f->thread.n) {
		a.has |= ANNOT_THREAD;
		a.tid = key->tid;
		a.thread = f->thread;
	}
	if (f->parent) {
		a.has |= ANNOT_PARENT;
		a.parent = describe(f->parent, f->parent->tgid, str_of(""));
	}
	a.ancestors = f->process ? process_ancestry(j->config.processes, f->process) : str_of(NULL);
	if (a.ancestors.n)
		a.has |= ANNOT_ANCESTORS;
	if (f->container) {
		a.has |= ANNOT_CONTAINER;
		a.container = f->container->desc;
		if (f->container->pod.name.p) {
			a.has |= ANNOT_POD;
			a.pod = f->container->pod;
		}
	}
	if (key->peer_tgid && !key->peer_nobody)
		fill_peer(j, e, &a, f);
	if (f->peer_container)
		fill_peer_container(&a, f->peer_container);
	if (key->tid == OWNER_TID_NOBODY)
		a.has &= ~(unsigned)(ANNOT_PROCESS | ANNOT_THREAD | ANNOT_USER | ANNOT_PARENT | ANNOT_ANCESTORS);
	if (key->end != END_AS_DIRECTION) {
		a.has |= ANNOT_END;
		a.end = str_of(key->end == END_SOURCE ? ANNOT_SOURCE : ANNOT_DESTINATION);
	}
	annot_strings_move(&annotation_schema, &a, buf_reserve(&strings, annot_strings_size(&annotation_schema, &a)));
	a.serial = j->next_serial++;
	free(e->strings);
	e->strings = strings.p;
	e->annot = a;
}

/* Of a packet of when->at, which is narrowed. *pending: its container may become known. */
static const struct annotation *annotate(struct join *j, const struct annot_key *key, struct period *when,
					 bool *pending)
{
	struct annot_entry *e = entry_get(j, key);
	struct annot_versions versions;
	struct facts f;

	e->used = true;
	*pending = false;
	if (e->checked == j->generation && e->when.from <= when->at && when->at < e->when.until) {
		period_narrow(when, e->when.from, e->when.until);
		return &e->annot;
	}
	f = look_up(j, key, when->at);
	versions = versions_of(&f);
	versions_keep(&versions, &e->versions);
	if (!e->annot.serial || e->nameless || !versions_equal(&e->versions, &versions)) {
		entry_fill(j, e, &f);
		e->versions = versions;
	}
	/* A pending answer ends with time, not with an event. */
	e->checked = f.pending ? 0 : j->generation;
	e->when = f.when;
	period_narrow(when, f.when.from, f.when.until);
	*pending = f.pending;
	return &e->annot;
}

static enum told_end told_end(const struct event_packet *e, bool sends)
{
	if (sends == (e->dir != EVENT_DIR_IN))
		return END_AS_DIRECTION;
	return sends ? END_SOURCE : END_DESTINATION;
}

static struct annot_key make_key(const struct event_packet *e, const struct event_owner *shown, bool sends,
				 const struct event_owner *peer)
{
	struct annot_key key = {
		.start = shown->start,
		.tgid = shown->tgid,
		.tid = shown->tid,
		.uid = shown->uid,
		.image = shown->image,
		.later = (shown->flags & OWNER_F_LATER) != 0,
		.end = (uint16_t)told_end(e, sends),
	};

	if (peer) {
		key.peer_tgid = peer->tgid;
		key.peer_start = peer->start;
		key.peer_uid = peer->uid;
		key.peer_image = peer->image;
		key.peer_later = (peer->flags & OWNER_F_LATER) != 0;
		key.peer_nobody = peer->tid == OWNER_TID_NOBODY;
	}
	if (sends && shown->source == OWNER_CURRENT)
		memcpy(key.comm, e->comm, sizeof(key.comm));
	return key;
}

/* The annotations that packets are joined with are those of entries. */
static struct annot_entry *entry_of(const struct annotation *annot)
{
	return (void *)((uintptr_t)annot - offsetof(struct annot_entry, annot));
}

static void notice_users(struct join *j)
{
	if (users_changed(j->config.users))
		join_changed(j);
}

static enum meta_verdict join_anew(struct join *j, struct packet *packet, uint64_t now, bool force)
{
	const struct event_packet *e = packet->event;
	const uint64_t age = now > e->ts ? now - e->ts : 0;
	const uint64_t asked = e->ts > j->began ? e->ts : j->began;
	const bool expired = force || age >= j->config.settle_ns;
	struct ends ends = ends_find(&j->config, j->settled, packet, expired);
	struct annot_key key;
	bool pending;

	if (ends.waiting_shown || (j->config.peer && ends.waiting_other))
		return META_WAIT;
	packet->annot = NULL;
	if (!ends.shown.tgid)
		return META_READY;
	key = make_key(e, &ends.shown, ends.shown_sends, &ends.other);
	packet->annot = annotate(j, &key, &ends.when, &pending);
	j->in_hand = packet->annot;
	if (!pending && !ends.passing)
		memo_keep(&j->memo, packet, j->generation, &ends.when, packet->annot);
	return pending && !force && now < asked + container_wait_ns ? META_WAIT : META_READY;
}

enum meta_verdict join_packet(struct join *j, struct packet *packet, uint64_t now, bool force)
{
	const struct annotation *annot;

	notice_users(j);
	annot = memo_find(&j->memo, packet, j->generation);
	if (!annot)
		return join_anew(j, packet, now, force);
	entry_of(annot)->used = true;
	packet->annot = j->in_hand = annot;
	return META_READY;
}

const struct annotation *join_other_end(struct join *j, const struct packet *packet)
{
	const struct event_packet *e = packet->event;
	struct ends ends = ends_find(&j->config, j->settled, packet, true);
	struct annot_key key;
	bool pending;

	if (!ends.other.tgid)
		return NULL;
	notice_users(j);
	key = make_key(e, &ends.other, !ends.shown_sends, NULL);
	return annotate(j, &key, &ends.when, &pending);
}

void join_free(struct join *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->nentries; i++)
		free(j->entries[i].strings);
	settle_table_free(j->settled);
	free(j);
}
