/* SPDX-License-Identifier: BSD-3-Clause */
/* Who lives in the network namespace that has an address, by /proc. */
#ifndef CAPTURE_TENANT_H
#define CAPTURE_TENANT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* A process of that namespace, pid 0: none. */
struct tenant {
	uint64_t start;
	uint32_t pid;
};

struct tenants;

int tenants_new(struct tenants **ret);
/*
 * address: IPv4 as ::ffff:a.b.c.d, in network order. The process with the lowest pid, of another namespace than netns (its inode);
 * none when several namespaces have the address. A search looks at all processes: an answer is kept for a second, and as long
 * as its process is there; between searches there are pauses, in which nothing new is known. now: CLOCK_MONOTONIC ns.
 */
struct tenant tenants_find(struct tenants *t, const uint32_t address[4], uint32_t netns, uint64_t now);
/* Whether the namespace of a process has the address: of /proc/PID/net/fib_trie or if_inet6, opened as f. */
bool tenant_has_v4(FILE *f, uint32_t address);
bool tenant_has_v6(FILE *f, const uint32_t address[4]);
void tenants_free(struct tenants *t);

#endif
