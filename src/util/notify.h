/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_NOTIFY_H
#define UTIL_NOTIFY_H

/*
 * Tells the service manager, when one has started us and waits for it, how far we are: "READY=1", "STOPPING=1" (sd_notify(3), the
 * datagram that a unit with Type=notify wants). Nothing happens without $NOTIFY_SOCKET, or in a program with capabilities of its
 * file, whose environment is somebody else's. What cannot be sent is said, and no error of the run.
 */
void notify_manager(const char *state);

#endif
