/* SPDX-License-Identifier: BSD-3-Clause */
/* The containers and pods that --netns asks for by name, each of which is judged by itself. */
#ifndef META_NETNS_ASKED_H
#define META_NETNS_ASKED_H

#include <stdbool.h>

#include "annotation.h"
#include "util/buf.h"

struct netns_asked;

/* Names, NULL-terminated, may be NULL; borrowed. 0 or -ENOMEM. */
int netns_asked_new(struct netns_asked **ret, const char *const *containers, const char *const *pods);
/* Whether any asks for that container; all that do are found from then on. pod: NULL none. */
bool netns_asked_fits(struct netns_asked *a, const struct container_desc *container, const struct pod_desc *pod);
/* Those that are not found, as they were given, with commas between them. How many there are. */
size_t netns_asked_put_missing(const struct netns_asked *a, struct buf *b);
void netns_asked_free(struct netns_asked *a);

#endif
