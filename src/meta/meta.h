/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is who: process, user and container caches, and the join of a live packet with them. */
#ifndef META_H
#define META_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "meta/container_netns.h"
#include "meta/container_query.h"
#include "packet.h"

struct meta;
struct process;

struct meta_config {
	uint64_t settle_ns;		      /* how long a packet waits for its provisional owner; 0: not at all */
	bool reverse_match;		      /* show the other end when nobody is known at the right one */
	bool peer;			      /* the other end is wanted as well: wait for it too */
	bool containers;		      /* talk to runtimes at all */
	const char *const *runtime_addresses; /* sockets by enum runtime_kind; NULL: the usual ones */
	struct container_query query;	      /* which are asked for, and who is told of a cgroup's verdict; if none */
	const struct filter_expr *expr;	      /* is, those of any of these terms; NULL: there are none */
	void (*verdict)(void *arg, uint64_t cgroup, uint32_t tgid, bool match); /* as containers_config's */
	void *arg;
	struct netns_config netns; /* needs containers */
};

enum meta_verdict { META_READY, META_WAIT };

/* 0, or a negative errno with a message written. */
int meta_new(struct meta **ret, const struct meta_config *config);
/* Reads /proc for the processes that exist already; verdicts are told from then on. */
int meta_scan(struct meta *m);
/* Packets are joined from now on; those that waited until then have waited for no container yet. */
void meta_begin(struct meta *m, uint64_t now);
/* Calls fn for each process that lives, as far as known. */
void meta_each_process(struct meta *m,
		       void (*fn)(void *arg, const struct process_desc *p, uint32_t parent, uint32_t uid), void *arg);
/* One validated record of the process ring. */
void meta_event(struct meta *m, uint32_t type, const void *event, size_t size);
/*
 * Sets packet->annot (NULL: nothing known); it stays valid until the next call. META_WAIT: its owner or its container
 * may become known soon, call again; never with force. now: CLOCK_MONOTONIC ns.
 */
enum meta_verdict meta_join(struct meta *m, struct packet *packet, uint64_t now, bool force);
/* All that is known of the end that meta_join() did not choose, for filters; NULL nothing. Valid until the next call. */
const struct annotation *meta_other_end(struct meta *m, const struct packet *packet);
/* Fds and work of the container runtimes: meta_fd() is an epoll fd, -1 none. */
int meta_fd(const struct meta *m);
void meta_step(struct meta *m);
/* Before a capture, or without one: until the runtimes have told what exists; timeout_ms at most. */
void meta_wait(struct meta *m, int timeout_ms);
/* Warnings: what of --netns was not found until now. */
void meta_say_netns(struct meta *m);
void meta_free(struct meta *m);

#endif
