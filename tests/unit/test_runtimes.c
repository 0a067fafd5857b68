/* SPDX-License-Identifier: BSD-3-Clause */
/* Which sockets are tried: those that were given, else the usual ones and those of users. */
#include "meta/runtimes.h"

#include <sched.h>
#include <sys/mount.h>

#include "check.h"
#include "fake.h"
#include "runtime_rig.h"

static bool no_libcurl;

int __real_libcurl_open(struct libcurl **ret, char why[LIBCURL_WHY]);

FAKE(int, libcurl_open, struct libcurl **ret, char why[LIBCURL_WHY])
{
	if (!no_libcurl)
		return __real_libcurl_open(ret, why);
	snprintf(why, LIBCURL_WHY, "install it");
	return -ELIBACC;
}

FAKE(void, log_msg, enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (level <= LOG_WARN)
		told_args(fmt, args);
	va_end(args);
}

/* Those that were made before, and that the fake daemon has yet to take. */
static int connections_before(const struct fake *f)
{
	int n;

	do {
		n = f->connections;
		usleep(100000);
	} while (n != f->connections);
	return n;
}

/* Whether that daemon is spoken to within some time. */
static bool reaches(struct fake *f, const char *const *addresses, int ms)
{
	const int before = connections_before(f);
	const uint64_t end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)ms * NSEC_PER_MSEC;
	struct container_store *store;
	struct runtimes *rs = NULL;
	struct loop loop;

	loop_open(&loop);
	container_store_new(&store, &(struct container_store_hooks){ no_hook, no_forget, NULL });
	if (runtimes_new(&rs, &loop, store, addresses))
		return false;
	do {
		loop_run(&loop);
		runtimes_step(rs, clock_ns(CLOCK_MONOTONIC));
		poll(&(struct pollfd){ .fd = loop.epoll_fd, .events = POLLIN }, 1, 10);
	} while (f->connections == before && clock_ns(CLOCK_MONOTONIC) < end);
	runtimes_free(rs);
	container_store_free(store);
	loop_close(&loop);
	return f->connections > before;
}

static void test_variable_and_address(void)
{
	struct fake f = { .serve = fake_serve_http, .http = docker_answers };
	const char *addresses[RUNTIMES] = { "", "", "", "" };
	char variable[128];

	socket_path(&f, "docker");
	fake_start(&f);
	snprintf(variable, sizeof(variable), "unix://%s", f.path);
	setenv("DOCKER_HOST", variable, 1);
	CHECK(!reaches(&f, addresses, 100));
	addresses[RUNTIME_DOCKER] = NULL;
	CHECK(reaches(&f, addresses, 10000));
	setenv("DOCKER_HOST", "tcp://127.0.0.1:2375", 1);
	CHECK(!reaches(&f, addresses, 100));
	addresses[RUNTIME_DOCKER] = variable;
	CHECK(reaches(&f, addresses, 10000));
	addresses[RUNTIME_DOCKER] = "";
	addresses[RUNTIME_CRI] = f.path;
	CHECK(reaches(&f, addresses, 10000));
	unsetenv("DOCKER_HOST");
	fake_stop(&f);
}

static void reach_user(const char *name)
{
	struct fake f = { .serve = fake_serve_http, .http = docker_answers };
	const char *addresses[RUNTIMES] = { "", "", "", "" };

	user_begin(&f, name);
	if (!f.path[0])
		CHECK_SKIP("cannot make /run/user/UID");
	if (!reaches(&f, addresses, 10000))
		snprintf(check_why, sizeof(check_why), "%s is not found", name);
	user_end(&f);
}

static void test_daemons_of_users(void)
{
	reach_user("podman/podman.sock");
	reach_user("docker.sock");
}

/* Whether somebody is still waited for after some time. */
static bool waited_for(struct runtimes *rs, struct loop *loop, int ms)
{
	const uint64_t end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)ms * NSEC_PER_MSEC;

	while (clock_ns(CLOCK_MONOTONIC) < end) {
		loop_run(loop);
		runtimes_step(rs, clock_ns(CLOCK_MONOTONIC));
		poll(&(struct pollfd){ .fd = loop->epoll_fd, .events = POLLIN }, 1, 10);
	}
	return !runtimes_answered(rs, clock_ns(CLOCK_MONOTONIC));
}

/* While we are busy with the start, nobody is silent. */
static void test_silent_after_the_start(void)
{
	struct fake f = { 0 };
	const char *addresses[RUNTIMES] = { "", "", "", "" };
	struct container_store *store;
	struct container_entry e = { 0 };
	struct runtimes *rs = NULL;
	struct loop loop;

	socket_path(&f, "silent");
	fake_start(&f);
	addresses[RUNTIME_DOCKER] = f.path;
	loop_open(&loop);
	container_store_new(&store, &(struct container_store_hooks){ no_hook, no_forget, NULL });
	CHECK(runtimes_new(&rs, &loop, store, addresses) == 0);
	CHECK(waited_for(rs, &loop, 900));
	runtimes_listen(rs);
	CHECK(waited_for(rs, &loop, 20));
	/* What they tell first may name a container that was asked for long ago. */
	CHECK(runtimes_may_wait(rs, &e, 1, true));
	CHECK(runtimes_may_wait(rs, &e, clock_ns(CLOCK_MONOTONIC), true));
	CHECK(!waited_for(rs, &loop, 900));
	CHECK(!runtimes_may_wait(rs, &e, clock_ns(CLOCK_MONOTONIC), true));
	runtimes_free(rs);
	container_store_free(store);
	loop_close(&loop);
	fake_stop(&f);
}

/* /run and what is in it, and an empty /var, with or without a folder in a link's place; for this process alone. */
static bool own_run(bool var_run)
{
	if (mount("none", "/run", "tmpfs", 0, NULL) < 0 || mount("none", "/var", "tmpfs", 0, NULL) < 0)
		return false;
	return !var_run || (mkdir("/var/run", 0755) == 0 && mkdir("/var/run/containerd", 0755) == 0 &&
			    mkdir("/var/run/user", 0755) == 0);
}

/* In an image that has not the link that all systems have. */
static void test_var_run_is_no_link(void)
{
	const char *addresses[RUNTIMES] = { NULL, "", "", "" };
	struct fake f = { .serve = fake_serve_http, .http = docker_answers, .path = "/run/docker.sock" };

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || !own_run(false))
		CHECK_SKIP("cannot mount");
	fake_start(&f);
	CHECK(reaches(&f, addresses, 10000));
	/* One that was given is where it was said to be. */
	addresses[RUNTIME_DOCKER] = "/var/run/docker.sock";
	CHECK(!reaches(&f, addresses, 100));
	fake_stop(&f);
	CHECK(own_run(true));
	f = (struct fake){ .serve = fake_serve_http,
			   .http = docker_answers,
			   .path = "/var/run/containerd/containerd.sock" };
	fake_start(&f);
	addresses[RUNTIME_DOCKER] = "";
	addresses[RUNTIME_CONTAINERD] = NULL;
	CHECK(reaches(&f, addresses, 10000));
	addresses[RUNTIME_CONTAINERD] = "";
	addresses[RUNTIME_CRI] = NULL;
	CHECK(reaches(&f, addresses, 10000));
	fake_stop(&f);
	f = (struct fake){ .serve = fake_serve_http, .http = docker_answers, .path = "/var/run/user/4321/docker.sock" };
	CHECK(mkdir("/var/run/user/4321", 0700) == 0);
	fake_start(&f);
	CHECK(chown("/var/run/user/4321", 4321, 0) == 0 && chown(f.path, 4321, 0) == 0);
	addresses[RUNTIME_DOCKER] = NULL;
	addresses[RUNTIME_CRI] = "";
	CHECK(reaches(&f, addresses, 10000));
	fake_stop(&f);
}

/* A daemon behind a socket that is there only below the host's root. */
static bool reaches_host(const char *path, size_t kind)
{
	const char *addresses[RUNTIMES] = { "", "", "", "" };
	struct fake f = { .serve = fake_serve_http, .http = docker_answers };
	bool reached;

	snprintf(f.path, sizeof(f.path), "%s", path);
	fake_start(&f);
	addresses[kind] = NULL;
	reached = reaches(&f, addresses, 1000);
	fake_stop(&f);
	return reached;
}

/* A pod that has the host's root mounted, and nothing of its own. */
static void test_below_the_hosts_root(void)
{
	const char *addresses[RUNTIMES] = { NULL, "", "", "" };
	struct fake own = { .serve = fake_serve_http, .http = docker_answers, .path = "/run/docker.sock" };
	struct fake f = { .serve = fake_serve_http, .http = docker_answers, .path = "/host/run/docker.sock" };
	bool made;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || !own_run(false))
		CHECK_SKIP("cannot mount");
	made = mkdir("/host", 0755) == 0;
	CHECK(mount("none", "/host", "tmpfs", 0, "mode=755") == 0);
	CHECK(mkdir("/host/run", 0755) == 0 && mkdir("/host/run/containerd", 0755) == 0 &&
	      mkdir("/host/run/crio", 0755) == 0);
	CHECK(mkdir("/host/var", 0755) == 0 && symlink("/run", "/host/var/run") == 0);
	CHECK(reaches_host("/host/run/docker.sock", RUNTIME_DOCKER));
	CHECK(reaches_host("/host/run/containerd/containerd.sock", RUNTIME_CONTAINERD));
	CHECK(reaches_host("/host/run/containerd/containerd.sock", RUNTIME_CRI));
	CHECK(reaches_host("/host/run/crio/crio.sock", RUNTIME_CRI));
	CHECK(reaches_host("/host/run/cri-dockerd.sock", RUNTIME_CRI));
	/* Our own comes first, and one that was given is where it was said to be. */
	fake_start(&own);
	fake_start(&f);
	CHECK(reaches(&own, addresses, 1000) && f.connections == 0);
	fake_stop(&own);
	addresses[RUNTIME_DOCKER] = "/var/run/docker.sock";
	CHECK(!reaches(&f, addresses, 100));
	/* What others than root may have put there is not believed. */
	addresses[RUNTIME_DOCKER] = NULL;
	CHECK(chown(f.path, 4321, 0) == 0 && !reaches(&f, addresses, 100));
	CHECK(chown(f.path, 0, 0) == 0 && chmod("/host/run", 01777) == 0 && !reaches(&f, addresses, 100));
	CHECK(chmod("/host/run", 0755) == 0 && chown("/host", 4321, 0) == 0 && !reaches(&f, addresses, 100));
	CHECK(chown("/host", 0, 0) == 0 && reaches(&f, addresses, 1000));
	fake_stop(&f);
	umount("/host");
	if (made)
		rmdir("/host");
}

/* It is wanted for root's daemons and for those of users. */
static void test_no_libcurl_is_said_once(void)
{
	struct http_library library = { 0 };
	struct http *https[2] = { 0 };
	struct pool pool = { 0 };
	struct loop loop;

	loop_open(&loop);
	no_libcurl = true;
	what_was_told();
	for (size_t i = 0; i < 2; i++) {
		CHECK_INT(http_new(&https[i], &loop, &pool, &library, i), 0);
		CHECK_INT(http_open(https[i]), -ELIBACC);
	}
	no_libcurl = false;
	CHECK_STR(what_was_told(), "Docker and Podman cannot be asked: install it");
	http_free(https[0]);
	http_free(https[1]);
	loop_close(&loop);
}

int main(void)
{
	if (rig_begin())
		return 2;
	RUN(test_variable_and_address);
	RUN(test_daemons_of_users);
	RUN(test_silent_after_the_start);
	RUN(test_no_libcurl_is_said_once);
	RUN(test_var_run_is_no_link); /* the last ones: they change where files are */
	RUN(test_below_the_hosts_root);
	rig_end();
	return check_status();
}
