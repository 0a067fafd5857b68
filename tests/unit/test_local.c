/* SPDX-License-Identifier: BSD-3-Clause */
/* Paths, and those through file systems of users that never answer. */
#include "check.h"
#include "fuse.h"
#include "meta/runtime/user_socket.h"
#include "util/local.h"

enum { USER = 200003 };

static char folder[] = "/tmp/test_local.XXXXXX";

static int type_of(const char *path)
{
	struct local_file file;
	const int fd = local_open(path);
	int err = fd < 0 ? fd : local_look(fd, &file);

	if (fd >= 0)
		close(fd);
	return err ? err : (int)file.type;
}

static void test_paths(void)
{
	char link[64], path[80];

	CHECK(mkdtemp(folder));
	snprintf(link, sizeof(link), "%s/link", folder);
	CHECK_INT(type_of("/"), S_IFDIR);
	CHECK_INT(type_of(folder), S_IFDIR);
	CHECK_INT(type_of("."), S_IFDIR);
	CHECK_INT(type_of("//dev/../dev//null"), S_IFCHR);
	CHECK_INT(type_of("/dev/none"), -ENOENT);
	CHECK_INT(type_of("/dev/null/x"), -ENOTDIR);
	CHECK(symlink("/dev", link) == 0);
	snprintf(path, sizeof(path), "%s/null", link);
	CHECK_INT(type_of(path), S_IFCHR);
	unlink(link);
	snprintf(path, sizeof(path), "../../dev/null");
	CHECK(symlink(path, link) == 0);
	CHECK_INT(type_of(link), S_IFCHR);
	unlink(link);
	CHECK(symlink(link, link) == 0);
	CHECK_INT(type_of(link), -ELOOP);
	unlink(link);
	rmdir(folder);
}

static int look_through(void)
{
	if (local_open("/mnt/home/docker.sock") != -EREMOTE || local_open("/mnt/home") != -EREMOTE)
		return 1;
	return local_is_behind_served("/mnt/home/netns") && !local_is_behind_served("/mnt/homes/netns") ? 0 : 2;
}

static int look_through_link(void)
{
	if (symlink("/mnt/home/run", "/mnt/run"))
		return 2;
	return local_open("/mnt/run/docker.sock") == -EREMOTE ? 0 : 1;
}

/* The folder of a user's is on a file system of its own, as systemd makes it. */
static int look_at_user(void)
{
	return user_socket_find("/run/user/200003/docker.sock") == -EXDEV ? 0 : 1;
}

static int look_below_user(void)
{
	return user_socket_find("/run/user/200003/podman/podman.sock") == -EXDEV ? 0 : 1;
}

static void try_look(const char *where, int (*look)(void))
{
	const int status = geteuid() ? FUSE_NO_MOUNTS : fuse_try(where, USER, look);

	if (status == FUSE_NO_MOUNTS)
		CHECK_SKIP("needs root and FUSE");
	CHECK_INT(status, 0);
}

static void test_served(void)
{
	try_look("/mnt/home", look_through);
}

static void test_served_behind_a_link(void)
{
	try_look("/mnt/home", look_through_link);
}

static void test_served_user(void)
{
	const bool made = geteuid() == 0 && (mkdir("/run/user", 0755) == 0 || errno == EEXIST) &&
			  mkdir("/run/user/200003", 0700) == 0;

	if (!made)
		CHECK_SKIP("cannot make /run/user/UID");
	if (chown("/run/user/200003", USER, USER) == 0)
		try_look("/run/user/200003", look_at_user);
	rmdir("/run/user/200003");
}

static void test_served_below_user(void)
{
	const bool made = geteuid() == 0 && (mkdir("/run/user", 0755) == 0 || errno == EEXIST) &&
			  mkdir("/run/user/200003", 0700) == 0 && mkdir("/run/user/200003/podman", 0700) == 0;

	if (!made)
		CHECK_SKIP("cannot make /run/user/UID");
	if (chown("/run/user/200003", USER, USER) == 0 && chown("/run/user/200003/podman", USER, USER) == 0)
		try_look("/run/user/200003/podman", look_below_user);
	rmdir("/run/user/200003/podman");
	rmdir("/run/user/200003");
}

int main(void)
{
	RUN(test_paths);
	RUN(test_served);
	RUN(test_served_behind_a_link);
	RUN(test_served_user);
	RUN(test_served_below_user);
	return check_status();
}
