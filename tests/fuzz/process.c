/* SPDX-License-Identifier: BSD-3-Clause */
/* Events of processes in any order and of any size, and in between what is asked of the table; /proc answers from the input. */
#include <errno.h>

#include "fuzz.h"
#include "meta/process.h"
#include "util/clock.h"
#include "util/pidns.h"
#include "util/procfs.h"

static struct fuzz input;
static uint64_t now;
static struct process_table *table;

FAKE(uint64_t, clock_ns, clockid_t clock)
{
	(void)clock;
	return now;
}

FAKE(struct pidns, pidns_of_proc, void)
{
	return (struct pidns){ .inode = 1, .initial = true };
}

FAKE(int, cgroup2_open, void)
{
	return -ENOENT;
}

FAKE(int, procfs_stat, uint32_t pid, struct procfs_stat *ret)
{
	const uint8_t how = fuzz_u8(&input);

	if (how & 1)
		return -ESRCH;
	*ret = (struct procfs_stat){ .state = 'S', .kernel_thread = how & 2, .parent = how >> 2 & 7 };
	ret->start = (uint64_t)(how >> 5) * procfs_tick_ns();
	snprintf(ret->comm, sizeof(ret->comm), "comm%u", pid);
	return 0;
}

static int tell(char *buf, size_t size)
{
	size_t n = fuzz_u8(&input);

	if (n == 255)
		return -ESRCH;
	if (n == 254)
		n = size - 1;
	if (n > size - 1)
		n = size - 1;
	if (n > input.n)
		n = input.n;
	memcpy(buf, n ? (const char *)input.p : "", n);
	buf[n] = '\0';
	input.p += n;
	input.n -= n;
	return (int)n;
}

FAKE(int, procfs_read, uint32_t pid, const char *name, char *buf, size_t size)
{
	(void)pid;
	(void)name;
	return tell(buf, size);
}

FAKE(int, procfs_exe, uint32_t pid, char *buf, size_t size)
{
	(void)pid;
	return tell(buf, size);
}

/* Few processes, so that they meet. */
static uint32_t pid_of(uint8_t v)
{
	return v & 0x80 ? (v & 7U) | PID_OUTSIDE : v & 7U;
}

static uint64_t start_of(uint8_t v)
{
	return (uint64_t)(v >> 3 & 7) * procfs_tick_ns() + (v >> 6 & 1);
}

static struct event_task task(uint8_t who, uint8_t parent)
{
	struct event_task t = { .tgid = pid_of(who),
				.start = start_of(who),
				.parent_tgid = pid_of(parent),
				.parent_start = start_of(parent),
				.uid = parent,
				.image = who & 15,
				.cgroup = parent };

	memset(t.comm, 'a' + (who & 15), sizeof(t.comm));
	return t;
}

static void send(uint32_t type, const void *event, size_t size)
{
	void *copy = malloc(size + !size);

	if (size)
		memcpy(copy, event, size);
	process_table_event(table, type, copy, size);
	free(copy);
}

static void send_raw(void)
{
	const uint32_t type = fuzz_u8(&input) % (EVENT_NETNS + 2);
	size_t n = fuzz_u16(&input);
	uint8_t *event = fuzz_bytes(&input, &n);

	process_table_event(table, type, event, n);
	free(event);
}

static void send_exec(uint8_t who, uint8_t parent)
{
	struct event_exec *e = calloc(1, sizeof(*e) + 512);
	const uint8_t names = fuzz_u8(&input), args = fuzz_u8(&input);

	e->type = EVENT_EXEC;
	e->ts = now;
	e->task = task(who, parent);
	e->filename_len = names;
	e->args_len = args;
	e->filename_cut = names & 1;
	e->args_cut = args & 1;
	for (size_t i = 0; i < (size_t)names + args; i++)
		e->data[i] = fuzz_u8(&input);
	send(EVENT_EXEC, e, sizeof(*e) + names + args);
	free(e);
}

static void send_event(uint8_t type, uint8_t who, uint8_t parent)
{
	const struct event_task t = task(who, parent);
	struct event_rename r = { .tgid = t.tgid, .tid = parent & 7, .ts = now, .start = t.start };
	struct event_cgroup c = { .tgid = t.tgid, .ts = now, .start = t.start, .cgroup = parent };
	struct event_user u = { .tgid = t.tgid, .ts = now, .start = t.start, .before = parent & 7, .uid = parent >> 4 };

	switch (type % 8) {
	case 0: send_exec(who, parent); break;
	case 1: send(EVENT_FORK, &(struct event_fork){ .ts = now, .child = t }, sizeof(struct event_fork)); break;
	case 2: send(EVENT_EXIT, &(struct event_exit){ .ts = now, .task = t }, sizeof(struct event_exit)); break;
	case 3: send(EVENT_SEEN, &(struct event_seen){ .ts = now, .task = t }, sizeof(struct event_seen)); break;
	case 4:
		memset(r.comm, parent, sizeof(r.comm));
		send(EVENT_RENAME, &r, sizeof(r));
		break;
	case 5: send(EVENT_CGROUP, &c, sizeof(c)); break;
	case 6: send(EVENT_USER, &u, sizeof(u)); break;
	case 7: send_raw(); break;
	}
}

/* All that it points to must be there. */
static void look(const struct process *p)
{
	const struct str strings[] = { p->cmd, p->args, p->name };
	volatile char sum = 0;

	for (size_t i = 0; i < 3; i++) {
		for (uint32_t j = 0; j < strings[i].n; j++)
			sum ^= strings[i].p[j];
	}
	FUZZ_CHECK(strnlen(p->comm, sizeof(p->comm)) < sizeof(p->comm));
}

static void look_each(void *arg, const struct process *p)
{
	(void)arg;
	FUZZ_CHECK(!p->dead);
	look(p);
}

static void ask(uint8_t what, uint8_t who, uint8_t other)
{
	const struct process_id id = { start_of(who), pid_of(who), other & 15, other >> 4 & 1 };
	const uint64_t at = now - (uint64_t)fuzz_u8(&input) * NSEC_PER_SEC / 16;
	struct thread_id thread = { id.start, id.tgid, other & 7 };
	struct period when = period_at(at);
	const struct process *p;
	struct str s;

	switch (what % 4) {
	case 0: process_catch_up(table, &id, at); break;
	case 1: process_each(table, look_each, NULL); break;
	case 2:
		process_thread_told(table, &thread, "thread", at);
		s = process_thread_name(table, &thread, &when);
		FUZZ_CHECK(!s.n || s.n < EVENT_COMM_LEN);
		break;
	}
	p = process_find(table, id.tgid, id.start);
	if (p)
		look(p);
	when = period_at(at);
	p = process_at(table, &id, &when);
	if (!p)
		return;
	look(p);
	FUZZ_CHECK(when.from <= at);
	s = process_ancestry(table, p);
	FUZZ_CHECK(!s.n || s.p[0]);
	process_uid(table, p, other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = (struct fuzz){ data, size };
	now = 3600 * NSEC_PER_SEC;
	if (process_table_new(&table))
		abort();
	while (input.n) {
		const uint8_t what = fuzz_u8(&input), who = fuzz_u8(&input), other = fuzz_u8(&input);

		/* Mostly forward. */
		now += (uint64_t)fuzz_u8(&input) * NSEC_PER_SEC / 64;
		if (what & 0x80)
			ask(what, who, other);
		else
			send_event(what, who, other);
	}
	process_table_free(table);
	return 0;
}
