/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/match.h"

#include <errno.h>
#include <stdlib.h>

#include "meta/ancestry.h"
#include "meta/container_match.h"
#include "meta/name.h"
#include "meta/pid_set.h"
#include "meta/term.h"

/* What is asked for, a bit each: by the options, and then by the different terms of the expression. */
typedef uint64_t kinds;
enum { GIVEN_PIDS, GIVEN_NAMES, GIVEN_USERS, GIVEN_CONTAINERS, GIVEN, KINDS = 64 };
#define KIND(i) (UINT64_C(1) << (i))
_Static_assert(GIVEN + MATCH_TERMS_MAX <= KINDS, "a bit for each");

enum { MEMO = 64 };

/* What was found of an annotation. */
struct found {
	uint64_t serial; /* 0: none */
	kinds owner, peer;
};

struct match {
	bool follow_forks;
	const struct filter_expr *expr; /* NULL: none */
	struct term terms[KINDS];	/* those of the options are there in any case */
	unsigned n;
	uint8_t term_of[FILTER_TERMS_MAX];  /* for each of the expression: its place among terms */
	kinds selected;			    /* what options ask for: one end has to satisfy all of them */
	kinds followed;			    /* what children inherit */
	kinds of_pids, of_images, of_users; /* what is asked of what; */
	kinds of_parents;		    /* these have a set, too: of whose children files tell once; */
	kinds of_places;		    /* of containers and pods, */
	kinds of_containers;		    /* and those of them that want some, not all others */
	kinds remembered;		    /* those that have to be asked of all packets */
	unsigned groups[ROLES];		    /* ANNOT_* that any of them looks at */
	struct found memo[MEMO];	    /* not used where the answer depends on what came before */
	/*
	 * By the kind: one bit per pid, behind them those with PID_OUTSIDE, until it is used again. Of each kind that is
	 * followed those that satisfied it, as far as seen, and their descendants.
	 */
	uint64_t *pids[KINDS];
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
	kinds found = 0;

	for (kinds left = m->of_pids | m->followed; left;) {
		const unsigned i = next_kind(&left);

		if (term_has_pid(&m->terms[i], pid) || ((m->followed & KIND(i)) && pid_set_has(m->pids[i], pid)))
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

/* A page is used when a pid of it is. */
static int open_sets(struct match *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		const enum term_kind kind = m->terms[i].kind;
		const bool inherited = term_of_process(kind) || kind == TERM_UID;

		if (!(m->of_parents & KIND(i)) && !(m->follow_forks && inherited))
			continue;
		m->pids[i] = pid_set_new();
		if (!m->pids[i])
			return -ENOMEM;
	}
	return 0;
}

/* Of the options those that were given, and all terms of the expression. */
static bool asks(const struct match *m, unsigned i)
{
	return i >= GIVEN || (m->selected & KIND(i));
}

/*
 * What children inherit: what is asked of processes, and where that is nothing, of users. Of options the kernel decides, and
 * knows nothing of terms.
 */
static void follow(struct match *m)
{
	const kinds by_options = KIND(GIVEN_PIDS) | KIND(GIVEN_NAMES);
	kinds of_processes = 0, of_users = 0;

	for (unsigned i = 0; i < m->n && m->follow_forks; i++) {
		if (asks(m, i) && term_of_process(m->terms[i].kind))
			of_processes |= KIND(i);
		else if (asks(m, i) && m->terms[i].kind == TERM_UID)
			of_users |= KIND(i);
	}
	m->followed = of_processes ? of_processes : of_users;
	if (!(of_processes & by_options))
		m->followed |= of_users & KIND(GIVEN_USERS);
}

static int give(struct match *m, const struct match_config *c)
{
	struct term *t = m->terms;
	int err = 0;

	t[GIVEN_PIDS].kind = TERM_PID;
	t[GIVEN_NAMES].kind = TERM_PNAME;
	t[GIVEN_USERS].kind = TERM_UID;
	t[GIVEN_CONTAINERS].kind = TERM_CONTAINER;
	m->n = GIVEN;
	for (size_t i = 0; i < c->npids && !err; i++)
		err = term_add_number(&t[GIVEN_PIDS], c->pids[i]);
	for (const char *const *name = c->pnames; name && *name && !err; name++)
		err = term_add_value(&t[GIVEN_NAMES], *name);
	for (size_t i = 0; i < c->nuids && !err; i++)
		err = term_add_number(&t[GIVEN_USERS], c->uids[i]);
	term_set_users(&t[GIVEN_USERS], c->users, c->nusers);
	if (!err && container_query_any(&c->containers))
		err = term_set_containers(&t[GIVEN_CONTAINERS], &c->containers);
	for (unsigned i = 0; i < GIVEN; i++) {
		if (t[i].nnumbers || t[i].nvalues || t[i].nusers || t[i].matcher)
			m->selected |= KIND(i);
	}
	return err;
}

static bool asks_the_same(const struct filter_term *a, const struct filter_term *b)
{
	return a->kind == b->kind && strcmp(a->value, b->value) == 0;
}

/* Many terms may ask for the same: "port 80 and pid 7 or port 53 and not pid 7". */
static int add_term(struct match *m, uint32_t which, const struct match_user *user)
{
	const struct filter_term *asked = m->expr->terms;
	uint32_t before = 0;

	while (before < which && !asks_the_same(&asked[before], &asked[which]))
		before++;
	m->term_of[which] = before < which ? m->term_of[before] : (uint8_t)m->n;
	if (before < which)
		return 0;
	if (m->n == GIVEN + MATCH_TERMS_MAX)
		return -E2BIG;
	m->terms[m->n] = (struct term){ .kind = asked[which].kind };
	return term_add_asked(&m->terms[m->n++], &asked[which], user);
}

static int add_terms(struct match *m, const struct match_config *config)
{
	int err = 0;

	for (uint32_t i = 0; m->expr && i < m->expr->n && !err; i++)
		err = add_term(m, i, config->term_users ? config->term_users[i] : NULL);
	return err;
}

static void sort(struct match *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		const struct term *t = &m->terms[i];

		m->of_pids |= t->kind == TERM_PID ? KIND(i) : 0; /* those of options are added at any time */
		m->of_images |= term_of_process(t->kind) && t->nvalues ? KIND(i) : 0;
		m->of_users |= t->kind == TERM_UID && asks(m, i) ? KIND(i) : 0;
		m->of_parents |= t->kind == TERM_PARENT ? KIND(i) : 0;
		m->of_places |= t->matcher ? KIND(i) : 0;
		m->remembered |= term_remembers(t) ? KIND(i) : 0;
	}
	m->of_containers = m->selected & KIND(GIVEN_CONTAINERS);
	if (m->of_containers)
		return;
	for (uint32_t i = 0; m->expr && i < m->expr->n; i++) {
		if (!m->expr->terms[i].negative && m->terms[m->term_of[i]].matcher)
			m->of_containers |= KIND(m->term_of[i]);
	}
}

static bool looks_at(const struct match *m, enum annot_desc desc)
{
	unsigned of_container = 0, of_pod = 0;

	for (kinds left = m->of_places; left;) {
		const struct container_match *matcher = m->terms[next_kind(&left)].matcher;

		of_container |= container_match_of_container(matcher);
		of_pod |= container_match_of_pod(matcher);
	}
	switch (desc) {
	case DESC_PROCESS: return true; /* pids are added at any time */
	case DESC_ANCESTORS: return m->follow_forks;
	case DESC_USER: return m->of_users;
	case DESC_CONTAINER: return of_container;
	case DESC_POD: return of_pod;
	case DESC_OTHER: break;
	}
	return false;
}

int match_new(struct match **ret, const struct match_config *config)
{
	struct match *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->follow_forks = config->follow_forks;
	m->expr = config->expr;
	err = give(m, config);
	if (!err)
		err = add_terms(m, config);
	if (!err) {
		sort(m);
		err = open_sets(m);
	}
	if (err) {
		match_free(m);
		return err;
	}
	follow(m);
	for (size_t i = 0; i < annotation_schema.ngroups; i++) {
		const struct annot_group *g = &annotation_schema.groups[i];

		if (looks_at(m, g->desc))
			m->groups[g->role] |= g->bit;
	}
	*ret = m;
	return 0;
}

int match_add_pid(struct match *m, uint32_t pid)
{
	const int err = term_add_number(&m->terms[GIVEN_PIDS], pid);

	m->selected |= KIND(GIVEN_PIDS);
	follow(m);
	match_next_source(m);
	return err;
}

bool match_active(const struct match *m)
{
	return m->selected;
}

bool match_learns(const struct match *m)
{
	return m->followed || m->remembered;
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

static kinds kinds_of(const struct match *m, kinds asked, const struct term_facts *facts)
{
	kinds found = 0;

	while (asked) {
		const unsigned i = next_kind(&asked);

		if (term_fits(&m->terms[i], facts))
			found |= KIND(i);
	}
	return found;
}

/* By its names, its executable and its arguments: until it executes another or takes another name. */
static kinds kinds_of_image(const struct match *m, const struct process_desc *p)
{
	return kinds_of(m, m->of_images, &(struct term_facts){ .process = p });
}

static kinds kinds_of_process(const struct match *m, const struct process_desc *p)
{
	return kinds_of_pid(m, p->pid) | kinds_of_image(m, p);
}

/* name: the saved one; n == 0 none. */
static kinds kinds_of_user(const struct match *m, uint32_t uid, struct str name)
{
	return kinds_of(m, m->of_users, &(struct term_facts){ .user = &(struct term_user){ uid, name } });
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
	if (container || pod)
		found |= kinds_of(m, m->of_places, &(struct term_facts){ .container = container, .pod = pod });
	return found;
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
	return kinds_of(m, m->of_parents, &(struct term_facts){ .parent = parent });
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

static bool satisfied(const struct match *m, kinds found)
{
	return (found & m->selected) == m->selected;
}

enum match_end match_annotation(struct match *m, const struct annotation *annot)
{
	struct found found;

	if (!m->selected)
		return MATCH_OWNER;
	found = find_ends(m, annot);
	if (satisfied(m, found.owner))
		return MATCH_OWNER;
	return satisfied(m, found.peer) ? MATCH_PEER : MATCH_NONE;
}

bool match_asks_containers(const struct match *m)
{
	return m->of_containers;
}

bool match_containers(const struct match *m, const struct annotation *annot)
{
	return (kinds_of_role(m, annot, ROLE_OWNER) | kinds_of_role(m, annot, ROLE_PEER)) & m->of_containers;
}

void match_next_source(struct match *m)
{
	memset(m->memo, 0, sizeof(m->memo));
}

void match_terms(struct match *m, const struct packet *packet, struct filter_truth *ret)
{
	const struct filter_expr *e = m->expr;
	const struct annotation *a = packet->annot;
	const struct found found = find_ends(m, a);
	const bool owner_known = a && (a->has & ANNOT_PROCESS), peer_known = a && (a->has & ANNOT_PEER);
	const bool sends = a && annot_owner_sends(a, (uint8_t)packet->dir);
	const kinds src = sends ? found.owner : found.peer, dst = sends ? found.peer : found.owner;
	const bool src_known = sends ? owner_known : peer_known, dst_known = sends ? peer_known : owner_known;

	*ret = (struct filter_truth){ 0 };
	for (uint32_t i = 0; i < e->n; i++) {
		const struct filter_term *t = &e->terms[i];
		const kinds bit = KIND(m->term_of[i]);
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

/*
 * A new process: it has what it inherits, and nothing of one before whose pid it has; options mean the one that had it when they
 * were given. It starts as its parent's user.
 */
static void match_fork(struct match *m, const struct event_fork *fork)
{
	const uint32_t pid = fork->child.tgid;
	const kinds inherited = kinds_of_pid(m, fork->child.parent_tgid) |
				kinds_of_user(m, fork->child.uid, (struct str){ 0 });

	if (term_remove_number(&m->terms[GIVEN_PIDS], pid))
		match_next_source(m);
	for (unsigned i = 0; i < m->n; i++) {
		if (m->pids[i])
			pid_set_remove(m->pids[i], pid);
	}
	remember(m, pid, inherited | kinds_of_pid(m, pid));
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
	if (!m->selected && m->n == GIVEN)
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
	for (unsigned i = 0; i < m->n; i++) {
		free(m->pids[i]);
		term_done(&m->terms[i]);
	}
	free(m);
}
