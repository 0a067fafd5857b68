/* SPDX-License-Identifier: BSD-3-Clause */
/* A container_query made ready, and asked of one end of a packet after the other. */
#ifndef META_CONTAINER_MATCH_H
#define META_CONTAINER_MATCH_H

#include "annotation.h"
#include "meta/container_query.h"

struct container_match;

/* What may be asked for. */
enum container_kind {
	CONTAINER_NAMED = 1 << 0, /* by id or name */
	CONTAINER_POD = 1 << 1,
	CONTAINER_NAMESPACE = 1 << 2,
	CONTAINER_IMAGE = 1 << 3,
	CONTAINER_LABEL = 1 << 4,
	CONTAINER_COMPOSE = 1 << 5,
	CONTAINER_KINDS = 6,
};

/* As Docker's own tool and podman-compose label the containers that they make. */
enum { COMPOSE_TOOLS = 2 };
extern const char *const compose_projects[COMPOSE_TOOLS], *const compose_services[COMPOSE_TOOLS];

/* Copies what it needs of the query. 0 or -ENOMEM. */
int container_match_new(struct container_match **ret, const struct container_query *query);
/* The kinds that are asked for, */
unsigned container_match_wanted(const struct container_match *m);
/* those of them that a container, and those that a pod is asked for, */
unsigned container_match_of_container(const struct container_match *m);
unsigned container_match_of_pod(const struct container_match *m);
/* and those that files do not tell with every packet: they are remembered by the container's id, or by the pod's name and
 * namespace where no container is told, so all packets have to be shown. */
unsigned container_match_remembered(const struct container_match *m);
/* The kinds that an end satisfies; either may be NULL, but not both. */
unsigned container_match_end(struct container_match *m, const struct container_desc *container,
			     const struct pod_desc *pod);
void container_match_free(struct container_match *m);

#endif
