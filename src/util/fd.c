/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	WAIT_MS = 100,
	WAITS = 10,
	DESCRIPTORS_MAX = 1 << 20, /* the kernel's own, fs.nr_open, unless it is raised */
	FD_CLOSE_ON_EXEC = 1 << 2, /* CLOSE_RANGE_CLOEXEC of linux/close_range.h, which older headers lack */
};

bool fd_asked_to_end(const volatile sig_atomic_t *interrupted)
{
	sigset_t pending;

	if (interrupted)
		return *interrupted;
	return sigpending(&pending) == 0 && (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM));
}

int fd_wait(int fd, short events, const volatile sig_atomic_t *interrupted)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	for (unsigned waits = 0; waits < WAITS;) {
		const int n = poll(&pfd, 1, WAIT_MS);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (fd_asked_to_end(interrupted))
			waits++;
	}
	return -EINTR;
}

int fd_write(int fd, const void *p, size_t n, const volatile sig_atomic_t *interrupted, size_t *done)
{
	struct stat st;
	/* A pipe that takes anything takes PIPE_BUF bytes without blocking (pipe(7)). */
	const bool stalls = fstat(fd, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode);

	for (*done = 0; *done < n;) {
		const size_t rest = n - *done,
			     chunk = stalls && !S_ISCHR(st.st_mode) && rest > PIPE_BUF ? PIPE_BUF : rest;
		int err = stalls ? fd_wait(fd, POLLOUT, interrupted) : 0;
		ssize_t got;

		if (err)
			return err;
		got = write(fd, (const uint8_t *)p + *done, chunk);
		if (got == 0)
			return -EIO;
		if (got > 0)
			*done += (size_t)got;
		else if (errno != EINTR && errno != EAGAIN)
			return -errno;
	}
	return 0;
}

struct range {
	unsigned first, last;
};

/* All of these that are open. False: they are not listed. */
static bool each_open(const struct range *range, void (*call)(int fd))
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;

	if (!dir)
		return false;
	while ((d = readdir(dir))) {
		const unsigned fd = (unsigned)atoi(d->d_name);

		if (*d->d_name != '.' && fd >= range->first && fd <= range->last && (int)fd != dirfd(dir))
			call((int)fd);
	}
	closedir(dir);
	return true;
}

static void close_in_programs(int fd)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* Linux 5.11 has it in one call. */
void fd_close_in_programs(void)
{
	const struct range range = { STDERR_FILENO + 1, ~0U };

	if (syscall(SYS_close_range, range.first, range.last, FD_CLOSE_ON_EXEC) != 0)
		each_open(&range, close_in_programs);
}

static void close_one(int fd)
{
	close(fd);
}

/* Linux 5.9 has close_range(), but a filter of system calls around us, such as Docker's before 20.10.7, may refuse it. */
int fd_close_range(unsigned first, unsigned last)
{
	const struct range range = { first, last };
	struct rlimit limit;

	if (first > last || syscall(SYS_close_range, first, last, 0) == 0 || each_open(&range, close_one))
		return 0;
	/* Some may have been opened before the soft limit was lowered. */
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return -errno;
	for (unsigned fd = first; fd <= last && fd < limit.rlim_max && fd < DESCRIPTORS_MAX; fd++)
		close((int)fd);
	return 0;
}

int fd_close_all_but(int one, int other)
{
	const unsigned low = (unsigned)(other < 0 || one < other ? one : other);
	const unsigned high = (unsigned)(one < other ? other : one);
	const int below = fd_close_range(STDERR_FILENO + 1, low - 1), between = fd_close_range(low + 1, high - 1),
		  above = fd_close_range(high + 1, ~0U);

	return below ? below : between ? between : above;
}

ssize_t fd_read_text(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size - 1 && ((n = read(fd, buf + len, size - 1 - len)) > 0 || (n < 0 && errno == EINTR)))
		len += n > 0 ? (size_t)n : 0;
	buf[len] = '\0';
	return (ssize_t)len;
}

void fd_ignore_signals(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

union passed {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

int fd_serve_only(int fd, bool messages)
{
	static const int ignored[] = { SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGTSTP, SIGPIPE, SIGUSR1, SIGUSR2, SIGXFSZ };
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	if (null < 0)
		return -errno;
	for (int i = STDIN_FILENO; i <= (messages ? STDOUT_FILENO : STDERR_FILENO); i++) {
		if (dup2(null, i) < 0)
			return -errno;
	}
	if (dup2(fd, FD_SERVED) < 0)
		return -errno;
	return fd_close_range(FD_SERVED + 1, ~0U);
}

int fd_read_all(int fd, void *p, size_t n)
{
	char *at = p;

	while (n) {
		const ssize_t got = read(fd, at, n);

		if (got == 0)
			return -EPIPE;
		if (got < 0 && errno != EINTR)
			return -errno;
		at += got > 0 ? got : 0;
		n -= got > 0 ? (size_t)got : 0;
	}
	return 0;
}

int fd_send(int socket, const void *p, size_t n, int fd)
{
	union passed passed = {
		.header = { .cmsg_len = CMSG_LEN(sizeof(fd)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS }
	};
	struct iovec iov = { (void *)(uintptr_t)p, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		msg.msg_control = &passed;
		msg.msg_controllen = sizeof(passed);
		memcpy(CMSG_DATA(&passed.header), &fd, sizeof(fd));
	}
	for (;;) {
		const ssize_t sent = sendmsg(socket, &msg, MSG_NOSIGNAL);

		if (sent >= 0)
			return (size_t)sent == n ? 0 : -EIO;
		if (errno != EINTR)
			return -errno;
	}
}

int fd_receive(int socket, void *p, size_t n, int *fd)
{
	union passed passed = { 0 };
	struct iovec iov = { p, n };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &passed, .msg_controllen = sizeof(passed)
	};
	ssize_t got;

	*fd = -1;
	do
		got = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got ? -errno : -EPIPE;
	if (msg.msg_controllen && passed.header.cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(&passed.header), sizeof(*fd));
	return fd_read_all(socket, (char *)p + got, n - (size_t)got);
}
