/* SPDX-License-Identifier: BSD-3-Clause */
/* Of many names those that are most like a given one, whatever the case of their letters: what somebody may have meant. */
#ifndef UTIL_NEAREST_H
#define UTIL_NEAREST_H

#include <stddef.h>

#include "util/str.h"

enum { NEAREST_KEPT = 3, NEAREST_NAME_MAX = 320 };

struct nearest {
	struct str wanted; /* borrowed */
	size_t n;
	struct {
		unsigned distance;
		const char *note; /* of who offered it, borrowed; NULL none */
		char name[NEAREST_NAME_MAX];
	} kept[NEAREST_KEPT]; /* the most alike first */
};

enum {
	NEAREST_SAME = 0, /* but for upper and lower case */
	NEAREST_UNLIKE = 1000,
};

/* How far two names are apart. */
unsigned nearest_distance(struct str wanted, struct str name);
/* Keeps name if it is like what is wanted. */
void nearest_offer(struct nearest *n, struct str name, const char *note);
/* The same for one that is as near as distance tells. */
void nearest_offer_at(struct nearest *n, struct str name, const char *note, unsigned distance);

#endif
