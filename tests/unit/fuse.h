/* SPDX-License-Identifier: BSD-3-Clause */
/* A file system as any user may mount it: it tells what its root is, and answers nothing else, ever. */
#ifndef FUSE_H
#define FUSE_H

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline void fuse_answer(int fd, uint64_t unique, const void *body, size_t n)
{
	char text[512];
	const struct fuse_out_header h = { .len = (uint32_t)(sizeof(h) + n), .unique = unique };

	memcpy(text, &h, sizeof(h));
	memcpy(text + sizeof(h), body, n);
	if (write(fd, text, sizeof(h) + n) < 0)
		_exit(1);
}

static inline void fuse_serve(int fd, uid_t uid)
{
	static char request[1 << 18];
	const struct fuse_in_header *h = (const void *)request;

	while (read(fd, request, sizeof(request)) > 0) {
		const struct fuse_init_out init = {
			.major = 7, .minor = 31, .max_write = 65536, .max_readahead = 65536
		};
		const struct fuse_attr_out attr = {
			.attr_valid = 1000,
			.attr = { .ino = 1, .mode = S_IFDIR | 0700, .nlink = 2, .uid = uid, .gid = uid },
		};

		if (h->opcode == FUSE_INIT)
			fuse_answer(fd, h->unique, &init, sizeof(init));
		else if (h->opcode == FUSE_GETATTR)
			fuse_answer(fd, h->unique, &attr, sizeof(attr));
	}
}

/* Mounts one there, of that user, in our own mount namespace. The pid of who serves it, or 0. */
static inline pid_t fuse_mount(const char *folder, uid_t uid)
{
	const int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[128];
	pid_t pid;

	snprintf(options, sizeof(options), "fd=%d,rootmode=40700,user_id=%u,group_id=%u,allow_other", fd, uid, uid);
	if (fd < 0 || mount("hang", folder, "fuse", MS_NOSUID | MS_NODEV, options))
		return 0;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fuse_serve(fd, uid);
		_exit(0);
	}
	close(fd);
	return pid;
}

enum { FUSE_HUNG = -1, FUSE_NO_MOUNTS = 77 };

/*
 * Runs look in a process where such a file system is mounted over folder; its status, FUSE_HUNG when it does not end, or
 * FUSE_NO_MOUNTS. What it makes is gone afterwards: without who serves it, what waits for it goes on.
 */
static inline int fuse_try(const char *folder, uid_t uid, int (*look)(void))
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int status = -1, pids[2] = { -1, -1 };
	pid_t server = 0, pid;
	struct stat st;

	if (pipe(pids))
		return FUSE_NO_MOUNTS;
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("users", "/mnt", "tmpfs", 0, NULL) || (mkdir(folder, 0700) && errno != EEXIST))
			_exit(FUSE_NO_MOUNTS);
		server = fuse_mount(folder, uid);
		/* What it tells of its root is known from then on. */
		if (!server || stat(folder, &st) || write(pids[1], &server, sizeof(server)) < 0)
			_exit(FUSE_NO_MOUNTS);
		_exit(look());
	}
	close(pids[1]);
	if (read(pids[0], &server, sizeof(server)) != sizeof(server))
		server = 0;
	close(pids[0]);
	for (int i = 0; i < 300 && waitpid(pid, &status, WNOHANG) == 0; i++)
		nanosleep(&pause, NULL);
	if (server)
		kill(server, SIGKILL);
	if (status == -1) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return FUSE_HUNG;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

#endif
