/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel can decide of the processes that options and terms ask for: the lists of its process filter. */
#ifndef SESSION_TERMS_H
#define SESSION_TERMS_H

#include "options.h"

/*
 * The kernel has one process filter: of what options ask for, and only where they ask for nothing, of terms. NULL-terminated and
 * borrowed where strings are.
 */
struct asked {
	struct u32_list pids, uids;
	const char **pnames;
	bool containers;
	bool undecided; /* the options' names are not for the kernel: all that it lets pass is to be judged */
	bool by_terms;
	struct filter_truth
		decided; /* which terms the lists have: an owner that is of none of these makes none of them true */
};

/* command: its pid, 0 none. Of terms under a not it is of no use who makes them true. 0 or -ENOMEM, logged; in both cases
 * asked_done(). */
int asked_find(struct asked *a, const struct options *o, uint32_t command);
void asked_done(struct asked *a);

#endif
