/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the runtimes have told about containers and pods, merged by container id. Bounded: containers that have gone are
 * forgotten after a while, the oldest when there are too many.
 *
 * An id of 64 hex digits is unique among all runtimes; a shorter one (as given to containerd's ctr) only within its
 * containerd namespace.
 */
#ifndef META_CONTAINER_STORE_H
#define META_CONTAINER_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "meta/container_info.h"
#include "meta/label.h"
#include "meta/pods.h"

struct container_store;

/* Who told; a later one knows better, or can be trusted more: RANK_USER is a daemon of some user. */
enum container_rank { RANK_NONE, RANK_USER, RANK_SHADOW, RANK_CONTAINERD, RANK_CRI, RANK_DOCKER };

struct container_facts {
	enum container_rank rank;
	uint32_t user;	/* of RANK_USER: whose daemon told */
	const char *ns; /* containerd's namespace, NULL none */
	const char *id;
	const char *name, *image; /* NULL unknown; a leading '/' of the name is dropped */
	struct label *labels;	  /* sorted in place */
	size_t nlabels;
	bool some_labels;    /* there may be more: what the same rank has told stays */
	const char *sandbox; /* id of the CRI pod sandbox, NULL unknown */
};

/* One container. All belongs to the store but what the init hook may change (of the first process), used_at, and the
 * last group. */
struct container_entry {
	struct container_entry *next;
	char *key; /* the id, after "NAMESPACE/" when it is not unique by itself */
	uint64_t hash;
	enum container_rank rank;
	uint32_t user; /* RANK_USER: whose it is */
	bool by_user;  /* we know of it only because a user's daemon told */
	char *id, *name, *image, *labels;
	char *sandbox, *pod_name, *pod_namespace, *pod_uid; /* the last three from labels */
	struct container *published;			    /* NULL: no facts yet */
	size_t bytes;					    /* of labels and what is published */
	bool pod_told;					    /* the pod's own labels and annotations are known */
	uint32_t init_pid, pidns, mntns;		    /* of its first process, 0 unknown */
	char *init_cgroup; /* that process's, up to the part that has the id; NULL unknown */
	unsigned asking;   /* questions that are out */
	uint64_t gone_at;  /* CLOCK_MONOTONIC ns; 0: it exists */
	uint64_t used_at;
	/* Of runtimes.c: when it was asked for, and until when that may hold up packets. */
	uint64_t asked_at, wait_until, ask_again_at;
	unsigned tries;
};

struct container_store_hooks {
	/* The first process of a container became known: sets its namespaces, or init_pid to 0 when it is not believed. */
	void (*init)(void *arg, struct container_entry *e);
	/* It will be freed. */
	void (*forget)(void *arg, const struct container_entry *e);
	void *arg;
};

int container_store_new(struct container_store **ret, const struct container_store_hooks *hooks);
/* Grows whenever anything may have changed. */
uint64_t container_store_version(const struct container_store *s);
void container_store_touch(struct container_store *s);

void container_store_put(struct container_store *s, const struct container_facts *facts);
void container_store_put_pod(struct container_store *s, const struct pod_facts *facts);
void container_store_put_image(struct container_store *s, const char *id, enum container_rank rank, const char *image);
void container_store_put_init(struct container_store *s, const char *ns, const char *id, uint32_t pid);
/* It has no process now, but may be started again. */
void container_store_stopped(struct container_store *s, const char *ns, const char *id);
void container_store_gone(struct container_store *s, const char *ns, const char *id);
/* Has the pod that this sandbox is been told? */
bool container_store_has_pod(const struct container_store *s, const char *sandbox);

/* containerd's namespaces, for telling a cgroup path /NAMESPACE/ID from any other. */
void container_store_put_namespace(struct container_store *s, const char *ns);
bool container_store_has_namespace(const struct container_store *s, const char *ns, size_t len);

/* Whether an entry is made, and of what some user says, of which there are only so many. */
enum container_create { CREATE_NOT, CREATE, CREATE_OF_USER };

/* NULL: not there, and no memory or room to make it. Lengths in bytes. */
struct container_entry *container_store_get(struct container_store *s, const char *ns, size_t ns_len, const char *id,
					    size_t id_len, enum container_create create);
/* The container whose first process is in that namespace, unless there are several. */
struct container_entry *container_store_by_init(struct container_store *s, uint32_t tgid, uint32_t pidns,
						uint32_t mntns);
struct container_entry *container_store_each(struct container_store *s, struct container_entry *after);

void container_store_asking(struct container_store *s, const char *ns, const char *id);
void container_store_answered(struct container_store *s, const char *ns, const char *id);
/* Has somebody told its name? */
bool container_entry_named(const struct container_entry *e);
/* Facts are complete: nobody else can add to them. */
bool container_entry_complete(const struct container_entry *e);
/* What is known, be it only the id; NULL: no memory. */
const struct container *container_entry_publish(struct container_store *s, struct container_entry *e);

/* Forgets what has gone long ago. */
void container_store_sweep(struct container_store *s, uint64_t now);
void container_store_free(struct container_store *s);

#endif
