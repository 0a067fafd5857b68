/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Paths through folders of users. Any user may mount a file system of their own there (FUSE), whose program answers when it
 * likes: who looks up a name in it waits so long, and cannot be killed.
 */
#ifndef UTIL_LOCAL_H
#define UTIL_LOCAL_H

#include <stdbool.h>
#include <sys/types.h>

/* What is told of an open file without asking its file system. */
struct local_file {
	mode_t type; /* S_IFMT */
	uid_t uid;
	dev_t dev;
};

/* fd: of any kind, O_PATH too. 0 or -errno. */
int local_look(int fd, struct local_file *ret);
/* Whether fd is on a file system that some program serves. When nobody knows, it is. */
bool local_is_served(int fd);
/* Whether such a one is mounted on the way to an absolute path without links. */
bool local_is_behind_served(const char *path);
/* An O_PATH fd of what a path leads to, past no such file system. -EREMOTE: past one. */
int local_open(const char *path);

#endif
