/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/facts.h"

#include <errno.h>
#include <signal.h>

#include "util/cgroup2.h"
#include "util/pidns.h"

void facts_read(struct process *p, int cgroup, char *scratch, size_t size)
{
	p->uid = procfs_uid(p->tgid);
	p->cgroup = cgroup2_of_pid(cgroup, p->tgid, scratch, size);
	p->pidns = procfs_namespace(p->tgid, "pid");
	p->mntns = procfs_namespace(p->tgid, "mnt");
	p->netns = procfs_namespace(p->tgid, "net");
}

/* Of who is outside of our pid namespace nobody can be asked. */
bool facts_are_gone(uint32_t tgid, bool own_pids)
{
	struct procfs_stat st;

	if (tgid & PID_OUTSIDE)
		return true;
	return own_pids ? kill((pid_t)tgid, 0) && errno == ESRCH : procfs_stat(tgid, &st) == -ESRCH;
}
