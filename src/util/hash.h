/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tables whose keys come from outside: SipHash-1-3 (Aumasson, Bernstein), with a key of this run's, which nobody outside knows: no
 * file, packet or daemon can choose what falls into one place. libcrypto's takes ten times as long for a short key.
 */
#ifndef UTIL_HASH_H
#define UTIL_HASH_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct hash_key {
	uint64_t k[2];
};

/* That of the run: always the same. */
struct hash_key hash_key(void);

struct hash_state {
	uint64_t v[4];
};

static inline uint64_t hash_rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static inline void hash_round(struct hash_state *s)
{
	uint64_t *v = s->v;

	v[0] += v[1];
	v[2] += v[3];
	v[1] = hash_rotate(v[1], 13) ^ v[0];
	v[3] = hash_rotate(v[3], 16) ^ v[2];
	v[0] = hash_rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = hash_rotate(v[1], 17) ^ v[2];
	v[3] = hash_rotate(v[3], 21) ^ v[0];
	v[2] = hash_rotate(v[2], 32);
}

static inline void hash_word(struct hash_state *s, uint64_t word)
{
	s->v[3] ^= word;
	hash_round(s);
	s->v[0] ^= word;
}

static inline struct hash_state hash_begin(const struct hash_key *key)
{
	return (struct hash_state){
		{ key->k[0] ^ UINT64_C(0x736f6d6570736575), key->k[1] ^ UINT64_C(0x646f72616e646f6d),
		  key->k[0] ^ UINT64_C(0x6c7967656e657261), key->k[1] ^ UINT64_C(0x7465646279746573) }
	};
}

/* The last bytes, and the length of all. */
static inline uint64_t hash_end(struct hash_state *s, const unsigned char *p, size_t left, size_t n)
{
	uint64_t word;

	for (; left >= 8; p += 8, left -= 8) {
		memcpy(&word, p, sizeof(word));
		hash_word(s, le64toh(word));
	}
	word = (uint64_t)n << 56;
	for (size_t i = 0; i < left; i++)
		word |= (uint64_t)p[i] << 8 * i;
	hash_word(s, word);
	s->v[2] ^= 0xff;
	hash_round(s);
	hash_round(s);
	hash_round(s);
	return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}

static inline uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t n)
{
	struct hash_state s = hash_begin(key);

	return hash_end(&s, bytes, n, n);
}

/* Of a number, by its high bits only (multiply-shift, Dietzfelbinger et al.): two fall together as seldom as two random ones. */
static inline uint64_t hash_number(const struct hash_key *key, uint64_t v)
{
	return (v ^ key->k[0]) * (key->k[1] | 1);
}

/* Of several parts, one after the other: h is that of those in front, 0 for none. */
static inline uint64_t hash_more(const struct hash_key *key, uint64_t h, const void *bytes, size_t n)
{
	const struct hash_key behind = { { key->k[0] ^ h, key->k[1] } };

	return hash_bytes(&behind, bytes, n);
}

/*
 * For long texts, several times as fast: each block becomes two words by NH (Black et al., UMAC), under which two blocks that
 * differ become the same with a chance of 2^-64, whoever chose them; these are hashed. Zeros behind the last block are told from others
 * by the length.
 */
enum { HASH_BLOCK = 16 }; /* words */

struct hash_long_key {
	struct hash_key key;
	uint64_t block[HASH_BLOCK];
};

struct hash_long_key hash_long_key(void);

/* Of a few numbers of 32 bits, as many for each key of a table: two keys that differ have the same with a chance of 2^-32, whoever
 * chose them (multilinear hashing, Carter and Wegman). */
static inline uint32_t hash_numbers(const struct hash_long_key *key, const void *bytes, size_t n)
{
	uint64_t h = key->key.k[0];

	for (size_t i = 0; i < n / 4; i++) {
		uint32_t word;

		memcpy(&word, (const unsigned char *)bytes + 4 * i, sizeof(word));
		h += key->block[i] * word;
	}
	return (uint32_t)(h >> 32);
}

/* n bytes, a multiple of 16. */
static inline void hash_block(struct hash_state *s, const struct hash_long_key *key, const unsigned char *p, size_t n)
{
	unsigned __int128 sum = 0;

	for (size_t i = 0; i < n / 8; i += 2) {
		uint64_t w[2];

		memcpy(w, p + 8 * i, sizeof(w));
		sum += (unsigned __int128)(w[0] + key->block[i]) * (w[1] + key->block[i + 1]);
	}
	hash_word(s, (uint64_t)sum);
	hash_word(s, (uint64_t)(sum >> 64));
}

static inline uint64_t hash_long(const struct hash_long_key *key, const void *bytes, size_t n)
{
	struct hash_state s = hash_begin(&key->key);
	const unsigned char *p = bytes;
	unsigned char last[16] = { 0 };
	size_t left = n;

	for (; left > HASH_BLOCK * 8; p += HASH_BLOCK * 8, left -= HASH_BLOCK * 8)
		hash_block(&s, key, p, HASH_BLOCK * 8);
	hash_block(&s, key, p, left & ~(size_t)15);
	if (left & 15)
		memcpy(last, p + (left & ~(size_t)15), left & 15);
	return hash_end(&s, last, left & 15 ? 16 : 0, n);
}

#endif
