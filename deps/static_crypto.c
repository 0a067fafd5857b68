/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What libnetdissect and we call of OpenSSL's libcrypto, by Mbed TLS, which the static program has for libcurl anyway:
 * libcrypto is a third of it for a dozen functions. Prototypes and types are those of OpenSSL's headers.
 *
 * Ciphers are those by which ESP is encrypted so that libnetdissect can tell (RFC 2405, 2451, 3602, 4312): it takes the IV
 * that a cipher has from the packet, and no salt from the key, so that counter modes come out wrong with libcrypto, too.
 */
#define OPENSSL_API_COMPAT 0x10101000L

#include <mbedtls/base64.h>
#include <mbedtls/cipher.h>
#include <mbedtls/md5.h>
#include <mbedtls/sha1.h>
#include <mbedtls/sha256.h>
#include <mbedtls/version.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/md5.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- digests --------------------------------------------------------------------- */

#if MBEDTLS_VERSION_NUMBER < 0x03000000
#define TOLD(function) function##_ret
#else
#define TOLD(function) function
#endif

/* The state lies in OpenSSL's structure, which callers have on their stacks. It holds no memory that would have to be freed. */
#define DIGEST(name, context, function)                                                                                \
	_Static_assert(sizeof(function##_context) <= sizeof(context) &&                                                \
			       _Alignof(function##_context) <= _Alignof(context),                                      \
		       "the state fits");                                                                              \
	int name##_Update(context *c, const void *data, size_t len)                                                    \
	{                                                                                                              \
		return !TOLD(function##_update)((function##_context *)c, data, len);                                   \
	}                                                                                                              \
	int name##_Final(unsigned char *digest, context *c)                                                            \
	{                                                                                                              \
		return !TOLD(function##_finish)((function##_context *)c, digest);                                      \
	}

DIGEST(MD5, MD5_CTX, mbedtls_md5)
DIGEST(SHA1, SHA_CTX, mbedtls_sha1)
DIGEST(SHA256, SHA256_CTX, mbedtls_sha256)

int MD5_Init(MD5_CTX *c)
{
	mbedtls_md5_init((mbedtls_md5_context *)c);
	return !TOLD(mbedtls_md5_starts)((mbedtls_md5_context *)c);
}

int SHA1_Init(SHA_CTX *c)
{
	mbedtls_sha1_init((mbedtls_sha1_context *)c);
	return !TOLD(mbedtls_sha1_starts)((mbedtls_sha1_context *)c);
}

int SHA256_Init(SHA256_CTX *c)
{
	mbedtls_sha256_init((mbedtls_sha256_context *)c);
	return !TOLD(mbedtls_sha256_starts)((mbedtls_sha256_context *)c, 0);
}

/* As OpenSSL has it, the place for it is known to be large enough. */
int EVP_EncodeBlock(unsigned char *text, const unsigned char *data, int len)
{
	const size_t size = ((size_t)len + 2) / 3 * 4 + 1;
	size_t n = 0;

	mbedtls_base64_encode(text, size, &n, data, (size_t)len);
	return (int)n;
}

/* --- ciphers --------------------------------------------------------------------- */

struct evp_cipher_st {
	const char *name, *alias; /* OpenSSL's */
	mbedtls_cipher_type_t type;
	unsigned char block; /* and IV: bytes */
};

struct evp_cipher_ctx_st {
	mbedtls_cipher_context_t cipher;
};

static const EVP_CIPHER ciphers[] = {
	{ "aes-128-cbc", "aes128", MBEDTLS_CIPHER_AES_128_CBC, 16 },
	{ "aes-192-cbc", "aes192", MBEDTLS_CIPHER_AES_192_CBC, 16 },
	{ "aes-256-cbc", "aes256", MBEDTLS_CIPHER_AES_256_CBC, 16 },
	{ "camellia-128-cbc", "camellia128", MBEDTLS_CIPHER_CAMELLIA_128_CBC, 16 },
	{ "camellia-192-cbc", "camellia192", MBEDTLS_CIPHER_CAMELLIA_192_CBC, 16 },
	{ "camellia-256-cbc", "camellia256", MBEDTLS_CIPHER_CAMELLIA_256_CBC, 16 },
	{ "des-ede3-cbc", "des3", MBEDTLS_CIPHER_DES_EDE3_CBC, 8 },
	{ "des-cbc", "des", MBEDTLS_CIPHER_DES_CBC, 8 },
#ifdef MBEDTLS_BLOWFISH_C /* until version 3 */
	{ "bf-cbc", "blowfish", MBEDTLS_CIPHER_BLOWFISH_CBC, 8 },
	{ "bf", "blowfish-cbc", MBEDTLS_CIPHER_BLOWFISH_CBC, 8 },
#endif
};

const EVP_CIPHER *EVP_get_cipherbyname(const char *name)
{
	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
		if (!strcasecmp(name, ciphers[i].name) || !strcasecmp(name, ciphers[i].alias))
			return &ciphers[i];
	return NULL;
}

/* Version 3 has a macro of this name for the function, version 1.1 the function. */
int EVP_CIPHER_iv_length(const EVP_CIPHER *cipher)
{
	return cipher->block;
}

EVP_CIPHER_CTX *EVP_CIPHER_CTX_new(void)
{
	EVP_CIPHER_CTX *ctx = calloc(1, sizeof(*ctx));

	if (ctx)
		mbedtls_cipher_init(&ctx->cipher);
	return ctx;
}

void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX *ctx)
{
	if (ctx)
		mbedtls_cipher_free(&ctx->cipher);
	free(ctx);
}

/* libnetdissect divides by it, whether or not there is a cipher. */
int EVP_CIPHER_CTX_block_size(const EVP_CIPHER_CTX *ctx)
{
	const unsigned size = mbedtls_cipher_get_block_size(&ctx->cipher);

	return size ? (int)size : 1;
}

int EVP_CIPHER_CTX_set_padding(EVP_CIPHER_CTX *ctx, int on)
{
	return !mbedtls_cipher_set_padding_mode(&ctx->cipher, on ? MBEDTLS_PADDING_PKCS7 : MBEDTLS_PADDING_NONE);
}

static int set_cipher(mbedtls_cipher_context_t *cipher, mbedtls_cipher_type_t type)
{
	const mbedtls_cipher_info_t *info = mbedtls_cipher_info_from_type(type);

	mbedtls_cipher_free(cipher);
	return info && !mbedtls_cipher_setup(cipher, info);
}

int EVP_DecryptInit_ex(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *type, ENGINE *engine, const unsigned char *key,
		       const unsigned char *iv)
{
	mbedtls_cipher_context_t *c = &ctx->cipher;

	if (type && !set_cipher(c, type->type))
		return 0;
	if (key && mbedtls_cipher_setkey(c, key, mbedtls_cipher_get_key_bitlen(c), MBEDTLS_DECRYPT))
		return 0;
	if (iv && (mbedtls_cipher_set_iv(c, iv, (size_t)mbedtls_cipher_get_iv_size(c)) || mbedtls_cipher_reset(c)))
		return 0;
	return 1;
}

int EVP_DecryptUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl, const unsigned char *in, int inl)
{
	size_t n = 0;
	const int err = mbedtls_cipher_update(&ctx->cipher, in, (size_t)inl, out, &n);

	*outl = (int)n;
	return !err;
}

int OPENSSL_init_crypto(uint64_t options, const OPENSSL_INIT_SETTINGS *settings)
{
	return 1;
}
