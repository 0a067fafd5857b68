/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/caps.h"
#include "util/cgroup2.h"

enum {
	CONTAINER_ID_LEN = 64,
	FILEID_KERNFS = 0xfe, /* include/linux/exportfs.h: the handle is the 64-bit kernfs id */
};

/* By our own line: where the mounts of version 1 are hidden, a container's processes are still in them. */
static bool has_v1(void)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char *line = NULL;
	bool v1 = false;
	size_t cap = 0;

	if (!f)
		return false;
	while (!v1 && getline(&line, &cap, f) > 0)
		v1 = strncmp(line, "0::", 3) != 0;
	free(line);
	fclose(f);
	return v1;
}

int cgroup_open(struct cgroup_fs *fs)
{
	struct stat st;

	*fs = (struct cgroup_fs){ .fd = cgroup2_open(), .v1 = has_v1() };
	if (fs->fd < 0) {
		const int err = fs->fd;

		fs->fd = -1;
		return err;
	}
	if (fstat(fs->fd, &st) == 0)
		fs->root_id = st.st_ino;
	return 0;
}

int cgroup_path(const struct cgroup_fs *fs, uint64_t id, char *path, size_t size)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + sizeof(uint64_t)];
	} h;
	char link[64], mount[CGROUP_PATH_MAX];
	ssize_t mount_len, len;
	bool raised;
	int fd, err;

	if (fs->fd < 0)
		return -ENOENT;
	h.handle.handle_bytes = sizeof(id);
	h.handle.handle_type = FILEID_KERNFS;
	memcpy(h.handle.f_handle, &id, sizeof(id));
	/* Handles bypass the folders above. */
	raised = caps_raise(CAP_DAC_READ_SEARCH);
	fd = open_by_handle_at(fs->fd, &h.handle, O_PATH | O_CLOEXEC);
	err = -errno;
	if (raised)
		caps_lower(CAP_DAC_READ_SEARCH);
	if (fd < 0)
		return err;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, size - 1);
	close(fd);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fs->fd);
	mount_len = readlink(link, mount, sizeof(mount) - 1);
	if (len < 0 || mount_len < 0)
		return -errno;
	path[len] = '\0';
	/* The root of a mount that nobody sees is "/". */
	if (mount_len > 1 && len >= mount_len && memcmp(path, mount, (size_t)mount_len) == 0)
		memmove(path, path + mount_len, (size_t)(len - mount_len) + 1);
	if (path[0] == '\0')
		snprintf(path, size, "/");
	return 0;
}

uint64_t cgroup_id(const struct cgroup_fs *fs, const char *path)
{
	struct stat st;

	while (*path == '/')
		path++;
	if (fs->fd < 0 || fstatat(fs->fd, *path ? path : ".", &st, 0) < 0)
		return 0;
	return st.st_ino;
}

static char *next_line(char **rest)
{
	char *line;

	do {
		line = strsep(rest, "\n");
	} while (line && !*line);
	return line;
}

static ssize_t read_proc_cgroup(uint32_t pid, char *buf, size_t size)
{
	char name[64];
	size_t len = 0;
	ssize_t n;
	int fd;

	snprintf(name, sizeof(name), "/proc/%u/cgroup", pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (len < size - 1) {
		n = read(fd, buf + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	buf[len] = '\0';
	return len ? (ssize_t)len : -ESRCH;
}

/* "HIERARCHY:CONTROLLERS:PATH", cgroups(7); version 2 is "0::PATH". */
static int pid_path(uint32_t pid, char *path, size_t size, bool only_v2, bool *v2)
{
	struct cgroup_name names[CGROUP_NAMES_MAX];
	char buf[16384];
	char *rest = buf;
	char *line;
	int best = 0; /* 1: some path, 2: the v2 path, 3: names a container */
	ssize_t n = read_proc_cgroup(pid, buf, sizeof(buf));

	if (n < 0)
		return (int)n;
	path[0] = '\0';
	*v2 = false;
	while ((line = next_line(&rest))) {
		const bool is_v2 = strncmp(line, "0::", 3) == 0;
		const char *p = strchr(line, ':');
		int rank;

		p = p ? strchr(p + 1, ':') : NULL;
		if (!p || (only_v2 && !is_v2))
			continue;
		p++;
		rank = cgroup_containers(p, names) ? 3 : is_v2 ? 2 : 1;
		/* The v2 line comes last: it wins over an equal one. */
		if (rank > best || (rank == best && is_v2)) {
			best = rank;
			*v2 = is_v2;
			snprintf(path, size, "%s", p);
		}
	}
	return 0;
}

int cgroup_of_pid(uint32_t pid, char *path, size_t size, bool *v2)
{
	return pid_path(pid, path, size, false, v2);
}

int cgroup_v2_of_pid(uint32_t pid, char *path, size_t size)
{
	bool v2;

	return pid_path(pid, path, size, true, &v2);
}

/* The part of a component that is a container's id; conmon is podman's and CRI-O's monitor, outside of the container. */
static bool component_id(const char *s, size_t n, struct cgroup_name *ret)
{
	static const char suffix[] = ".scope";

	if (n > sizeof(suffix) - 1 && memcmp(s + n - (sizeof(suffix) - 1), suffix, sizeof(suffix) - 1) == 0)
		n -= sizeof(suffix) - 1;
	if (n < CONTAINER_ID_LEN)
		return false;
	for (size_t i = n - CONTAINER_ID_LEN; i < n; i++) {
		if (!strchr("0123456789abcdef", s[i]))
			return false;
	}
	if (n > CONTAINER_ID_LEN && s[n - CONTAINER_ID_LEN - 1] != '-' && s[n - CONTAINER_ID_LEN - 1] != ':')
		return false;
	if (memmem(s, n - CONTAINER_ID_LEN, "conmon", 6))
		return false;
	*ret = (struct cgroup_name){ .id = s + n - CONTAINER_ID_LEN, .id_len = CONTAINER_ID_LEN };
	return true;
}

/* The last component that ends at or before *end; moves *end before it. */
static bool previous_component(const char *path, size_t *end, const char **s, size_t *n)
{
	size_t from;

	while (*end > 0 && path[*end - 1] == '/')
		(*end)--;
	from = *end;
	while (from > 0 && path[from - 1] != '/')
		from--;
	*s = path + from;
	*n = *end - from;
	*end = from;
	return *n > 0;
}

size_t cgroup_containers(const char *path, struct cgroup_name ret[CGROUP_NAMES_MAX])
{
	size_t end = strlen(path), found = 0, n;
	const char *s;

	while (found < CGROUP_NAMES_MAX && previous_component(path, &end, &s, &n)) {
		if (component_id(s, n, &ret[found]))
			found++;
	}
	return found;
}

static bool has_suffix(const char *s, size_t n, const char *suffix)
{
	const size_t len = strlen(suffix);

	return n > len && memcmp(s + n - len, suffix, len) == 0;
}

size_t cgroup_namespaced(const char *path, struct cgroup_name ret[CGROUP_NAMES_MAX])
{
	size_t end = strlen(path), found = 0, n, id_len = 0;
	const char *id = NULL;
	const char *s;

	while (found < CGROUP_NAMES_MAX && previous_component(path, &end, &s, &n)) {
		const bool systemd = has_suffix(s, n, ".slice") || has_suffix(s, n, ".service") ||
				     has_suffix(s, n, ".scope");

		if (id && !systemd)
			ret[found++] = (struct cgroup_name){ .id = id, .id_len = id_len, .ns = s, .ns_len = n };
		id = systemd ? NULL : s;
		id_len = n;
	}
	return found;
}

void cgroup_close(struct cgroup_fs *fs)
{
	if (fs->fd >= 0)
		close(fs->fd);
	fs->fd = -1;
}
