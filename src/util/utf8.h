/* SPDX-License-Identifier: BSD-3-Clause */
/* Text of others in formats that are UTF-8. */
#ifndef UTIL_UTF8_H
#define UTIL_UTF8_H

#include <stddef.h>

/* Of the n bytes at p, at least one: those of the character that they begin with (RFC 3629), 0: none begins there. */
size_t utf8_char(const char *p, size_t n);
/* What stands for a byte of none, U+FFFD. */
#define UTF8_REPLACEMENT "\xef\xbf\xbd"

#endif
