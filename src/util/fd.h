/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_FD_H
#define UTIL_FD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* By *interrupted or, when that is NULL, by a blocked SIGINT or SIGTERM. */
bool fd_asked_to_end(const volatile sig_atomic_t *interrupted);

/* Until one of poll()'s events is there. -errno; -EINTR: we have been asked to end, and it has not come for a second. */
int fd_wait(int fd, short events, const volatile sig_atomic_t *interrupted);

/*
 * Writes all of p, *done bytes of it so far. -errno. -EINTR: we have been asked to end, and whoever reads a pipe, socket or
 * terminal has taken nothing for a second.
 */
int fd_write(int fd, const void *p, size_t n, const volatile sig_atomic_t *interrupted, size_t *done);

/* What is open and no standard stream is closed in programs that are run from now on: libraries open some that would stay. */
void fd_close_in_programs(void);

/* From first to last, both included, which are closed also where the kernel, or a filter around us, lacks close_range(2). -errno */
int fd_close_range(unsigned first, unsigned last);
/* But for the standard streams, one, and other when that is not -1. As many as can be; -errno of the first that cannot. */
int fd_close_all_but(int one, int other);

/* What is left of a file, or size - 1 bytes of it, and a NUL: how many bytes, without that. */
ssize_t fd_read_text(int fd, char *buf, size_t size);
/* A pipe without reader and a file of the largest size (ulimit -f) are told by write(), -EPIPE and -EFBIG, not by signals. */
void fd_ignore_signals(void);

/*
 * For a process that serves us and ends when fd, its end of a socket, does: of all that was open only that stays, as FD_SERVED, the
 * standard streams lead nowhere, but for messages when these are wanted, and signals that are for who started it do nothing: the
 * terminal's, and those of "pkill ptcpdump". Who reads our output must not wait for it. -errno
 */
enum { FD_SERVED = 3 };
int fd_serve_only(int fd, bool messages);

/* Exactly n bytes, however many pieces they come in. -errno; -EPIPE: there are fewer. */
int fd_read_all(int fd, void *p, size_t n);

/* One message of n bytes over a unix socket, with descriptor fd unless it is -1. -errno. */
int fd_send(int socket, const void *p, size_t n, int fd);
/* Exactly n bytes, and the descriptor that came with them, close-on-exec; -1: none. -errno; -EPIPE at the end. */
int fd_receive(int socket, void *p, size_t n, int *fd);

#endif
