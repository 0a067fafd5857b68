/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets of other processes, where sock_diag does not tell of them: by a copy of their descriptor, kept for microseconds. */
#ifndef CAPTURE_SOCKET_COPY_H
#define CAPTURE_SOCKET_COPY_H

#include <stdint.h>

/*
 * The cookie of descriptor fd of process pid, which is the socket with this inode number. 0; -EPROTONOSUPPORT: no packets are
 * its own, as of AF_UNIX; -ENOENT: it is another by now; or the -errno of pidfd_open(2) or pidfd_getfd(2) (Linux 5.6), which take what
 * ptrace(2) takes. All fail without a message.
 */
int socket_copy_cookie(uint32_t pid, int fd, uint64_t inode, uint64_t *cookie);

#endif
