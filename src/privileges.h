/* SPDX-License-Identifier: BSD-3-Clause */
/* -Z: the rest of the run as another user, with no more capabilities than the work still needs. */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include <stdbool.h>
#include <stdint.h>

struct privileges_keep {
	bool capture; /* attach to interfaces that appear, read facts of other users' processes */
	bool netns;   /* enter network namespaces that appear */
	bool files;   /* make files where root could */
	bool command; /* send signals to a command that runs as somebody else */
};

/* Does nothing unless root, or when user is root. 0, or a negative errno with a message written. */
int privileges_drop(const char *user, uint32_t uid, uint32_t gid, const struct privileges_keep *keep);

#endif
