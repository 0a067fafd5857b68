/* SPDX-License-Identifier: BSD-3-Clause */
/* Capabilities of the calling thread. Numbers are those of linux/capability.h. */
#ifndef UTIL_CAPS_H
#define UTIL_CAPS_H

#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>

/* Of Linux 5.8; older headers lack them. */
enum { CAP_PERFMON_NR = 38, CAP_BPF_NR = 39 };

struct caps {
	uint64_t effective, permitted;
};

static inline uint64_t caps_bit(unsigned cap)
{
	return UINT64_C(1) << cap;
}

/* -errno. Setting leaves nothing to be inherited. */
int caps_get(struct caps *ret);
int caps_set(const struct caps *caps);

/* Makes a capability that is only permitted effective; false: it is already, or is not permitted, and caps_lower() must
 * not be called. */
bool caps_raise(unsigned cap);
void caps_lower(unsigned cap);

/* Gives up all of them for good, root as well. -errno. */
int caps_clear(void);

#endif
