/* SPDX-License-Identifier: BSD-3-Clause */
/* A runtime with all that it works on, for the targets that play its daemon. */
#ifndef FUZZ_RUNTIME_H
#define FUZZ_RUNTIME_H

#include <sys/socket.h>
#include <sys/un.h>

#include "fuzz.h"
#include "meta/container_store.h"
#include "meta/runtime/http.h"
#include "meta/runtime/loop.h"
#include "meta/runtime/pool.h"
#include "meta/runtime/runtime.h"
#include "util/clock.h"

/* A socket that somebody listens at, in a file of this process's own. */
static struct {
	int fd;
	char path[108];
} listener;

static inline void listener_remove(void)
{
	unlink(listener.path);
}

static inline void listener_open(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (listener.path[0])
		return;
	snprintf(listener.path, sizeof(listener.path), "/tmp/fuzz-runtime.%d", getpid());
	strcpy(addr.sun_path, listener.path);
	unlink(listener.path);
	listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(listener.fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(listener.fd, 16))
		abort();
	atexit(listener_remove);
}

struct rig {
	struct loop loop;
	struct pool pool;
	struct container_store *store;
	struct runtime *r;
};

static inline void rig_init(void *arg, struct container_entry *e)
{
	(void)arg;
	if (e->init_pid % 3 == 0)
		e->init_pid = 0;
	e->pidns = e->mntns = e->init_pid;
}

static inline void rig_forget(void *arg, const struct container_entry *e)
{
	(void)arg;
	(void)e;
}

static inline void rig_open(struct rig *rig, const struct runtime_ops *ops, const char *path)
{
	if (loop_open(&rig->loop))
		abort();
	rig->pool = (struct pool){ .max = 64 << 20 };
	container_store_new(&rig->store, &(struct container_store_hooks){ rig_init, rig_forget, NULL });
	rig->r = runtime_new(ops, path, false);
	rig->r->loop = &rig->loop;
	rig->r->pool = &rig->pool;
	rig->r->store = rig->store;
}

/* What is told is looked at, too. */
static inline void rig_close(struct rig *rig)
{
	const uint64_t now = clock_ns(CLOCK_MONOTONIC);

	for (struct container_entry *e = container_store_each(rig->store, NULL); e;
	     e = container_store_each(rig->store, e)) {
		const struct container *c = container_entry_publish(rig->store, e);

		FUZZ_CHECK(!c || c->desc.id.n > 0);
	}
	container_store_by_init(rig->store, 1, 1, 1);
	container_store_sweep(rig->store, now);
	container_store_sweep(rig->store, now + 3600 * NSEC_PER_SEC);
	runtime_free(rig->r);
}

/* Behind whatever the runtime worked with. */
static inline void rig_done(struct rig *rig)
{
	FUZZ_CHECK(rig->pool.held == 0);
	container_store_free(rig->store);
	loop_close(&rig->loop);
}

#endif
