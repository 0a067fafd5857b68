/* SPDX-License-Identifier: BSD-3-Clause */
/* Patterns as fnmatch(3) has them without flags: '*', '?', '[...]', and '\' in front of what is meant as it is. */
#ifndef UTIL_GLOB_H
#define UTIL_GLOB_H

#include <stdbool.h>

/* Whether anything in it is special: else it matches itself alone. */
bool glob_is(const char *pattern);
/* What is wrong with it, NULL nothing. */
const char *glob_flaw(const char *pattern);
bool glob_match(const char *pattern, const char *text);

#endif
