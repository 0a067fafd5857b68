/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/process.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "meta/name.h"
#include "util/cgroup2.h"
#include "util/clock.h"
#include "util/procfs.h"

#define BUCKETS 16384 /* a power of two; chains stay short up to some ten thousand processes */
#define DEAD_MAX 8192
#define DEAD_KEEP_NS (10 * NSEC_PER_SEC)
#define SWEEP_MIN 8192 /* entries, before any is suspected to be of a process that has ended */
#define MISSES 1024    /* direct-mapped: processes that /proc did not know either */
#define MISS_KEEP_NS NSEC_PER_SEC
#define THREADS 1024 /* direct-mapped cache of thread names */
#define THREAD_KEEP_NS NSEC_PER_SEC

#define INIT_PIDNS 0xeffffffcu /* PROC_PID_INIT_INO, include/linux/proc_ns.h */

/* What execve() sets; shared by all who forked since. */
struct image {
	unsigned refs;
	struct str cmd, args, name;
	char text[];
};

struct entry {
	struct process p;
	struct image *image;
	struct entry *next;	     /* in its bucket */
	struct entry *older, *newer; /* among the dead, by time of death */
	uint64_t died;
};

struct miss {
	uint64_t start, when;
	uint32_t tgid;
};

struct thread {
	uint64_t when;
	uint32_t tgid, tid;
	char name[EVENT_COMM_LEN];
};

struct process_table {
	struct entry *buckets[BUCKETS];
	struct entry *oldest, *newest; /* dead ones */
	size_t dead, entries;	       /* of all entries, those of the dead */
	size_t sweep_at;	       /* so many living ones */
	bool host_pids;		       /* the pids of events are ours as well */
	uint32_t version;
	uint64_t tick;
	int cgroup; /* root of cgroup v2, -1 none */
	struct miss misses[MISSES];
	struct thread threads[THREADS];
	char scratch[EVENT_FILENAME_MAX * 8 + EVENT_ARGS_MAX + 8];
};

static size_t bucket_of(uint32_t tgid)
{
	return (tgid * 0x9e3779b1u) >> 18 & (BUCKETS - 1);
}

/* Start times from /proc are whole ticks. Two processes of one pid cannot have started in the same tick, short of all
 * other pids having been used in between. */
static bool same_start(const struct process_table *t, uint64_t a, uint64_t b)
{
	if (a == b)
		return true;
	if (a % t->tick && b % t->tick)
		return false;
	return a / t->tick == b / t->tick;
}

static struct entry *find_entry(struct process_table *t, uint32_t tgid, uint64_t start)
{
	struct entry *e;

	for (e = t->buckets[bucket_of(tgid)]; e; e = e->next)
		if (e->p.tgid == tgid && (start ? same_start(t, e->p.start, start) : !e->p.dead))
			return e;
	return NULL;
}

static void image_put(struct image *image)
{
	if (image && --image->refs == 0)
		free(image);
}

/* args still has a NUL after each argument. */
static struct image *image_new(struct str cmd, bool cmd_cut, struct str args, bool args_cut, struct str name)
{
	static const char dots[] = "...";
	const size_t ndots = sizeof(dots) - 1;
	struct image *image = malloc(sizeof(*image) + cmd.n + args.n + name.n + 2 * ndots);
	char *p;

	if (!image)
		return NULL;
	image->refs = 1;
	image->name = (struct str){ image->text, name.n };
	p = mempcpy(image->text, name.p, name.n);
	/* A path that is too deep lacks its first directories. */
	image->cmd = (struct str){ p, cmd.n + (cmd_cut ? (uint32_t)ndots : 0) };
	if (cmd_cut)
		p = mempcpy(p, dots, ndots);
	if (cmd.n)
		p = mempcpy(p, cmd.p, cmd.n);
	while (!args_cut && args.n && args.p[args.n - 1] == '\0')
		args.n--;
	image->args = (struct str){ p, args.n };
	for (size_t i = 0; i < args.n; i++)
		*p++ = args.p[i] ? args.p[i] : ' ';
	if (args_cut) {
		memcpy(p, dots, ndots);
		image->args.n += (uint32_t)ndots;
	}
	return image;
}

/* The comm is all of who has nothing else. */
static void entry_set_comm(struct entry *e, const char comm[EVENT_COMM_LEN])
{
	memcpy(e->p.comm, comm, sizeof(e->p.comm));
	e->p.comm[sizeof(e->p.comm) - 1] = '\0';
	if (!e->image || !e->image->cmd.n)
		e->p.cmd = str_of(e->p.comm);
	if (!e->image)
		e->p.name = str_of(e->p.comm);
}

static void entry_set_image(struct entry *e, struct image *image)
{
	image_put(e->image);
	e->image = image;
	if (image) {
		e->p.cmd = image->cmd;
		e->p.args = image->args;
		e->p.name = image->name;
	}
	if (!image || !image->cmd.n)
		e->p.cmd = str_of(e->p.comm);
	if (!image) {
		e->p.args = str_of("");
		e->p.name = str_of(e->p.comm);
	}
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

static void entry_free(struct process_table *t, struct entry *e)
{
	struct entry **link = &t->buckets[bucket_of(e->p.tgid)];

	while (*link != e)
		link = &(*link)->next;
	*link = e->next;
	if (e->p.dead)
		dead_unlink(t, e);
	image_put(e->image);
	free(e);
	t->entries--;
}

static void entry_died(struct process_table *t, struct entry *e, uint64_t when)
{
	if (e->p.dead)
		return;
	e->p.dead = true;
	e->died = when;
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
	while (t->oldest != t->newest && (t->dead > DEAD_MAX || t->oldest->died + DEAD_KEEP_NS < t->newest->died))
		entry_free(t, t->oldest);
}

/* Events are lost when they come faster than they are read: who is gone although no exit was told? */
static void find_dead(struct process_table *t)
{
	const uint64_t now = clock_ns(CLOCK_MONOTONIC);

	for (size_t i = 0; i < BUCKETS && t->host_pids; i++)
		for (struct entry *e = t->buckets[i]; e; e = e->next)
			if (!e->p.dead && kill((pid_t)e->p.tgid, 0) && errno == ESRCH)
				entry_died(t, e, now);
	t->sweep_at = 2 * (t->entries - t->dead) + SWEEP_MIN;
}

/* A new living process; one that had its pid must be dead, whether or not anybody told. */
static struct entry *entry_new(struct process_table *t, uint32_t tgid, uint64_t start, uint64_t when)
{
	struct entry *e = find_entry(t, tgid, 0);

	if (e)
		entry_died(t, e, when);
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	t->entries++;
	e->p.tgid = tgid;
	e->p.start = start;
	e->next = t->buckets[bucket_of(tgid)];
	t->buckets[bucket_of(tgid)] = e;
	return e;
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
	entry_set_comm(e, task->comm);
	e->p.version = ++t->version;
}

static struct entry *entry_of_task(struct process_table *t, const struct event_task *task, uint64_t when)
{
	struct entry *e = find_entry(t, task->tgid, task->start);

	if (!e)
		e = entry_new(t, task->tgid, task->start, when);
	return e;
}

static void take_exec(struct process_table *t, const struct event_exec *e, size_t size)
{
	struct str cmd, args, name;
	struct entry *entry;

	if (size < sizeof(*e) || size - sizeof(*e) < (size_t)e->filename_len + e->args_len)
		return;
	entry = entry_of_task(t, &e->task, e->ts);
	if (!entry)
		return;
	cmd = (struct str){ (const char *)e->data, e->filename_len };
	args = (struct str){ (const char *)e->data + e->filename_len, e->args_len };
	entry_set_task(t, entry, &e->task);
	name = name_at_exec(&(struct name_facts){ entry->p.comm, cmd, args });
	entry_set_image(entry, image_new(cmd, e->filename_cut, args, e->args_cut, name));
}

static void read_image(struct process_table *t, struct entry *e);

static void take_fork(struct process_table *t, const struct event_fork *f, size_t size)
{
	struct entry *parent, *e;

	if (size < sizeof(*f))
		return;
	e = entry_of_task(t, &f->child, f->ts);
	if (!e)
		return;
	entry_set_task(t, e, &f->child);
	/* The scan may have read it already, after an exec perhaps that is told next. */
	if (e->image)
		return;
	parent = find_entry(t, f->child.parent_tgid, f->child.parent_start);
	if (parent && parent != e && parent->image) {
		parent->image->refs++;
		entry_set_image(e, parent->image);
	} else {
		read_image(t, e);
	}
}

static void take_exit(struct process_table *t, const struct event_exit *x, size_t size)
{
	struct entry *e;

	if (size < sizeof(*x))
		return;
	e = find_entry(t, x->tgid, x->start);
	if (e)
		entry_died(t, e, x->ts);
}

static struct thread *thread_slot(struct process_table *t, uint32_t tid)
{
	return &t->threads[tid % THREADS];
}

static void thread_named(struct process_table *t, const struct event_rename *r)
{
	struct thread *th = thread_slot(t, r->tid);

	*th = (struct thread){ .when = clock_ns(CLOCK_MONOTONIC), .tgid = r->tgid, .tid = r->tid };
	memcpy(th->name, r->comm, sizeof(th->name) - 1);
}

static void take_cgroup(struct process_table *t, const struct event_cgroup *c, size_t size)
{
	struct entry *e;

	if (size < sizeof(*c))
		return;
	e = find_entry(t, c->tgid, c->start);
	if (!e)
		return;
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
		thread_named(t, r);
		return;
	}
	e = find_entry(t, r->tgid, r->start);
	if (!e)
		return;
	entry_set_comm(e, r->comm);
	e->p.version = ++t->version;
}

void process_table_event(struct process_table *t, uint32_t type, const void *event, size_t size)
{
	switch (type) {
	case EVENT_EXEC: take_exec(t, event, size); break;
	case EVENT_FORK: take_fork(t, event, size); break;
	case EVENT_EXIT: take_exit(t, event, size); break;
	case EVENT_RENAME: take_rename(t, event, size); break;
	case EVENT_CGROUP: take_cgroup(t, event, size); break;
	}
	/* Only here: whoever looks up several processes keeps them all until the next event. */
	if (t->entries - t->dead >= t->sweep_at)
		find_dead(t);
	forget_dead(t);
}

/* The id of the v2 cgroup: the inode number of its folder. "0::/path" is its line in /proc/PID/cgroup. */
static uint64_t read_cgroup(struct process_table *t, uint32_t pid)
{
	char *line, *end;
	struct stat st;
	int n;

	n = procfs_read(pid, "cgroup", t->scratch, sizeof(t->scratch));
	if (n <= 0 || t->cgroup < 0)
		return 0;
	line = strncmp(t->scratch, "0::", 3) == 0 ? t->scratch : strstr(t->scratch, "\n0::");
	if (!line)
		return 0;
	line = strchr(line, '/');
	if (!line)
		return 0;
	end = strchr(line, '\n');
	if (end)
		*end = '\0';
	line += strspn(line, "/");
	/* Outside of our cgroup namespace. */
	if (strcmp(line, "..") == 0 || strncmp(line, "../", 3) == 0)
		return 0;
	return fstatat(t->cgroup, *line ? line : ".", &st, 0) == 0 ? st.st_ino : 0;
}

static uint32_t read_uid(struct process_table *t, uint32_t pid)
{
	unsigned uid = 0;
	char *p;

	if (procfs_read(pid, "status", t->scratch, sizeof(t->scratch)) > 0 && (p = strstr(t->scratch, "\nUid:")))
		sscanf(p + 5, "%u", &uid);
	return uid;
}

static void read_image(struct process_table *t, struct entry *e)
{
	char exe[EVENT_FILENAME_MAX * 8];
	struct str cmd, args, name;
	struct procfs_stat st;
	int len, n;

	len = procfs_exe(e->p.tgid, exe, sizeof(exe));
	n = procfs_read(e->p.tgid, "cmdline", t->scratch, EVENT_ARGS_MAX + 2);
	/* Another process may have got the pid while we read. */
	if (procfs_stat(e->p.tgid, &st) || !same_start(t, st.start, e->p.start))
		len = n = 0;
	cmd = (struct str){ exe, len < 0 ? 0 : (uint32_t)len };
	args = (struct str){ t->scratch, n < 0 ? 0 : n > EVENT_ARGS_MAX ? EVENT_ARGS_MAX : (uint32_t)n };
	name = name_later(&(struct name_facts){ e->p.comm, cmd, args });
	entry_set_image(e, cmd.n || args.n ? image_new(cmd, false, args, n > EVENT_ARGS_MAX, name) : NULL);
}

/* Adds what /proc says of a process that is not in the table. start 0: whoever has the pid. */
static struct entry *read_process(struct process_table *t, uint32_t tgid, uint64_t start)
{
	struct procfs_stat st, parent;
	struct entry *e;

	if (procfs_stat(tgid, &st) || (start && !same_start(t, st.start, start)))
		return NULL;
	e = entry_new(t, tgid, start ? start : st.start, clock_ns(CLOCK_MONOTONIC));
	if (!e)
		return NULL;
	entry_set_comm(e, st.comm);
	e->p.parent_tgid = st.parent;
	if (st.parent && procfs_stat(st.parent, &parent) == 0)
		e->p.parent_start = parent.start;
	e->p.uid = read_uid(t, tgid);
	e->p.cgroup = read_cgroup(t, tgid);
	e->p.pidns = procfs_namespace(tgid, "pid");
	e->p.mntns = procfs_namespace(tgid, "mnt");
	e->p.netns = procfs_namespace(tgid, "net");
	e->p.version = ++t->version;
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

const struct process *process_find(struct process_table *t, uint32_t tgid, uint64_t start)
{
	struct miss *miss = &t->misses[(tgid ^ start) % MISSES];
	struct entry *e = find_entry(t, tgid, start);
	uint64_t now;

	if (e || tgid == 0) {
		/* An event's start is exact where that of /proc is not. */
		if (e && start && e->p.start != start && e->p.start % t->tick == 0)
			e->p.start = start;
		return e ? &e->p : NULL;
	}
	now = clock_ns(CLOCK_MONOTONIC);
	if (miss->tgid == tgid && miss->start == start && now - miss->when < MISS_KEEP_NS)
		return NULL;
	e = read_process(t, tgid, start);
	if (e)
		return &e->p;
	*miss = (struct miss){ start, now, tgid };
	return NULL;
}

struct process_desc process_describe(const struct process *p)
{
	struct process_desc d = { .pid = p->tgid, .cmd = p->cmd, .args = p->args };

	process_desc_set_names(&d, p->name, str_of(p->comm));
	return d;
}

void process_each(struct process_table *t, void (*fn)(void *arg, const struct process *p), void *arg)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (const struct entry *e = t->buckets[i]; e; e = e->next)
			if (!e->p.dead)
				fn(arg, &e->p);
}

/* The last process that had this pid, alive or not: the newest is first in its bucket. */
static struct entry *find_last(struct process_table *t, uint32_t tgid)
{
	struct entry *e = t->buckets[bucket_of(tgid)];

	while (e && e->p.tgid != tgid)
		e = e->next;
	return e;
}

struct str process_thread_name(struct process_table *t, uint32_t tgid, uint32_t tid)
{
	struct thread *th = thread_slot(t, tid);
	struct entry *e = find_last(t, tgid);
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	char name[64];
	int n;

	if (e && tid == tgid)
		return str_of(e->p.comm);
	if (th->tid != tid || th->tgid != tgid)
		*th = (struct thread){ .tgid = tgid, .tid = tid };
	if (now - th->when >= THREAD_KEEP_NS) {
		th->when = now;
		snprintf(name, sizeof(name), "task/%u/comm", tid);
		n = procfs_read(tgid, name, th->name, sizeof(th->name));
		if (n > 0 && th->name[n - 1] == '\n')
			th->name[n - 1] = '\0';
	}
	/* A thread that is gone had its process's name, unless it took another. */
	if (!th->name[0] && e)
		memcpy(th->name, e->p.comm, sizeof(th->name));
	return str_of(th->name);
}

int process_table_new(struct process_table **ret)
{
	struct process_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->tick = procfs_tick_ns();
	t->cgroup = cgroup2_open();
	t->sweep_at = SWEEP_MIN;
	t->host_pids = procfs_namespace((uint32_t)getpid(), "pid") == INIT_PIDNS;
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
			image_put(e->image);
			free(e);
		}
	if (t->cgroup >= 0)
		close(t->cgroup);
	free(t);
}
