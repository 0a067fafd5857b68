/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_FD_H
#define UTIL_FD_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Writes all of p, *done bytes of it. -errno. -EINTR: we have been asked to end, by *interrupted or, when that is NULL, by a
 * blocked SIGINT or SIGTERM, and whoever reads a pipe, socket or terminal has taken nothing for a second.
 */
int fd_write(int fd, const void *p, size_t n, const volatile sig_atomic_t *interrupted, size_t *done);

/* A pipe without reader and a file of the largest size (ulimit -f) are told by write(), -EPIPE and -EFBIG, not by signals. */
void fd_ignore_signals(void);

/* What is left of a file, or size - 1 bytes of it, and a NUL: how many bytes, without that. */
ssize_t fd_read_text(int fd, char *buf, size_t size);

#endif
