/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Comments of packets, full ones and such as refer to them, in any order, some of them changed: a reference leads to what it was
 * made of, or nowhere.
 */
#include "format/comments.h"
#include "format/pcapng.h"
#include "format/reference.h"
#include "fuzz.h"
#include "reader/option_memo.h"

enum { OWNERS = 8, PACKETS = 256 };

struct owner {
	struct annotation annot;
	char cmd[32], args[64], container[32];
	struct buf full, brief;
};

static void make_owner(struct owner *o, struct fuzz *f)
{
	const uint8_t has = fuzz_u8(f);
	const size_t n = fuzz_u8(f) % sizeof(o->args);
	char *args = fuzz_string(f, n);

	*o = (struct owner){ 0 };
	/* The same process, or nearly. */
	snprintf(o->cmd, sizeof(o->cmd), "/bin/c%u", has & 1);
	snprintf(o->args, sizeof(o->args), "%s", args);
	snprintf(o->container, sizeof(o->container), "%s", args);
	free(args);
	o->annot = (struct annotation){ .serial = 1, .has = ANNOT_PROCESS, .process = { .pid = has >> 1 & 1 } };
	o->annot.process.cmd = str_of(o->cmd);
	o->annot.process.args = str_of(o->args);
	if (has & 4) {
		o->annot.has |= ANNOT_CONTAINER;
		o->annot.container.id = str_of("id");
		o->annot.container.name = str_of(o->container);
	}
	if (has & 8) {
		o->annot.has |= ANNOT_THREAD;
		o->annot.tid = has >> 4;
	}
}

static void encode(struct owner *o)
{
	struct reference r;

	annotation_encode(&annotation_schema, &o->full, &o->annot, ANNOT_ALL);
	r = reference_of((const uint8_t *)o->full.p, o->full.len);
	reference_put(&o->brief, &o->annot, &r);
}

static bool tells(const struct options_told *told, const struct owner *o)
{
	struct buf b = { 0 };
	bool same;

	annotation_encode(&annotation_schema, &b, told->annot, ANNOT_ALL);
	same = b.len == o->full.len && memcmp(b.p, o->full.p, b.len) == 0;
	buf_done(&b);
	return same;
}

/* Options of a packet: a note of somebody, comments, and what the input changes of them. */
static void ask(struct option_memo *m, struct owner *o, struct fuzz *f)
{
	const uint8_t how = fuzz_u8(f), at = fuzz_u8(f);
	const struct options_told *told;
	struct buf b = { 0 };
	uint8_t *exact, changed = 0;
	size_t n;

	if (how & 1)
		pcapng_put_option(&b, OPT_COMMENT, "a note", 6);
	buf_put(&b, how & 2 ? o->brief.p : o->full.p, how & 2 ? o->brief.len : o->full.len);
	if (how & 4) {
		changed = fuzz_u8(f);
		b.p[at % b.len] = (char)(b.p[at % b.len] ^ changed);
	}
	if (how & 8)
		b.len -= at % b.len;
	n = b.len;
	exact = fuzz_bytes(&(struct fuzz){ (const uint8_t *)b.p, b.len }, &n);
	told = option_memo_get(m, exact, n);
	FUZZ_CHECK(told->len <= REFERRED_MAX);
	if (!changed && !(how & 8) && told->annot && !told->lost)
		FUZZ_CHECK(tells(told, o));
	if (!changed && !(how & 10))
		FUZZ_CHECK(told->annot);
	free(exact);
	buf_done(&b);
}

/* Bytes that nobody made. */
static void ask_raw(struct option_memo *m, struct fuzz *f)
{
	const struct options_told *told;
	size_t n = fuzz_u16(f) % 1200;
	uint8_t *options = fuzz_bytes(f, &n);
	volatile uint8_t sum = 0;

	told = option_memo_get(m, options, n);
	for (size_t i = 0; i < told->len; i++)
		sum ^= told->options[i];
	free(options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct option_memo *m = option_memo_new();
	struct owner owners[OWNERS];
	struct fuzz f = { data, size };

	for (size_t i = 0; i < OWNERS; i++) {
		make_owner(&owners[i], &f);
		encode(&owners[i]);
	}
	for (size_t i = 0; f.n && i < PACKETS; i++) {
		const uint8_t which = fuzz_u8(&f);

		if (which < 224)
			ask(m, &owners[which % OWNERS], &f);
		else
			ask_raw(m, &f);
	}
	for (size_t i = 0; i < OWNERS; i++) {
		buf_done(&owners[i].full);
		buf_done(&owners[i].brief);
	}
	option_memo_free(m);
	return 0;
}
