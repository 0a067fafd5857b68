/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file in memory with a name that others can open, which ends with us however we end: a process of its user has it open, and
 * its name is that descriptor's in /proc.
 */
#ifndef KEYLOG_HOLDER_H
#define KEYLOG_HOLDER_H

#include <stdint.h>
#include <sys/types.h>

struct keylog_holder {
	int fd;	   /* of the file, for reading; -1: there is none */
	int alive; /* a socket: closed, the process ends */
	pid_t pid;
	char path[48];
};

/* The file belongs to the user. -errno */
int keylog_holder_start(struct keylog_holder *h, uint32_t uid, uint32_t gid);
void keylog_holder_end(struct keylog_holder *h);

#endif
