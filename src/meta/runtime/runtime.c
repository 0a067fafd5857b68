/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/runtime/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "meta/container_store.h"
#include "meta/runtime/http.h"
#include "meta/runtime/loop.h"
#include "util/caps.h"
#include "util/clock.h"
#include "util/log.h"

#define BACKOFF_FIRST_NS (100 * NSEC_PER_MSEC)
#define BACKOFF_MAX_NS (1000 * NSEC_PER_MSEC)
#define ABSENT_RETRY_NS (2000 * NSEC_PER_MSEC)
#define SILENT_NS (800 * NSEC_PER_MSEC)
#define HOST_ROOT "/host" /* as "kubectl debug node/NODE" and kubectl-ptcpdump mount it */

struct runtime *runtime_new(const struct runtime_ops *ops, const char *path, bool optional)
{
	static const char scheme[] = "unix://";
	struct runtime *r = calloc(1, ops->size);

	if (!r)
		return NULL;
	if (strncmp(path, scheme, sizeof(scheme) - 1) == 0)
		path += sizeof(scheme) - 1;
	r->ops = ops;
	r->optional = optional;
	r->backoff = BACKOFF_FIRST_NS;
	r->path = strdup(path);
	if (!r->path) {
		free(r);
		return NULL;
	}
	return r;
}

void runtime_ready(struct runtime *r)
{
	if (r->state != RUNTIME_OPENED)
		return;
	r->state = RUNTIME_READY;
	r->backoff = BACKOFF_FIRST_NS;
	if (r->was_ready)
		log_info("%s at '%s' answers again", r->ops->name, r->path);
	else
		log_info("%s at '%s' answers after %u ms", r->ops->name, r->path,
			 (unsigned)((clock_ns(CLOCK_MONOTONIC) - r->opened_at) / NSEC_PER_MSEC));
	r->was_ready = true;
	r->said_down = false;
	container_store_touch(r->store);
}

void runtime_lost(struct runtime *r, const char *why)
{
	if (r->state != RUNTIME_OPENED && r->state != RUNTIME_READY)
		return;
	r->state = RUNTIME_LOST;
	snprintf(r->why, sizeof(r->why), "%s", why);
	loop_wake_at(r->loop, clock_ns(CLOCK_MONOTONIC));
}

void runtime_off(struct runtime *r, const char *why)
{
	if (r->backoff == UINT64_MAX)
		return;
	runtime_lost(r, why);
	log_info("%s at '%s': %s: not used", r->ops->name, r->path, why);
	r->said_down = true;
	r->backoff = UINT64_MAX;
}

static void say_down(struct runtime *r, const char *why, bool absent)
{
	if (r->said_down)
		return;
	r->said_down = true;
	if (absent && r->optional)
		log_debug("%s at '%s': %s", r->ops->name, r->path, why);
	else if (r->was_ready)
		log_info("%s at '%s' is gone: %s; trying again", r->ops->name, r->path, why);
	else
		log_info("%s at '%s': %s; its containers go without names until it answers", r->ops->name, r->path,
			 why);
}

static void runtime_retry(struct runtime *r, uint64_t now, uint64_t after)
{
	r->state = RUNTIME_DOWN;
	r->retry_at = now + after;
	r->backoff = r->backoff * 2 < BACKOFF_MAX_NS ? r->backoff * 2 : BACKOFF_MAX_NS;
	container_store_touch(r->store);
}

static bool is_roots(const char *path, mode_t type)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_uid == 0 && (st.st_mode & S_IFMT) == type &&
	       (type != S_IFDIR || !(st.st_mode & (S_IWGRP | S_IWOTH)));
}

/* Where pods have the host's root; on other machines anybody's folder may be called so, and root's daemons are believed. */
static bool is_below_host(const char *path)
{
	return is_roots(HOST_ROOT, S_IFDIR) && is_roots(HOST_ROOT "/run", S_IFDIR) && is_roots(path, S_IFSOCK);
}

static char *place_in(const char *folder, const char *rest)
{
	struct stat st;
	char *path;

	if (asprintf(&path, "%s%s", folder, rest) < 0)
		return NULL;
	if (strncmp(path, HOST_ROOT "/", strlen(HOST_ROOT "/")) == 0 ? is_below_host(path) : stat(path, &st) == 0)
		return path;
	free(path);
	return NULL;
}

/* /var/run is a link to /run; in a container either may be missing, or hold something else. Below the host's root the link leads
 * to our own /run. */
static void look_elsewhere(struct runtime *r)
{
	const bool below = strncmp(r->path, HOST_ROOT "/", strlen(HOST_ROOT "/")) == 0;
	const char *own = r->path + (below ? strlen(HOST_ROOT) : 0);
	const bool var = strncmp(own, "/var/run/", 9) == 0, run = var || strncmp(own, "/run/", 5) == 0;
	const char *rest = own + (var ? strlen("/var") : 0);
	const char *const folders[] = { var ? "/var" : "", run && !var ? "/var" : "", HOST_ROOT, HOST_ROOT "/var" };
	char *place = NULL;

	if (r->given || r->user)
		return;
	for (size_t i = 0; !place && i < (run ? 4 : 3); i++)
		place = place_in(folders[i], rest);
	if (!place)
		return;
	free(r->path);
	r->path = place;
}

static void runtime_open(struct runtime *r, uint64_t now)
{
	/* The socket is root's, also when we are no longer. */
	const bool raised = caps_raise(CAP_DAC_OVERRIDE);
	int err;

	r->state = RUNTIME_OPENED;
	r->opened_at = now;
	r->heard_from = 0;
	look_elsewhere(r);
	err = r->ops->open(r);
	if (raised)
		caps_lower(CAP_DAC_OVERRIDE);
	r->failure = -err;
	if (!err)
		return;
	r->ops->close(r);
	snprintf(r->why, sizeof(r->why), "%s", strerror(-err));
	say_down(r, r->why, err == -ENOENT || err == -ECONNREFUSED || err == -ENOTDIR);
	runtime_retry(r, now, r->was_ready ? r->backoff : ABSENT_RETRY_NS);
}

static void runtime_close(struct runtime *r, uint64_t now)
{
	r->ops->close(r);
	if (r->backoff == UINT64_MAX) {
		r->state = RUNTIME_OFF;
		container_store_touch(r->store);
		return;
	}
	say_down(r, r->why, false);
	runtime_retry(r, now, r->backoff);
}

void runtime_tick(struct runtime *r, uint64_t now)
{
	if (r->state == RUNTIME_LOST)
		runtime_close(r, now);
	if (r->state == RUNTIME_DOWN && r->retry_at <= now) {
		runtime_open(r, now);
		loop_wake_at(r->loop, now);
	} else if (r->state == RUNTIME_OPENED && !r->heard_from && !r->unheard) {
		r->heard_from = now;
	}
	if ((r->state == RUNTIME_OPENED || r->state == RUNTIME_READY) && r->ops->tick)
		r->ops->tick(r, now);
	if (r->state == RUNTIME_OPENED && !runtime_answered(r, now)) {
		if (r->heard_from)
			loop_wake_at(r->loop, r->heard_from + SILENT_NS);
	} else if (r->state == RUNTIME_OPENED && !r->said_slow && !r->said_down) {
		r->said_slow = true;
		log_info("%s at '%s' has not answered yet: going on without it", r->ops->name, r->path);
		container_store_touch(r->store);
	}
	if (r->state == RUNTIME_LOST)
		loop_wake_at(r->loop, now);
	else if (r->state == RUNTIME_DOWN)
		loop_wake_at(r->loop, r->retry_at);
}

bool runtime_answered(const struct runtime *r, uint64_t now)
{
	return r->state != RUNTIME_OPENED || (r->heard_from && now >= r->heard_from + SILENT_NS);
}

void runtime_free(struct runtime *r)
{
	if (!r)
		return;
	if (r->state == RUNTIME_OPENED || r->state == RUNTIME_READY || r->state == RUNTIME_LOST)
		r->ops->close(r);
	free(r->path);
	free(r);
}
