/* SPDX-License-Identifier: BSD-3-Clause */
/* A container runtime behind one socket: how it is reached, what it reports to the container store. */
#ifndef META_RUNTIME_RUNTIME_H
#define META_RUNTIME_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "meta/runtime/kinds.h"

struct container_store;
struct http;
struct loop;
struct pool;
struct runtime;

struct runtime_ops {
	const char *name;
	size_t size; /* of the struct that starts with struct runtime */
	/* Connects, subscribes, asks for what exists; then runtime_ready() or runtime_lost(). 0 or -errno. */
	int (*open)(struct runtime *r);
	/* Asks for one container; ns: containerd's namespace, NULL unknown. Every request it makes is between
	 * container_store_asking() and container_store_answered(). */
	void (*ask)(struct runtime *r, const char *ns, const char *id);
	void (*tick)(struct runtime *r, uint64_t now); /* may be NULL */
	void (*close)(struct runtime *r);
};

enum runtime_state {
	RUNTIME_DOWN,	/* tried again at retry_at */
	RUNTIME_OPENED, /* the snapshot is not complete */
	RUNTIME_READY,
	RUNTIME_LOST, /* to be closed */
	RUNTIME_OFF,  /* does not offer what we need: never tried again */
};

struct runtime {
	const struct runtime_ops *ops;
	struct loop *loop;
	struct http *http;
	struct pool *pool;
	struct container_store *store;
	char *path;
	uint32_t user; /* whose daemon it is, who must not rename the containers of others; 0: not of a user */
	bool optional; /* one of several usual places: its absence is not worth a message */
	bool given;    /* somebody named the place */
	enum runtime_state state;
	uint64_t opened_at, retry_at; /* CLOCK_MONOTONIC ns */
	uint64_t heard_from; /* when we listened first; until then we were busy, and it is not silent; 0 not yet */
	bool unheard;	     /* we are still busy with something else */
	uint64_t backoff;    /* ns */
	bool said_down, said_slow, was_ready;
	int failure;   /* errno of the last try to open it, 0: it was opened */
	char why[200]; /* it does not answer; "" not known */
};

/* path: a socket, with or without "unix://". NULL: no memory. */
struct runtime *runtime_new(const struct runtime_ops *ops, const char *path, bool optional);
/* The snapshot is complete. */
void runtime_ready(struct runtime *r);
/* The connection is of no use any more; closed and tried again at the next tick. May be called from anywhere. */
void runtime_lost(struct runtime *r, const char *why);
/* The socket answers, but not to us: a message at info, and no second try. */
void runtime_off(struct runtime *r, const char *why);
/* Connects, reconnects; sets the loop's wake time. */
void runtime_tick(struct runtime *r, uint64_t now);
/* The start need not wait for it (any longer). */
bool runtime_answered(const struct runtime *r, uint64_t now);
void runtime_free(struct runtime *r);

#endif
