/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The far end of a remote capture, which the script of remote_script.c starts: before it, remote_hello() answers what the near end
 * wants to know; in it, remote_until_silence() sees to it that nothing goes on when nobody listens any more.
 */
#ifndef REMOTE_AGENT_H
#define REMOTE_AGENT_H

#include <stdint.h>

/*
 * On standard output "PTCPDUMP hello PROTOCOL CAPABLE VERSION", CAPABLE being 1 where this process has the rights of a capture,
 * else 0. Then "PTCPDUMP clock NS", the time of day in ns since 1970, for each line "clock" of standard input, until another
 * line or its end. Returns the exit status.
 */
int remote_hello(void);

/*
 * From now on the process gets SIGINT, which must be blocked or handled, when standard input ends or has nothing for so many
 * seconds: the near end sends something all the time. Who does not end gets another one each second. Only when the process has
 * the user that it keeps. -errno, logged.
 */
int remote_until_silence(uint32_t seconds);

#endif
