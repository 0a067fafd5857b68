/* SPDX-License-Identifier: BSD-3-Clause */
/* Root that looks at files as somebody else for a moment. Of the calling thread. */
#ifndef UTIL_RIGHTS_H
#define UTIL_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { RIGHTS_GROUPS = 64 };

struct rights {
	bool taken;
	int dumpable, ngroups;
	gid_t gid, groups[RIGHTS_GROUPS];
};

/* Files are opened and made as this user, with the groups that the user has by name, until rights_back(). Who is not root stays as
 * he is. -errno: nothing has changed. */
int rights_take(struct rights *r, uint32_t uid);
void rights_back(struct rights *r);

#endif
