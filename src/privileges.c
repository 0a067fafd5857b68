/* SPDX-License-Identifier: BSD-3-Clause */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/log.h"

/* linux/capability.h of 5.8; older headers lack them. */
enum { CAP_PERFMON_NR = 38, CAP_BPF_NR = 39 };

static uint64_t bit(unsigned cap)
{
	return UINT64_C(1) << cap;
}

static uint64_t wanted(const struct privileges_keep *keep)
{
	uint64_t caps = 0;

	if (keep->capture)
		caps |= bit(CAP_NET_ADMIN) | bit(CAP_SYS_PTRACE) | bit(CAP_PERFMON_NR) | bit(CAP_BPF_NR);
	if (keep->netns)
		caps |= bit(CAP_SYS_ADMIN);
	if (keep->files)
		caps |= bit(CAP_DAC_OVERRIDE);
	if (keep->command)
		caps |= bit(CAP_KILL);
	return caps;
}

static int set_capabilities(uint64_t caps)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct old[2], data[2] = { 0 };

	if (syscall(SYS_capget, &header, old))
		return -errno;
	for (size_t i = 0; i < 2; i++) {
		/* A container's root may not have all of them. */
		data[i].permitted = (uint32_t)(caps >> 32 * i) & old[i].permitted;
		data[i].effective = data[i].permitted;
	}
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

int privileges_drop(const char *user, uint32_t uid, uint32_t gid, const struct privileges_keep *keep)
{
	int err = 0;

	if (geteuid() != 0 || uid == 0)
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1) || initgroups(user, gid) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		err = -errno;
	if (!err)
		err = set_capabilities(wanted(keep));
	/* Else our own folder in /proc belongs to root from now on, and the namespaces in it cannot be opened. */
	if (!err && prctl(PR_SET_DUMPABLE, 1))
		err = -errno;
	if (err) {
		log_error("can't change to user '%.32s' (uid %u, gid %u): %s", user, uid, gid, strerror(-err));
		return err;
	}
	fprintf(stderr, "dropped privs to %s\n", user);
	return 0;
}
