/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/caps.h"
#include "util/cgroup2.h"
#include "util/procfs.h"

enum {
	CONTAINER_ID_LEN = 64,
	FILEID_KERNFS = 0xfe, /* include/linux/exportfs.h: the handle is the 64-bit kernfs id */
};

static int open_mounted(const char *controller)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	int fd = -1;

	while (f && fd < 0 && (m = getmntent(f))) {
		if (strcmp(m->mnt_type, "cgroup") == 0 && hasmntopt(m, controller))
			fd = cgroup_open_root(AT_FDCWD, m->mnt_dir, CGROUP_SUPER_MAGIC);
	}
	if (f)
		endmntent(f);
	return fd;
}

/* "CONTROLLER,CONTROLLER", "name=systemd": what the hierarchy is mounted with. */
static int configure(int fs, char *controllers)
{
	int err = 0;

	for (char *word; !err && (word = strsep(&controllers, ","));) {
		if (strncmp(word, "name=", 5) == 0)
			err = (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "name", word + 5, 0);
		else
			err = (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, word, NULL, 0);
	}
	return err ? err : (int)syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

/* As within "ip netns exec", where another /sys covers all of them. */
static int open_hidden(char *controllers)
{
	const int fs = (int)syscall(SYS_fsopen, "cgroup", FSOPEN_CLOEXEC);
	int mount, fd = -1;

	if (fs < 0)
		return -1;
	mount = configure(fs, controllers) ? -1 : (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	if (mount >= 0) {
		fd = cgroup_open_root(mount, ".", CGROUP_SUPER_MAGIC);
		close(mount);
	}
	close(fs);
	return fd;
}

/* line: "HIERARCHY:CONTROLLER,CONTROLLER:PATH". The root, -1 hidden. */
static int v1_root(struct cgroup_fs *fs, const char *line)
{
	struct cgroup_v1 v = { .fd = -1 };
	const char *controllers = strchr(line, ':') + 1;
	char all[sizeof(v.controllers)];

	snprintf(v.controllers, sizeof(v.controllers), "%.*s", (int)strcspn(controllers, ":"), controllers);
	for (size_t i = 0; i < fs->nhierarchies; i++) {
		if (strcmp(fs->hierarchies[i].controllers, v.controllers) == 0)
			return fs->hierarchies[i].fd;
	}
	if (fs->nhierarchies == CGROUP_V1_MAX)
		return -1;
	snprintf(all, sizeof(all), "%.*s", (int)strcspn(v.controllers, ","), v.controllers);
	v.fd = open_mounted(all);
	if (v.fd < 0) {
		memcpy(all, v.controllers, sizeof(all));
		v.fd = open_hidden(all);
	}
	fs->hierarchies[fs->nhierarchies++] = v;
	return v.fd < 0 ? -1 : v.fd;
}

/* By our own line: where the mounts of version 1 are hidden, a container's processes are still in them. All of them are opened now,
 * while we may; later ones are those of who mounts one meanwhile. */
static void open_v1(struct cgroup_fs *fs)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char *line = NULL;
	size_t cap = 0;

	while (f && getline(&line, &cap, f) > 0) {
		if (strncmp(line, "0::", 3) == 0 || !strchr(line, ':'))
			continue;
		fs->v1 = true;
		v1_root(fs, line);
	}
	free(line);
	if (f)
		fclose(f);
}

int cgroup_open(struct cgroup_fs *fs)
{
	struct stat st;

	*fs = (struct cgroup_fs){ .fd = cgroup2_open() };
	open_v1(fs);
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
	/* What is outside of our cgroup namespace has no path in the mount, and is shown as this. */
	return strcmp(path, "/") == 0 && id != fs->root_id ? -EXDEV : 0;
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

/*
 * By the nearest folder above that is still there. All below a user's is that user's. But root's may have held one that was given to a
 * user and has gone, too, so only what was made in it directly is root's for sure.
 */
static uint32_t maker_by_folders(int hierarchy, char *folder)
{
	bool directly = true;
	struct stat st;

	while (*folder) {
		char *slash = strrchr(folder, '/');

		*(slash ? slash : folder) = '\0';
		if (fstatat(hierarchy, *folder ? folder : ".", &st, AT_SYMLINK_NOFOLLOW) == 0)
			return directly || st.st_uid ? st.st_uid : CGROUP_MAKER_GONE;
		directly = false;
	}
	return CGROUP_MAKER_GONE;
}

uint32_t cgroup_maker(int hierarchy, const char *path, size_t len)
{
	char folder[CGROUP_PATH_MAX];
	struct stat st;

	while (len && *path == '/') {
		path++;
		len--;
	}
	/* What is beside the root of our cgroup namespace is seen as "/..". */
	if (hierarchy < 0 || !len || len >= sizeof(folder) || strcmp(path, "..") == 0 || strncmp(path, "../", 3) == 0)
		return CGROUP_MAKER_HIDDEN;
	memcpy(folder, path, len);
	folder[len] = '\0';
	if (fstatat(hierarchy, folder, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == 0)
		return 0;
	return maker_by_folders(hierarchy, folder);
}

/* "HIERARCHY:CONTROLLERS:PATH", cgroups(7); version 2 is "0::PATH". */
struct line {
	const char *text, *path;
	bool v2;
	int rank; /* how well it tells, 1: some path, 2: that of v2, 3: names a container, 4: as root named it */
};

static int root_of(struct cgroup_fs *fs, const struct line *l)
{
	return l->v2 ? fs->fd : v1_root(fs, l->text);
}

static struct line line_of(struct cgroup_fs *fs, const char *text)
{
	struct line l = { .text = text, .path = strchr(text, ':'), .v2 = strncmp(text, "0::", 3) == 0 };
	struct cgroup_name names[CGROUP_NAMES_MAX];

	l.path = l.path ? strchr(l.path + 1, ':') : NULL;
	if (!l.path)
		return l;
	l.path++;
	if (!cgroup_containers(l.path, names))
		l.rank = l.v2 ? 2 : 1;
	else
		l.rank = cgroup_maker(root_of(fs, &l), l.path, (size_t)(names[0].folder_end - l.path)) ? 3 : 4;
	return l;
}

static int pid_path(struct cgroup_fs *fs, uint32_t pid, struct cgroup_where *ret, bool only_v2)
{
	struct line best = { .path = "" };
	char buf[16384];
	char *rest = buf;
	char *text;
	const int n = procfs_read(pid, "cgroup", buf, sizeof(buf));

	if (n <= 0)
		return n ? n : -ESRCH;
	while ((text = next_line(&rest))) {
		const struct line l = line_of(fs, text);

		/* The v2 line comes last: it wins over an equal one. */
		if ((l.v2 || !only_v2) && (l.rank > best.rank || (l.rank == best.rank && l.v2)))
			best = l;
	}
	snprintf(ret->path, sizeof(ret->path), "%s", best.path);
	ret->v2 = best.v2;
	ret->hierarchy = best.rank ? root_of(fs, &best) : -1;
	return 0;
}

int cgroup_of_pid(struct cgroup_fs *fs, uint32_t pid, struct cgroup_where *ret)
{
	return pid_path(fs, pid, ret, false);
}

int cgroup_v2_of_pid(struct cgroup_fs *fs, uint32_t pid, struct cgroup_where *ret)
{
	return pid_path(fs, pid, ret, true);
}

/* The part of a component that is a container's id; conmon is podman's and CRI-O's monitor, outside of the container. */
static bool component_id(const char *s, size_t n, struct cgroup_name *ret)
{
	static const char suffix[] = ".scope";
	const char *const end = s + n;

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
	*ret = (struct cgroup_name){ .id = s + n - CONTAINER_ID_LEN, .id_len = CONTAINER_ID_LEN, .folder_end = end };
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
			ret[found++] = (struct cgroup_name){
				.id = id, .id_len = id_len, .ns = s, .ns_len = n, .folder_end = id + id_len
			};
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
	for (size_t i = 0; i < fs->nhierarchies; i++) {
		if (fs->hierarchies[i].fd >= 0)
			close(fs->hierarchies[i].fd);
	}
	fs->nhierarchies = 0;
}
