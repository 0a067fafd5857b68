/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets of a network namespace by their addresses and ports, as sock_diag tells them: sock_diag(7). */
#ifndef CAPTURE_DIAG_H
#define CAPTURE_DIAG_H

#include <ptcpdump/owner.h>
#include <stdbool.h>
#include <stdint.h>

struct nlmsghdr;

struct diag_socket {
	uint32_t inode; /* 0: nobody has it any more, or not yet */
	uint32_t uid;
	bool connected; /* to the other end that was asked for; else it takes what anybody sends */
};

/* In the calling thread's namespace: a descriptor or -errno. */
int diag_open(void);
/* Whether it tells of the sockets of IPPROTO_TCP or IPPROTO_UDP: 0 or the -errno of its refusal. */
int diag_serves(int fd, uint8_t proto);
/* Of the message that ends a dump, or of another: 0, or the -errno that it ended with. A protocol without its diag ends so, too. */
int diag_dump_status(const struct nlmsghdr *h);
/* Why, in words: err is a -errno of the above. */
const char *diag_refused(int err);
/* The socket that the local end of a flow belongs to, if any has it. False: none. */
bool diag_find(int fd, const struct flow_key *key, struct diag_socket *ret);

/* Whether an address is of the kind ::ffff:a.b.c.d, by which IPv4 stands in flow_key. */
bool diag_is_v4(const uint32_t *address);

#endif
