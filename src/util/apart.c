/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/caps.h"
#include "util/fd.h"

enum { NOBODY = 65534 };

/* A container's root may not become anybody, and has few capabilities to lose. */
static int give_up(size_t max)
{
	const struct rlimit limit = { max, max };
	const struct caps none = { 0 };

	if (setrlimit(RLIMIT_FSIZE, &limit))
		return -errno;
	if (geteuid() == 0 && setgroups(0, NULL) == 0 &&
	    (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)))
		return -errno;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : caps_set(&none);
}

int apart_run(int keep, size_t max, void (*work)(const void *arg, int keep, void *result), const void *arg,
	      void *result, size_t size)
{
	int pair[2], err;
	size_t done;
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid == 0) {
		fd_ignore_signals();
		fd_close_all_but(keep, pair[1]);
		if (give_up(max))
			_exit(1);
		work(arg, keep, result);
		_exit(fd_write(pair[1], result, size, NULL, &done) ? 1 : 0);
	}
	err = pid < 0 ? -errno : 0;
	close(pair[1]);
	if (!err && fd_read_all(pair[0], result, size))
		err = -ECHILD;
	close(pair[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return err;
}
