/* SPDX-License-Identifier: BSD-3-Clause */
/* Whom somebody may have meant who asks for containers or pods that are not there. */
#ifndef META_MEANT_H
#define META_MEANT_H

#include "annotation.h"

struct meant;

/* The values of --container-id, --container-name and --pod-name, NULL-terminated or NULL, borrowed. NULL: no memory. */
struct meant *meant_new(const char *const *ids, const char *const *names, const char *const *pods);
/* A container that is there; pod->name.p NULL: it is in none. */
void meant_offer(struct meant *m, const struct container_desc *c, const struct pod_desc *pod);
/* A warning for each value that was not there, if there is something like it. */
void meant_warn(const struct meant *m);
void meant_free(struct meant *m);

#endif
