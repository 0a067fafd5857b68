/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/columns.h"

unsigned columns_of_char(struct str s, size_t *bytes)
{
	size_t i = 1;

	while (i < s.n && ((unsigned char)s.p[i] & 0xc0) == 0x80)
		i++;
	*bytes = i;
	return i > 1 ? 2 : 1;
}

unsigned columns_of(struct str s)
{
	unsigned columns = 0;
	size_t bytes;

	for (size_t at = 0; at < s.n; at += bytes)
		columns += columns_of_char((struct str){ s.p + at, (uint32_t)(s.n - at) }, &bytes);
	return columns;
}

size_t columns_bytes(struct str s, unsigned columns)
{
	size_t at = 0, bytes;

	while (at < s.n) {
		const unsigned more = columns_of_char((struct str){ s.p + at, (uint32_t)(s.n - at) }, &bytes);

		if (more > columns)
			break;
		columns -= more;
		at += bytes;
	}
	return at;
}
