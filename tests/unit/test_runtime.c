/* SPDX-License-Identifier: BSD-3-Clause */
/* What holds for every runtime: daemons that are absent or silent, memory, sockets of users. */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "check.h"
#include "runtime_rig.h"

static void test_absent_daemons(void)
{
	static const struct runtime_ops *const ops[] = { &docker_ops, &containerd_ops, &cri_ops };
	char path[200], file[64];

	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	snprintf(file, sizeof(file), "%s/file", directory);
	close(open(file, O_CREAT | O_WRONLY, 0600));
	for (size_t i = 0; i < 3; i++) {
		const char *paths[] = { "unix:///nonexistent/x.sock", path, file };

		for (size_t j = 0; j < 3; j++) {
			struct rig rig;

			rig_open(&rig, ops[i], paths[j]);
			rig_step(&rig, 0);
			if (rig.r->state != RUNTIME_DOWN || !rig.r->said_down)
				snprintf(check_why, sizeof(check_why), "%s at %s", ops[i]->name, paths[j]);
			rig_close(&rig);
		}
	}
	unlink(file);
}

static void test_silent_daemons_cost_nothing(void)
{
	static const struct runtime_ops *const ops[] = { &docker_ops, &containerd_ops, &cri_ops };
	struct fake f = { .listen_fd = -1 }; /* listens, and never accepts */

	socket_path(&f, "silent");
	fake_start(&f);
	for (size_t i = 0; i < 3; i++) {
		const uint64_t start = clock_ns(CLOCK_MONOTONIC);
		struct rig rig;
		uint64_t longest = 0;

		rig_open(&rig, ops[i], f.path);
		while (clock_ns(CLOCK_MONOTONIC) < start + 900000000u) {
			uint64_t before;

			poll(&(struct pollfd){ .fd = rig.loop.epoll_fd, .events = POLLIN }, 1, 10);
			before = clock_ns(CLOCK_MONOTONIC);
			rig_step(&rig, 0);
			if (clock_ns(CLOCK_MONOTONIC) - before > longest)
				longest = clock_ns(CLOCK_MONOTONIC) - before;
		}
		if (!runtime_answered(rig.r, clock_ns(CLOCK_MONOTONIC)) || !rig.r->said_slow || longest > 50000000u)
			snprintf(check_why, sizeof(check_why), "%s: answered %d, said %d, longest step %u us",
				 ops[i]->name, runtime_answered(rig.r, clock_ns(CLOCK_MONOTONIC)), rig.r->said_slow,
				 (unsigned)(longest / 1000));
		rig_close(&rig);
	}
	fake_stop(&f);
}

/* Eight daemons that take requests and never answer, and one that does. */
static void test_silent_daemons_keep_nobody_waiting(void)
{
	struct fake silent = { .listen_fd = -1 }, f = { .serve = fake_serve_http, .http = docker_answers };
	struct runtime *others[8];
	struct rig rig;
	uint64_t start;
	bool ready;

	socket_path(&silent, "silent");
	socket_path(&f, "docker");
	fake_start(&silent);
	fake_start(&f);
	rig_open(&rig, &docker_ops, f.path);
	for (int i = 0; i < 8; i++) {
		others[i] = runtime_new(&docker_ops, silent.path, true);
		others[i]->loop = &rig.loop;
		others[i]->http = rig.http;
		others[i]->pool = &rig.pool;
		others[i]->store = rig.store;
		runtime_tick(others[i], clock_ns(CLOCK_MONOTONIC));
	}
	start = clock_ns(CLOCK_MONOTONIC);
	ready = rig_until(&rig, RUNTIME_READY, 3000);
	if (!ready || clock_ns(CLOCK_MONOTONIC) - start > 500000000u)
		snprintf(check_why, sizeof(check_why), "ready %d after %u ms", ready,
			 (unsigned)((clock_ns(CLOCK_MONOTONIC) - start) / 1000000));
	for (int i = 0; i < 8; i++)
		runtime_free(others[i]);
	rig_close(&rig);
	fake_stop(&f);
	fake_stop(&silent);
}

/* What daemons are sending is bounded together, and so is what it becomes when it is parsed. */
static void test_memory_is_bounded(void)
{
	struct pool p = { .max = 10000 };
	void *a = NULL, *b = NULL;
	size_t an = 0, bn = 0, n = 3 * 4000000;
	char *text = malloc(n + 3);
	cJSON *o;

	CHECK(pool_grow(&p, &a, &an, 4000));
	CHECK(pool_grow(&p, &b, &bn, 5000));
	CHECK(!pool_grow(&p, &a, &an, 6000));
	CHECK(pool_grow(&p, &a, &an, 4100) || an == 4096);
	CHECK_INT(p.held, an + bn);
	pool_give(&p, b, bn);
	CHECK(pool_grow(&p, &a, &an, 10000));
	pool_give(&p, a, an);
	CHECK_INT(p.held, 0);
	text[0] = '[';
	for (size_t i = 0; i < n; i += 3)
		memcpy(text + 1 + i, "{},", 3);
	strcpy(text + n, "]");
	CHECK(!pool_parse_json(text, n + 1));
	o = pool_parse_json("[{}]", 4);
	CHECK(o != NULL);
	cJSON_Delete(o);
	free(text);
}

static int user_finds(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", user_dir, name);
	fd = user_socket_find(path);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

/* Links and sockets of others in a user's folder lead nowhere. */
static void test_sockets_of_users(void)
{
	struct fake f = { .serve = serve_text, .text = "" };
	char real[80], link[80];

	user_begin(&f, "podman/podman.sock");
	if (!f.path[0])
		CHECK_SKIP("cannot make /run/user/UID");
	snprintf(link, sizeof(link), "%s/docker.sock", user_dir);
	snprintf(real, sizeof(real), "%s/podman", user_dir);
	CHECK_INT(user_finds("podman/podman.sock"), 0);
	CHECK_INT(user_finds("docker.sock"), -ENOENT);
	CHECK_INT(user_finds("podman"), -ENOTSOCK);
	CHECK_INT(user_finds("../../docker.sock"), -EINVAL);
	CHECK(symlink(f.path, link) == 0);
	CHECK_INT(user_finds("docker.sock"), -ENOTSOCK);
	CHECK(chown(f.path, 0, 0) == 0);
	CHECK_INT(user_finds("podman/podman.sock"), -EPERM);
	CHECK(rename(real, link) < 0);
	unlink(link);
	CHECK(rename(real, link) == 0 && symlink(link, real) == 0);
	CHECK_INT(user_finds("podman/podman.sock"), -ENOTDIR);
	CHECK(unlink(real) == 0 && rename(link, real) == 0);
	user_end(&f);
}

static void test_messages_cannot_be_forged(void)
{
	check_messages(8, NULL);
}

int main(void)
{
	if (rig_begin())
		return 2;
	RUN(test_absent_daemons);
	RUN(test_silent_daemons_cost_nothing);
	RUN(test_silent_daemons_keep_nobody_waiting);
	RUN(test_memory_is_bounded);
	RUN(test_sockets_of_users);
	RUN(test_messages_cannot_be_forged);
	rig_end();
	return check_status();
}
