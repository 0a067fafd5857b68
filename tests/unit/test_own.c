/* SPDX-License-Identifier: BSD-3-Clause */
/* With a /proc of files. */
#include "own.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pcap/dlt.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "fake.h"
#include "filter/filter.h"
#include "own_sockets.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/pidns.h"

enum { ALICE = 1000, BOB = 1001 };

static char root[64]; /* what "/proc" is */
static uint32_t self;
static uint64_t now, step; /* ns; each look at the clock takes step */

/* Returns path, or where it is in place of /proc. */
static const char *moved(const char *path, char to[256])
{
	if (strncmp(path, "/proc", 5) != 0)
		return path;
	snprintf(to, 256, "%s%s", root, path + 5);
	return to;
}

int __real_open(const char *path, int flags, ...);
FAKE(int, open, const char *path, int flags, ...)
{
	char to[256];

	return __real_open(moved(path, to), flags, 0600);
}

DIR *__real_opendir(const char *path);
FAKE(DIR *, opendir, const char *path)
{
	char to[256];

	return __real_opendir(moved(path, to));
}

FILE *__real_fopen(const char *path, const char *mode);
FAKE(FILE *, fopen, const char *path, const char *mode)
{
	char to[256];

	return __real_fopen(moved(path, to), mode);
}

int __real_stat(const char *path, struct stat *st);
FAKE(int, stat, const char *path, struct stat *st)
{
	char to[256];

	return __real_stat(moved(path, to), st);
}

FAKE(uint32_t, pidns_shown, pid_t pid)
{
	return self;
}

FAKE(uint64_t, clock_ns, clockid_t clock)
{
	return now += step;
}

FAKE(void, log_msg, enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	told_args(fmt, args);
	va_end(args);
}

/* --- the tree ------------------------------------------------------------------------ */

static void put(uint32_t pid, const char *name, const char *text, size_t n, const char *mode)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%" PRIu32 "/%s", root, pid, name);
	f = __real_fopen(path, mode);
	if (!f || fwrite(text, 1, n, f) != n)
		abort();
	fclose(f);
}

enum { ADDRESS = 64 };

static void put_link(uint32_t pid, const char *name, const char *to)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%" PRIu32 "/%s", root, pid, name);
	unlink(path);
	if (symlink(to, path))
		abort();
}

struct born {
	uint32_t pid, parent;
	const char *comm, *title;
	unsigned terminal; /* 1 and up: /dev/pts/0 and up */
	uint32_t uid;
	uint64_t start; /* ticks; 0: by its pid */
};

static void bear(struct born b)
{
	static const char *const folders[] = { "", "/fd", "/net", "/ns" };
	char text[512];

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(text, sizeof(text), "%s/%" PRIu32 "%s", root, b.pid, folders[i]);
		mkdir(text, 0700);
	}
	snprintf(text, sizeof(text),
		 "%" PRIu32 " (%s) S %" PRIu32 " 1 1 %u 0 0 0 0 0 0 0 0 0 0 20 0 1 0 %" PRIu64 " 0\n", b.pid, b.comm,
		 b.parent, b.terminal ? 136 << 8 | (b.terminal - 1) : 0, b.start ? b.start : b.pid);
	put(b.pid, "stat", text, strlen(text), "w");
	snprintf(text, sizeof(text), "Name:\t%s\nUid:\t%" PRIu32 "\t0\t0\t0\n", b.comm, b.uid);
	put(b.pid, "status", text, strlen(text), "w");
	put(b.pid, "cmdline", b.title ? b.title : b.comm, strlen(b.title ? b.title : b.comm) + 1, "w");
	put(b.pid, "environ", "", 0, "w");
	put(b.pid, "net/tcp", "  sl  local_address rem_address   st\n", 37, "w");
	put(b.pid, "net/tcp6", "  sl  local_address rem_address   st\n", 37, "w");
	put_link(b.pid, "ns/net", "/");
	put_link(b.pid, "ns/pid", "/");
}

static void process(uint32_t pid, uint32_t parent, const char *comm, const char *title)
{
	bear((struct born){ .pid = pid, .parent = parent, .comm = comm, .title = title });
}

static void environment(uint32_t pid, const char *connection)
{
	char text[256] = "HOME=/\0SSH_CONNECTION_=x";
	const size_t n = 7 + strlen(text + 7) + 1;

	put(pid, "environ", text, n + (size_t)snprintf(text + n, sizeof(text) - n, "SSH_CONNECTION=%s", connection) + 1,
	    "w");
}

static void open_fd(uint32_t pid, int fd, const char *to)
{
	char name[32];

	snprintf(name, sizeof(name), "fd/%d", fd);
	put_link(pid, name, to);
}

/* An address of little endian machines, each word of which is a number: as this one shows it. */
static void address_here(char to[ADDRESS], const char *from)
{
	snprintf(to, ADDRESS, "%s", from);
	for (size_t i = 0; __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ && strcspn(from + i, ":") >= 8; i += 8)
		for (size_t j = 0; j < 8; j += 2)
			memcpy(to + i + j, from + i + 6 - j, 2);
}

/* A row of /proc/PID/net/tcp, or tcp6 where there are longer addresses. */
static void row(uint32_t pid, const char *local, const char *remote, unsigned state, unsigned inode)
{
	char text[256], from[ADDRESS], to[ADDRESS];

	address_here(from, local);
	address_here(to, remote);
	snprintf(text, sizeof(text),
		 "   0: %s %s %02X 00000000:00000000 02:000A5C96 00000000     0        0 %u 4 0000000000000000 20\n",
		 from, to, state, inode);
	put(pid, strlen(local) > 20 ? "net/tcp6" : "net/tcp", text, strlen(text), "a");
}

static char *found(void)
{
	static struct buf b;
	struct own own;
	const int err = own_find(&own);

	b.len = 0;
	if (err)
		buf_printf(&b, "%d", err);
	else
		own_put(&own, &b);
	buf_putc(&b, '\0');
	return b.p;
}

static void new_tree(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s/[0-9]*", root);
	if (system(command))
		abort();
	now = step = 0;
	what_was_told();
	bear((struct born){ .pid = 1, .comm = "systemd" });
}

#define CLIENT "(tcp and host 10.0.0.9 and port 51022 and host 10.0.0.1 and port 22)"

/* The connection of CLIENT, whose socket a process holds. */
static void serve(uint32_t pid)
{
	open_fd(pid, 0, "/dev/null");
	open_fd(pid, 3, "socket:[70]");
	open_fd(pid, 4, "socket:[77]");
	open_fd(pid, 5, "/dev/pts/0");
	row(pid, "00000000:0016", "00000000:0000", 10, 70);
	row(pid, "0100000A:0016", "0900000A:C74F", 1, 78);
	row(pid, "0100000A:0016", "0900000A:C74E", 1, 77);
}

/* Processes 100 (listening), 200 (with rights), 300 (without) and 400, a shell. */
static void login_by_sshd(void)
{
	process(100, 1, "sshd", "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups");
	process(200, 100, "sshd", "sshd: alice [priv]");
	bear((struct born){ .pid = 300, .parent = 200, .comm = "sshd", .title = "sshd: alice@pts/0", .uid = ALICE });
	bear((struct born){ .pid = 400, .parent = 300, .comm = "bash", .terminal = 1, .uid = ALICE });
	open_fd(100, 4, "socket:[70]");
	serve(200);
	serve(300);
}

static void we_are(uint32_t pid, uint32_t parent)
{
	self = pid;
	process(pid, parent, "ptcpdump", NULL);
}

/* --- over ssh ------------------------------------------------------------------------ */

static void test_ssh(void)
{
	new_tree();
	login_by_sshd();
	we_are(500, 400);
	CHECK_STR(found(), "(pid 500 or pid 300 or pid 200 or pid 400 or " CLIENT ")");
	CHECK_STR(what_was_told(), "");
}

static void test_sudo(void)
{
	new_tree();
	login_by_sshd();
	process(410, 400, "sudo", NULL);
	process(420, 410, "sudo", NULL);
	we_are(500, 420);
	CHECK_STR(found(), "(pid 500 or pid 300 or pid 200 or pid 420 or pid 410 or pid 400 or " CLIENT ")");
}

static void test_listeners(void)
{
	static const char *const titles[] = { "/usr/sbin/sshd", "sshd: /usr/sbin/sshd [listener] 1 of 10-100 startups",
					      "" };

	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
		new_tree();
		login_by_sshd();
		process(100, 1, "sshd", titles[i]);
		we_are(500, 400);
		CHECK_STR(found(), "(pid 500 or pid 300 or pid 200 or pid 400 or " CLIENT ")");
	}
}

/* Since OpenSSH 9.8 */
static void test_sshd_session(void)
{
	new_tree();
	login_by_sshd();
	process(200, 100, "sshd-session", "sshd-session: alice [priv]");
	process(300, 200, "sshd-session", "sshd-session: alice@pts/0");
	serve(200);
	serve(300);
	we_are(500, 400);
	CHECK_STR(found(), "(pid 500 or pid 300 or pid 200 or pid 400 or " CLIENT ")");
}

/* The daemon was started anew, or there is none. */
static void test_no_listener(void)
{
	new_tree();
	login_by_sshd();
	process(200, 1, "sshd", "sshd: alice [priv]");
	serve(200);
	we_are(500, 400);
	CHECK_STR(found(), "(pid 500 or pid 300 or pid 200 or pid 400 or " CLIENT ")");
}

static void test_others(void)
{
	new_tree();
	process(100, 1, "dropbear", NULL);
	process(200, 100, "dropbear", NULL);
	serve(200);
	we_are(500, 200);
	CHECK_STR(found(), "(pid 500 or pid 200 or " CLIENT ")");
	process(100, 1, "inetd", NULL);
	process(200, 100, "in.telnetd", NULL);
	serve(200);
	process(210, 200, "login", NULL);
	we_are(500, 210);
	CHECK_STR(found(), "(pid 500 or pid 200 or pid 210 or " CLIENT ")");
}

static void test_addresses(void)
{
	new_tree();
	login_by_sshd();
	we_are(500, 400);
	for (uint32_t pid = 200; pid <= 300; pid += 100) {
		put(pid, "net/tcp", "", 0, "w");
		row(pid, "0000000000000000FFFF00000100000A:0016", "0000000000000000FFFF00000900000A:C74E", 1, 77);
	}
	CHECK_STR(found(), "(pid 500 or pid 300 or pid 200 or pid 400 or " CLIENT ")");
	for (uint32_t pid = 200; pid <= 300; pid += 100) {
		put(pid, "net/tcp6", "", 0, "w");
		row(pid, "B80D0120000000000000000001000000:0016", "000080FE00000000FF005450A9C8B1FE:C74E", 1, 77);
	}
	CHECK_STR(found(), "(pid 500 or pid 300 or pid 200 or pid 400 or "
			   "(tcp and host fe80::5054:ff:feb1:c8a9 and port 51022 and host 2001:db8::1 and port 22))");
}

/* A socket is looked for in the tables of those who hold it. */
static void test_namespaces(void)
{
	new_tree();
	login_by_sshd();
	we_are(500, 400);
	put_link(200, "ns/net", root);
	put(200, "net/tcp", "", 0, "w");
	row(200, "0100000A:0016", "0800000A:C74E", 1, 77);
	CHECK_STR(found(), "(pid 500 or pid 300 or pid 200 or pid 400 or " CLIENT
			   " or (tcp and host 10.0.0.8 and port 51022 and host 10.0.0.1 and port 22))");
}

static void test_not_over_ssh(void)
{
	new_tree();
	process(300, 1, "login", NULL);
	process(400, 300, "bash", NULL);
	we_are(500, 400);
	CHECK_STR(found(), "(pid 500 or pid 400 or pid 300)");
	process(1, 0, "runit", NULL);
	CHECK_STR(found(), "(pid 500 or pid 400 or pid 300)");
	/* Whatever we are called */
	process(500, 400, "systemd", NULL);
	CHECK_STR(found(), "(pid 500 or pid 400 or pid 300)");
	self = 1;
	CHECK_STR(found(), "(pid 1)");
	self = 0;
	CHECK_STR(found(), "-3");
	self = 4711;
	CHECK_STR(found(), "-3");
}

static void test_shared_are_left_out(void)
{
	static const char *const names[] = { "systemd", "containerd-shim", "conmon", "cron" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		new_tree();
		process(300, 1, names[i], NULL);
		process(400, 300, "bash", NULL);
		we_are(500, 400);
		CHECK_STR(found(), "(pid 500 or pid 400)");
	}
}

/* --- tmux, screen -------------------------------------------------------------------- */

/* We are in a window of 700; 600 is its client in the login of login_by_sshd(). */
static void multiplexed(const char *server, const char *client)
{
	new_tree();
	login_by_sshd();
	bear((struct born){ .pid = 600, .parent = 400, .comm = client, .terminal = 1, .uid = ALICE });
	bear((struct born){ .pid = 700, .parent = 1, .comm = server, .uid = ALICE });
	bear((struct born){ .pid = 710, .parent = 700, .comm = "bash", .terminal = 2 });
	open_fd(700, 0, "/dev/null");
	open_fd(700, 5, "/dev/pts/0");
	open_fd(700, 6, "/dev/ptmx");
	we_are(800, 710);
}

static void test_multiplexed(void)
{
	multiplexed("tmux: server", "tmux: client");
	CHECK_STR(found(), "(pid 800 or pid 300 or pid 200 or pid 710 or pid 700 or pid 600 or pid 400 or " CLIENT ")");
	multiplexed("screen", "screen");
	CHECK_STR(found(), "(pid 800 or pid 300 or pid 200 or pid 710 or pid 700 or pid 600 or pid 400 or " CLIENT ")");
}

#define DETACHED "(pid 800 or pid 710 or pid 700)"

static void test_not_our_client(void)
{
	/* Of another server, of another user, in another container, another program */
	multiplexed("tmux: server", "tmux: client");
	open_fd(700, 5, "/dev/pts/4");
	CHECK_STR(found(), DETACHED);
	multiplexed("tmux: server", "tmux: client");
	bear((struct born){ .pid = 600, .parent = 400, .comm = "tmux: client", .terminal = 1, .uid = BOB });
	CHECK_STR(found(), DETACHED);
	multiplexed("tmux: server", "tmux: client");
	put_link(600, "ns/pid", root);
	CHECK_STR(found(), DETACHED);
	multiplexed("tmux: server", "tmux: client");
	bear((struct born){ .pid = 600, .parent = 400, .comm = "vi", .terminal = 1, .uid = ALICE });
	CHECK_STR(found(), DETACHED);
}

/* What it holds besides says nothing of terminals. */
static void test_strange_descriptors(void)
{
	static const char *const links[] = { "/dev/pts/", "/dev/pts/ptmx", "/tmp/dev/pts/0", "/dev/pts/-1",
					     "/dev/pts/99999999999999" };

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		multiplexed("tmux: server", "tmux: client");
		open_fd(700, 5, links[i]);
		CHECK_STR(found(), DETACHED);
	}
}

/* A client of ours is in a window of screen. */
static void test_nested(void)
{
	multiplexed("tmux: server", "tmux: client");
	bear((struct born){ .pid = 400, .parent = 1, .comm = "screen", .uid = ALICE });
	open_fd(400, 3, "/dev/pts/7");
	bear((struct born){ .pid = 390, .parent = 300, .comm = "screen", .terminal = 8, .uid = ALICE });
	CHECK_STR(found(),
		  "(pid 800 or pid 300 or pid 200 or pid 710 or pid 700 or pid 600 or pid 400 or pid 390 or " CLIENT
		  ")");
}

static void test_large_terminal(void)
{
	multiplexed("tmux: server", "tmux: client");
	open_fd(700, 5, "/dev/pts/300");
	/* new_encode_dev(136, 300) */
	put(600, "stat", "600 (tmux: client) S 400 1 1 1083436 0 0 0 0 0 0 0 0 0 0 20 0 1 0 600 0", 72, "w");
	CHECK_STR(found(), "(pid 800 or pid 300 or pid 200 or pid 710 or pid 700 or pid 600 or pid 400 or " CLIENT ")");
}

/* --- the environment ----------------------------------------------------------------- */

/* The sockets of sshd must not be seen. */
static void hide_sockets(void)
{
	for (uint32_t pid = 200; pid <= 300; pid += 100) {
		for (int fd = 3; fd <= 4; fd++)
			open_fd(pid, fd, "/dev/null");
	}
}

static void test_environment(void)
{
	new_tree();
	login_by_sshd();
	hide_sockets();
	we_are(500, 400);
	CHECK_STR(found(), "(pid 500 or pid 300 or pid 200 or pid 400)");
	/* Of an ancestor, as sudo does not hand it on. */
	environment(400, "10.0.0.9 51022 10.0.0.1 22");
	CHECK_STR(found(), "(pid 500 or pid 300 or pid 200 or pid 400)");
	/* In TIME_WAIT, after a login that is over. */
	row(400, "0100000A:0016", "0900000A:C74E", 6, 0);
	CHECK_STR(found(), "(pid 500 or pid 300 or pid 200 or pid 400)");
	row(400, "0100000A:0016", "0900000A:C74E", 1, 77);
	CHECK_STR(found(), "(pid 500 or pid 300 or pid 200 or pid 400 or " CLIENT ")");
	/* Nobody knows what is open. */
	put_link(400, "net/tcp", "nowhere");
	put_link(400, "net/tcp6", "nowhere");
	CHECK_STR(found(), "(pid 500 or pid 300 or pid 200 or pid 400 or " CLIENT ")");
	environment(400, "10.0.0.9 51022 10.0.0.1 22)");
	CHECK_STR(found(), "(pid 500 or pid 300 or pid 200 or pid 400)");
}

/* mosh-server's is that of the ssh that started it. */
static void test_mosh(void)
{
	new_tree();
	process(300, 1, "mosh-server", NULL);
	process(400, 300, "bash", NULL);
	environment(300, "10.0.0.9 51022 10.0.0.1 22");
	environment(400, "10.0.0.9 51022 10.0.0.1 22");
	we_are(500, 400);
	CHECK_STR(found(), "(pid 500 or pid 300 or pid 400)");
}

/* The sockets say more. */
static void test_environment_is_second(void)
{
	new_tree();
	login_by_sshd();
	we_are(500, 400);
	row(400, "0100000A:0016", "0900000A:C74F", 1, 78);
	environment(400, "10.0.0.9 51023 10.0.0.1 22");
	CHECK_STR(found(), "(pid 500 or pid 300 or pid 200 or pid 400 or " CLIENT ")");
}

static void test_parse(void)
{
	static const char *const bad[] = {
		"",
		"10.0.0.9",
		"10.0.0.9 51022 10.0.0.1",
		"10.0.0.9 51022 10.0.0.1 22 ",
		"10.0.0.9 51022 10.0.0.1 22 tcp",
		"10.0.0.9  51022 10.0.0.1 22",
		"10.0.0.9 51022 10.0.0.1 0",
		"10.0.0.9 51022 10.0.0.1 022",
		"10.0.0.9 51022 10.0.0.1 65536",
		"10.0.0.9 51022 10.0.0.1 18446744073709551638",
		"10.0.0.9 +1 10.0.0.1 22",
		"10.0.0.9 51022 10.0.0.1 22\n",
		"10.0.0.9 51022 ::1 22",
		"::1 51022 10.0.0.1 22",
		"10.0.0.9%eth0 51022 10.0.0.1 22",
		"UNKNOWN 65535 UNKNOWN 65535",
		"a.example 51022 10.0.0.1 22",
		"10.9 51022 10.0.0.1 22",
		"::1%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%"
		"%%%%%%%%%%%%%%%%%%%%%%%%%% 51022 ::1 22",
	};
	struct own_connection c;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!own_parse(bad[i], &c));
	CHECK(own_parse("10.0.0.9 51022 10.0.0.1 22", &c));
	CHECK_INT(c.family, AF_INET);
	CHECK_MEM(c.remote, "\12\0\0\11\0\0\0\0\0\0\0\0\0\0\0", 16);
	CHECK_MEM(c.local, "\12\0\0\1\0\0\0\0\0\0\0\0\0\0\0", 16);
	CHECK_INT(c.remote_port, 51022);
	CHECK_INT(c.local_port, 22);
	CHECK(own_parse("fe80::9%eth0 65535 fe80::1%eth0 1", &c));
	CHECK_INT(c.family, AF_INET6);
	CHECK_MEM(c.remote, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\11", 16);
	CHECK(own_parse("::ffff:10.0.0.9 51022 ::ffff:10.0.0.1 22", &c));
	CHECK_INT(c.family, AF_INET);
	CHECK_MEM(c.remote, "\12\0\0\11\0\0\0\0\0\0\0\0\0\0\0", 16);
}

/* --- bounds -------------------------------------------------------------------------- */

static void test_many_ancestors(void)
{
	const char *text;

	new_tree();
	login_by_sshd();
	for (uint32_t pid = 401; pid < 460; pid++)
		process(pid, pid - 1, "sh", NULL);
	we_are(500, 459);
	text = found();
	/* Who serves the login is the farthest. */
	CHECK(strncmp(text, "(pid 500 or pid 300 or pid 200 or pid 459 or pid 458", 52) == 0);
	CHECK_STR(strstr(text, " or pid 431 or "), " or pid 431 or " CLIENT ")");
}

static void test_many_clients(void)
{
	enum { CLIENTS = OWN_CONNECTIONS + 4 };
	unsigned connections = 0;
	char text[32];

	multiplexed("tmux: server", "tmux: client");
	for (uint32_t i = 0; i < CLIENTS; i++) {
		process(210 + i, 100, "sshd", "sshd: alice@pts/9");
		snprintf(text, sizeof(text), "socket:[%" PRIu32 "]", 1000 + i);
		open_fd(210 + i, 4, text);
		bear((struct born){
			.pid = 610 + i, .parent = 210 + i, .comm = "tmux: client", .terminal = 10 + i, .uid = ALICE });
		snprintf(text, sizeof(text), "/dev/pts/%" PRIu32, 9 + i);
		open_fd(700, 10 + (int)i, text);
	}
	/* All see the same tables. */
	for (uint32_t i = 0; i < CLIENTS; i++) {
		snprintf(text, sizeof(text), "0900000A:%04" PRIX32, 5000 + i);
		for (uint32_t j = 0; j < CLIENTS; j++)
			row(210 + j, "0100000A:0016", text, 1, 1000 + i);
		row(200, "0100000A:0016", text, 1, 1000 + i);
		row(300, "0100000A:0016", text, 1, 1000 + i);
	}
	for (const char *p = found(); (p = strstr(p, "tcp and ")); p++)
		connections++;
	CHECK_INT(connections, OWN_CONNECTIONS);
}

/* Its pid is another's by now. */
static void test_younger_parent(void)
{
	new_tree();
	bear((struct born){ .pid = 400, .parent = 1, .comm = "bash", .start = 501 });
	we_are(500, 400);
	CHECK_STR(found(), "(pid 500)");
	bear((struct born){ .pid = 400, .parent = 1, .comm = "bash", .start = 500 });
	CHECK_STR(found(), "(pid 500 or pid 400)");
	bear((struct born){ .pid = 400, .parent = 500, .comm = "bash", .start = 500 });
	CHECK_STR(found(), "(pid 500 or pid 400)");
}

static void test_time(void)
{
	multiplexed("tmux: server", "tmux: client");
	environment(710, "10.0.0.9 51022 10.0.0.1 22");
	step = 2 * NSEC_PER_SEC;
	/* The connection could not be looked for. */
	row(710, "0100000A:0016", "0800000A:C74E", 1, 77);
	CHECK(strncmp(found(), "(pid 800 or ", 12) == 0);
	CHECK(strstr(what_was_told(), "ended after a second"));
}

/* --- really -------------------------------------------------------------------------- */

/* A process's descriptors and tables are those of this one. */
static void is_really_us(uint32_t pid)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%" PRIu32 "/fd", root, pid);
	rmdir(path);
	put_link(pid, "fd", "/proc/self/fd");
	put_link(pid, "net/tcp", "/proc/self/net/tcp");
	put_link(pid, "net/tcp6", "/proc/self/net/tcp6");
}

struct pair {
	int client, server;
	uint16_t port; /* of the client */
};

/* The server's end has the lowest number that is free, the client's a high one. */
static struct pair connected(int listener)
{
	struct sockaddr_in a;
	socklen_t n = sizeof(a);
	struct pair p;
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (getsockname(listener, (struct sockaddr *)&a, &n) || connect(fd, (struct sockaddr *)&a, n) ||
	    getsockname(fd, (struct sockaddr *)&a, &n))
		abort();
	p.port = ntohs(a.sin_port);
	p.client = fcntl(fd, F_DUPFD, 100);
	close(fd);
	p.server = accept(listener, NULL, NULL);
	if (p.client < 0 || p.server < 0)
		abort();
	return p;
}

/* What is forwarded is not what is served. */
static void test_real_tables(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	const int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t n = sizeof(a);
	struct pair served, forwarded;
	char want[256];

	if (bind(listener, (struct sockaddr *)&a, n) || listen(listener, 4) ||
	    getsockname(listener, (struct sockaddr *)&a, &n))
		abort();
	served = connected(listener);
	forwarded = connected(listener);
	new_tree();
	process(300, 1, "sshd", "sshd: alice@pts/0");
	is_really_us(300);
	we_are(500, 300);
	snprintf(want, sizeof(want),
		 "(pid 500 or pid 300 or (tcp and host 127.0.0.1 and port %u and host 127.0.0.1 and port %u))",
		 served.port, ntohs(a.sin_port));
	CHECK_STR(found(), want);
	close(served.client);
	close(served.server);
	close(forwarded.client);
	close(forwarded.server);
	close(listener);
}

static const uint8_t v4_in[] =
	"\x45\0\0\x28\0\0\0\0\x40\x06\0\0\x0a\0\0\x09\x0a\0\0\x01\xc7\x4e\0\x16\0\0\0\0\0\0\0\0\x50\0\0\0\0\0\0";
static const uint8_t v4_out[] =
	"\x45\0\0\x28\0\0\0\0\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x09\0\x16\xc7\x4e\0\0\0\0\0\0\0\0\x50\0\0\0\0\0\0";

/* libpcap takes the part that is its own, and it has nothing to look up. */
static void test_expression(void)
{
	uint8_t other[sizeof(v4_in)];
	struct own own = { .pids = { 7 }, .npids = 1, .nconnections = 2 };
	const struct filter_compile_opts opts = { .dlt = DLT_RAW };
	char *text, err[FILTER_ERR_LEN] = "";
	struct filter_code code = { 0 };
	struct buf b = { 0 };

	CHECK(own_parse("10.0.0.9 51022 10.0.0.1 22", &own.connections[0]));
	CHECK(own_parse("fe80::9%eth0 51022 2001:db8::1 22", &own.connections[1]));
	own_put(&own, &b);
	buf_putc(&b, '\0');
	CHECK_STR(b.p,
		  "(pid 7 or " CLIENT " or (tcp and host fe80::9 and port 51022 and host 2001:db8::1 and port 22))");
	text = strstr(b.p, CLIENT);
	b.p[b.len - 2] = '\0';
	CHECK(!filter_has_names(text));
	filter_compile(text, &opts, &code, err);
	CHECK_STR(err, "");
	CHECK(filter_match(&code, v4_in, sizeof(v4_in), sizeof(v4_in), NULL));
	CHECK(filter_match(&code, v4_out, sizeof(v4_out), sizeof(v4_out), NULL));
	memcpy(other, v4_in, sizeof(other));
	other[21]++; /* another login of that host */
	CHECK(!filter_match(&code, other, sizeof(other), sizeof(other), NULL));
	filter_done(&code);
	buf_done(&b);
}

int main(void)
{
	const char *tmp = getenv("TEST_TMP");
	char command[128];

	snprintf(root, sizeof(root), "%s/own.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(root))
		abort();
	RUN(test_ssh);
	RUN(test_sudo);
	RUN(test_listeners);
	RUN(test_sshd_session);
	RUN(test_no_listener);
	RUN(test_others);
	RUN(test_addresses);
	RUN(test_namespaces);
	RUN(test_not_over_ssh);
	RUN(test_shared_are_left_out);
	RUN(test_multiplexed);
	RUN(test_not_our_client);
	RUN(test_strange_descriptors);
	RUN(test_nested);
	RUN(test_large_terminal);
	RUN(test_environment);
	RUN(test_mosh);
	RUN(test_environment_is_second);
	RUN(test_parse);
	RUN(test_many_ancestors);
	RUN(test_many_clients);
	RUN(test_younger_parent);
	RUN(test_time);
	RUN(test_real_tables);
	RUN(test_expression);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command) || check_status();
}
