/* SPDX-License-Identifier: BSD-3-Clause */
/* One epoll fd for the sockets of all runtimes, and one timer. */
#ifndef META_RUNTIME_LOOP_H
#define META_RUNTIME_LOOP_H

#include <stdint.h>

struct loop_source {
	int fd;
	uint32_t events;				       /* EPOLL* it is registered for; 0: not registered */
	void (*ready)(struct loop_source *s, uint32_t events); /* may free s */
};

struct loop {
	int epoll_fd, timer_fd;
	uint64_t wake; /* when the timer is set to fire; UINT64_MAX never */
	struct loop_source timer;
};

int loop_open(struct loop *l);
/* Registers s->fd, changes what it waits for, or with events 0 removes it. */
int loop_watch(struct loop *l, struct loop_source *s, uint32_t events);
/* Makes the epoll fd readable at that time (CLOCK_MONOTONIC, ns) at the latest. */
void loop_wake_at(struct loop *l, uint64_t when);
/* Serves what is ready, a bounded number of times. Forgets the wake time: set it again after. */
void loop_run(struct loop *l);
void loop_close(struct loop *l);

#endif
