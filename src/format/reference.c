/* SPDX-License-Identifier: BSD-3-Clause */
#include "format/reference.h"

#include <inttypes.h>
#include <stdio.h>

#include "format/comments.h"
#include "format/pcapng.h"

#define KEY "SameAs: "

enum { KEY_LEN = sizeof(KEY) - 1, DIGITS = 16 };

/* FNV-1a of the text alone: whatever the byte order of the machine. */
static uint64_t hash_bytes(uint64_t h, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3ULL;
	return h;
}

uint64_t reference_of(const uint8_t *comments, size_t len)
{
	struct pcapng_options o = { comments, comments + len };
	uint64_t h = 0xcbf29ce484222325ULL;
	const uint8_t *value;
	uint16_t code, n;

	while (pcapng_next_option(&o, &code, &value, &n)) {
		h = hash_bytes(h, value, n);
		h = hash_bytes(h, (const uint8_t *)"", 1);
	}
	return h;
}

void reference_put(struct buf *b, const struct annotation *a, uint64_t reference)
{
	struct annotation brief = { .has = a->has & ANNOT_PROCESS, .process = a->process };
	char text[KEY_LEN + DIGITS + 1];

	brief.process.args = (struct str){ "", 0 };
	annotation_encode(&annotation_schema, b, &brief, ANNOT_PROCESS);
	snprintf(text, sizeof(text), KEY "%0*" PRIx64, DIGITS, reference);
	pcapng_put_option(b, OPT_COMMENT, text, KEY_LEN + DIGITS);
}

bool reference_parse(struct str comment, uint64_t *reference)
{
	uint64_t v = 0;

	if (comment.n != KEY_LEN + DIGITS || memcmp(comment.p, KEY, KEY_LEN) != 0)
		return false;
	for (const char *p = comment.p + KEY_LEN; p < comment.p + comment.n; p++) {
		if (!(*p >= '0' && *p <= '9') && !(*p >= 'a' && *p <= 'f'))
			return false;
		v = v << 4 | (uint64_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
	}
	*reference = v;
	return true;
}

bool reference_split(const uint8_t *options, size_t len, struct buf *own, struct buf *others)
{
	struct pcapng_options o = { options, options + len };
	const uint8_t *value;
	bool full = true;
	uint64_t unused;
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
