/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose packet it is, asked in user space: who is asked, and for how long answers hold. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "owners_rig.h"
#include "util/clock.h"
#include "util/procfs.h"

/* --- maps ------------------------------------------------------------------------------- */

enum { FIN = 1, SYN = 2, ACK = 16 };

static void tcp(uint8_t flags)
{
	packet_len = 0;
	ipv4(IPPROTO_TCP);
	ports(flags);
}

static struct flow_key key_of(bool mirrored, uint32_t netns)
{
	struct flow_key k = { .l = { 0, 0, htonl(0xffff), htonl(0x0a000001 + mirrored) },
			      .r = { 0, 0, htonl(0xffff), htonl(0x0a000002 - mirrored) },
			      .netns = netns,
			      .lport = htons(mirrored ? 80 : 1000),
			      .rport = htons(mirrored ? 1000 : 80),
			      .proto = IPPROTO_TCP };

	return k;
}

static struct owner_rec *put_flow(bool mirrored, uint32_t netns, uint32_t tgid)
{
	flows[nflows].key = key_of(mirrored, netns);
	flows[nflows].rec = (struct owner_rec){ .tgid = tgid, .tid = tgid + 1, .uid = 5, .start = 99 };
	return &flows[nflows++].rec;
}

static struct owner_rec *put_cookie(uint64_t cookie, uint32_t tgid)
{
	cookies[ncookies].cookie = cookie;
	cookies[ncookies].rec = (struct owner_rec){ .tgid = tgid, .cookie = cookie };
	return &cookies[ncookies++].rec;
}

static struct event_packet found;
static bool destination; /* that sock_diag is asked for next */

static bool ask_tcp(uint8_t flags, uint64_t now)
{
	tcp(flags);
	found = (struct event_packet){ .ifindex = ETH0 };
	asked = 0;
	destination = false;
	return ask(DLT_RAW, packet_len, &found, now);
}

static void test_record_becomes_owner(void)
{
	struct owner_rec *rec;

	start(FLOWS, COOKIES);
	rec = put_flow(false, NETNS, 10);
	rec->cookie = 3;
	rec->image = 7;
	rec = put_flow(true, NETNS, 20);
	rec->certain = 1;
	rec->source = OWNER_SCAN;
	CHECK(ask_tcp(ACK, T0));
	CHECK_INT(found.src.tgid, 10);
	CHECK_INT(found.src.tid, 11);
	CHECK_INT(found.src.uid, 5);
	CHECK_INT(found.src.start, 99);
	CHECK_INT(found.src.cookie, 3);
	CHECK_INT(found.src.source, OWNER_FLOW);
	CHECK_INT(found.src.flags, OWNER_F_PROVISIONAL | OWNER_F_LATER);
	CHECK_INT(found.src.image, 7);
	CHECK_INT(found.dst.tgid, 20);
	CHECK_INT(found.dst.source, OWNER_SCAN);
	CHECK_INT(found.dst.flags, OWNER_F_LATER);
}

/* Its port is another process's by now. */
static void test_sender_was_there(void)
{
	const uint64_t asleep = clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC),
		       began = asleep + 1000 * NSEC_PER_SEC;

	start(FLOWS, COOKIES);
	put_flow(false, NETNS, 10)->start = began;
	put_flow(true, NETNS, 20)->start = began;
	flows[0].key.proto = flows[1].key.proto = IPPROTO_UDP;
	for (unsigned later = 0; later < 2; later++) {
		packet_len = 0;
		ipv4(IPPROTO_UDP);
		ports(0);
		found = (struct event_packet){ .ifindex = ETH0, .ts = (998 + 4 * later) * NSEC_PER_SEC };
		ask(DLT_RAW, packet_len, &found, T0);
		CHECK_INT(found.src.tgid, later ? 10 : 0);
		/* A receiver may come later than what it receives. */
		CHECK_INT(found.dst.tgid, 20);
	}
}

/* The answer holds for what was sent until then. */
static void test_another_program_sends(void)
{
	struct owner_rec *rec;

	start(FLOWS, COOKIES);
	rec = put_flow(false, NETNS, 10);
	rec->image = 7;
	for (unsigned later = 0; later < 2; later++) {
		tcp(ACK);
		found = (struct event_packet){ .ifindex = ETH0, .ts = T0 + later };
		ask(DLT_RAW, packet_len, &found, T0 + later);
		CHECK_INT(found.src.image, 7 + later);
		rec->image = 8;
	}
	found = (struct event_packet){ .ifindex = ETH0, .ts = T0 };
	ask(DLT_RAW, packet_len, &found, T0 + 2);
	CHECK_INT(found.src.image, 8);
}

/* That of this namespace is better than one of any. */
static void test_namespaces(void)
{
	start(FLOWS, COOKIES);
	put_flow(false, 0, 10), put_flow(false, NETNS, 11);
	put_flow(true, 0, 20), put_flow(true, NETNS + 1, 21);
	CHECK(ask_tcp(ACK, T0));
	CHECK_INT(found.src.tgid, 11);
	CHECK_INT(found.dst.tgid, 20);
}

/* Whoever uses the socket by now, if somebody does. */
static void test_cookies_of_flows(void)
{
	start(FLOWS, COOKIES);
	put_flow(false, NETNS, 10)->cookie = 3;
	put_cookie(3, 12);
	put_flow(true, NETNS, 20)->cookie = 4;
	put_cookie(4, 0);
	CHECK(ask_tcp(ACK, T0));
	CHECK_INT(found.src.tgid, 12);
	CHECK_INT(found.dst.tgid, 20);
	/* a cookie of 0 is none */
	start(FLOWS, COOKIES);
	put_flow(false, NETNS, 10);
	put_cookie(0, 12);
	CHECK(ask_tcp(ACK, T0));
	CHECK_INT(found.src.tgid, 10);
	/* nobody yet, until the socket is used */
	start(FLOWS, COOKIES);
	put_flow(false, NETNS, 0)->cookie = 3;
	CHECK(!ask_tcp(ACK, T0));
	CHECK_INT(found.src.tgid, 0);
	put_cookie(3, 12);
	CHECK(ask_tcp(SYN, T0));
	CHECK_INT(found.src.tgid, 12);
}

/* Which ends have to be known: those that are shown. */
static void test_ends_that_count(void)
{
	static const struct {
		uint32_t ifindex;
		uint8_t dir;
		bool src, dst, enough;
	} cases[] = {
		{ LO, EVENT_DIR_OUT, true, true, true },     { LO, EVENT_DIR_OUT, true, false, false },
		{ LO, EVENT_DIR_OUT, false, true, false },   { ETH0, EVENT_DIR_IN, false, true, true },
		{ ETH0, EVENT_DIR_IN, true, false, false },  { ETH0, EVENT_DIR_OUT, true, false, true },
		{ ETH0, EVENT_DIR_OUT, false, true, false }, { ETH0, EVENT_DIR_NONE, true, false, true },
		{ ETH0, EVENT_DIR_NONE, false, true, true }, { ETH0, EVENT_DIR_NONE, false, false, false },
	};

	tcp(ACK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct event_packet e = { .ifindex = cases[i].ifindex, .dir = cases[i].dir };

		start(FLOWS, COOKIES);
		if (cases[i].src)
			put_flow(false, NETNS, 10);
		if (cases[i].dst)
			put_flow(true, NETNS, 20);
		if (ask(DLT_RAW, packet_len, &e, T0) != cases[i].enough)
			CHECK_FAIL("case %zu", i);
		CHECK_INT(e.src.tgid, cases[i].src ? 10 : 0);
		CHECK_INT(e.dst.tgid, cases[i].dst ? 20 : 0);
	}
}

static struct event_packet ask_knowing(uint8_t flags, struct event_owner src, struct event_owner dst, bool *ret)
{
	struct event_packet e = { .ifindex = LO, .src = src, .dst = dst };

	tcp(flags);
	asked = 0;
	*ret = ask(DLT_RAW, packet_len, &e, T0);
	return e;
}

static void test_ends_known_before(void)
{
	const struct event_owner some = { .tgid = 5 }, none = { 0 }, cookie = { .cookie = 8 };
	struct event_packet e;
	bool known;

	start(FLOWS, COOKIES);
	ask_knowing(ACK, some, some, &known);
	CHECK(known && asked == 0);
	put_flow(false, NETNS, 10);
	e = ask_knowing(ACK, some, none, &known);
	CHECK(!known && asked == 1 && e.src.tgid == 5);
	e = ask_knowing(ACK, none, some, &known);
	CHECK(known && e.src.tgid == 10 && e.dst.tgid == 5);
	/* what a cookie stands for is asked for, but while a connection is made the maps may hold the one before */
	e = ask_knowing(ACK, cookie, cookie, &known);
	CHECK(known && e.src.tgid == 10 && e.dst.tgid == 0 && e.dst.cookie == 8);
	e = ask_knowing(SYN, cookie, cookie, &known);
	CHECK(known && asked == 0 && e.src.tgid == 0 && e.src.cookie == 8);
	e = ask_knowing(SYN | ACK, cookie, cookie, &known);
	CHECK(known && asked == 0 && e.src.tgid == 0);
	e = ask_knowing(SYN | ACK, none, cookie, &known);
	CHECK(known && e.src.tgid == 10);
}

/* --- how long answers hold ------------------------------------------------------------------- */

static void test_found_holds_100_ms(void)
{
	start(FLOWS, COOKIES);
	put_flow(false, NETNS, 10), put_flow(true, NETNS, 20);
	CHECK(ask_tcp(ACK, T0));
	CHECK_INT(asked, 2);
	flows[0].rec.tgid = 30;
	CHECK(ask_tcp(ACK, T0 + 100 * MSEC - 1));
	CHECK_INT(asked, 0);
	CHECK_INT(found.src.tgid, 10);
	CHECK_INT(found.dst.tgid, 20);
	CHECK(ask_tcp(ACK, T0 + 100 * MSEC));
	CHECK_INT(asked, 2);
	CHECK_INT(found.src.tgid, 30);
}

static void test_missed_holds_10_ms(void)
{
	start(FLOWS, COOKIES);
	CHECK(!ask_tcp(ACK, T0));
	CHECK_INT(asked, 2);
	put_flow(false, NETNS, 10);
	CHECK(!ask_tcp(ACK, T0 + 10 * MSEC - 1));
	CHECK_INT(asked, 0);
	CHECK_INT(found.src.tgid, 0);
	CHECK(ask_tcp(ACK, T0 + 10 * MSEC));
	CHECK_INT(found.src.tgid, 10);
}

/* Who had it before is not remembered. */
static void test_found_then_missed(void)
{
	start(FLOWS, COOKIES);
	put_flow(false, NETNS, 10);
	CHECK(ask_tcp(ACK, T0));
	nflows = 0;
	CHECK(!ask_tcp(ACK, T0 + 100 * MSEC));
	CHECK(!ask_tcp(ACK, T0 + 100 * MSEC + 1));
	CHECK_INT(found.src.tgid, 0);
}

/* What is cached of a tuple is of the connection before when a new one begins: with SYN, not with SYN-ACK. */
static void test_new_connection_asks_anew(void)
{
	start(FLOWS, COOKIES);
	put_flow(false, NETNS, 10), put_flow(true, NETNS, 20);
	ask_tcp(ACK, T0);
	flows[0].rec.tgid = 30;
	ask_tcp(SYN | ACK, T0);
	CHECK_INT(asked, 0);
	ask_tcp(FIN, T0);
	CHECK_INT(asked, 0);
	CHECK_INT(found.src.tgid, 10);
	ask_tcp(SYN, T0);
	CHECK_INT(asked, 2);
	CHECK_INT(found.src.tgid, 30);
}

/* The flags may be cut off. */
static void test_new_connection_cut(void)
{
	struct event_packet e = { .ifindex = ETH0 };

	start(FLOWS, COOKIES);
	put_flow(false, NETNS, 10), put_flow(true, NETNS, 20);
	ask_tcp(ACK, T0);
	tcp(SYN);
	asked = 0;
	ask(DLT_RAW, 20 + 13, &e, T0);
	CHECK_INT(asked, 0);
	e = (struct event_packet){ .ifindex = ETH0 };
	ask(DLT_RAW, 20 + 14, &e, T0);
	CHECK_INT(asked, 2);
	/* nor are cookies believed too much */
	e = (struct event_packet){ .ifindex = ETH0, .src.cookie = 8 };
	ask(DLT_RAW, 20 + 13, &e, T0);
	CHECK_INT(e.src.tgid, 10);
	e = (struct event_packet){ .ifindex = ETH0, .src.cookie = 8 };
	ask(DLT_RAW, 20 + 14, &e, T0);
	CHECK_INT(e.src.tgid, 0);
}

/* Tuples with one place in the cache are not taken for each other. */
static void test_tuples_are_told_apart(void)
{
	start(FLOWS, COOKIES);
	for (uint32_t i = 0; i < 20000; i++) {
		struct event_packet e = { .ifindex = ETH0 };
		const struct flow_key *k = &asked_keys[0];

		tcp(ACK);
		packet[14] = (uint8_t)(i >> 8);
		packet[15] = (uint8_t)i;
		asked = 0;
		ask(DLT_RAW, packet_len, &e, T0);
		CHECK_INT(asked, 2);
		CHECK_INT(ntohl(k->l[3]), 0x0a000000 | i);
	}
}

/* --- sock_diag and /proc ------------------------------------------------------------------------ */

static int diag[2] = { -1, -1 }; /* ours, and the kernel's end */
static bool local;		 /* every address is ours */
static int refused;		 /* -errno of sock_diag */
static uint16_t refused_by = NLMSG_ERROR;
static unsigned scans;

static void serves(void)
{
	const struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
	} a = { .h = { .nlmsg_len = sizeof(a), .nlmsg_type = refused ? refused_by : NLMSG_DONE }, .e.error = refused };

	if (send(diag[1], &a, sizeof(a), 0) < 0)
		abort();
}

int __real_socket(int family, int type, int protocol);
FAKE(int, socket, int family, int type, int protocol)
{
	if (family != AF_NETLINK)
		return __real_socket(family, type, protocol);
	if (protocol != NETLINK_SOCK_DIAG || socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, diag) != 0)
		return -1;
	/* that it serves TCP and UDP */
	serves();
	serves();
	return diag[0];
}

FAKE(bool, rtnl_is_local, int fd, const uint32_t address[4])
{
	return local;
}

static char tables[2][1024]; /* /proc/net/tcp and udp */

FILE *__real_fopen(const char *path, const char *mode);
FAKE(FILE *, fopen, const char *path, const char *mode)
{
	char *table = tables[strstr(path, "udp") != NULL];

	if (strncmp(path, "/proc/thread-self/net/", 22) != 0)
		return __real_fopen(path, mode);
	return path[strlen(path) - 1] == '6' ? NULL : fmemopen(table, sizeof(tables[0]), "r");
}

static char proc_dir[] = "/tmp/test-owners-XXXXXX"; /* the processes that /proc lists */

DIR *__real_opendir(const char *path);
FAKE(DIR *, opendir, const char *path)
{
	if (strcmp(path, "/proc") != 0)
		return __real_opendir(path);
	scans++;
	return __real_opendir(proc_dir);
}

static const char *in_proc_dir(pid_t pid)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%d", proc_dir, (int)pid);
	return path;
}

static void list_process(pid_t pid)
{
	if (mkdir(in_proc_dir(pid), 0700) != 0)
		abort();
}

struct diag_request {
	struct nlmsghdr h;
	struct inet_diag_req_v2 req;
};

/* rport: 0: it is not connected. */
static void answer_to(uint16_t rport, uint16_t type, uint32_t inode, size_t cut)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_msg msg;
	} a = { .h = { .nlmsg_len = sizeof(a), .nlmsg_type = type },
		.msg = { .id.idiag_dport = htons(rport), .idiag_inode = inode, .idiag_uid = 77 } };

	if (send(diag[1], &a, sizeof(a) - cut, 0) < 0)
		abort();
}

/* Of both ends in turn, connected. */
static void answer(uint16_t type, uint32_t inode, size_t cut)
{
	answer_to(destination ? 1000 : 80, type, inode, cut);
	destination = !destination;
}

/* A question that was asked, if any. */
static bool question(struct diag_request *q)
{
	return recv(diag[1], q, sizeof(*q), 0) == sizeof(*q);
}

static void add_netns(uint32_t netns)
{
	struct diag_request q;

	if (owners_add_netns(owners, netns) != 0)
		abort();
	while (question(&q))
		;
}

static void start_diag(void)
{
	if (diag[1] >= 0)
		close(diag[1]);
	diag[1] = -1;
	start(-1, -1);
	scans = 0;
	destination = local = false;
	add_netns(NETNS);
}

static uint32_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : (uint32_t)st.st_ino;
}

static void test_owner_by_inode(void)
{
	struct procfs_stat self;
	int fd = __real_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	start_diag();
	answer(SOCK_DIAG_BY_FAMILY, inode_of(fd), 0);
	answer(SOCK_DIAG_BY_FAMILY, 0, 0);
	CHECK(ask_tcp(ACK, T0));
	close(fd);
	CHECK_INT(procfs_stat((uint32_t)getpid(), &self), 0);
	CHECK_INT(found.src.tgid, getpid());
	CHECK_INT(found.src.start, self.start);
	CHECK_INT(found.src.uid, 77);
	CHECK_INT(found.src.source, OWNER_SCAN);
	CHECK_INT(found.src.tid, 0);
	CHECK_INT(found.dst.tgid, 0);
	CHECK_INT(scans, 1);
	CHECK_INT(asked, 0);
}

static void test_owner_of_others_is_none(void)
{
	int fd = __real_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	start_diag();
	answer(SOCK_DIAG_BY_FAMILY, inode_of(fd), 1);
	answer(NLMSG_ERROR, inode_of(fd), 0);
	CHECK(!ask_tcp(ACK, T0));
	CHECK_INT(found.src.tgid, 0);
	CHECK_INT(found.dst.tgid, 0);
	/* no answer at all */
	CHECK(!ask_tcp(SYN, T0));
	CHECK_INT(scans, 0);
	/* nobody has it */
	answer(SOCK_DIAG_BY_FAMILY, UINT32_MAX, 0);
	CHECK(!ask_tcp(SYN, T0));
	CHECK_INT(found.src.tgid, 0);
	/* nobody to ask, whatever is still there to be read */
	answer(SOCK_DIAG_BY_FAMILY, inode_of(fd), 0);
	close(diag[1]);
	diag[1] = -1;
	CHECK(!ask_tcp(SYN, T0));
	CHECK_INT(found.src.tgid, 0);
	close(fd);
}

static void test_proc_holds_2_s(void)
{
	int fd = __real_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct diag_request q;

	start_diag();
	answer(SOCK_DIAG_BY_FAMILY, inode_of(fd), 0);
	answer(SOCK_DIAG_BY_FAMILY, inode_of(fd), 0);
	CHECK(ask_tcp(ACK, T0));
	CHECK_INT(found.src.tgid, getpid());
	while (question(&q))
		;
	CHECK(ask_tcp(ACK, T0 + 2000 * MSEC - 1));
	CHECK_INT(found.src.tgid, getpid());
	CHECK(!question(&q));
	CHECK(!ask_tcp(ACK, T0 + 2000 * MSEC));
	CHECK(question(&q));
	close(fd);
}

/* All of /proc is not read for every packet of a socket that nobody has. */
static void test_scan_interval(void)
{
	start_diag();
	answer(SOCK_DIAG_BY_FAMILY, UINT32_MAX, 0);
	answer(SOCK_DIAG_BY_FAMILY, UINT32_MAX, 0);
	ask_tcp(SYN, T0);
	CHECK_INT(scans, 1);
	answer(SOCK_DIAG_BY_FAMILY, UINT32_MAX, 0);
	ask_tcp(SYN, T0 + 10 * MSEC - 1);
	CHECK_INT(scans, 1);
	answer(SOCK_DIAG_BY_FAMILY, UINT32_MAX, 0);
	ask_tcp(SYN, T0 + 10 * MSEC);
	CHECK_INT(scans, 2);
}

enum { SOCKETS = 200, HOLDERS = 6 };

/* A process that has all that we have. */
static pid_t hold_too(void)
{
	pid_t child = fork();

	if (child == 0) {
		pause();
		_exit(0);
	}
	list_process(child);
	return child;
}

static uint32_t owner_of_socket(int fd, uint64_t now)
{
	struct diag_request q;

	answer(SOCK_DIAG_BY_FAMILY, inode_of(fd), 0);
	answer(SOCK_DIAG_BY_FAMILY, 0, 0);
	ask_tcp(SYN, now);
	while (question(&q))
		;
	return found.src.tgid;
}

static int owned_by_others(const int *fds, uint32_t owner)
{
	int n = 0;

	for (int i = 0; i < SOCKETS; i++)
		n += owner_of_socket(fds[i], T0 + (uint64_t)i) != owner;
	return n;
}

/* Every one of many is found, with one scan; which of several processes that have it uses it, is not known. */
static void test_many_sockets(void)
{
	pid_t children[HOLDERS];
	int fds[SOCKETS], wrong, shared;

	for (int i = 0; i < SOCKETS; i++)
		fds[i] = __real_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	start_diag();
	wrong = owned_by_others(fds, (uint32_t)getpid());
	for (int i = 0; i < HOLDERS; i++)
		children[i] = hold_too();
	start_diag();
	shared = owned_by_others(fds, 0);
	for (int i = 0; i < HOLDERS; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
		rmdir(in_proc_dir(children[i]));
	}
	for (int i = 0; i < SOCKETS; i++)
		close(fds[i]);
	CHECK_INT(wrong, 0);
	CHECK_INT(shared, 0);
	CHECK_INT(scans, 1);
}

/* Each end asked anew; the socket that is found has no other end. */
static void ask_unconnected(uint8_t flags, uint32_t inode)
{
	struct diag_request q;

	start_diag();
	local = true;
	answer_to(0, SOCK_DIAG_BY_FAMILY, inode, 0);
	answer_to(0, SOCK_DIAG_BY_FAMILY, inode, 0);
	ask_tcp(flags, T0);
	while (question(&q))
		;
}

/* What a listener has to do with are the packets that open a connection, to an address of ours. */
static void test_listeners(void)
{
	const int fd = __real_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const uint32_t inode = inode_of(fd);
	unsigned syn, synack, ack, fin, forwarded;

	ask_unconnected(SYN, inode);
	syn = found.dst.tgid;
	ask_unconnected(SYN | ACK, inode);
	synack = found.src.tgid;
	ask_unconnected(ACK, inode);
	ack = found.src.tgid + found.dst.tgid;
	ask_unconnected(FIN | ACK, inode);
	fin = found.src.tgid + found.dst.tgid;
	start_diag();
	answer_to(0, SOCK_DIAG_BY_FAMILY, inode, 0);
	answer_to(0, SOCK_DIAG_BY_FAMILY, inode, 0);
	ask_tcp(SYN, T0);
	forwarded = found.src.tgid + found.dst.tgid;
	close(fd);
	CHECK_INT(syn, getpid());
	CHECK_INT(synack, getpid());
	CHECK_INT(ack + fin + forwarded, 0);
}

#define LINE(n, l, r, inode)                                                                                           \
	" " #n ": " l " " r " 01 00000000:00000000 00:00000000 00000000    77        0 " inode " 1 0 100\n"
#define HEADER "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

static bool ask_udp(uint64_t now)
{
	packet_len = 0;
	ipv4(IPPROTO_UDP);
	ports(0);
	found = (struct event_packet){ .ifindex = ETH0, .ts = now };
	destination = false;
	return ask(DLT_RAW, packet_len, &found, now);
}

/* Who sends a datagram is known where one socket has the port only; who gets it, sock_diag knows. */
static void test_unconnected_datagrams(void)
{
	const int fd = __real_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const uint32_t inode = inode_of(fd);
	const uint64_t now = clock_ns(CLOCK_MONOTONIC); /* after we began */
	unsigned alone, one_of_two, receiver;

	snprintf(tables[1], sizeof(tables[1]), HEADER LINE(1, "00000000:03E8", "00000000:0000", "%u"), inode);
	start_diag();
	local = true;
	answer_to(0, SOCK_DIAG_BY_FAMILY, inode, 0);
	answer_to(0, SOCK_DIAG_BY_FAMILY, inode, 0);
	ask_udp(now);
	alone = found.src.tgid;
	receiver = found.dst.tgid;
	snprintf(tables[1], sizeof(tables[1]),
		 HEADER LINE(1, "00000000:03E8", "00000000:0000", "%u") LINE(2, "00000000:03E8", "00000000:0000", "7"),
		 inode);
	start_diag();
	local = true;
	answer_to(0, SOCK_DIAG_BY_FAMILY, inode, 0);
	answer_to(0, SOCK_DIAG_BY_FAMILY, 0, 0);
	ask_udp(now);
	one_of_two = found.src.tgid;
	close(fd);
	CHECK_INT(alone, getpid());
	CHECK_INT(receiver, getpid());
	CHECK_INT(one_of_two, 0);
}

/* A port that was closed is the former owner's until another has it. */
static void test_port_changes_hands(void)
{
	const int fd = __real_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const uint64_t now = clock_ns(CLOCK_MONOTONIC);
	unsigned first, closed, others;

	start_diag();
	answer_to(80, SOCK_DIAG_BY_FAMILY, inode_of(fd), 0);
	answer_to(1000, SOCK_DIAG_BY_FAMILY, 0, 0);
	ask_udp(now);
	first = found.src.tgid;
	answer_to(80, NLMSG_ERROR, 0, 0);
	ask_udp(now + 20 * MSEC);
	closed = found.src.tgid;
	answer_to(1000, SOCK_DIAG_BY_FAMILY, 0, 0);
	answer_to(80, SOCK_DIAG_BY_FAMILY, UINT32_MAX, 0);
	ask_udp(now + 40 * MSEC);
	others = found.src.tgid;
	close(fd);
	CHECK_INT(first, getpid());
	CHECK_INT(closed, getpid());
	CHECK_INT(others, 0);
}

/* sock_diag is refused: /proc/net has the same. A connection that has ended is not its listener's. */
static void tables_of_proc(uint16_t by)
{
	const int fd = __real_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const uint32_t inode = inode_of(fd);
	unsigned connected, ended, listens, uid;

	refused = -ENOENT;
	refused_by = by;
	snprintf(tables[0], sizeof(tables[0]),
		 HEADER LINE(0, "00000000:0050", "00000000:0000", "%u") LINE(1, "0100000A:03E8", "0200000A:0050", "%u"),
		 inode, inode);
	start_diag();
	local = true;
	ask_tcp(ACK, T0);
	connected = found.src.tgid;
	uid = found.src.uid;
	ended = found.dst.tgid;
	ask_tcp(SYN, T0 + 200 * MSEC);
	listens = found.dst.tgid;
	refused = 0;
	close(fd);
	CHECK_INT(connected, getpid());
	CHECK_INT(uid, 77);
	CHECK_INT(ended, 0);
	CHECK_INT(listens, getpid());
}

/* A protocol whose diag is not loaded: the dump has begun, and ends with it. */
static void test_tables_of_proc(void)
{
	tables_of_proc(NLMSG_ERROR);
	tables_of_proc(NLMSG_DONE);
}

/* Maps that do not have all flows. */
static void start_beside_maps(void)
{
	start_diag();
	start(FLOWS, COOKIES);
	scans = 0;
	add_netns(NETNS);
}

/* Who sent last from there is gone: another has the port now, and nobody has seen it send. */
static void test_maps_are_of_senders(void)
{
	int fd = __real_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	enum { GONE = 1 << 30 }; /* no process has such a number */
	uint32_t receives, gone, syn, syn_ack, client;

	start_beside_maps();
	put_flow(false, NETNS, 10), put_flow(true, NETNS, GONE);
	answer_to(1000, SOCK_DIAG_BY_FAMILY, inode_of(fd), 0);
	ask_tcp(ACK, T0);
	receives = found.dst.tgid;
	start_beside_maps();
	put_flow(false, NETNS, 10), put_flow(true, NETNS, GONE);
	answer_to(1000, SOCK_DIAG_BY_FAMILY, 0, 0);
	ask_tcp(ACK, T0);
	gone = found.dst.tgid;
	start_beside_maps();
	local = true;
	put_flow(false, NETNS, 10), put_flow(true, NETNS, GONE);
	answer_to(0, SOCK_DIAG_BY_FAMILY, inode_of(fd), 0);
	ask_tcp(SYN, T0);
	client = found.src.tgid;
	syn = found.dst.tgid;
	start_beside_maps();
	local = true;
	put_flow(false, NETNS, 10), put_flow(true, NETNS, GONE);
	answer_to(0, SOCK_DIAG_BY_FAMILY, inode_of(fd), 0);
	ask_tcp(SYN | ACK, T0);
	syn_ack = found.src.tgid;
	close(fd);
	CHECK_INT(receives, getpid());
	CHECK_INT(gone, GONE);
	CHECK_INT(client, 10);
	CHECK_INT(syn, getpid());
	CHECK_INT(syn_ack, getpid());
}

static void tell_requests(void)
{
	struct diag_request q;

	while (question(&q)) {
		char s[INET6_ADDRSTRLEN], d[INET6_ADDRSTRLEN];

		if (q.h.nlmsg_len != sizeof(q) || q.h.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
		    q.h.nlmsg_flags != NLM_F_REQUEST || q.req.idiag_states != ~0U ||
		    q.req.id.idiag_cookie[0] != INET_DIAG_NOCOOKIE || q.req.id.idiag_cookie[1] != INET_DIAG_NOCOOKIE)
			told("bad ");
		for (int i = 1; i < 4 && q.req.sdiag_family == AF_INET; i++) {
			if (q.req.id.idiag_src[i] || q.req.id.idiag_dst[i])
				told("more than an address ");
		}
		inet_ntop(q.req.sdiag_family, q.req.id.idiag_src, s, sizeof(s));
		inet_ntop(q.req.sdiag_family, q.req.id.idiag_dst, d, sizeof(d));
		told("%u %s %u %s %u; ", q.req.sdiag_protocol, s, ntohs(q.req.id.idiag_sport), d,
		     ntohs(q.req.id.idiag_dport));
	}
}

/* Of UDP the kernel wants source and destination as in a packet that arrives. Others have no sockets that it tells. */
static void test_what_is_asked_of_sock_diag(void)
{
	struct event_packet e = { 0 };

	start_diag();
	ask_tcp(ACK, T0);
	tell_requests();
	CHECK_STR(what_was_told(), "6 10.0.0.1 1000 10.0.0.2 80; 6 10.0.0.2 80 10.0.0.1 1000; ");
	packet_len = 0;
	ipv6(IPPROTO_UDP);
	ports(0);
	ask(DLT_RAW, packet_len, &e, T0);
	tell_requests();
	CHECK_STR(what_was_told(), "17 fd00::2 80 fd00::1 1000; 17 fd00::1 1000 fd00::2 80; ");
	/* nearly IPv4 */
	for (uint32_t i = 0; i < 3; i++) {
		memset(packet + 8, 0, 32);
		packet[18] = packet[19] = packet[34] = packet[35] = i == 2 ? 0 : 0xff;
		packet[8 + 4 * i] = packet[24 + 4 * i] = 1;
		packet[23] = 7;
		ask(DLT_RAW, packet_len, &e, T0);
	}
	tell_requests();
	CHECK_STR(what_was_told(), "17 100::ffff:0:0 80 100::ffff:0:7 1000; 17 100::ffff:0:7 1000 100::ffff:0:0 80; "
				   "17 ::100:0:0:ffff:0:0 80 ::100:0:0:ffff:0:7 1000; "
				   "17 ::100:0:0:ffff:0:7 1000 ::100:0:0:ffff:0:0 80; "
				   "17 ::100:0:0:0 80 ::100:0:0:7 1000; 17 ::100:0:0:7 1000 ::100:0:0:0 80; ");
	packet_len = 0;
	ipv4(IPPROTO_SCTP);
	ports(0);
	CHECK(!ask(DLT_RAW, packet_len, &e, T0));
	packet_len = 0;
	ipv4(IPPROTO_ICMP);
	icmp(8);
	CHECK(!ask(DLT_RAW, packet_len, &e, T0));
	tell_requests();
	CHECK_STR(what_was_told(), "");
}

static void test_sock_diag_of_the_namespace(void)
{
	int last;

	start_diag();
	last = diag[1];
	add_netns(NETNS + 1);
	ask_tcp(ACK, T0);
	tell_requests();
	CHECK_STR(what_was_told(), "");
	/* the second one, and one that there is not */
	ask(DLT_RAW, packet_len, &(struct event_packet){ .netns = NETNS + 1 }, T0);
	tell_requests();
	CHECK_STR(what_was_told(), "6 10.0.0.1 1000 10.0.0.2 80; 6 10.0.0.2 80 10.0.0.1 1000; ");
	ask(DLT_RAW, packet_len, &(struct event_packet){ .netns = NETNS + 2 }, T0);
	tell_requests();
	CHECK_STR(what_was_told(), "");
	close(diag[1]);
	diag[1] = last;
	tell_requests();
	CHECK_STR(what_was_told(), "6 10.0.0.1 1000 10.0.0.2 80; 6 10.0.0.2 80 10.0.0.1 1000; ");
}

/* Of maps that know nothing of it. */
static void test_sock_diag_beside_maps(void)
{
	start(FLOWS, COOKIES);
	if (owners_add_netns(owners, NETNS) != 0)
		abort();
	tell_requests();
	what_was_told(); /* by which a door is tried */
	ask_tcp(ACK, T0);
	tell_requests();
	CHECK_STR(what_was_told(), "6 10.0.0.1 1000 10.0.0.2 80; 6 10.0.0.2 80 10.0.0.1 1000; ");
}

static void test_free_closes(void)
{
	int fds[2];

	start_diag();
	fds[0] = diag[0];
	close(diag[1]);
	CHECK_INT(owners_add_netns(owners, NETNS + 1), 0);
	fds[1] = diag[0];
	start(FLOWS, COOKIES);
	CHECK(fcntl(fds[0], F_GETFD) < 0 && fcntl(fds[1], F_GETFD) < 0);
}

/* As many namespaces as there are; one that ended costs no descriptor any more. */
static void test_namespaces_come_and_go(void)
{
	int last;

	start_diag();
	for (uint32_t i = 1; i < 100; i++) {
		close(diag[1]);
		CHECK_INT(owners_add_netns(owners, 1000 + i), 0);
		last = diag[0];
		CHECK(fcntl(last, F_GETFD) >= 0);
		if (i < 99)
			owners_forget_netns(owners, 1000 + i);
		CHECK_INT(fcntl(last, F_GETFD) >= 0, i == 99);
	}
	owners_forget_netns(owners, 1001);
	CHECK(fcntl(last, F_GETFD) >= 0);
}

int main(void)
{
	if (!mkdtemp(proc_dir))
		return 1;
	list_process(getpid());
	RUN(test_record_becomes_owner);
	RUN(test_sender_was_there);
	RUN(test_another_program_sends);
	RUN(test_namespaces);
	RUN(test_cookies_of_flows);
	RUN(test_ends_that_count);
	RUN(test_ends_known_before);
	RUN(test_found_holds_100_ms);
	RUN(test_missed_holds_10_ms);
	RUN(test_found_then_missed);
	RUN(test_new_connection_asks_anew);
	RUN(test_new_connection_cut);
	RUN(test_tuples_are_told_apart);
	RUN(test_owner_by_inode);
	RUN(test_owner_of_others_is_none);
	RUN(test_proc_holds_2_s);
	RUN(test_scan_interval);
	RUN(test_many_sockets);
	RUN(test_listeners);
	RUN(test_unconnected_datagrams);
	RUN(test_port_changes_hands);
	RUN(test_tables_of_proc);
	RUN(test_maps_are_of_senders);
	RUN(test_what_is_asked_of_sock_diag);
	RUN(test_sock_diag_of_the_namespace);
	RUN(test_sock_diag_beside_maps);
	RUN(test_free_closes);
	RUN(test_namespaces_come_and_go);
	owners_free(owners);
	rmdir(in_proc_dir(getpid()));
	rmdir(proc_dir);
	return check_status();
}
