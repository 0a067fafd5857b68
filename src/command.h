/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "-- command [args]": a child that waits until the capture is attached, then becomes the command. It keeps our standard
 * streams, terminal and process group, so Ctrl-C reaches it as well. Under sudo it runs as the user who called sudo.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <stdbool.h>
#include <stdint.h>

struct command;

enum { COMMAND_NOT_EXECUTABLE = 126, COMMAND_NOT_FOUND = 127 }; /* exit statuses, as shells have them */

/* Forks before signals are blocked or anything is opened. 0, or -errno with a message written: -ENOENT no such program,
 * -EACCES not executable. keylog: its SSLKEYLOGFILE, NULL: as ours. */
int command_start(struct command **ret, char *const argv[], const char *keylog);
/* Whom it will run as. */
void command_user(uint32_t *uid, uint32_t *gid);
/* As /proc shows it, 0: not at all. */
uint32_t command_pid(const struct command *c);
/* Runs it. As command_start(), when it cannot be run after all. */
int command_release(struct command *c);
/* Readable once the command has ended. */
int command_fd(const struct command *c);
/* True when it has ended; then its exit status, 128 + signal when it was killed. */
bool command_ended(struct command *c, int *status);
void command_kill(struct command *c, int signal);
/* A command that was never released does not run. One that is running is left alone. */
void command_free(struct command *c);

#endif
