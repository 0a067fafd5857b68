/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CAPTURE_PERMISSIONS_H
#define CAPTURE_PERMISSIONS_H

#include <stdbool.h>

struct backend;

/*
 * Whether we have the capabilities that a backend takes: 0, -EPERM with advice logged (plugin: see struct capture_config), or
 * another -errno. *no_programs:
 * it does without BPF programs, and has to.
 */
int permissions_check(const struct backend *backend, bool plugin, bool *no_programs);

/* Whether a capability is missing that loading and attaching programs takes. */
bool permissions_lack_programs(void);

#endif
