/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/net_table.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"

#define ENTRIES_MAX (1 << 20)
#define READ_INTERVAL_NS (10 * NSEC_PER_MSEC)
/* Reading takes a twentieth of the time at most. */
enum { PAUSES = 20 };

struct entry {
	uint32_t l[4], r[4];
	uint16_t lport, rport; /* as in packets */
	bool v4;
	uint32_t uid, inode;
};

struct net_table {
	FILE *files[2]; /* IPv4, IPv6 */
	struct entry *entries;
	size_t n, room;
	uint64_t until; /* CLOCK_MONOTONIC ns: it is not read again */
};

struct net_table *net_table_open(uint8_t proto)
{
	static const char *const paths[2][2] = {
		{ "/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6" },
		{ "/proc/thread-self/net/udp", "/proc/thread-self/net/udp6" },
	};
	struct net_table *t = calloc(1, sizeof(*t));

	for (int i = 0; t && i < 2; i++)
		t->files[i] = fopen(paths[proto == IPPROTO_UDP][i], "re");
	if (t && !t->files[0]) {
		net_table_close(t);
		return NULL;
	}
	return t;
}

/* Words in the order of the host, of an address in that of the network. */
static bool parse_address(const char *hex, bool v4, uint32_t *a)
{
	if (v4) {
		a[0] = a[1] = 0;
		a[2] = htonl(0xffff);
		return sscanf(hex, "%8x", &a[3]) == 1;
	}
	return sscanf(hex, "%8x%8x%8x%8x", &a[0], &a[1], &a[2], &a[3]) == 4;
}

static bool parse_line(const char *line, bool v4, struct entry *e)
{
	char l[33], r[33];
	unsigned lport, rport;

	if (sscanf(line, " %*u: %32[0-9A-F]:%4x %32[0-9A-F]:%4x %*x %*x:%*x %*x:%*x %*x %u %*u %u", l, &lport, r,
		   &rport, &e->uid, &e->inode) != 6)
		return false;
	e->lport = htons((uint16_t)lport);
	e->rport = htons((uint16_t)rport);
	e->v4 = v4;
	return parse_address(l, v4, e->l) && parse_address(r, v4, e->r);
}

static bool entry_add(struct net_table *t, const struct entry *e)
{
	const size_t room = t->room ? t->room * 2 : 256;
	struct entry *more;

	if (t->n == t->room) {
		more = room > ENTRIES_MAX ? NULL : reallocarray(t->entries, room, sizeof(*more));
		if (!more)
			return false;
		t->entries = more;
		t->room = room;
	}
	t->entries[t->n++] = *e;
	return true;
}

static void table_read(struct net_table *t, uint64_t now)
{
	const uint64_t start = clock_ns(CLOCK_MONOTONIC);
	uint64_t took;
	char line[512];
	struct entry e;

	t->n = 0;
	for (int i = 0; i < 2; i++) {
		if (!t->files[i])
			continue;
		rewind(t->files[i]);
		while (fgets(line, sizeof(line), t->files[i])) {
			if (parse_line(line, i == 0, &e) && !entry_add(t, &e))
				break;
		}
	}
	took = clock_ns(CLOCK_MONOTONIC) - start;
	t->until = now + (took * PAUSES > READ_INTERVAL_NS ? took * PAUSES : READ_INTERVAL_NS);
}

static bool is_any(const struct entry *e)
{
	return (e->v4 ? e->l[3] : e->l[0] | e->l[1] | e->l[2] | e->l[3]) == 0;
}

static bool same(const uint32_t *a, const uint32_t *b)
{
	return memcmp(a, b, 16) == 0;
}

/* How well a socket fits the local end of a flow; 0: not at all. */
static unsigned fits(const struct entry *e, const struct flow_key *k)
{
	if (e->lport != k->lport)
		return 0;
	if (e->rport)
		return e->rport == k->rport && same(e->l, k->l) && same(e->r, k->r) ? 4 : 0;
	if (same(e->l, k->l))
		return 3;
	if (!is_any(e) || (e->v4 && !diag_is_v4(k->l)))
		return 0;
	return e->v4 == diag_is_v4(k->l) ? 2 : 1;
}

bool net_table_find(struct net_table *t, const struct flow_key *k, uint64_t now, struct diag_socket *ret)
{
	unsigned best = 0;

	if (now >= t->until)
		table_read(t, now);
	for (size_t i = 0; i < t->n; i++) {
		const struct entry *e = &t->entries[i];
		const unsigned how = fits(e, k);

		if (!how || how < best)
			continue;
		*ret = (struct diag_socket){
			.inode = how == best && ret->inode != e->inode ? 0 : e->inode,
			.uid = e->uid,
			.connected = how == 4,
		};
		best = how;
	}
	return best != 0;
}

void net_table_close(struct net_table *t)
{
	if (!t)
		return;
	for (int i = 0; i < 2; i++) {
		if (t->files[i])
			fclose(t->files[i]);
	}
	free(t->entries);
	free(t);
}
