/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/caps.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Version 3 is 64 bits in two halves. */
int caps_get(struct caps *ret)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data))
		return -errno;
	ret->effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	ret->permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	return 0;
}

int caps_set(const struct caps *caps)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)caps->effective, .permitted = (uint32_t)caps->permitted },
		{ .effective = (uint32_t)(caps->effective >> 32), .permitted = (uint32_t)(caps->permitted >> 32) },
	};

	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

bool caps_raise(unsigned cap)
{
	struct caps caps = { 0 };

	if (caps_get(&caps) || !(caps.permitted & ~caps.effective & caps_bit(cap)))
		return false;
	caps.effective |= caps_bit(cap);
	return caps_set(&caps) == 0;
}

void caps_lower(unsigned cap)
{
	struct caps caps = { 0 };

	if (caps_get(&caps))
		return;
	caps.effective &= ~caps_bit(cap);
	caps_set(&caps);
}

int caps_clear(void)
{
	const struct caps none = { 0 };
	struct caps caps;
	int in_set;

	/* Who may not do that has a bounding set that is of no use: with no_new_privs no program gains any. */
	if (!caps_raise(CAP_SETPCAP) && (caps_get(&caps) || !(caps.effective & caps_bit(CAP_SETPCAP))))
		return caps_set(&none);
	for (unsigned cap = 0; (in_set = prctl(PR_CAPBSET_READ, cap)) >= 0; cap++) {
		if (in_set)
			prctl(PR_CAPBSET_DROP, cap);
	}
	/* The ambient ones go with those that can be inherited. */
	return caps_set(&none);
}
