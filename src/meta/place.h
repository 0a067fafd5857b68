/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a process is: in a cgroup, whose path may name containers, or (where that does not tell) in the namespaces of a
 * container's first process. A bounded cache: what was used longest ago goes first.
 */
#ifndef META_PLACE_H
#define META_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "meta/cgroup.h"
#include "util/hash.h"

struct container_entry;
struct container_store;
struct process;

enum { PLACE_BUCKETS = 4096 };

/* Who has named a part of the path, and where its folder ends in there. */
struct place_name {
	uint32_t maker; /* cgroup_maker() */
	uint32_t end;
};

/* A cgroup, or (where its cgroup does not tell) a process by itself. */
struct place {
	struct place *next;
	uint64_t cgroup; /* 0: a process */
	uint64_t start;
	uint32_t tgid, version, moves;		   /* of the process */
	uint32_t pidns, mntns;			   /* likewise; 0: unknown */
	char *path;				   /* of the cgroup; NULL unknown */
	struct place_name names[CGROUP_NAMES_MAX]; /* that the path holds, innermost first */
	struct place_container {
		struct container_entry *entry;
		const struct place_name *name;
	} containers[CGROUP_NAMES_MAX];
	size_t ncontainers;
	uint64_t stranger; /* the last process in it that is in no user namespace of its maker's: its start */
	bool of_maker;	   /* one is */
	struct container_entry *by_init;  /* processes only */
	uint64_t resolved, init_resolved; /* versions of the store when containers and by_init were looked up */
	uint64_t looked_at;		  /* processes only: CLOCK_MONOTONIC ns */
	uint64_t used;
	signed char verdict;   /* of the container filter, told: 0, 1; -1 not yet */
	bool maybe_namespaced; /* the path may be /NAMESPACE/ID, as of containerd's */
};

struct places {
	struct hash_key key;
	struct container_store *store;
	struct cgroup_fs fs;
	uint32_t pidns, mntns; /* our own */
	struct place *buckets[PLACE_BUCKETS];
	size_t n;
	bool each;     /* where version 1 hierarchies exist, each process is a place by itself */
	uint64_t uses; /* grows with every use of a place */
};

/* *ps: all zero. Its store is set before the first look-up. */
void places_open(struct places *ps);
/* With the containers that the store knows by now. NULL: no memory. It stays until the next call. */
struct place *place_of(struct places *ps, const struct process *process);
enum place_belief {
	PLACE_DENIED,  /* somebody else has named the cgroup like that container's */
	PLACE_OPEN,    /* nobody has told of it, and some user has named the cgroup */
	PLACE_BELIEVED /* root has, or the user whose daemon told, or its first process is in it, too */
};

/* Whether it is in its i-th container. */
enum place_belief place_believe(const struct place *p, size_t i);
/* Likewise, of one that nobody will tell of any more. */
bool place_is_named(const struct place *p, size_t i);
/* Which containers its path names; the ones by namespace only once containerd has told its namespaces. */
void place_resolve(struct places *ps, struct place *p);
/* The container that a process is in by its namespaces, NULL none. p: its place, which is no cgroup. */
struct container_entry *place_by_init(struct places *ps, struct place *p);
/* All of them: the first with after NULL. */
struct place *places_each(struct places *ps, struct place *after);

/* Hooks of the store; arg: the places. The first sets the namespaces of a container's first process, and its cgroup is
 * a place from then on. */
void places_on_init(void *arg, struct container_entry *e);
void places_on_forget(void *arg, const struct container_entry *e);

void places_close(struct places *ps);

#endif
