/* SPDX-License-Identifier: BSD-3-Clause */
/* Upper bounds of what A, X and M[] can hold, and with that of the places in the packet that code reads. */
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>

#include "filter/code.h"

#define UNKNOWN UINT32_MAX
#define MSH_MAX (4 * 0xf)

struct bounds {
	uint32_t a, x, mem[FILTER_MEMORY_WORDS];
	bool reached;
};

static uint32_t size_of(const struct filter_insn *p)
{
	return BPF_SIZE(p->code) == BPF_W ? 4 : BPF_SIZE(p->code) == BPF_H ? 2 : 1;
}

static uint32_t bounded(uint64_t n)
{
	return n < UNKNOWN ? (uint32_t)n : UNKNOWN;
}

/* Of an operation that yields more, the more its operands are. */
static uint32_t alu_bound(const struct filter_insn *p, uint32_t a, uint32_t x)
{
	const bool by_x = BPF_SRC(p->code) == BPF_X;
	const uint32_t k = by_x ? x : p->k;

	switch (BPF_OP(p->code)) {
	case BPF_AND: return a < k ? a : k;
	case BPF_ADD: return a == UNKNOWN || k == UNKNOWN ? UNKNOWN : bounded((uint64_t)a + k);
	case BPF_MUL: return a == UNKNOWN || k == UNKNOWN ? UNKNOWN : bounded((uint64_t)a * k);
	case BPF_LSH: return by_x || k > 31 || a == UNKNOWN ? UNKNOWN : bounded((uint64_t)a << k);
	case BPF_RSH: return by_x || k > 31 ? a : a >> k;
	case BPF_DIV: return by_x ? a : a / k;
	case BPF_MOD: return by_x || a < k ? a : k - 1;
	default: return UNKNOWN; /* may wrap, or sets bits */
	}
}

static uint32_t load_bound(const struct filter_insn *p, const uint32_t *mem)
{
	switch (BPF_MODE(p->code)) {
	case BPF_IMM: return p->k;
	case BPF_MEM: return mem[p->k];
	case BPF_LEN: return UNKNOWN;
	case BPF_MSH: return MSH_MAX;
	default: return size_of(p) == 4 || filter_insn_is_meta(p) ? UNKNOWN : (1u << 8 * size_of(p)) - 1;
	}
}

static void step(const struct filter_insn *p, struct bounds *b)
{
	switch (BPF_CLASS(p->code)) {
	case BPF_LD: b->a = load_bound(p, b->mem); break;
	case BPF_LDX: b->x = load_bound(p, b->mem); break;
	case BPF_ST: b->mem[p->k] = b->a; break;
	case BPF_STX: b->mem[p->k] = b->x; break;
	case BPF_ALU: b->a = alu_bound(p, b->a, b->x); break;
	case BPF_MISC:
		if (BPF_MISCOP(p->code) == BPF_TAX)
			b->x = b->a;
		else
			b->a = b->x;
		break;
	}
}

/* How far one instruction reads. */
static uint32_t insn_reach(const struct filter_insn *p, const struct bounds *b)
{
	const bool packet = BPF_CLASS(p->code) == BPF_LD || BPF_CLASS(p->code) == BPF_LDX;

	if (!packet || filter_insn_is_meta(p) || filter_insn_rejects(p))
		return 0;
	switch (BPF_MODE(p->code)) {
	case BPF_ABS: return p->k + size_of(p);
	case BPF_MSH: return p->k + 1;
	case BPF_IND: return b->x == UNKNOWN ? UNKNOWN : bounded((uint64_t)b->x + p->k + size_of(p));
	default: return 0;
	}
}

static void join(struct bounds *to, const struct bounds *from)
{
	if (!to->reached) {
		*to = *from;
		return;
	}
	to->a = to->a > from->a ? to->a : from->a;
	to->x = to->x > from->x ? to->x : from->x;
	for (int i = 0; i < FILTER_MEMORY_WORDS; i++)
		to->mem[i] = to->mem[i] > from->mem[i] ? to->mem[i] : from->mem[i];
}

/* Without loops, so that all who come to an instruction stand in front of it. */
static uint32_t reach_of(const struct filter_insn *insns, uint32_t n, struct bounds *bounds)
{
	uint32_t most = 0;

	bounds[0].reached = true;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t next[2], reach;
		unsigned nnext;

		if (!bounds[i].reached)
			continue;
		reach = insn_reach(&insns[i], &bounds[i]);
		most = most > reach ? most : reach;
		nnext = filter_insn_next(insns, i, next);
		step(&insns[i], &bounds[i]);
		while (nnext--)
			join(&bounds[next[nnext]], &bounds[i]);
	}
	return most;
}

uint32_t filter_reach(const struct filter_code *code)
{
	struct filter_flow flow = { 0 };
	struct bounds *bounds = NULL;
	uint32_t reach = UNKNOWN;

	if (!code->n)
		return 0;
	if (!filter_flow_new(code->insns, code->n, &flow) && !flow.loops)
		bounds = calloc(code->n, sizeof(*bounds));
	if (bounds)
		reach = reach_of(code->insns, code->n, bounds);
	free(bounds);
	filter_flow_done(&flow);
	return reach;
}
