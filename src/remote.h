/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captures on other hosts, for --remote and --remote-command. Each host has a process (remote_host.c) that starts ssh and ends it;
 * here is what their parent has of them: a stream of pcapng for each, and their ends.
 *
 * Nothing goes on there without us: the far end stops when its standard input ends or is silent, which is the case when the
 * process here ends in whatever way, and that ends when the parent does.
 */
#ifndef REMOTE_H
#define REMOTE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"
#include "remote_lines.h"

struct remote;

struct remote_input {
	const char *name; /* borrowed */
	int fd;		  /* to be closed by whoever reads it */
	int64_t ahead;	  /* ns, of its clock before ours */
};

struct remote_end {
	struct remote_counts counts; /* of all hosts that told them */
	size_t failed;		     /* hosts; it has been said why */
};

/* Starts a process for each host; o stays referenced. -errno, logged. */
int remote_start(struct remote **ret, const struct options *o);
/* Until each host is ready or has failed, then lets those that are capture and says whose clocks differ. 0; -EINTR: *interrupted
 * was set; -ENOTCONN: none is ready, which has been said. */
int remote_ready(struct remote *r, const volatile sig_atomic_t *interrupted);
/* Of those that are: they are numbered from 0. */
size_t remote_inputs(const struct remote *r);
struct remote_input remote_input(const struct remote *r, size_t i);
/* Asks for the end of all captures; their streams end when all has come. In a handler of a signal, too. */
void remote_stop(const struct remote *r);
/* Waits for the ends of all. enough: what still comes is not wanted, and nobody reads it; else all streams have ended. Not longer than
 * until *interrupted is set, or 12 s. */
void remote_finish(struct remote *r, bool enough, const volatile sig_atomic_t *interrupted, struct remote_end *ret);
void remote_free(struct remote *r);

#endif
