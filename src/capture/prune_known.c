/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/prune_known.h"

#include <string.h>

#include "capture/prune.h"

enum {
	RETURNED = 1 << BPF_REG_0,
	ARGUMENTS = 1 << BPF_REG_1 | 1 << BPF_REG_2 | 1 << BPF_REG_3 | 1 << BPF_REG_4 | 1 << BPF_REG_5,
	EVERY = (1 << REGISTERS) - 1,
};

static uint16_t bit(unsigned reg)
{
	return (uint16_t)(1U << reg);
}

static void forget(struct known *k, uint16_t registers)
{
	k->some &= (uint16_t)~registers;
	k->settings &= (uint16_t)~registers;
}

static void set(struct known *k, unsigned reg, uint64_t value)
{
	k->some |= bit(reg);
	k->settings &= (uint16_t)~bit(reg);
	k->values[reg] = value;
}

static bool is_number(const struct known *k, unsigned reg)
{
	return k->some & ~k->settings & bit(reg);
}

static bool is_setting(const struct known *k, unsigned reg)
{
	return k->settings & bit(reg);
}

static void learn_wide(struct known *k, const struct bpf_insn *insn, const struct prune_settings *settings)
{
	forget(k, bit(insn->dst_reg));
	if (insn->src_reg == 0) {
		set(k, insn->dst_reg, (uint32_t)insn[0].imm | (uint64_t)(uint32_t)insn[1].imm << 32);
	} else if (insn->src_reg == BPF_PSEUDO_MAP_VALUE && insn->imm == settings->map_fd) {
		set(k, insn->dst_reg, (uint32_t)insn[1].imm);
		k->settings |= bit(insn->dst_reg);
	}
}

/* Those of 32 bits or less, in the byte order of the machine, which is that of its programs. */
static bool setting_read(const struct prune_settings *settings, uint64_t at, uint8_t code, uint32_t *ret)
{
	const size_t size = BPF_SIZE(code) == BPF_B ? 1 : BPF_SIZE(code) == BPF_H ? 2 : 4;
	const uint8_t *p = settings->data;
	uint16_t half;

	if (BPF_MODE(code) != BPF_MEM || BPF_SIZE(code) == BPF_DW || size > settings->size ||
	    at > settings->size - size)
		return false;
	p += at;
	*ret = *p;
	if (size == 2) {
		memcpy(&half, p, size);
		*ret = half;
	} else if (size == 4) {
		memcpy(ret, p, size);
	}
	return true;
}

static bool learn_load(struct known *k, const struct bpf_insn *insn, const struct prune_settings *settings,
		       uint32_t *value)
{
	const uint64_t at = k->values[insn->src_reg] + (uint64_t)(int64_t)insn->off;
	const bool same = is_setting(k, insn->src_reg) && setting_read(settings, at, insn->code, value);

	forget(k, bit(insn->dst_reg));
	if (same)
		set(k, insn->dst_reg, *value);
	return same;
}

/* False: not computed here. */
static bool compute(uint8_t op, uint64_t *to, uint64_t with, unsigned bits)
{
	switch (op) {
	case BPF_MOV: *to = with; return true;
	case BPF_ADD: *to += with; return true;
	case BPF_SUB: *to -= with; return true;
	case BPF_AND: *to &= with; return true;
	case BPF_OR: *to |= with; return true;
	case BPF_XOR: *to ^= with; return true;
	case BPF_LSH: *to <<= with & (bits - 1); return true;
	case BPF_RSH: *to >>= with & (bits - 1); return true;
	default: return false;
	}
}

/* The second operand of 64 bits, where a constant's sign is extended; false: it is no number that is known. */
static bool operand(const struct known *k, const struct bpf_insn *insn, uint64_t *ret)
{
	const bool constant = BPF_SRC(insn->code) == BPF_K;

	*ret = constant ? (uint64_t)(int64_t)insn->imm : k->values[insn->src_reg];
	return constant || is_number(k, insn->src_reg);
}

static void learn_alu(struct known *k, const struct bpf_insn *insn)
{
	const bool wide = insn_class(insn) == BPF_ALU64, moves = BPF_OP(insn->code) == BPF_MOV;
	bool first = moves || is_number(k, insn->dst_reg), second;
	uint64_t to = k->values[insn->dst_reg], with;

	second = operand(k, insn, &with);
	if (moves && wide && !insn->off && BPF_SRC(insn->code) == BPF_X && is_setting(k, insn->src_reg)) {
		set(k, insn->dst_reg, with);
		k->settings |= bit(insn->dst_reg);
		return;
	}
	/* Whatever the other one is. */
	if (BPF_OP(insn->code) == BPF_AND && ((first && to == 0) || (second && with == 0))) {
		first = second = true;
		to = with = 0;
	}
	forget(k, bit(insn->dst_reg));
	if (!wide) {
		to = (uint32_t)to;
		with = (uint32_t)with;
	}
	/* off: newer ones, with a sign */
	if (first && second && !insn->off && compute(BPF_OP(insn->code), &to, with, wide ? 64 : 32))
		set(k, insn->dst_reg, wide ? to : (uint32_t)to);
}

bool known_learn(struct known *k, const struct bpf_insn *insn, const struct prune_settings *settings, uint32_t *value)
{
	switch (insn_class(insn)) {
	case BPF_LD:
		if (is_wide(insn))
			learn_wide(k, insn, settings);
		else
			forget(k, RETURNED | ARGUMENTS);
		break;
	case BPF_LDX: return learn_load(k, insn, settings, value);
	case BPF_ALU:
	case BPF_ALU64: learn_alu(k, insn); break;
	case BPF_STX:
		/* What is atomic may give back what was there. */
		if (BPF_MODE(insn->code) != BPF_MEM)
			forget(k, EVERY);
		break;
	default:
		if (is_call(insn))
			forget(k, RETURNED | ARGUMENTS);
		break;
	}
	return false;
}

static bool holds(uint8_t op, uint64_t a, uint64_t b, int64_t sa, int64_t sb)
{
	switch (op) {
	case BPF_JEQ: return a == b;
	case BPF_JNE: return a != b;
	case BPF_JGT: return a > b;
	case BPF_JGE: return a >= b;
	case BPF_JLT: return a < b;
	case BPF_JLE: return a <= b;
	case BPF_JSGT: return sa > sb;
	case BPF_JSGE: return sa >= sb;
	case BPF_JSLT: return sa < sb;
	case BPF_JSLE: return sa <= sb;
	default: return a & b; /* BPF_JSET */
	}
}

enum decision known_decide(const struct known *k, const struct bpf_insn *insn)
{
	const uint64_t a = k->values[insn->dst_reg];
	uint64_t b;
	bool is;

	/* Beyond: what is newer, and compares nothing. */
	if (!operand(k, insn, &b) || !is_number(k, insn->dst_reg) || BPF_OP(insn->code) > BPF_JSLE)
		return UNDECIDED;
	if (insn_class(insn) == BPF_JMP32)
		is = holds(BPF_OP(insn->code), (uint32_t)a, (uint32_t)b, (int32_t)a, (int32_t)b);
	else
		is = holds(BPF_OP(insn->code), a, b, (int64_t)a, (int64_t)b);
	return is ? ALWAYS : NEVER;
}

bool known_merge(struct known *k, const struct known *b)
{
	uint16_t less = (uint16_t)((k->some & ~b->some) | (k->some & (k->settings ^ b->settings)));

	for (unsigned r = 0; r < REGISTERS; r++) {
		if ((k->some & b->some & bit(r)) && k->values[r] != b->values[r])
			less |= bit(r);
	}
	forget(k, less);
	return less;
}

void insn_uses(const struct bpf_insn *insn, uint16_t *reads, uint16_t *writes)
{
	const uint16_t dst = bit(insn->dst_reg), src = bit(insn->src_reg);
	const uint16_t second = BPF_SRC(insn->code) == BPF_X ? src : 0;

	*reads = EVERY;
	*writes = 0;
	switch (insn_class(insn)) {
	case BPF_LD:
		if (is_wide(insn)) {
			*reads = 0;
			*writes = dst;
		}
		break;
	case BPF_LDX:
		*reads = src;
		*writes = dst;
		break;
	case BPF_ST: *reads = dst; break;
	case BPF_STX:
		if (BPF_MODE(insn->code) == BPF_MEM)
			*reads = dst | src;
		break;
	case BPF_ALU:
	case BPF_ALU64:
		*reads = BPF_OP(insn->code) == BPF_MOV ? second : dst | second;
		*writes = dst;
		break;
	default:
		if (is_call(insn)) {
			*reads = ARGUMENTS;
			*writes = RETURNED | ARGUMENTS;
		} else if (is_exit(insn)) {
			*reads = RETURNED;
		} else {
			*reads = is_jump(insn) ? 0 : dst | second;
		}
	}
}
