/* SPDX-License-Identifier: BSD-3-Clause */
/* A process term of an expression, made ready to be asked of one end of a packet after the other: match.h puts them together. */
#ifndef META_TERM_H
#define META_TERM_H

#include "filter/expr.h"
#include "meta/asked.h"
#include "packet.h"

struct container_match;
struct container_query;

/* What any of some values of a kind asks for: an option, however often it was given, or a term of the expression. */
struct term {
	enum term_kind kind;
	struct term_value {
		const char *text;
		bool glob;
	} * values;
	size_t nvalues;
	uint32_t *numbers; /* ascending */
	size_t nnumbers;
	const struct match_user *users;
	size_t nusers;
	struct container_match *matcher;
	char *text; /* room for glob_match() */
};

struct term_user {
	uint32_t uid;
	struct str name; /* the saved one; n == 0 none */
};

/* What is known of one end. */
struct term_facts {
	const struct process_desc *process, *parent;
	const struct term_user *user;
	const struct container_desc *container;
	const struct pod_desc *pod;
};

/*
 * A term begins with its kind alone, and borrows strings and users. 0 or -ENOMEM; in both cases term_done(). A query of containers
 * is all that an end has to be.
 */
int term_add_value(struct term *t, const char *value);
int term_add_number(struct term *t, uint32_t number);
/* Whether it was there. */
bool term_remove_number(struct term *t, uint32_t number);
void term_set_users(struct term *t, const struct match_user *users, size_t n);
int term_set_containers(struct term *t, const struct container_query *query);
/* The value of a term of an expression; user: of a TERM_UID with a name, else NULL. */
int term_add_asked(struct term *t, const struct filter_term *asked, const struct match_user *user);

/* TERM_PID, TERM_PNAME, TERM_EXE and TERM_CMDLINE; with --follow-forks it is true of children, too. */
bool term_of_process(enum term_kind kind);
/* Terms of what is NULL there are false, and those of TERM_PID: */
bool term_fits(const struct term *t, const struct term_facts *f);
bool term_has_pid(const struct term *t, uint32_t pid);
bool term_fits_netns(const struct term *t, const struct iface *iface);
/* Whether it is true of a packet, by what it is of the ends: */
bool term_holds(enum term_end end, bool src, bool dst);
/* likewise TERM_UNKNOWN: nobody is known of a packet when nobody is at either end. */
bool term_holds_of_unknown(enum term_end end, bool src_known, bool dst_known);
/* Files do not tell it with every packet, so all packets have to be asked about. */
bool term_remembers(const struct term *t);
void term_done(struct term *t);

#endif
