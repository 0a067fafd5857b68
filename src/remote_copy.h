/* SPDX-License-Identifier: BSD-3-Clause */
/* This program as one file that runs on another host, whatever libraries that has. */
#ifndef REMOTE_COPY_H
#define REMOTE_COPY_H

#include <stdint.h>

/*
 * We ourselves when we are the static program, else "ptcpdump-static" in our folder, or "static/ptcpdump" as a build has it; for
 * the processor that uname -m calls so. A descriptor and *size in bytes; -errno, logged as a message about this host.
 */
int remote_copy_open(const char *host, const char *machine, uint64_t *size);

#endif
