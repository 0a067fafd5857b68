/* SPDX-License-Identifier: BSD-3-Clause */
/* A runtime with all that it works on, against daemons that behave and daemons that do not; the store alone, too. */
#ifndef RUNTIME_RIG_H
#define RUNTIME_RIG_H

#include <sys/stat.h>

#include "check.h"
#include "fake_daemon.h"
#include "meta/container_store.h"
#include "meta/runtime/http.h"
#include "meta/runtime/loop.h"
#include "meta/runtime/pool.h"
#include "meta/runtime/runtime.h"
#include "meta/runtime/user_socket.h"
#include "util/clock.h"
#include "util/libcurl.h"
#include "util/log.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define ID_D "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"

static char directory[] = "/tmp/test_runtime.XXXXXX";

struct rig {
	struct loop loop;
	struct http_library library;
	struct http *http;
	struct pool pool;
	struct container_store *store;
	struct runtime *r;
};

static inline void no_hook(void *arg, struct container_entry *e)
{
	(void)arg;
	(void)e;
}

static inline void no_forget(void *arg, const struct container_entry *e)
{
	(void)arg;
	(void)e;
}

static inline void rig_open(struct rig *rig, const struct runtime_ops *ops, const char *path)
{
	loop_open(&rig->loop);
	rig->pool = (struct pool){ .max = 64 << 20 };
	rig->library = (struct http_library){ 0 };
	http_new(&rig->http, &rig->loop, &rig->pool, &rig->library, user_socket_owner(path) != 0);
	container_store_new(&rig->store, &(struct container_store_hooks){ no_hook, no_forget, NULL });
	rig->r = runtime_new(ops, path, false);
	rig->r->loop = &rig->loop;
	rig->r->http = rig->http;
	rig->r->pool = &rig->pool;
	rig->r->store = rig->store;
}

static inline void rig_step(struct rig *rig, int timeout)
{
	struct pollfd p = { .fd = rig->loop.epoll_fd, .events = POLLIN };

	poll(&p, 1, timeout);
	loop_run(&rig->loop);
	http_tick(rig->http, clock_ns(CLOCK_MONOTONIC));
	runtime_tick(rig->r, clock_ns(CLOCK_MONOTONIC));
}

static inline void rig_close(struct rig *rig)
{
	runtime_free(rig->r);
	http_free(rig->http);
	libcurl_close(rig->library.curl);
	container_store_free(rig->store);
	loop_close(&rig->loop);
}

/* Runs until the runtime is in that state, for some seconds at most. */
static inline bool rig_until(struct rig *rig, enum runtime_state state, int ms)
{
	const uint64_t end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)ms * 1000000u;

	do {
		rig_step(rig, 10);
		if (rig->r->state == state)
			return true;
	} while (clock_ns(CLOCK_MONOTONIC) < end);
	return false;
}

/* NULL: not there. */
static inline const struct container *rig_find(struct rig *rig, const char *ns, const char *id)
{
	struct container_entry *e = container_store_get(rig->store, ns, ns ? strlen(ns) : 0, id, strlen(id), false);

	return e ? e->published : NULL;
}

static inline bool rig_named(struct rig *rig, const char *id, const char *name, int ms)
{
	const uint64_t end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)ms * 1000000u;

	do {
		const struct container *c = rig_find(rig, NULL, id);

		if (c && str_eq(c->desc.name, str_of(name)))
			return true;
		rig_step(rig, 10);
	} while (clock_ns(CLOCK_MONOTONIC) < end);
	return false;
}

static inline void socket_path(struct fake *f, const char *name)
{
	snprintf(f->path, sizeof(f->path), "%s/%s", directory, name);
}

/* --- daemons --- */

static const char inspect_b[] = "{\"Id\":\"" ID_B "\",\"Name\":\"/late\",\"State\":{\"Pid\":0},"
				"\"Config\":{\"Image\":\"img:2\",\"Labels\":{\"z\":\"1\",\"y\":\"2\"}}}";

static inline void docker_answers(struct fake *f, int fd, const char *path)
{
	if (strncmp(path, "/events", 7) == 0) {
		fake_http_stream(fd);
		fake_puts(fd, "not json\n{\"Action\":\"create\",\"Actor\":{\"ID\":\"../../etc\"}}\n");
		fake_puts(fd, "{\"Action\":\"create\",\"Actor\":{\"ID\":\"" ID_C "\",\"Attributes\":{"
			      "\"name\":\"new\",\"image\":\"i\",\"k\":\"v\"}}}\n"
			      "{\"Action\":\"start\",\"Actor\":{\"ID\":\"" ID_B "\"}}\n{\"half\":");
		fake_hold(fd);
	} else if (strcmp(path, "/containers/json") == 0) {
		fake_http_answer(fd, 200,
				 "[{\"Id\":\"" ID_A
				 "\",\"Names\":[\"/we\\\"b\\n\\u001b[2Jforged\"],\"Image\":\"img:1\",\"Labels\":{"
				 "\"io.kubernetes.pod.name\":\"p\",\"io.kubernetes.pod.namespace\":\"n\"}},"
				 "{\"Id\":7},{\"Id\":\"/../x\"},null,[]]");
	} else if (strstr(path, ID_B)) {
		fake_http_answer(fd, 200, inspect_b);
	} else {
		fake_http_answer(fd, 404, "{\"message\":\"no such container\"}");
	}
	(void)f;
}

/* Sends f->text, then waits. */
static inline void serve_text(struct fake *f, int fd)
{
	fake_puts(fd, f->text);
	fake_hold(fd);
}

/* Sends f->text and closes. */
static inline void serve_text_and_close(struct fake *f, int fd)
{
	fake_puts(fd, f->text);
}

static inline void serve_random(struct fake *f, int fd)
{
	unsigned char buf[4096];
	unsigned seed = 1;

	(void)f;
	for (int i = 0; i < 256; i++) {
		for (size_t j = 0; j < sizeof(buf); j++)
			buf[j] = (unsigned char)(rand_r(&seed) >> 8);
		fake_write(fd, buf, sizeof(buf));
	}
}

/* Never ends: a body without a length, or one line without an end. */
static inline void serve_endless(struct fake *f, int fd)
{
	char buf[16384];

	fake_puts(fd, "HTTP/1.1 200 OK\r\n\r\n");
	memset(buf, '[', sizeof(buf));
	for (int i = 0; i < 4096; i++)
		fake_write(fd, buf, sizeof(buf));
	(void)f;
}

static inline void hostile(const struct runtime_ops *ops, void (*serve)(struct fake *, int), const char *text)
{
	struct fake f = { .serve = serve, .text = text };
	const char *name = text ? text : "random bytes";
	struct rig rig;
	bool lost;

	socket_path(&f, "hostile");
	fake_start(&f);
	rig_open(&rig, ops, f.path);
	lost = rig_until(&rig, RUNTIME_DOWN, 8000) || rig.r->state == RUNTIME_OFF;
	if (!lost || !rig.r->said_down || container_store_each(rig.store, NULL))
		snprintf(check_why, sizeof(check_why), "%s with %.60s: lost %d, said %d", ops->name, name, lost,
			 rig.r->said_down);
	rig_close(&rig);
	fake_stop(&f);
}

/* --- folders of users --- */

static char user_dir[64];

static inline void user_begin(struct fake *f, const char *name)
{
	char path[80];

	snprintf(user_dir, sizeof(user_dir), "/run/user/%u", 200000u + (unsigned)getpid());
	snprintf(path, sizeof(path), "%s/podman", user_dir);
	if (geteuid() != 0 || (mkdir("/run/user", 0755) < 0 && errno != EEXIST) || mkdir(user_dir, 0700) < 0)
		return;
	mkdir(path, 0700);
	CHECK(chown(user_dir, user_socket_owner(path), 0) == 0 && chown(path, user_socket_owner(path), 0) == 0);
	snprintf(f->path, sizeof(f->path), "%s/%s", user_dir, name);
	fake_start(f);
	CHECK(chown(f->path, user_socket_owner(path), 0) == 0);
}

static inline void user_end(struct fake *f)
{
	char path[80];

	fake_stop(f);
	unlink(f->path);
	snprintf(path, sizeof(path), "%s/docker.sock", user_dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/podman", user_dir);
	unlink(path);
	rmdir(path);
	rmdir(user_dir);
}

/* --- messages --- */

static char messages[64];

/* The sanitizer's, where there is one. */
__attribute__((weak)) void __sanitizer_set_report_fd(void *fd);

/* What the daemons provoke is written to a file; what the sanitizers say is not. */
static inline void messages_catch(void)
{
	snprintf(messages, sizeof(messages), "%s/messages", directory);
	if (__sanitizer_set_report_fd)
		__sanitizer_set_report_fd((void *)(uintptr_t)dup(STDERR_FILENO));
	if (!freopen(messages, "w", stderr))
		exit(2);
}

/* More than n lines were said, each of them ours, and one with that text (NULL: any). */
static inline void check_messages(size_t n, const char *text)
{
	char line[4096];
	bool found = !text;
	size_t lines = 0;
	FILE *f = fopen(messages, "r");

	while (f && fgets(line, sizeof(line), f)) {
		lines++;
		if (strncmp(line, "ptcpdump: ", 10) != 0 || strpbrk(line, "\x1b\r\t") ||
		    strncmp(line, "ptcpdump: forged", 16) == 0)
			snprintf(check_why, sizeof(check_why), "%.100s", line);
		found |= text && strstr(line, text);
	}
	if (f)
		fclose(f);
	CHECK(lines > n);
	CHECK(found);
}

static inline int rig_begin(void)
{
	if (!mkdtemp(directory))
		return -errno;
	messages_catch();
	log_set_level(LOG_DEBUG);
	return 0;
}

static inline void rig_end(void)
{
	unlink(messages);
	rmdir(directory);
}

#endif
