/* SPDX-License-Identifier: BSD-3-Clause */
/* How wide a text is where it is shown: of characters beyond ASCII it is not asked, so that nothing gets wider than it may be. */
#ifndef UTIL_COLUMNS_H
#define UTIL_COLUMNS_H

#include <stddef.h>

#include "util/str.h"

/* Of the character that s, UTF-8 and not empty, begins with: 2 for one of several bytes, which may be a wide one. */
unsigned columns_of_char(struct str s, size_t *bytes);
unsigned columns_of(struct str s);
/* The bytes of as many whole characters as up to so many columns hold. */
size_t columns_bytes(struct str s, unsigned columns);

#endif
