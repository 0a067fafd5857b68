/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/attrib_events.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "capture/attrib.h"
#include "ptcpdump.skel.h"
#include "util/log.h"

bool attrib_event_valid(const void *event, size_t size)
{
	const struct event_exec *e = event;
	uint32_t type;

	if (size < sizeof(type))
		return false;
	memcpy(&type, event, sizeof(type));
	switch (type) {
	case EVENT_EXEC:
		return size >= sizeof(*e) && e->filename_len < EVENT_FILENAME_MAX && e->args_len <= EVENT_ARGS_MAX &&
		       size - sizeof(*e) == (size_t)e->filename_len + e->args_len;
	case EVENT_FORK: return size == sizeof(struct event_fork);
	case EVENT_EXIT: return size == sizeof(struct event_exit);
	case EVENT_OWNER: return size == sizeof(struct event_socket_owner);
	case EVENT_SEEN: return size == sizeof(struct event_seen);
	case EVENT_RENAME: return size == sizeof(struct event_rename);
	case EVENT_USER: return size == sizeof(struct event_user);
	case EVENT_FLOW: return size == sizeof(struct event_flow);
	case EVENT_CGROUP: return size == sizeof(struct event_cgroup);
	case EVENT_NETNS: return size == sizeof(struct event_netns);
	default: return false;
	}
}

int events_prepare(const struct ptcpdump *skel, bool in_ring)
{
	int err = bpf_map__set_autocreate(skel->maps.ptcp_process, in_ring);

	if (!err)
		err = bpf_map__set_autocreate(skel->maps.ptcp_shorts, !in_ring);
	return err ? err : bpf_map__set_autocreate(skel->maps.ptcp_longs, !in_ring);
}

int events_open(struct events *e, const struct ptcpdump *skel, int *err)
{
	const int fd = bpf_map__fd(skel->maps.ptcp_process);

	e->shorts.fd = e->longs.fd = -1;
	*err = 0;
	if (fd >= 0) {
		*err = ring_open(&e->ring, fd, bpf_map__max_entries(skel->maps.ptcp_process), EVENT_EXEC_MAX);
	} else {
		e->shorts.fd = bpf_map__fd(skel->maps.ptcp_shorts);
		e->longs.fd = bpf_map__fd(skel->maps.ptcp_longs);
	}
	if (*err)
		log_error("process events cannot be read: %s", strerror(-*err));
	return *err ? -1 : fd;
}

bool events_queued(const struct events *e)
{
	return e->shorts.fd >= 0;
}

/* A record ends at a multiple of 8 in the ring, but its length is kept exactly. */
static int hand_on(const void *event, size_t size, void (*take)(void *, uint32_t, const void *, size_t), void *arg)
{
	uint32_t type;

	if (!attrib_event_valid(event, size))
		return 0;
	memcpy(&type, event, sizeof(type));
	take(arg, type, event, size);
	return 1;
}

static size_t size_of_short(uint32_t type)
{
	switch (type) {
	case EVENT_FORK: return sizeof(struct event_fork);
	case EVENT_EXIT: return sizeof(struct event_exit);
	case EVENT_OWNER: return sizeof(struct event_socket_owner);
	case EVENT_SEEN: return sizeof(struct event_seen);
	case EVENT_RENAME: return sizeof(struct event_rename);
	case EVENT_USER: return sizeof(struct event_user);
	case EVENT_FLOW: return sizeof(struct event_flow);
	case EVENT_CGROUP: return sizeof(struct event_cgroup);
	case EVENT_NETNS: return sizeof(struct event_netns);
	default: return 0;
	}
}

/* Of namespaces, none is told; all others but one have it in the same place. */
static uint64_t time_of_short(const union event_short *e)
{
	switch (e->type) {
	case EVENT_NETNS: return 0;
	case EVENT_RENAME: return e->rename.ts;
	default: return e->fork.ts;
	}
}

static void queue_load(struct queued *q, void *first)
{
	if (!q->held)
		q->held = bpf_map_lookup_and_delete_elem(q->fd, NULL, first) == 0;
}

static int queues_consume(struct events *e, void (*take)(void *, uint32_t, const void *, size_t), void *arg)
{
	const struct event_exec *exec = &e->first_long.event;
	int n = 0;

	for (;;) {
		/* Twice: that one was empty counts after the first of the other was taken. */
		queue_load(&e->shorts, &e->first_short);
		queue_load(&e->longs, &e->first_long);
		queue_load(&e->shorts, &e->first_short);
		if (e->shorts.held && (!e->longs.held || time_of_short(&e->first_short) <= exec->ts)) {
			n += hand_on(&e->first_short, size_of_short(e->first_short.type), take, arg);
			e->shorts.held = false;
		} else if (e->longs.held) {
			n += hand_on(exec, sizeof(*exec) + exec->filename_len + exec->args_len, take, arg);
			e->longs.held = false;
		} else {
			return n;
		}
	}
}

int events_consume(struct events *e, void (*take)(void *arg, uint32_t type, const void *event, size_t size), void *arg)
{
	const void *event;
	size_t size;
	int n = 0;

	if (events_queued(e))
		return queues_consume(e, take, arg);
	for (ring_refresh(&e->ring); e->ring.pos < e->ring.limit; ring_refresh(&e->ring)) {
		const int got = ring_peek(&e->ring, &event, &size);

		if (got < 0)
			break; /* the next look finds it complete */
		if (got) {
			n += hand_on(event, size, take, arg);
			ring_skip(&e->ring, size);
		}
	}
	ring_release(&e->ring);
	return n;
}

void events_close(struct events *e)
{
	ring_close(&e->ring);
}
