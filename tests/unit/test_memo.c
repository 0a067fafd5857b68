/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/memo.h"

#include <stdlib.h>

#include "check.h"
#include "fake.h"
#include "meta/container_info.h"
#include "meta/join.h"

#define MSEC UINT64_C(1000000)

enum { PROCESSES = 4, FIRST = 5000001 /* larger than any pid: /proc has none of them */, IFACES = 3, STEPS = 200000 };

/* What both of the compared joins are told by others. */
static bool without_memo;
static unsigned long hits;
static unsigned named; /* users whose name is known, a bit each */
static bool names_came[2];
static enum container_answer answers[PROCESSES];
static uint64_t container_serial = 1;
static struct container container;

const struct annotation *__real_memo_find(const struct memo *m, const struct packet *packet, uint64_t generation);

FAKE(const struct annotation *, memo_find, const struct memo *m, const struct packet *packet, uint64_t generation)
{
	const struct annotation *annot = without_memo ? NULL : __real_memo_find(m, packet, generation);

	hits += annot != NULL;
	return annot;
}

FAKE(enum container_answer, containers_find, struct containers *c, const struct process *p,
     const struct container **ret)
{
	const enum container_answer answer = answers[(p->tgid - FIRST) % PROCESSES];
	static char name[32];

	(void)c;
	snprintf(name, sizeof(name), "container%llu", (unsigned long long)container_serial);
	container.serial = container_serial;
	container.desc.name = str_of(name);
	*ret = answer == CONTAINER_FOUND ? &container : NULL;
	return answer;
}

FAKE(struct str, users_find, struct users *u, uint32_t uid, bool *pending)
{
	(void)u;
	*pending |= !(named & 1U << uid);
	return str_of(named & 1U << uid ? "somebody" : NULL);
}

FAKE(bool, users_changed, struct users *u)
{
	const bool came = names_came[without_memo];

	(void)u;
	names_came[without_memo] = false;
	return came;
}

struct world {
	struct process_table *processes;
	struct join *join;
};

static struct world world_make(void)
{
	struct join_config config = { .settle_ns = 20 * MSEC, .reverse_match = true, .peer = true };
	struct world w;

	if (process_table_new(&w.processes))
		abort();
	config.processes = w.processes;
	config.containers = (struct containers *)&container; /* only asked by what is replaced above */
	if (join_new(&w.join, &config))
		abort();
	return w;
}

static void world_done(struct world *w)
{
	join_free(w->join);
	process_table_free(w->processes);
}

static void world_event(struct world *w, uint32_t type, const void *event, size_t size)
{
	if (type == EVENT_OWNER) {
		join_owner(w->join, event);
		return;
	}
	process_table_event(w->processes, type, event, size);
	join_changed(w->join);
}

static void both(struct world w[2], uint32_t type, const void *event, size_t size)
{
	for (int i = 0; i < 2; i++) {
		without_memo = i;
		world_event(&w[i], type, event, size);
	}
}

static unsigned pick(unsigned n)
{
	return (unsigned)random() % n;
}

static uint16_t images[PROCESSES];

static uint32_t some_pid(void)
{
	return FIRST + pick(PROCESSES);
}

static uint64_t start_of(uint32_t pid)
{
	return (pid - FIRST + 1) * 100;
}

static struct event_task some_task(void)
{
	const uint32_t pid = some_pid();
	struct event_task task = {
		.tgid = pid,
		.start = start_of(pid),
		.parent_tgid = FIRST,
		.parent_start = start_of(FIRST),
		.netns = pick(3),
		.uid = pick(3),
		.image = ++images[pid - FIRST],
	};

	snprintf(task.comm, sizeof(task.comm), "comm%u", pick(4));
	return task;
}

static void execute(struct world w[2], uint64_t ts)
{
	struct {
		struct event_exec e;
		char text[32];
	} exec = { .e = { .type = EVENT_EXEC, .ts = ts, .task = some_task() } };
	const int n = snprintf(exec.text, sizeof(exec.text), "/bin/prog%u", pick(100));

	exec.e.filename_len = (uint16_t)n;
	both(w, EVENT_EXEC, &exec, sizeof(exec.e) + (size_t)n);
}

static void change(struct world w[2], uint64_t ts)
{
	const uint32_t pid = some_pid();
	struct event_rename rename = { EVENT_RENAME, pid, pid + pick(2), 0, ts, start_of(pid), "" };
	const struct event_user user = { EVENT_USER, pid, ts, start_of(pid), pick(3), pick(3) };
	const struct event_cgroup cgroup = { EVENT_CGROUP, pid, ts, start_of(pid), pick(3) };
	const struct event_exit end = { .type = EVENT_EXIT, .ts = ts, .task = { .tgid = pid, .start = start_of(pid) } };
	const struct event_socket_owner owner = {
		.type = EVENT_OWNER,
		.ts = ts,
		.owner = { .tgid = pid, .tid = pid, .start = start_of(pid), .cookie = 1 + pick(3) },
	};

	snprintf(rename.comm, sizeof(rename.comm), "name%u", pick(4));
	switch (pick(7)) {
	case 0: execute(w, ts); break;
	case 1: both(w, EVENT_RENAME, &rename, sizeof(rename)); break;
	case 2: both(w, EVENT_USER, &user, sizeof(user)); break;
	case 3: both(w, EVENT_CGROUP, &cgroup, sizeof(cgroup)); break;
	case 4: both(w, EVENT_OWNER, &owner, sizeof(owner)); break;
	case 5:
		named ^= 1U << pick(3);
		names_came[0] = names_came[1] = true;
		break;
	case 6:
		if (pick(20) == 0)
			both(w, EVENT_EXIT, &end, sizeof(end));
		break;
	}
}

/* Only what was pending becomes known by itself; all else is told. */
static void change_containers(struct world w[2])
{
	enum container_answer *answer = &answers[pick(PROCESSES)];
	const bool by_itself = *answer == CONTAINER_PENDING;

	*answer = by_itself ? CONTAINER_NONE : (enum container_answer)pick(3);
	if (by_itself)
		return;
	container_serial += pick(2);
	for (int i = 0; i < 2; i++)
		join_changed(w[i].join);
}

static struct event_owner some_owner(void)
{
	const uint32_t pid = some_pid();
	const uint16_t image = images[pid - FIRST];
	struct event_owner o = {
		.tgid = pick(8) ? pid : 0,
		.start = pick(30) ? start_of(pid) : 99,
		.tid = pick(10) ? pid + pick(2) : OWNER_TID_NOBODY,
		.uid = pick(3),
		.cookie = pick(4),
		.source = pick(2) ? OWNER_CURRENT : OWNER_STORAGE,
		.image = (uint16_t)(image - (pick(4) == 0 && image)),
	};

	if (pick(8) == 0)
		o.flags |= OWNER_F_PROVISIONAL;
	if (pick(8) == 0)
		o.flags |= OWNER_F_LATER;
	return o;
}

/* One thing of a packet. */
static void vary(struct event_packet *e)
{
	switch (pick(6)) {
	case 0: e->src = some_owner(); break;
	case 1: e->dst = some_owner(); break;
	case 2: e->dir = (uint8_t)pick(3); break;
	case 3: e->netns = pick(3); break;
	case 4: snprintf(e->comm, sizeof(e->comm), "told%u", pick(3)); break;
	case 5: e->src.cookie = pick(4); break;
	}
}

static void vary_iface(struct iface *iface)
{
	iface->paired = pick(2);
	iface->bridged = pick(2);
	iface->other_netns = pick(2);
}

static void compare(struct world w[2], const struct event_packet *e, const struct iface *iface, uint64_t now,
		    bool force)
{
	struct packet p[2] = { { .event = e, .iface = iface }, { .event = e, .iface = iface } };
	enum meta_verdict verdict[2];

	for (int i = 0; i < 2; i++) {
		without_memo = i;
		verdict[i] = join_packet(w[i].join, &p[i], now, force);
	}
	CHECK_INT(verdict[0], verdict[1]);
	CHECK_INT(!p[0].annot, !p[1].annot);
	CHECK(!p[0].annot ||
	      (p[0].annot->has == p[1].annot->has && annot_same(&annotation_schema, p[0].annot, p[1].annot)));
	if (pick(10))
		return;
	for (int i = 0; i < 2; i++) {
		without_memo = i;
		p[i].annot = join_other_end(w[i].join, &p[i]);
	}
	CHECK_INT(!p[0].annot, !p[1].annot);
	CHECK(!p[0].annot || annot_same(&annotation_schema, p[0].annot, p[1].annot));
}

/* Whatever happens between packets and whichever of them come: with the memo and without it is the same. */
static void test_any_sequence(void)
{
	struct world w[2] = { world_make(), world_make() };
	struct event_packet flows[4] = { 0 };
	struct iface ifaces[IFACES] = { 0 };
	uint64_t now = 1000 * MSEC;

	srandom(1);
	for (unsigned i = 0; i < 20; i++)
		execute(w, now);
	for (unsigned step = 0; step < STEPS && !check_why[0]; step++) {
		struct event_packet *e = &flows[pick(4)];

		now += pick(3) ? 0 : pick(3 * MSEC);
		if (pick(20) == 0)
			change(w, now - pick(5 * MSEC));
		if (pick(30) == 0)
			change_containers(w);
		if (pick(30) == 0)
			vary_iface(&ifaces[pick(IFACES)]);
		if (pick(6) == 0)
			vary(e);
		e->ts = now - pick(10 * MSEC);
		compare(w, e, pick(9) ? &ifaces[(size_t)(e - flows) % IFACES] : NULL, now, pick(8) == 0);
	}
	world_done(&w[0]);
	world_done(&w[1]);
	CHECK(check_why[0] || hits > STEPS / 10);
}

static void test_annotation_became_another(void)
{
	const struct event_packet e = { .ts = 5, .src = { .tid = 7 } };
	const struct packet p = { .event = &e };
	struct annotation a = { .serial = 1 };
	struct memo m = { 0 };

	memo_keep(&m, &p, 3, &(struct period){ 5, 4, 6 }, &a);
	CHECK(__real_memo_find(&m, &p, 3) == &a);
	CHECK(!__real_memo_find(&m, &p, 4));
	a.serial = 2;
	CHECK(!__real_memo_find(&m, &p, 3));
}

int main(void)
{
	RUN(test_any_sequence);
	RUN(test_annotation_became_another);
	return check_status();
}
