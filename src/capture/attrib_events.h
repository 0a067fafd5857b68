/* SPDX-License-Identifier: BSD-3-Clause */
/* What programs tell of processes and sockets: from a ring, or where the kernel has none (before Linux 5.8), from queues. */
#ifndef CAPTURE_ATTRIB_EVENTS_H
#define CAPTURE_ATTRIB_EVENTS_H

#include <ptcpdump/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "capture/ring.h"

struct ptcpdump;

/* The first of a queue, which is held until it is the oldest of both. */
struct queued {
	int fd; /* of the map; -1: there is a ring */
	bool held;
};

struct events {
	struct ring ring;
	struct queued shorts, longs;
	union event_short first_short;
	union {
		struct event_exec event;
		uint8_t room[EVENT_EXEC_MAX];
	} first_long;
};

/* Before the load: the maps that are not used are not made. in_ring: as the setting attrib_ring. */
int events_prepare(const struct ptcpdump *skel, bool in_ring);
/*
 * Of a loaded skeleton. Returns the descriptor to wait for, -1 with queues, which wake nobody and have to be asked every 20 ms;
 * *err: 0, or a negative errno, which is logged.
 */
int events_open(struct events *e, const struct ptcpdump *skel, int *err);
bool events_queued(const struct events *e);
/* Hands on all that are there and whole, oldest first; returns their number. */
int events_consume(struct events *e, void (*take)(void *arg, uint32_t type, const void *event, size_t size), void *arg);
void events_close(struct events *e);

#endif
