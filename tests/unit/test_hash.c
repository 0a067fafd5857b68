/* SPDX-License-Identifier: BSD-3-Clause */
/* The hash of tables, beside OpenSSL's. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <unistd.h>
#include <sys/wait.h>

#include "check.h"
#include "util/hash.h"

static uint64_t reference(const uint8_t key[16], const uint8_t *p, size_t n)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	unsigned c = 1, d = 3;
	size_t size = 8, out;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_C_ROUNDS, &c),
		OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_D_ROUNDS, &d),
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
		OSSL_PARAM_construct_end(),
	};
	uint64_t ret = 0;

	if (EVP_MAC_init(ctx, key, 16, params) != 1 || EVP_MAC_update(ctx, p, n) != 1 ||
	    EVP_MAC_final(ctx, (unsigned char *)&ret, &out, sizeof(ret)) != 1)
		ret = 1;
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
	return le64toh(ret);
}

static void test_as_openssl(void)
{
	uint8_t text[100], bytes[16];
	struct hash_key key;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 37 + 11);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(200 - i);
	memcpy(&key, bytes, sizeof(key));
	key.k[0] = le64toh(key.k[0]);
	key.k[1] = le64toh(key.k[1]);
	for (size_t n = 0; n <= sizeof(text); n++)
		CHECK(hash_bytes(&key, text, n) == reference(bytes, text, n));
}

/* All of it counts, and another key makes all of it other. */
static void test_long(void)
{
	struct hash_long_key key = hash_long_key(), other = key;
	uint8_t text[300] = { 0 };

	other.block[5]++;
	for (size_t n = 0; n <= sizeof(text); n++) {
		const uint64_t h = hash_long(&key, text, n);

		CHECK(n < 48 || hash_long(&other, text, n) != h);
		for (size_t i = 0; i < n; i++) {
			text[i] = 1;
			CHECK(hash_long(&key, text, n) != h);
			text[i] = 0;
		}
	}
}

static void test_numbers(void)
{
	const struct hash_long_key key = hash_long_key();
	uint32_t words[9] = { 0 };
	const uint32_t h = hash_numbers(&key, words, sizeof(words));

	for (size_t i = 0; i < 9; i++) {
		words[i] = 1U << 31;
		CHECK(hash_numbers(&key, words, sizeof(words)) != h);
		words[i] = 0;
	}
}

static void test_parts(void)
{
	const struct hash_key key = hash_key();

	CHECK(hash_more(&key, 0, "ab", 2) == hash_bytes(&key, "ab", 2));
	CHECK(hash_more(&key, hash_bytes(&key, "a", 1), "bc", 2) != hash_more(&key, hash_bytes(&key, "ab", 2), "c", 1));
}

/* Each program has another one, which stays. */
static void test_key(int argc, char **argv)
{
	const struct hash_key ours = hash_key(), again = hash_key();
	struct hash_key theirs;
	int fds[2];

	if (argc > 1) {
		_exit(write(STDOUT_FILENO, &ours, sizeof(ours)) == sizeof(ours) ? 0 : 1);
	}
	CHECK(memcmp(&ours, &again, sizeof(ours)) == 0);
	CHECK(pipe(fds) == 0);
	if (fork() == 0) {
		dup2(fds[1], STDOUT_FILENO);
		execl("/proc/self/exe", argv[0], "key", NULL);
		_exit(1);
	}
	wait(NULL);
	CHECK_INT(read(fds[0], &theirs, sizeof(theirs)), sizeof(theirs));
	CHECK(memcmp(&ours, &theirs, sizeof(ours)) != 0);
}

static int count;
static char **words;

static void test_key_of_the_run(void)
{
	test_key(count, words);
}

int main(int argc, char **argv)
{
	count = argc;
	words = argv;
	if (argc > 1)
		test_key(argc, argv);
	RUN(test_as_openssl);
	RUN(test_long);
	RUN(test_numbers);
	RUN(test_parts);
	RUN(test_key_of_the_run);
	return check_status();
}
