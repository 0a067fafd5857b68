/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file of --metrics. It is replaced again and again in a folder that usually is root's, by a process that stays what we were at the
 * start, while we give up all rights: it takes texts from us, and knows of one name only.
 */
#ifndef OUTPUT_METRICS_FILE_H
#define OUTPUT_METRICS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"

struct metrics_file;

/* What each text begins with: a file that begins otherwise is somebody else's. */
#define METRICS_FIRST "# HELP ptcpdump_"

/* Forks; it is tried whether there can be a file. -errno, logged: there cannot, or there is a file that is not ours. */
int metrics_file_new(struct metrics_file **ret, const char *path);
/* It has all that it was given: else a new text would have to wait. */
bool metrics_file_idle(struct metrics_file *f);
/* Replaces the file; text is emptied. Only when idle. -EPIPE: the process is gone. */
int metrics_file_put(struct metrics_file *f, struct buf *text);
/* Until it is, two seconds without progress at most. */
void metrics_file_wait(struct metrics_file *f);
/* Waits until all is written, two seconds at most, and ends the process. May be NULL. */
void metrics_file_free(struct metrics_file *f);

#endif
