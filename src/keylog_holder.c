/* SPDX-License-Identifier: BSD-3-Clause */
#include "keylog_holder.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/caps.h"
#include "util/fd.h"
#include "util/pidns.h"

/* Whoever gets our number after us hardly has a file of this one: programs that go on logging then open nothing. */
enum { HIGHEST = 65536 };

static int high_descriptor(int fd)
{
	struct rlimit limit;
	int high;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return -1;
	if (limit.rlim_max > HIGHEST)
		limit.rlim_max = HIGHEST;
	limit.rlim_cur = limit.rlim_max;
	high = (int)limit.rlim_cur - 1;
	return setrlimit(RLIMIT_NOFILE, &limit) ? -1 : dup2(fd, high);
}

/* Only this user, and who may look into its processes, gets at the file. */
static bool become(uint32_t uid, uint32_t gid)
{
	static const struct caps none;

	if (geteuid() == 0 && (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)))
		return false;
	return caps_set(&none) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0;
}

static _Noreturn void hold(int fd, int parent, uint32_t uid, uint32_t gid)
{
	const int high = high_descriptor(fd);
	sigset_t all;
	char c;

	setsid();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	prctl(PR_SET_NAME, "ptcpdump-keys");
	if (high < 0 || dup2(parent, STDIN_FILENO) < 0 || fd_close_range(STDIN_FILENO + 1, (unsigned)high - 1) ||
	    !become(uid, gid) || write(STDIN_FILENO, &high, sizeof(high)) != sizeof(high))
		_exit(1);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	_exit(0);
}

static int make_file(struct keylog_holder *h, uint32_t uid, uint32_t gid)
{
	h->fd = memfd_create("ptcpdump-keys", MFD_CLOEXEC);
	if (h->fd < 0 || fchmod(h->fd, 0600) || (geteuid() == 0 && fchown(h->fd, uid, gid)))
		return -errno;
	return 0;
}

static int start(struct keylog_holder *h, uint32_t uid, uint32_t gid)
{
	int pair[2], high = -1;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	h->pid = fork();
	if (h->pid == 0)
		hold(h->fd, pair[1], uid, gid);
	close(pair[1]);
	h->alive = pair[0];
	if (h->pid < 0)
		return -EAGAIN;
	if (read(h->alive, &high, sizeof(high)) != sizeof(high))
		return -EPERM;
	/* The command has the same /proc as we. */
	snprintf(h->path, sizeof(h->path), "/proc/%" PRIu32 "/fd/%d", pidns_shown(h->pid), high);
	return pidns_shown(h->pid) ? 0 : -ESRCH;
}

int keylog_holder_start(struct keylog_holder *h, uint32_t uid, uint32_t gid)
{
	int err;

	*h = (struct keylog_holder){ .fd = -1, .alive = -1 };
	err = make_file(h, uid, gid);
	if (!err)
		err = start(h, uid, gid);
	if (err)
		keylog_holder_end(h);
	return err;
}

void keylog_holder_end(struct keylog_holder *h)
{
	if (h->alive >= 0)
		close(h->alive);
	if (h->pid > 0)
		waitpid(h->pid, NULL, 0);
	if (h->fd >= 0)
		close(h->fd);
	*h = (struct keylog_holder){ .fd = -1, .alive = -1 };
}
