/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/cgroup2.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/procfs.h"

/* Another mount may lie upon the one that the list names: what is there now counts. */
int cgroup_open_root(int folder, const char *path, long magic)
{
	int fd = openat(folder, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;
	struct statfs st;

	if (fd < 0)
		return -errno;
	err = fstatfs(fd, &st) ? -errno : 0;
	if (!err && st.f_type == magic)
		return fd;
	close(fd);
	return err ? err : -ENOENT;
}

/* It need not be at /sys/fs/cgroup: beside v1 it is below. The first one is the root's. */
static int open_mounted(void)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	int fd = -ENOENT;

	if (!f)
		return -errno;
	while (fd < 0 && (m = getmntent(f)))
		if (strcmp(m->mnt_type, "cgroup2") == 0)
			fd = cgroup_open_root(AT_FDCWD, m->mnt_dir, CGROUP2_SUPER_MAGIC);
	endmntent(f);
	return fd;
}

/* glibc has these calls since 2.36 only. */
static int open_unmounted(void)
{
	int fs, mount, fd;

	fs = (int)syscall(SYS_fsopen, "cgroup2", FSOPEN_CLOEXEC);
	if (fs < 0)
		return -errno;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0)) {
		fd = -errno;
		goto out;
	}
	mount = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	if (mount < 0) {
		fd = -errno;
		goto out;
	}
	fd = cgroup_open_root(mount, ".", CGROUP2_SUPER_MAGIC);
	close(mount);
out:
	close(fs);
	return fd;
}

int cgroup2_open(void)
{
	int fd = open_mounted();

	return fd >= 0 ? fd : open_unmounted();
}

bool cgroup2_is_root(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_ino == CGROUP2_ROOT;
}

/* "0::/path" is its line. */
uint64_t cgroup2_of_pid(int root, uint32_t pid, char *scratch, size_t size)
{
	char *line, *end;
	struct stat st;

	if (root < 0 || procfs_read(pid, "cgroup", scratch, size) <= 0)
		return 0;
	line = strncmp(scratch, "0::", 3) == 0 ? scratch : strstr(scratch, "\n0::");
	if (!line)
		return 0;
	line = strchr(line, '/');
	if (!line)
		return 0;
	end = strchr(line, '\n');
	if (end)
		*end = '\0';
	line += strspn(line, "/");
	/* Outside of our cgroup namespace. */
	if (strcmp(line, "..") == 0 || strncmp(line, "../", 3) == 0)
		return 0;
	return fstatat(root, *line ? line : ".", &st, 0) == 0 ? st.st_ino : 0;
}
