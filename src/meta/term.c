/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/term.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/container_match.h"
#include "util/glob.h"

enum { TEXT_MAX = 65536 }; /* nothing that a packet is told of is longer */

int term_add_value(struct term *t, const char *value)
{
	struct term_value *more = reallocarray(t->values, t->nvalues + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	t->values = more;
	more[t->nvalues] = (struct term_value){ .text = value, .glob = glob_is(value) };
	if (more[t->nvalues].glob && !t->text) {
		t->text = malloc(TEXT_MAX + 1);
		if (!t->text)
			return -ENOMEM;
	}
	t->nvalues++;
	return 0;
}

/* Of the first that is not below it. */
static size_t place_of(const struct term *t, uint32_t number)
{
	size_t from = 0, to = t->nnumbers;

	while (from < to) {
		const size_t middle = from + (to - from) / 2;

		if (t->numbers[middle] < number)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static bool has_number(const struct term *t, uint32_t number)
{
	const size_t i = place_of(t, number);

	return i < t->nnumbers && t->numbers[i] == number;
}

int term_add_number(struct term *t, uint32_t number)
{
	const size_t i = place_of(t, number);
	uint32_t *more;

	if (has_number(t, number))
		return 0;
	more = reallocarray(t->numbers, t->nnumbers + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	t->numbers = more;
	memmove(&more[i + 1], &more[i], (t->nnumbers++ - i) * sizeof(*more));
	more[i] = number;
	return 0;
}

bool term_remove_number(struct term *t, uint32_t number)
{
	const size_t i = place_of(t, number);

	if (!has_number(t, number))
		return false;
	memmove(&t->numbers[i], &t->numbers[i + 1], (--t->nnumbers - i) * sizeof(*t->numbers));
	return true;
}

void term_set_users(struct term *t, const struct match_user *users, size_t n)
{
	t->users = users;
	t->nusers = n;
}

int term_set_containers(struct term *t, const struct container_query *query)
{
	return container_match_new(&t->matcher, query);
}

static int add_container(struct term *t, const char *value)
{
	const char *const values[] = { value, NULL };
	struct container_query q = { 0 };

	if (t->kind == TERM_POD)
		q.pods = values;
	else if (t->kind == TERM_LABEL)
		q.labels = values;
	else
		q.names = values;
	if (t->kind == TERM_CONTAINER && container_query_is_id(str_of(value), CONTAINER_ID_MIN))
		q.ids = values;
	return term_set_containers(t, &q);
}

static int add_netns(struct term *t, const char *value)
{
	uint32_t inode;
	const int err = annot_parse_u32(str_of(value), &inode) ? term_add_number(t, inode) : 0;

	return err ? err : term_add_value(t, value);
}

int term_add_asked(struct term *t, const struct filter_term *asked, const struct match_user *user)
{
	const struct str value = str_of(asked->value);
	uint32_t number;

	switch (t->kind) {
	case TERM_PID:
	case TERM_PARENT:
		if (annot_parse_pid(value, &number))
			return term_add_number(t, number);
		break;
	case TERM_UID:
		if (user)
			term_set_users(t, user, 1);
		else if (annot_parse_u32(value, &number))
			return term_add_number(t, number);
		return 0;
	case TERM_CONTAINER:
	case TERM_POD:
	case TERM_LABEL: return add_container(t, asked->value);
	case TERM_NETNS: return add_netns(t, asked->value);
	case TERM_PNAME:
	case TERM_EXE:
	case TERM_CMDLINE:
	case TERM_UNKNOWN:
	case TERM_KINDS: break;
	}
	return term_add_value(t, asked->value);
}

bool term_of_process(enum term_kind kind)
{
	return kind == TERM_PID || kind == TERM_PNAME || kind == TERM_EXE || kind == TERM_CMDLINE;
}

static bool fits(const struct term *t, const struct term_value *v, struct str s)
{
	if (!v->glob)
		return s.p && str_eq(s, str_of(v->text));
	return s.p && glob_match(v->text, s, t->text, TEXT_MAX + 1);
}

/* Also of a pattern: [kthreadd] is a name. */
static bool fits_name(const struct term *t, const struct term_value *v, const struct process_desc *p)
{
	return asked_name(p, v->text) ||
	       (v->glob && (fits(t, v, process_desc_name(p)) || fits(t, v, process_desc_program(p)) ||
			    fits(t, v, process_desc_comm(p))));
}

/* Without a slash it is the base name that is meant. */
static bool fits_exe(const struct term *t, const struct term_value *v, const struct process_desc *p)
{
	return fits(t, v, strchr(v->text, '/') ? p->cmd : process_desc_program(p));
}

/* What is no pattern may stand anywhere. */
static bool fits_cmdline(const struct term *t, const struct term_value *v, const struct process_desc *p)
{
	if (v->glob)
		return fits(t, v, p->args);
	return p->args.n && memmem(p->args.p, p->args.n, v->text, strlen(v->text));
}

static bool fits_process(const struct term *t, const struct process_desc *p)
{
	for (size_t i = 0; i < t->nvalues; i++) {
		const struct term_value *v = &t->values[i];

		if (t->kind == TERM_EXE	      ? fits_exe(t, v, p)
		    : t->kind == TERM_CMDLINE ? fits_cmdline(t, v, p)
					      : fits_name(t, v, p))
			return true;
	}
	return false;
}

static bool fits_user(const struct term *t, const struct term_user *u)
{
	if (has_number(t, u->uid))
		return true;
	for (size_t i = 0; i < t->nusers; i++) {
		if (asked_user(&t->users[i], u->uid, u->name))
			return true;
	}
	return false;
}

static bool fits_container(const struct term *t, const struct term_facts *f)
{
	return (f->container || f->pod) &&
	       container_match_end(t->matcher, f->container, f->pod) == container_match_wanted(t->matcher);
}

bool term_fits(const struct term *t, const struct term_facts *f)
{
	if (t->matcher)
		return fits_container(t, f);
	switch (t->kind) {
	case TERM_PNAME:
	case TERM_EXE:
	case TERM_CMDLINE: return f->process && fits_process(t, f->process);
	case TERM_PARENT: return f->parent && (has_number(t, f->parent->pid) || fits_process(t, f->parent));
	case TERM_UID: return f->user && fits_user(t, f->user);
	default: return false;
	}
}

bool term_has_pid(const struct term *t, uint32_t pid)
{
	return t->kind == TERM_PID && has_number(t, pid);
}

/* By its name or its inode number. */
bool term_fits_netns(const struct term *t, const struct iface *iface)
{
	if (!iface)
		return false;
	return has_number(t, iface->netns) || (iface->netns_name && fits(t, &t->values[0], str_of(iface->netns_name)));
}

bool term_holds(enum term_end end, bool src, bool dst)
{
	switch (end) {
	case TERM_SRC: return src;
	case TERM_DST: return dst;
	case TERM_BOTH: return src && dst;
	case TERM_EITHER: break;
	}
	return src || dst;
}

bool term_holds_of_unknown(enum term_end end, bool src_known, bool dst_known)
{
	return term_holds(end == TERM_EITHER ? TERM_BOTH : end, !src_known, !dst_known);
}

bool term_remembers(const struct term *t)
{
	return t->kind == TERM_PARENT || (t->matcher && container_match_remembered(t->matcher));
}

void term_done(struct term *t)
{
	container_match_free(t->matcher);
	free(t->values);
	free(t->numbers);
	free(t->text);
}
