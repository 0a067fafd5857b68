/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/runtime/user_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

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

/* DONT_SYNC: a FUSE file system, which a user may mount there, is not asked and cannot keep us waiting. */
static int check(int fd, uid_t uid, mode_t type, dev_t *dev)
{
	struct statx st;
	dev_t here;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_UID, &st) < 0)
		return -errno;
	here = makedev(st.stx_dev_major, st.stx_dev_minor);
	if (*dev && here != *dev)
		return -EXDEV;
	*dev = here;
	if ((st.stx_mode & S_IFMT) != type)
		return type == S_IFSOCK ? -ENOTSOCK : -ENOTDIR;
	return st.stx_uid == uid ? 0 : -EPERM;
}

int user_socket_find(const char *path)
{
	const uid_t uid = user_socket_owner(path);
	char part[sizeof(((struct sockaddr_un *)0)->sun_path)];
	size_t n = root_of(path);
	int err = -EINVAL, at = AT_FDCWD;
	dev_t dev = 0;

	if (!uid || strlen(path) >= sizeof(part) || strstr(path, ".."))
		return -EINVAL;
	n += strcspn(path + n, "/");
	for (;; path += n + 1, n = strcspn(path, "/")) {
		const bool last = path[n] == '\0';
		const int from = at;

		memcpy(part, path, n);
		part[n] = '\0';
		at = openat(from, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		err = at < 0 ? -errno : check(at, uid, last ? S_IFSOCK : S_IFDIR, &dev);
		if (from >= 0)
			close(from);
		if (err || last)
			break;
	}
	if (err && at >= 0)
		close(at);
	return err ? err : at;
}
