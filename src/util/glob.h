/* SPDX-License-Identifier: BSD-3-Clause */
/* Patterns as fnmatch(3) has them without flags: '*', '?', '[...]', and '\' in front of what is meant as it is. */
#ifndef UTIL_GLOB_H
#define UTIL_GLOB_H

#include <stdbool.h>
#include <stddef.h>

#include "util/str.h"

/* Whether anything in it is special: else it matches itself alone. */
bool glob_is(const char *pattern);
/* What is wrong with it, NULL nothing. */
const char *glob_flaw(const char *pattern);
/* text: room for size bytes, which s needs to have an end; what is longer matches nothing. */
bool glob_match(const char *pattern, struct str s, char *text, size_t size);

#endif
