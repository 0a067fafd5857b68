/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --pid, --pname, --uid, --container-id, --container-name, --pod-name on annotations: for -r, and for live packets whose
 * owner was settled in user space. A packet passes when any given criterion matches either end.
 */
#ifndef META_MATCH_H
#define META_MATCH_H

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
	const char *const *container_ids, *const *container_names, *const *pod_names;
	bool follow_forks; /* and the descendants of processes that match, as far as events or annotations tell */
};

struct match;

/* config's lists are borrowed for the life of the object. 0 or -ENOMEM. */
int match_new(struct match **ret, const struct match_config *config);
/* As one more --pid. */
void match_add_pid(struct match *m, uint32_t pid);
bool match_active(const struct match *m);
/* annot: NULL none. Without criteria everything matches. */
bool match_annotation(struct match *m, const struct annotation *annot);
/* Live: validated records of the process ring, for follow_forks and for pids that are used again. */
void match_event(struct match *m, uint32_t type, const void *event);
/*
 * Live, with follow_forks: a process that exists already. True: it is wanted, which was not known. Until that is true of
 * none, the children of some may be missing.
 */
bool match_found(struct match *m, const struct process_desc *p, uint32_t parent);
void match_free(struct match *m);

#endif
