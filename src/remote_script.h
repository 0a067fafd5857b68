/* SPDX-License-Identifier: BSD-3-Clause */
/* What the shell at the far end of a remote capture reads from its standard input. */
#ifndef REMOTE_SCRIPT_H
#define REMOTE_SCRIPT_H

#include "options.h"
#include "util/buf.h"

/*
 * Appends a script for a POSIX shell. Our options and the expression are words in it, quoted for that shell. It prints lines that
 * begin with REMOTE_MARK and reads lines, each when it has answered the one before:
 *
 *	(none)		"sh UID MACHINE FOUND": of id -u, uname -m; FOUND is 1 where there is a ptcpdump, else 0
 *	copy SIZE	reads so many bytes, a program: "copied", or "uncopied"
 *	hello		as remote_hello() of remote_agent.h, which reads from then on; at its end "bye STATUS", its exit status
 *	run, sudo	the capture, as who we are there or by sudo -n: nothing but pcapng from then on. Exits with its status.
 *
 * At the end of its standard input it ends. What was copied is removed in any case.
 */
void remote_script_put(struct buf *b, const struct options *o);

#endif
