/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/container.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/container_store.h"
#include "meta/match.h"
#include "meta/no_match.h"
#include "meta/place.h"
#include "meta/process.h"
#include "meta/runtime/loop.h"
#include "meta/runtimes.h"
#include "util/cgroup2.h"
#include "util/clock.h"
#include "util/escape.h"
#include "util/log.h"
#include "util/pidns.h"
#include "util/procfs.h"

struct containers {
	struct containers_config config;
	struct loop loop;
	struct container_store *store;
	struct runtimes *runtimes;
	struct places places;
	uint64_t told;	     /* version of the store that the verdicts are of */
	struct match *match; /* NULL: nobody asks for verdicts */
	bool judging;	     /* they may be told */
	uint64_t began;	     /* when packets were looked at first, 0: not yet */
	bool said_no_match, said_no_runtime, said_denied, said_namespaces;
	bool say_no_netns; /* if it is so */
	bool said_no_netns;
	struct container_netns *netns; /* NULL: nobody asks for them */
};

/* containerd has not told its namespaces yet. */
static bool too_early(const struct containers *c, const struct place *p)
{
	return p->maybe_namespaced && !runtimes_answered(c->runtimes, clock_ns(CLOCK_MONOTONIC));
}

/* Nobody has told its name: the innermost id is what can be told, if it is unique by itself. */
static const struct container *by_id(struct containers *c, const struct place *p)
{
	size_t i = 0;

	while (i < p->ncontainers && !place_is_named(p, i))
		i++;
	if (i == p->ncontainers || strchr(p->containers[i].entry->key, '/'))
		return NULL;
	return container_entry_publish(c->store, p->containers[i].entry);
}

/* What is told of the i-th container while it is being asked for: of itself, or the one that it runs in. */
static const struct container *known_so_far(struct containers *c, const struct place *p, size_t i)
{
	for (; i < p->ncontainers; i++) {
		if (place_believe(p, i) == PLACE_BELIEVED && container_entry_named(p->containers[i].entry))
			return p->containers[i].entry->published;
	}
	return by_id(c, p);
}

static enum container_answer answer_by_path(struct containers *c, const struct place *p, bool waits,
					    const struct container **ret)
{
	uint64_t now = 0;

	for (size_t i = 0; i < p->ncontainers; i++) {
		struct container_entry *e = p->containers[i].entry;

		if (place_believe(p, i) == PLACE_DENIED)
			continue;
		if (!container_entry_complete(e)) {
			now = now ? now : clock_ns(CLOCK_MONOTONIC);
			e->used_at = now;
			/* What the runtimes tell first need not be asked for. */
			if (waits || runtimes_answered(c->runtimes, now))
				runtimes_want(c->runtimes, e, now);
			if (runtimes_may_wait(c->runtimes, e, now, waits)) {
				*ret = known_so_far(c, p, i);
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
	*ret = by_id(c, p);
	return *ret ? CONTAINER_FOUND : CONTAINER_NONE;
}

static bool is_foreign(const struct containers *c, const struct place *p)
{
	return p->pidns != c->places.pidns || p->mntns != c->places.mntns;
}

static enum container_answer answer_by_init(struct containers *c, struct place *p, const struct container **ret)
{
	struct container_entry *e = place_by_init(&c->places, p);
	const uint64_t until = (p->looked_at > c->began ? p->looked_at : c->began) + RUNTIMES_WAIT_NS;

	if (e) {
		*ret = container_entry_publish(c->store, e);
		return *ret ? CONTAINER_FOUND : CONTAINER_NONE;
	}
	if (too_early(c, p))
		return CONTAINER_PENDING;
	if (!p->path && p->pidns != c->places.pidns && clock_ns(CLOCK_MONOTONIC) < until &&
	    runtimes_alive(c->runtimes)) {
		loop_wake_at(&c->loop, until);
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

	return match_containers(c->match, &annot);
}

/* A cgroup decides for all that are in it: with version 1 hierarchies a container may be in anybody's v2 cgroup. */
static bool decides(const struct containers *c, const struct place *p)
{
	if (!p->path)
		return false;
	if (p->ncontainers)
		return true;
	if (p->cgroup)
		return !c->places.fs.v1;
	/* The first process that its namespaces are of may be told yet. */
	return !is_foreign(c, p) || runtimes_answered(c->runtimes, clock_ns(CLOCK_MONOTONIC));
}

static void tell(struct containers *c, struct place *p, enum container_answer answer, const struct container *container)
{
	/* Who a part of the tree was given to names what is in it. */
	char path[4 * 500 + 1];
	bool match;

	if (!c->judging || answer == CONTAINER_PENDING || !decides(c, p))
		return;
	match = answer == CONTAINER_FOUND && matches(c, container);
	if (p->verdict == match)
		return;
	p->verdict = match;
	/* Of one that has ended the number may be another's. */
	if (!p->cgroup && procfs_start(p->tgid) != p->start)
		return;
	log_debug("%s %llu '%s': %s", p->cgroup ? "cgroup" : "process",
		  (unsigned long long)(p->cgroup ? p->cgroup : p->tgid), escape_quoted(path, sizeof(path), p->path),
		  match ? "matches" : "does not match");
	c->config.verdict(c->config.arg, p->cgroup, p->tgid, match);
}

/* waits: for a packet; else nothing depends on the answer yet. */
static enum container_answer answer_at(struct containers *c, struct place *p, bool waits, const struct container **ret)
{
	*ret = NULL;
	if (p->ncontainers || p->cgroup || (p->path && !is_foreign(c, p)))
		return answer_by_path(c, p, waits, ret);
	return answer_by_init(c, p, ret);
}

static void tell_all(struct containers *c)
{
	const struct container *container;
	enum container_answer answer;

	if (!c->judging || c->told == container_store_version(c->store))
		return;
	for (struct place *p = places_each(&c->places, NULL); p; p = places_each(&c->places, p)) {
		place_resolve(&c->places, p);
		answer = answer_at(c, p, false, &container);
		tell(c, p, answer, container);
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

/* Once; when no runtime answered then, once more when one does. */
static void say_no_match(struct containers *c, uint64_t now)
{
	if (!c->match || c->said_no_match || !runtimes_answered(c->runtimes, now))
		return;
	if (c->said_no_runtime && !runtimes_ready(c->runtimes))
		return;
	c->said_no_match = true;
	if (any_match(c))
		no_match_warn_of_values(&c->config, c->store);
	else
		c->said_no_match = no_match_warn(&c->config, c->store, c->runtimes);
	c->said_no_runtime = !c->said_no_match;
}

/* Programs that are attached to the root of the control groups see nothing beside it. */
static void warn_own_namespaces(const struct containers *c)
{
	if (!pidns_of_proc().initial)
		log_warn(
			"the pid namespace here is not the host's: of what runs outside of it names and pids are known, and "
			"containers by their control groups only; in a container, \"docker run --pid=host\" shows more");
	if (c->places.fs.fd >= 0 && c->places.fs.root_id != CGROUP2_ROOT)
		log_warn(
			"the root of the control groups here is not the host's: processes and containers beside it may stay "
			"unknown; in a container, \"docker run --cgroupns=host\" changes that");
}

static void warn_denied(const struct containers *c)
{
	struct buf b = { 0 };

	if (runtimes_put_denied(c->runtimes, &b))
		log_warn(
			"%.*s may not be opened, its containers go without names: that takes root, CAP_DAC_OVERRIDE or "
			"the socket's group",
			(int)b.len, b.p);
	buf_done(&b);
}

/* What stands in the way of names, once: when they are asked for, or somebody could tell them. */
static void say_obstacles(struct containers *c, uint64_t now)
{
	if (!runtimes_answered(c->runtimes, now))
		return;
	if (!c->said_denied)
		warn_denied(c);
	c->said_denied = true;
	if (c->said_namespaces || (!c->match && !runtimes_ready(c->runtimes)))
		return;
	c->said_namespaces = true;
	warn_own_namespaces(c);
}

static int open_match(struct containers *c)
{
	const struct match_config config = { .containers = c->config.query, .expr = c->config.expr };
	int err = match_new(&c->match, &config);

	if (!err && !match_asks_containers(c->match)) {
		match_free(c->match);
		c->match = NULL;
	}
	return err;
}

/* As say_no_match(). */
static void say_no_netns(struct containers *c, uint64_t now)
{
	if (!c->say_no_netns || !runtimes_answered(c->runtimes, now))
		return;
	if (c->said_no_netns && !runtimes_ready(c->runtimes))
		return;
	c->say_no_netns = !containers_say_netns(c);
	c->said_no_netns = true;
}

/* Its first process tells its network namespace, once it is believed; the number of one that ended just now is of no use. */
static void on_init(void *arg, struct container_entry *e)
{
	const uint32_t inode = procfs_namespace(e->init_pid, "net");
	struct containers *c = arg;

	places_on_init(&c->places, e);
	if (c->netns && e->init_pid && inode)
		container_netns_note(c->netns, e, 0, inode, e->init_pid, procfs_start(e->init_pid));
}

static void on_forget(void *arg, const struct container_entry *e)
{
	struct containers *c = arg;

	places_on_forget(&c->places, e);
	if (c->netns)
		container_netns_forget(c->netns, e);
}

int containers_new(struct containers **ret, const struct containers_config *config)
{
	struct containers *c = calloc(1, sizeof(*c));
	const struct container_store_hooks hooks = { .init = on_init, .forget = on_forget, .arg = c };
	int err;

	if (!c)
		return -ENOMEM;
	c->config = *config;
	places_open(&c->places);
	err = loop_open(&c->loop);
	if (!err)
		err = container_store_new(&c->store, &hooks);
	c->places.store = c->store;
	if (!err && (config->verdict || config->netns.tell))
		err = open_match(c);
	if (!err)
		err = runtimes_new(&c->runtimes, &c->loop, c->store, config->addresses);
	if (!err && config->netns.tell)
		err = container_netns_new(&c->netns, &config->netns, c->store, c->runtimes, c->match);
	if (err) {
		containers_free(c);
		return err;
	}
	if (c->netns)
		container_netns_hold(c->netns, true);
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
	runtimes_step(c->runtimes, now);
	container_store_sweep(c->store, now);
	tell_all(c);
	if (c->netns)
		container_netns_step(c->netns, now);
	say_no_match(c, now);
	say_obstacles(c, now);
	say_no_netns(c, now);
}

static enum container_answer find(struct containers *c, const struct process *process, bool waits,
				  const struct container **ret)
{
	struct place *p = place_of(&c->places, process);
	enum container_answer answer;

	*ret = NULL;
	if (!p)
		return CONTAINER_NONE;
	answer = answer_at(c, p, waits, ret);
	if (p->verdict < 0)
		tell(c, p, answer, *ret);
	return answer;
}

enum container_answer containers_find(struct containers *c, const struct process *process, const struct container **ret)
{
	return find(c, process, true, ret);
}

bool containers_judge(struct containers *c)
{
	c->judging = c->places.each = c->match && c->config.verdict;
	return c->judging;
}

void containers_begin(struct containers *c)
{
	c->began = clock_ns(CLOCK_MONOTONIC);
	runtimes_listen(c->runtimes);
}

/* With all that its cgroup names: an inner one may be in the namespace of the outer. */
static void note_netns(struct containers *c, const struct process *process)
{
	struct place *p = place_of(&c->places, process);

	for (size_t i = 0; p && i < p->ncontainers; i++) {
		if (place_is_named(p, i))
			container_netns_note(c->netns, p->containers[i].entry, (unsigned)i, process->netns,
					     process->tgid, process->start);
	}
	if (p && !p->ncontainers && p->by_init)
		container_netns_note(c->netns, p->by_init, 0, process->netns, process->tgid, process->start);
}

void containers_process(struct containers *c, const struct process *process)
{
	const struct container *container;

	find(c, process, false, &container);
	if (c->netns && process->netns)
		note_netns(c, process);
}

void containers_processes_end(struct containers *c)
{
	if (!c->netns)
		return;
	c->say_no_netns = c->config.netns.waits;
	container_netns_hold(c->netns, false);
	container_netns_step(c->netns, clock_ns(CLOCK_MONOTONIC));
}

bool containers_say_netns(struct containers *c)
{
	return !c->netns || no_match_warn_of_netns(&c->config.netns, c->netns, c->store, c->runtimes);
}

bool containers_answered(const struct containers *c)
{
	return runtimes_answered(c->runtimes, clock_ns(CLOCK_MONOTONIC));
}

void containers_free(struct containers *c)
{
	if (!c)
		return;
	runtimes_free(c->runtimes);
	places_close(&c->places);
	container_store_free(c->store);
	container_netns_free(c->netns);
	match_free(c->match);
	loop_close(&c->loop);
	free(c);
}
