/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Classic programs that no libpcap would write: what passes the checks must run without harm, agree with libpcap, and
 * translate to code whose form the verifier accepts. Where they have process terms, the weaker code does what they do with
 * each term as it should be.
 *
 * tests/unit/test_fuzz_filter.c runs it for a while on random input.
 */
#include <linux/bpf.h>
#include <linux/filter.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf/reference.h"
#include "filter/code.h"
#include "filter/expr.h"
#include "filter/filter.h"
#include "filter/translate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INSNS_MAX 200

/* Every instruction there is, so that random bytes make programs that pass. */
static const uint16_t valid_codes[] = {
	BPF_LD | BPF_W | BPF_ABS,
	BPF_LD | BPF_H | BPF_ABS,
	BPF_LD | BPF_B | BPF_ABS,
	BPF_LD | BPF_W | BPF_IND,
	BPF_LD | BPF_H | BPF_IND,
	BPF_LD | BPF_B | BPF_IND,
	BPF_LD | BPF_IMM,
	BPF_LD | BPF_MEM,
	BPF_LD | BPF_LEN,
	BPF_LDX | BPF_IMM,
	BPF_LDX | BPF_MEM,
	BPF_LDX | BPF_LEN,
	BPF_LDX | BPF_MSH | BPF_B,
	BPF_ST,
	BPF_STX,
	BPF_MISC | BPF_TAX,
	BPF_MISC | BPF_TXA,
	BPF_ALU | BPF_ADD,
	BPF_ALU | BPF_SUB | BPF_X,
	BPF_ALU | BPF_MUL,
	BPF_ALU | BPF_DIV | BPF_X,
	BPF_ALU | BPF_MOD | BPF_X,
	BPF_ALU | BPF_DIV,
	BPF_ALU | BPF_MOD,
	BPF_ALU | BPF_AND,
	BPF_ALU | BPF_OR | BPF_X,
	BPF_ALU | BPF_XOR | BPF_X,
	BPF_ALU | BPF_LSH | BPF_X,
	BPF_ALU | BPF_RSH | BPF_X,
	BPF_ALU | BPF_LSH,
	BPF_ALU | BPF_RSH,
	BPF_ALU | BPF_NEG,
	BPF_JMP | BPF_JEQ,
	BPF_JMP | BPF_JGT | BPF_X,
	BPF_JMP | BPF_JGE,
	BPF_JMP | BPF_JSET,
	BPF_JMP | BPF_JSET,
	BPF_JMP | BPF_JEQ | BPF_X,
	BPF_JMP | BPF_JA,
	BPF_RET | BPF_K,
};

/* Some loads of bytes become terms, with the test that belongs to each. */
static void plant_terms(struct filter_insn *insns, uint32_t n)
{
	for (uint32_t i = 16; i + 2 < n; i++) {
		if (insns[i].code != (BPF_LD | BPF_B | BPF_ABS) || insns[i].k & 3)
			continue;
		insns[i].k = FILTER_TERM_OFF + (insns[i].k >> 2) % 4;
		insns[i + 1] = (struct filter_insn){ .code = BPF_JMP | BPF_JEQ | BPF_K,
						     .jt = (uint8_t)(insns[i + 1].k % (n - i - 2)),
						     .jf = (uint8_t)((insns[i + 1].k >> 8) % (n - i - 2)),
						     .k = 1 };
	}
}

/* Brings jumps and indexes near to what is allowed; the rest is up to the checks. */
static void tame(struct filter_insn *insns, uint32_t n)
{
	for (uint32_t i = 16; i < n; i++) {
		struct filter_insn *p = &insns[i];
		uint32_t left = n - i;

		p->code = valid_codes[p->code % (sizeof(valid_codes) / sizeof(valid_codes[0]))];
		if (p->k & 0x100)
			p->k = (p->k >> 16) % 80;
		if (BPF_CLASS(p->code) == BPF_JMP) {
			p->jt = (uint8_t)(p->jt % left);
			p->jf = (uint8_t)(p->jf % left);
		}
		if (p->code == (BPF_JMP | BPF_JA))
			p->k = p->k % 8 ? p->k % left : 0u - p->k % (i - 15);
		if (BPF_CLASS(p->code) == BPF_ST || BPF_CLASS(p->code) == BPF_STX || BPF_MODE(p->code) == BPF_MEM)
			p->k %= 16;
	}
	insns[n - 1].code = BPF_RET | (insns[n - 1].code & BPF_A);
}

static bool jumps(const struct bpf_insn *p)
{
	uint8_t class = BPF_CLASS(p->code), op = BPF_OP(p->code);

	return (class == BPF_JMP || class == BPF_JMP32) && op != BPF_CALL && op != BPF_EXIT;
}

/* What the verifier asks of the form: no jump leaves the function, nothing falls off its end, nothing is dead. */
static void check_form(const struct filter_body *body)
{
	uint8_t *seen = calloc(body->n, 1);
	uint32_t *todo = calloc(body->n + 1, sizeof(*todo)), ntodo = 1, reached = 0;

	while (ntodo) {
		int64_t i = todo[--ntodo];

		while (i >= 0 && i < body->n && !seen[i]) {
			const struct bpf_insn *p = &body->insns[i];

			seen[i] = 1;
			reached++;
			if (p->code == (BPF_JMP | BPF_EXIT))
				break;
			if (p->code == (BPF_JMP | BPF_JA)) {
				i += p->off + 1;
				continue;
			}
			if (jumps(p)) {
				int64_t to = i + p->off + 1;

				if (to < 0 || to >= body->n)
					abort();
				if (ntodo < body->n)
					todo[ntodo++] = (uint32_t)to;
			}
			i++;
		}
		if (i < 0 || i >= body->n)
			abort();
	}
	if (reached != body->n)
		abort();
	free(seen);
	free(todo);
}

static void check_translations(const struct filter_code *code)
{
	for (int flavour = 0; flavour < FLAVOURS; flavour++) {
		struct filter_body body = { 0 };

		if (!filter_translate(code, (enum filter_flavour)flavour, &body))
			check_form(&body);
		filter_body_done(&body);
	}
}

static void check_verdicts(const struct filter_code *code, const uint8_t *packet, uint32_t len)
{
	const struct filter_meta meta = { .ifindex = 1, .vlan_present = true, .vlan_tci = 5 };
	bool match = filter_match(code, packet, len, len + 4, NULL);

	filter_match_live(code, packet, len, len, &meta, NULL);
	if (!has_loop(code) && match != (reference_run(code, packet, len, len + 4) != 0))
		abort();
}

static const struct filter_expr *four_terms(void)
{
	static struct filter_expr *e;
	char err[FILTER_ERR_LEN];

	if (!e && filter_expr_new(&e, "pid 1 or not pid 2 or (pid 3 and not pid 4)", err))
		abort();
	return e;
}

static void check_weak(struct filter_code *code, const uint8_t *packet, uint32_t len)
{
	const struct filter_truth best = { { 1 | 4 } };
	struct filter_code weak, lenient;
	bool match;

	/* What jumps to the test of a term without its load is no term's code. */
	if (filter_code_set_expr(code, four_terms()) || filter_weaken(code, NULL, &weak))
		return;
	match = filter_match(code, packet, len, len, &best);
	lenient = *code;
	lenient.lenient = true;
	if (match != filter_match(&weak, packet, len, len, NULL) &&
	    (match || !filter_match(&lenient, packet, len, len, &best)))
		abort();
	filter_done(&weak);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct filter_insn insns[INSNS_MAX + 16] = { 0 };
	struct filter_code code;
	uint8_t *packet;
	uint32_t n;

	if (size < 2)
		return 0;
	n = data[0] % INSNS_MAX + 1;
	if (n > (size - 2) / sizeof(insns[0]))
		n = (uint32_t)((size - 2) / sizeof(insns[0]));
	if (!n)
		return 0;
	for (uint32_t i = 0; i < 16; i++) /* libpcap does not zero M[] */
		insns[i] = (struct filter_insn){ .code = BPF_ST, .k = i };
	memcpy(insns + 16, data + 2, n * sizeof(insns[0]));
	if (data[1] & 1)
		tame(insns, n + 16);
	if (data[1] & 2)
		plant_terms(insns, n + 16);
	data += 2 + n * sizeof(insns[0]);
	size -= 2 + n * sizeof(insns[0]);
	if (filter_code_new(insns, n + 16, &code))
		return 0;
	packet = malloc(size + 1); /* exactly as long as it says, so that ASan sees a read beyond */
	memcpy(packet + 1, data, size);
	check_verdicts(&code, packet + 1, (uint32_t)size);
	check_translations(&code);
	check_weak(&code, packet + 1, (uint32_t)size);
	free(packet);
	filter_done(&code);
	return 0;
}
