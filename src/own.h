/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What we were started from: our ancestors, and over ssh the connection through which somebody looks at us. The word "own" of
 * an expression stands for it. /proc is read when own_find() is called, and by nothing else.
 */
#ifndef OWN_H
#define OWN_H

#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"

enum { OWN_PIDS = 32, OWN_CONNECTIONS = 8 };

/* Of TCP. IPv4-mapped addresses are IPv4. */
struct own_connection {
	int family;			  /* AF_INET, AF_INET6 */
	uint8_t local[16];		  /* network order; AF_INET: the first 4 */
	uint8_t remote[16];		  /* zeros behind, as in local */
	uint16_t local_port, remote_port; /* host order */
};

struct own {
	uint32_t pids[OWN_PIDS]; /* as /proc shows them; ourselves first, then who serves logins */
	size_t npids;
	struct own_connection connections[OWN_CONNECTIONS];
	size_t nconnections;
};

/*
 * Processes: ourselves and our ancestors, up to who serves others as well and is left out: the listening sshd, init, systemd
 * --user, a container's runtime, cron. In tmux and screen, the attached clients and their ancestors too. Connections: of
 * each process that serves a login (sshd, dropbear, telnetd) the one that it serves. Where these sockets must not be seen,
 * what SSH_CONNECTION says in the environment of one of the processes, unless no such connection is open any more.
 *
 * More than OWN_PIDS processes: some that serve no login are left out. Takes a second at most; a warning says when that was
 * not enough. 0; -ESRCH: /proc does not show us. Nothing has to be freed.
 */
int own_find(struct own *ret);
/* As an expression in parentheses, "(pid 7 or (tcp and host 10.0.0.1 and port 51022 and host 10.0.0.2 and port 22))". Nothing
 * in it has to be looked up. */
void own_put(const struct own *own, struct buf *b);

#endif
