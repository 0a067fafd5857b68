/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/match.h"

#include <errno.h>
#include <stdlib.h>

#include "meta/ancestry.h"
#include "meta/container_match.h"
#include "meta/name.h"
#include "meta/pid_set.h"
#include "meta/term.h"

/* What is asked for, a bit each: the options, of which each is a kind of its own, and the different terms. */
typedef uint64_t kinds;
enum { PID_SET, NAME_SET, UID_SET, CONTAINERS_AT, TERMS_AT = CONTAINERS_AT + CONTAINER_KINDS, SETS = 64 };
#define KIND(i) (UINT64_C(1) << (i))
#define KIND_PID KIND(PID_SET)
#define KIND_NAME KIND(NAME_SET)
#define KIND_UID KIND(UID_SET)
_Static_assert(TERMS_AT + MATCH_TERMS_MAX <= SETS, "a bit for each");

enum { MEMO = 64 };

/* What was found of an annotation. */
struct found {
	uint64_t serial; /* 0: none */
	kinds owner, peer;
};

struct match {
	struct match_config config;
	struct container_match *containers;
	kinds wanted;		/* KIND_* and those of containers that were given: one end has to satisfy all of them */
	kinds followed;		/* those, and the terms, that children inherit */
	unsigned groups[ROLES]; /* ANNOT_* that a kind looks at */
	struct term terms[MATCH_TERMS_MAX];
	unsigned nterms;
	kinds remembered;    /* terms that have to be asked of all packets */
	kinds of_parents;    /* terms of parents, which have a set, too: of whose children files tell once */
	kinds of_containers; /* terms of container and pods that want some, not all others */
	uint8_t term_of[FILTER_TERMS_MAX]; /* for each of the expression: its place among terms */
	struct found memo[MEMO];	   /* not used where the answer depends on what came before */
	/*
	 * By the kind: one bit per pid, behind them those with PID_OUTSIDE, until it is used again. Of KIND_PID those of
	 * --pid; of each that is followed those that satisfied it, as far as seen, and their descendants. Only with
	 * follow_forks, but for that of KIND_PID.
	 */
	uint64_t *pids[SETS];
};

/* Takes the first one off. */
static unsigned next_kind(kinds *left)
{
	const unsigned i = (unsigned)__builtin_ctzll(*left);

	*left &= *left - 1;
	return i;
}

/* The kinds that a process satisfies by its number. */
static kinds kinds_of_pid(const struct match *m, uint32_t pid)
{
	kinds found = pid_set_has(m->pids[PID_SET], pid) ? KIND_PID : 0;

	for (kinds left = m->followed & ~KIND_PID; left;) {
		const unsigned i = next_kind(&left);

		if (pid_set_has(m->pids[i], pid))
			found |= KIND(i);
	}
	return found;
}

/* Its children inherit the followed ones of these kinds. */
static void remember(struct match *m, uint32_t pid, kinds satisfied)
{
	for (kinds left = satisfied & m->followed; left;)
		pid_set_add(m->pids[next_kind(&left)], pid);
}

static bool looks_at(const struct match *m, enum annot_desc desc)
{
	switch (desc) {
	case DESC_PROCESS: return true; /* pids are added at any time */
	case DESC_ANCESTORS: return m->config.follow_forks;
	case DESC_USER: return (m->wanted & KIND_UID) || m->nterms;
	case DESC_CONTAINER: return container_match_of_container(m->containers) || m->nterms;
	case DESC_POD: return container_match_of_pod(m->containers) || m->nterms;
	case DESC_OTHER: break;
	}
	return false;
}

/* A page is used when a pid of it is. */
static int open_sets(struct match *m)
{
	kinds left = KIND_PID | m->of_parents;

	if (m->config.follow_forks) {
		left |= KIND_NAME | KIND_UID;
		for (unsigned i = 0; i < m->nterms; i++) {
			if (term_of_process(m->terms[i].kind) || m->terms[i].kind == TERM_UID)
				left |= KIND(TERMS_AT + i);
		}
	}
	while (left) {
		const unsigned i = next_kind(&left);

		m->pids[i] = pid_set_new();
		if (!m->pids[i])
			return -ENOMEM;
	}
	return 0;
}

/* What children inherit: what is asked of processes, and where that is nothing, of users. */
static void want(struct match *m, kinds more)
{
	kinds of_processes = KIND_PID | KIND_NAME, of_users = KIND_UID, asked;

	m->wanted |= more;
	if (!m->config.follow_forks)
		return;
	asked = m->wanted & of_processes;
	for (unsigned i = 0; i < m->nterms; i++) {
		if (term_of_process(m->terms[i].kind))
			of_processes |= asked |= KIND(TERMS_AT + i);
		else if (m->terms[i].kind == TERM_UID)
			of_users |= KIND(TERMS_AT + i);
	}
	m->followed = asked ? of_processes : of_users;
}

static kinds kinds_given(const struct match *m)
{
	const struct match_config *c = &m->config;

	return (c->pnames && *c->pnames ? KIND_NAME : 0) | (c->nuids || c->nusers ? KIND_UID : 0) |
	       (kinds)container_match_wanted(m->containers) << CONTAINERS_AT;
}

/* Many terms may ask for the same: "port 80 and pid 7 or port 53 and not pid 7". */
static int add_term(struct match *m, const struct filter_term *asked, const struct match_user *user, uint8_t *place)
{
	unsigned i = 0;

	while (i < m->nterms && !term_is(&m->terms[i], asked))
		i++;
	*place = (uint8_t)i;
	if (i < m->nterms)
		return 0;
	if (i == MATCH_TERMS_MAX)
		return -E2BIG;
	m->nterms++;
	return term_init(&m->terms[i], asked, user);
}

static int add_terms(struct match *m, const struct match_config *config)
{
	const struct filter_expr *e = config->expr;
	int err = 0;

	for (uint32_t i = 0; e && i < e->n && !err; i++) {
		err = add_term(m, &e->terms[i], config->term_users ? config->term_users[i] : NULL, &m->term_of[i]);
		if (!err && !e->terms[i].negative && m->terms[m->term_of[i]].matcher)
			m->of_containers |= KIND(TERMS_AT + m->term_of[i]);
	}
	for (unsigned i = 0; i < m->nterms; i++) {
		if (term_remembers(&m->terms[i]))
			m->remembered |= KIND(TERMS_AT + i);
		if (m->terms[i].kind == TERM_PARENT)
			m->of_parents |= KIND(TERMS_AT + i);
	}
	return err;
}

int match_new(struct match **ret, const struct match_config *config)
{
	struct match *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->config = *config;
	err = add_terms(m, config);
	if (!err)
		err = open_sets(m);
	if (!err)
		err = container_match_new(&m->containers, &config->containers);
	if (err) {
		match_free(m);
		return err;
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
	pid_set_add(m->pids[PID_SET], pid);
	want(m, KIND_PID);
}

bool match_active(const struct match *m)
{
	return m->wanted;
}

bool match_learns(const struct match *m)
{
	return m->followed || m->remembered || container_match_remembered(m->containers);
}

static bool match_name(const struct match *m, const struct process_desc *p)
{
	for (const char *const *g = m->config.pnames; g && *g; g++) {
		if (asked_name(p, *g))
			return true;
	}
	return false;
}

/*
 * Of an owner whose names were not saved (older files, those of the older program): what the main thread is called, is the
 * process's own name.
 */
static bool has_main_thread(const struct annotation *a)
{
	const unsigned both = ANNOT_PROCESS | ANNOT_THREAD;

	return (a->has & both) == both && a->tid == a->process.pid && a->thread.n &&
	       !str_eq(a->thread, process_desc_comm(&a->process));
}

static kinds kinds_of_terms(const struct match *m, const struct term_facts *facts)
{
	kinds found = 0;

	for (unsigned i = 0; i < m->nterms; i++) {
		if (term_fits(&m->terms[i], facts))
			found |= KIND(TERMS_AT + i);
	}
	return found;
}

/* By its names, its executable and its arguments: until it executes another or takes another name. */
static kinds kinds_of_image(const struct match *m, const struct process_desc *p)
{
	const kinds found = (m->wanted & KIND_NAME) && match_name(m, p) ? KIND_NAME : 0;

	return found | kinds_of_terms(m, &(struct term_facts){ .process = p });
}

static kinds kinds_of_process(const struct match *m, const struct process_desc *p)
{
	return kinds_of_pid(m, p->pid) | kinds_of_image(m, p);
}

/* name: the saved one; n == 0 none. */
static bool match_user(const struct match *m, uint32_t uid, struct str name)
{
	for (size_t i = 0; i < m->config.nuids; i++) {
		if (m->config.uids[i] == uid)
			return true;
	}
	for (size_t i = 0; i < m->config.nusers; i++) {
		if (asked_user(&m->config.users[i], uid, name))
			return true;
	}
	return false;
}

static kinds kinds_of_user(const struct match *m, uint32_t uid, struct str name)
{
	const kinds found = match_user(m, uid, name) ? KIND_UID : 0;

	return found | kinds_of_terms(m, &(struct term_facts){ .user = &(struct term_user){ uid, name } });
}

static kinds kinds_of_container(const struct match *m, const struct container_desc *c, const struct pod_desc *pod)
{
	const kinds found = (kinds)container_match_end(m->containers, c, pod) << CONTAINERS_AT;

	return found | kinds_of_terms(m, &(struct term_facts){ .container = c, .pod = pod });
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

static kinds kinds_of_ancestors(const struct match *m, struct str ancestry)
{
	struct ancestor ancestor;
	kinds found = 0;

	while (ancestry_next(&ancestry, &ancestor))
		found |= kinds_of_process(m, &ancestor.desc);
	return found;
}

static kinds kinds_of_group(const struct match *m, const struct annotation *a, const struct annot_group *g)
{
	const void *at = (const char *)a + g->offset;

	switch (g->desc) {
	case DESC_PROCESS: return kinds_of_process(m, at);
	case DESC_ANCESTORS: return kinds_of_ancestors(m, *(const struct str *)at);
	case DESC_USER: return kinds_of_user(m, *(const uint32_t *)at, string_of(a, g));
	case DESC_CONTAINER:
	case DESC_POD:
	case DESC_OTHER: break;
	}
	return 0;
}

static kinds kinds_of_role(const struct match *m, const struct annotation *a, enum annot_role role)
{
	unsigned left = a->has & m->groups[role];
	kinds found = 0;
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
			found |= kinds_of_group(m, a, g);
	}
	return container || pod ? found | kinds_of_container(m, container, pod) : found;
}

/* from: those that pid, which satisfies found by itself, comes from. */
static kinds inherit(struct match *m, const struct annotation *a, enum annot_role from, uint32_t pid, kinds found)
{
	if (m->followed & ~found)
		found |= kinds_of_role(m, a, from) & m->followed;
	remember(m, pid, found);
	return found;
}

/* Of what has a name, that it comes from this one. */
static kinds kinds_of_parent(const struct match *m, const struct process_desc *parent)
{
	return kinds_of_terms(m, &(struct term_facts){ .parent = parent });
}

/* What a process is told to come from; told: n == 0, that was with an earlier packet. */
static kinds kinds_of_origin(struct match *m, uint32_t pid, struct str told)
{
	struct ancestor parent;
	kinds found = 0;

	if (told.n && ancestry_next(&told, &parent))
		found = kinds_of_parent(m, &parent.desc);
	for (kinds left = m->of_parents; left;) {
		const unsigned i = next_kind(&left);

		if (told.n && (found & KIND(i)))
			pid_set_add(m->pids[i], pid);
		else if (told.n)
			pid_set_remove(m->pids[i], pid);
		else if (pid_set_has(m->pids[i], pid))
			found |= KIND(i);
	}
	return found;
}

static kinds kinds_of_owner(struct match *m, const struct annotation *a)
{
	kinds found = kinds_of_role(m, a, ROLE_OWNER);

	if (has_main_thread(a))
		found |= kinds_of_image(m, &(struct process_desc){ .comm = a->thread });
	if (a->has & ANNOT_PARENT)
		found |= kinds_of_parent(m, &a->parent);
	else if (a->has & ANNOT_PROCESS)
		found |=
			kinds_of_origin(m, a->process.pid, a->has & ANNOT_ANCESTORS ? a->ancestors : (struct str){ 0 });
	return a->has & ANNOT_PROCESS ? inherit(m, a, ROLE_PARENT, a->process.pid, found) : found;
}

static kinds kinds_of_peer(struct match *m, const struct annotation *a)
{
	kinds found = kinds_of_role(m, a, ROLE_PEER);

	if (a->has & ANNOT_PEER)
		found |= kinds_of_origin(m, a->peer.pid,
					 a->has & ANNOT_PEER_ANCESTORS ? a->peer_ancestors : (struct str){ 0 });
	return a->has & ANNOT_PEER ? inherit(m, a, ROLE_PEER_PARENT, a->peer.pid, found) : found;
}

static bool satisfied(const struct match *m, kinds found)
{
	return (found & m->wanted) == m->wanted;
}

static enum match_end ends_match(struct match *m, const struct annotation *annot)
{
	const bool owner = satisfied(m, kinds_of_owner(m, annot));
	bool peer;

	/* Asked in any case when it is to be remembered: for its children, or its labels. */
	peer = (!owner || match_learns(m)) && (annot->has & m->groups[ROLE_PEER]) &&
	       satisfied(m, kinds_of_peer(m, annot));
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

bool match_asks_containers(const struct match *m)
{
	return container_match_wanted(m->containers) || m->of_containers;
}

bool match_containers(const struct match *m, const struct annotation *annot)
{
	const kinds wanted = (kinds)container_match_wanted(m->containers) << CONTAINERS_AT;
	const kinds owner = kinds_of_role(m, annot, ROLE_OWNER), peer = kinds_of_role(m, annot, ROLE_PEER);

	if (!wanted)
		return (owner | peer) & m->of_containers;
	return (owner & wanted) == wanted || (peer & wanted) == wanted;
}

static struct found find_anew(struct match *m, const struct annotation *a)
{
	return (struct found){ .serial = a->serial, .owner = kinds_of_owner(m, a), .peer = kinds_of_peer(m, a) };
}

static struct found find_ends(struct match *m, const struct annotation *a)
{
	struct found *known;

	if (!a)
		return (struct found){ 0 };
	if (match_learns(m))
		return find_anew(m, a);
	known = &m->memo[a->serial % MEMO];
	if (known->serial != a->serial)
		*known = find_anew(m, a);
	return *known;
}

void match_next_source(struct match *m)
{
	memset(m->memo, 0, sizeof(m->memo));
}

void match_terms(struct match *m, const struct packet *packet, struct filter_truth *ret)
{
	const struct filter_expr *e = m->config.expr;
	const struct annotation *a = packet->annot;
	const struct found found = find_ends(m, a);
	const bool owner_known = a && (a->has & ANNOT_PROCESS), peer_known = a && (a->has & ANNOT_PEER);
	const bool sends = a && annot_owner_sends(a, (uint8_t)packet->dir);
	const kinds src = sends ? found.owner : found.peer, dst = sends ? found.peer : found.owner;
	const bool src_known = sends ? owner_known : peer_known, dst_known = sends ? peer_known : owner_known;

	*ret = (struct filter_truth){ 0 };
	for (uint32_t i = 0; i < e->n; i++) {
		const struct filter_term *t = &e->terms[i];
		const kinds bit = KIND(TERMS_AT + m->term_of[i]);
		bool holds;

		if (t->kind == TERM_UNKNOWN)
			holds = term_holds_of_unknown(t->end, src_known, dst_known);
		else if (t->kind == TERM_NETNS)
			holds = term_fits_netns(&m->terms[m->term_of[i]], packet->iface);
		else
			holds = term_holds(t->end, src & bit, dst & bit);
		if (holds)
			ret->bits[i / 64] |= UINT64_C(1) << i % 64;
	}
}

bool match_found(struct match *m, const struct process_desc *p, uint32_t parent, uint32_t uid)
{
	const kinds known = kinds_of_pid(m, p->pid);
	const kinds found = kinds_of_process(m, p) | kinds_of_user(m, uid, (struct str){ 0 }) | kinds_of_pid(m, parent);

	remember(m, p->pid, found);
	return found & m->followed & ~known;
}

/* A new process: it has what it inherits, and nothing of one before whose pid it has. It starts as its parent's user. */
static void match_fork(struct match *m, const struct event_fork *fork)
{
	const struct process_desc number = { .pid = fork->child.tgid };
	const kinds inherited = kinds_of_pid(m, fork->child.parent_tgid) | kinds_of_image(m, &number) |
				kinds_of_user(m, fork->child.uid, (struct str){ 0 });

	for (unsigned i = 0; i < SETS; i++) {
		if (m->pids[i])
			pid_set_remove(m->pids[i], fork->child.tgid);
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

	remember(m, d.pid, kinds_of_image(m, &d));
}

static void match_rename(struct match *m, const struct event_rename *rename)
{
	const struct process_desc d = { .comm = str_of(rename->comm) };

	if (rename->tid == rename->tgid)
		remember(m, rename->tgid, kinds_of_image(m, &d));
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
	if (!m->wanted && !m->nterms)
		return;
	if (type == EVENT_FORK)
		match_fork(m, event);
	else if (type == EVENT_EXEC && m->followed)
		match_exec(m, event);
	else if (type == EVENT_RENAME && m->followed)
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
	for (unsigned i = 0; i < m->nterms; i++)
		term_done(&m->terms[i]);
	container_match_free(m->containers);
	free(m);
}
