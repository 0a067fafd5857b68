/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/runtime/user_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/local.h"

static const char *const roots[] = { "/run/user/", "/var/run/user/" };

const char *user_socket_root(void)
{
	return roots[access(roots[0], F_OK) != 0 && access(roots[1], F_OK) == 0];
}

/* Length of the root that path is below; 0: of none. */
static size_t root_of(const char *path)
{
	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		if (strncmp(path, roots[i], strlen(roots[i])) == 0)
			return strlen(roots[i]);
	}
	return 0;
}

uid_t user_socket_owner(const char *path)
{
	const size_t n = root_of(path);
	unsigned long uid;
	char *end;

	if (n == 0 || path[n] < '1' || path[n] > '9')
		return 0;
	uid = strtoul(path + n, &end, 10);
	return *end == '/' && uid < UINT32_MAX ? (uid_t)uid : 0;
}

/* *dev: of the folder above, then of this. Only the user's own folder may be a mount. */
static int check(int fd, uid_t uid, mode_t type, dev_t *dev, bool may_be_mount)
{
	struct local_file file;
	int err = local_look(fd, &file);

	if (err)
		return err;
	if (file.dev != *dev && (!may_be_mount || local_is_served(fd)))
		return -EXDEV;
	*dev = file.dev;
	if (file.type != type)
		return type == S_IFSOCK ? -ENOTSOCK : -ENOTDIR;
	return file.uid == uid ? 0 : -EPERM;
}

/* The folder that all of them have theirs in. */
static int open_root(const char *path, dev_t *dev)
{
	char root[32];
	struct local_file file;
	int fd, err;

	snprintf(root, sizeof(root), "%.*s", (int)root_of(path), path);
	fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = local_look(fd, &file);
	if (err) {
		close(fd);
		return err;
	}
	*dev = file.dev;
	return fd;
}

int user_socket_find(const char *path)
{
	const uid_t uid = user_socket_owner(path);
	char part[sizeof(((struct sockaddr_un *)0)->sun_path)];
	dev_t dev = 0;
	int at, err = 0;

	if (!uid || strlen(path) >= sizeof(part) || strstr(path, ".."))
		return -EINVAL;
	at = open_root(path, &dev);
	path += root_of(path);
	for (bool first = true; at >= 0 && !err; first = false) {
		const size_t n = strcspn(path, "/");
		const bool last = path[n] == '\0';
		const int from = at;

		snprintf(part, sizeof(part), "%.*s", (int)n, path);
		at = openat(from, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		err = at < 0 ? -errno : check(at, uid, last ? S_IFSOCK : S_IFDIR, &dev, first);
		close(from);
		if (last)
			break;
		path += n + 1;
	}
	if (err && at >= 0)
		close(at);
	return err ? err : at;
}
