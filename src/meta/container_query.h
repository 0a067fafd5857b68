/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which containers and pods are asked for: what the options say. Each list is NULL-terminated and may be NULL. Names, images
 * and the values of labels may be patterns of glob.h.
 */
#ifndef META_CONTAINER_QUERY_H
#define META_CONTAINER_QUERY_H

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/str.h"

struct container_query {
	const char *const *ids;	  /* the beginning of one; hexadecimal ones in either case */
	const char *const *names; /* together with ids one kind */
	/* NAME.NAMESPACE; without a namespace "default", unless namespaces are given: then one of these. */
	const char *const *pods;
	const char *const *namespaces; /* of Kubernetes */
	const char *const *images;
	/* KEY or KEY=VALUE, of the container or its pod; several with commas between them: all of them. */
	const char *const *labels;
	const char *const *compose; /* PROJECT or PROJECT/SERVICE */
};

enum { CONTAINER_ID_MIN = 12 }; /* digits of an id that tell it from a name */

/* Whether it may be the beginning of an id of at least so many digits. */
static inline bool container_query_is_id(struct str s, size_t min)
{
	for (uint32_t i = 0; i < s.n; i++) {
		if (!isxdigit((unsigned char)s.p[i]))
			return false;
	}
	return s.n >= min;
}

static inline bool container_query_any(const struct container_query *q)
{
	return q->ids || q->names || q->pods || q->namespaces || q->images || q->labels || q->compose;
}

/* How far the first of the labels of a value goes: up to a comma that no '\' stands in front of. */
static inline size_t container_query_label(const char *value)
{
	size_t n = 0;

	while (value[n] && value[n] != ',')
		n += value[n] == '\\' && value[n + 1] ? 2 : 1;
	return n;
}

#endif
