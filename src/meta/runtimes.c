/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/runtimes.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meta/container_store.h"
#include "meta/runtime/http.h"
#include "meta/runtime/loop.h"
#include "meta/runtime/pool.h"
#include "meta/runtime/runtime.h"
#include "meta/runtime/user_socket.h"
#include "util/caps.h"
#include "util/clock.h"
#include "util/libcurl.h"

enum {
	SOCKETS_MAX = 128,
	POOL_MAX = 64 << 20,
	USERS_POOL_MAX = 16 << 20,
	SOON = 12,	 /* times to ask without making the pauses longer */
	LONGER_MAX = 11, /* times to double them */
};
#define ASK_NS (40 * NSEC_PER_MSEC)
#define USERS_NS (2000 * NSEC_PER_MSEC) /* how often to look for daemons of users who have logged in */

/* Where a runtime listens when no address was given. */
struct runtime_row {
	const struct runtime_ops *ops;
	const char *variable;  /* of the environment: "unix://SOCKET" there is used instead of usual; NULL none */
	const char *usual;     /* a socket whose absence is worth a message, NULL none */
	const char *others[8]; /* further sockets, NULL-terminated */
	const char *of_users;  /* below /run/user/UID, of users' own daemons; NULL none */
};

static const struct runtime_row rows[RUNTIMES] = {
	[RUNTIME_DOCKER] = {
		.ops = &docker_ops,
		.variable = "DOCKER_HOST",
		.usual = "/var/run/docker.sock",
		.of_users = "docker.sock",
	},
	/* Answers as Docker does. */
	[RUNTIME_PODMAN] = {
		.ops = &docker_ops,
		.others = { "/run/podman/podman.sock" },
		.of_users = "podman/podman.sock",
	},
	[RUNTIME_CONTAINERD] = {
		.ops = &containerd_ops,
		.usual = "/run/containerd/containerd.sock",
		.others = { "/run/docker/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock",
				"/var/snap/microk8s/common/run/containerd.sock" },
	},
	[RUNTIME_CRI] = {
		.ops = &cri_ops,
		.others = { "/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/cri-dockerd.sock",
				"/run/dockershim.sock", "/run/k3s/containerd/containerd.sock",
				"/var/snap/microk8s/common/run/containerd.sock" },
	},
};

struct runtimes {
	struct loop *loop;
	struct container_store *store;
	struct pool pool, users_pool; /* users cannot use up what root's daemons need */
	struct http_library library;
	struct http *http, *users_http;
	uint64_t users_at;		/* when to look for their daemons again */
	struct runtime *v[SOCKETS_MAX]; /* one for each socket */
	size_t n;
	bool unheard;	  /* before runtimes_listen() */
	uint64_t waiting; /* some container is being asked for until then */
};

static struct runtime *add_runtime(struct runtimes *rs, const struct runtime_ops *ops, const char *path, bool optional)
{
	struct runtime *r;

	if (rs->n == SOCKETS_MAX || !*path)
		return NULL;
	r = runtime_new(ops, path, optional);
	if (!r)
		return NULL;
	r->loop = rs->loop;
	r->http = rs->http;
	r->pool = &rs->pool;
	r->store = rs->store;
	r->unheard = rs->unheard;
	rs->v[rs->n++] = r;
	return r;
}

static bool has_runtime(const struct runtimes *rs, const struct runtime_ops *ops, const char *path)
{
	for (size_t i = 0; i < rs->n; i++) {
		if (rs->v[i]->ops == ops && strcmp(rs->v[i]->path, path) == 0)
			return true;
	}
	return false;
}

/* Of users who have logged out. */
static void drop_users(struct runtimes *rs)
{
	size_t kept = 0;

	for (size_t i = 0; i < rs->n; i++) {
		struct runtime *r = rs->v[i];

		if (r->user && r->state == RUNTIME_DOWN && access(r->path, F_OK) < 0)
			runtime_free(r);
		else
			rs->v[kept++] = r;
	}
	rs->n = kept;
}

static void add_user(struct runtimes *rs, const struct runtime_row *row, const char *root, const char *uid)
{
	char path[128];
	struct runtime *r;
	int fd;

	snprintf(path, sizeof(path), "%s%.32s/%s", root, uid, row->of_users);
	if (has_runtime(rs, row->ops, path) || (fd = user_socket_find(path)) < 0)
		return;
	close(fd);
	r = add_runtime(rs, row->ops, path, true);
	if (!r)
		return;
	r->user = user_socket_owner(path);
	r->http = rs->users_http;
	r->pool = &rs->users_pool;
}

/* Sockets of the users' own daemons, below folders that only they and root may enter. */
static void look_for_users(struct runtimes *rs, uint64_t now)
{
	const char *root;
	struct dirent *d;
	bool raised;
	DIR *dir;

	if (now < rs->users_at)
		return;
	rs->users_at = now + USERS_NS;
	raised = caps_raise(CAP_DAC_OVERRIDE);
	drop_users(rs);
	root = user_socket_root();
	dir = opendir(root);
	while (dir && (d = readdir(dir))) {
		for (size_t i = 0; i < RUNTIMES; i++) {
			if (rows[i].of_users)
				add_user(rs, &rows[i], root, d->d_name);
		}
	}
	if (dir)
		closedir(dir);
	if (raised)
		caps_lower(CAP_DAC_OVERRIDE);
}

static void add_row(struct runtimes *rs, const struct runtime_row *row, const char *address)
{
	const char *variable = row->variable ? getenv(row->variable) : NULL;
	const bool given = address || (variable && strncmp(variable, "unix://", 7) == 0);
	const char *first = address ? address : given ? variable : row->usual;
	struct runtime *r = first ? add_runtime(rs, row->ops, first, false) : NULL;

	if (r)
		r->given = given;
	for (size_t i = 0; !address && row->others[i]; i++)
		add_runtime(rs, row->ops, row->others[i], true);
}

int runtimes_new(struct runtimes **ret, struct loop *loop, struct container_store *store, const char *const *addresses)
{
	struct runtimes *rs = calloc(1, sizeof(*rs));
	int err;

	if (!rs)
		return -ENOMEM;
	rs->loop = loop;
	rs->store = store;
	rs->unheard = true;
	rs->pool.max = POOL_MAX;
	rs->users_pool.max = USERS_POOL_MAX;
	err = http_new(&rs->http, loop, &rs->pool, &rs->library, false);
	if (!err)
		err = http_new(&rs->users_http, loop, &rs->users_pool, &rs->library, true);
	if (err) {
		runtimes_free(rs);
		return err;
	}
	for (size_t i = 0; i < RUNTIMES; i++)
		add_row(rs, &rows[i], addresses ? addresses[i] : NULL);
	*ret = rs;
	return 0;
}

void runtimes_listen(struct runtimes *rs)
{
	rs->unheard = false;
	for (size_t i = 0; i < rs->n; i++)
		rs->v[i]->unheard = false;
	loop_wake_at(rs->loop, 0);
}

bool runtimes_alive(const struct runtimes *rs)
{
	for (size_t i = 0; i < rs->n; i++) {
		if (rs->v[i]->state == RUNTIME_READY || rs->v[i]->state == RUNTIME_OPENED)
			return true;
	}
	return false;
}

bool runtimes_ready(const struct runtimes *rs)
{
	for (size_t i = 0; i < rs->n; i++) {
		if (rs->v[i]->state == RUNTIME_READY)
			return true;
	}
	return false;
}

static void put_name(const struct runtime *r, struct buf *b)
{
	buf_printf(b, "%s at '", r->ops->name);
	buf_put_escaped(b, str_of(r->path));
	buf_putc(b, '\'');
}

size_t runtimes_put_ready(const struct runtimes *rs, struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < rs->n; i++) {
		if (rs->v[i]->state != RUNTIME_READY)
			continue;
		buf_puts(b, n++ ? ", " : "");
		put_name(rs->v[i], b);
	}
	return n;
}

size_t runtimes_put_denied(const struct runtimes *rs, struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < rs->n; i++) {
		const struct runtime *r = rs->v[i];

		if (r->state != RUNTIME_DOWN || r->failure != EACCES || r->optional)
			continue;
		buf_puts(b, n++ ? ", " : "");
		put_name(r, b);
	}
	return n;
}

/* Of a place where nothing is only when somebody named it, or nobody is anywhere. */
static bool is_expected(const struct runtime *r, bool others_answer)
{
	if (r->state == RUNTIME_READY || r->state == RUNTIME_OFF)
		return false;
	if (r->failure == ENOENT || r->failure == ENOTDIR)
		return r->given || (!r->optional && !others_answer);
	return true;
}

void runtimes_put_down(const struct runtimes *rs, struct buf *b)
{
	const bool others_answer = runtimes_ready(rs);

	for (size_t i = 0; i < rs->n; i++) {
		const struct runtime *r = rs->v[i];

		if (!is_expected(r, others_answer))
			continue;
		buf_puts(b, "; ");
		put_name(r, b);
		buf_puts(b, ": ");
		buf_put_escaped(b, str_of(r->state == RUNTIME_OPENED ? "has not answered yet" : r->why));
	}
}

bool runtimes_answered(const struct runtimes *rs, uint64_t now)
{
	for (size_t i = 0; i < rs->n; i++) {
		if (!runtime_answered(rs->v[i], now))
			return false;
	}
	return true;
}

/* Splits the key of an entry; ns is NULL for an id that is unique by itself. */
static void ask_all(struct runtimes *rs, const struct container_entry *e)
{
	const char *slash = strrchr(e->key, '/');
	char ns[128];

	if (slash)
		snprintf(ns, sizeof(ns), "%.*s", (int)(slash - e->key), e->key);
	for (size_t i = 0; i < rs->n; i++) {
		struct runtime *r = rs->v[i];

		if (r->state == RUNTIME_READY || r->state == RUNTIME_OPENED)
			r->ops->ask(r, slash ? ns : NULL, e->id);
	}
}

void runtimes_want(struct runtimes *rs, struct container_entry *e, uint64_t now)
{
	if (!e->asked_at)
		e->asked_at = now;
	if (now < e->ask_again_at || e->asking || !runtimes_alive(rs))
		return;
	e->ask_again_at = now + (ASK_NS << (e->tries < SOON ? 0 : e->tries - SOON));
	e->tries += e->tries < SOON + LONGER_MAX;
	ask_all(rs, e);
	if (rs->waiting < now + RUNTIMES_WAIT_NS)
		rs->waiting = now + RUNTIMES_WAIT_NS;
	loop_wake_at(rs->loop, e->ask_again_at);
}

bool runtimes_may_wait(struct runtimes *rs, struct container_entry *e, uint64_t now, bool waits)
{
	if (!e->wait_until && waits) {
		e->wait_until = now + RUNTIMES_WAIT_NS;
		e->tries = 0;
		if (rs->waiting < e->wait_until)
			rs->waiting = e->wait_until;
		loop_wake_at(rs->loop, e->wait_until);
	}
	/* What they tell first may name it, too. */
	return (!e->wait_until || now < e->wait_until || !runtimes_answered(rs, now)) && runtimes_alive(rs);
}

static void ask_again(struct runtimes *rs, uint64_t now)
{
	if (!rs->waiting)
		return;
	if (now >= rs->waiting) {
		/* Who waited in vain gets an answer now. */
		container_store_touch(rs->store);
		rs->waiting = 0;
		return;
	}
	loop_wake_at(rs->loop, rs->waiting);
	for (struct container_entry *e = container_store_each(rs->store, NULL); e;
	     e = container_store_each(rs->store, e)) {
		if (!e->asked_at || container_entry_complete(e) || e->ask_again_at > rs->waiting)
			continue;
		runtimes_want(rs, e, now);
		if (!e->asking)
			loop_wake_at(rs->loop, e->ask_again_at);
	}
}

void runtimes_step(struct runtimes *rs, uint64_t now)
{
	http_tick(rs->http, now);
	http_tick(rs->users_http, now);
	look_for_users(rs, now);
	loop_wake_at(rs->loop, rs->users_at);
	for (size_t i = 0; i < rs->n; i++)
		runtime_tick(rs->v[i], now);
	ask_again(rs, now);
}

void runtimes_free(struct runtimes *rs)
{
	if (!rs)
		return;
	for (size_t i = 0; i < rs->n; i++)
		runtime_free(rs->v[i]);
	http_free(rs->http);
	http_free(rs->users_http);
	libcurl_close(rs->library.curl);
	free(rs);
}
