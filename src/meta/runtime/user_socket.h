/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets below /run/user/UID, where that user arranges everything: a link or a mount there must not make us, who may be
 * root, speak to somebody else's socket.
 */
#ifndef META_RUNTIME_USER_SOCKET_H
#define META_RUNTIME_USER_SOCKET_H

#include <sys/types.h>

/* "/run/user/", or "/var/run/user/" where only that is. */
const char *user_socket_root(void);
/* Whose folder a path is in; 0: no user's. */
uid_t user_socket_owner(const char *path);
/* An O_PATH fd of the socket, which is that user's, in folders of theirs, on the file system of their folder, which no program serves.
 * -errno.
 * Connect to /proc/self/fd/FD: whatever has the name by then. */
int user_socket_find(const char *path);

#endif
