/* SPDX-License-Identifier: BSD-3-Clause */
/* Filters that the kernel lists of one device, for tests of what attaches to tc. */
#ifndef TC_RIG_H
#define TC_RIG_H

#include <errno.h>

#include "capture/rtnl.h"
#include "fake.h"

enum { IFINDEX = 4, PROG_FD = 50 };

static struct {
	struct rtnl_filter v[2][8]; /* by ingress */
	unsigned n[2];
} listed;

FAKE(int, rtnl_filters, uint32_t ifindex, bool ingress, int (*found)(void *arg, const struct rtnl_filter *filter),
     void *arg)
{
	int err = ifindex == IFINDEX ? 0 : -ENODEV;

	for (unsigned i = 0; !err && i < listed.n[ingress]; i++)
		err = found(arg, &listed.v[ingress][i]);
	return err;
}

static void put_filter(bool ingress, uint32_t handle, uint32_t priority, uint32_t prog_id)
{
	listed.v[ingress][listed.n[ingress]++] =
		(struct rtnl_filter){ .handle = handle, .priority = priority, .prog_id = prog_id };
}

#endif
