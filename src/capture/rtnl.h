/* SPDX-License-Identifier: BSD-3-Clause */
/* Network devices by rtnetlink: those that exist, and news of them. */
#ifndef CAPTURE_RTNL_H
#define CAPTURE_RTNL_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct rtnl_link {
	uint32_t ifindex;
	uint16_t type;	/* ARPHRD_* */
	unsigned flags; /* IFF_* */
	bool gone;
	char name[IF_NAMESIZE];
};

struct rtnl_handler {
	void *arg;
	/* A negative errno ends the dump and is returned. */
	int (*link)(void *arg, const struct rtnl_link *link);
};

/* A socket in the calling thread's network namespace that hears of links; a file descriptor or -errno. */
int rtnl_open(void);
/* Asks for all links; answers arrive with the news. Call rtnl_read() until *done. */
int rtnl_dump(int fd);
/*
 * Hands on what has arrived, without waiting unless done is given: then up to the end of the dump. Returns 0, -errno,
 * or -ENOBUFS when news were lost (dump again).
 */
int rtnl_read(int fd, const struct rtnl_handler *handler, bool *done);

#endif
