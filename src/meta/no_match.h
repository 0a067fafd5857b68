/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said when no container that there is is asked for: whom one could ask, how many there are, who is alike. */
#ifndef META_NO_MATCH_H
#define META_NO_MATCH_H

#include <stdbool.h>

struct container_netns;
struct container_store;
struct containers_config;
struct netns_config;
struct runtimes;

/* A few warnings. False: no runtime answers, so that there may be others when one does. */
bool no_match_warn(const struct containers_config *config, struct container_store *store,
		   const struct runtimes *runtimes);
/* Without the first of them: of the values that were not found those that are like something that is there. */
void no_match_warn_of_values(const struct containers_config *config, struct container_store *store);
/* The same of --netns, if any of the containers and pods that it names is not there. */
bool no_match_warn_of_netns(const struct netns_config *config, struct container_netns *netns,
			    struct container_store *store, const struct runtimes *runtimes);

#endif
