/* SPDX-License-Identifier: BSD-3-Clause */
/* The rest of the run as another user than root, with no more capabilities than the work still needs. */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include <stdbool.h>
#include <stdint.h>

#include "options.h"

/* What a run still has to do after the drop. */
struct privileges_keep {
	bool capture;	 /* attach to interfaces that appear, read facts of other users' processes */
	bool netns;	 /* enter network namespaces that appear */
	bool new_files;	 /* make files where root could */
	bool folders;	 /* open what only root could: files of -V; /proc/PID/fd, where libpcap captures */
	bool containers; /* connect to daemons again, look up cgroups */
	bool command;	 /* send signals to a command that runs as somebody else */
	bool programs;	 /* run -z's: it may use sudo */
	bool quiet;	 /* privileges_say() comes later, or another process says it */
};

struct privileges_user {
	char name[33];
	uint32_t uid, gid;
	bool drop;  /* false: nothing changes */
	bool asked; /* by -Z: what cannot be done is an error */
};

/* Whom to become: -Z's user, else sudo's, else the user tcpdump or nobody of /etc/passwd. */
struct privileges_user privileges_user(const struct options *o);
/* 0, or a negative errno with a message written. */
int privileges_drop(const struct privileges_user *user, const struct privileges_keep *keep);
/* Whom we became. */
void privileges_say(const struct privileges_user *user);
/* The same for a process of our own that needs no privilege: it keeps none, and can get none; nor is it root where it need not
 * be, whatever -Z says. Says nothing. */
int privileges_drop_all(const struct privileges_user *user);

#endif
