/* SPDX-License-Identifier: BSD-3-Clause */
/* Whom it is believed that a process is in a container: not everybody who can make a cgroup of that name. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "meta/container_store.h"
#include "meta/place.h"
#include "meta/process.h"
#include "util/procfs.h"

#define ID "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define SCOPE "docker-" ID ".scope"
#define DELEGATED "test_place"

enum { USER = 200001, OTHER = 200002 };

static struct places places;

static void on_init(void *arg, struct container_entry *e)
{
	places_on_init(arg, e);
}

static void on_forget(void *arg, const struct container_entry *e)
{
	places_on_forget(arg, e);
}

static bool begin(void)
{
	const struct container_store_hooks hooks = { .init = on_init, .forget = on_forget, .arg = &places };

	places = (struct places){ 0 };
	places_open(&places);
	return container_store_new(&places.store, &hooks) == 0 && places.fs.fd >= 0 && geteuid() == 0;
}

static void end(void)
{
	container_store_free(places.store);
	places_close(&places);
}

/* A folder below the delegated one; uid: who has made it. */
static bool make(int root, uid_t delegate, uid_t uid)
{
	unlinkat(root, DELEGATED "/" SCOPE, AT_REMOVEDIR);
	unlinkat(root, DELEGATED, AT_REMOVEDIR);
	return mkdirat(root, DELEGATED, 0755) == 0 && mkdirat(root, DELEGATED "/" SCOPE, 0755) == 0 &&
	       fchownat(root, DELEGATED, delegate, delegate, 0) == 0 &&
	       fchownat(root, DELEGATED "/" SCOPE, uid, uid, 0) == 0;
}

static void unmake(int root)
{
	unlinkat(root, DELEGATED "/" SCOPE, AT_REMOVEDIR);
	unlinkat(root, DELEGATED, AT_REMOVEDIR);
}

static void told_by(enum container_rank rank, uint32_t user)
{
	container_store_put(places.store,
			    &(struct container_facts){ .rank = rank, .user = user, .id = ID, .name = "payments-db" });
}

/* What is believed of a process in the cgroup; -1: that it is in no container at all. */
static int belief(void)
{
	const struct process p = { .tgid = 5000000,
				   .start = 1,
				   .cgroup = cgroup_id(&places.fs, DELEGATED "/" SCOPE),
				   .pidns = 1,
				   .mntns = 1 };
	struct place *place = place_of(&places, &p);

	return place && place->ncontainers ? (int)place_believe(place, 0) : -1;
}

static void check_belief(uid_t delegate, uid_t maker, enum container_rank rank, uint32_t user, int want)
{
	CHECK(make(places.fs.fd, delegate, maker));
	if (rank != RANK_NONE)
		told_by(rank, user);
	CHECK_INT(belief(), want);
}

static void try_belief(uid_t delegate, uid_t maker, enum container_rank rank, uint32_t user, int want)
{
	if (!begin())
		CHECK_SKIP("needs root and cgroup v2");
	check_belief(delegate, maker, rank, user, want);
	unmake(places.fs.fd);
	end();
}

static void test_of_root(void)
{
	try_belief(0, 0, RANK_DOCKER, 0, PLACE_BELIEVED);
	try_belief(0, 0, RANK_NONE, 0, PLACE_BELIEVED);
	/* The container's own root is some user, whom the folder was given. */
	try_belief(0, USER, RANK_DOCKER, 0, PLACE_BELIEVED);
	/* A daemon of root's in a part of the tree that is a user's. */
	try_belief(USER, 0, RANK_DOCKER, 0, PLACE_BELIEVED);
}

static void test_of_a_user(void)
{
	try_belief(USER, USER, RANK_DOCKER, 0, PLACE_DENIED);
	try_belief(USER, USER, RANK_CONTAINERD, 0, PLACE_DENIED);
	try_belief(USER, USER, RANK_USER, OTHER, PLACE_DENIED);
	try_belief(USER, USER, RANK_USER, USER, PLACE_BELIEVED);
	try_belief(USER, USER, RANK_NONE, 0, PLACE_OPEN);
}

/* Its folder and the one above have gone: what is forged is not believed; what its first process was in, too, is. */
static void test_gone(void)
{
	static char path[] = "/user/docker-x.scope", elsewhere[] = "/system.slice/docker-x.scope";
	static const struct {
		enum container_rank rank;
		char *init_cgroup;
		enum place_belief want;
	} t[] = {
		{ RANK_NONE, NULL, PLACE_OPEN },	   { RANK_DOCKER, NULL, PLACE_DENIED },
		{ RANK_DOCKER, elsewhere, PLACE_DENIED },  { RANK_DOCKER, path, PLACE_BELIEVED },
		{ RANK_CONTAINERD, path, PLACE_BELIEVED }, { RANK_USER, path, PLACE_DENIED },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct container_entry e = { .rank = t[i].rank, .init_cgroup = t[i].init_cgroup, .user = USER };
		struct place p = { .path = path, .names = { { CGROUP_MAKER_GONE, sizeof(path) - 1 } } };

		p.containers[p.ncontainers++] = (struct place_container){ &e, &p.names[0] };
		CHECK_INT(place_believe(&p, 0), t[i].want);
	}
}

/* Who is told only later decides then. */
static void test_told_later(void)
{
	if (!begin())
		CHECK_SKIP("needs root and cgroup v2");
	check_belief(USER, USER, RANK_NONE, 0, PLACE_OPEN);
	told_by(RANK_DOCKER, 0);
	CHECK_INT(belief(), PLACE_DENIED);
	unmake(places.fs.fd);
	end();
}

/* Names that one user makes do not push out those that root's daemons tell of. */
static void test_users_are_bounded(void)
{
	char id[65] = ID;

	if (!begin())
		CHECK_SKIP("needs root and cgroup v2");
	told_by(RANK_DOCKER, 0);
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(id, sizeof(id), "%064x", i);
		container_store_get(places.store, NULL, 0, id, 64, CREATE_OF_USER);
	}
	CHECK(container_store_get(places.store, NULL, 0, ID, 64, CREATE_NOT));
	end();
}

/* --- version 1 --- */

static const char *v1_mount(void)
{
	static const char *const mounts[] = { "/sys/fs/cgroup/pids", "/sys/fs/cgroup/freezer",
					      "/sys/fs/cgroup/systemd" };

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		if (access(mounts[i], F_OK) == 0 && access("/sys/fs/cgroup/cgroup.procs", F_OK) != 0)
			return mounts[i];
	}
	return NULL;
}

/* Sleeps in the folder. */
static pid_t start_in(int root)
{
	const int fd = openat(root, DELEGATED "/" SCOPE "/cgroup.procs", O_WRONLY | O_CLOEXEC);
	const pid_t pid = fork();
	char text[16];

	if (pid == 0) {
		for (;;)
			pause();
	}
	snprintf(text, sizeof(text), "%d", pid);
	if (write(fd, text, strlen(text)) < 0)
		perror("cgroup.procs");
	close(fd);
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int belief_of(pid_t pid)
{
	const struct process p = {
		.tgid = (uint32_t)pid, .start = procfs_start((uint32_t)pid), .pidns = 1, .mntns = 1
	};
	struct place *place = place_of(&places, &p);

	return place && place->ncontainers ? (int)place_believe(place, 0) : -1;
}

static int v1_belief(int root, uid_t delegate, uid_t maker)
{
	int ret = -2;
	pid_t pid;

	if (!make(root, delegate, maker))
		return ret;
	pid = start_in(root);
	told_by(RANK_DOCKER, 0);
	ret = belief_of(pid);
	stop(pid);
	unmake(root);
	return ret;
}

static void test_version_1(void)
{
	const char *mount = v1_mount();
	const int root = mount ? open(mount, O_PATH | O_CLOEXEC) : -1;

	if (root < 0 || !begin())
		CHECK_SKIP("needs root and cgroup v1");
	CHECK_INT(v1_belief(root, 0, 0), PLACE_BELIEVED);
	CHECK_INT(v1_belief(root, USER, USER), PLACE_DENIED);
	end();
	close(root);
}

static int hidden_beliefs(int root)
{
	int ret = 0;

	if (!begin())
		return 77;
	if (v1_belief(root, 0, 0) != PLACE_BELIEVED)
		ret |= 1;
	if (v1_belief(root, USER, USER) != PLACE_DENIED)
		ret |= 2;
	end();
	return ret;
}

/* Within "ip netns exec", where another /sys covers the mounts. */
static void test_version_1_hidden(void)
{
	const char *mounted = v1_mount();
	const int root = mounted ? open(mounted, O_PATH | O_CLOEXEC) : -1;
	int status;

	if (root < 0 || geteuid() != 0)
		CHECK_SKIP("needs root and cgroup v1");
	if (fork() == 0) {
		if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    umount2("/sys", MNT_DETACH))
			_exit(77);
		_exit(hidden_beliefs(root));
	}
	wait(&status);
	close(root);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		CHECK_SKIP("cannot have mounts of our own");
	CHECK_INT(status, 0);
}

/* Where root's daemon has put the container itself is believed, whoever has made it. */
static void test_first_process(void)
{
	pid_t init, other;

	if (!begin())
		CHECK_SKIP("needs root and cgroup v2");
	CHECK(make(places.fs.fd, USER, USER));
	init = start_in(places.fs.fd);
	told_by(RANK_DOCKER, 0);
	CHECK_INT(belief_of(init), PLACE_DENIED);
	container_store_put_init(places.store, NULL, ID, (uint32_t)init);
	other = start_in(places.fs.fd);
	CHECK_INT(belief_of(other), PLACE_BELIEVED);
	stop(other);
	/* It has stopped: another may have its pid, and make the cgroup anew. */
	container_store_stopped(places.store, NULL, ID);
	CHECK_INT(belief_of(init), PLACE_DENIED);
	stop(init);
	unmake(places.fs.fd);
	end();
}

/* In a user namespace that root makes, as LXD does. False: it cannot be made. */
static bool start_below_root(int root, uid_t their_root, pid_t *ret)
{
	char path[64], map[64], byte;
	int ready[2], fd;
	bool made;

	if (pipe(ready))
		return false;
	*ret = fork();
	if (*ret == 0) {
		if (unshare(CLONE_NEWUSER) || write(ready[1], "", 1) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	made = read(ready[0], &byte, 1) == 1;
	close(ready[0]);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", *ret);
	snprintf(map, sizeof(map), "0 %u 1", their_root);
	fd = made ? open(path, O_WRONLY | O_CLOEXEC) : -1;
	made = fd >= 0 && write(fd, map, strlen(map)) > 0;
	close(fd);
	fd = openat(root, DELEGATED "/" SCOPE "/cgroup.procs", O_WRONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%d", *ret);
	made = made && write(fd, path, strlen(path)) > 0;
	close(fd);
	return made;
}

static void try_named(uid_t maker, uid_t their_root, bool want)
{
	struct process p = { .pidns = 1, .mntns = 1 };
	const struct place *place;
	pid_t pid;

	CHECK(make(places.fs.fd, maker, maker));
	CHECK(start_below_root(places.fs.fd, their_root, &pid));
	p.tgid = (uint32_t)pid;
	p.start = procfs_start(p.tgid);
	p.cgroup = cgroup_id(&places.fs, DELEGATED "/" SCOPE);
	place = place_of(&places, &p);
	stop(pid);
	unmake(places.fs.fd);
	CHECK(place && place->ncontainers);
	CHECK_INT(place_is_named(place, 0), want);
}

/* What nobody tells of is named if a process in it is in a user namespace whose root has made the cgroup. */
static void test_below_root(void)
{
	if (!begin())
		CHECK_SKIP("needs root and cgroup v2");
	try_named(USER, USER, true);
	try_named(USER, OTHER, false);
	end();
}

int main(void)
{
	RUN(test_of_root);
	RUN(test_of_a_user);
	RUN(test_gone);
	RUN(test_told_later);
	RUN(test_users_are_bounded);
	RUN(test_version_1);
	RUN(test_version_1_hidden);
	RUN(test_first_process);
	RUN(test_below_root);
	return check_status();
}
