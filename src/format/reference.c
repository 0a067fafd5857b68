/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of SHA-256 itself. Those that version 3 has in their place load providers and read openssl.cnf first. */
#define OPENSSL_API_COMPAT 0x10101000L

#include "format/reference.h"

#include <openssl/sha.h>

#include "format/comments.h"
#include "format/pcapng.h"

#define KEY "SameAs: "

enum { KEY_LEN = sizeof(KEY) - 1, DIGITS = 2 * REFERENCE_LEN };

struct reference reference_of(const uint8_t *comments, size_t len)
{
	struct pcapng_options o = { comments, comments + len };
	uint8_t digest[SHA256_DIGEST_LENGTH];
	struct reference reference;
	const uint8_t *value;
	uint16_t code, n;
	SHA256_CTX sha;

	SHA256_Init(&sha);
	while (pcapng_next_option(&o, &code, &value, &n)) {
		/* Whatever the byte order of the machine. */
		const uint8_t length[2] = { n & 0xff, n >> 8 };

		SHA256_Update(&sha, length, sizeof(length));
		SHA256_Update(&sha, value, n);
	}
	SHA256_Final(digest, &sha);
	memcpy(reference.hash, digest, sizeof(reference.hash));
	return reference;
}

void reference_put(struct buf *b, const struct annotation *a, const struct reference *reference)
{
	struct annotation brief = { .has = a->has & ANNOT_PROCESS, .process = a->process };
	char text[KEY_LEN + DIGITS] = KEY;

	brief.process.args = (struct str){ "", 0 };
	annotation_encode(&annotation_schema, b, &brief, ANNOT_PROCESS);
	for (size_t i = 0; i < REFERENCE_LEN; i++) {
		text[KEY_LEN + 2 * i] = "0123456789abcdef"[reference->hash[i] >> 4];
		text[KEY_LEN + 2 * i + 1] = "0123456789abcdef"[reference->hash[i] & 15];
	}
	pcapng_put_option(b, OPT_COMMENT, text, KEY_LEN + DIGITS);
}

bool reference_parse(struct str comment, struct reference *reference)
{
	if (comment.n != KEY_LEN + DIGITS || memcmp(comment.p, KEY, KEY_LEN) != 0)
		return false;
	for (size_t i = 0; i < DIGITS; i++) {
		const char c = comment.p[KEY_LEN + i];
		uint8_t *to = &reference->hash[i / 2];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return false;
		*to = (uint8_t)(*to << 4 | (c <= '9' ? c - '0' : c - 'a' + 10));
	}
	return true;
}

bool reference_split(const uint8_t *options, size_t len, struct buf *own, struct buf *others)
{
	struct pcapng_options o = { options, options + len };
	const uint8_t *value;
	bool full = true;
	struct reference unused;
	uint16_t code, n;

	for (const uint8_t *start = o.p; pcapng_next_option(&o, &code, &value, &n); start = o.p) {
		const struct str text = { (const char *)value, n };
		const bool refers = code == OPT_COMMENT && reference_parse(text, &unused);
		struct buf *to = refers || (code == OPT_COMMENT && annotation_group(&annotation_schema, text)) ? own
													       : others;

		full &= !refers;
		if (to)
			buf_put(to, start, (size_t)(o.p - start));
	}
	return full;
}
