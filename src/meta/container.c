/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/container.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/container_store.h"
#include "meta/match.h"
#include "meta/place.h"
#include "meta/process.h"
#include "meta/runtime/loop.h"
#include "meta/runtimes.h"
#include "util/clock.h"
#include "util/log.h"

struct containers {
	struct containers_config config;
	struct loop loop;
	struct container_store *store;
	struct runtimes *runtimes;
	struct places places;
	uint64_t told;	     /* version of the store that the verdicts are of */
	struct match *match; /* NULL: nobody asks for verdicts */
	bool said_no_match;
};

/* containerd has not told its namespaces yet. */
static bool too_early(const struct containers *c, const struct place *p)
{
	return p->maybe_namespaced && !runtimes_answered(c->runtimes, clock_ns(CLOCK_MONOTONIC));
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
			runtimes_want(c->runtimes, e, now);
			if (runtimes_may_wait(c->runtimes, e, now, waits)) {
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
	struct container_entry *e = place_by_init(&c->places, p, process);
	const uint64_t until = p->looked_at + RUNTIMES_WAIT_NS;

	if (e) {
		*ret = container_entry_publish(c->store, e);
		return *ret ? CONTAINER_FOUND : CONTAINER_NONE;
	}
	if (too_early(c, p))
		return CONTAINER_PENDING;
	if (!p->path && process->pidns != c->places.pidns && clock_ns(CLOCK_MONOTONIC) < until &&
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

	return match_annotation(c->match, &annot);
}

/* Only for what the cgroup alone decides: with version 1 hierarchies a container may be in anybody's v2 cgroup. */
static void tell(struct containers *c, struct place *p)
{
	const struct container *container = NULL;
	enum container_answer answer;
	bool match;

	if (!c->match || !p->cgroup || !p->path || (p->ncontainers == 0 && c->places.fs.v1))
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
	for (struct place *p = places_each(&c->places, NULL); p; p = places_each(&c->places, p)) {
		place_resolve(&c->places, p);
		tell(c, p);
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
	if (!c->match || c->said_no_match || !runtimes_answered(c->runtimes, now))
		return;
	c->said_no_match = true;
	if (!any_match(c))
		log_warn("no container matches yet: waiting for one to start%s",
			 runtimes_alive(c->runtimes) ? ""
						     : " (no container runtime answers; --log-level info tells why)");
}

static int open_match(struct containers *c)
{
	const struct match_config config = { .containers = c->config.query };
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
	struct container_store_hooks hooks = { .init = places_on_init, .forget = places_on_forget };
	int err;

	if (!c)
		return -ENOMEM;
	hooks.arg = &c->places;
	c->config = *config;
	places_open(&c->places);
	err = loop_open(&c->loop);
	if (!err)
		err = container_store_new(&c->store, &hooks);
	c->places.store = c->store;
	if (!err && config->verdict)
		err = open_match(c);
	if (!err)
		err = runtimes_new(&c->runtimes, &c->loop, c->store, config->addresses);
	if (err) {
		containers_free(c);
		return err;
	}
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
	say_no_match(c, now);
}

static enum container_answer find(struct containers *c, const struct process *process, bool waits,
				  const struct container **ret)
{
	struct place *p = place_of(&c->places, process);
	enum container_answer answer;

	*ret = NULL;
	if (!p)
		return CONTAINER_NONE;
	if (p->ncontainers || p->cgroup)
		answer = answer_by_path(c, p, waits, ret);
	else
		answer = answer_by_init(c, p, process, ret);
	if (p->verdict < 0 && answer != CONTAINER_PENDING)
		tell(c, p);
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
	runtimes_free(c->runtimes);
	places_close(&c->places);
	container_store_free(c->store);
	match_free(c->match);
	loop_close(&c->loop);
	free(c);
}
