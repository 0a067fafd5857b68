/* SPDX-License-Identifier: BSD-3-Clause */
/* The loop of a live run, for session_live.c, which opens and closes what it works on. */
#ifndef SESSION_LOOP_H
#define SESSION_LOOP_H

#include "netns_words.h"
#include "session_private.h"
#include "session_terms.h"
#include "util/buf.h"

#define NEVER UINT64_MAX

struct live {
	struct session s;
	struct capture *capture; /* until the loop has drained it */
	struct meta *meta;
	struct command *command; /* NULL: none */
	struct keylog *keylog;	 /* NULL: TLS secrets are not asked for */
	bool capturing;		 /* all is attached, and packets are still wanted */

	/* What the loop tells, and packets on their way through it. */
	uint64_t now;	      /* CLOCK_MONOTONIC ns, of this turn of the loop */
	uint64_t last_packet; /* when it was */
	uint64_t rejected;    /* the kernel could not decide on them, we did */
	bool secrets;	      /* some came */
	uint64_t forks;	      /* of the processes of --pid */
	uint64_t command_end; /* NEVER: not yet */
	int command_status;

	/* The loop's own. */
	int epoll_fd, signal_fd;
	int pipe_fd;   /* -w's, while its reader is watched; -1: it is none */
	int caller_fd; /* the process that we are a plug-in of; -1: we are none */
	uint64_t flushed, next_report, reported;
	uint64_t kill_deadline; /* NEVER: none */
	unsigned interrupts;
	bool ending; /* a signal asks for the end */

	/* session_live.c's own. */
	struct asked asked; /* what the kernel can decide */
	const struct backend *backend;
	struct buf link_types; /* for the banner: what the interfaces were like until then */
	bool elsewhere;	       /* a container that is asked for has a network namespace that is not looked at */
	bool said_netns;       /* that one cannot be entered */
	struct netns_words netns;
};

/* Waits for packets, signals, runtimes, the command and its secrets from now on; these are open. 0, or a negative errno
 * with a message written. */
int session_loop_open(struct live *l);
/* Listens to what the runtimes say by now. arg: a struct live, whose loop does not run yet. */
void session_loop_serve(void *arg);
/* Until a signal, -c or the end of the command; then what is left is delivered and the outputs are closed. l->s.failed
 * tells of errors. */
void session_loop_run(struct live *l);
void session_loop_close(struct live *l);

#endif
