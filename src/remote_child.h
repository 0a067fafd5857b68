/* SPDX-License-Identifier: BSD-3-Clause */
/* ssh, or another command, that connects us with a shell on another host. */
#ifndef REMOTE_CHILD_H
#define REMOTE_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct remote_child {
	pid_t pid;
	int pid_fd;	  /* readable when it has ended */
	int in, out, err; /* our ends of its standard streams; in does not block; -1: closed */
};

/* A host for ssh, or command for our shell, to which "sh" is added. alone: it may ask its user something. Ctrl-C does not reach
 * it, nor a signal to our group or, unless it may ask on a terminal, SIGTERM: whoever started it ends it. -errno, logged. */
int remote_child_start(struct remote_child *c, const char *host, const char *command, bool alone);
/* Its exit status, 128 + signal, -1 as long as it runs. */
int remote_child_status(struct remote_child *c);
/* Kills it, politely at first. */
void remote_child_end(struct remote_child *c);
void remote_child_close(int *fd);

#endif
