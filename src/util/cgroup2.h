/* SPDX-License-Identifier: BSD-3-Clause */
/* The root of cgroup v2. */
#ifndef UTIL_CGROUP2_H
#define UTIL_CGROUP2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A descriptor of the root folder, close-on-exec, to be closed by the caller; or -errno. Where no mount shows it, as within
 * "ip netns exec", which mounts another /sys, cgroup v2 is mounted for this descriptor alone: Linux 5.2, CAP_SYS_ADMIN.
 */
int cgroup2_open(void);
/* A folder that is the root of a hierarchy of that version, of this magic number; or -errno. */
int cgroup_open_root(int folder, const char *path, long magic);
/* The inode number of the root of all cgroups; what a cgroup namespace shows as its root has another. */
enum { CGROUP2_ROOT = 1 };
/* Whether fd is that root. */
bool cgroup2_is_root(int fd);
/* The id of a process's cgroup, the inode number of its folder below root; 0 unknown. scratch: for /proc/PID/cgroup. */
uint64_t cgroup2_of_pid(int root, uint32_t pid, char *scratch, size_t size);

#endif
