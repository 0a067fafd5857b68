/* SPDX-License-Identifier: BSD-3-Clause */
/* Whom somebody may have meant who asks for containers or pods that are not there. */
#ifndef META_MEANT_H
#define META_MEANT_H

#include "annotation.h"
#include "meta/container_query.h"

struct meant;

/* All but the labels of what is asked for, borrowed. NULL: no memory. */
struct meant *meant_new(const struct container_query *query);
/* Likewise of --netns: names of containers and pods, NULL-terminated, may be NULL. */
struct meant *meant_new_netns(const char *const *containers, const char *const *pods);
/* A container that is there, as far as it is told; pod->name.p NULL: it is in none. */
void meant_offer(struct meant *m, const struct container_desc *c, const struct pod_desc *pod);
/* A warning for each value that was not there, if there is something like it. */
void meant_warn(const struct meant *m);
void meant_free(struct meant *m);

#endif
