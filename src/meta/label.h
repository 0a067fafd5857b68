/* SPDX-License-Identifier: BSD-3-Clause */
/* Labels and annotations of containers and pods, as the text of a JSON object. */
#ifndef META_LABEL_H
#define META_LABEL_H

#include <stdbool.h>
#include <stddef.h>

#include "util/str.h"

enum {
	LABEL_KEY_MAX = 512,	/* bytes of a key; longer ones are cut and end in "..." */
	LABEL_VALUE_MAX = 4096, /* bytes of a value, the same */
	LABEL_JSON_MAX =
		24576, /* bytes of the whole object; what does not fit is left out and counted under the key "..." */
};

struct label {
	const char *key, *value;
};

/* Compact JSON, keys sorted bytewise, valid UTF-8 whatever comes in. Sorts labels in place. Free the result; NULL: no
 * memory. */
char *label_json(struct label *labels, size_t n);
/* Value of a key, NULL when absent. */
const char *label_get(const struct label *labels, size_t n, const char *key);

#endif
