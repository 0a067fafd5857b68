/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/pidns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/procfs.h"

#define ANCESTORS 64

#define INIT_PIDNS 0xeffffffcu /* PROC_PID_INIT_INO, include/linux/proc_ns.h */

unsigned pidns_parse(const char *text, uint32_t *ret)
{
	const char *p = strstr(text, "\nNSpid:");
	unsigned n = 0;

	*ret = 0;
	/* A kernel without pid namespaces has only the one. */
	if (!p)
		p = strstr(text, "\nPid:");
	if (!p)
		return 0;
	p = strchr(p, ':') + 1;
	while (*p == '\t' || *p == ' ') {
		char *end;
		const long pid = strtol(p, &end, 10);

		if (end == p || pid <= 0 || pid > INT32_MAX)
			break;
		if (n++ == 0)
			*ret = (uint32_t)pid;
		p = end;
	}
	return n;
}

/* /proc/PID/status says the same, but behind a list of groups of any length. */
static unsigned numbers_of(pid_t pid, uint32_t *ret)
{
	const int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	char path[64], text[1024];
	size_t n = 0;
	FILE *f;

	*ret = 0;
	if (fd < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	close(fd);
	text[n] = '\0';
	return pidns_parse(text, ret);
}

/* The inode number of the namespace of /proc, as a process has it that is in no other: we or our ancestors, who are easier
 * to look into than its first process. 0: not found. */
static uint32_t inode_of_ancestors(uint32_t pid)
{
	struct procfs_stat st;
	char status[8192];
	uint32_t first;

	for (int i = 0; pid && i < ANCESTORS; i++, pid = st.parent) {
		uint32_t inode = 0;

		if (procfs_read(pid, "status", status, sizeof(status)) > 0 && pidns_parse(status, &first) == 1)
			inode = procfs_namespace(pid, "pid");
		if (inode)
			return inode;
		if (procfs_stat(pid, &st))
			break;
	}
	return 0;
}

struct pidns pidns_of_proc(void)
{
	struct pidns ns;
	uint32_t self;

	ns.ours = numbers_of(getpid(), &self) == 1;
	ns.inode = ns.ours ? procfs_namespace(0, "pid") : inode_of_ancestors(self ? self : 1);
	ns.initial = !ns.inode || ns.inode == INIT_PIDNS;
	return ns;
}

uint32_t pidns_shown(pid_t pid)
{
	uint32_t ret;

	numbers_of(pid, &ret);
	return ret;
}
