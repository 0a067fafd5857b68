/* SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "capture/attrib.h"
#include "check.h"
#include "fake.h"
#include "meta/ancestry.h"
#include "meta/process.h"
#include "util/procfs.h"

static struct process_table *table;
static uint64_t clock_ns = 1000;

static time_t ahead; /* s, that the clocks are ahead */

int __real_clock_gettime(clockid_t clock, struct timespec *ret);

FAKE(int, clock_gettime, clockid_t clock, struct timespec *ret)
{
	const int err = __real_clock_gettime(clock, ret);

	ret->tv_sec += ahead;
	return err;
}

/* Pids that /proc never knows: above the kernel's limit of 4194304. */
#define PID 5000000u

static struct event_task task_of(uint32_t pid, uint64_t start, const char *comm)
{
	struct event_task t = { .tgid = pid, .start = start, .uid = 33 };

	strncpy(t.comm, comm, sizeof(t.comm) - 1);
	return t;
}

static void send_exec(struct event_task task, const char *file, const char *args, size_t args_len, bool cut)
{
	size_t n = strlen(file), size = sizeof(struct event_exec) + n + args_len;
	/* exactly as long as the event, so that ASan sees a step beyond */
	struct event_exec *e = calloc(1, size);

	e->type = EVENT_EXEC;
	e->ts = ++clock_ns;
	e->task = task;
	e->filename_len = (uint16_t)n;
	e->args_len = (uint32_t)args_len;
	e->args_cut = cut;
	memcpy(e->data, file, n);
	memcpy(e->data + n, args, args_len);
	process_table_event(table, EVENT_EXEC, e, size);
	free(e);
}

static void send_fork(uint32_t parent, uint64_t parent_start, uint32_t child, uint64_t start)
{
	struct event_fork f = { .type = EVENT_FORK, .ts = ++clock_ns, .child = task_of(child, start, "sh") };

	f.child.parent_tgid = parent;
	f.child.parent_start = parent_start;
	process_table_event(table, EVENT_FORK, &f, sizeof(f));
}

static void send_exit(uint32_t pid, uint64_t start, uint64_t ts)
{
	struct event_exit x = { .type = EVENT_EXIT, .ts = ts, .task = task_of(pid, start, "ended") };

	process_table_event(table, EVENT_EXIT, &x, sizeof(x));
}

static struct str thread_at(uint32_t pid, uint64_t start, uint32_t tid, uint64_t ts)
{
	struct period when = period_at(ts);

	return process_thread_name(table, &(struct thread_id){ start, pid, tid }, &when);
}

static bool is(struct str s, const char *want)
{
	return str_eq(s, str_of(want));
}

static void test_exec(void)
{
	const struct process *p;

	send_exec(task_of(PID, 12345678, "curl"), "/usr/bin/curl", "curl\0-s\0http://x", 17, false);
	p = process_find(table, PID, 12345678);
	CHECK(p);
	CHECK(is(p->cmd, "/usr/bin/curl"));
	CHECK(is(p->args, "curl -s http://x"));
	CHECK_INT(p->uid, 33);
	CHECK_STR(p->comm, "curl");
	CHECK(process_find(table, PID, 0) == p);
	CHECK(!process_find(table, PID, 999999999));
}

static void test_args_cut_and_raw(void)
{
	const struct process *p;

	send_exec(task_of(PID + 1, 5, "x\n\x1b[2J"), "/tmp/a\nb", "a\0\x1b[2J\xff\0b", 9, true);
	p = process_find(table, PID + 1, 5);
	CHECK(p);
	CHECK(is(p->cmd, "/tmp/a\nb"));
	CHECK(is(p->args, "a \x1b[2J\xff b..."));
}

static const struct process *after_exec(const char *comm, const char *file, const char *args, size_t args_len)
{
	static uint64_t start = 1000;

	send_exec(task_of(PID + 5, start += 2000000000, comm), file, args, args_len, false);
	return process_find(table, PID + 5, start);
}

#define AFTER_EXEC(comm, file, args) after_exec(comm, file, args, sizeof(args))

/* What it was started as, in full. */
static void test_names(void)
{
	CHECK(is(AFTER_EXEC("nslookup", "/bin/busybox", "nslookup\0x")->name, "nslookup"));
	CHECK(is(AFTER_EXEC("redis-server", "/usr/bin/redis-check-rdb", "redis-server\0*")->name, "redis-server"));
	CHECK(is(AFTER_EXEC("python3", "/usr/bin/python3.11", "python3\0-c")->name, "python3"));
	CHECK(is(AFTER_EXEC("ansible-playboo", "/usr/bin/python3.11", "/usr/bin/python3\0/usr/bin/ansible-playbook\0x")
			 ->name,
		 "ansible-playbook"));
	CHECK(is(AFTER_EXEC("a-very-long-nam", "/bin/a-very-long-name", "x")->name, "a-very-long-name"));
	CHECK(is(AFTER_EXEC("a-very-long-nam", "/bin/busybox", "x\0/a-very-long")->name, "a-very-long-nam"));
	/* By descriptor. */
	CHECK(is(AFTER_EXEC("3", "/memfd:secret tool", "py\0-c")->name, "memfd:secret tool"));
	CHECK(is(AFTER_EXEC("exe", "/usr/bin/dockerd", "docker-untar")->name, "dockerd"));
	/* Nothing known but the comm. */
	CHECK(is(AFTER_EXEC("7", "", "")->name, "7"));
	CHECK(is(AFTER_EXEC("", "/bin/x", "")->name, "x"));
}

/* What was renamed keeps its name, and so does what it forks. */
static void test_name_stays(void)
{
	const struct event_rename r = {
		.type = EVENT_RENAME, .tgid = PID + 6, .tid = PID + 6, .start = 5, .comm = "busy"
	};

	send_exec(task_of(PID + 6, 5, "ash"), "/bin/busybox", "ash", 4, false);
	process_table_event(table, EVENT_RENAME, &r, sizeof(r));
	CHECK(is(process_find(table, PID + 6, 5)->name, "ash"));
	CHECK_STR(process_find(table, PID + 6, 5)->comm, "busy");
	send_fork(PID + 6, 5, PID + 7, 6);
	CHECK(is(process_find(table, PID + 7, 6)->name, "ash"));
}

static void test_no_name(void)
{
	const struct process *p;

	send_exec(task_of(PID + 2, 5, "comm"), "", "", 0, false);
	p = process_find(table, PID + 2, 5);
	CHECK(p);
	CHECK(is(p->cmd, "comm"));
	CHECK(is(p->name, "comm"));
	CHECK_INT(p->args.n, 0);
}

static void test_fork_inherits(void)
{
	const struct process *p;
	uint32_t version;

	send_exec(task_of(PID + 10, 100, "sh"), "/bin/sh", "sh\0-c", 6, false);
	send_fork(PID + 10, 100, PID + 11, 200);
	p = process_find(table, PID + 11, 200);
	CHECK(p);
	CHECK(is(p->cmd, "/bin/sh"));
	CHECK(is(p->args, "sh -c"));
	CHECK_INT(p->parent_tgid, PID + 10);
	version = p->version;
	/* The parent's next program is not the child's. */
	send_exec(task_of(PID + 10, 100, "ls"), "/bin/ls", "ls", 3, false);
	p = process_find(table, PID + 11, 200);
	CHECK(is(p->cmd, "/bin/sh"));
	CHECK_INT(p->version, version);
	CHECK(is(process_find(table, PID + 10, 100)->cmd, "/bin/ls"));
}

static void test_pid_reuse(void)
{
	send_exec(task_of(PID + 20, 1000000001, "old"), "/bin/old", "old", 4, false);
	send_exec(task_of(PID + 20, 9000000001, "new"), "/bin/new", "new", 4, false);
	CHECK(is(process_find(table, PID + 20, 1000000001)->cmd, "/bin/old"));
	CHECK(process_find(table, PID + 20, 1000000001)->dead);
	CHECK(is(process_find(table, PID + 20, 9000000001)->cmd, "/bin/new"));
	CHECK(is(process_find(table, PID + 20, 0)->cmd, "/bin/new"));
}

/* Starts out of /proc are whole ticks of 10 ms. */
static void test_tick(void)
{
	send_exec(task_of(PID + 30, 7770000000, "a"), "/bin/a", "a", 2, false);
	CHECK(process_find(table, PID + 30, 7771234567));
	CHECK_INT(process_find(table, PID + 30, 7771234567)->start, 7771234567);
	CHECK(!process_find(table, PID + 30, 7779999999));
	CHECK(process_find(table, PID + 30, 7770000000));
}

static void test_dead_are_kept_and_bounded(void)
{
	uint64_t ts = 1000000000;
	unsigned i, kept = 0;

	send_exec(task_of(PID + 40, 5, "a"), "/bin/a", "a", 2, false);
	send_exit(PID + 40, 5, ts);
	CHECK(process_find(table, PID + 40, 5));
	CHECK(process_find(table, PID + 40, 5)->dead);
	CHECK(!process_find(table, PID + 40, 0));
	for (i = 0; i < 20000; i++) {
		send_fork(PID, 12345678, PID + 100 + i, 77 + i);
		send_exit(PID + 100 + i, 77 + i, ts + i);
	}
	for (i = 0; i < 20000; i++)
		kept += process_find(table, PID + 100 + i, 77 + i) != NULL;
	CHECK(kept > 1000);
	CHECK(kept < 10000);
	/* However late they ended: what they have sent may wait as we did. */
	send_fork(PID, 12345678, PID + 42, 5);
	send_exit(PID + 42, 5, ts + 10000000000);
	CHECK(process_find(table, PID + 100 + 19999, 77 + 19999));
	/* ten seconds later the rest goes with the next death */
	ahead += 20;
	send_fork(PID, 12345678, PID + 41, 5);
	send_exit(PID + 41, 5, ts + 20000000000);
	CHECK(!process_find(table, PID + 100 + 19999, 77 + 19999));
	CHECK(process_find(table, PID + 41, 5));
}

static void test_cgroup_move(void)
{
	struct event_cgroup c = { .type = EVENT_CGROUP, .tgid = PID + 50, .start = 5, .cgroup = 4242 };
	uint32_t version;

	send_exec(task_of(PID + 50, 5, "a"), "/bin/a", "a", 2, false);
	version = process_find(table, PID + 50, 5)->version;
	process_table_event(table, EVENT_CGROUP, &c, sizeof(c));
	CHECK_INT(process_find(table, PID + 50, 5)->cgroup, 4242);
	CHECK(process_find(table, PID + 50, 5)->version != version);
}

static void send_rename(uint32_t tgid, uint32_t tid, const char *comm)
{
	struct event_rename r = { .type = EVENT_RENAME, .tgid = tgid, .tid = tid, .ts = ++clock_ns, .start = 5 };

	strncpy(r.comm, comm, sizeof(r.comm) - 1);
	process_table_event(table, EVENT_RENAME, &r, sizeof(r));
}

static void test_rename(void)
{
	uint32_t version;

	send_exec(task_of(PID + 55, 5, "a"), "/bin/a", "a", 2, false);
	version = process_find(table, PID + 55, 5)->version;
	send_rename(PID + 55, PID + 56, "worker");
	CHECK_STR(process_find(table, PID + 55, 5)->comm, "a");
	CHECK(is(thread_at(PID + 55, 5, PID + 56, clock_ns), "worker"));
	CHECK_INT(process_find(table, PID + 55, 5)->version, version);
	send_rename(PID + 55, PID + 55, "renamed");
	CHECK_STR(process_find(table, PID + 55, 5)->comm, "renamed");
	CHECK(is(process_find(table, PID + 55, 5)->cmd, "/bin/a"));
	CHECK(is(thread_at(PID + 55, 5, PID + 56, clock_ns), "worker"));
	CHECK(process_find(table, PID + 55, 5)->version != version);
	/* Without a path, the name is what is shown. */
	send_exec(task_of(PID + 57, 5, "b"), "", "", 0, false);
	send_rename(PID + 57, PID + 57, "longer");
	CHECK(is(process_find(table, PID + 57, 5)->cmd, "longer"));
	CHECK(is(process_find(table, PID + 57, 5)->name, "b"));
}

static struct event_task image_of(uint32_t pid, uint64_t start, const char *comm, uint16_t image)
{
	struct event_task t = task_of(pid, start, comm);

	t.image = image;
	return t;
}

static void exec_image(uint32_t pid, uint64_t start, const char *comm, uint16_t image)
{
	char path[64];

	snprintf(path, sizeof(path), "/bin/%s", comm);
	send_exec(image_of(pid, start, comm, image), path, comm, strlen(comm) + 1, false);
}

static const char *cmd_at(const struct process_id *id, uint64_t ts, struct period *ret)
{
	static char text[128];
	struct period when = period_at(ts);
	const struct process *p = process_at(table, id, &when);

	if (p && (ts < when.from || ts >= when.until))
		return "a period of another time";
	if (ret)
		*ret = when;
	snprintf(text, sizeof(text), "%.*s", p ? (int)p->cmd.n : 4, p ? p->cmd.p : "none");
	return text;
}

/* A program that sends, and executes another: each has what it sent, by its image, else by the time. */
static void test_image_of_then(void)
{
	const struct process_id any = { 5, PID + 60, 0, false }, first = { 5, PID + 60, 7, false },
				second = { 5, PID + 60, 8, false }, later = { 5, PID + 60, 8, true };
	struct period when;
	uint64_t t1, t2;

	exec_image(PID + 60, 5, "first", 7);
	t1 = clock_ns;
	clock_ns += 1000;
	exec_image(PID + 60, 5, "second", 8);
	t2 = clock_ns;
	CHECK_STR(cmd_at(&any, t1 + 1, &when), "/bin/first");
	CHECK_INT(when.until, t2);
	CHECK_STR(cmd_at(&any, t2, &when), "/bin/second");
	CHECK_INT(when.from, t2);
	CHECK(when.until == UINT64_MAX);
	/* Its socket may send after the exec; a child's may have been credited with what came before its fork. */
	CHECK_STR(cmd_at(&first, t2 + 10, NULL), "/bin/first");
	CHECK_STR(cmd_at(&second, t1 - 10, NULL), "/bin/second");
	/* Asked for after the packet, it had run the other by then. */
	CHECK_STR(cmd_at(&later, t1 + 1, NULL), "/bin/first");
	CHECK_STR(cmd_at(&later, t2 + 1, NULL), "/bin/second");
	CHECK(is(process_find(table, PID + 60, 5)->cmd, "/bin/second"));
}

/* Of what it was before, nothing is known: not even that it had no name. */
static void test_unknown_before_exec(void)
{
	exec_image(PID + 71, 5, "first", 7);
	CHECK(!process_find(table, PID + 71, 5)->before);
	CHECK_STR(cmd_at(&(struct process_id){ 5, PID + 71, 6, false }, clock_ns - 1, NULL), "/bin/first");
}

static void test_forked_before_exec(void)
{
	struct event_fork f = { .type = EVENT_FORK, .child = image_of(PID + 62, 6, "first", 7) };
	const struct process_id child = { 6, PID + 62, 7, false };

	exec_image(PID + 61, 5, "first", 7);
	f.child.parent_tgid = PID + 61;
	f.child.parent_start = 5;
	f.ts = ++clock_ns;
	exec_image(PID + 61, 5, "second", 8);
	/* Another CPU's event: it comes after, and is of before. */
	process_table_event(table, EVENT_FORK, &f, sizeof(f));
	CHECK_STR(cmd_at(&child, clock_ns, NULL), "/bin/first");
}

static void test_names_and_cgroups_of_then(void)
{
	struct event_cgroup c = { .type = EVENT_CGROUP, .tgid = PID + 63, .start = 5, .cgroup = 4242 };
	const struct process_id id = { 5, PID + 63, 0, false };
	struct period when;
	uint64_t ts;

	exec_image(PID + 63, 5, "a", 7);
	ts = clock_ns;
	send_rename(PID + 63, PID + 63, "renamed");
	c.ts = ++clock_ns;
	process_table_event(table, EVENT_CGROUP, &c, sizeof(c));
	when = period_at(ts);
	CHECK_STR(process_at(table, &id, &when)->comm, "a");
	when = period_at(ts + 1);
	CHECK_STR(process_at(table, &id, &when)->comm, "renamed");
	CHECK_INT(process_at(table, &id, &when)->cgroup, 0);
	when = period_at(ts + 2);
	CHECK_INT(process_at(table, &id, &when)->cgroup, 4242);
}

static void test_history_is_bounded(void)
{
	const struct process_id id = { 5, PID + 64, 0, false }, lost = { 5, PID + 64, 100, false };
	struct period when = period_at(0);
	char name[16];
	unsigned n = 0;

	for (uint16_t i = 100; i < 200; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		exec_image(PID + 64, 5, name, i);
	}
	for (const struct process *p = process_find(table, PID + 64, 5); p; p = p->before)
		n++;
	CHECK_INT(n, 9);
	CHECK_STR(cmd_at(&id, 0, NULL), "/bin/p191");
	/* What is not known any more is not taken for another. */
	CHECK(process_at(table, &lost, &when)->image != 100);
	/* However long ago it was: what it sent may wait as we did. */
	clock_ns += 20000000000;
	exec_image(PID + 64, 5, "late", 200);
	CHECK_STR(cmd_at(&id, 0, NULL), "/bin/p192");
	ahead += 20;
	exec_image(PID + 64, 5, "later", 201);
	CHECK_STR(cmd_at(&id, 0, NULL), "/bin/late");
}

/* It ran before anybody listened. */
static void test_exit_tells(void)
{
	struct event_exit x = { .type = EVENT_EXIT, .ts = ++clock_ns, .task = image_of(PID + 65, 5, "brief", 7) };
	const struct process *p;

	exec_image(PID + 65, 900, "next", 3);
	process_table_event(table, EVENT_EXIT, &x, sizeof(x));
	p = process_find(table, PID + 65, 5);
	CHECK(p && p->dead);
	CHECK(is(p->cmd, "brief"));
	CHECK_INT(p->uid, 33);
	CHECK(!process_find(table, PID + 65, 900)->dead);
}

static void test_thread_names(void)
{
	static const char other[EVENT_COMM_LEN] = "other";
	uint64_t ts;

	exec_image(PID + 66, 5, "server", 7);
	ts = ++clock_ns;
	/* Nobody saw it take a name. */
	CHECK(is(thread_at(PID + 66, 5, PID + 67, ts), "server"));
	send_rename(PID + 66, PID + 67, "worker");
	CHECK(is(thread_at(PID + 66, 5, PID + 67, ts), "server"));
	CHECK(is(thread_at(PID + 66, 5, PID + 67, clock_ns), "worker"));
	process_thread_told(table, &(struct thread_id){ 5, PID + 66, PID + 68 }, other, clock_ns);
	CHECK(is(thread_at(PID + 66, 5, PID + 68, clock_ns - 1), "other"));
	send_exit(PID + 66, 5, ++clock_ns);
	CHECK(is(thread_at(PID + 66, 5, PID + 67, clock_ns), "worker"));
	CHECK(is(thread_at(PID + 66, 5, PID + 67, ts), "server"));
}

static void test_thread_of_unseen_process(void)
{
	struct event_exit x = { .type = EVENT_EXIT, .ts = ++clock_ns, .task = task_of(PID + 69, 5, "unseen") };

	process_table_event(table, EVENT_EXIT, &x, sizeof(x));
	/* It may have had any name. */
	CHECK_INT(thread_at(PID + 69, 5, PID + 70, clock_ns).n, 0);
}

/* An event is lost, and a packet tells that there was one. */
static void test_catch_up(void)
{
	const struct process_id newer = { 0, (uint32_t)getpid(), 9, false };
	const struct process *p;
	char exe[512] = "";

	CHECK(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	p = process_find(table, newer.tgid, 0);
	CHECK(p);
	exec_image(newer.tgid, p->start, "before", 8);
	process_catch_up(table, &(struct process_id){ p->start, newer.tgid, 8, false }, clock_ns + 1);
	CHECK(is(process_find(table, newer.tgid, 0)->cmd, "/bin/before"));
	process_catch_up(table, &(struct process_id){ p->start, newer.tgid, 9, false }, clock_ns + 1);
	CHECK_STR(cmd_at(&newer, clock_ns + 1, NULL), exe);
	CHECK_STR(cmd_at(&(struct process_id){ 0, newer.tgid, 8, false }, clock_ns + 1, NULL), "/bin/before");
}

/* Short, long and lying events: nothing happens, and ASan is silent. */
static void test_hostile(void)
{
	static const uint32_t types[] = { EVENT_NONE,	EVENT_PACKET, EVENT_EXEC, EVENT_FORK, EVENT_EXIT, EVENT_OWNER,
					  EVENT_CGROUP, EVENT_RENAME, EVENT_SEEN, EVENT_USER, EVENT_FLOW, 77 };
	unsigned char *p;
	size_t i, size;

	srandom(1);
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		for (size = 0; size < 300; size++) {
			p = malloc(size ? size : 1);
			for (size_t k = 0; k < size; k++)
				p[k] = (unsigned char)random();
			if (size >= 4)
				memcpy(p, &types[i], 4);
			process_table_event(table, types[i], p, size);
			attrib_event_valid(p, size);
			free(p);
		}
}

static void test_valid(void)
{
	struct {
		struct event_exec e;
		char room[64];
	} x = { .e = { .type = EVENT_EXEC, .filename_len = 5, .args_len = 7 } };
	struct event_exit exit_event = { .type = EVENT_EXIT };

	CHECK(attrib_event_valid(&x, sizeof(x.e) + 12));
	CHECK(!attrib_event_valid(&x, sizeof(x.e) + 11));
	CHECK(!attrib_event_valid(&x, sizeof(x.e) + 13));
	x.e.args_len = 0xfffffff0;
	CHECK(!attrib_event_valid(&x, sizeof(x.e) + 12));
	x.e.args_len = 7;
	x.e.filename_len = EVENT_FILENAME_MAX;
	CHECK(!attrib_event_valid(&x, sizeof(x)));
	CHECK(attrib_event_valid(&exit_event, sizeof(exit_event)));
	CHECK(!attrib_event_valid(&exit_event, sizeof(exit_event) - 1));
	CHECK(!attrib_event_valid(&exit_event, 3));
}

static void test_proc(void)
{
	const struct process *p = process_find(table, (uint32_t)getpid(), 0);
	char exe[512];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	CHECK(n > 0);
	exe[n] = '\0';
	CHECK(p);
	CHECK(is(p->cmd, exe));
	CHECK(p->args.n > 0);
	CHECK_INT(p->uid, getuid());
	CHECK_INT(p->parent_tgid, getppid());
	CHECK(p->netns);
	CHECK(p->start);
	CHECK(!process_find(table, PID + 999, 0));
	CHECK(process_table_scan(table) == 0);
	CHECK(process_find(table, (uint32_t)getpid(), 0) == p);
	CHECK(thread_at((uint32_t)getpid(), p->start, (uint32_t)getpid(), clock_ns).n > 0);
}

/* Who is outside of our pid namespace is known from events, never from whom /proc has under that number. */
static void test_outside(void)
{
	const uint32_t pid = (uint32_t)getpid() | PID_OUTSIDE;
	const struct event_seen seen = { .type = EVENT_SEEN,
					 .task = task_of((PID + 9) | PID_OUTSIDE, 34567891, "nginx") };
	const struct process *p;

	CHECK(!process_find(table, pid, 0));
	send_exec(task_of(pid, 23456789, "curl"), "/usr/bin/curl", "curl", 5, false);
	p = process_find(table, pid, 23456789);
	CHECK(p);
	CHECK(is(p->cmd, "/usr/bin/curl"));
	CHECK(process_find(table, (uint32_t)getpid(), 0) != p);
	send_fork(pid, 23456789, (PID + 1) | PID_OUTSIDE, 23456799);
	p = process_find(table, (PID + 1) | PID_OUTSIDE, 23456799);
	CHECK(p);
	CHECK(is(p->cmd, "/usr/bin/curl"));
	process_table_event(table, EVENT_SEEN, &seen, sizeof(seen));
	p = process_find(table, (PID + 9) | PID_OUTSIDE, 34567891);
	CHECK(p);
	CHECK(is(p->cmd, "nginx"));
	CHECK_INT(p->args.n, 0);
	/* It tells less than an exec. */
	send_exec(task_of((PID + 9) | PID_OUTSIDE, 34567891, "curl"), "/usr/bin/curl", "curl", 5, false);
	process_table_event(table, EVENT_SEEN, &seen, sizeof(seen));
	CHECK(is(process_find(table, (PID + 9) | PID_OUTSIDE, 34567891)->cmd, "/usr/bin/curl"));
}

/* A fork whose parent nobody knew: /proc tells while it lives. */
static void test_unknown_parent(void)
{
	const struct process *p;
	pid_t pid = fork();
	uint64_t start;

	if (pid == 0) {
		pause();
		_exit(0);
	}
	p = process_find(table, (uint32_t)pid, 0);
	start = p ? p->start : 0;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK(start);
	p = process_find(table, (uint32_t)pid, start);
	CHECK(p);
	CHECK(p->cmd.n > 0);
}

static struct str ancestry_of(uint32_t pid, uint64_t start)
{
	const struct process *p = process_find(table, pid, start);

	return p ? process_ancestry(table, p) : str_of("nobody");
}

/* What a process comes from is what that was at the fork, whatever becomes of it. */
static void test_ancestry(void)
{
	struct event_task first = task_of(PID + 70, 9000000001, "init");

	first.parent_tgid = 0;
	send_exec(first, "/sbin/init", "", 0, false);
	send_fork(PID + 70, 9000000001, PID + 71, 9000000002);
	send_exec(task_of(PID + 71, 9000000002, "sh"), "/bin/sh", "sh", 3, false);
	send_fork(PID + 71, 9000000002, PID + 72, 9000000003);
	send_exec(task_of(PID + 71, 9000000002, "later"), "/bin/later", "later", 6, false);
	send_exit(PID + 71, 9000000002, ++clock_ns);
	CHECK(is(ancestry_of(PID + 72, 9000000003), "sh.5000071,init.5000070"));
	CHECK(!ancestry_of(PID + 70, 9000000001).n);
}

/* Those that were there before. */
/* No kernel tells that; a leak is what the sanitizer would find. */
static void test_own_ancestor(void)
{
	struct str above;

	send_fork(PID + 81, 9000000012, PID + 80, 9000000011);
	send_fork(PID + 80, 9000000011, PID + 81, 9000000012);
	above = ancestry_of(PID + 80, 9000000011);
	CHECK(above.n > 0);
	CHECK(is(above, ancestry_of(PID + 80, 9000000011).p));
}

static void test_ancestry_from_proc(void)
{
	struct ancestor a;
	struct str left;
	struct procfs_stat us;

	CHECK_INT(procfs_stat((uint32_t)getpid(), &us), 0);
	left = ancestry_of((uint32_t)getpid(), us.start);
	CHECK(ancestry_next(&left, &a));
	CHECK_INT(a.desc.pid, getppid());
}

/* They are asked for nothing but name and parent, which is all that they have; a scan asks for each parent once. */
static void test_scan(void)
{
	struct procfs_stat us, kthreadd;
	const struct process *p;

	CHECK_INT(procfs_stat((uint32_t)getpid(), &us), 0);
	CHECK(!us.kernel_thread);
	CHECK_INT(process_table_scan(table), 0);
	p = process_find(table, (uint32_t)getpid(), us.start);
	CHECK(p);
	CHECK_INT(p->parent_tgid, getppid());
	CHECK(p->netns && p->args.n);
	p = process_find(table, (uint32_t)getppid(), p->parent_start);
	CHECK(p);
	if (procfs_stat(2, &kthreadd) || !kthreadd.kernel_thread)
		CHECK_SKIP("the kernel's threads are not shown here");
	p = process_find(table, 2, kthreadd.start);
	CHECK(p);
	CHECK_STR(p->comm, "kthreadd");
	CHECK(is(p->cmd, "kthreadd"));
	CHECK(p->version && !p->netns && !p->args.n);
}

/* Whoever looks up both ends of an old packet must not lose the first with the second. */
static void test_found_stay(void)
{
	const struct process *p;
	struct procfs_stat us;

	CHECK_INT(procfs_stat((uint32_t)getpid(), &us), 0);
	send_exec(task_of(PID + 30, 7000000001, "old"), "/bin/old", "old", 4, false);
	send_exec(task_of((uint32_t)getpid(), 7000000003, "us"), "/bin/us", "us", 3, false);
	send_exit(PID + 30, 7000000001, ++clock_ns);
	p = process_find(table, PID + 30, 7000000001);
	CHECK(p);
	/* /proc knows another start: who had the pid before is dead, long after the other. */
	CHECK(process_find(table, (uint32_t)getpid(), us.start));
	CHECK(is(p->cmd, "/bin/old"));
}

/* Exits may be lost. */
static void test_exits_lost(void)
{
	size_t left = 0;

	for (uint32_t i = 0; i < 40000; i++)
		send_exec(task_of(PID + 1000 + i, 8000000001 + i, "x"), "/bin/x", "x", 2, false);
	for (uint32_t i = 0; i < 40000; i++)
		left += process_find(table, PID + 1000 + i, 8000000001 + i) != NULL;
	CHECK(left <= 24576);
	left = 0;
	for (uint32_t i = 0; i < 40000; i++)
		send_exec(task_of((1000 + i) | PID_OUTSIDE, 8000000001 + i, "x"), "/bin/x", "x", 2, false);
	for (uint32_t i = 0; i < 40000; i++)
		left += process_find(table, (1000 + i) | PID_OUTSIDE, 8000000001 + i) != NULL;
	CHECK(left <= 24576);
	CHECK(process_find(table, (uint32_t)getpid(), 0));
}

int main(void)
{
	if (process_table_new(&table))
		return 1;
	RUN(test_exec);
	RUN(test_args_cut_and_raw);
	RUN(test_names);
	RUN(test_name_stays);
	RUN(test_no_name);
	RUN(test_fork_inherits);
	RUN(test_pid_reuse);
	RUN(test_tick);
	RUN(test_dead_are_kept_and_bounded);
	RUN(test_cgroup_move);
	RUN(test_rename);
	RUN(test_image_of_then);
	RUN(test_unknown_before_exec);
	RUN(test_forked_before_exec);
	RUN(test_names_and_cgroups_of_then);
	RUN(test_history_is_bounded);
	RUN(test_exit_tells);
	RUN(test_thread_names);
	RUN(test_thread_of_unseen_process);
	RUN(test_hostile);
	RUN(test_valid);
	RUN(test_proc);
	RUN(test_outside);
	RUN(test_unknown_parent);
	RUN(test_ancestry);
	RUN(test_own_ancestor);
	RUN(test_ancestry_from_proc);
	RUN(test_scan);
	process_table_free(table);
	if (process_table_new(&table))
		return 1;
	RUN(test_catch_up);
	process_table_free(table);
	if (process_table_new(&table))
		return 1;
	RUN(test_found_stay);
	RUN(test_exits_lost);
	process_table_free(table);
	return check_status();
}
