/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process outside of the sandbox, for what one that reads files from inside still needs: the next file of -V, the files of
 * -w, the programs of -z, and the addresses of names in an expression. It knows all names itself: those inside ask for "the
 * next one", and nothing else that they could say is heard.
 */
#ifndef SESSION_BROKER_H
#define SESSION_BROKER_H

#include <limits.h>
#include <stdio.h>

#include "filter/filter.h"
#include "session_private.h"

struct broker;
struct session_inputs;

struct broker_config {
	const struct session *s;
	FILE *list; /* -V's, behind its first line; NULL none */
	/* What is read: several, or else one, by its descriptor. */
	const struct session_inputs *inputs;
	int input;
};

/* The next line of -V's file; false at its end. */
bool broker_next_name(FILE *list, char name[PATH_MAX + 2]);
/* Whether -w is for broker_file(). */
bool broker_opens_files(const struct options *o);
/* Whether somebody has to stay outside. */
bool broker_needed(const struct options *o);
/* Forks: what the session may do as yet, the broker may. -errno, logged. */
int broker_new(struct broker **ret, const struct broker_config *config);
/* What the broker does until those inside have ended, or ask what they never would; the exit status of its process. */
int broker_serve(const struct broker_config *config, int socket);
/* Ends it, and waits for that. */
void broker_free(struct broker *b);

/* All wait for the answer, but not longer than a second when the session's flag of signals is set: -EINTR. */

/* The next file of -V and its name: a descriptor; -ENODATA: the list is at its end; -errno, logged. */
int broker_input(struct broker *b, char name[PATH_MAX]);
/* See struct file_config; arg is the broker. */
int broker_file(void *arg, enum file_step step, char name[PATH_MAX]);
/* As filter_compile(), for saved packets; netmask: 0. */
int broker_compile(struct broker *b, const struct filter_compile_opts *opts, struct filter_code *ret,
		   char err[FILTER_ERR_LEN]);

#endif
