/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of hosts, asked of another process (resolver_serve.h): who prints waits only a bounded share of its time, and
 * opens nothing. */
#ifndef OUTPUT_RESOLVER_H
#define OUTPUT_RESOLVER_H

#include <stdbool.h>
#include <stdint.h>

struct resolver;

/* fd: the socket, taken over. hurry: packets are arriving meanwhile, wait less. */
int resolver_new(struct resolver **ret, int fd, bool hurry);
/* family AF_INET or AF_INET6; address in network order. NULL: no name, or not known yet. Valid until the next call. */
const char *resolver_find(struct resolver *r, int family, const uint8_t *address);
/* Its socket, which another process needs that is to use it. */
int resolver_fd(const struct resolver *r);
/* Does not wait for look-ups under way. */
void resolver_free(struct resolver *r);

#endif
