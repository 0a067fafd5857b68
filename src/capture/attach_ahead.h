/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcx links that are made while the programs are verified: to attach to a device waits for an RCU grace period, some 15 ms,
 * and the first link of all sees nothing before that is over. To exchange the program of a link takes effect at once. So
 * another thread attaches one that lets everything pass, in whose place ours is put when it is there.
 */
#ifndef CAPTURE_ATTACH_AHEAD_H
#define CAPTURE_ATTACH_AHEAD_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/expedite.h"

/* Both sides of less devices than those for which RCU is expedited. */
enum { AHEAD_MAX = 2 * (EXPEDITE_DEVICES - 1) };

struct ahead_side {
	int netns_fd; /* its network namespace; -1: that of who begins */
	uint32_t netns, ifindex;
	bool ingress;
	int link_fd; /* negative: there is none */
};

/* All zero: none. */
struct ahead {
	struct ahead_side sides[AHEAD_MAX];
	unsigned n;
	unsigned made; /* as far as we know */
	sem_t more;    /* what was made since, and what could not be */
	int prog_fd;
	bool running;
	pthread_t thread;
};

/* Before ahead_begin(), in the order in which they are attached. netns_fd stays open until ahead_end(). */
void ahead_add(struct ahead *a, int netns_fd, uint32_t netns, uint32_t ifindex, bool ingress);
/* What does not succeed is attached later, and its error is told then. */
void ahead_begin(struct ahead *a);
/* How many descriptors its thread takes at most from now on. */
unsigned ahead_descriptors(const struct ahead *a);
/* A link that is the caller's now, or -1. Waits until it, and those before it, are made. */
int ahead_take(struct ahead *a, uint32_t netns, uint32_t ifindex, bool ingress);
/* Nobody wants the others. */
void ahead_end(struct ahead *a);

#endif
