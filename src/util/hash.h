/* SPDX-License-Identifier: BSD-3-Clause */
/* For tables of what nobody outside can choose freely, or that are small: FNV-1a, 32 bits. */
#ifndef UTIL_HASH_H
#define UTIL_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_BEGIN 2166136261u

/* h: HASH_BEGIN, or of what stands in front. */
static inline uint32_t hash_bytes(uint32_t h, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

#endif
