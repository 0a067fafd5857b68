/* SPDX-License-Identifier: BSD-3-Clause */
/* Which process is in which container and pod, as the runtimes (Docker, containerd, CRI, Podman) tell. Never blocks:
 * every socket is non-blocking behind containers_fd(). */
#ifndef META_CONTAINER_H
#define META_CONTAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "meta/container_info.h"
#include "meta/container_netns.h"
#include "meta/container_query.h"
#include "meta/runtime/kinds.h"

struct process;
struct containers;

struct containers_config {
	const char *const *addresses;	/* sockets by enum runtime_kind; NULL, as a whole or each: the usual ones */
	struct container_query query;	/* which are asked for */
	const struct filter_expr *expr; /* if the query asks for none: any of its terms does. NULL: there are none */
	/* A verdict for those filters became known: of a cgroup, or where cgroup is 0, of a process. */
	void (*verdict)(void *arg, uint64_t cgroup, uint32_t tgid, bool match);
	void *arg;
	struct netns_config netns;
};

enum container_answer {
	CONTAINER_NONE,	 /* the process is in no container */
	CONTAINER_FOUND, /* *ret is set */
	CONTAINER_PENDING, /* a runtime is being asked; call again later. Ends by itself within half a second. *ret is what is
			    * known until then, NULL nothing */
};

int containers_new(struct containers **ret, const struct containers_config *config);
/* Becomes readable when containers_step() has something to do (epoll fd). */
int containers_fd(const struct containers *c);
void containers_step(struct containers *c);
/*
 * Verdicts are told from now on; then containers_process() for each process that exists finds those that can be found now.
 * False: nobody asks for them.
 */
bool containers_judge(struct containers *c);
/* Packets are looked at from now on. Until then runtimes are not taken for silent, and nobody has waited for them. */
void containers_begin(struct containers *c);
/* Call at every exec, fork and cgroup move, and for the processes that exist at the start: looks at the process while it
 * lives and asks the runtimes before its first packet. Cheap for a cgroup that is known. */
void containers_process(struct containers *c, const struct process *p);
/* Those that exist at the start have all been given to containers_process(). */
void containers_processes_end(struct containers *c);
/* Which of --netns are not there, as far as is known now. False: something was said, and no runtime answers. */
bool containers_say_netns(struct containers *c);
/* All that exists has been told, or nobody need be waited for. */
bool containers_answered(const struct containers *c);
/* By cgroup id and path, then pid namespace or init pid; answers from a cache. *ret is valid until the next call
 * of any function here: copy it, and compare serials. */
enum container_answer containers_find(struct containers *c, const struct process *p, const struct container **ret);
void containers_free(struct containers *c);

#endif
