/* SPDX-License-Identifier: BSD-3-Clause */
/* The process that looks up names of hosts (without -n): whoever prints needs no network for them, and no file. */
#ifndef NAMES_H
#define NAMES_H

#include <stdbool.h>
#include <sys/types.h>

#include "output/resolver.h"
#include "privileges.h"

struct names_config {
	struct privileges_user user;
	bool sandbox;
	bool short_names; /* without the domain (-N) */
	bool hurry;	  /* see resolver_new() */
};

/* Starts it as that user, without any capability. To be called while this process is small, and before what it must not
 * have is open. It ends when the resolver is freed in all processes that have it. -errno, logged. */
int names_start(struct resolver **ret, pid_t *pid, const struct names_config *config);
/* After that: it is waited for, but not long, since it may hang. */
void names_end(pid_t pid);

#endif
