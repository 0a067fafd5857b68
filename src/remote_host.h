/* SPDX-License-Identifier: BSD-3-Clause */
/* The process that looks after one host: it starts ssh, prepares the far end, passes messages on and sees to the end. */
#ifndef REMOTE_HOST_H
#define REMOTE_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "options.h"
#include "remote_lines.h"

struct remote_target {
	const char *name;
	const char *host;    /* for ssh, or */
	const char *command; /* for our shell */
	bool alone;	     /* the only one */
};

/* What it tells its parent: first REMOTE_READY, with the descriptor that packets come from, if it comes to that, and last
 * REMOTE_ENDED. */
enum remote_step { REMOTE_READY, REMOTE_ENDED };

struct remote_report {
	enum remote_step step;
	bool failed;	 /* it has been said why */
	int64_t ahead;	 /* ns, of its clock before ours */
	uint64_t unsure; /* ns, which this may be wrong by */
	struct remote_counts counts;
};

/* What its parent says, a byte each. The end of what comes from there asks for an orderly end. */
enum remote_order {
	REMOTE_GO = 'g',     /* begin to capture */
	REMOTE_ENOUGH = 'e', /* nobody reads what still comes: don't wait for it */
};

/* Until the end; parent: a socket. */
void remote_host_serve(const struct remote_target *target, const struct options *o, int parent);

#endif
