/* SPDX-License-Identifier: BSD-3-Clause */
/* Decimal numbers without a branch per digit: how many there are is what a processor cannot foresee. */
#ifndef UTIL_DECIMAL_H
#define UTIL_DECIMAL_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

enum {
	DECIMAL_EIGHT = 100000000,
	DECIMAL_ROOM = 10, /* what decimal_put() may write to; decimal_put_digits() writes to 8 */
};

/* v < 10^8. A byte for each of the eight digits, the first one in the lowest. Halves, then quarters, then digits are divided
 * all at once, each by a multiplication that is exact for so small numbers. */
static inline uint64_t decimal_split(uint32_t v)
{
	uint64_t x = v / 10000 | (uint64_t)(v % 10000) << 32, high;

	high = (x * 10486 >> 20) & UINT64_C(0x0000007f0000007f); /* / 100 */
	x = high | (x - high * 100) << 16;
	high = (x * 103 >> 10) & UINT64_C(0x000f000f000f000f); /* / 10 */
	return high | (x - high * 10) << 8;
}

/* The last n digits (1 to 8) of v < 10^8, zeros in front of fewer. Returns their end. */
static inline char *decimal_put_digits(char *d, uint32_t v, unsigned n)
{
	const uint64_t text = htole64((decimal_split(v) | UINT64_C(0x3030303030303030)) >> (64 - 8 * n));

	memcpy(d, &text, sizeof(text));
	return d + n;
}

/* Returns the end of the digits. */
static inline char *decimal_put(char *d, uint32_t v)
{
	const uint32_t eighth = v / DECIMAL_EIGHT;
	uint64_t digits;

	if (eighth > 0) {
		if (eighth >= 10)
			*d++ = (char)('0' + eighth / 10);
		*d++ = (char)('0' + eighth % 10);
		return decimal_put_digits(d, v % DECIMAL_EIGHT, 8);
	}
	/* Zeros in front are dropped, but for the last digit. */
	digits = decimal_split(v);
	return decimal_put_digits(d, v, 8 - (unsigned)__builtin_ctzll(digits | UINT64_C(1) << 56) / 8);
}

#endif
