/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/hash.h"

#include <sys/auxv.h>

/* The kernel gives each program 16 random bytes: no call that could wait or be forbidden. libc makes its canaries of them, so
 * they are hashed, not used. */
struct hash_key hash_key(void)
{
	const void *random = (const void *)getauxval(AT_RANDOM);
	struct hash_key given = { { (uintptr_t)&given, 0 } }, key;

	if (random)
		memcpy(&given, random, sizeof(given));
	key.k[0] = hash_bytes(&given, "table", 5);
	key.k[1] = hash_bytes(&given, "keys", 4);
	return key;
}

struct hash_long_key hash_long_key(void)
{
	struct hash_long_key key = { .key = hash_key() };

	for (uint64_t i = 0; i < HASH_BLOCK; i++)
		key.block[i] = hash_bytes(&key.key, &i, sizeof(i));
	return key;
}
