/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/owners_proc.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/diag.h"
#include "capture/net_table.h"
#include "capture/rtnl.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/procfs.h"

/* Between two scans, and so many times what the last one took: there are sockets that nobody is seen to have. */
#define SCAN_INTERVAL_NS (10 * NSEC_PER_MSEC)
#define SCAN_PAUSES 20
/* Then who has a socket may be another: one that was forked. */
#define HELD_NS (2 * NSEC_PER_SEC)
#define SOCKETS_MAX (1 << 20)

struct held {
	uint64_t inode, start;
	uint32_t pid;
};

enum { TCP, UDP, PROTOCOLS };
static const uint8_t protocols[PROTOCOLS] = { IPPROTO_TCP, IPPROTO_UDP };

/* To the sockets of a network namespace. */
struct door {
	uint32_t netns;
	int diag;			     /* -1: it is refused */
	int route;			     /* -1: likewise */
	bool told[PROTOCOLS];		     /* by sock_diag */
	struct net_table *tables[PROTOCOLS]; /* NULL: cannot be read */
};

struct owners_proc {
	struct door *doors;
	unsigned ndoors;
	/* sockets of processes, by inode */
	struct held *held;
	size_t nheld, room;
	uint64_t scanned, took;
	bool said; /* that sock_diag is refused */
};

struct owners_proc *owners_proc_new(void)
{
	return calloc(1, sizeof(struct owners_proc));
}

/* --- sockets ---------------------------------------------------------------------- */

static void say_refused(struct owners_proc *o, const struct door *d, int err)
{
	if (o->said)
		return;
	o->said = true;
	if ((d->told[TCP] || d->tables[TCP]) && (d->told[UDP] || d->tables[UDP]))
		log_warn("sock_diag does not tell which sockets there are (%s): they are looked up in /proc/net",
			 diag_refused(err));
	else
		log_warn(
			"sock_diag does not tell which sockets there are (%s), nor does /proc/net: their processes stay unknown",
			diag_refused(err));
}

/* A table is also asked whether several sockets may have sent what one has. */
static void door_open(struct owners_proc *o, struct door *d)
{
	int err = 0;

	d->diag = diag_open();
	if (d->diag < 0)
		err = d->diag;
	d->route = rtnl_ask_open();
	for (int i = 0; i < PROTOCOLS; i++) {
		const int refused = d->diag < 0 ? d->diag : diag_serves(d->diag, protocols[i]);

		d->told[i] = !refused;
		d->tables[i] = refused || protocols[i] == IPPROTO_UDP ? net_table_open(protocols[i]) : NULL;
		if (refused)
			err = refused;
	}
	if (err)
		say_refused(o, d, err);
}

static void door_close(struct door *d)
{
	if (d->diag >= 0)
		close(d->diag);
	if (d->route >= 0)
		close(d->route);
	for (int i = 0; i < PROTOCOLS; i++)
		net_table_close(d->tables[i]);
}

int owners_proc_add(struct owners_proc *o, uint32_t netns)
{
	struct door *doors = reallocarray(o->doors, o->ndoors + 1, sizeof(*doors));

	if (!doors)
		return -ENOMEM;
	o->doors = doors;
	doors[o->ndoors] = (struct door){ .netns = netns };
	door_open(o, &doors[o->ndoors++]);
	return 0;
}

void owners_proc_forget(struct owners_proc *o, uint32_t netns)
{
	for (unsigned i = 0; i < o->ndoors; i++) {
		if (o->doors[i].netns != netns)
			continue;
		door_close(&o->doors[i]);
		o->doors[i] = o->doors[--o->ndoors];
		return;
	}
}

/* Of those that send from one port without being connected, none can be told from the others. */
static bool sends_alone(const struct door *d, const struct flow_key *k, uint64_t now)
{
	struct diag_socket found;

	return d->tables[UDP] && net_table_find(d->tables[UDP], k, now, &found) && found.inode;
}

/* A listener on any address, or a bound socket, is found for whatever packet has its port, also for one that is forwarded. */
static bool takes(const struct door *d, const struct owners_end *end, uint64_t now)
{
	const struct flow_key *k = end->key;

	if (k->proto == IPPROTO_TCP ? !end->opening : end->sends && !sends_alone(d, k, now))
		return false;
	return rtnl_is_local(d->route, k->l);
}

/* As owners_proc_find(). */
static int find_socket(const struct door *d, const struct owners_end *end, uint64_t now, struct diag_socket *ret)
{
	const int i = end->key->proto == IPPROTO_UDP ? UDP : TCP;

	if (d->told[i] ? !diag_find(d->diag, end->key, ret)
		       : !d->tables[i] || !net_table_find(d->tables[i], end->key, now, ret))
		return -ENOENT;
	return ret->inode && (ret->connected || takes(d, end, now)) ? 0 : -ESRCH;
}

/* --- processes --------------------------------------------------------------------- */

static int by_inode(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static bool held_add(struct owners_proc *o, const struct held *held)
{
	const size_t room = o->room ? o->room * 2 : 1024;
	struct held *more;

	if (o->nheld == o->room) {
		more = room > SOCKETS_MAX ? NULL : realloc(o->held, room * sizeof(*more));
		if (!more)
			return false;
		o->held = more;
		o->room = room;
	}
	o->held[o->nheld++] = *held;
	return true;
}

static void scan_process(struct owners_proc *o, uint32_t pid)
{
	unsigned long long inode;
	struct procfs_stat ps;
	char path[64], link[64];
	bool room = true;
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	dir = opendir(path);
	if (!dir)
		return;
	if (procfs_stat(pid, &ps))
		goto out;
	while (room && (d = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), d->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = '\0';
		if (sscanf(link, "socket:[%llu]", &inode) == 1)
			room = held_add(o, &(struct held){ inode, ps.start, pid });
	}
out:
	closedir(dir);
}

static void scan(struct owners_proc *o)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;
	uint32_t pid;

	o->nheld = 0;
	if (!dir)
		return;
	while ((d = readdir(dir))) {
		if (procfs_is_pid(d->d_name, &pid))
			scan_process(o, pid);
	}
	closedir(dir);
	if (o->nheld)
		qsort(o->held, o->nheld, sizeof(*o->held), by_inode);
}

/* The first of those that have it. */
static const struct held *find_held(const struct owners_proc *o, uint64_t inode)
{
	size_t lo = 0, hi = o->nheld;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (o->held[mid].inode < inode)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < o->nheld && o->held[lo].inode == inode ? &o->held[lo] : NULL;
}

/* Which of them sends or receives, /proc does not tell. */
static bool is_shared(const struct owners_proc *o, const struct held *first)
{
	for (const struct held *h = first; h < o->held + o->nheld && h->inode == first->inode; h++) {
		if (h->pid != first->pid)
			return true;
	}
	return false;
}

static const struct door *door_of(const struct owners_proc *o, uint32_t netns)
{
	for (unsigned i = 0; i < o->ndoors; i++) {
		if (o->doors[i].netns == netns)
			return &o->doors[i];
	}
	return NULL;
}

static bool scan_is_due(const struct owners_proc *o, const struct held *held, uint64_t now)
{
	const uint64_t age = now - o->scanned, pause = SCAN_PAUSES * o->took;

	return age >= (held ? HELD_NS : SCAN_INTERVAL_NS) && age >= pause;
}

int owners_proc_find(struct owners_proc *o, const struct owners_end *end, uint64_t now, struct event_owner *ret)
{
	const struct door *d = door_of(o, end->key->netns);
	const uint64_t begun = clock_ns(CLOCK_MONOTONIC);
	struct diag_socket found;
	const struct held *held;
	int err;

	if (!d || (end->key->proto != IPPROTO_TCP && end->key->proto != IPPROTO_UDP))
		return -ESRCH;
	err = find_socket(d, end, now, &found);
	if (err)
		return err;
	held = find_held(o, found.inode);
	if (scan_is_due(o, held, now)) {
		scan(o);
		o->scanned = now;
		o->took = clock_ns(CLOCK_MONOTONIC) - begun;
		held = find_held(o, found.inode);
	}
	if (!held || is_shared(o, held))
		return -ESRCH;
	*ret = (struct event_owner){ .start = held->start, .tgid = held->pid, .uid = found.uid, .source = OWNER_SCAN };
	return 0;
}

void owners_proc_free(struct owners_proc *o)
{
	if (!o)
		return;
	for (unsigned i = 0; i < o->ndoors; i++)
		door_close(&o->doors[i]);
	free(o->doors);
	free(o->held);
	free(o);
}
