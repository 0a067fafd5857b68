/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is mounted where, in our mount namespace: /proc/self/mountinfo (proc_pid_mountinfo(5)). Any user may mount FUSE, and choose
 * where, as what and from what: of any length, and with any byte but those that the kernel escapes.
 */
#ifndef UTIL_MOUNTS_H
#define UTIL_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct mounts {
	FILE *file; /* NULL: could not be opened */
	char *line;
	size_t size;
};

/* Valid until the next one is asked for. */
struct mount {
	uint32_t id;
	const char *root;    /* what of the file system is mounted; of a namespace, as "net:[4026531840]" */
	const char *point;   /* as we see it */
	const char *type;    /* of the file system */
	const char *options; /* of the same, separated by commas */
};

/* When it fails, there are none. */
struct mounts mounts_open(void);
/* In the order in which they were mounted, about. False: there are no more. */
bool mounts_next(struct mounts *m, struct mount *ret);
void mounts_close(struct mounts *m);
/* Which one an open file is in, O_PATH too; 0: nobody knows. */
uint32_t mounts_id(int fd);

#endif
