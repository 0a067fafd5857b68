/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/process.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "meta/ancestry.h"
#include "meta/facts.h"
#include "meta/image.h"
#include "meta/name.h"
#include "meta/past.h"
#include "util/cgroup2.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/pidns.h"
#include "util/procfs.h"

#define BUCKETS 16384 /* a power of two; chains stay short up to some ten thousand processes */
#define DEAD_MAX 8192
#define SWEEP_MIN 8192 /* entries, before any is suspected to be of a process that has ended */
#define MISSES 1024    /* direct-mapped: processes that /proc did not know either */
#define MISS_KEEP_NS NSEC_PER_SEC

struct entry {
	struct process p;
	struct image *image;
	char *ancestry;		     /* NULL: not looked for yet, or nothing known */
	uint64_t read;		     /* when /proc told the image, 0: an event did */
	struct entry *next;	     /* in its bucket */
	struct entry *older, *newer; /* among the dead, by time of death */
	uint64_t heard;		     /* when we heard of its death: its packets may be as late as that */
};

struct miss {
	uint64_t start, when;
	uint32_t tgid;
};

struct process_table {
	struct hash_key key;
	struct entry *buckets[BUCKETS];
	struct entry *oldest, *newest; /* dead ones */
	size_t dead, entries;	       /* of all entries, those of the dead */
	size_t sweep_at;	       /* so many living ones */
	bool own_pids;		       /* kill() counts pids as events do */
	uint32_t version;
	uint64_t tick;
	int cgroup; /* root of cgroup v2, -1 none */
	struct miss misses[MISSES];
	struct threads *threads;
	char scratch[EVENT_FILENAME_MAX * 8 + EVENT_ARGS_MAX + 8];
};

static size_t bucket_of(const struct process_table *t, uint32_t tgid)
{
	return hash_number(&t->key, tgid) >> 50 & (BUCKETS - 1);
}

static struct entry *find_entry(struct process_table *t, uint32_t tgid, uint64_t start)
{
	for (struct entry *e = t->buckets[bucket_of(t, tgid)]; e; e = e->next)
		if (e->p.tgid == tgid && (start ? procfs_same_start(t->tick, e->p.start, start) : !e->p.dead))
			return e;
	return NULL;
}

static void entry_set_comm(struct entry *e, const char comm[EVENT_COMM_LEN])
{
	memcpy(e->p.comm, comm, sizeof(e->p.comm));
	e->p.comm[sizeof(e->p.comm) - 1] = '\0';
	image_texts(&e->p, e->image);
}

static void entry_set_image(struct entry *e, struct image *image)
{
	image_put(e->image);
	e->image = image;
	image_texts(&e->p, image);
}

/*
 * From ts on something else is true of e: keeps what was. What /proc told was read after things happened that are told
 * only now; how it was before them nobody knows. exec: the image changes, too.
 */
static void entry_change(struct entry *e, uint64_t ts, bool exec)
{
	if (!e->p.version || ts <= e->p.since || (ts <= e->read && !e->p.since))
		return;
	if (exec && ts <= e->read)
		entry_set_image(e, NULL);
	past_keep(&e->p, e->image, ts);
}

/* This was its user until now, if anything is known of then. */
static void entry_end_user(struct process_table *t, struct entry *e, uint32_t uid)
{
	if (!e->p.version)
		return;
	if (e->p.uid != uid)
		e->p.version = ++t->version;
	e->p.uid = uid;
	e->p.uid_told = true;
}

static void dead_unlink(struct process_table *t, struct entry *e)
{
	if (e->older)
		e->older->newer = e->newer;
	else
		t->oldest = e->newer;
	if (e->newer)
		e->newer->older = e->older;
	else
		t->newest = e->older;
	e->older = e->newer = NULL;
	t->dead--;
}

static void entry_done(struct entry *e)
{
	past_free(&e->p);
	image_put(e->image);
	free(e->ancestry);
	free(e);
}

static void entry_free(struct process_table *t, struct entry *e)
{
	struct entry **link = &t->buckets[bucket_of(t, e->p.tgid)];

	while (*link != e)
		link = &(*link)->next;
	*link = e->next;
	if (e->p.dead)
		dead_unlink(t, e);
	entry_done(e);
	t->entries--;
}

static void entry_died(struct process_table *t, struct entry *e)
{
	if (e->p.dead)
		return;
	e->p.dead = true;
	e->heard = clock_ns(CLOCK_MONOTONIC);
	e->older = t->newest;
	e->newer = NULL;
	if (t->newest)
		t->newest->newer = e;
	else
		t->oldest = e;
	t->newest = e;
	t->dead++;
}

static void forget_dead(struct process_table *t)
{
	while (t->oldest != t->newest && (t->dead > DEAD_MAX || t->oldest->heard + PAST_KEEP_NS < t->newest->heard))
		entry_free(t, t->oldest);
}

/* Events are lost when they come faster than they are read: who is gone although no exit was told? */
static void find_dead(struct process_table *t)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct entry *e = t->buckets[i]; e; e = e->next)
			if (!e->p.dead && facts_are_gone(e->p.tgid, t->own_pids))
				entry_died(t, e);
	t->sweep_at = 2 * (t->entries - t->dead) + SWEEP_MIN;
}

static struct entry *entry_add(struct process_table *t, uint32_t tgid, uint64_t start)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	t->entries++;
	e->p.tgid = tgid;
	e->p.start = start;
	e->next = t->buckets[bucket_of(t, tgid)];
	t->buckets[bucket_of(t, tgid)] = e;
	return e;
}

/* A new living process; one that had its pid must be dead, whether or not anybody told. */
static struct entry *entry_new(struct process_table *t, uint32_t tgid, uint64_t start)
{
	struct entry *e = find_entry(t, tgid, 0);

	if (e)
		entry_died(t, e);
	return entry_add(t, tgid, start);
}

static void entry_set_task(struct process_table *t, struct entry *e, const struct event_task *task)
{
	e->p.start = task->start;
	e->p.parent_start = task->parent_start;
	e->p.cgroup = task->cgroup;
	e->p.parent_tgid = task->parent_tgid;
	e->p.uid = task->uid;
	e->p.pidns = task->pidns;
	e->p.mntns = task->mntns;
	e->p.netns = task->netns;
	e->p.image = task->image;
	e->p.told = true;
	e->p.uid_told = false;
	entry_set_comm(e, task->comm);
	e->p.version = ++t->version;
}

static struct entry *entry_of_task(struct process_table *t, const struct event_task *task)
{
	struct entry *e = find_entry(t, task->tgid, task->start);

	if (!e)
		e = entry_new(t, task->tgid, task->start);
	return e;
}

static void take_exec(struct process_table *t, const struct event_exec *e, size_t size)
{
	struct str cmd, args, name;
	struct entry *entry;

	if (size < sizeof(*e) || size - sizeof(*e) < (size_t)e->filename_len + e->args_len)
		return;
	entry = entry_of_task(t, &e->task);
	if (!entry)
		return;
	cmd = (struct str){ (const char *)e->data, e->filename_len };
	args = (struct str){ (const char *)e->data + e->filename_len, e->args_len };
	/* Executing a program leaves the user as it is. */
	entry_end_user(t, entry, e->task.uid);
	entry_change(entry, e->ts, true);
	entry_set_task(t, entry, &e->task);
	name = name_at_exec(&(struct name_facts){ entry->p.comm, cmd, args });
	entry_set_image(entry, image_new(cmd, e->filename_cut, args, e->args_cut, name));
	entry->read = 0;
}

static void read_image(struct process_table *t, struct entry *e);

/* The child runs what its parent ran then. NULL: not known. */
static struct image *forked_image(struct process_table *t, const struct event_fork *f)
{
	struct entry *parent = find_entry(t, f->child.parent_tgid, f->child.parent_start);
	struct period then = period_at(f->ts);
	struct process *p;

	if (!parent || parent->p.tgid == f->child.tgid)
		return NULL;
	p = past_find(&parent->p, f->child.image, &then);
	if (p->image && p->image != f->child.image)
		return NULL;
	/* /proc told after the fork: the parent may have executed another program in between, which is told next. */
	if (f->ts <= parent->read && strncmp(p->comm, f->child.comm, sizeof(p->comm)) != 0)
		return NULL;
	return p == &parent->p ? parent->image : past_image(p);
}

static void take_fork(struct process_table *t, const struct event_fork *f, size_t size)
{
	struct image *image;
	struct entry *e;

	if (size < sizeof(*f))
		return;
	e = entry_of_task(t, &f->child);
	if (!e || e->p.told)
		return;
	entry_set_task(t, e, &f->child);
	e->p.since = f->ts;
	image = forked_image(t, f);
	if (image) {
		entry_set_image(e, image_get(image));
		e->read = 0;
	} else if (!e->image) {
		read_image(t, e);
	}
	/* Now: the parent may end, and execute another program. */
	process_ancestry(t, &e->p);
}

/* Who ran before anybody listened, and ended before /proc was read, is known from here. */
static void take_exit(struct process_table *t, const struct event_exit *x, size_t size)
{
	struct entry *e;

	if (size < sizeof(*x))
		return;
	e = find_entry(t, x->task.tgid, x->task.start);
	if (!e) {
		/* Another may have its pid by now. */
		e = entry_add(t, x->task.tgid, x->task.start);
		if (!e)
			return;
		entry_set_task(t, e, &x->task);
		e->p.told = false;
	}
	entry_died(t, e);
}

/* Whose path and arguments nobody tells. */
static void take_seen(struct process_table *t, const struct event_seen *s, size_t size)
{
	struct entry *e;

	if (size < sizeof(*s) || find_entry(t, s->task.tgid, s->task.start))
		return;
	e = entry_new(t, s->task.tgid, s->task.start);
	if (!e)
		return;
	entry_set_task(t, e, &s->task);
	entry_set_image(e, NULL);
}

static void take_cgroup(struct process_table *t, const struct event_cgroup *c, size_t size)
{
	struct entry *e;

	if (size < sizeof(*c))
		return;
	e = find_entry(t, c->tgid, c->start);
	if (!e)
		return;
	entry_change(e, c->ts, false);
	e->p.cgroup = c->cgroup;
	e->p.moves++;
	e->p.version = ++t->version;
}

/* A thread's name is never its process's, but for the leader's. */
static void take_rename(struct process_table *t, const struct event_rename *r, size_t size)
{
	struct entry *e;

	if (size < sizeof(*r))
		return;
	if (r->tid != r->tgid) {
		thread_told(t->threads, &(struct thread_id){ r->start, r->tgid, r->tid }, r->comm, r->ts, true);
		return;
	}
	e = find_entry(t, r->tgid, r->start);
	if (!e)
		return;
	entry_change(e, r->ts, false);
	entry_set_comm(e, r->comm);
	e->p.version = ++t->version;
}

static void take_user(struct process_table *t, const struct event_user *u, size_t size)
{
	struct entry *e;

	if (size < sizeof(*u))
		return;
	e = find_entry(t, u->tgid, u->start);
	if (!e)
		return;
	entry_end_user(t, e, u->before);
	entry_change(e, u->ts, false);
	e->p.uid = u->uid;
	e->p.uid_told = false;
	e->p.version = ++t->version;
}

void process_table_event(struct process_table *t, uint32_t type, const void *event, size_t size)
{
	switch (type) {
	case EVENT_EXEC: take_exec(t, event, size); break;
	case EVENT_FORK: take_fork(t, event, size); break;
	case EVENT_EXIT: take_exit(t, event, size); break;
	case EVENT_SEEN: take_seen(t, event, size); break;
	case EVENT_RENAME: take_rename(t, event, size); break;
	case EVENT_USER: take_user(t, event, size); break;
	case EVENT_CGROUP: take_cgroup(t, event, size); break;
	}
	/* Only here: whoever looks up several processes keeps them all until the next event. */
	if (t->entries - t->dead >= t->sweep_at)
		find_dead(t);
	forget_dead(t);
}

static void read_image(struct process_table *t, struct entry *e)
{
	struct image *image = image_read(&e->p, t->tick);

	e->read = clock_ns(CLOCK_MONOTONIC);
	entry_set_image(e, image);
}

/* Who was found by a scan is not asked again. */
static uint64_t read_parent_start(struct process_table *t, uint32_t parent, bool scanning)
{
	const struct entry *e = scanning ? find_entry(t, parent, 0) : NULL;
	struct procfs_stat st;

	if (e)
		return e->p.start;
	return parent && procfs_stat(parent, &st) == 0 ? st.start : 0;
}

/* Adds what /proc says of a process that is not in the table. start 0: whoever has the pid, in a scan. */
static struct entry *read_process(struct process_table *t, uint32_t tgid, uint64_t start)
{
	struct procfs_stat st;
	struct entry *e;

	if (procfs_stat(tgid, &st) || (start && !procfs_same_start(t->tick, st.start, start)))
		return NULL;
	e = entry_new(t, tgid, start ? start : st.start);
	if (!e)
		return NULL;
	entry_set_comm(e, st.comm);
	e->p.parent_tgid = st.parent;
	e->p.parent_start = read_parent_start(t, st.parent, !start);
	e->p.version = ++t->version;
	/* Kernel threads use no sockets: they are only the parents of who does. */
	if (st.kernel_thread) {
		e->read = clock_ns(CLOCK_MONOTONIC);
		return e;
	}
	facts_read(&e->p, t->cgroup, t->scratch, sizeof(t->scratch));
	read_image(t, e);
	return e;
}

int process_table_scan(struct process_table *t)
{
	struct dirent *d;
	uint32_t pid;
	DIR *dir = opendir("/proc");

	if (!dir)
		return -errno;
	while ((d = readdir(dir)))
		if (procfs_is_pid(d->d_name, &pid) && !find_entry(t, pid, 0))
			read_process(t, pid, 0);
	closedir(dir);
	return 0;
}

/* The table's entry, or one out of /proc. */
static struct entry *find_or_read(struct process_table *t, uint32_t tgid, uint64_t start)
{
	struct miss *miss = &t->misses[(tgid ^ start) % MISSES];
	struct entry *e = find_entry(t, tgid, start);
	uint64_t now;

	if (e || tgid == 0 || tgid & PID_OUTSIDE) {
		/* An event's start is exact where that of /proc is not. */
		if (e && start && e->p.start != start && e->p.start % t->tick == 0)
			e->p.start = start;
		return e;
	}
	now = clock_ns(CLOCK_MONOTONIC);
	if (miss->tgid == tgid && miss->start == start && now - miss->when < MISS_KEEP_NS)
		return NULL;
	e = read_process(t, tgid, start);
	if (!e)
		*miss = (struct miss){ start, now, tgid };
	return e;
}

const struct process *process_find(struct process_table *t, uint32_t tgid, uint64_t start)
{
	struct entry *e = find_or_read(t, tgid, start);

	return e ? &e->p : NULL;
}

static struct str find_ancestry(struct process_table *t, struct entry *e, unsigned generation)
{
	struct process_desc parent;
	struct entry *from;
	char *text;

	if (e->ancestry || generation == ANCESTRY_GENERATIONS || !e->p.parent_start)
		return str_of(e->ancestry);
	from = find_or_read(t, e->p.parent_tgid, e->p.parent_start);
	if (!from || from == e)
		return str_of(NULL);
	parent = process_describe(&from->p);
	text = ancestry_new(&parent, find_ancestry(t, from, generation + 1));
	free(e->ancestry); /* who is said to be its own ancestor has one by now */
	e->ancestry = text;
	return str_of(e->ancestry);
}

struct str process_ancestry(struct process_table *t, const struct process *p)
{
	struct entry *e = find_entry(t, p->tgid, p->start);

	return e ? find_ancestry(t, e, 0) : str_of(NULL);
}

uint32_t process_uid(struct process_table *t, const struct process *p, uint32_t uid)
{
	struct entry *e = find_entry(t, p->tgid, p->start);
	const struct process *then = e ? &e->p : p;

	while (then != p && then->before) {
		then = then->before;
		if (then->uid_told)
			uid = then->uid;
	}
	return uid;
}

void process_each(struct process_table *t, void (*fn)(void *arg, const struct process *p), void *arg)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (const struct entry *e = t->buckets[i]; e; e = e->next)
			if (!e->p.dead)
				fn(arg, &e->p);
}

void process_catch_up(struct process_table *t, const struct process_id *id, uint64_t ts)
{
	struct entry *e = id->image ? find_entry(t, id->tgid, id->start) : NULL;

	if (!e || !e->p.image || (int16_t)(id->image - e->p.image) <= 0 || e->p.dead || ts <= e->p.since)
		return;
	entry_change(e, ts, true);
	e->p.image = id->image;
	e->p.version = ++t->version;
	read_image(t, e);
}

const struct process *process_at(struct process_table *t, const struct process_id *id, struct period *when)
{
	struct entry *e = find_or_read(t, id->tgid, id->start);
	const struct period asked = *when;
	const struct process *p;

	if (!e)
		return NULL;
	p = past_find(&e->p, id->image, when);
	if (!id->later || p->since <= when->at)
		return p;
	*when = asked;
	return past_find(&e->p, 0, when);
}

void process_thread_told(struct process_table *t, const struct thread_id *id, const char comm[EVENT_COMM_LEN],
			 uint64_t ts)
{
	thread_told(t->threads, id, comm, ts, false);
}

struct str process_thread_name(struct process_table *t, const struct thread_id *id, struct period *when)
{
	struct entry *e = find_entry(t, id->tgid, id->start);
	struct str name = thread_name(t->threads, id, !e || !e->p.dead, when);

	/* Nobody told that it took a name of its own: then it has its process's. */
	if (!name.n && e && e->p.told)
		name = str_of(past_find(&e->p, 0, when)->comm);
	return name;
}

int process_table_new(struct process_table **ret)
{
	struct process_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	if (threads_new(&t->threads)) {
		free(t);
		return -ENOMEM;
	}
	t->key = hash_key();
	t->tick = procfs_tick_ns();
	t->cgroup = cgroup2_open();
	t->sweep_at = SWEEP_MIN;
	t->own_pids = pidns_of_proc().ours;
	*ret = t;
	return 0;
}

void process_table_free(struct process_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct entry *e = t->buckets[i], *next; e; e = next) {
			next = e->next;
			entry_done(e);
		}
	if (t->cgroup >= 0)
		close(t->cgroup);
	threads_free(t->threads);
	free(t);
}
