/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/match.h"

#include <errno.h>
#include <stdlib.h>

#include "meta/name.h"

enum {
	PID_LIMIT = 4194304, /* the kernel's largest, PID_MAX_LIMIT */
	WORD_BITS = 64,
};

struct match {
	struct match_config config;
	bool active;
	unsigned groups[ROLES]; /* ANNOT_* that a criterion looks at */
	/* One bit per pid, behind them those with PID_OUTSIDE: set are those of --pid and, with --follow-forks, their
	 * descendants as far as seen; until used again. */
	uint64_t *pids;
};

/* Its place among the bits; that of pid 0, which nobody has, when there is no such pid. */
static uint32_t pid_slot(uint32_t pid)
{
	const uint32_t number = pid & ~PID_OUTSIDE;

	if (number >= PID_LIMIT)
		return 0;
	return pid & PID_OUTSIDE ? PID_LIMIT + number : number;
}

static void pid_set(struct match *m, uint32_t pid)
{
	const uint32_t slot = pid_slot(pid);

	if (slot)
		m->pids[slot / WORD_BITS] |= UINT64_C(1) << slot % WORD_BITS;
}

static void pid_clear(struct match *m, uint32_t pid)
{
	const uint32_t slot = pid_slot(pid);

	m->pids[slot / WORD_BITS] &= ~(UINT64_C(1) << slot % WORD_BITS);
}

static bool pid_isset(const struct match *m, uint32_t pid)
{
	const uint32_t slot = pid_slot(pid);

	return m->pids[slot / WORD_BITS] >> slot % WORD_BITS & 1;
}

static bool given(const char *const *list)
{
	return list && *list;
}

static bool looks_at(const struct match_config *c, enum annot_desc desc)
{
	switch (desc) {
	case DESC_PROCESS: return true; /* pids are added at any time */
	case DESC_USER: return c->nuids || c->nusers;
	case DESC_CONTAINER: return given(c->container_ids) || given(c->container_names);
	case DESC_POD: return given(c->pod_names);
	case DESC_OTHER: break;
	}
	return false;
}

int match_new(struct match **ret, const struct match_config *config)
{
	struct match *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->config = *config;
	m->pids = calloc(2 * PID_LIMIT / WORD_BITS, sizeof(*m->pids));
	if (!m->pids) {
		free(m);
		return -ENOMEM;
	}
	for (size_t i = 0; i < config->npids; i++)
		pid_set(m, config->pids[i]);
	for (size_t i = 0; i < annotation_schema.ngroups; i++) {
		const struct annot_group *g = &annotation_schema.groups[i];

		if (looks_at(config, g->desc))
			m->groups[g->role] |= g->bit;
	}
	m->active = config->npids || config->nuids || config->nusers || given(config->pnames) ||
		    given(config->container_ids) || given(config->container_names) || given(config->pod_names);
	*ret = m;
	return 0;
}

void match_add_pid(struct match *m, uint32_t pid)
{
	pid_set(m, pid);
	m->active = true;
}

bool match_active(const struct match *m)
{
	return m->active;
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

static bool match_process(const struct match *m, const struct process_desc *p)
{
	return pid_isset(m, p->pid) || match_name(m, p);
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

static bool match_container(const struct match *m, const struct container_desc *c)
{
	for (const char *const *p = m->config.container_ids; p && *p; p++) {
		size_t n = strlen(*p);

		if (c->id.n >= n && memcmp(c->id.p, *p, n) == 0)
			return true;
	}
	for (const char *const *p = m->config.container_names; p && *p; p++) {
		/* Docker's API names containers with a slash in front. */
		if (equal(c->name, **p == '/' ? *p + 1 : *p))
			return true;
	}
	return false;
}

static bool match_pod(const struct match *m, const struct pod_desc *pod)
{
	for (const char *const *p = m->config.pod_names; p && *p; p++) {
		const char *dot = strrchr(*p, '.');
		const struct str name = { *p, dot ? (uint32_t)(dot - *p) : (uint32_t)strlen(*p) };

		if (pod->name.p && str_eq(pod->name, name) && equal(pod->namespace, dot ? dot + 1 : "default"))
			return true;
	}
	return false;
}

static bool match_group(const struct match *m, const struct annotation *a, const struct annot_group *g)
{
	const void *at = (const char *)a + g->offset;

	switch (g->desc) {
	case DESC_PROCESS: return match_process(m, at);
	case DESC_USER: return match_user(m, *(const uint32_t *)at, string_of(a, g));
	case DESC_CONTAINER: return match_container(m, at);
	case DESC_POD: return match_pod(m, at);
	case DESC_OTHER: break;
	}
	return false;
}

static bool match_role(const struct match *m, const struct annotation *a, enum annot_role role)
{
	unsigned left = a->has & m->groups[role];

	for (const struct annot_group *g = annotation_schema.groups; left; g++) {
		if ((left & g->bit) && match_group(m, a, g))
			return true;
		left &= ~g->bit;
	}
	return false;
}

static bool match_owner(const struct match *m, const struct annotation *a)
{
	if (match_role(m, a, ROLE_OWNER))
		return true;
	return m->config.follow_forks && (a->has & ANNOT_PROCESS) && match_role(m, a, ROLE_PARENT);
}

bool match_annotation(struct match *m, const struct annotation *annot)
{
	if (!m->active)
		return true;
	if (!annot)
		return false;
	if (!match_owner(m, annot))
		return match_role(m, annot, ROLE_PEER);
	/* Children of this process will name it as their parent. Not so when only the other end matched. */
	if (m->config.follow_forks && (annot->has & ANNOT_PROCESS))
		pid_set(m, annot->process.pid);
	return true;
}

/* A new process: wanted as a child, else not, though one before may have been whose pid it has. */
static void match_fork(struct match *m, const struct event_fork *fork)
{
	if (m->config.follow_forks && pid_isset(m, fork->child.parent_tgid))
		pid_set(m, fork->child.tgid);
	else
		pid_clear(m, fork->child.tgid);
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
		pid_set(m, d.pid);
}

static void match_rename(struct match *m, const struct event_rename *rename)
{
	const struct process_desc d = { .comm = str_of(rename->comm) };

	if (rename->tid == rename->tgid && match_name(m, &d))
		pid_set(m, rename->tgid);
}

void match_event(struct match *m, uint32_t type, const void *event)
{
	if (!m->active)
		return;
	if (type == EVENT_FORK)
		match_fork(m, event);
	else if (type == EVENT_EXEC && m->config.follow_forks)
		match_exec(m, event);
	else if (type == EVENT_RENAME && m->config.follow_forks)
		match_rename(m, event);
}

bool match_found(struct match *m, const struct process_desc *p, uint32_t parent)
{
	if (!m->config.follow_forks || pid_isset(m, p->pid) || !(pid_isset(m, parent) || match_name(m, p)))
		return false;
	pid_set(m, p->pid);
	return true;
}

void match_free(struct match *m)
{
	if (!m)
		return;
	free(m->pids);
	free(m);
}
