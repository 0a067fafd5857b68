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
	bool pair;     /* one end of a pair of devices: veth, netkit */
	int peer_nsid; /* number of the namespace that the other end is in, in this one; -1: this one too, or unknown */
	uint32_t master; /* its bridge, or what else it is a port of; 0: none */
	char name[IF_NAMESIZE];
	/* Alternative names, each ended by a NUL, up to an empty one; NULL: none. Valid until the handler returns. */
	const char *altnames;
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

/*
 * Tells the handler of the device with this name or alternative name, in the calling thread's namespace. 0, -ENODEV,
 * another -errno, or what the handler returns.
 */
int rtnl_find(const char *name, const struct rtnl_handler *handler);
/* Whether one of its names is this one. */
bool rtnl_link_named(const struct rtnl_link *link, const char *name);

/* The number that the calling thread's namespace has for the one of fd, as in peer_nsid; -1: none. */
int rtnl_nsid(int fd);

/* A socket in the calling thread's network namespace that answers questions only; a file descriptor or -errno. */
int rtnl_ask_open(void);
/* Whether packets to an address, IPv4 as ::ffff:a.b.c.d, are for the namespace that fd of rtnl_ask_open() is of; false also when that cannot be told. */
bool rtnl_is_local(int fd, const uint32_t address[4]);

/* A filter on one side of a clsact qdisc. */
struct rtnl_filter {
	uint32_t handle, priority;
	uint32_t prog_id; /* of a cls_bpf filter with an eBPF program, else 0 */
};

/*
 * Lists the filters of a device in the calling thread's namespace; found may end it with a value other than 0,
 * which is returned. 0: the end was reached (or there is no such qdisc); else -errno.
 */
int rtnl_filters(uint32_t ifindex, bool ingress, int (*found)(void *arg, const struct rtnl_filter *filter), void *arg);

#endif
