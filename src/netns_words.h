/* SPDX-License-Identifier: BSD-3-Clause */
/* The words of --netns that stand for containers and pods, and what network namespaces are called by who is in them. */
#ifndef NETNS_WORDS_H
#define NETNS_WORDS_H

#include "options.h"

struct netns_words {
	const char **containers, **pods; /* NULL-terminated; NULL: none */
	/* Of netns_words_find() only. */
	char **found;		     /* --netns with paths in their place, NULL-terminated */
	struct capture_netns *known; /* with names of their own */
	size_t nknown;
};

bool netns_words_given(const struct options *o);
/* Into containers and pods. What is given is referenced. 0, or a negative errno with a message written. */
int netns_words_split(struct netns_words *w, const struct options *o);
/* Asks the runtimes which namespaces these are now, and waits a second at most; after the split. 0, or likewise. */
int netns_words_find(struct netns_words *w, const struct options *o);
void netns_words_done(struct netns_words *w);

#endif
