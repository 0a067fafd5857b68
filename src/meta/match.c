/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/match.h"

#include <errno.h>
#include <stdlib.h>

#include "meta/ancestry.h"
#include "meta/container_match.h"
#include "meta/name.h"

enum {
	WORD_BITS = 64,
};

/* The kinds that --follow-forks may extend to children have a set of processes each. */
enum { PID_SET, NAME_SET, UID_SET, SETS };

/* What is asked for: each option is a kind of its own. Behind these come the kinds of containers. */
enum kind {
	KIND_PID = 1 << PID_SET,
	KIND_NAME = 1 << NAME_SET,
	KIND_UID = 1 << UID_SET,
	CONTAINERS_AT = SETS,
};

struct match {
	struct match_config config;
	struct container_match *containers;
	unsigned wanted;	/* KIND_* and those of containers that were given: one end has to satisfy all of them */
	unsigned followed;	/* those of them that children inherit */
	unsigned groups[ROLES]; /* ANNOT_* that a kind looks at */
	/*
	 * By the kind: one bit per pid, behind them those with PID_OUTSIDE, until it is used again. Of KIND_PID those of
	 * --pid; of each that is followed those that satisfied it, as far as seen, and their descendants. Only with
	 * follow_forks, but for that of KIND_PID.
	 */
	uint64_t *pids[SETS];
};

/* Its place among the bits; that of pid 0, which nobody has, when there is no such pid. */
static uint32_t pid_slot(uint32_t pid)
{
	const uint32_t number = pid & ~PID_OUTSIDE;

	if (number >= PID_LIMIT)
		return 0;
	return pid & PID_OUTSIDE ? PID_LIMIT + number : number;
}

static void pid_set(struct match *m, unsigned i, uint32_t pid)
{
	const uint32_t slot = pid_slot(pid);

	if (slot)
		m->pids[i][slot / WORD_BITS] |= UINT64_C(1) << slot % WORD_BITS;
}

static void pid_clear(struct match *m, unsigned i, uint32_t pid)
{
	const uint32_t slot = pid_slot(pid);

	m->pids[i][slot / WORD_BITS] &= ~(UINT64_C(1) << slot % WORD_BITS);
}

static bool pid_isset(const struct match *m, unsigned i, uint32_t pid)
{
	const uint32_t slot = pid_slot(pid);

	return m->pids[i][slot / WORD_BITS] >> slot % WORD_BITS & 1;
}

/* The kinds that a process satisfies by its number. */
static unsigned kinds_of_pid(const struct match *m, uint32_t pid)
{
	unsigned kinds = pid_isset(m, PID_SET, pid) ? KIND_PID : 0;

	for (unsigned i = PID_SET + 1; m->followed && i < SETS; i++) {
		if (pid_isset(m, i, pid))
			kinds |= 1U << i;
	}
	return kinds;
}

/* Its children inherit the followed ones of these kinds. */
static void remember(struct match *m, uint32_t pid, unsigned kinds)
{
	for (unsigned i = 0; i < SETS; i++) {
		if (kinds & m->followed & 1U << i)
			pid_set(m, i, pid);
	}
}

static bool given(const char *const *list)
{
	return list && *list;
}

static bool looks_at(const struct match *m, enum annot_desc desc)
{
	switch (desc) {
	case DESC_PROCESS: return true; /* pids are added at any time */
	case DESC_ANCESTORS: return m->config.follow_forks;
	case DESC_USER: return m->wanted & KIND_UID;
	case DESC_CONTAINER: return container_match_of_container(m->containers);
	case DESC_POD: return container_match_of_pod(m->containers);
	case DESC_OTHER: break;
	}
	return false;
}

static int open_sets(struct match *m)
{
	for (unsigned i = 0; i < SETS; i++) {
		if (i != PID_SET && !m->config.follow_forks)
			continue;
		m->pids[i] = calloc(2 * PID_LIMIT / WORD_BITS, sizeof(*m->pids[i]));
		if (!m->pids[i])
			return -ENOMEM;
	}
	return 0;
}

static void want(struct match *m, unsigned kinds)
{
	m->wanted |= kinds;
	if (m->config.follow_forks)
		m->followed = m->wanted & (KIND_PID | KIND_NAME) ? KIND_PID | KIND_NAME : KIND_UID;
}

static unsigned kinds_given(const struct match *m)
{
	const struct match_config *c = &m->config;

	return (given(c->pnames) ? KIND_NAME : 0) | (c->nuids || c->nusers ? KIND_UID : 0) |
	       container_match_wanted(m->containers) << CONTAINERS_AT;
}

int match_new(struct match **ret, const struct match_config *config)
{
	struct match *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->config = *config;
	if (open_sets(m) || container_match_new(&m->containers, &config->containers)) {
		match_free(m);
		return -ENOMEM;
	}
	want(m, kinds_given(m));
	for (size_t i = 0; i < config->npids; i++)
		match_add_pid(m, config->pids[i]);
	for (size_t i = 0; i < annotation_schema.ngroups; i++) {
		const struct annot_group *g = &annotation_schema.groups[i];

		if (looks_at(m, g->desc))
			m->groups[g->role] |= g->bit;
	}
	*ret = m;
	return 0;
}

void match_add_pid(struct match *m, uint32_t pid)
{
	pid_set(m, PID_SET, pid);
	want(m, KIND_PID);
}

bool match_active(const struct match *m)
{
	return m->wanted;
}

bool match_learns(const struct match *m)
{
	return m->followed || container_match_remembered(m->containers);
}

static bool equal(struct str s, const char *text)
{
	return s.p && str_eq(s, str_of(text));
}

/* A name given on the command line may be longer than the kernel keeps. */
static bool equal_comm(struct str comm, const char *name)
{
	return equal(comm, name) || (comm.n == COMM_MAX && strncmp(name, comm.p, COMM_MAX) == 0);
}

/* Whether all that is known of the name is what the kernel keeps. */
static bool name_is_cut(const struct process_desc *p, struct str name, struct str program)
{
	return name.n == COMM_MAX && (p->cmd.n == name.n || !str_eq(name, program));
}

static bool match_name(const struct match *m, const struct process_desc *p)
{
	const struct str program = process_desc_program(p), name = process_desc_name(p), comm = process_desc_comm(p);
	const bool cut = name_is_cut(p, name, program);

	for (const char *const *g = m->config.pnames; g && *g; g++) {
		if (equal(name, *g) || equal(program, *g) || equal(comm, *g))
			return true;
		if ((cut && equal_comm(name, *g)) || (p->comm.n && equal_comm(comm, *g)))
			return true;
	}
	return false;
}

/*
 * Of an owner whose names were not saved (older files, those of the older program): what the main thread is called, is the
 * process's own name.
 */
static bool match_main_thread(const struct match *m, const struct annotation *a)
{
	const unsigned both = ANNOT_PROCESS | ANNOT_THREAD;
	const struct process_desc d = { .comm = a->thread };

	if ((a->has & both) != both || a->tid != a->process.pid || !a->thread.n)
		return false;
	return !str_eq(a->thread, process_desc_comm(&a->process)) && match_name(m, &d);
}

static unsigned kinds_of_process(const struct match *m, const struct process_desc *p)
{
	const unsigned kinds = kinds_of_pid(m, p->pid);

	return (m->wanted & KIND_NAME) && match_name(m, p) ? kinds | KIND_NAME : kinds;
}

/* name: the saved one; n == 0 none. */
static bool is_user(const struct match_user *u, uint32_t uid, struct str name)
{
	if (!name.n)
		return u->known && u->uid == uid;
	return equal(name, u->name) || (u->usual && equal(name, u->usual));
}

static bool match_user(const struct match *m, uint32_t uid, struct str name)
{
	for (size_t i = 0; i < m->config.nuids; i++) {
		if (m->config.uids[i] == uid)
			return true;
	}
	for (size_t i = 0; i < m->config.nusers; i++) {
		if (is_user(&m->config.users[i], uid, name))
			return true;
	}
	return false;
}

/* The string of a group that has one. */
static struct str string_of(const struct annotation *a, const struct annot_group *g)
{
	for (size_t i = 0; i < annotation_schema.nfields; i++) {
		const struct annot_field *f = &annotation_schema.fields[i];

		if (f->bit == g->bit && annot_is_string(f))
			return annot_str(a, f);
	}
	return (struct str){ 0 };
}

static unsigned kinds_of_ancestors(const struct match *m, struct str ancestry)
{
	struct ancestor ancestor;
	unsigned kinds = 0;

	while (ancestry_next(&ancestry, &ancestor))
		kinds |= kinds_of_process(m, &ancestor.desc);
	return kinds;
}

static unsigned kinds_of_group(const struct match *m, const struct annotation *a, const struct annot_group *g)
{
	const void *at = (const char *)a + g->offset;

	switch (g->desc) {
	case DESC_PROCESS: return kinds_of_process(m, at);
	case DESC_ANCESTORS: return kinds_of_ancestors(m, *(const struct str *)at);
	case DESC_USER: return match_user(m, *(const uint32_t *)at, string_of(a, g)) ? KIND_UID : 0;
	case DESC_CONTAINER:
	case DESC_POD:
	case DESC_OTHER: break;
	}
	return 0;
}

static unsigned kinds_of_role(const struct match *m, const struct annotation *a, enum annot_role role)
{
	unsigned left = a->has & m->groups[role], kinds = 0;
	const void *container = NULL, *pod = NULL;

	for (const struct annot_group *g = annotation_schema.groups; left; g++) {
		const void *at = (const char *)a + g->offset;

		if (!(left & g->bit))
			continue;
		left &= ~g->bit;
		if (g->desc == DESC_CONTAINER)
			container = at;
		else if (g->desc == DESC_POD)
			pod = at;
		else
			kinds |= kinds_of_group(m, a, g);
	}
	if (container || pod)
		kinds |= container_match_end(m->containers, container, pod) << CONTAINERS_AT;
	return kinds;
}

/* from: those that pid, which satisfies *kinds by itself, comes from. */
static void inherit(struct match *m, const struct annotation *a, enum annot_role from, uint32_t pid, unsigned *kinds)
{
	if (m->followed & ~*kinds)
		*kinds |= kinds_of_role(m, a, from) & m->followed;
	remember(m, pid, *kinds);
}

static bool owner_matches(struct match *m, const struct annotation *a)
{
	unsigned kinds = kinds_of_role(m, a, ROLE_OWNER);

	if ((m->wanted & KIND_NAME) && !(kinds & KIND_NAME) && match_main_thread(m, a))
		kinds |= KIND_NAME;
	if (a->has & ANNOT_PROCESS)
		inherit(m, a, ROLE_PARENT, a->process.pid, &kinds);
	return (kinds & m->wanted) == m->wanted;
}

static bool peer_matches(struct match *m, const struct annotation *a)
{
	unsigned kinds = kinds_of_role(m, a, ROLE_PEER);

	if (a->has & ANNOT_PEER)
		inherit(m, a, ROLE_PEER_PARENT, a->peer.pid, &kinds);
	return (kinds & m->wanted) == m->wanted;
}

static enum match_end ends_match(struct match *m, const struct annotation *annot)
{
	const bool owner = owner_matches(m, annot);
	bool peer;

	/* Asked in any case when it is to be remembered: for its children, or its labels. */
	peer = (!owner || match_learns(m)) && (annot->has & m->groups[ROLE_PEER]) && peer_matches(m, annot);
	if (owner)
		return MATCH_OWNER;
	return peer ? MATCH_PEER : MATCH_NONE;
}

enum match_end match_annotation(struct match *m, const struct annotation *annot)
{
	if (!m->wanted)
		return MATCH_OWNER;
	return annot ? ends_match(m, annot) : MATCH_NONE;
}

bool match_containers(const struct match *m, const struct annotation *annot)
{
	const unsigned wanted = container_match_wanted(m->containers) << CONTAINERS_AT;

	return (kinds_of_role(m, annot, ROLE_OWNER) & wanted) == wanted ||
	       (kinds_of_role(m, annot, ROLE_PEER) & wanted) == wanted;
}

/* Live, users are told by number. */
static unsigned kinds_of_user(const struct match *m, uint32_t uid)
{
	return match_user(m, uid, (struct str){ 0 }) ? KIND_UID : 0;
}

bool match_found(struct match *m, const struct process_desc *p, uint32_t parent, uint32_t uid)
{
	const unsigned known = kinds_of_pid(m, p->pid);
	const unsigned kinds = kinds_of_process(m, p) | kinds_of_user(m, uid) | kinds_of_pid(m, parent);

	remember(m, p->pid, kinds);
	return kinds & m->followed & ~known;
}

/* A new process: it has what it inherits, and nothing of one before whose pid it has. It starts as its parent's user. */
static void match_fork(struct match *m, const struct event_fork *fork)
{
	const unsigned inherited = kinds_of_pid(m, fork->child.parent_tgid) | kinds_of_user(m, fork->child.uid);

	for (unsigned i = 0; i < SETS; i++) {
		if (m->pids[i])
			pid_clear(m, i, fork->child.tgid);
	}
	remember(m, fork->child.tgid, inherited);
}

static struct process_desc desc_of_exec(const struct event_exec *e)
{
	const struct name_facts facts = {
		.comm = e->task.comm,
		.exe = { (const char *)e->data, e->filename_len },
		.args = { (const char *)e->data + e->filename_len, e->args_len },
	};
	struct process_desc d = { .pid = e->task.tgid, .cmd = facts.exe, .args = facts.args };

	process_desc_set_names(&d, name_at_exec(&facts), str_of(facts.comm));
	return d;
}

static void match_exec(struct match *m, const struct event_exec *exec)
{
	const struct process_desc d = desc_of_exec(exec);

	if (match_name(m, &d))
		remember(m, d.pid, KIND_NAME);
}

static void match_rename(struct match *m, const struct event_rename *rename)
{
	const struct process_desc d = { .comm = str_of(rename->comm) };

	if (rename->tid == rename->tgid && match_name(m, &d))
		remember(m, rename->tgid, KIND_NAME);
}

/* Of a process outside of our pid namespace its comm is all that is known of its name. */
static void match_seen(struct match *m, const struct event_seen *seen)
{
	const struct event_task *task = &seen->task;
	const struct process_desc d = { .pid = task->tgid, .cmd = str_of(task->comm) };

	match_found(m, &d, task->parent_tgid, task->uid);
}

void match_event(struct match *m, uint32_t type, const void *event)
{
	if (!m->wanted)
		return;
	if (type == EVENT_FORK)
		match_fork(m, event);
	else if (type == EVENT_EXEC && (m->followed & KIND_NAME))
		match_exec(m, event);
	else if (type == EVENT_RENAME && (m->followed & KIND_NAME))
		match_rename(m, event);
	else if (type == EVENT_SEEN && m->followed)
		match_seen(m, event);
}

void match_free(struct match *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < SETS; i++)
		free(m->pids[i]);
	container_match_free(m->containers);
	free(m);
}
