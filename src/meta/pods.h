/* SPDX-License-Identifier: BSD-3-Clause */
/* What is told of pods, by their sandboxes. Bounded. */
#ifndef META_PODS_H
#define META_PODS_H

#include <stddef.h>

#include "meta/budget.h"
#include "meta/label.h"
#include "util/hash.h"

enum { PODS_BUCKETS = 1024 };

struct pod_facts {
	const char *sandbox, *name, *namespace, *uid;
	struct label *labels, *annotations; /* sorted in place */
	size_t nlabels, nannotations;
};

struct pod {
	struct pod *next;
	char *sandbox, *name, *namespace, *uid, *labels, *annotations;
	size_t bytes; /* of labels and annotations */
};

struct pods {
	struct hash_key key;
	struct pod *buckets[PODS_BUCKETS];
	size_t n;
};

void pods_init(struct pods *pods);
const struct pod *pods_find(const struct pods *pods, const char *sandbox);
/* All of them: the first with after NULL. */
const struct pod *pods_each(const struct pods *pods, const struct pod *after);
/* In place of what was told before. NULL: no memory, or there are too many. */
const struct pod *pods_put(struct pods *pods, struct budget *budget, const struct pod_facts *facts);
void pods_remove(struct pods *pods, struct budget *budget, const char *sandbox);
void pods_free(struct pods *pods);

#endif
