/* SPDX-License-Identifier: BSD-3-Clause */
/* The phases of a capture, and when it sleeps and wakes. */
#include "capture/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "capture/attrib.h"
#include "capture/backend.h"
#include "capture/nat.h"
#include "capture/owners.h"
#include "capture/permissions.h"
#include "capture/private.h"
#include "util/clock.h"
#include "util/log.h"

/*
 * A program takes the time first and space in its ring last; another CPU's ring may get a later packet in between.
 * So packets are merged only when they are this old.
 */
#define MERGE_LAG_NS (1 * NSEC_PER_MSEC)
#define BATCH 8192
/* Sleep between batches: no packet has to wake us, and none waits longer. Outputs are flushed no more often. */
#define BATCH_NS (20 * NSEC_PER_MSEC)

/* Of some readings, the one that took least time between both clocks. */
static int64_t clock_offset_get(void)
{
	uint64_t best = UINT64_MAX;
	int64_t offset = 0;

	for (int i = 0; i < 10; i++) {
		uint64_t before = clock_ns(CLOCK_MONOTONIC), real = clock_ns(CLOCK_REALTIME);
		uint64_t after = clock_ns(CLOCK_MONOTONIC);

		if (after - before < best) {
			best = after - before;
			offset = (int64_t)(real - before - (after - before) / 2);
		}
	}
	return offset;
}

static int capture_start(struct capture *c)
{
	int err = permissions_check(c->backend, c->config.plugin, &c->programs.forbidden);

	if (err)
		return err;
	for (const char *const *name = c->config.ifaces; *name; name++)
		c->links.any |= strcmp(*name, "any") == 0;
	err = poll_open(c);
	if (!err)
		err = netns_init(c);
	if (!err && c->namespaces.scanning && c->backend->programs)
		err = netns_scan_start(c);
	if (!err)
		err = c->backend->open(c);
	return err;
}

static int vlan_room(struct capture *c)
{
	c->delivery.vlan_buf = malloc(c->copylen + VLAN_LEN);
	if (c->delivery.vlan_buf)
		return 0;
	log_error("%s", strerror(ENOMEM));
	return -ENOMEM;
}

int capture_new(struct capture **ret, const struct capture_config *config, const struct capture_handler *handler)
{
	struct capture *c = calloc(1, sizeof(*c));
	int err;

	if (!c) {
		log_error("out of memory");
		return -ENOMEM;
	}
	c->config = *config;
	c->backend = config->backend ? config->backend : backend_default();
	c->handler = *handler;
	if (c->config.snaplen == 0 || c->config.snaplen > SNAPLEN_MAX)
		c->config.snaplen = SNAPLEN_MAX;
	c->copylen = c->config.snaplen;
	c->poll.epoll_fd = c->poll.timer_fd = c->links.expedite.fd = c->links.expedite.guard = -1;
	c->namespaces.own_fd = c->namespaces.scan_fd = c->namespaces.inotify_fd = -1;
	c->delivery.clock_offset = clock_offset_get();
	c->delivery.lag_ns = MERGE_LAG_NS;
	programs_log();
	err = capture_start(c);
	if (!err)
		err = vlan_room(c);
	if (err) {
		capture_free(c);
		return err;
	}
	*ret = c;
	return 0;
}

int capture_load(struct capture *c)
{
	return programs_load(c);
}

/* A process event may be the first sign of a new namespace. */
static void process_handle(void *arg, uint32_t type, const void *event, size_t size)
{
	struct capture *c = arg;
	const struct event_netns *news = event;
	const struct event_task *task = NULL;

	if (type == EVENT_NETNS) {
		netns_seen(c, news->netns, news->tid);
		return;
	}
	if (type == EVENT_FLOW) {
		if (c->backend->flow_was)
			c->backend->flow_was(c, event);
		return;
	}
	if (type == EVENT_EXEC)
		task = &((const struct event_exec *)event)->task;
	else if (type == EVENT_FORK)
		task = &((const struct event_fork *)event)->child;
	if (task)
		netns_seen(c, task->netns, task->tgid);
	c->handler.process(c->handler.arg, type, event, size);
}

int capture_set_verdict(struct capture *c, uint64_t cgroup, uint32_t tgid, bool match)
{
	return attrib_set_verdict(c->attrib, cgroup, tgid, match);
}

int capture_fd(const struct capture *c)
{
	return c->poll.epoll_fd;
}

int capture_watch(struct capture *c)
{
	const struct capture_handler handler = { .arg = c, .process = process_handle };
	int err = attrib_attach(c->attrib, &handler);

	if (!err && attrib_fd(c->attrib) >= 0)
		err = poll_add(c, attrib_fd(c->attrib), EPOLLIN, NULL);
	return err;
}

/*
 * Attaching to many devices takes seconds: sockets are not left unknown so long, and events do not pile up. The devices of
 * namespaces that are told of meanwhile are not among those that the capture cannot do without.
 */
int capture_meanwhile(struct capture *c)
{
	const bool running = c->links.running;
	int err = 0;

	if (!c->scanned) {
		c->scanned = true;
		err = attrib_scan(c->attrib);
	}
	c->links.running = true;
	if (!err)
		err = attrib_consume(c->attrib);
	if (c->handler.meanwhile)
		c->handler.meanwhile(c->handler.arg);
	c->links.running = running;
	return err < 0 ? err : 0;
}

int capture_attach(struct capture *c)
{
	int err = 0;

	if (attrib_scan_first(c->attrib))
		err = capture_meanwhile(c);
	if (!err)
		err = c->backend->attach(c);
	if (!err)
		err = capture_meanwhile(c);
	c->links.running = true;
	/* The fd is readable at once: until a poll has prepared the sleep, no packet wakes anybody. */
	poll_timer(c, 1);
	return err;
}

static void wake_set(struct capture *c, uint32_t wake)
{
	__atomic_store_n(&c->programs.control->wake, wake, __ATOMIC_SEQ_CST);
	/* Pairs with the commit of a record, which is a full barrier: see reader_wake() in bpf/maps.bpf.h. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static bool rings_empty(struct capture *c)
{
	for (unsigned i = 0; i < c->rings.n; i++) {
		ring_refresh(&c->rings.ring[i]);
		if (c->rings.ring[i].pos != c->rings.ring[i].limit)
			return false;
	}
	return true;
}

/* Decides what makes capture_fd() readable next, after a poll that delivered n packets. */
static void sleep_prepare(struct capture *c, int n)
{
	if (c->counts.active) {
		wake_set(c, WAKE_FILL);
		poll_timer(c, counts_due(c));
		return;
	}
	if (n >= BATCH) {
		poll_timer(c, 1);
		return;
	}
	if (n == 0 && rings_empty(c)) {
		wake_set(c, WAKE_ANY);
		if (rings_empty(c)) {
			poll_timer(c, c->links.pending || attrib_polled(c->attrib) ? BATCH_NS : 0);
			return;
		}
	}
	wake_set(c, WAKE_FILL);
	/* Packets too young to be merged, else the next batch. */
	poll_timer(c, n == 0 || c->config.prompt ? 2 * MERGE_LAG_NS : BATCH_NS);
}

static int batch_deliver(struct capture *c)
{
	uint64_t limit = clock_ns(CLOCK_MONOTONIC) - c->delivery.lag_ns;
	int err;

	if (c->counts.active)
		return counts_deliver(c);
	err = c->backend->collect ? c->backend->collect(c) : 0;

	/* All that happened before the packets up to the limit is in the process ring by now. */
	if (!err)
		err = attrib_consume(c->attrib);

	return err < 0 ? err : deliver(c, limit, BATCH, false);
}

int capture_poll(struct capture *c, int timeout_ms)
{
	int err = poll_events(c, 0), n = 0;

	for (;;) {
		if (!err)
			n = batch_deliver(c);
		if (err || n < 0)
			return err ? err : n;
		if (links_all_gone(c))
			break;
		if (c->links.pending && c->backend->programs)
			err = links_attach_due(c);
		if (err)
			return err;
		sleep_prepare(c, n);
		if (n > 0 || timeout_ms == 0)
			return n;
		/* Timers of packets that are too young may wake us in between: the time-out is then a little longer. */
		err = poll_events(c, timeout_ms);
		if (timeout_ms > 0)
			timeout_ms = 0;
	}
	err = capture_drain(c);
	if (err)
		return err;
	log_error("the interface disappeared");
	return -ENODEV;
}

/* Twice: what a program had begun to count when it was to stop may be in either half. */
static int drain_counts(struct capture *c)
{
	const int err = capture_counts(c, true);

	return err ? err : capture_counts(c, true);
}

int capture_drain(struct capture *c)
{
	int n;

	if (!c->programs.control)
		return 0;
	if (!c->stopped) {
		c->stopped = true;
		c->backend->stop(c);
	}
	if (c->counts.active)
		return drain_counts(c);
	do {
		n = c->backend->collect ? c->backend->collect(c) : 0;
		if (n == 0)
			n = attrib_consume(c->attrib);
		if (n >= 0)
			n = deliver(c, UINT64_MAX, BATCH, true);
	} while (n > 0 || (n == 0 && c->backend->wait && c->backend->wait(c)));
	return n;
}

void capture_stats(const struct capture *c, struct capture_stats *ret)
{
	memset(ret, 0, sizeof(*ret));
	c->backend->count(c);
	for (unsigned i = 0; i < c->links.n; i++) {
		ret->received += c->links.all[i]->iface.received;
		ret->dropped += c->links.all[i]->iface.dropped;
	}
	ret->captured = c->delivery.captured;
	ret->unjudged = programs_unjudged(c);
	ret->refused = c->namespaces.nrefused;
}

int capture_probe(FILE *out)
{
	return attrib_probe(out);
}

void capture_free(struct capture *c)
{
	if (!c)
		return;
	if (c->attrib && attrib_lost(c->attrib))
		log_warn(
			"%llu events of processes came faster than they were read and are lost: some names are missing",
			(unsigned long long)attrib_lost(c->attrib));
	if (c->backend)
		c->backend->close(c);
	attrib_free(c->attrib);
	owners_free(c->owners);
	nat_free(c->nat);
	for (unsigned i = 0; i < c->rings.n; i++)
		ring_close(&c->rings.ring[i]);
	ring_close(&c->rings.wake);
	counts_free(&c->counts);
	programs_free(c);
	links_free(c);
	netns_done(c);
	poll_close(c);
	free(c->delivery.vlan_buf);
	free(c);
}
