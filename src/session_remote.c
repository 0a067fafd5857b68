/* SPDX-License-Identifier: BSD-3-Clause */
/* --remote: streams of other hosts as one. They have selected already, by their own users, processes and names: what is here takes
 * all that comes. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "remote.h"
#include "session_inputs.h"
#include "session_private.h"
#include "util/log.h"

/* For a handler of signals, until the session has its own. */
static volatile sig_atomic_t interrupted;
static struct remote *volatile waiting;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
	if (waiting)
		remote_stop(waiting);
}

static void catch_signals(void)
{
	static const int caught[] = { SIGINT, SIGTERM, SIGHUP };
	const struct sigaction act = { .sa_handler = on_signal };
	struct sigaction old;

	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) {
		/* nohup(1) */
		if (caught[i] != SIGHUP || (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN))
			sigaction(caught[i], &act, NULL);
	}
}

/* What concerns the capture is done there. */
static int make_local(struct options *l, const struct options *o)
{
	char text[FILTER_ERR_LEN];

	*l = *o;
	l->pids = l->uids = (struct u32_list){ 0 };
	l->users = l->pnames = l->container_ids = l->container_names = l->pod_names = (struct str_list){ 0 };
	l->namespaces = l->images = l->labels = l->compose = (struct str_list){ 0 };
	l->filter = NULL;
	l->saved_users = NULL;
	l->term_users = NULL;
	l->follow_forks = 0;
	/* Whatever is said of -r is said of their streams. */
	l->read_files = o->remotes.n ? o->remotes : o->remote_commands;
	l->expr = (char *)(uintptr_t) "";
	if (!l->file.process_blocks)
		l->file.process_blocks = PROCESS_BLOCKS_APPLE;
	return filter_expr_new(&l->filter, l->expr, text);
}

/* That a host is silent is nothing: it may have no such packets. Those that fail say so themselves. */
static void told(void *arg, size_t input, enum merge_event event)
{
	if (event == MERGE_LATE)
		log_warn("%s: packets came too late to be put in order: its connection is slow, or its clock differs",
			 remote_input(arg, input).name);
}

/* The last packets are still to come. */
static bool asked_to_end(void *arg)
{
	remote_stop(arg);
	return true;
}

static int make_inputs(struct session_inputs *in, struct remote *r, const struct options *o)
{
	in->v = calloc(remote_inputs(r), sizeof(*in->v));
	if (!in->v) {
		log_error("out of memory");
		return -ENOMEM;
	}
	in->arg = r;
	in->told = told;
	in->asked_to_end = asked_to_end;
	for (in->n = 0; in->n < remote_inputs(r); in->n++) {
		const struct remote_input input = remote_input(r, in->n);

		in->v[in->n] = (struct session_input){
			.path = input.name,
			.name = strdup(input.name),
			.fd = input.fd,
			.may_be_empty = true,
			.offset = o->remote_clock ? -input.ahead : 0,
		};
	}
	return 0;
}

static void print_count(uint64_t n, const char *what)
{
	fprintf(stderr, "%" PRIu64 " packet%s %s\n", n, n == 1 ? "" : "s", what);
}

/* As after a capture that is here. */
static void print_counts(uint64_t captured, const struct remote_counts *counts)
{
	print_count(captured, "captured");
	print_count(counts->received, "received by filter");
	print_count(counts->dropped, "dropped by kernel");
}

/* The exit status. */
static int read_streams(struct remote *r, const struct options *o, struct session_inputs *in)
{
	struct options local;
	int status = 1;

	if (make_local(&local, o) == 0 && make_inputs(in, r, o) == 0)
		status = session_run_inputs(&local, in);
	filter_expr_free(local.filter);
	return status;
}

int session_run_remote(const struct options *o)
{
	struct session_inputs in = { 0 };
	struct remote *r;
	struct remote_end end;
	int err = remote_start(&r, o), status = 1;

	if (err)
		return 1;
	waiting = r;
	catch_signals();
	err = remote_ready(r, &interrupted);
	if (!err)
		status = read_streams(r, o, &in);
	interrupted = 0;
	catch_signals();
	remote_finish(r, !in.complete, &interrupted, &end);
	if (!err)
		print_counts(in.captured, &end.counts);
	session_inputs_done(&in);
	waiting = NULL;
	remote_free(r);
	return status || end.failed ? 1 : 0;
}
