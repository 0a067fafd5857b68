/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CAPTURE_OWNER_LIVES_H
#define CAPTURE_OWNER_LIVES_H

#include <ptcpdump/config.h>
#include <stdbool.h>

/* Whether the process that wrote this is there, or may be. */
bool owner_lives(const struct capture_control *control);

#endif
