/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is who: process, user and container caches, and the join of a packet with them. */
#ifndef META_H
#define META_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet.h"

struct meta;

struct meta_config {
	unsigned context;	 /* ANNOT_* to fill in */
	uint64_t settle_ns;	 /* how long a provisional owner may wait; 0: not at all */
	bool reverse_match;	 /* guess the owner from the other end when nothing else is known */
	bool containers;	 /* talk to runtimes at all */
	const char *docker_address, *containerd_address, *cri_address; /* NULL: the usual sockets */
};

enum meta_verdict { META_READY, META_WAIT };

int meta_new(struct meta **ret, const struct meta_config *config);
/* Reads /proc for the processes that exist already. */
int meta_scan(struct meta *m);
/* One event of the process ring. */
void meta_event(struct meta *m, uint32_t type, const void *event, size_t size);
/* Sets packet->annot (NULL: nothing known). META_WAIT: its owner or its container may become known soon; never with force.
 * now: CLOCK_MONOTONIC ns. */
enum meta_verdict meta_join(struct meta *m, struct packet *packet, uint64_t now, bool force);
/* Fds and work of the container runtimes: meta_fd() is an epoll fd, -1 none. */
int meta_fd(const struct meta *m);
void meta_step(struct meta *m);
void meta_free(struct meta *m);

#endif
