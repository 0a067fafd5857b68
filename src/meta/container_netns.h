/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Network namespaces of containers: which are asked for, and what they are called. After the pod, else after the container that
 * was in it first, and so on to their end. Bounded: of those that are too many nothing is told.
 */
#ifndef META_CONTAINER_NETNS_H
#define META_CONTAINER_NETNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct container_entry;
struct container_netns;
struct container_store;
struct match;
struct runtimes;

struct netns_news {
	uint32_t inode;
	uint32_t pid;	  /* was in it when last heard of */
	const char *name; /* raw; NULL: not known (yet) */
	bool chosen;	  /* one of its containers is asked for */
	bool own;	  /* the one that we run in; that and the host's have no name */
};

struct netns_config {
	const char *const *containers, *const *pods; /* of --netns: names or patterns, NULL-terminated, may be NULL */
	bool selected;				     /* those of the container filters are asked for, too */
	bool waits; /* for those that start later: it is said which are not there yet */
	/* May be called again for the same; the strings are valid until it returns. NULL: nobody wants to know. */
	void (*tell)(void *arg, const struct netns_news *news);
	void *arg;
};

/* filter: the container filters, NULL none. All are borrowed. 0 or -ENOMEM. */
int container_netns_new(struct container_netns **ret, const struct netns_config *config, struct container_store *store,
			const struct runtimes *runtimes, struct match *filter);
/*
 * A process of a container is in this namespace. depth: 0, or how many containers there are between. start: of the process, ns of
 * CLOCK_BOOTTIME.
 */
void container_netns_note(struct container_netns *n, struct container_entry *e, unsigned depth, uint32_t inode,
			  uint32_t pid, uint64_t start);
/* held: nothing is told until all who are there now are noted, since the first of them gives the name. */
void container_netns_hold(struct container_netns *n, bool held);
/* What is known of containers changed. */
void container_netns_step(struct container_netns *n, uint64_t now);
/* Of --netns what asks for no container that is known, as it was given, with commas between them. How many these are. */
size_t container_netns_put_missing(struct container_netns *n, struct buf *b);
/* The store's hook. */
void container_netns_forget(struct container_netns *n, const struct container_entry *e);
void container_netns_free(struct container_netns *n);

#endif
