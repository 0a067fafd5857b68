/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks and control flow of classic BPF code. Nothing after this file has to doubt an index or a jump. */
#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>

#include "filter/code.h"
#include "filter/expr.h"

#define INSNS_MAX (1u << 20) /* far above what libpcap makes of the longest command line */

static bool load_valid(const struct filter_insn *p)
{
	bool to_x = BPF_CLASS(p->code) == BPF_LDX;

	if (p->code & ~(BPF_CLASS(0xff) | BPF_SIZE(0xff) | BPF_MODE(0xff)) || BPF_SIZE(p->code) == 0x18)
		return false;
	switch (BPF_MODE(p->code)) {
	case BPF_IMM:
	case BPF_LEN: return BPF_SIZE(p->code) == BPF_W;
	case BPF_MEM: return BPF_SIZE(p->code) == BPF_W && p->k < FILTER_MEMORY_WORDS;
	case BPF_ABS:
	case BPF_IND: return !to_x;
	case BPF_MSH: return to_x && BPF_SIZE(p->code) == BPF_B;
	default: return false;
	}
}

static bool alu_valid(const struct filter_insn *p)
{
	bool constant = BPF_SRC(p->code) == BPF_K;

	switch (BPF_OP(p->code)) {
	case BPF_DIV:
	case BPF_MOD: return !constant || p->k != 0;
	case BPF_ADD:
	case BPF_SUB:
	case BPF_MUL:
	case BPF_AND:
	case BPF_OR:
	case BPF_XOR:
	case BPF_LSH:
	case BPF_RSH: return true;
	case BPF_NEG: return constant;
	default: return false;
	}
}

static bool jump_valid(const struct filter_insn *insns, uint32_t n, uint32_t i)
{
	const struct filter_insn *p = &insns[i];
	int64_t next = (int64_t)i + 1;

	switch (BPF_OP(p->code)) {
	case BPF_JA: next += (int32_t)p->k; return BPF_SRC(p->code) == BPF_K && next >= 0 && next < n;
	case BPF_JEQ:
	case BPF_JGT:
	case BPF_JGE:
	case BPF_JSET: return next + p->jt < n && next + p->jf < n;
	default: return false;
	}
}

static bool insn_valid(const struct filter_insn *insns, uint32_t n, uint32_t i)
{
	const struct filter_insn *p = &insns[i];
	bool last = i + 1 == n;

	if (p->code > 0xff)
		return false;
	switch (BPF_CLASS(p->code)) {
	case BPF_LD:
	case BPF_LDX: return load_valid(p) && !last;
	case BPF_ST:
	case BPF_STX: return p->code == BPF_CLASS(p->code) && p->k < FILTER_MEMORY_WORDS && !last;
	case BPF_ALU: return alu_valid(p) && !last;
	case BPF_JMP: return jump_valid(insns, n, i);
	case BPF_RET: return p->code == (BPF_RET | BPF_K) || p->code == (BPF_RET | BPF_A);
	default: return (p->code == (BPF_MISC | BPF_TAX) || p->code == (BPF_MISC | BPF_TXA)) && !last;
	}
}

bool filter_insn_is_meta(const struct filter_insn *p)
{
	return BPF_CLASS(p->code) == BPF_LD && BPF_MODE(p->code) == BPF_ABS && p->k >= (uint32_t)SKF_AD_OFF;
}

int filter_insn_term(const struct filter_insn *p)
{
	const uint32_t term = p->k - FILTER_TERM_OFF;

	return p->code == (BPF_LD | BPF_B | BPF_ABS) && term < FILTER_TERMS_MAX ? (int)term : -1;
}

bool filter_insn_tests_term(const struct filter_insn *p)
{
	return p->code == (BPF_JMP | BPF_JEQ | BPF_K) && p->k == 1;
}

bool filter_insn_rejects(const struct filter_insn *p)
{
	bool packet;

	if (BPF_CLASS(p->code) == BPF_LD)
		packet = BPF_MODE(p->code) == BPF_ABS || BPF_MODE(p->code) == BPF_IND;
	else
		packet = BPF_CLASS(p->code) == BPF_LDX && BPF_MODE(p->code) == BPF_MSH;
	return packet && p->k >= FILTER_OFFSET_MAX && !filter_insn_is_meta(p);
}

unsigned filter_insn_next(const struct filter_insn *insns, uint32_t i, uint32_t ret[2])
{
	const struct filter_insn *p = &insns[i];

	if (BPF_CLASS(p->code) == BPF_RET || filter_insn_rejects(p))
		return 0;
	ret[0] = i + 1;
	if (BPF_CLASS(p->code) != BPF_JMP)
		return 1;
	if (BPF_OP(p->code) == BPF_JA) {
		ret[0] += p->k;
		return 1;
	}
	ret[0] += p->jt;
	ret[1] = i + 1 + p->jf;
	return 2;
}

static void note_use(const struct filter_insn *p, struct filter_flow *flow)
{
	if (BPF_CLASS(p->code) != BPF_LD && BPF_CLASS(p->code) != BPF_LDX)
		return;
	if (BPF_MODE(p->code) == BPF_MEM)
		flow->mem_read |= (uint16_t)(1u << p->k);
	if (filter_insn_is_meta(p))
		flow->uses_meta = true;
}

int filter_flow_new(const struct filter_insn *insns, uint32_t n, struct filter_flow *ret)
{
	uint32_t *stack = malloc(n * sizeof(*stack)), depth = 0;
	int rc = -ENOMEM;

	*ret = (struct filter_flow){ .live = calloc(n, 1), .head = calloc(n, 1), .entered = calloc(n, 1) };
	if (!stack || !ret->live || !ret->head || !ret->entered)
		goto out;
	ret->live[0] = ret->entered[0] = 1;
	stack[depth++] = 0;
	while (depth) {
		uint32_t i = stack[--depth], next[2];
		unsigned nnext = filter_insn_next(insns, i, next);

		note_use(&insns[i], ret);
		while (nnext--) {
			uint32_t t = next[nnext];

			if (t <= i) {
				ret->head[t] = 1;
				ret->loops = true;
			} else {
				ret->entered[t] = 1;
			}
			if (!ret->live[t]) {
				ret->live[t] = 1;
				stack[depth++] = t;
			}
		}
	}
	rc = 0;
out:
	free(stack);
	if (rc)
		filter_flow_done(ret);
	return rc;
}

void filter_flow_done(struct filter_flow *flow)
{
	free(flow->live);
	free(flow->head);
	free(flow->entered);
	*flow = (struct filter_flow){ 0 };
}

int filter_code_new(const struct filter_insn *insns, uint32_t n, struct filter_code *ret)
{
	struct filter_code code = { .n = n };
	int rc = -EINVAL;

	if (!n || n > INSNS_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < n; i++)
		if (!insn_valid(insns, n, i))
			return -EINVAL;
	code.insns = malloc(n * sizeof(*insns));
	if (!code.insns)
		return -ENOMEM;
	memcpy(code.insns, insns, n * sizeof(*insns));
	rc = filter_ops_new(insns, n, &code.ops);
	if (rc) {
		free(code.insns);
		return rc;
	}
	*ret = code;
	return 0;
}

void filter_done(struct filter_code *code)
{
	if (!code)
		return;
	free(code->insns);
	free(code->ops);
	*code = (struct filter_code){ 0 };
}
