/* SPDX-License-Identifier: BSD-3-Clause */
/* -d. */
#ifndef SESSION_DUMP_H
#define SESSION_DUMP_H

#include <stdbool.h>

#include "filter/filter.h"
#include "options.h"

/*
 * On stdout the compiled filter as tcpdump prints it, and behind it, when processes are asked for and it is for people, what of
 * all that the kernel judges of a capture, and what we do. kernel: there is one that knows processes. 0 or a negative errno, logged.
 */
int session_dump(const struct options *o, const struct filter_code *code, bool kernel);

#endif
