/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/term.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/container_match.h"
#include "util/glob.h"

enum { TEXT_MAX = 65536 }; /* nothing that a packet is told of is longer */

static int matcher_new(struct term *t)
{
	const char *const values[] = { t->value, NULL };
	struct container_query q = { 0 };

	switch (t->kind) {
	case TERM_CONTAINER:
		q.names = values;
		if (container_query_is_id(str_of(t->value), CONTAINER_ID_MIN))
			q.ids = values;
		break;
	case TERM_POD: q.pods = values; break;
	case TERM_LABEL: q.labels = values; break;
	default: return 0;
	}
	return container_match_new(&t->matcher, &q);
}

/* A pid, with PID_OUTSIDE_MARK perhaps; other numbers without. */
static bool number_of(struct term *t)
{
	const struct str value = str_of(t->value);

	if (t->kind == TERM_PID || t->kind == TERM_PARENT)
		return annot_parse_pid(value, &t->number);
	return (t->kind == TERM_UID || t->kind == TERM_NETNS) && annot_parse_u32(value, &t->number);
}

int term_init(struct term *t, const struct filter_term *asked, const struct match_user *user)
{
	*t = (struct term){ .kind = asked->kind, .value = asked->value, .glob = glob_is(asked->value) };
	t->numeric = number_of(t);
	if (user)
		t->user = *user;
	if (t->glob) {
		t->text = malloc(TEXT_MAX + 1);
		if (!t->text)
			return -ENOMEM;
	}
	return matcher_new(t);
}

bool term_is(const struct term *t, const struct filter_term *asked)
{
	return t->kind == asked->kind && strcmp(t->value, asked->value) == 0;
}

bool term_of_process(enum term_kind kind)
{
	return kind == TERM_PID || kind == TERM_PNAME || kind == TERM_EXE || kind == TERM_CMDLINE;
}

static bool fits(const struct term *t, struct str s)
{
	if (!t->glob)
		return s.p && str_eq(s, str_of(t->value));
	return s.p && glob_match(t->value, s, t->text, TEXT_MAX + 1);
}

static bool fits_name(const struct term *t, const struct process_desc *p)
{
	if (!t->glob)
		return asked_name(p, t->value);
	return fits(t, process_desc_name(p)) || fits(t, process_desc_program(p)) || fits(t, process_desc_comm(p));
}

/* Without a slash it is the base name that is meant. */
static bool fits_exe(const struct term *t, const struct process_desc *p)
{
	return fits(t, strchr(t->value, '/') ? p->cmd : process_desc_program(p));
}

/* What is no pattern may stand anywhere. */
static bool fits_cmdline(const struct term *t, const struct process_desc *p)
{
	if (t->glob)
		return fits(t, p->args);
	return p->args.n && memmem(p->args.p, p->args.n, t->value, strlen(t->value));
}

static bool fits_process(const struct term *t, const struct process_desc *p)
{
	switch (t->kind) {
	case TERM_PID: return t->numeric && p->pid == t->number;
	case TERM_PNAME: return fits_name(t, p);
	case TERM_EXE: return fits_exe(t, p);
	case TERM_CMDLINE: return fits_cmdline(t, p);
	default: return false;
	}
}

static bool fits_parent(const struct term *t, const struct process_desc *parent)
{
	return t->numeric ? parent->pid == t->number : fits_name(t, parent);
}

static bool fits_user(const struct term *t, const struct term_user *u)
{
	return t->numeric ? u->uid == t->number : asked_user(&t->user, u->uid, u->name);
}

bool term_fits(const struct term *t, const struct term_facts *f)
{
	if (term_of_process(t->kind))
		return f->process && fits_process(t, f->process);
	if (t->kind == TERM_PARENT)
		return f->parent && fits_parent(t, f->parent);
	if (t->kind == TERM_UID)
		return f->user && fits_user(t, f->user);
	return t->matcher && (f->container || f->pod) && container_match_end(t->matcher, f->container, f->pod);
}

/* By its name or its inode number. */
bool term_fits_netns(const struct term *t, const struct iface *iface)
{
	if (t->kind != TERM_NETNS || !iface)
		return false;
	if (t->numeric && iface->netns == t->number)
		return true;
	return iface->netns_name && fits(t, str_of(iface->netns_name));
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
	return t->kind == TERM_LABEL || t->kind == TERM_PARENT;
}

void term_done(struct term *t)
{
	container_match_free(t->matcher);
	free(t->text);
}
