/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What reads what strangers send gives up all that it does not need, until it ends: capabilities, files, programs, other
 * processes, most system calls. Whoever takes it over has the descriptors that are open, and nothing else.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>

struct sandbox_config {
	/*
	 * Asks for names of hosts: reads the system's files, has sockets of TCP and UDP, starts threads. Unix sockets are
	 * refused here as well: behind some of them (Docker's) is root.
	 */
	bool names;
	/* Does not say (log_info) what is in force. */
	bool quiet;
	/* Programs with AddressSanitizer get more: to look for leaks it reads files and traces itself. Not with this; then they
	 * must end by _exit(). */
	bool strict;
};

/*
 * Of all threads. Files and sockets that are open stay usable; a socket must be connected, and not of datagrams, which could
 * be sent elsewhere. What is never needed ends the process (SIGSYS); what a library may try fails: opening by EACCES, the rest
 * by ENOSYS. scripts/sandbox_filter.c has the lists.
 *
 * Landlock is taken as far as the kernel has it. 0, or a negative errno with a message written: the process may have lost its
 * capabilities by then.
 */
int sandbox_enter(const struct sandbox_config *config);

#endif
