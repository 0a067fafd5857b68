/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is asked for of a packet's owners, on annotations: for -r, and for live packets whose owner was settled in user space.
 * Of the options --pid, --pname, --uid and those for containers and pods each is a kind; of one kind any value will do, of
 * those given all have to be satisfied, and by one end: a packet passes when either end satisfies them. The process terms of
 * an expression are judged one by one.
 */
#ifndef META_MATCH_H
#define META_MATCH_H

#include "filter/expr.h"
#include "meta/asked.h"
#include "meta/container_query.h"
#include "packet.h"

struct match_config {
	const uint32_t *pids;
	size_t npids;
	const char *const *pnames; /* NULL-terminated, may be NULL */
	const uint32_t *uids;
	size_t nuids;
	const struct match_user *users;
	size_t nusers;
	struct container_query containers;
	const struct filter_expr *expr;		    /* NULL: none */
	const struct match_user *const *term_users; /* for each term of expr, NULL: it has none; NULL: none has */
	/* The descendants of what satisfies --pid satisfy it, too, and so with --pname, and with terms of a process's own; with
	 * none of these, with uid, and with neither of these options, with --uid. As far as events and annotations tell. */
	bool follow_forks;
};

struct match;

/* By which end a packet passes. */
enum match_end {
	MATCH_NONE, /* it does not */
	MATCH_OWNER,
	MATCH_PEER, /* by the other one alone */
};

enum { MATCH_TERMS_MAX = 60 }; /* of different kinds or values */

/* config's lists are borrowed for the life of the object. 0, -ENOMEM, or -E2BIG: too many different terms. */
int match_new(struct match **ret, const struct match_config *config);
/* As one more --pid. 0 or -ENOMEM. */
int match_add_pid(struct match *m, uint32_t pid);
/* An option asks for something. */
bool match_active(const struct match *m);
/* Whether annotations of packets that do not pass for another reason have to be shown to it, too. */
bool match_learns(const struct match *m);
/* annot: NULL none. Without criteria everything matches. */
enum match_end match_annotation(struct match *m, const struct annotation *annot);
/*
 * Which terms of the expression are true of a packet; to be asked of all packets when match_learns(). One without src or dst is
 * true when it is of either end, "unknown" when it is of both. "netns" is of the interface.
 */
void match_terms(struct match *m, const struct packet *packet, struct filter_truth *ret);
/* What comes next is of another source, which counts its annotations anew. */
void match_next_source(struct match *m);
/* Whether containers or pods are asked for: by options, or else by terms that no "not" stands in front of; */
bool match_asks_containers(const struct match *m);
/* whether an end satisfies what those options say, or one of these terms. */
bool match_containers(const struct match *m, const struct annotation *annot);
/* Live: validated records of the process ring, for follow_forks and for pids that are used again. */
void match_event(struct match *m, uint32_t type, const void *event);
/*
 * Live, with follow_forks: a process that exists already. True: it satisfies more than was known of it. Until that is true of
 * none, the children of some may be missing.
 */
bool match_found(struct match *m, const struct process_desc *p, uint32_t parent, uint32_t uid);
void match_free(struct match *m);

#endif
