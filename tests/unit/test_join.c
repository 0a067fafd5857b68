/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/join.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pcap/dlt.h>
#include <ptcpdump/config.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "fake.h"
#include "fake_daemon.h"
#include "meta/cgroup.h"

#define MSEC UINT64_C(1000000)

static time_t ahead; /* s, that the clocks are ahead */

int __real_clock_gettime(clockid_t clock, struct timespec *ret);

FAKE(int, clock_gettime, clockid_t clock, struct timespec *ret)
{
	const int err = __real_clock_gettime(clock, ret);

	ret->tv_sec += ahead;
	return err;
}

enum { CLIENT = 5000001, SERVER, WORKER, PARENT }; /* larger than any pid: /proc has none of them */

static uint32_t inode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint32_t)st.st_ino : 0;
}

struct rig {
	struct process_table *processes;
	struct users *users;
	struct join *join;
	struct containers *containers;
};

static void rig_exec_task(struct rig *r, const struct event_task *task, const char *cmd, uint64_t ts)
{
	char space[sizeof(struct event_exec) + 256] __attribute__((aligned(8))) = { 0 };
	struct event_exec *e = (struct event_exec *)space;
	const size_t n = strlen(cmd);

	e->type = EVENT_EXEC;
	e->ts = ts;
	e->task = *task;
	snprintf(e->task.comm, sizeof(e->task.comm), "%.15s", strrchr(cmd, '/') + 1);
	e->filename_len = (uint16_t)n;
	e->args_len = (uint32_t)n + 1;
	memcpy(e->data, cmd, n);
	memcpy(e->data + n, cmd, n + 1);
	process_table_event(r->processes, EVENT_EXEC, e, sizeof(*e) + 2 * n + 1);
	join_changed(r->join);
}

static void rig_exec_in(struct rig *r, uint32_t pid, uint64_t start, uint32_t parent, const char *cmd, uint32_t netns,
			uint64_t cgroup)
{
	const struct event_task task = {
		.tgid = pid,
		.start = start,
		.parent_tgid = parent,
		.parent_start = 1,
		.netns = netns,
		.cgroup = cgroup,
		.pidns = inode_of("/proc/self/ns/pid"),
		.mntns = inode_of("/proc/self/ns/mnt"),
	};

	rig_exec_task(r, &task, cmd, 0);
}

static void rig_exec(struct rig *r, uint32_t pid, uint64_t start, uint32_t parent, const char *cmd)
{
	rig_exec_in(r, pid, start, parent, cmd, 0, 0);
}

static void rig_exec_at(struct rig *r, uint32_t pid, uint64_t start, const char *cmd, uint64_t ts, uint16_t image)
{
	const struct event_task task = {
		.tgid = pid, .start = start, .parent_tgid = PARENT, .parent_start = 1, .image = image
	};

	rig_exec_task(r, &task, cmd, ts);
}

static struct rig rig_make(uint64_t settle_ns, bool reverse_match)
{
	struct rig r = { 0 };
	struct join_config config = { .settle_ns = settle_ns, .reverse_match = reverse_match, .peer = true };

	if (process_table_new(&r.processes) || users_new(&r.users))
		abort();
	config.processes = r.processes;
	config.users = r.users;
	if (join_new(&r.join, &config))
		abort();
	rig_exec(&r, PARENT, 1, 0, "/bin/parent");
	rig_exec(&r, CLIENT, 100, PARENT, "/usr/bin/client");
	rig_exec(&r, SERVER, 200, PARENT, "/usr/sbin/server");
	rig_exec(&r, WORKER, 300, SERVER, "/usr/sbin/worker");
	return r;
}

static void rig_done(struct rig *r)
{
	join_free(r->join);
	containers_free(r->containers);
	users_free(r->users);
	process_table_free(r->processes);
}

static struct event_owner owner(uint32_t pid, uint64_t start)
{
	return (struct event_owner){ .tgid = pid, .tid = pid, .start = start, .cookie = pid, .source = OWNER_STORAGE };
}

static struct event_packet from_client_to_server(uint8_t dir)
{
	return (struct event_packet){
		.type = EVENT_PACKET,
		.ts = 1000 * MSEC,
		.dir = dir,
		.src = owner(CLIENT, 100),
		.dst = owner(SERVER, 200),
	};
}

static enum meta_verdict join_on(struct rig *r, const struct iface *iface, const struct event_packet *e, uint64_t age,
				 bool force, const struct annotation **ret)
{
	struct packet p = { .event = e, .iface = iface, .dir = (enum direction)e->dir };
	enum meta_verdict verdict = join_packet(r->join, &p, e->ts + age, force);

	*ret = p.annot;
	return verdict;
}

static enum meta_verdict join(struct rig *r, const struct event_packet *e, uint64_t age, bool force,
			      const struct annotation **ret)
{
	return join_on(r, NULL, e, age, force, ret);
}

static void check_sender(struct rig *r)
{
	struct event_packet e = from_client_to_server(EVENT_DIR_OUT);
	const struct annotation *a;

	CHECK_INT(join(r, &e, 0, false, &a), META_READY);
	CHECK(a && a->serial);
	CHECK_INT(a->has, ANNOT_PROCESS | ANNOT_THREAD | ANNOT_USER | ANNOT_PARENT | ANNOT_PEER | ANNOT_PEER_USER |
				  ANNOT_ANCESTORS | ANNOT_PEER_ANCESTORS);
	CHECK(str_eq(a->ancestors, str_of("parent.5000004")));
	CHECK(str_eq(a->peer_ancestors, str_of("parent.5000004")));
	CHECK_INT(a->process.pid, CLIENT);
	CHECK(str_eq(a->process.cmd, str_of("/usr/bin/client")));
	CHECK(str_eq(a->parent.cmd, str_of("/bin/parent")));
	CHECK_INT(a->peer.pid, SERVER);
	CHECK(str_eq(a->peer.cmd, str_of("/usr/sbin/server")));
	CHECK(str_eq(a->thread, str_of("client")));
}

static void test_out_shows_the_sender(void)
{
	struct rig r = rig_make(0, true);

	check_sender(&r);
	rig_done(&r);
}

static void check_receiver(struct rig *r)
{
	struct event_packet e = from_client_to_server(EVENT_DIR_IN);
	struct packet p = { .event = &e };
	const struct annotation *a;

	CHECK_INT(join(r, &e, 0, false, &a), META_READY);
	CHECK_INT(a->process.pid, SERVER);
	CHECK_INT(a->peer.pid, CLIENT);
	a = join_other_end(r->join, &p);
	CHECK(a);
	CHECK_INT(a->process.pid, CLIENT);
	CHECK(!(a->has & ANNOT_PEER));
}

/* The look-up of the other end may need room; the packet's own annotation must not be what makes it. */
static void test_other_end_leaves_the_annotation(void)
{
	struct rig r = rig_make(0, true);
	struct event_packet e = from_client_to_server(EVENT_DIR_IN);
	struct packet p = { .event = &e };
	const struct annotation *a;

	for (uint32_t uid = 0; uid < 8192; uid++) { /* as many as there is room for */
		e.dst.uid = uid;
		join(&r, &e, 0, false, &a);
	}
	e.dst.uid = 0;
	CHECK_INT(join(&r, &e, 0, false, &a), META_READY);
	CHECK(join_other_end(r.join, &p) != a);
	CHECK_INT(a->process.pid, SERVER);
	rig_done(&r);
}

static void test_in_shows_the_receiver(void)
{
	struct rig r = rig_make(0, true);

	check_receiver(&r);
	rig_done(&r);
}

static void check_fallback(struct rig *guessing, struct rig *strict)
{
	struct event_packet e = from_client_to_server(EVENT_DIR_IN);
	const struct annotation *a;

	e.dst = (struct event_owner){ 0 };
	CHECK_INT(join(guessing, &e, 0, false, &a), META_READY);
	CHECK(a);
	CHECK_INT(a->process.pid, CLIENT);
	CHECK(!(a->has & ANNOT_PEER));
	CHECK_INT(join(strict, &e, 0, false, &a), META_READY);
	CHECK(!a);
}

static void test_other_end_unless_disabled(void)
{
	struct rig guessing = rig_make(0, true), strict = rig_make(0, false);

	check_fallback(&guessing, &strict);
	rig_done(&guessing);
	rig_done(&strict);
}

static void check_serial(struct rig *r)
{
	struct event_packet e = from_client_to_server(EVENT_DIR_OUT);
	const struct annotation *a;
	uint64_t serial;

	join(r, &e, 0, false, &a);
	serial = a->serial;
	join(r, &e, 0, false, &a);
	CHECK(a->serial == serial);
	/* Something else happened: looked at again, but the same. */
	rig_exec(r, WORKER, 300, SERVER, "/usr/sbin/other");
	join(r, &e, 0, false, &a);
	CHECK(a->serial == serial);
	rig_exec(r, CLIENT, 100, PARENT, "/usr/bin/changed");
	join(r, &e, 0, false, &a);
	CHECK(a->serial != serial);
	CHECK(str_eq(a->process.cmd, str_of("/usr/bin/changed")));
}

static void test_serial_changes_with_contents(void)
{
	struct rig r = rig_make(0, true);

	check_serial(&r);
	rig_done(&r);
}

/* What was sent before an exec stays the first program's, with its serial. */
static void check_exec(struct rig *r)
{
	struct event_packet e = from_client_to_server(EVENT_DIR_OUT);
	const struct annotation *a;
	uint64_t serial;

	rig_exec_at(r, CLIENT, 100, "/usr/bin/first", 900 * MSEC, 7);
	e.src.image = 7;
	join(r, &e, 0, false, &a);
	serial = a->serial;
	rig_exec_at(r, CLIENT, 100, "/usr/bin/second", 1100 * MSEC, 8);
	join(r, &e, 0, false, &a);
	CHECK(str_eq(a->process.cmd, str_of("/usr/bin/first")));
	CHECK(a->serial == serial);
	/* Its socket still sends; the second program has one of its own. */
	e.ts = 1200 * MSEC;
	join(r, &e, 0, false, &a);
	CHECK(str_eq(a->process.cmd, str_of("/usr/bin/first")));
	CHECK(a->serial == serial);
	e.src.image = 8;
	join(r, &e, 0, false, &a);
	CHECK(str_eq(a->process.cmd, str_of("/usr/bin/second")));
	/* Whose image is not known goes by the time. */
	e.src.image = 0;
	e.ts = 1000 * MSEC;
	join(r, &e, 0, false, &a);
	CHECK(str_eq(a->process.cmd, str_of("/usr/bin/first")));
	e.ts = 1200 * MSEC;
	join(r, &e, 0, false, &a);
	CHECK(str_eq(a->process.cmd, str_of("/usr/bin/second")));
	/* One that nobody told of. */
	rig_exec_at(r, CLIENT + 9, 100, "/usr/bin/other", 900 * MSEC, 8);
	e.src = owner(CLIENT + 9, 100);
	e.src.image = 7;
	join(r, &e, 0, false, &a);
	CHECK(str_eq(a->process.cmd, str_of("-")));
	CHECK(str_eq(a->parent.cmd, str_of("/bin/parent")));
}

static void test_exec_after_sending(void)
{
	struct rig r = rig_make(0, true);

	check_exec(&r);
	rig_done(&r);
}

/* The owner was asked for later, when it ran another program: what is known of the one of then is the process's. */
static void check_later(struct rig *r)
{
	struct event_packet e = from_client_to_server(EVENT_DIR_OUT);
	const struct event_user user = {
		.type = EVENT_USER, .tgid = CLIENT, .ts = 1300 * MSEC, .start = 100, .before = 43, .uid = 42
	};
	const struct annotation *a;

	rig_exec_at(r, CLIENT, 100, "/usr/bin/first", 900 * MSEC, 7);
	rig_exec_at(r, CLIENT, 100, "/usr/bin/second", 1100 * MSEC, 8);
	e.src.image = 8;
	e.src.uid = 42;
	e.src.flags = OWNER_F_LATER;
	join(r, &e, 0, false, &a);
	CHECK(str_eq(a->process.cmd, str_of("/usr/bin/first")));
	CHECK_INT(a->uid, 0); /* as the exec says */
	CHECK(!(a->has & ANNOT_THREAD));
	e.ts = 1200 * MSEC;
	join(r, &e, 0, false, &a);
	CHECK(str_eq(a->process.cmd, str_of("/usr/bin/second")));
	CHECK_INT(a->uid, 42);
	process_table_event(r->processes, EVENT_USER, &user, sizeof(user));
	join_changed(r->join);
	join(r, &e, 0, false, &a);
	CHECK_INT(a->uid, 43);
	CHECK(str_eq(a->thread, str_of("second")));
}

static void test_owner_asked_for_later(void)
{
	struct rig r = rig_make(0, true);

	check_later(&r);
	rig_done(&r);
}

/* Peer and parent, too, are what they were. */
static void check_others(struct rig *r)
{
	struct event_packet e = from_client_to_server(EVENT_DIR_OUT);
	const struct annotation *a;

	rig_exec_at(r, SERVER, 200, "/usr/sbin/next", 1100 * MSEC, 8);
	rig_exec_at(r, PARENT, 1, "/bin/other", 1100 * MSEC, 8);
	join(r, &e, 0, false, &a);
	CHECK(str_eq(a->peer.cmd, str_of("/usr/sbin/server")));
	CHECK(str_eq(a->parent.cmd, str_of("/bin/parent")));
	e.ts = 1200 * MSEC;
	join(r, &e, 0, false, &a);
	CHECK(str_eq(a->peer.cmd, str_of("/usr/sbin/next")));
	CHECK(str_eq(a->parent.cmd, str_of("/bin/other")));
}

static void test_exec_of_others(void)
{
	struct rig r = rig_make(0, true);

	check_others(&r);
	rig_done(&r);
}

/* One thread, one name, in both directions. */
static void check_thread(struct rig *r)
{
	struct event_packet e = from_client_to_server(EVENT_DIR_OUT);
	const struct annotation *a;

	e.src.source = OWNER_CURRENT;
	e.src.tid = CLIENT + 50;
	snprintf(e.comm, sizeof(e.comm), "worker");
	join(r, &e, 0, false, &a);
	CHECK(str_eq(a->thread, str_of("worker")));
	e.dir = EVENT_DIR_IN;
	e.dst = e.src;
	e.src = owner(SERVER, 200);
	e.dst.source = OWNER_LOOKUP;
	memset(e.comm, 0, sizeof(e.comm));
	join(r, &e, 0, false, &a);
	CHECK_INT(a->process.pid, CLIENT);
	CHECK(str_eq(a->process.cmd, str_of("/usr/bin/client")));
	CHECK(str_eq(a->thread, str_of("worker")));
}

static void test_thread_has_one_name(void)
{
	struct rig r = rig_make(0, true);

	check_thread(&r);
	rig_done(&r);
}

static void rig_exit(struct rig *r, uint32_t pid, uint64_t start, uint64_t ts)
{
	const struct event_exit e = { .type = EVENT_EXIT, .ts = ts, .task = { .tgid = pid, .start = start } };

	process_table_event(r->processes, EVENT_EXIT, &e, sizeof(e));
	join_changed(r->join);
}

/* The table keeps the dead for some seconds only; their sockets may have packets for a minute. */
static void test_forgotten_process(void)
{
	struct rig r = rig_make(0, true);
	struct event_packet e = from_client_to_server(EVENT_DIR_OUT);
	const struct annotation *a;
	uint64_t serial;

	join(&r, &e, 0, false, &a);
	serial = a->serial;
	rig_exit(&r, CLIENT, 100, 1000 * MSEC);
	rig_exit(&r, SERVER, 200, 2000 * MSEC);
	rig_exit(&r, PARENT, 1, 3000 * MSEC);
	ahead += 60;
	rig_exit(&r, WORKER, 300, 60000 * MSEC);
	CHECK(!process_find(r.processes, CLIENT, 100));
	join(&r, &e, 0, false, &a);
	CHECK(a->serial == serial);
	CHECK(str_eq(a->process.cmd, str_of("/usr/bin/client")));
	CHECK(str_eq(a->parent.cmd, str_of("/bin/parent")));
	CHECK(str_eq(a->peer.cmd, str_of("/usr/sbin/server")));
	rig_done(&r);
}

/* Its peer is forgotten, and it executes another program: that is what is shown. */
static void test_forgotten_peer(void)
{
	struct rig r = rig_make(0, true);
	struct event_packet e = from_client_to_server(EVENT_DIR_OUT);
	const struct annotation *a;

	join(&r, &e, 0, false, &a);
	rig_exit(&r, SERVER, 200, 1000 * MSEC);
	ahead += 60;
	rig_exit(&r, WORKER, 300, 60000 * MSEC);
	join(&r, &e, 0, false, &a);
	CHECK(str_eq(a->peer.cmd, str_of("/usr/sbin/server")));
	rig_exec(&r, CLIENT, 100, PARENT, "/usr/bin/changed");
	join(&r, &e, 0, false, &a);
	CHECK(str_eq(a->process.cmd, str_of("/usr/bin/changed")));
	rig_done(&r);
}

static void check_settled(struct rig *r)
{
	struct event_packet e = from_client_to_server(EVENT_DIR_IN);
	struct event_socket_owner settled = { .type = EVENT_OWNER, .ts = e.ts + MSEC, .owner = owner(WORKER, 300) };
	const struct annotation *a;

	e.dst.flags = OWNER_F_PROVISIONAL;
	e.dst.cookie = settled.owner.cookie = 77;
	CHECK_INT(join(r, &e, 0, false, &a), META_WAIT);
	CHECK_INT(join(r, &e, 149 * MSEC, false, &a), META_WAIT);
	join_owner(r->join, &settled);
	CHECK_INT(join(r, &e, 149 * MSEC, false, &a), META_READY);
	CHECK_INT(a->process.pid, WORKER);
	/* A sender waits for its peer, too. */
	e.dir = EVENT_DIR_OUT;
	CHECK_INT(join(r, &e, 0, false, &a), META_READY);
	CHECK_INT(a->process.pid, CLIENT);
	CHECK_INT(a->peer.pid, WORKER);
}

static void check_settled_by_stand_in(struct rig *r)
{
	struct event_packet e = from_client_to_server(EVENT_DIR_IN);
	struct event_socket_owner settled = {
		.type = EVENT_OWNER, .ts = e.ts + MSEC, .owner = owner(WORKER, 300), .also = 78
	};
	const struct annotation *a;

	e.dst.flags = OWNER_F_PROVISIONAL;
	e.dst.cookie = settled.also;
	settled.owner.cookie = 77;
	CHECK_INT(join(r, &e, 0, false, &a), META_WAIT);
	join_owner(r->join, &settled);
	CHECK_INT(join(r, &e, 0, false, &a), META_READY);
	CHECK_INT(a->process.pid, WORKER);
}

static void test_settled_by_stand_in(void)
{
	struct rig r = rig_make(150 * MSEC, true);

	check_settled_by_stand_in(&r);
	rig_done(&r);
}

static void test_settled_owner(void)
{
	struct rig r = rig_make(150 * MSEC, true);

	check_settled(&r);
	rig_done(&r);
}

static void check_expired(struct rig *r)
{
	struct event_packet e = from_client_to_server(EVENT_DIR_IN);
	struct event_socket_owner settled = { .type = EVENT_OWNER, .owner = owner(WORKER, 300) };
	const struct annotation *a;

	e.dst.flags = OWNER_F_PROVISIONAL;
	e.dst.cookie = settled.owner.cookie = 77;
	CHECK_INT(join(r, &e, 0, true, &a), META_READY);
	CHECK_INT(a->process.pid, SERVER);
	CHECK_INT(join(r, &e, 150 * MSEC, false, &a), META_READY);
	CHECK_INT(a->process.pid, SERVER);
	/* Nobody came in time: the next packets of this socket do not wait, until somebody comes. */
	e.ts += 10 * MSEC;
	CHECK_INT(join(r, &e, 0, false, &a), META_READY);
	CHECK_INT(a->process.pid, SERVER);
	settled.ts = e.ts;
	join_owner(r->join, &settled);
	CHECK_INT(join(r, &e, 0, false, &a), META_READY);
	CHECK_INT(a->process.pid, WORKER);
}

static void test_expired_owner(void)
{
	struct rig r = rig_make(150 * MSEC, true);

	check_expired(&r);
	rig_done(&r);
}

static void check_tuple(struct rig *r)
{
	const uint64_t tuple = UINT64_C(1) << 63 | 5;
	struct event_packet e = from_client_to_server(EVENT_DIR_IN);
	struct event_socket_owner settled = { .type = EVENT_OWNER, .ts = e.ts - 1, .owner = owner(WORKER, 300) };
	const struct annotation *a;

	e.dst.flags = OWNER_F_PROVISIONAL;
	e.dst.cookie = settled.owner.cookie = tuple;
	join_owner(r->join, &settled);
	CHECK_INT(join(r, &e, 0, false, &a), META_WAIT);
	/* A time-out of one connection says nothing of the next one with the same ports. */
	CHECK_INT(join(r, &e, 150 * MSEC, false, &a), META_READY);
	CHECK_INT(join(r, &e, 0, false, &a), META_WAIT);
	settled.ts = e.ts + 1;
	join_owner(r->join, &settled);
	CHECK_INT(join(r, &e, 0, false, &a), META_READY);
	CHECK_INT(a->process.pid, WORKER);
}

static void test_tuples_come_again(void)
{
	struct rig r = rig_make(150 * MSEC, true);

	check_tuple(&r);
	rig_done(&r);
}

static void check_names(struct rig *r)
{
	const struct event_rename rename = {
		.type = EVENT_RENAME, .tgid = CLIENT, .tid = CLIENT, .start = 100, .comm = "renamed"
	};
	struct event_packet e = from_client_to_server(EVENT_DIR_OUT);
	const struct annotation *a;
	uint64_t serial;

	CHECK_INT(join(r, &e, 0, false, &a), META_READY);
	CHECK(!a->process.name.n && !a->process.comm.n && !a->parent.name.n && !a->peer.comm.n);
	serial = a->serial;
	process_table_event(r->processes, EVENT_RENAME, &rename, sizeof(rename));
	join_changed(r->join);
	CHECK_INT(join(r, &e, 0, false, &a), META_READY);
	CHECK(a->serial != serial);
	CHECK(!a->process.name.n && str_eq(a->process.comm, str_of("renamed")));
	/* The packet's own comm is the thread's: the process's only where the main thread sends. */
	e.src.source = OWNER_CURRENT;
	snprintf(e.comm, sizeof(e.comm), "again");
	CHECK_INT(join(r, &e, 0, false, &a), META_READY);
	CHECK(str_eq(a->process.comm, str_of("again")));
	e.src.tid++;
	CHECK_INT(join(r, &e, 0, false, &a), META_READY);
	CHECK(str_eq(a->process.comm, str_of("renamed")) && str_eq(a->thread, str_of("again")));
}

static void test_names(void)
{
	struct rig r = rig_make(0, true);

	check_names(&r);
	rig_done(&r);
}

static void check_unknown(struct rig *r)
{
	struct event_packet e = from_client_to_server(EVENT_DIR_OUT);
	const struct annotation *a;

	e.src = (struct event_owner){ .tgid = CLIENT + 100, .tid = 9, .start = 5, .source = OWNER_CURRENT };
	snprintf(e.comm, sizeof(e.comm), "fleeting");
	CHECK_INT(join(r, &e, 0, false, &a), META_READY);
	CHECK(a);
	/* The name of a thread is not that of its process. */
	CHECK(str_eq(a->process.cmd, str_of("-")));
	CHECK(str_eq(a->thread, str_of("fleeting")));
	e.src.tid = e.src.tgid;
	CHECK_INT(join(r, &e, 0, false, &a), META_READY);
	CHECK(str_eq(a->process.cmd, str_of("fleeting")));
	/* Nothing tells how its thread was called: then that is not shown. */
	e.src = owner(CLIENT + 101, 5);
	CHECK_INT(join(r, &e, 0, false, &a), META_READY);
	CHECK(a && a->process.pid == CLIENT + 101 && !(a->has & ANNOT_THREAD));
	e.src = e.dst = (struct event_owner){ 0 };
	CHECK_INT(join(r, &e, 0, false, &a), META_READY);
	CHECK(!a);
}

static void test_unknown_process(void)
{
	struct rig r = rig_make(0, true);

	check_unknown(&r);
	rig_done(&r);
}

/* More owners than the cache holds; what was evicted is made again. */
static void check_many(struct rig *r)
{
	struct event_packet e = from_client_to_server(EVENT_DIR_OUT);
	const struct annotation *a;

	for (unsigned round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 20000; i++) {
			e.src.tid = i + 1;
			join(r, &e, 0, false, &a);
			CHECK(a);
			CHECK_INT(a->tid, i + 1);
			CHECK_INT(a->process.pid, CLIENT);
		}
	}
}

static void test_cache_is_bounded(void)
{
	struct rig r = rig_make(0, true);

	check_many(&r);
	rig_done(&r);
}

/* On a device of namespace netns, from one in a container to one that is in none, and back. */
static void check_shown(struct rig *r, uint32_t netns, uint32_t out, uint32_t in)
{
	struct event_packet e = from_client_to_server(EVENT_DIR_OUT);
	const struct annotation *a;

	e.netns = netns;
	join(r, &e, 0, true, &a);
	CHECK_INT(a->process.pid, out);
	e.dir = EVENT_DIR_IN;
	join(r, &e, 0, true, &a);
	CHECK_INT(a->process.pid, in);
}

enum { FORWARDS = 1, OF_CLIENT, OF_SERVER };

static void check_container_first(struct rig *r, uint64_t container, uint64_t none)
{
	rig_exec_in(r, CLIENT, 100, PARENT, "/usr/bin/client", OF_CLIENT, container);
	rig_exec_in(r, SERVER, 200, PARENT, "/usr/sbin/server", OF_SERVER, none);
	check_shown(r, FORWARDS, CLIENT, CLIENT);
	/* Where one of them has its sockets, it is as everywhere. */
	check_shown(r, OF_CLIENT, CLIENT, SERVER);
	check_shown(r, OF_SERVER, CLIENT, SERVER);
	check_shown(r, 0, CLIENT, SERVER);
	rig_exec_in(r, CLIENT, 100, PARENT, "/usr/bin/client", OF_CLIENT, none);
	check_shown(r, FORWARDS, CLIENT, SERVER);
	rig_exec_in(r, SERVER, 200, PARENT, "/usr/sbin/server", OF_SERVER, container);
	check_shown(r, FORWARDS, SERVER, SERVER);
	rig_exec_in(r, CLIENT, 100, PARENT, "/usr/bin/client", OF_CLIENT, container);
	check_shown(r, FORWARDS, CLIENT, SERVER);
}

/* On a device of namespace netns, from the client to the server: who is shown of what goes out, and of what comes in. */
static void check_shown_on(struct rig *r, const struct iface *iface, uint32_t netns, uint32_t out, uint32_t in)
{
	struct event_packet e = from_client_to_server(EVENT_DIR_OUT);
	const struct annotation *a;

	e.netns = netns;
	join_on(r, iface, &e, 0, true, &a);
	CHECK_INT(a->process.pid, out);
	CHECK_INT(a->peer.pid, out == CLIENT ? SERVER : CLIENT);
	e.dir = EVENT_DIR_IN;
	join_on(r, iface, &e, 0, true, &a);
	CHECK_INT(a->process.pid, in);
	CHECK_INT(a->peer.pid, in == CLIENT ? SERVER : CLIENT);
}

/* A veth pair's outer end shows the container that it leads to: who sends what comes in. */
static void check_cable(struct rig *r, uint64_t container, uint64_t none)
{
	static const struct iface bridged = { .paired = true, .bridged = true }, routed = { .paired = true },
				  inner = { .paired = true, .other_netns = true },
				  elsewhere = { .paired = true, .bridged = true, .other_netns = true },
				  port = { .bridged = true };

	rig_exec_in(r, CLIENT, 100, PARENT, "/usr/bin/client", OF_CLIENT, container);
	rig_exec_in(r, SERVER, 200, PARENT, "/usr/sbin/server", OF_SERVER, container);
	check_shown_on(r, &bridged, FORWARDS, SERVER, CLIENT);
	check_shown_on(r, &routed, FORWARDS, SERVER, CLIENT);
	check_shown_on(r, &elsewhere, FORWARDS, SERVER, CLIENT);
	check_shown_on(r, &inner, FORWARDS, CLIENT, SERVER);
	check_shown_on(r, &port, FORWARDS, CLIENT, SERVER);
	/* A container in the network of the device; of one without a bridge it may be the way out. */
	check_shown_on(r, &bridged, OF_CLIENT, SERVER, SERVER);
	check_shown_on(r, &bridged, OF_SERVER, CLIENT, CLIENT);
	check_shown_on(r, &routed, OF_CLIENT, CLIENT, SERVER);
	check_shown_on(r, &inner, OF_CLIENT, CLIENT, SERVER);
	/* The machine itself, and who is in no container. */
	rig_exec_in(r, SERVER, 200, PARENT, "/usr/sbin/server", OF_SERVER, none);
	check_shown_on(r, &bridged, OF_SERVER, CLIENT, SERVER);
	check_shown_on(r, &bridged, FORWARDS, CLIENT, CLIENT);
	rig_exec_in(r, CLIENT, 100, PARENT, "/usr/bin/client", OF_CLIENT, none);
	check_shown_on(r, &bridged, FORWARDS, CLIENT, SERVER);
}

/* Its container is told, whether the one that is shown is in one or not. */
static void check_peer_container(struct rig *r, uint64_t client, uint64_t container, unsigned expected)
{
	const struct event_packet e = from_client_to_server(EVENT_DIR_OUT);
	const struct annotation *a;

	rig_exec_in(r, CLIENT, 100, PARENT, "/usr/bin/client", OF_CLIENT, client);
	rig_exec_in(r, SERVER, 200, PARENT, "/usr/sbin/server", OF_SERVER, container);
	for (int i = 0; i < 100 && join(r, &e, 0, false, &a) == META_WAIT; i++) {
		usleep(10000);
		containers_step(r->containers);
	}
	CHECK_INT(a->process.pid, CLIENT);
	CHECK_INT(a->has & (ANNOT_CONTAINER | ANNOT_PEER_CONTAINER | ANNOT_PEER_POD), expected);
	CHECK(str_eq(a->peer_container.name, str_of("cccccccccccc")));
}

/* Nobody receives it, but a process of the container is known: of that only the container is told. */
static void check_nobody_in_container(struct rig *r, uint64_t container, uint64_t none)
{
	struct event_packet e = from_client_to_server(EVENT_DIR_IN);
	const struct annotation *a;

	e.dst.tid = OWNER_TID_NOBODY;
	rig_exec_in(r, CLIENT, 100, PARENT, "/usr/bin/client", OF_CLIENT, none);
	rig_exec_in(r, SERVER, 200, PARENT, "/usr/sbin/server", OF_SERVER, container);
	CHECK_INT(join(r, &e, 0, true, &a), META_READY);
	CHECK_INT(a->has, ANNOT_CONTAINER | ANNOT_PEER | ANNOT_PEER_USER | ANNOT_PEER_ANCESTORS);
	CHECK(str_eq(a->container.name, str_of("cccccccccccc")));
	/* It is in none: then who sends is all that is known. */
	rig_exec_in(r, SERVER, 200, PARENT, "/usr/sbin/server", OF_SERVER, none);
	CHECK_INT(join(r, &e, 0, true, &a), META_READY);
	CHECK_INT(a->process.pid, CLIENT);
	CHECK_INT(a->has & ANNOT_PEER, 0);
	/* Nor is it the peer of who sends: the container alone is. */
	rig_exec_in(r, SERVER, 200, PARENT, "/usr/sbin/server", OF_SERVER, container);
	e.dir = EVENT_DIR_OUT;
	CHECK_INT(join(r, &e, 0, true, &a), META_READY);
	CHECK_INT(a->process.pid, CLIENT);
	CHECK_INT(a->has & (ANNOT_PEER | ANNOT_PEER_USER | ANNOT_PEER_CONTAINER), ANNOT_PEER_CONTAINER);
	CHECK(str_eq(a->peer_container.name, str_of("cccccccccccc")));
}

/* A peer that changes its user is told anew. */
static void test_user_of_the_peer(void)
{
	struct event_packet e = from_client_to_server(EVENT_DIR_OUT);
	struct rig r = rig_make(0, true);
	const struct annotation *a;
	uint64_t serial;

	join(&r, &e, 0, false, &a);
	CHECK(a && (a->has & ANNOT_PEER_USER));
	CHECK_INT(a->peer_uid, 0);
	CHECK(str_eq(a->peer_user, str_of("root")));
	serial = a->serial;
	e.dst.uid = 4242;
	join(&r, &e, 0, false, &a);
	CHECK_INT(a->peer_uid, 4242);
	CHECK_INT(a->uid, 0);
	CHECK(a->serial != serial);
	rig_done(&r);
}

static void test_container_first(void)
{
	static const char name[] = "docker-cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc.scope";
	static const char *const nowhere[RUNTIMES] = {
		[RUNTIME_DOCKER] = "", [RUNTIME_CONTAINERD] = "", [RUNTIME_CRI] = ""
	};
	struct containers_config config = { .addresses = nowhere };
	struct rig r;
	struct cgroup_fs fs;
	uint64_t id;

	if (cgroup_open(&fs) || (mkdirat(fs.fd, name, 0755) < 0 && errno != EEXIST))
		CHECK_SKIP("cannot make a cgroup");
	id = cgroup_id(&fs, name);
	r = rig_make(0, true);
	join_free(r.join);
	CHECK(containers_new(&r.containers, &config) == 0);
	CHECK(join_new(&r.join, &(struct join_config){ .processes = r.processes,
						       .containers = r.containers,
						       .users = r.users,
						       .reverse_match = true }) == 0);
	check_container_first(&r, id, fs.root_id);
	check_cable(&r, id, fs.root_id);
	check_peer_container(&r, fs.root_id, id, ANNOT_PEER_CONTAINER);
	check_peer_container(&r, id, id, ANNOT_CONTAINER | ANNOT_PEER_CONTAINER);
	check_nobody_in_container(&r, id, fs.root_id);
	rig_done(&r);
	unlinkat(fs.fd, name, AT_REMOVEDIR);
	cgroup_close(&fs);
}

/* What was seen before packets were looked at waits for its container from then on, not from its own time. */
static void test_container_of_early_packets(void)
{
	static const char name[] = "docker-dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd.scope";
	const uint64_t later = 10000 * MSEC;
	char path[] = "/tmp/test_join.XXXXXX";
	struct fake silent = { 0 };
	const char *addresses[RUNTIMES] = { [RUNTIME_CONTAINERD] = "", [RUNTIME_CRI] = "" };
	struct containers_config config = { .addresses = addresses };
	const struct event_packet e = from_client_to_server(EVENT_DIR_OUT);
	const struct annotation *a;
	struct rig r;
	struct cgroup_fs fs;

	if (cgroup_open(&fs) || (mkdirat(fs.fd, name, 0755) < 0 && errno != EEXIST))
		CHECK_SKIP("cannot make a cgroup");
	CHECK(mkdtemp(path));
	snprintf(silent.path, sizeof(silent.path), "%s/docker", path);
	fake_start(&silent);
	addresses[RUNTIME_DOCKER] = silent.path;
	r = rig_make(0, true);
	join_free(r.join);
	CHECK(containers_new(&r.containers, &config) == 0);
	CHECK(join_new(&r.join, &(struct join_config){
					.processes = r.processes, .containers = r.containers, .users = r.users }) == 0);
	rig_exec_in(&r, CLIENT, 100, PARENT, "/usr/bin/client", 0, cgroup_id(&fs, name));
	CHECK_INT(join(&r, &e, later, false, &a), META_READY);
	CHECK(str_eq(a->container.name, str_of("dddddddddddd")));
	join_begin(r.join, e.ts + later);
	CHECK_INT(join(&r, &e, later + 400 * MSEC, false, &a), META_WAIT);
	CHECK_INT(join(&r, &e, later + 400 * MSEC, true, &a), META_READY);
	CHECK_INT(join(&r, &e, later + 1000 * MSEC, false, &a), META_READY);
	rig_done(&r);
	fake_stop(&silent);
	rmdir(path);
	unlinkat(fs.fd, name, AT_REMOVEDIR);
	cgroup_close(&fs);
}

static bool shown_instead(struct rig *r, uint32_t ifindex, uint8_t tcp_flags)
{
	static const struct iface lo = { .name = (char *)"lo", .dlt = DLT_RAW };
	uint8_t bytes[40] = { 0x45, 0, 0, 40, 0, 0, 0, 0, 64, IPPROTO_TCP };
	struct event_packet e = from_client_to_server(EVENT_DIR_OUT);
	struct packet p = { .event = &e, .iface = &lo, .dir = DIR_OUT, .data = bytes, .caplen = 40, .len = 40 };

	e.ifindex = ifindex;
	memset(&e.src, 0, sizeof(e.src));
	bytes[32] = 5 << 4;
	bytes[33] = tcp_flags;
	return join_packet(r->join, &p, e.ts, true) == META_READY && p.annot && p.annot->process.pid == SERVER;
}

/* Both ends of a connection on loopback are processes: who is not known is not the other one. */
static void test_nobody_in_place_of_another(void)
{
	struct rig r = rig_make(0, true);
	const bool synack = shown_instead(&r, LOOPBACK_IFINDEX, 0x12),
		   reset = shown_instead(&r, LOOPBACK_IFINDEX, 0x14);
	const bool again = shown_instead(&r, LOOPBACK_IFINDEX, 0x10), elsewhere = shown_instead(&r, 2, 0x12);

	rig_done(&r);
	CHECK(!synack);
	CHECK(reset);
	CHECK(!again);
	CHECK(elsewhere);
}

int main(void)
{
	RUN(test_nobody_in_place_of_another);
	RUN(test_out_shows_the_sender);
	RUN(test_in_shows_the_receiver);
	RUN(test_other_end_leaves_the_annotation);
	RUN(test_other_end_unless_disabled);
	RUN(test_serial_changes_with_contents);
	RUN(test_exec_after_sending);
	RUN(test_owner_asked_for_later);
	RUN(test_exec_of_others);
	RUN(test_thread_has_one_name);
	RUN(test_forgotten_process);
	RUN(test_forgotten_peer);
	RUN(test_settled_owner);
	RUN(test_settled_by_stand_in);
	RUN(test_expired_owner);
	RUN(test_tuples_come_again);
	RUN(test_names);
	RUN(test_unknown_process);
	RUN(test_cache_is_bounded);
	RUN(test_user_of_the_peer);
	RUN(test_container_first);
	RUN(test_container_of_early_packets);
	return check_status();
}
