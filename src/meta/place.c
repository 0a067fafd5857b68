/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/place.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "meta/container_store.h"
#include "meta/process.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/procfs.h"

enum { PLACES_MAX = 16384 };

static struct place **place_bucket(struct places *ps, uint64_t cgroup, uint64_t start, uint32_t tgid)
{
	const uint64_t words[] = { cgroup, start, tgid };

	return &ps->buckets[hash_bytes(&ps->key, words, sizeof(words)) % PLACE_BUCKETS];
}

static void place_free(struct place *p)
{
	free(p->path);
	free(p);
}

static void drop_places(struct places *ps, uint64_t used_before)
{
	for (size_t i = 0; i < PLACE_BUCKETS; i++) {
		for (struct place **p = &ps->buckets[i]; *p;) {
			struct place *old = *p;

			if (old->used < used_before) {
				*p = old->next;
				place_free(old);
				ps->n--;
			} else {
				p = &old->next;
			}
		}
	}
}

static struct place *place_find(struct places *ps, uint64_t cgroup, uint64_t start, uint32_t tgid)
{
	for (struct place *p = *place_bucket(ps, cgroup, start, tgid); p; p = p->next) {
		if (p->cgroup == cgroup && p->start == start && p->tgid == tgid) {
			p->used = ++ps->uses;
			return p;
		}
	}
	return NULL;
}

static struct place *place_new(struct places *ps, uint64_t cgroup, uint64_t start, uint32_t tgid)
{
	struct place **bucket = place_bucket(ps, cgroup, start, tgid);
	struct place *p;

	/* Every use has a number of its own: half of them stay, and the caller's among them. */
	if (ps->n >= PLACES_MAX)
		drop_places(ps, ps->uses - PLACES_MAX / 2);
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->cgroup = cgroup;
	p->start = start;
	p->tgid = tgid;
	p->verdict = -1;
	p->used = ++ps->uses;
	p->next = *bucket;
	*bucket = p;
	ps->n++;
	return p;
}

static void add_container(struct places *ps, struct place *p, size_t i, const struct cgroup_name *name)
{
	/* What users call their cgroups does not push out what root's daemons tell of. */
	const enum container_create create = p->names[i].maker == 0 ? CREATE : CREATE_OF_USER;
	/* A new entry may push out another: one of ours, even, and then places_on_forget() has set ncontainers to 0. */
	struct container_entry *e =
		container_store_get(ps->store, name->ns, name->ns_len, name->id, name->id_len, create);

	if (e)
		p->containers[p->ncontainers++] = (struct place_container){ e, &p->names[i] };
}

void place_resolve(struct places *ps, struct place *p)
{
	struct cgroup_name names[CGROUP_NAMES_MAX];
	size_t n;

	if (!p->path || (p->resolved && p->ncontainers))
		return;
	n = cgroup_containers(p->path, names);
	for (size_t i = 0; i < n; i++)
		add_container(ps, p, i, &names[i]);
	if (n)
		return;
	n = cgroup_namespaced(p->path, names);
	p->maybe_namespaced = n > 0;
	for (size_t i = 0; i < n; i++) {
		if (container_store_has_namespace(ps->store, names[i].ns, names[i].ns_len))
			add_container(ps, p, i, &names[i]);
	}
}

static bool is_of_first_process(const struct container_entry *e, const struct place *p, const struct place_name *name)
{
	return e->init_cgroup && strlen(e->init_cgroup) == name->end && memcmp(e->init_cgroup, p->path, name->end) == 0;
}

enum place_belief place_believe(const struct place *p, size_t i)
{
	const struct container_entry *e = p->containers[i].entry;
	const struct place_name *name = p->containers[i].name;
	bool believed;

	if (name->maker == 0)
		return PLACE_BELIEVED;
	if (e->rank == RANK_NONE)
		return PLACE_OPEN;
	if (name->maker == CGROUP_MAKER_HIDDEN && !e->init_cgroup)
		return PLACE_BELIEVED;
	if (e->rank == RANK_USER)
		believed = name->maker == e->user;
	else
		believed = is_of_first_process(e, p, name);
	return believed ? PLACE_BELIEVED : PLACE_DENIED;
}

bool place_is_named(const struct place *p, size_t i)
{
	const enum place_belief belief = place_believe(p, i);
	const uint32_t maker = p->containers[i].name->maker;

	return belief == PLACE_BELIEVED || (belief == PLACE_OPEN && (p->of_maker || maker == CGROUP_MAKER_HIDDEN));
}

static void place_update(struct places *ps, struct place *p)
{
	if (p->resolved == container_store_version(ps->store))
		return;
	place_resolve(ps, p);
	p->resolved = container_store_version(ps->store);
}

static void find_makers(struct place *p, int hierarchy)
{
	struct cgroup_name names[CGROUP_NAMES_MAX];
	size_t n = cgroup_containers(p->path, names);

	if (!n)
		n = cgroup_namespaced(p->path, names);
	for (size_t i = 0; i < n; i++) {
		p->names[i].end = (uint32_t)(names[i].folder_end - p->path);
		p->names[i].maker = cgroup_maker(hierarchy, p->path, p->names[i].end);
	}
}

static void place_set_path(struct places *ps, struct place *p, const char *path, int hierarchy)
{
	free(p->path);
	p->path = strdup(path);
	p->ncontainers = 0;
	p->resolved = 0;
	if (p->path)
		find_makers(p, hierarchy);
	place_update(ps, p);
}

/* Its folder may have gone since. */
static void place_copy_path(struct places *ps, struct place *p, const struct place *from)
{
	free(p->path);
	p->path = strdup(from->path);
	p->ncontainers = 0;
	p->resolved = 0;
	memcpy(p->names, from->names, sizeof(p->names));
	place_update(ps, p);
}

static struct place *place_of_cgroup(struct places *ps, const struct process *process)
{
	struct place *p = place_find(ps, process->cgroup, 0, 0);
	struct cgroup_where where;

	if (p || !(p = place_new(ps, process->cgroup, 0, 0)))
		return p;
	if (cgroup_path(&ps->fs, process->cgroup, where.path, sizeof(where.path)) == 0)
		place_set_path(ps, p, where.path, ps->fs.fd);
	else if (cgroup_v2_of_pid(&ps->fs, process->tgid, &where) == 0 && where.path[0])
		place_set_path(ps, p, where.path, where.hierarchy);
	return p;
}

/* Gone before it could be looked at, and never moved: it was where its parent is. */
static void place_inherit(struct places *ps, struct place *p, const struct process *process)
{
	const struct place *parent = place_find(ps, 0, process->parent_start, process->parent_tgid);

	if (parent && parent->path)
		place_copy_path(ps, p, parent);
}

/* It may be in other namespaces now, and the kernel has forgotten its verdict. */
static void place_set_process(struct place *p, const struct process *process)
{
	p->version = process->version;
	p->pidns = process->pidns;
	p->mntns = process->mntns;
	p->by_init = NULL;
	p->init_resolved = 0;
	p->verdict = -1;
}

/* by_cgroup: what its v2 cgroup tells, NULL nothing. */
static struct place *place_of_process(struct places *ps, const struct process *process, const struct place *by_cgroup)
{
	struct place *p = place_find(ps, 0, process->start, process->tgid);
	struct cgroup_where where;

	if (p && p->version != process->version)
		place_set_process(p, process);
	if (p && p->moves == process->moves) {
		place_update(ps, p);
		return p;
	}
	if (!p && !(p = place_new(ps, 0, process->start, process->tgid)))
		return NULL;
	place_set_process(p, process);
	p->moves = process->moves;
	p->looked_at = clock_ns(CLOCK_MONOTONIC);
	/* There is nothing else to read where only v2 exists. A process that has ended keeps what was read while it lived. */
	if (by_cgroup && by_cgroup->path && !ps->fs.v1)
		place_copy_path(ps, p, by_cgroup);
	else if (cgroup_of_pid(&ps->fs, process->tgid, &where) == 0)
		place_set_path(ps, p, where.path, where.hierarchy);
	else if (!p->path && !process->moves)
		place_inherit(ps, p, process);
	return p;
}

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

/* Root makes the user namespaces of LXD's containers and the like, and their root whatever is in them. */
static bool is_of_root_there(uint32_t pid, uint32_t user)
{
	char map[4096];
	unsigned inside, outside;

	return procfs_read(pid, "uid_map", map, sizeof(map)) > 0 && sscanf(map, "%u %u", &inside, &outside) == 2 &&
	       inside == 0 && outside == user;
}

/* A user may call a cgroup anything: what nobody tells of is at least to look like a container of theirs. */
static void look_at_maker(struct place *p, const struct process *process)
{
	const uint32_t maker = p->ncontainers ? p->containers[0].name->maker : 0;

	if (!maker || p->of_maker || place_believe(p, 0) != PLACE_OPEN || p->stranger == process->start)
		return;
	p->of_maker = is_of_user(process->tgid, maker) || is_of_root_there(process->tgid, maker);
	p->stranger = process->start;
}

static struct place *find_place(struct places *ps, const struct process *process)
{
	struct place *p = process->cgroup ? place_of_cgroup(ps, process) : NULL;

	if (p)
		place_update(ps, p);
	if (p && p->ncontainers)
		return p;
	/* In none, as its cgroup tells. Is it in some container's namespaces nevertheless? */
	if (p && p->path && !(ps->each && ps->fs.v1) && process->pidns == ps->pidns && process->mntns == ps->mntns)
		return p;
	return place_of_process(ps, process, p);
}

struct place *place_of(struct places *ps, const struct process *process)
{
	struct place *p = find_place(ps, process);

	if (p)
		look_at_maker(p, process);
	return p;
}

/* The folder there that has its name: whatever is in it is in the container. */
static void set_init_cgroup(struct container_entry *e, const char *path)
{
	struct cgroup_name names[CGROUP_NAMES_MAX];
	size_t n = cgroup_containers(path, names);

	if (!n)
		n = cgroup_namespaced(path, names);
	for (size_t i = 0; i < n; i++) {
		if (strlen(e->id) != names[i].id_len || memcmp(e->id, names[i].id, names[i].id_len) != 0)
			continue;
		free(e->init_cgroup);
		e->init_cgroup = strndup(path, (size_t)(names[i].folder_end - path));
		return;
	}
}

/* Its pid is as the runtime sees it, which is not as we do when we are in another pid namespace: believe it only when its
 * cgroup agrees, or it is at least a stranger here. */
void places_on_init(void *arg, struct container_entry *e)
{
	struct places *ps = arg;
	struct cgroup_name names[CGROUP_NAMES_MAX];
	struct cgroup_where where;
	const char *const path = where.path;
	uint32_t pidns;
	uint64_t id;
	size_t n;

	pidns = procfs_namespace(e->init_pid, "pid");
	if (cgroup_of_pid(&ps->fs, e->init_pid, &where) < 0)
		return;
	n = cgroup_containers(path, names);
	if ((!strstr(path, e->id) && (n > 0 || pidns == ps->pidns)) ||
	    (e->rank == RANK_USER && !is_of_user(e->init_pid, e->user))) {
		e->init_pid = 0;
		return;
	}
	e->pidns = pidns == ps->pidns ? 0 : pidns;
	e->mntns = procfs_namespace(e->init_pid, "mnt");
	if (e->mntns == ps->mntns)
		e->mntns = 0;
	set_init_cgroup(e, path);
	id = where.v2 ? cgroup_id(&ps->fs, path) : 0;
	if (id && strstr(path, e->id) && !place_find(ps, id, 0, 0)) {
		struct place *p = place_new(ps, id, 0, 0);

		if (p)
			place_set_path(ps, p, path, where.hierarchy);
	}
}

/* The places stay: one may be looked at just now, and its path can be looked up again. */
void places_on_forget(void *arg, const struct container_entry *e)
{
	struct places *ps = arg;

	for (size_t i = 0; i < PLACE_BUCKETS; i++) {
		for (struct place *p = ps->buckets[i]; p; p = p->next) {
			for (size_t j = 0; j < p->ncontainers; j++) {
				if (p->containers[j].entry == e)
					p->ncontainers = 0;
			}
			if (p->by_init == e)
				p->by_init = NULL;
		}
	}
}

struct container_entry *place_by_init(struct places *ps, struct place *p)
{
	const uint64_t version = container_store_version(ps->store);

	if (p->init_resolved != version && !p->by_init) {
		p->by_init = container_store_by_init(ps->store, p->tgid, p->pidns == ps->pidns ? 0 : p->pidns,
						     p->mntns == ps->mntns ? 0 : p->mntns);
	}
	p->init_resolved = version;
	return p->by_init;
}

struct place *places_each(struct places *ps, struct place *after)
{
	size_t i = 0;

	if (after && after->next)
		return after->next;
	if (after)
		i = (size_t)(place_bucket(ps, after->cgroup, after->start, after->tgid) - ps->buckets) + 1;
	for (; i < PLACE_BUCKETS; i++) {
		if (ps->buckets[i])
			return ps->buckets[i];
	}
	return NULL;
}

void places_open(struct places *ps)
{
	ps->key = hash_key();
	ps->pidns = procfs_namespace(0, "pid");
	ps->mntns = procfs_namespace(0, "mnt");
	if (cgroup_open(&ps->fs) < 0)
		log_info("no cgroup v2 is mounted: containers are found by /proc/PID/cgroup and namespaces");
}

void places_close(struct places *ps)
{
	drop_places(ps, UINT64_MAX);
	cgroup_close(&ps->fs);
}
