/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/meta.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "meta/image.h"
#include "meta/join.h"
#include "util/clock.h"
#include "util/log.h"

struct meta {
	struct process_table *processes;
	struct containers *containers; /* NULL: not wanted */
	struct users *users;
	struct join *join;
	bool netns; /* who is in which network namespace is asked for */
};

static int open_containers(struct meta *m, const struct meta_config *config)
{
	const struct containers_config containers = {
		.addresses = config->runtime_addresses,
		.query = config->query,
		.expr = config->expr,
		.verdict = config->verdict,
		.arg = config->arg,
		.netns = config->netns,
	};

	return config->containers ? containers_new(&m->containers, &containers) : 0;
}

int meta_new(struct meta **ret, const struct meta_config *config)
{
	struct meta *m = calloc(1, sizeof(*m));
	struct join_config join = {
		.settle_ns = config->settle_ns,
		.reverse_match = config->reverse_match,
		.peer = config->peer,
	};
	int err = m ? 0 : -ENOMEM;

	if (!err)
		err = process_table_new(&m->processes);
	if (!err)
		err = users_new(&m->users);
	if (!err)
		err = open_containers(m, config);
	if (!err) {
		m->netns = m->containers && config->netns.tell;
		join.processes = m->processes;
		join.containers = m->containers;
		join.users = m->users;
		err = join_new(&m->join, &join);
	}
	if (err) {
		log_error("can't set up the process table: %s", strerror(-err));
		meta_free(m);
		return err;
	}
	*ret = m;
	return 0;
}

static void announce_to(void *arg, const struct process *p)
{
	struct meta *m = arg;

	/* Threads of the kernel are in no container. */
	if (p->cgroup || p->mntns)
		containers_process(m->containers, p);
}

int meta_scan(struct meta *m)
{
	int err = process_table_scan(m->processes);

	if (err)
		log_error("can't list the processes in /proc: %s", strerror(-err));
	if (err || !m->containers || (!containers_judge(m->containers) && !m->netns))
		return err;
	process_each(m->processes, announce_to, m);
	containers_processes_end(m->containers);
	return 0;
}

void meta_begin(struct meta *m, uint64_t now)
{
	if (m->containers)
		containers_begin(m->containers);
	join_begin(m->join, now);
}

struct each {
	void (*fn)(void *arg, const struct process_desc *p, uint32_t parent, uint32_t uid);
	void *arg;
};

static void describe_to(void *arg, const struct process *p)
{
	const struct each *each = arg;
	const struct process_desc d = process_describe(p);

	each->fn(each->arg, &d, p->parent_tgid, p->uid);
}

void meta_each_process(struct meta *m,
		       void (*fn)(void *arg, const struct process_desc *p, uint32_t parent, uint32_t uid), void *arg)
{
	struct each each = { fn, arg };

	process_each(m->processes, describe_to, &each);
}

/* The container of a new process is asked for before its first packet. */
static void announce(struct meta *m, uint32_t tgid, uint64_t start)
{
	const struct process *p = m->containers ? process_find(m->processes, tgid, start) : NULL;

	if (p)
		containers_process(m->containers, p);
}

void meta_event(struct meta *m, uint32_t type, const void *event, size_t size)
{
	if (type == EVENT_OWNER) {
		join_owner(m->join, event);
		return;
	}
	process_table_event(m->processes, type, event, size);
	join_changed(m->join);
	switch (type) {
	case EVENT_EXEC: {
		const struct event_exec *e = event;

		announce(m, e->task.tgid, e->task.start);
		break;
	}
	case EVENT_FORK: {
		const struct event_fork *e = event;

		announce(m, e->child.tgid, e->child.start);
		break;
	}
	case EVENT_CGROUP: {
		const struct event_cgroup *e = event;

		announce(m, e->tgid, e->start);
		break;
	}
	default: break;
	}
}

enum meta_verdict meta_join(struct meta *m, struct packet *packet, uint64_t now, bool force)
{
	return join_packet(m->join, packet, now, force);
}

const struct annotation *meta_other_end(struct meta *m, const struct packet *packet)
{
	return join_other_end(m->join, packet);
}

int meta_fd(const struct meta *m)
{
	return m->containers ? containers_fd(m->containers) : -1;
}

void meta_step(struct meta *m)
{
	if (!m->containers)
		return;
	containers_step(m->containers);
	join_changed(m->join);
}

void meta_wait(struct meta *m, int timeout_ms)
{
	const uint64_t until = clock_ns(CLOCK_MONOTONIC) + (uint64_t)timeout_ms * NSEC_PER_MSEC;
	struct pollfd fd = { .fd = meta_fd(m), .events = POLLIN };

	if (!m->containers)
		return;
	meta_step(m);
	while (!containers_answered(m->containers)) {
		const uint64_t now = clock_ns(CLOCK_MONOTONIC);

		if (now >= until)
			break;
		poll(&fd, 1, (int)((until - now) / NSEC_PER_MSEC) + 1);
		meta_step(m);
	}
}

void meta_say_netns(struct meta *m)
{
	if (m->containers)
		containers_say_netns(m->containers);
}

void meta_free(struct meta *m)
{
	if (!m)
		return;
	join_free(m->join);
	containers_free(m->containers);
	users_free(m->users);
	process_table_free(m->processes);
	free(m);
}
