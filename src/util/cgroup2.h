/* SPDX-License-Identifier: BSD-3-Clause */
/* The root of cgroup v2. */
#ifndef UTIL_CGROUP2_H
#define UTIL_CGROUP2_H

/*
 * A descriptor of the root folder, close-on-exec, to be closed by the caller; or -errno. Where no mount shows it, as within
 * "ip netns exec", which mounts another /sys, cgroup v2 is mounted for this descriptor alone: Linux 5.2, CAP_SYS_ADMIN.
 */
int cgroup2_open(void);

#endif
