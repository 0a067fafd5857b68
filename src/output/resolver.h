/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of hosts, asked for by threads of their own: the printing thread waits only a bounded share of its time. */
#ifndef OUTPUT_RESOLVER_H
#define OUTPUT_RESOLVER_H

#include <stdbool.h>
#include <stdint.h>

struct resolver;

/* short_names: without the domain (-N). hurry: packets are arriving meanwhile, wait less. */
int resolver_new(struct resolver **ret, bool short_names, bool hurry);
/* family AF_INET or AF_INET6; address in network order. NULL: no name, or not known yet. Valid until the next call. */
const char *resolver_find(struct resolver *r, int family, const uint8_t *address);
/* Does not wait for look-ups under way. */
void resolver_free(struct resolver *r);

#endif
