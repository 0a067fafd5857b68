/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/fd.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_MS = 100, WAITS = 10 };

static bool asked_to_end(const volatile sig_atomic_t *interrupted)
{
	sigset_t pending;

	if (interrupted)
		return *interrupted;
	return sigpending(&pending) == 0 && (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM));
}

static int wait_writable(int fd, const volatile sig_atomic_t *interrupted)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	for (unsigned waits = 0; waits < WAITS;) {
		const int n = poll(&pfd, 1, WAIT_MS);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (asked_to_end(interrupted))
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
		int err = stalls ? wait_writable(fd, interrupted) : 0;
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

void fd_ignore_signals(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
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
