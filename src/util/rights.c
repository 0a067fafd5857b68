/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/rights.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOGROUP = 65534 };

struct groups {
	gid_t gid, all[RIGHTS_GROUPS];
	int n;
};

static struct groups groups_of(uint32_t uid)
{
	const struct passwd *pw = getpwuid(uid);
	struct groups g = { .gid = NOGROUP };

	if (!pw)
		return g;
	g.gid = pw->pw_gid;
	g.n = RIGHTS_GROUPS;
	if (getgrouplist(pw->pw_name, pw->pw_gid, g.all, &g.n) < 0)
		g.n = 0;
	return g;
}

/* glibc's sets those of all threads. */
static int set_groups(int n, const gid_t *groups)
{
	return syscall(SYS_setgroups, (size_t)n, groups) ? -errno : 0;
}

int rights_take(struct rights *r, uint32_t uid)
{
	struct groups g;
	int err;

	r->taken = false;
	if (geteuid() != 0 || uid == 0)
		return 0;
	r->ngroups = getgroups(RIGHTS_GROUPS, r->groups);
	if (r->ngroups < 0)
		return -errno;
	g = groups_of(uid);
	err = set_groups(g.n, g.all);
	if (err)
		return err;
	r->taken = true;
	r->dumpable = prctl(PR_GET_DUMPABLE);
	r->gid = getegid();
	/* They tell what was, not whether it worked. */
	setfsgid(g.gid);
	setfsuid(uid);
	if ((uint32_t)setfsuid(UINT32_MAX) == uid && (gid_t)setfsgid(UINT32_MAX) == g.gid)
		return 0;
	rights_back(r);
	return -EPERM;
}

void rights_back(struct rights *r)
{
	if (!r->taken)
		return;
	r->taken = false;
	setfsuid(geteuid());
	setfsgid(r->gid);
	set_groups(r->ngroups, r->groups);
	/* Lost with every change of the user; the folder in /proc would be root's. */
	if (r->dumpable == 1)
		prctl(PR_SET_DUMPABLE, 1);
}
