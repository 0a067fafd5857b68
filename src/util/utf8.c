/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/utf8.h"

#include <utf8proc.h>

size_t utf8_char(const char *p, size_t n)
{
	utf8proc_int32_t c;
	const utf8proc_ssize_t len = utf8proc_iterate((const utf8proc_uint8_t *)p, (utf8proc_ssize_t)n, &c);

	return len > 0 ? (size_t)len : 0;
}
