/* SPDX-License-Identifier: BSD-3-Clause */
/* What /proc tells of a process, but for its image. */
#ifndef META_FACTS_H
#define META_FACTS_H

#include "meta/process.h"
#include "util/procfs.h"

/* User, cgroup and namespaces of p->tgid; 0 for what is not known. cgroup: the root of cgroup v2, -1 none. scratch: for a file of /proc. */
void facts_read(struct process *p, int cgroup, char *scratch, size_t size);
/* No process has it. own_pids: kill() counts pids as it does. */
bool facts_are_gone(uint32_t tgid, bool own_pids);

#endif
