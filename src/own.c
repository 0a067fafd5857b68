/* SPDX-License-Identifier: BSD-3-Clause */
#include "own.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "own_sockets.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/pidns.h"
#include "util/procfs.h"

enum {
	SEEN = 256,	 /* processes; those beyond are not looked at */
	TERMINALS = 32,	 /* of a server of terminals; likewise */
	PTY_MAJOR = 136, /* UNIX98_PTY_SLAVE_MAJOR, include/uapi/linux/major.h */
};

#define TIME_MAX NSEC_PER_SEC

struct seen {
	uint32_t pid;
	bool serves_login, serves_terminals;
};

struct search {
	struct seen seen[SEEN];
	size_t n;
	uint64_t until; /* CLOCK_MONOTONIC, ns */
	bool cut;	/* the time was not enough */
};

static bool is_one_of(const char *comm, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(comm, *names) == 0)
			return true;
	return false;
}

static bool is_sshd(const char *comm)
{
	return strcmp(comm, "sshd") == 0 || strncmp(comm, "sshd-", 5) == 0; /* sshd-session, since OpenSSH 9.8 */
}

static bool serves_login(const char *comm)
{
	static const char *const names[] = { "dropbear", "tinysshd", "mosh-server", "in.telnetd", "telnetd", NULL };

	return is_sshd(comm) || is_one_of(comm, names);
}

static bool is_multiplexer(const char *comm)
{
	return strncmp(comm, "tmux", 4) == 0 || strcmp(comm, "screen") == 0; /* "tmux: server", "tmux: client" */
}

/* Those who serve a session say whose: "sshd: alice [priv]". Before that, or with "[listener]", it is the daemon. */
static bool listens(uint32_t pid)
{
	char title[4096];
	const char *p;

	if (procfs_read(pid, "cmdline", title, sizeof(title)) < 0)
		title[0] = '\0';
	p = title + strspn(title, "abcdefghijklmnopqrstuvwxyz-");
	return strncmp(p, ": ", 2) != 0 || strstr(p, "[listener]");
}

/* Who starts sessions of others, too. below: who was started by it. */
static bool is_shared(uint32_t pid, const struct procfs_stat *st, const char *below)
{
	static const char *const names[] = { "init",   "systemd", "containerd-shim", "conmon", "dockerd", "inetd",
					     "xinetd", "cron",	  "crond",	     "atd",    NULL };

	if (pid == 1 || st->kernel_thread || is_one_of(st->comm, names))
		return true;
	if (is_sshd(st->comm))
		return listens(pid);
	/* It serves each session in a child, by the same name. */
	return serves_login(st->comm) && strcmp(st->comm, below) == 0;
}

static bool was_seen(const struct search *s, uint32_t pid)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->seen[i].pid == pid)
			return true;
	return false;
}

/* A process and its ancestors. */
static void climb(struct search *s, uint32_t pid)
{
	uint64_t started = UINT64_MAX;
	char below[PROCFS_COMM_LEN] = "";
	struct procfs_stat st;

	/* A parent is older, or somebody else has got its pid. */
	while (pid && s->n < SEEN && !was_seen(s, pid) && procfs_stat(pid, &st) == 0 && st.start <= started) {
		/* The first one is who asks, whatever it is. */
		if (started != UINT64_MAX && is_shared(pid, &st, below))
			return;
		s->seen[s->n++] = (struct seen){
			.pid = pid,
			.serves_login = serves_login(st.comm),
			/* Clients have one themselves. */
			.serves_terminals = is_multiplexer(st.comm) && st.tty == 0,
		};
		memcpy(below, st.comm, sizeof(below));
		started = st.start;
		pid = st.parent;
	}
}

/* --- tmux and screen ------------------------------------------------------------------ */

/* Where the clients of such a server are: it writes to their terminals, and does not keep those of its windows open. */
struct terminals {
	uint32_t tty[TERMINALS]; /* as struct procfs_stat has it */
	size_t n;
	uint32_t uid, pidns;
};

/* As new_encode_dev() of include/linux/kdev_t.h. */
static uint32_t tty_of(uint32_t number)
{
	return (number & 0xff) | PTY_MAJOR << 8 | (number & ~UINT32_C(0xff)) << 12;
}

static bool take_terminal(void *arg, const char *target)
{
	struct terminals *t = arg;
	uint32_t number;

	if (sscanf(target, "/dev/pts/%7" SCNu32, &number) == 1)
		t->tty[t->n++] = tty_of(number);
	return t->n < TERMINALS;
}

/* Terminals of different containers may have the same number. */
static bool is_client(const struct terminals *t, uint32_t pid)
{
	struct procfs_stat st;

	if (procfs_stat(pid, &st) || !is_multiplexer(st.comm))
		return false;
	for (size_t i = 0; i < t->n; i++)
		if (t->tty[i] == st.tty)
			return procfs_uid(pid) == t->uid && procfs_namespace(pid, "pid") == t->pidns;
	return false;
}

static void climb_from_clients(struct search *s, uint32_t server)
{
	struct terminals t = { .uid = procfs_uid(server), .pidns = procfs_namespace(server, "pid") };
	struct dirent *d;
	uint32_t pid;
	DIR *dir;

	procfs_each_fd(server, take_terminal, &t);
	dir = t.n ? opendir("/proc") : NULL;
	while (dir && !s->cut && (d = readdir(dir))) {
		if (procfs_is_pid(d->d_name, &pid) && is_client(&t, pid))
			climb(s, pid);
		s->cut = clock_ns(CLOCK_MONOTONIC) > s->until;
	}
	if (dir)
		closedir(dir);
}

/* --- all of it -------------------------------------------------------------------------- */

static size_t servers(const struct search *s, uint32_t ret[SEEN])
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->seen[i].serves_login)
			ret[n++] = s->seen[i].pid;
	return n;
}

static void add_pids(struct own *own, const struct search *s, bool serve_login)
{
	for (size_t i = 1; i < s->n && own->npids < OWN_PIDS; i++)
		if (s->seen[i].serves_login == serve_login)
			own->pids[own->npids++] = s->seen[i].pid;
}

static void find_connections(struct own *own, struct search *s)
{
	uint32_t pids[SEEN];

	s->cut |= own_served(own, pids, servers(s, pids), s->until) != 0;
	if (own->nconnections)
		return;
	for (size_t i = 0; i < s->n; i++)
		pids[i] = s->seen[i].pid;
	s->cut |= own_environments(own, pids, s->n, s->until) != 0;
}

int own_find(struct own *ret)
{
	struct search s = { .until = clock_ns(CLOCK_MONOTONIC) + TIME_MAX };
	const uint32_t self = pidns_shown(getpid());

	*ret = (struct own){ 0 };
	climb(&s, self);
	if (!s.n)
		return -ESRCH;
	/* Clients may be in windows of others. */
	for (size_t i = 0; i < s.n; i++)
		if (s.seen[i].serves_terminals)
			climb_from_clients(&s, s.seen[i].pid);
	ret->pids[ret->npids++] = self;
	add_pids(ret, &s, true);
	add_pids(ret, &s, false);
	find_connections(ret, &s);
	if (s.cut)
		log_warn("own: looking through /proc was ended after a second: the connection that we were started "
			 "over may be missing");
	return 0;
}

static void put_end(struct buf *b, int family, const uint8_t address[16], uint16_t port)
{
	char text[INET6_ADDRSTRLEN];

	buf_printf(b, "host %s and port %u", inet_ntop(family, address, text, sizeof(text)), port);
}

void own_put(const struct own *own, struct buf *b)
{
	buf_putc(b, '(');
	for (size_t i = 0; i < own->npids; i++)
		buf_printf(b, "%spid %" PRIu32, i ? " or " : "", own->pids[i]);
	for (size_t i = 0; i < own->nconnections; i++) {
		const struct own_connection *c = &own->connections[i];

		buf_puts(b, " or (tcp and ");
		put_end(b, c->family, c->remote, c->remote_port);
		buf_puts(b, " and ");
		put_end(b, c->family, c->local, c->local_port);
		buf_putc(b, ')');
	}
	buf_putc(b, ')');
}
