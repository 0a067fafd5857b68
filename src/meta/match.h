/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --pid, --pname, --uid and those for containers and pods on annotations: for -r, and for live packets whose owner was
 * settled in user space. Each option is a kind; of one kind any value will do, of those given all have to be
 * satisfied, and by one end: a packet passes when either end satisfies them.
 */
#ifndef META_MATCH_H
#define META_MATCH_H

#include "meta/container_query.h"
#include "packet.h"

/* A user of whom the name is asked for: for files, which have their own. */
struct match_user {
	const char *name;
	bool known; /* here, with this number */
	uint32_t uid;
	char *usual; /* what users of that number are called, NULL unknown */
};

struct match_config {
	const uint32_t *pids;
	size_t npids;
	const char *const *pnames; /* NULL-terminated, may be NULL */
	const uint32_t *uids;
	size_t nuids;
	const struct match_user *users;
	size_t nusers;
	struct container_query containers;
	/* The descendants of what satisfies --pid satisfy it, too, and so with --pname; with neither of these, with --uid. As
	 * far as events and annotations tell. */
	bool follow_forks;
};

struct match;

/* By which end a packet passes. */
enum match_end {
	MATCH_NONE, /* it does not */
	MATCH_OWNER,
	MATCH_PEER, /* by the other one alone */
};

/* config's lists are borrowed for the life of the object. 0 or -ENOMEM. */
int match_new(struct match **ret, const struct match_config *config);
/* As one more --pid. */
void match_add_pid(struct match *m, uint32_t pid);
bool match_active(const struct match *m);
/* Whether annotations of packets that do not pass for another reason have to be shown to it, too. */
bool match_learns(const struct match *m);
/* annot: NULL none. Without criteria everything matches. */
enum match_end match_annotation(struct match *m, const struct annotation *annot);
/* Whether an end satisfies what is asked for of containers and pods, whatever else is. */
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
