/* SPDX-License-Identifier: BSD-3-Clause */
/* A process term of an expression, made ready to be asked of one end of a packet after the other: match.h puts them together. */
#ifndef META_TERM_H
#define META_TERM_H

#include "filter/expr.h"
#include "meta/asked.h"
#include "packet.h"

struct container_match;

/* One of a kind and a value: any number of terms of an expression may ask for it. */
struct term {
	enum term_kind kind;
	const char *value; /* the expression's */
	bool glob;
	bool numeric;
	uint32_t number;		 /* with numeric */
	struct match_user user;		 /* of TERM_UID, else */
	struct container_match *matcher; /* of TERM_CONTAINER, TERM_POD and TERM_LABEL */
	char *text;			 /* room for glob_match() */
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

/* t borrows from asked and user, which is of a TERM_UID with a name and else NULL. 0 or -ENOMEM; in both cases term_done(). */
int term_init(struct term *t, const struct filter_term *asked, const struct match_user *user);
bool term_is(const struct term *t, const struct filter_term *asked);
/* TERM_PID, TERM_PNAME, TERM_EXE and TERM_CMDLINE; with --follow-forks it is true of children, too. */
bool term_of_process(enum term_kind kind);
/* Terms of what is NULL there are false. */
bool term_fits(const struct term *t, const struct term_facts *f);
bool term_fits_netns(const struct term *t, const struct iface *iface);
/* Whether it is true of a packet, by what it is of the ends: */
bool term_holds(enum term_end end, bool src, bool dst);
/* likewise TERM_UNKNOWN: nobody is known of a packet when nobody is at either end. */
bool term_holds_of_unknown(enum term_end end, bool src_known, bool dst_known);
/* Files do not tell it with every packet, so all packets have to be asked about. */
bool term_remembers(const struct term *t);
void term_done(struct term *t);

#endif
