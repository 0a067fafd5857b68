/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs classic BPF on a packet in user space, with the verdicts of libpcap's own interpreter. It is faster because
 * the code is decoded once, a load with the comparison that follows it being one step, and it always ends: libpcap
 * 1.10's turns for ever on a crafted packet with "vlan and ip6 protochain 6".
 */
#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>

#include "filter/code.h"
#include "filter/expr.h"

/* Of all loops together: one within another, which libpcap does not write, starts to count anew with each turn. */
#define ALL_TURNS (64 * FILTER_LOOP_TURNS)

enum op_kind {
	OP_REJECT,
	OP_RET_K,
	OP_RET_A,
	OP_LD_W,
	OP_LD_H,
	OP_LD_B,
	OP_LD_W_JEQ, /* OP_LD_W, then OP_JEQ_K with k2 */
	OP_LD_H_JEQ,
	OP_LD_B_JEQ,
	OP_IND_W,
	OP_IND_H,
	OP_IND_B,
	OP_META,
	OP_TERM,
	OP_LD_IMM,
	OP_LD_MEM,
	OP_LD_LEN,
	OP_LDX_IMM,
	OP_LDX_MEM,
	OP_LDX_LEN,
	OP_LDX_MSH,
	OP_ST,
	OP_STX,
	OP_TAX,
	OP_TXA,
	OP_NEG,
	OP_ADD, /* ALU: A op= k; in this order, each followed by its form with X */
	OP_ADD_X,
	OP_SUB,
	OP_SUB_X,
	OP_MUL,
	OP_MUL_X,
	OP_DIV,
	OP_DIV_X,
	OP_MOD,
	OP_MOD_X,
	OP_AND,
	OP_AND_X,
	OP_OR,
	OP_OR_X,
	OP_XOR,
	OP_XOR_X,
	OP_LSH,
	OP_LSH_X,
	OP_RSH,
	OP_RSH_X,
	OP_JEQ,
	OP_JEQ_X,
	OP_JGT,
	OP_JGT_X,
	OP_JGE,
	OP_JGE_X,
	OP_JSET,
	OP_JSET_X,
	OP_JEQ_LIST, /* OP_JEQ that goes on to the next op when it fails */
	OP_JA,
	OP_LOOP_ENTER, /* stands before the first instruction of a loop */
	OP_LOOP_TURN,  /* a backward jump, to behind OP_LOOP_ENTER */
};

struct filter_op {
	uint32_t kind;
	uint32_t k;
	uint32_t jt, jf; /* indexes */
	uint32_t k2;
};

static uint32_t alu_kind(const struct filter_insn *p)
{
	static const uint8_t kinds[16] = {
		[BPF_ADD >> 4] = OP_ADD, [BPF_SUB >> 4] = OP_SUB, [BPF_MUL >> 4] = OP_MUL, [BPF_DIV >> 4] = OP_DIV,
		[BPF_MOD >> 4] = OP_MOD, [BPF_AND >> 4] = OP_AND, [BPF_OR >> 4] = OP_OR,   [BPF_XOR >> 4] = OP_XOR,
		[BPF_LSH >> 4] = OP_LSH, [BPF_RSH >> 4] = OP_RSH, [BPF_NEG >> 4] = OP_NEG,
	};

	return kinds[BPF_OP(p->code) >> 4] + (BPF_SRC(p->code) == BPF_X);
}

static uint32_t load_kind(const struct filter_insn *p)
{
	bool to_x = BPF_CLASS(p->code) == BPF_LDX;
	uint32_t size = BPF_SIZE(p->code) == BPF_W ? 0 : BPF_SIZE(p->code) == BPF_H ? 1 : 2;

	if (filter_insn_rejects(p))
		return OP_REJECT;
	if (filter_insn_term(p) >= 0)
		return OP_TERM;
	if (filter_insn_is_meta(p))
		return OP_META;
	switch (BPF_MODE(p->code)) {
	case BPF_IMM: return to_x ? OP_LDX_IMM : OP_LD_IMM;
	case BPF_MEM: return to_x ? OP_LDX_MEM : OP_LD_MEM;
	case BPF_LEN: return to_x ? OP_LDX_LEN : OP_LD_LEN;
	case BPF_MSH: return OP_LDX_MSH;
	case BPF_IND: return OP_IND_W + size;
	default: return OP_LD_W + size;
	}
}

static uint32_t jump_kind(const struct filter_insn *p)
{
	uint32_t x = BPF_SRC(p->code) == BPF_X;

	switch (BPF_OP(p->code)) {
	case BPF_JEQ: return OP_JEQ + x;
	case BPF_JGT: return OP_JGT + x;
	case BPF_JGE: return OP_JGE + x;
	case BPF_JSET: return OP_JSET + x;
	default: return (int32_t)p->k < 0 ? OP_LOOP_TURN : OP_JA;
	}
}

static uint32_t op_kind(const struct filter_insn *p)
{
	switch (BPF_CLASS(p->code)) {
	case BPF_LD:
	case BPF_LDX: return load_kind(p);
	case BPF_ST: return OP_ST;
	case BPF_STX: return OP_STX;
	case BPF_ALU: return alu_kind(p);
	case BPF_JMP: return jump_kind(p);
	case BPF_RET: return BPF_RVAL(p->code) == BPF_A ? OP_RET_A : OP_RET_K;
	default: return BPF_MISCOP(p->code) == BPF_TAX ? OP_TAX : OP_TXA;
	}
}

/* pos: index of each instruction's op, that of its OP_LOOP_ENTER if it has one. */
static struct filter_op op_decode(const struct filter_insn *insns, uint32_t i, const uint32_t *pos)
{
	const struct filter_insn *p = &insns[i];
	struct filter_op op = { .kind = op_kind(p), .k = p->k };

	if (op.kind == OP_META)
		op.k -= (uint32_t)SKF_AD_OFF;
	if (op.kind == OP_TERM)
		op.k -= FILTER_TERM_OFF;
	if ((op.kind == OP_LSH || op.kind == OP_RSH) && p->k > 31)
		op = (struct filter_op){ .kind = OP_LD_IMM };
	if (op.kind == OP_JA)
		op.jt = pos[i + 1 + p->k];
	if (op.kind == OP_LOOP_TURN)
		op.jt = pos[i + 1 + p->k] + 1;
	if (op.kind >= OP_JEQ && op.kind <= OP_JSET_X) {
		op.jt = pos[i + 1 + p->jt];
		op.jf = pos[i + 1 + p->jf];
	}
	return op;
}

/* Instructions keep an op of their own when their predecessor has swallowed them: a jump may end there. */
static void ops_fuse(struct filter_op *ops, uint32_t n)
{
	for (uint32_t i = 0; i + 1 < n; i++) {
		if (ops[i].kind < OP_LD_W || ops[i].kind > OP_LD_B || ops[i + 1].kind != OP_JEQ)
			continue;
		ops[i].kind += OP_LD_W_JEQ - OP_LD_W;
		ops[i].k2 = ops[i + 1].k;
		ops[i].jt = ops[i + 1].jt;
		ops[i].jf = ops[i + 1].jf;
	}
	for (uint32_t i = 0; i < n; i++)
		if (ops[i].kind == OP_JEQ && ops[i].jf == i + 1)
			ops[i].kind = OP_JEQ_LIST;
}

/* Long jumps of libpcap's are a conditional one around a JA, which then needs no op: who jumps to it goes on to its
 * target. */
static bool has_op(const struct filter_insn *insns, uint32_t i, const struct filter_flow *flow)
{
	const struct filter_insn *p = &insns[i];
	bool fallen_into;

	if (!flow->live[i])
		return false;
	fallen_into = i == 0 || (BPF_CLASS(insns[i - 1].code) != BPF_JMP && BPF_CLASS(insns[i - 1].code) != BPF_RET);
	return p->code != (BPF_JMP | BPF_JA) || (int32_t)p->k < 0 || flow->head[i] || fallen_into;
}

/* Sets pos, returns the number of ops. */
static uint32_t ops_place(const struct filter_insn *insns, uint32_t n, const struct filter_flow *flow, uint32_t *pos)
{
	uint32_t nops = 0;

	for (uint32_t i = 0; i < n; i++) {
		pos[i] = nops;
		if (has_op(insns, i, flow))
			nops += 1 + flow->head[i];
	}
	for (uint32_t i = n; i-- > 0;)
		if (flow->live[i] && !has_op(insns, i, flow))
			pos[i] = pos[i + 1 + insns[i].k];
	return nops;
}

int filter_ops_new(const struct filter_insn *insns, uint32_t n, struct filter_op **ret)
{
	uint32_t *pos = malloc(n * sizeof(*pos)), nops;
	struct filter_op *ops = NULL;
	struct filter_flow flow = { 0 };
	int rc = -ENOMEM;

	if (!pos || filter_flow_new(insns, n, &flow))
		goto out;
	nops = ops_place(insns, n, &flow, pos);
	ops = calloc(nops, sizeof(*ops));
	if (!ops)
		goto out;
	for (uint32_t i = 0; i < n; i++) {
		if (!has_op(insns, i, &flow))
			continue;
		if (flow.head[i])
			ops[pos[i]].kind = OP_LOOP_ENTER;
		ops[pos[i] + flow.head[i]] = op_decode(insns, i, pos);
	}
	ops_fuse(ops, nops);
	*ret = ops;
	rc = 0;
out:
	filter_flow_done(&flow);
	free(pos);
	return rc;
}

static inline uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

/* false: not known here, which rejects. */
static bool meta_load(const struct filter_meta *meta, uint32_t what, uint32_t *a)
{
	if (!meta)
		return false;
	switch (what) {
	case SKF_AD_PKTTYPE: *a = meta->pkt_type; return true;
	case SKF_AD_IFINDEX: *a = meta->ifindex; return meta->ifindex != 0;
	case SKF_AD_VLAN_TAG: *a = meta->vlan_tci; return true;
	case SKF_AD_VLAN_TAG_PRESENT: *a = meta->vlan_present; return true;
	case SKF_AD_VLAN_TPID: *a = meta->vlan_proto; return true;
	default: return false;
	}
}

static inline bool in_packet(uint64_t offset, uint32_t size, uint32_t caplen)
{
	return offset + size <= caplen;
}

/* beyond: the verdict on a packet that is too short for a load, or has a division by zero, or too many turns. */
static bool run(const struct filter_op *ops, const uint8_t *data, uint32_t caplen, uint32_t len,
		const struct filter_meta *meta, const struct filter_truth *truth, bool beyond)
{
	uint32_t a = 0, x = 0, turns = 0, all_turns = 0, mem[FILTER_MEMORY_WORDS] = { 0 };
	const struct filter_op *p = ops;
	uint64_t at;

	for (;;) {
		switch ((enum op_kind)p->kind) {
		case OP_REJECT: return beyond;
		case OP_RET_K: return p->k != 0;
		case OP_RET_A: return a != 0;
		case OP_LD_W:
			if (!in_packet(p->k, 4, caplen))
				return beyond;
			a = get32(data + p->k);
			break;
		case OP_LD_W_JEQ:
			if (!in_packet(p->k, 4, caplen))
				return beyond;
			a = get32(data + p->k);
			p = ops + (a == p->k2 ? p->jt : p->jf);
			continue;
		case OP_IND_W:
			at = (uint64_t)x + p->k;
			if (!in_packet(at, 4, caplen))
				return beyond;
			a = get32(data + at);
			break;
		case OP_LD_H:
			if (!in_packet(p->k, 2, caplen))
				return beyond;
			a = get16(data + p->k);
			break;
		case OP_LD_H_JEQ:
			if (!in_packet(p->k, 2, caplen))
				return beyond;
			a = get16(data + p->k);
			p = ops + (a == p->k2 ? p->jt : p->jf);
			continue;
		case OP_IND_H:
			at = (uint64_t)x + p->k;
			if (!in_packet(at, 2, caplen))
				return beyond;
			a = get16(data + at);
			break;
		case OP_LD_B:
			if (!in_packet(p->k, 1, caplen))
				return beyond;
			a = data[p->k];
			break;
		case OP_LD_B_JEQ:
			if (!in_packet(p->k, 1, caplen))
				return beyond;
			a = data[p->k];
			p = ops + (a == p->k2 ? p->jt : p->jf);
			continue;
		case OP_IND_B:
			at = (uint64_t)x + p->k;
			if (!in_packet(at, 1, caplen))
				return beyond;
			a = data[at];
			break;
		case OP_META:
			if (!meta_load(meta, p->k, &a))
				return beyond;
			break;
		case OP_TERM:
			if (!truth)
				return beyond;
			a = truth->bits[p->k / 64] >> p->k % 64 & 1;
			break;
		case OP_LD_IMM: a = p->k; break;
		case OP_LD_MEM: a = mem[p->k]; break;
		case OP_LD_LEN: a = len; break;
		case OP_LDX_IMM: x = p->k; break;
		case OP_LDX_MEM: x = mem[p->k]; break;
		case OP_LDX_LEN: x = len; break;
		case OP_LDX_MSH:
			if (!in_packet(p->k, 1, caplen))
				return beyond;
			x = (data[p->k] & 0xfu) << 2;
			break;
		case OP_ST: mem[p->k] = a; break;
		case OP_STX: mem[p->k] = x; break;
		case OP_TAX: x = a; break;
		case OP_TXA: a = x; break;
		case OP_NEG: a = -a; break;
		case OP_ADD: a += p->k; break;
		case OP_ADD_X: a += x; break;
		case OP_SUB: a -= p->k; break;
		case OP_SUB_X: a -= x; break;
		case OP_MUL: a *= p->k; break;
		case OP_MUL_X: a *= x; break;
		case OP_DIV: a /= p->k; break;
		case OP_DIV_X:
			if (!x)
				return beyond;
			a /= x;
			break;
		case OP_MOD: a %= p->k; break;
		case OP_MOD_X:
			if (!x)
				return beyond;
			a %= x;
			break;
		case OP_AND: a &= p->k; break;
		case OP_AND_X: a &= x; break;
		case OP_OR: a |= p->k; break;
		case OP_OR_X: a |= x; break;
		case OP_XOR: a ^= p->k; break;
		case OP_XOR_X: a ^= x; break;
		case OP_LSH: a <<= p->k; break;
		case OP_LSH_X: a = x < 32 ? a << x : 0; break;
		case OP_RSH: a >>= p->k; break;
		case OP_RSH_X: a = x < 32 ? a >> x : 0; break;
		case OP_JEQ: p = ops + (a == p->k ? p->jt : p->jf); continue;
		case OP_JEQ_LIST: /* hundreds in a row for lists of hosts or ports */
			while (p->kind == OP_JEQ_LIST && a != p->k)
				p++;
			if (p->kind == OP_JEQ_LIST)
				p = ops + p->jt;
			continue;
		case OP_JEQ_X: p = ops + (a == x ? p->jt : p->jf); continue;
		case OP_JGT: p = ops + (a > p->k ? p->jt : p->jf); continue;
		case OP_JGT_X: p = ops + (a > x ? p->jt : p->jf); continue;
		case OP_JGE: p = ops + (a >= p->k ? p->jt : p->jf); continue;
		case OP_JGE_X: p = ops + (a >= x ? p->jt : p->jf); continue;
		case OP_JSET: p = ops + (a & p->k ? p->jt : p->jf); continue;
		case OP_JSET_X: p = ops + (a & x ? p->jt : p->jf); continue;
		case OP_JA: p = ops + p->jt; continue;
		case OP_LOOP_ENTER: turns = 0; break;
		case OP_LOOP_TURN:
			if (++turns > FILTER_LOOP_TURNS || ++all_turns > ALL_TURNS)
				return beyond;
			p = ops + p->jt;
			continue;
		}
		p++;
	}
}

/* NULL: the code has no terms, and a load that looks like one fails as any does that far out. */
static const struct filter_truth *truth_for(const struct filter_code *code, const struct filter_truth *truth)
{
	static const struct filter_truth nothing;

	return !code->expr ? NULL : truth ? truth : &nothing;
}

bool filter_match(const struct filter_code *code, const uint8_t *data, uint32_t caplen, uint32_t len,
		  const struct filter_truth *truth)
{
	return !code->ops || run(code->ops, data, caplen, len, NULL, truth_for(code, truth), code->lenient);
}

bool filter_match_live(const struct filter_code *code, const uint8_t *data, uint32_t caplen, uint32_t len,
		       const struct filter_meta *meta, const struct filter_truth *truth)
{
	return !code->ops || run(code->ops, data, caplen, len, meta, truth_for(code, truth), code->lenient);
}
