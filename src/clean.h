/* SPDX-License-Identifier: BSD-3-Clause */
/* --clean: what runs that were killed have left. */
#ifndef CLEAN_H
#define CLEAN_H

#include <stdio.h>

/* What living runs use stays. Tells out what is removed; -errno, logged. */
int clean_leftovers(FILE *out);

#endif
