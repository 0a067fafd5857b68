/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/container.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/cgroup.h"
#include "meta/container_store.h"
#include "meta/match.h"
#include "meta/process.h"
#include "meta/runtime/http.h"
#include "meta/runtime/loop.h"
#include "meta/runtime/pool.h"
#include "meta/runtime/runtime.h"
#include "meta/runtime/user_socket.h"
#include "util/caps.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	RUNTIMES_MAX = 128,
	POOL_MAX = 64 << 20,
	USERS_POOL_MAX = 16 << 20,
	BUCKETS = 4096,
	PLACES_MAX = 16384,
	SOON = 12,	 /* times to ask without making the pauses longer */
	LONGER_MAX = 11, /* times to double them */
};
/* How long a container may hold up its packets; less than the join waits, by as much as it looks at a packet late. */
#define WAIT_NS (300 * NSEC_PER_MSEC)
#define ASK_NS (40 * NSEC_PER_MSEC)
#define USERS_NS (2000 * NSEC_PER_MSEC) /* how often to look for daemons of users who have logged in */

/* Where a process is: in a cgroup, or (where its cgroup does not tell) the process by itself. */
struct place {
	struct place *next;
	uint64_t cgroup; /* 0: a process */
	uint64_t start;
	uint32_t tgid, version, moves;			      /* of the process */
	char *path;					      /* NULL unknown */
	struct container_entry *containers[CGROUP_NAMES_MAX]; /* innermost first */
	size_t ncontainers;
	struct container_entry *by_init;  /* processes only */
	uint64_t resolved, init_resolved; /* versions of the store when containers and by_init were looked up */
	uint64_t wait_until, used;
	signed char verdict;   /* told: 0, 1; -1 not yet */
	bool maybe_namespaced; /* the path may be /NAMESPACE/ID, as of containerd's */
};

struct containers {
	struct containers_config config;
	struct loop loop;
	struct pool pool, users_pool; /* users cannot use up what root's daemons need */
	struct http *http, *users_http;
	uint64_t users_at; /* when to look for their daemons again */
	struct container_store *store;
	struct runtime *runtimes[RUNTIMES_MAX];
	size_t nruntimes;
	struct cgroup_fs fs;
	uint32_t pidns, mntns; /* our own */
	struct place *buckets[BUCKETS];
	size_t nplaces;
	uint64_t uses;	     /* grows with every use of a place */
	uint64_t told;	     /* version of the store that the verdicts are of */
	uint64_t waiting;    /* some container is being asked for until then */
	struct match *match; /* NULL: nobody asks for verdicts */
	bool said_no_match;
};

static uint32_t namespace_inode(const char *pid, const char *name)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s/ns/%s", pid, name);
	return stat(path, &st) < 0 ? 0 : (uint32_t)st.st_ino;
}

/* --- runtimes --- */

static struct runtime *add_runtime(struct containers *c, const struct runtime_ops *ops, const char *path, bool optional)
{
	struct runtime *r;

	if (c->nruntimes == RUNTIMES_MAX || !*path)
		return NULL;
	r = runtime_new(ops, path, optional);
	if (!r)
		return NULL;
	r->loop = &c->loop;
	r->http = c->http;
	r->pool = &c->pool;
	r->store = c->store;
	c->runtimes[c->nruntimes++] = r;
	return r;
}

static bool has_runtime(const struct containers *c, const struct runtime_ops *ops, const char *path)
{
	for (size_t i = 0; i < c->nruntimes; i++) {
		if (c->runtimes[i]->ops == ops && strcmp(c->runtimes[i]->path, path) == 0)
			return true;
	}
	return false;
}

/* Of users who have logged out. */
static void drop_users(struct containers *c)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->nruntimes; i++) {
		struct runtime *r = c->runtimes[i];

		if (r->user && r->state == RUNTIME_DOWN && access(r->path, F_OK) < 0)
			runtime_free(r);
		else
			c->runtimes[kept++] = r;
	}
	c->nruntimes = kept;
}

static void add_user(struct containers *c, const char *uid, const char *name)
{
	char path[128];
	struct runtime *r;
	int fd;

	snprintf(path, sizeof(path), "/run/user/%.32s/%s", uid, name);
	if (has_runtime(c, &docker_ops, path) || (fd = user_socket_find(path)) < 0)
		return;
	close(fd);
	r = add_runtime(c, &docker_ops, path, true);
	if (!r)
		return;
	r->user = user_socket_owner(path);
	r->http = c->users_http;
	r->pool = &c->users_pool;
}

/* Sockets of the users' own daemons, below folders that only they and root may enter. */
static void look_for_users(struct containers *c, uint64_t now)
{
	struct dirent *d;
	bool raised;
	DIR *dir;

	if (now < c->users_at)
		return;
	c->users_at = now + USERS_NS;
	raised = caps_raise(CAP_DAC_OVERRIDE);
	drop_users(c);
	dir = opendir("/run/user");
	while (dir && (d = readdir(dir))) {
		add_user(c, d->d_name, "podman/podman.sock");
		add_user(c, d->d_name, "docker.sock");
	}
	if (dir)
		closedir(dir);
	if (raised)
		caps_lower(CAP_DAC_OVERRIDE);
}

static void add_runtimes(struct containers *c)
{
	static const char *const containerd[] = {
		"/run/docker/containerd/containerd.sock",
		"/run/k3s/containerd/containerd.sock",
		"/var/snap/microk8s/common/run/containerd.sock",
	};
	static const char *const cri[] = {
		"/run/containerd/containerd.sock",
		"/run/crio/crio.sock",
		"/run/cri-dockerd.sock",
		"/run/dockershim.sock",
		"/run/k3s/containerd/containerd.sock",
		"/var/snap/microk8s/common/run/containerd.sock",
	};
	const char *host = getenv("DOCKER_HOST");
	const struct containers_config *config = &c->config;

	if (config->docker_address)
		add_runtime(c, &docker_ops, config->docker_address, false);
	else
		add_runtime(c, &docker_ops, host && strncmp(host, "unix://", 7) == 0 ? host : "/var/run/docker.sock",
			    false);
	add_runtime(c, &docker_ops, "/run/podman/podman.sock", true);
	if (config->containerd_address)
		add_runtime(c, &containerd_ops, config->containerd_address, false);
	else
		add_runtime(c, &containerd_ops, "/run/containerd/containerd.sock", false);
	for (size_t i = 0; !config->containerd_address && i < sizeof(containerd) / sizeof(containerd[0]); i++)
		add_runtime(c, &containerd_ops, containerd[i], true);
	if (config->cri_address)
		add_runtime(c, &cri_ops, config->cri_address, false);
	for (size_t i = 0; !config->cri_address && i < sizeof(cri) / sizeof(cri[0]); i++)
		add_runtime(c, &cri_ops, cri[i], true);
}

static bool runtimes_alive(const struct containers *c)
{
	for (size_t i = 0; i < c->nruntimes; i++) {
		if (c->runtimes[i]->state == RUNTIME_READY || c->runtimes[i]->state == RUNTIME_OPENED)
			return true;
	}
	return false;
}

static bool runtimes_answered(const struct containers *c, uint64_t now)
{
	for (size_t i = 0; i < c->nruntimes; i++) {
		if (!runtime_answered(c->runtimes[i], now))
			return false;
	}
	return true;
}

/* Splits the key of an entry; ns is NULL for an id that is unique by itself. */
static void ask_runtimes(struct containers *c, const struct container_entry *e)
{
	const char *slash = strrchr(e->key, '/');
	char ns[128];

	if (slash)
		snprintf(ns, sizeof(ns), "%.*s", (int)(slash - e->key), e->key);
	for (size_t i = 0; i < c->nruntimes; i++) {
		struct runtime *r = c->runtimes[i];

		if (r->state == RUNTIME_READY || r->state == RUNTIME_OPENED)
			r->ops->ask(r, slash ? ns : NULL, e->id);
	}
}

/* Asks for what is not known of a container: at once, a few times soon, and seldom later. */
static void want(struct containers *c, struct container_entry *e, uint64_t now)
{
	if (!e->asked_at)
		e->asked_at = now;
	if (now < e->ask_again_at || e->asking || !runtimes_alive(c))
		return;
	e->ask_again_at = now + (ASK_NS << (e->tries < SOON ? 0 : e->tries - SOON));
	e->tries += e->tries < SOON + LONGER_MAX;
	ask_runtimes(c, e);
	if (c->waiting < now + WAIT_NS)
		c->waiting = now + WAIT_NS;
	loop_wake_at(&c->loop, e->ask_again_at);
}

/* Its packets may wait, for a while from the first on. waits: for a packet. */
static bool may_wait(struct containers *c, struct container_entry *e, uint64_t now, bool waits)
{
	if (!e->wait_until && waits) {
		e->wait_until = now + WAIT_NS;
		e->tries = 0;
		if (c->waiting < e->wait_until)
			c->waiting = e->wait_until;
		loop_wake_at(&c->loop, e->wait_until);
	}
	return (!e->wait_until || now < e->wait_until) && runtimes_alive(c);
}

static void ask_again(struct containers *c, uint64_t now)
{
	if (!c->waiting)
		return;
	if (now >= c->waiting) {
		/* Who waited in vain gets an answer now. */
		container_store_touch(c->store);
		c->waiting = 0;
		return;
	}
	loop_wake_at(&c->loop, c->waiting);
	for (struct container_entry *e = container_store_each(c->store, NULL); e;
	     e = container_store_each(c->store, e)) {
		if (!e->asked_at || container_entry_complete(e) || e->ask_again_at > c->waiting)
			continue;
		want(c, e, now);
		if (!e->asking)
			loop_wake_at(&c->loop, e->ask_again_at);
	}
}

/* --- places --- */

static struct place **place_bucket(struct containers *c, uint64_t cgroup, uint64_t start, uint32_t tgid)
{
	uint64_t h = (cgroup ^ start ^ (uint64_t)tgid << 40) * 0x9e3779b97f4a7c15u;

	return &c->buckets[h >> 52];
}

static void place_free(struct place *p)
{
	free(p->path);
	free(p);
}

static void drop_places(struct containers *c, uint64_t used_before)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct place **p = &c->buckets[i]; *p;) {
			struct place *old = *p;

			if (old->used < used_before) {
				*p = old->next;
				place_free(old);
				c->nplaces--;
			} else {
				p = &old->next;
			}
		}
	}
}

static struct place *place_find(struct containers *c, uint64_t cgroup, uint64_t start, uint32_t tgid)
{
	for (struct place *p = *place_bucket(c, cgroup, start, tgid); p; p = p->next) {
		if (p->cgroup == cgroup && p->start == start && p->tgid == tgid) {
			p->used = ++c->uses;
			return p;
		}
	}
	return NULL;
}

static struct place *place_new(struct containers *c, uint64_t cgroup, uint64_t start, uint32_t tgid)
{
	struct place **bucket = place_bucket(c, cgroup, start, tgid);
	struct place *p;

	/* Every use has a number of its own: half of them stay, and the caller's among them. */
	if (c->nplaces >= PLACES_MAX)
		drop_places(c, c->uses - PLACES_MAX / 2);
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->cgroup = cgroup;
	p->start = start;
	p->tgid = tgid;
	p->verdict = -1;
	p->used = ++c->uses;
	p->next = *bucket;
	*bucket = p;
	c->nplaces++;
	return p;
}

/* Which containers a path names; the ones by namespace only once containerd has told its namespaces. */
static void place_resolve(struct containers *c, struct place *p)
{
	struct cgroup_name names[CGROUP_NAMES_MAX];
	size_t n;

	if (!p->path || (p->resolved && p->ncontainers))
		return;
	n = cgroup_containers(p->path, names);
	for (size_t i = 0; i < n; i++) {
		/* A new entry may push out another: one of ours, even, and then on_forget() has set ncontainers to 0. */
		struct container_entry *e = container_store_get(c->store, NULL, 0, names[i].id, names[i].id_len, true);

		if (e)
			p->containers[p->ncontainers++] = e;
	}
	if (n)
		return;
	n = cgroup_namespaced(p->path, names);
	p->maybe_namespaced = n > 0;
	for (size_t i = 0; i < n; i++) {
		struct container_entry *e;

		if (!container_store_has_namespace(c->store, names[i].ns, names[i].ns_len))
			continue;
		e = container_store_get(c->store, names[i].ns, names[i].ns_len, names[i].id, names[i].id_len, true);
		if (e)
			p->containers[p->ncontainers++] = e;
	}
}

static void place_update(struct containers *c, struct place *p)
{
	if (p->resolved == container_store_version(c->store))
		return;
	place_resolve(c, p);
	p->resolved = container_store_version(c->store);
}

static void place_set_path(struct containers *c, struct place *p, const char *path)
{
	free(p->path);
	p->path = strdup(path);
	p->ncontainers = 0;
	p->resolved = 0;
	place_update(c, p);
}

static struct place *place_of_cgroup(struct containers *c, const struct process *process)
{
	struct place *p = place_find(c, process->cgroup, 0, 0);
	char path[CGROUP_PATH_MAX];

	if (p || !(p = place_new(c, process->cgroup, 0, 0)))
		return p;
	if (cgroup_path(&c->fs, process->cgroup, path, sizeof(path)) == 0)
		place_set_path(c, p, path);
	else if (cgroup_v2_of_pid(process->tgid, path, sizeof(path)) == 0 && path[0])
		place_set_path(c, p, path);
	return p;
}

/* Gone before it could be looked at, and never moved: it was where its parent is. */
static void place_inherit(struct containers *c, struct place *p, const struct process *process)
{
	const struct place *parent = place_find(c, 0, process->parent_start, process->parent_tgid);

	if (parent && parent->path)
		place_set_path(c, p, parent->path);
}

/* by_cgroup: what its v2 cgroup tells, NULL nothing. */
static struct place *place_of_process(struct containers *c, const struct process *process,
				      const struct place *by_cgroup)
{
	struct place *p = place_find(c, 0, process->start, process->tgid);
	char path[CGROUP_PATH_MAX];
	bool v2;

	if (p && p->version != process->version) {
		/* Perhaps in other namespaces now. */
		p->version = process->version;
		p->by_init = NULL;
		p->init_resolved = 0;
	}
	if (p && p->moves == process->moves) {
		place_update(c, p);
		return p;
	}
	if (!p && !(p = place_new(c, 0, process->start, process->tgid)))
		return NULL;
	p->version = process->version;
	p->moves = process->moves;
	p->wait_until = clock_ns(CLOCK_MONOTONIC) + WAIT_NS;
	/* There is nothing else to read where only v2 exists. A process that has ended keeps what was read while it lived. */
	if (by_cgroup && by_cgroup->path && !c->fs.v1)
		place_set_path(c, p, by_cgroup->path);
	else if (cgroup_of_pid(process->tgid, path, sizeof(path), &v2) == 0)
		place_set_path(c, p, path);
	else if (!p->path && !process->moves)
		place_inherit(c, p, process);
	return p;
}

static struct place *place_of(struct containers *c, const struct process *process)
{
	struct place *p = process->cgroup ? place_of_cgroup(c, process) : NULL;

	if (p)
		place_update(c, p);
	if (p && p->ncontainers)
		return p;
	/* In none, as its cgroup tells. Is it in some container's namespaces nevertheless? */
	if (p && p->path && process->pidns == c->pidns && process->mntns == c->mntns)
		return p;
	return place_of_process(c, process, p);
}

/* --- answers --- */

/* containerd has not told its namespaces yet. */
static bool too_early(const struct containers *c, const struct place *p)
{
	return p->maybe_namespaced && !runtimes_answered(c, clock_ns(CLOCK_MONOTONIC));
}

/* What is told of the i-th container while it is being asked for: of itself, or the one that it runs in. */
static const struct container *known_so_far(const struct place *p, size_t i)
{
	for (; i < p->ncontainers; i++) {
		if (container_entry_named(p->containers[i]))
			return p->containers[i]->published;
	}
	return NULL;
}

/* waits: for a packet; else nothing depends on the answer yet. */
static enum container_answer answer_by_path(struct containers *c, const struct place *p, bool waits,
					    const struct container **ret)
{
	uint64_t now = 0;

	for (size_t i = 0; i < p->ncontainers; i++) {
		struct container_entry *e = p->containers[i];

		if (!container_entry_complete(e)) {
			now = now ? now : clock_ns(CLOCK_MONOTONIC);
			e->used_at = now;
			want(c, e, now);
			if (may_wait(c, e, now, waits)) {
				*ret = known_so_far(p, i);
				return CONTAINER_PENDING;
			}
			if (!container_entry_named(e))
				continue;
		}
		*ret = container_entry_publish(c->store, e);
		return *ret ? CONTAINER_FOUND : CONTAINER_NONE;
	}
	if (p->ncontainers == 0 && too_early(c, p))
		return CONTAINER_PENDING;
	/* No runtime knows them: the innermost id is what can be told. */
	if (p->ncontainers == 0 || strchr(p->containers[0]->key, '/'))
		return CONTAINER_NONE;
	*ret = container_entry_publish(c->store, p->containers[0]);
	return *ret ? CONTAINER_FOUND : CONTAINER_NONE;
}

static enum container_answer answer_by_init(struct containers *c, struct place *p, const struct process *process,
					    const struct container **ret)
{
	const uint64_t version = container_store_version(c->store);

	if (p->init_resolved != version && !p->by_init) {
		p->by_init = container_store_by_init(c->store, process->tgid,
						     process->pidns == c->pidns ? 0 : process->pidns,
						     process->mntns == c->mntns ? 0 : process->mntns);
	}
	p->init_resolved = version;
	if (p->by_init) {
		*ret = container_entry_publish(c->store, p->by_init);
		return *ret ? CONTAINER_FOUND : CONTAINER_NONE;
	}
	if (too_early(c, p))
		return CONTAINER_PENDING;
	if (!p->path && process->pidns != c->pidns && clock_ns(CLOCK_MONOTONIC) < p->wait_until && runtimes_alive(c)) {
		loop_wake_at(&c->loop, p->wait_until);
		return CONTAINER_PENDING;
	}
	return CONTAINER_NONE;
}

static bool matches(const struct containers *c, const struct container *container)
{
	const struct annotation annot = {
		.serial = 1,
		.has = ANNOT_CONTAINER | (container->pod.name.p ? ANNOT_POD : 0),
		.container = container->desc,
		.pod = container->pod,
	};

	return match_annotation(c->match, &annot);
}

/* Only for what the cgroup alone decides: with version 1 hierarchies a container may be in anybody's v2 cgroup. */
static void place_tell(struct containers *c, struct place *p)
{
	const struct container *container = NULL;
	enum container_answer answer;
	bool match;

	if (!c->match || !p->cgroup || !p->path || (p->ncontainers == 0 && c->fs.v1))
		return;
	answer = answer_by_path(c, p, false, &container);
	if (answer == CONTAINER_PENDING)
		return;
	match = answer == CONTAINER_FOUND && matches(c, container);
	if (p->verdict == match)
		return;
	p->verdict = match;
	log_debug("cgroup %llu '%s': %s", (unsigned long long)p->cgroup, p->path, match ? "matches" : "does not match");
	c->config.verdict(c->config.arg, p->cgroup, match);
}

static void tell_all(struct containers *c)
{
	if (!c->match || c->told == container_store_version(c->store))
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct place *p = c->buckets[i]; p; p = p->next) {
			place_resolve(c, p);
			place_tell(c, p);
		}
	}
	c->told = container_store_version(c->store);
}

static bool any_match(struct containers *c)
{
	for (struct container_entry *e = container_store_each(c->store, NULL); e;
	     e = container_store_each(c->store, e)) {
		if (e->published && matches(c, e->published))
			return true;
	}
	return false;
}

static void say_no_match(struct containers *c, uint64_t now)
{
	if (!c->match || c->said_no_match || !runtimes_answered(c, now))
		return;
	c->said_no_match = true;
	if (!any_match(c))
		log_warn("no container matches yet: waiting for one to start%s",
			 runtimes_alive(c) ? "" : " (no container runtime answers; --log-level info tells why)");
}

/* --- hooks of the store --- */

/* The processes of a user's containers are in user namespaces of that user's. */
static bool is_of_user(uint32_t pid, uint32_t user)
{
	char path[64];
	uid_t owner;
	bool same;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/ns/user", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	same = ioctl(fd, NS_GET_OWNER_UID, &owner) == 0 && owner == user;
	close(fd);
	return same;
}

/* The namespaces and the cgroup of a container's first process. Its pid is as the runtime sees it, which is not as we do
 * when we are in another pid namespace: believe it only when its cgroup agrees, or it is at least a stranger here. */
static void on_init(void *arg, struct container_entry *e)
{
	struct containers *c = arg;
	char pid[16], path[CGROUP_PATH_MAX];
	struct cgroup_name names[CGROUP_NAMES_MAX];
	uint32_t pidns;
	uint64_t id;
	bool v2;
	size_t n;

	snprintf(pid, sizeof(pid), "%u", e->init_pid);
	pidns = namespace_inode(pid, "pid");
	if (cgroup_of_pid(e->init_pid, path, sizeof(path), &v2) < 0)
		return;
	n = cgroup_containers(path, names);
	if ((!strstr(path, e->id) && (n > 0 || pidns == c->pidns)) ||
	    (e->rank == RANK_USER && !is_of_user(e->init_pid, e->user))) {
		e->init_pid = 0;
		return;
	}
	e->pidns = pidns == c->pidns ? 0 : pidns;
	e->mntns = namespace_inode(pid, "mnt");
	if (e->mntns == c->mntns)
		e->mntns = 0;
	id = v2 ? cgroup_id(&c->fs, path) : 0;
	if (id && strstr(path, e->id) && !place_find(c, id, 0, 0)) {
		struct place *p = place_new(c, id, 0, 0);

		if (p)
			place_set_path(c, p, path);
	}
}

/* The places stay: one may be looked at just now, and its path can be looked up again. */
static void on_forget(void *arg, const struct container_entry *e)
{
	struct containers *c = arg;

	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct place *p = c->buckets[i]; p; p = p->next) {
			for (size_t j = 0; j < p->ncontainers; j++) {
				if (p->containers[j] == e)
					p->ncontainers = 0;
			}
			if (p->by_init == e)
				p->by_init = NULL;
		}
	}
}

/* --- public --- */

static int open_match(struct containers *c)
{
	const struct match_config config = {
		.container_ids = c->config.ids,
		.container_names = c->config.names,
		.pod_names = c->config.pods,
	};
	int err = match_new(&c->match, &config);

	if (!err && !match_active(c->match)) {
		match_free(c->match);
		c->match = NULL;
	}
	return err;
}

int containers_new(struct containers **ret, const struct containers_config *config)
{
	struct containers *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->config = *config;
	c->pool.max = POOL_MAX;
	c->users_pool.max = USERS_POOL_MAX;
	c->pidns = namespace_inode("self", "pid");
	c->mntns = namespace_inode("self", "mnt");
	if (cgroup_open(&c->fs) < 0)
		log_info("no cgroup v2 is mounted: containers are found by /proc/PID/cgroup and namespaces");
	err = loop_open(&c->loop);
	if (!err)
		err = http_new(&c->http, &c->loop, &c->pool, false);
	if (!err)
		err = http_new(&c->users_http, &c->loop, &c->users_pool, true);
	if (!err)
		err = container_store_new(&c->store, &(struct container_store_hooks){ on_init, on_forget, c });
	if (!err && config->verdict)
		err = open_match(c);
	if (err) {
		containers_free(c);
		return err;
	}
	add_runtimes(c);
	containers_step(c);
	*ret = c;
	return 0;
}

int containers_fd(const struct containers *c)
{
	return c->loop.epoll_fd;
}

void containers_step(struct containers *c)
{
	uint64_t now;

	loop_run(&c->loop);
	now = clock_ns(CLOCK_MONOTONIC);
	http_tick(c->http, now);
	http_tick(c->users_http, now);
	look_for_users(c, now);
	loop_wake_at(&c->loop, c->users_at);
	for (size_t i = 0; i < c->nruntimes; i++)
		runtime_tick(c->runtimes[i], now);
	ask_again(c, now);
	container_store_sweep(c->store, now);
	tell_all(c);
	say_no_match(c, now);
}

static enum container_answer find(struct containers *c, const struct process *process, bool waits,
				  const struct container **ret)
{
	struct place *p = place_of(c, process);
	enum container_answer answer;

	*ret = NULL;
	if (!p)
		return CONTAINER_NONE;
	if (p->ncontainers || p->cgroup)
		answer = answer_by_path(c, p, waits, ret);
	else
		answer = answer_by_init(c, p, process, ret);
	if (p->verdict < 0 && answer != CONTAINER_PENDING)
		place_tell(c, p);
	return answer;
}

enum container_answer containers_find(struct containers *c, const struct process *process, const struct container **ret)
{
	return find(c, process, true, ret);
}

void containers_process(struct containers *c, const struct process *process)
{
	const struct container *container;

	find(c, process, false, &container);
}

void containers_free(struct containers *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->nruntimes; i++)
		runtime_free(c->runtimes[i]);
	http_free(c->http);
	http_free(c->users_http);
	drop_places(c, UINT64_MAX);
	container_store_free(c->store);
	match_free(c->match);
	cgroup_close(&c->fs);
	loop_close(&c->loop);
	free(c);
}
