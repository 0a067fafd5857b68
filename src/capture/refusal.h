/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands between a process that has its capabilities and the kernel. Asked only where something has been refused. */
#ifndef CAPTURE_REFUSAL_H
#define CAPTURE_REFUSAL_H

#include <stdbool.h>

/* What refuses eBPF programs to this process, and what cures it, in words; NULL: nothing that is known. */
const char *refusal_find(void);
/* Whether a -errno may be that of a refusal. */
bool refusal_is(int err);
/* Why the kernel has refused with this -errno: as refusal_find(), or the errno's own words. */
const char *refusal_why(int err);
/* Says that what is named cannot be done, why, and which backend does without. else_why: where refusal_find() knows nothing. False: neither
 * does, and nothing was said. */
bool refusal_say(const char *what, const char *else_why);

#endif
