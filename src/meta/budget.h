/* SPDX-License-Identifier: BSD-3-Clause */
/* How much of what daemons tell of containers and pods is kept. Names are short; labels and annotations are what grows. */
#ifndef META_BUDGET_H
#define META_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

#include "meta/label.h"

enum { BUDGET_MAX = 64 << 20, BUDGET_USERS_MAX = 8 << 20 }; /* bytes of all, of those what users' daemons tell */

struct budget {
	size_t used, by_users;
	bool said;
};

/* A container or pod takes so many bytes now; *counted: what it took before, of which the caller keeps account. */
void budget_set(struct budget *b, size_t *counted, size_t bytes, bool by_user);
/* Whether there is room; when there is none, that is said once. */
bool budget_allows(struct budget *b, bool by_user);
/* As label_json(); nothing where there is no room. */
char *budget_labels(struct budget *b, struct label *labels, size_t n, bool by_user);

#endif
