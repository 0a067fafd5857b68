/* SPDX-License-Identifier: BSD-3-Clause */
/* Containers in the paths of cgroups, and cgroups by their ids. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fake.h"
#include "meta/cgroup.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static void test_cgroup_paths(void)
{
	static const struct {
		const char *path;
		size_t n;
		char first;
	} t[] = {
		{ "/docker/" ID_A, 1, 'a' },
		{ "/system.slice/docker-" ID_A ".scope", 1, 'a' },
		{ "/system.slice/docker-" ID_A ".scope/system.slice/x.service", 1, 'a' },
		{ "/docker/" ID_A "/docker/" ID_B, 2, 'b' },
		{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/cri-containerd-" ID_A
		  ".scope",
		  1, 'a' },
		{ "/kubepods/besteffort/pod7/" ID_B, 1, 'b' },
		{ "/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" ID_A, 1, 'a' },
		{ "/kubepods.slice/x.slice/crio-" ID_A ".scope/container", 1, 'a' },
		{ "/kubepods.slice/x.slice/crio-conmon-" ID_A ".scope", 0, 0 },
		{ "/machine.slice/libpod-" ID_C ".scope", 1, 'c' },
		{ "/machine.slice/libpod-conmon-" ID_C ".scope", 0, 0 },
		{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID_C ".scope/container", 1, 'c' },
		{ "/default/" ID_A, 1, 'a' },
		{ "/../../docker/" ID_A, 1, 'a' },
		{ "/", 0, 0 },
		{ "", 0, 0 },
		{ "/user.slice/user-0.slice/session-1.scope", 0, 0 },
		{ "/docker/" ID_A "0", 0, 0 },
		{ "/docker/AAAA", 0, 0 },
		{ "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
		  "kubelet-kubepods-burstable-podx.slice/cri-containerd-" ID_A ".scope",
		  1, 'a' },
		{ "/kubelet/kubepods/burstable/podx/" ID_A, 1, 'a' },
		{ "/docker/" ID_A "/kubelet/kubepods/besteffort/pod1/" ID_B, 2, 'b' },
		{ "/machine.slice/libpod-" ID_A ".scope/libpod-payload-" ID_B, 2, 'b' },
		{ "/libpod_parent/libpod-" ID_C, 1, 'c' },
		{ "/libpod_parent/conmon", 0, 0 },
		{ "/kubepods/podx/crio-" ID_A, 1, 'a' },
		{ "/kubepods/podx/crio-conmon-" ID_A, 0, 0 },
		{ "/system.slice/crio-conmon-" ID_A ".scope/x", 0, 0 },
	};
	struct cgroup_name names[CGROUP_NAMES_MAX];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		size_t n = cgroup_containers(t[i].path, names);

		if (n != t[i].n || (n && (names[0].id[0] != t[i].first || names[0].id_len != 64)))
			CHECK_FAIL("%s: %zu names", t[i].path, n);
	}
	CHECK_INT(cgroup_namespaced("/tns/plain", names), 1);
	CHECK(names[0].ns_len == 3 && memcmp(names[0].ns, "tns", 3) == 0);
	CHECK(names[0].id_len == 5 && memcmp(names[0].id, "plain", 5) == 0);
	CHECK_INT(cgroup_namespaced("/system.slice/cron.service", names), 0);
	CHECK_INT(cgroup_namespaced("/a/b/c/d/e/f/g/h/i/j/k/l", names), CGROUP_NAMES_MAX);
}

/* As within "ip netns exec", where another /sys covers all of them. In a child, whose mounts are its own. */
static void test_find_without_mount(void)
{
	struct cgroup_fs seen, hidden = { .fd = -1 };
	char path[CGROUP_PATH_MAX] = "";
	uint64_t id;
	int status;
	pid_t pid;

	if (cgroup_open(&seen))
		CHECK_SKIP("no cgroup v2");
	mkdirat(seen.fd, "test_hidden", 0755);
	id = cgroup_id(&seen, "/test_hidden");
	if (!id)
		CHECK_SKIP("cannot make a cgroup");
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
			_exit(77);
		umount2("/sys", MNT_DETACH);
		if (cgroup_open(&hidden))
			_exit(1);
		if (hidden.root_id != seen.root_id || cgroup_id(&hidden, "/test_hidden") != id)
			_exit(2);
		if (cgroup_path(&hidden, id, path, sizeof(path)) || strcmp(path, "/test_hidden") != 0)
			_exit(3);
		_exit(cgroup_path(&hidden, hidden.root_id, path, sizeof(path)) || strcmp(path, "/") != 0 ? 4 : 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	unlinkat(seen.fd, "test_hidden", AT_REMOVEDIR);
	cgroup_close(&seen);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		CHECK_SKIP("cannot have mounts of our own");
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
}

static bool join(int cgroups, const char *procs)
{
	const int fd = openat(cgroups, procs, O_WRONLY | O_CLOEXEC);
	const bool joined = fd >= 0 && write(fd, "0", 1) == 1;

	if (fd >= 0)
		close(fd);
	return joined;
}

/* As in a container: our cgroup is the root then, and what is beside it has no path there. */
static void test_find_outside(void)
{
	struct cgroup_fs all, inside = { .fd = -1 };
	char path[CGROUP_PATH_MAX] = "";
	uint64_t id, beside;
	int status;
	pid_t pid;

	if (cgroup_open(&all))
		CHECK_SKIP("no cgroup v2");
	mkdirat(all.fd, "test_inside", 0755);
	mkdirat(all.fd, "test_beside", 0755);
	id = cgroup_id(&all, "/test_inside");
	beside = cgroup_id(&all, "/test_beside");
	if (!id || !beside)
		CHECK_SKIP("cannot make a cgroup");
	pid = fork();
	if (pid == 0) {
		if (!join(all.fd, "test_inside/cgroup.procs") || unshare(CLONE_NEWNS | CLONE_NEWCGROUP) ||
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
			_exit(77);
		umount2("/sys", MNT_DETACH);
		if (cgroup_open(&inside) || inside.root_id != id)
			_exit(1);
		if (cgroup_path(&inside, id, path, sizeof(path)) || strcmp(path, "/") != 0)
			_exit(2);
		_exit(cgroup_path(&inside, beside, path, sizeof(path)) != -EXDEV ? 3 : 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	unlinkat(all.fd, "test_inside", AT_REMOVEDIR);
	unlinkat(all.fd, "test_beside", AT_REMOVEDIR);
	cgroup_close(&all);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		CHECK_SKIP("cannot have mounts of our own");
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
}

/* Folders below this descriptor, which nobody has, are these; others are gone. */
enum { FAKED = 12345 };

static const struct folder {
	const char *path;
	uid_t owner;
} * folders;

int __real_fstatat(int fd, const char *path, struct stat *st, int flags);

FAKE(int, fstatat, int fd, const char *path, struct stat *st, int flags)
{
	if (fd != FAKED)
		return __real_fstatat(fd, path, st, flags);
	for (const struct folder *f = folders; f->path; f++) {
		if (strcmp(f->path, path) != 0)
			continue;
		*st = (struct stat){ .st_uid = f->owner, .st_mode = S_IFDIR | 0755 };
		return 0;
	}
	errno = ENOENT;
	return -1;
}

/* A user who was given a folder names nothing as if root had, whatever has gone since, and has named what is below it. */
static void test_maker(void)
{
	static const char path[] = "/root/user/sub/scope";
	static const struct {
		struct folder folders[6];
		uint32_t maker;
	} t[] = {
		{ { { ".", 0 },
		    { "root", 0 },
		    { "root/user", 7 },
		    { "root/user/sub", 7 },
		    { "root/user/sub/scope", 7 } },
		  7 },
		{ { { ".", 0 },
		    { "root", 0 },
		    { "root/user", 7 },
		    { "root/user/sub", 7 },
		    { "root/user/sub/scope", 0 } },
		  0 },
		{ { { ".", 0 },
		    { "root", 0 },
		    { "root/user", 0 },
		    { "root/user/sub", 0 },
		    { "root/user/sub/scope", 7 } },
		  0 },
		{ { { ".", 0 }, { "root", 0 }, { "root/user", 0 }, { "root/user/sub", 0 } }, 0 },
		{ { { ".", 0 }, { "root", 0 }, { "root/user", 7 }, { "root/user/sub", 7 } }, 7 },
		/* its folder has gone, too */
		{ { { ".", 0 }, { "root", 0 }, { "root/user", 7 } }, 7 },
		{ { { ".", 0 }, { "root", 0 } }, CGROUP_MAKER_GONE },
		{ { { ".", 0 } }, CGROUP_MAKER_GONE },
		{ { { ".", 7 } }, 7 },
		{ { { NULL, 0 } }, CGROUP_MAKER_GONE },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		folders = t[i].folders;
		CHECK_INT(cgroup_maker(FAKED, path, strlen(path)), t[i].maker);
	}
	folders = t[0].folders;
	CHECK_INT(cgroup_maker(FAKED, "/x", 2), 0);
	CHECK_INT(cgroup_maker(FAKED, "/root/x/y", 9), CGROUP_MAKER_GONE);
	CHECK_INT(cgroup_maker(FAKED, "/../x", 5), CGROUP_MAKER_HIDDEN);
	CHECK_INT(cgroup_maker(FAKED, "/", 1), CGROUP_MAKER_HIDDEN);
	CHECK_INT(cgroup_maker(-1, "/x", 2), CGROUP_MAKER_HIDDEN);
}

int main(void)
{
	RUN(test_cgroup_paths);
	RUN(test_find_without_mount);
	RUN(test_find_outside);
	RUN(test_maker);
	return check_status();
}
