/* SPDX-License-Identifier: BSD-3-Clause */
#include "session_terms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "options_value.h"
#include "util/glob.h"

static bool add_number(struct u32_list *l, const char *text, bool (*parse)(struct str text, uint32_t *ret))
{
	uint32_t number;

	if (!parse(str_of(text), &number))
		return false;
	u32_list_add(l, number);
	return true;
}

static bool add_user(struct asked *a, const struct filter_term *t, const struct match_user *user)
{
	if (!user)
		return add_number(&a->uids, t->value, annot_parse_u32);
	if (user->known)
		u32_list_add(&a->uids, user->uid);
	return user->known;
}

/* The kernel compares names, and knows one of everybody. */
static bool add_name(struct asked *a, const char *name)
{
	size_t n = 0;

	if (glob_is(name) || strcmp(name, ANNOT_UNKNOWN) == 0)
		return false;
	while (a->pnames[n])
		n++;
	a->pnames[n] = name;
	return true;
}

static bool add(struct asked *a, const struct filter_term *t, const struct match_user *user)
{
	switch (t->kind) {
	case TERM_PID: return add_number(&a->pids, t->value, annot_parse_pid);
	case TERM_PNAME: return add_name(a, t->value);
	case TERM_UID: return add_user(a, t, user);
	case TERM_CONTAINER:
	case TERM_POD:
	case TERM_LABEL: return a->containers = true;
	case TERM_EXE:
	case TERM_CMDLINE:
	case TERM_PARENT:
	case TERM_NETNS:
	case TERM_UNKNOWN:
	case TERM_KINDS: break;
	}
	return false;
}

static void find_terms(struct asked *a, const struct options *o)
{
	const struct filter_expr *e = o->filter;

	for (uint32_t i = 0; i < e->n; i++) {
		if (e->terms[i].negative || !add(a, &e->terms[i], o->term_users ? o->term_users[i] : NULL))
			continue;
		a->decided.bits[i / 64] |= UINT64_C(1) << i % 64;
		a->by_terms = true;
	}
}

static void find_options(struct asked *a, const struct options *o, uint32_t command)
{
	for (size_t i = 0; i < o->pids.n; i++)
		u32_list_add(&a->pids, o->pids.v[i]);
	if (command)
		u32_list_add(&a->pids, command);
	for (size_t i = 0; i < o->uids.n; i++)
		u32_list_add(&a->uids, o->uids.v[i]);
	for (size_t i = 0; i < o->pnames.n; i++)
		a->undecided |= !add_name(a, o->pnames.v[i]);
	if (a->undecided)
		a->pnames[0] = NULL;
	a->containers = options_select_container(o);
}

int asked_find(struct asked *a, const struct options *o, uint32_t command)
{
	*a = (struct asked){ .pnames = calloc(o->filter->n + o->pnames.n + 1, sizeof(*a->pnames)) };
	if (!a->pnames) {
		log_error("out of memory");
		return -ENOMEM;
	}
	if (options_select_by_option(o))
		find_options(a, o, command);
	else
		find_terms(a, o);
	return 0;
}

void asked_done(struct asked *a)
{
	u32_list_done(&a->pids);
	u32_list_done(&a->uids);
	free(a->pnames);
}
