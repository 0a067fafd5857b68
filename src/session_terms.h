/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel can decide of an expression's process terms: the lists of the process filter that it has for options. */
#ifndef SESSION_TERMS_H
#define SESSION_TERMS_H

#include "options.h"

/* Whom terms ask for; NULL-terminated and borrowed where strings are. */
struct asked {
	struct u32_list pids, uids;
	const char **pnames;
	bool containers;
	struct filter_truth
		decided; /* which terms that is: an owner that is of none of these lists makes none of them true */
};

/* Of terms under a not it is of no use who makes them true. 0 or -ENOMEM, logged; in both cases asked_done(). */
int asked_find(struct asked *a, const struct options *o);
bool asked_any(const struct asked *a);
void asked_done(struct asked *a);

#endif
