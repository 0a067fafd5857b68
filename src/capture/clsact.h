/* SPDX-License-Identifier: BSD-3-Clause */
/* A clsact qdisc that comes and goes with a filter of ours. rtnetlink(7); include/uapi/linux/pkt_sched.h and pkt_cls.h. */
#ifndef CAPTURE_CLSACT_H
#define CAPTURE_CLSACT_H

#include <stdbool.h>
#include <stdint.h>

struct clsact_filter {
	uint32_t ifindex;
	bool ingress;
	uint32_t handle, priority;
};

/*
 * Makes the qdisc and, as its first filter, the eBPF program prog_fd, both in one request: whoever is killed has made both
 * or nothing, since the kernel does not leave a request half done. In the calling thread's network namespace. 0; -EEXIST:
 * there is such a qdisc (or what takes its place) already, and nothing was changed; else -errno, and nothing is left.
 */
int clsact_create(const struct clsact_filter *filter, int prog_fd);
/*
 * Removes the filter, together with the qdisc, if nobody else has a filter there, in one request as well. False: others
 * have, or the kernel refuses, and nothing was changed.
 */
bool clsact_remove(const struct clsact_filter *filter);

#endif
