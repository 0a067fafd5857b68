/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose packet it is where none of our programs tells: its socket by addresses and ports, from sock_diag or else /proc/net, and the
 * process that has the socket, from /proc/PID/fd. What that leaves open stays unknown: a socket that several processes have, and of
 * one that takes what anybody sends, what may be of another.
 */
#ifndef CAPTURE_OWNERS_PROC_H
#define CAPTURE_OWNERS_PROC_H

#include <ptcpdump/owner.h>
#include <stdbool.h>
#include <stdint.h>

struct owners_proc;

/* An end of a packet, seen as the local one. */
struct owners_end {
	const struct flow_key *key;
	bool sends;
	bool opening; /* TCP SYN or SYN-ACK: a listener takes or sends it */
};

/* NULL: no memory. */
struct owners_proc *owners_proc_new(void);
/* Opens a door to the sockets of the calling thread's network namespace, which has this inode number. 0 or -ENOMEM. */
int owners_proc_add(struct owners_proc *o, uint32_t netns);
/* Closes it. */
void owners_proc_forget(struct owners_proc *o, uint32_t netns);
/* now: CLOCK_MONOTONIC ns. 0; -ENOENT: there is no such socket; -ESRCH: nobody is known to have it. */
int owners_proc_find(struct owners_proc *o, const struct owners_end *end, uint64_t now, struct event_owner *ret);
void owners_proc_free(struct owners_proc *o);

#endif
