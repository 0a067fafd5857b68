/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/fd.h"

enum { DESCRIPTORS = 4096 }; /* that procfs_each_fd() looks at */

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */

uint64_t procfs_tick_ns(void)
{
	long hz = sysconf(_SC_CLK_TCK);

	return 1000000000ULL / (uint64_t)(hz > 0 ? hz : 100);
}

/* Start times from /proc are whole ticks. Two processes of one pid cannot have started in the same tick, short of all
 * other pids having been used in between. */
bool procfs_same_start(uint64_t tick, uint64_t a, uint64_t b)
{
	if (a == b)
		return true;
	if (a % tick && b % tick)
		return false;
	return a / tick == b / tick;
}

int procfs_read(uint32_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	int fd, len;

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	len = (int)fd_read_text(fd, buf, size);
	close(fd);
	return len;
}

int procfs_link(uint32_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	n = readlink(path, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return (int)n;
}

void procfs_each_fd(uint32_t pid, bool (*take)(void *arg, const char *target), void *arg)
{
	char path[64], target[64];
	bool more = true;
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	dir = opendir(path);
	for (int i = 0; dir && more && i < DESCRIPTORS && (d = readdir(dir)); i++) {
		const ssize_t n = readlinkat(dirfd(dir), d->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		more = take(arg, target);
	}
	if (dir)
		closedir(dir);
}

int procfs_exe(uint32_t pid, char *buf, size_t size)
{
	static const char deleted[] = " (deleted)";
	const int mark = (int)sizeof(deleted) - 1;
	int n = procfs_link(pid, "exe", buf, size);

	if (n > mark && strcmp(buf + n - mark, deleted) == 0) {
		n -= mark;
		buf[n] = '\0';
	}
	return n;
}

uint32_t procfs_uid(uint32_t pid)
{
	char status[4096], *line;
	unsigned uid = 0;

	if (procfs_read(pid, "status", status, sizeof(status)) > 0 && (line = strstr(status, "\nUid:")))
		sscanf(line + 5, "%u", &uid);
	return uid;
}

uint32_t procfs_namespace(uint32_t pid, const char *name)
{
	char path[64];
	struct stat st;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%u/ns/%s", pid, name);
	else
		snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return stat(path, &st) ? 0 : (uint32_t)st.st_ino;
}

/* The comm may hold anything, ") S 1" too: the last parenthesis ends it (proc(5)). */
int procfs_stat(uint32_t pid, struct procfs_stat *ret)
{
	char buf[1024], *open_paren, *close_paren;
	unsigned long long ticks;
	unsigned flags;
	size_t len;
	int n;

	n = procfs_read(pid, "stat", buf, sizeof(buf));
	if (n <= 0)
		return n < 0 ? n : -ESRCH;
	open_paren = memchr(buf, '(', (size_t)n);
	close_paren = memrchr(buf, ')', (size_t)n);
	if (!open_paren || !close_paren || close_paren < open_paren ||
	    sscanf(close_paren + 1, " %c %u %*d %*d %u %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &ret->state, &ret->parent, &ret->tty, &flags, &ticks) != 5)
		return -EBADMSG;
	len = (size_t)(close_paren - open_paren - 1);
	if (len >= sizeof(ret->comm))
		len = sizeof(ret->comm) - 1;
	memset(ret->comm, 0, sizeof(ret->comm));
	memcpy(ret->comm, open_paren + 1, len);
	ret->kernel_thread = flags & PF_KTHREAD;
	ret->start = ticks * procfs_tick_ns();
	return 0;
}

uint64_t procfs_start(uint32_t pid)
{
	struct procfs_stat st;

	return procfs_stat(pid, &st) || st.state == 'Z' ? 0 : st.start;
}

bool procfs_is_pid(const char *s, uint32_t *ret)
{
	unsigned long n;
	char *end;

	if (*s < '1' || *s > '9')
		return false;
	n = strtoul(s, &end, 10);
	if (*end || n > INT32_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}
