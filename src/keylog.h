/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TLS secrets of "-- command": it gets SSLKEYLOGFILE with the name of a private file in memory, to which the TLS libraries that
 * know this variable append a line per secret (draft-ietf-tls-keylogfile). What is no such line goes no further. A user who
 * has set the variable goes on getting the lines: then his file is read, which the command makes if it is not there.
 */
#ifndef KEYLOG_H
#define KEYLOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "util/buf.h"

struct keylog;

struct keylog_config {
	const char *user_file; /* what SSLKEYLOGFILE is now, NULL or "" nothing */
	const char *copy;      /* lines are appended to this file, too, unless it is of another user; NULL none */
	uint32_t uid, gid;     /* of the command */
};

/* Errors are logged; -errno. */
int keylog_new(struct keylog **ret, const struct keylog_config *config);
/* What SSLKEYLOGFILE has to be; NULL: as it is. */
const char *keylog_path(const struct keylog *k);
/* The user's file is not there yet: whoever becomes another user must still be able to open it. */
bool keylog_waits(const struct keylog *k);
/* Readable when there may be more lines. */
int keylog_fd(const struct keylog *k);
/* Appends the whole lines that came since the last call, each with its newline; some more than a MiB at most. -errno,
 * logged, when they cannot be read or copied. */
int keylog_read(struct keylog *k, struct buf *lines);
void keylog_free(struct keylog *k);
/* Removes folders that versions with a private file on the disk have left, and tells out, unless it is NULL. How many. */
unsigned keylog_clean(FILE *out);

#endif
