/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/tenant.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/procfs.h"

enum {
	SLOTS = 1024,
	NAMESPACES = 1024, /* that are looked at */
	LINES = 10000,	   /* of a table of routes */
	REST = 20,	   /* after a search, times what it took */
};

struct answer {
	uint32_t address[4], netns;
	uint64_t until;
	struct tenant tenant;
};

struct tenants {
	struct answer slots[SLOTS];
	uint64_t rests_until;
	uint32_t seen[NAMESPACES]; /* by the search */
	unsigned nseen;
};

int tenants_new(struct tenants **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

/* "|-- ADDRESS", and below it what kinds of routes it has. */
bool tenant_has_v4(FILE *f, uint32_t address)
{
	char text[INET_ADDRSTRLEN], line[128], found[INET_ADDRSTRLEN];
	bool here = false;

	inet_ntop(AF_INET, &address, text, sizeof(text));
	for (int i = 0; i < LINES && fgets(line, sizeof(line), f); i++) {
		if (sscanf(line, " |-- %15s", found) == 1)
			here = strcmp(found, text) == 0;
		else if (here && strstr(line, "/32 host LOCAL"))
			return true;
	}
	return false;
}

bool tenant_has_v6(FILE *f, const uint32_t address[4])
{
	char text[33], line[128];

	for (int i = 0; i < 4; i++)
		snprintf(text + 8 * i, 9, "%08x", ntohl(address[i]));
	for (int i = 0; i < LINES && fgets(line, sizeof(line), f); i++) {
		if (strncmp(line, text, 32) == 0)
			return true;
	}
	return false;
}

static bool has_address(uint32_t pid, const uint32_t address[4])
{
	const bool v4 = address[0] == 0 && address[1] == 0 && address[2] == htonl(0xffff);
	char path[64];
	bool has;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/net/%s", pid, v4 ? "fib_trie" : "if_inet6");
	f = fopen(path, "re");
	if (!f)
		return false;
	has = v4 ? tenant_has_v4(f, address[3]) : tenant_has_v6(f, address);
	fclose(f);
	return has;
}

/* Whether this namespace has not been looked at yet. */
static bool is_news(struct tenants *t, uint32_t netns)
{
	for (unsigned i = 0; i < t->nseen; i++) {
		if (t->seen[i] == netns)
			return false;
	}
	if (t->nseen == NAMESPACES)
		return false;
	t->seen[t->nseen++] = netns;
	return true;
}

/* /proc is read in the order of pids. */
static struct tenant search(struct tenants *t, const uint32_t address[4], uint32_t netns)
{
	struct tenant found = { 0 };
	DIR *dir = opendir("/proc");
	unsigned homes = 0;
	struct dirent *d;
	uint32_t pid;

	t->nseen = 0;
	is_news(t, netns);
	is_news(t, 0);
	while (dir && homes < 2 && (d = readdir(dir))) {
		if (!procfs_is_pid(d->d_name, &pid) || !is_news(t, procfs_namespace(pid, "net")) ||
		    !has_address(pid, address))
			continue;
		found = (struct tenant){ procfs_start(pid), pid };
		homes++;
	}
	if (dir)
		closedir(dir);
	return homes == 1 && found.start ? found : (struct tenant){ 0 };
}

/* Where many addresses are nobody's, as of other machines behind this one, we are not to search all the time. */
static struct tenant search_at(struct tenants *t, const uint32_t address[4], uint32_t netns, uint64_t now)
{
	const struct tenant found = search(t, address, netns);
	const uint64_t end = clock_ns(CLOCK_MONOTONIC);

	t->rests_until = end > now ? end + REST * (end - now) : now;
	return found;
}

struct tenant tenants_find(struct tenants *t, const uint32_t address[4], uint32_t netns, uint64_t now)
{
	struct answer *a = &t->slots[(ntohl(address[3]) ^ netns) % SLOTS];
	const bool same = a->netns == netns && memcmp(a->address, address, sizeof(a->address)) == 0;

	if (same && now < a->until)
		return a->tenant;
	if (same && a->tenant.pid && procfs_start(a->tenant.pid) == a->tenant.start) {
		a->until = now + NSEC_PER_SEC;
		return a->tenant;
	}
	if (now < t->rests_until)
		return (struct tenant){ 0 };
	*a = (struct answer){ .netns = netns, .until = now + NSEC_PER_SEC };
	memcpy(a->address, address, sizeof(a->address));
	a->tenant = search_at(t, address, netns, now);
	return a->tenant;
}

void tenants_free(struct tenants *t)
{
	free(t);
}
