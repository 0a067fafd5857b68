/* SPDX-License-Identifier: BSD-3-Clause */
#include "own_sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/procfs.h"

enum {
	/* For one process, more where others have fewer. Those with the lowest numbers: what it serves was open before
	 * anything that is forwarded. */
	SOCKETS_EACH = 16,
	ENVIRONMENT = 256 * 1024, /* bytes; what stands behind these is not seen */
};

/* TCP_TIME_WAIT and TCP_LISTEN, include/net/tcp_states.h */
#define STATE_TIME_WAIT 6
#define STATE_LISTEN 10

static bool is_same(const struct own_connection *a, const struct own_connection *b)
{
	return a->family == b->family && a->local_port == b->local_port && a->remote_port == b->remote_port &&
	       memcmp(a->local, b->local, sizeof(a->local)) == 0 &&
	       memcmp(a->remote, b->remote, sizeof(a->remote)) == 0;
}

static bool is_among(const struct own_connection *c, const struct own_connection *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_same(c, &list[i]))
			return true;
	return false;
}

static void add(struct own *own, const struct own_connection *c)
{
	if (own->nconnections < OWN_CONNECTIONS && !is_among(c, own->connections, own->nconnections))
		own->connections[own->nconnections++] = *c;
}

static void unmap_address(uint8_t address[16])
{
	memmove(address, address + 12, 4);
	memset(address + 4, 0, 12);
}

/* A socket of IPv6 has connections of IPv4, too, whose packets are those of IPv4. */
static void unmap(struct own_connection *c)
{
	if (c->family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(c->local) || !IN6_IS_ADDR_V4MAPPED(c->remote))
		return;
	c->family = AF_INET;
	unmap_address(c->local);
	unmap_address(c->remote);
}

/* --- /proc/PID/net ------------------------------------------------------------------ */

struct rows {
	uint64_t until;
	void (*take)(void *arg, const struct own_connection *c, uint64_t inode);
	void *arg;
};

/* Words of 32 bits in our own byte order, each holding four bytes of the address. */
static bool parse_address(const char *hex, uint8_t address[16])
{
	const size_t n = strlen(hex);

	if (n != 8 && n != 32)
		return false;
	for (size_t i = 0; i < n / 8; i++) {
		uint32_t word;

		if (sscanf(hex + 8 * i, "%8" SCNx32, &word) != 1)
			return false;
		memcpy(address + 4 * i, &word, sizeof(word));
	}
	return true;
}

static void take_row(const struct rows *r, const char *line, int family)
{
	struct own_connection c = { .family = family };
	char local[33], remote[33];
	unsigned state;
	uint64_t inode;

	if (sscanf(line,
		   " %*d: %32[0-9A-F]:%" SCNx16 " %32[0-9A-F]:%" SCNx16 " %x %*x:%*x %*x:%*x %*x %*u %*d %" SCNu64,
		   local, &c.local_port, remote, &c.remote_port, &state, &inode) != 6 ||
	    state == STATE_LISTEN || state == STATE_TIME_WAIT || !parse_address(local, c.local) ||
	    !parse_address(remote, c.remote))
		return;
	unmap(&c);
	r->take(r->arg, &c, inode);
}

static int read_table(uint32_t pid, const char *name, int family, const struct rows *r)
{
	char path[64], line[512];
	int err = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/net/%s", pid, name);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (!err && fgets(line, sizeof(line), f)) {
		take_row(r, line, family);
		if (clock_ns(CLOCK_MONOTONIC) > r->until)
			err = -ETIME;
	}
	fclose(f);
	return err;
}

/* All connections of TCP in the network namespace of a process. */
static int read_tables(uint32_t pid, const struct rows *r)
{
	int err = read_table(pid, "tcp", AF_INET, r);

	if (err)
		return err;
	err = read_table(pid, "tcp6", AF_INET6, r);
	return err == -ENOENT ? 0 : err; /* no IPv6 here */
}

/* --- by descriptors ----------------------------------------------------------------- */

struct held {
	uint64_t inode;
	size_t holder; /* index of the process */
	uint32_t netns;
	bool found;
	struct own_connection c;
};

struct served {
	struct held *held;
	size_t n;
	struct held next; /* what all of the process have in common */
	uint32_t netns;	  /* whose tables are read */
};

static bool take_descriptor(void *arg, const char *target)
{
	struct served *s = arg;

	if (sscanf(target, "socket:[%" SCNu64 "]", &s->next.inode) == 1)
		s->held[s->n++] = s->next;
	return s->n < (s->next.holder + 1) * SOCKETS_EACH;
}

static void take_held(void *arg, const struct own_connection *c, uint64_t inode)
{
	struct served *s = arg;

	for (size_t i = 0; i < s->n; i++) {
		struct held *held = &s->held[i];

		if (held->inode == inode && held->netns == s->netns) {
			held->c = *c;
			held->found = true;
		}
	}
}

static bool was_read(const struct served *s, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (s->held[j].netns == s->held[i].netns)
			return true;
	return false;
}

static void add_first_of_each(struct own *own, const struct served *s)
{
	size_t done = SIZE_MAX;

	for (size_t i = 0; i < s->n; i++) {
		if (!s->held[i].found || s->held[i].holder == done)
			continue;
		add(own, &s->held[i].c);
		done = s->held[i].holder;
	}
}

int own_served(struct own *own, const uint32_t *pids, size_t n, uint64_t until)
{
	struct served s = { .held = calloc(n, SOCKETS_EACH * sizeof(*s.held)) };
	const struct rows rows = { until, take_held, &s };
	int err = 0;

	if (!s.held)
		return n ? -ENOMEM : 0;
	for (size_t i = 0; i < n; i++) {
		s.next = (struct held){ .holder = i, .netns = procfs_namespace(pids[i], "net") };
		procfs_each_fd(pids[i], take_descriptor, &s);
	}
	for (size_t i = 0; i < s.n && err != -ETIME; i++) {
		if (was_read(&s, i))
			continue;
		s.netns = s.held[i].netns;
		err = read_tables(pids[s.held[i].holder], &rows);
	}
	add_first_of_each(own, &s);
	free(s.held);
	return err == -ETIME ? err : 0;
}

/* --- by environments ---------------------------------------------------------------- */

static bool parse_port(const char *text, uint16_t *ret)
{
	unsigned long n;
	char *end;

	if (*text < '1' || *text > '9')
		return false;
	n = strtoul(text, &end, 10);
	*ret = (uint16_t)n;
	return !*end && n <= UINT16_MAX;
}

/* A zone, which addresses of links have behind a '%', is not in packets. */
static bool parse_numeric(char *text, int family, uint8_t ret[16])
{
	char *zone = family == AF_INET6 ? strchr(text, '%') : NULL;

	if (zone)
		*zone = '\0';
	return inet_pton(family, text, ret) == 1;
}

bool own_parse(const char *text, struct own_connection *ret)
{
	char copy[2 * INET6_ADDRSTRLEN + 64], *rest = copy, *field[4];

	*ret = (struct own_connection){ 0 };
	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	for (size_t i = 0; i < 4; i++) {
		field[i] = strsep(&rest, " ");
		if (!field[i])
			return false;
	}
	ret->family = strchr(field[0], ':') ? AF_INET6 : AF_INET;
	if (rest || !parse_numeric(field[0], ret->family, ret->remote) || !parse_port(field[1], &ret->remote_port) ||
	    !parse_numeric(field[2], ret->family, ret->local) || !parse_port(field[3], &ret->local_port))
		return false;
	unmap(ret);
	return true;
}

static bool find_in_environment(uint32_t pid, char *buf, struct own_connection *ret)
{
	static const char name[] = "SSH_CONNECTION=";
	const int n = procfs_read(pid, "environ", buf, ENVIRONMENT);

	for (const char *p = buf; n > 0 && p < buf + n; p += strlen(p) + 1)
		if (strncmp(p, name, sizeof(name) - 1) == 0)
			return own_parse(p + sizeof(name) - 1, ret);
	return false;
}

struct sought {
	const struct own_connection *c;
	bool found;
};

static void take_sought(void *arg, const struct own_connection *c, uint64_t inode)
{
	struct sought *s = arg;

	s->found |= is_same(c, s->c);
}

/* tmux and what outlives its login keep a variable of long ago. */
static int add_if_open(struct own *own, const struct own_connection *c, uint32_t pid, uint64_t until)
{
	struct sought s = { .c = c };
	const struct rows rows = { until, take_sought, &s };
	const int err = read_tables(pid, &rows);

	if (s.found || err)
		add(own, c);
	return err == -ETIME ? err : 0;
}

int own_environments(struct own *own, const uint32_t *pids, size_t n, uint64_t until)
{
	struct own_connection seen[OWN_CONNECTIONS], c;
	char *buf = malloc(ENVIRONMENT);
	size_t nseen = 0;
	int err = 0;

	if (!buf)
		return -ENOMEM;
	for (size_t i = 0; i < n && nseen < OWN_CONNECTIONS && !err; i++) {
		if (!find_in_environment(pids[i], buf, &c) || is_among(&c, seen, nseen))
			continue;
		seen[nseen++] = c;
		err = add_if_open(own, &c, pids[i], until);
	}
	free(buf);
	return err;
}
