/* SPDX-License-Identifier: BSD-3-Clause */
/* A part of options.c: captures on other hosts. */
#ifndef OPTIONS_REMOTE_H
#define OPTIONS_REMOTE_H

#include "options.h"

/* Whether what is given beside --remote and --remote-command goes with them, and they make sense. 0, or -EINVAL with a message
 * written. */
int options_check_remote(const struct options *o);

/* What its interfaces are called behind an "@": of [USER@]HOST or ssh://[USER@]HOST[:PORT] the HOST. Returns the length. */
size_t options_remote_host(const char *remote, const char **name);
/* Of [NAME=]COMMAND: *name is NAME, NULL: there is none, and *n its length. Returns COMMAND. */
const char *options_remote_command(const char *word, const char **name, size_t *n);

#endif
