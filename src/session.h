/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One run: packets come from the kernel (session_live.c, session_loop.c) or from files (session_offline.c) and meet the
 * same filters and outputs (session.c). These are the only files that know the whole pipeline.
 */
#ifndef SESSION_H
#define SESSION_H

#include "options.h"

/* Captures or reads as the options say. Returns the exit status; messages were written. */
int session_run(const struct options *o);

#endif
