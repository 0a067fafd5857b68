/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/socket_copy.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* libc's headers may be older. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

/* Returns the copy or -errno. */
static int copy_of(uint32_t pid, int fd)
{
	const int process = (int)syscall(SYS_pidfd_open, pid, 0);
	int copy;

	if (process < 0)
		return -errno;
	copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
	if (copy < 0)
		copy = -errno;
	close(process);
	return copy;
}

/* Its process may have closed it, /proc may be of another pid namespace. */
static bool is_socket(int fd, uint64_t inode)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == inode;
}

static int cookie_of(int fd, uint64_t *cookie)
{
	socklen_t size = sizeof(int);
	int family;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size))
		return -errno;
	if (family != AF_INET && family != AF_INET6 && family != AF_PACKET)
		return -EPROTONOSUPPORT;
	size = sizeof(*cookie);
	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &size) ? -errno : 0;
}

int socket_copy_cookie(uint32_t pid, int fd, uint64_t inode, uint64_t *cookie)
{
	const int copy = copy_of(pid, fd);
	int err;

	if (copy < 0)
		return copy;
	err = is_socket(copy, inode) ? cookie_of(copy, cookie) : -ENOENT;
	close(copy);
	return err;
}
