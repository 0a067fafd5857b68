/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/expedite.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/fd.h"

void expedite_open(struct expedite *e, const char *path)
{
	e->guard = -1;
	e->fd = open(path, O_RDWR | O_CLOEXEC);
}

static bool set(int fd, int value)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", value);

	return pwrite(fd, text, (size_t)n, 0) == n;
}

/* Whether it is of nobody but us. */
static bool is_ours(int fd)
{
	char text[16] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	long value = n > 0 ? strtol(text, NULL, 0) : -1;

	return value == 0 || value == EXPEDITED_BY_US;
}

/*
 * The lock is shared by the guards of all captures, and to ask for it alone gives up one's own share first: of several, the last
 * one gets it. Parent and guard have one lock, as they have the file from one open().
 */
static void reset(int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		set(fd, 0);
	flock(fd, LOCK_UN);
}

/* Nothing of the parent may stay open here: its links and maps live as long as somebody has them. */
static _Noreturn void guard(int fd, int parent)
{
	sigset_t all;
	char c = 0;

	setsid();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	prctl(PR_SET_NAME, "ptcpdump-guard");
	if (dup2(fd, STDIN_FILENO) < 0 || dup2(parent, STDOUT_FILENO) < 0 || fd_close_range(STDERR_FILENO, ~0U) != 0)
		_exit(1);
	/* Nobody is waited for: another one resets it in this moment, or it is somebody else's lock. */
	if (flock(STDIN_FILENO, LOCK_SH | LOCK_NB) != 0 || !set(STDIN_FILENO, EXPEDITED_BY_US) ||
	    write(STDOUT_FILENO, &c, 1) != 1)
		_exit(1);
	while (read(STDOUT_FILENO, &c, 1) > 0)
		;
	reset(STDIN_FILENO);
	_exit(0);
}

void expedite_begin(struct expedite *e)
{
	int pair[2];
	char c;

	if (e->fd < 0 || e->guard >= 0 || !is_ours(e->fd) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return;
	e->pid = fork();
	if (e->pid == 0)
		guard(e->fd, pair[1]);
	close(pair[1]);
	e->guard = pair[0];
	/* It ends at once where it cannot do it. */
	if (e->pid < 0 || read(e->guard, &c, 1) != 1)
		expedite_end(e);
}

void expedite_end(struct expedite *e)
{
	int status = 0;

	if (e->guard < 0)
		return;
	close(e->guard);
	e->guard = -1;
	/* It was killed, or could not do all. */
	if (e->pid > 0 && (waitpid(e->pid, &status, 0) != e->pid || status != 0))
		reset(e->fd);
}

bool expedite_clean(const char *path)
{
	char text[16] = "";
	const int fd = open(path, O_RDWR | O_CLOEXEC);
	bool stale = false;

	if (fd < 0)
		return false;
	/* A guard that lives has its share of the lock. */
	if (pread(fd, text, sizeof(text) - 1, 0) > 0 && strtol(text, NULL, 0) == EXPEDITED_BY_US &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0)
		stale = set(fd, 0);
	close(fd);
	return stale;
}

void expedite_close(struct expedite *e)
{
	expedite_end(e);
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
}
