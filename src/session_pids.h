/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether there are such processes as are asked for by number. */
#ifndef SESSION_PIDS_H
#define SESSION_PIDS_H

#include "options.h"

/* Warns of those of options and terms that there are not. 0; -EINVAL, logged: a number that can be none; -ESRCH: nobody else is
 * asked for either. */
int session_check_pids(const struct options *o);

#endif
