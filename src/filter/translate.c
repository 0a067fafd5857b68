/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Classic BPF to eBPF, instruction by instruction. The kernel has such a translator too, but its corner cases differ
 * from libpcap's (an X + k that wraps, shifts by 32 and more), and it reads nothing but socket filters.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "filter/ebpf.h"

/* Jumps have 16 bits. Those that have found no target for so long get a landing pad: */
#define PAD_WHEN 20000 /* as soon as the oldest is that far back, */
#define PAD_OLD 8000   /* all that are this far back. */

static void jump(struct ebpf *e, uint8_t op, int32_t imm, const struct ebpf_jump *j)
{
	struct ebpf_jump *jumps = ebpf_grow(e, e->jumps, e->njumps, &e->jumps_cap, sizeof(*jumps));
	bool x = BPF_SRC(op) == BPF_X;

	if (!jumps)
		return;
	e->jumps = jumps;
	jumps[e->njumps] = *j;
	jumps[e->njumps++].at = e->n;
	if (j->always)
		ebpf_emit(e, op, 0, 0, 0, 0);
	else
		ebpf_emit(e, op, REG_A, x ? REG_X : 0, 0, x ? 0 : imm);
}

static void jump_always(struct ebpf *e, uint32_t target, bool turn)
{
	jump(e, BPF_JMP | BPF_JA, 0, &(struct ebpf_jump){ .target = target, .always = true, .turn = turn });
}

static bool jump_pending(const struct ebpf *e, const struct ebpf_jump *j)
{
	return j->always && e->pos[j->target] == EBPF_NOWHERE;
}

/* The pad for a target among those from first on; its imm holds the target until all are there. */
static uint32_t pad_for(struct ebpf *e, uint32_t first, uint32_t target)
{
	for (uint32_t i = first; i < e->n; i++)
		if ((uint32_t)e->insns[i].imm == target)
			return i;
	ebpf_emit(e, BPF_JMP | BPF_JA, 0, 0, 0, (int32_t)target);
	return e->n - 1;
}

static void pads_emit(struct ebpf *e)
{
	uint32_t here = e->n;

	for (uint32_t i = 0; i < e->njumps && !e->err; i++) {
		struct ebpf_jump *j = &e->jumps[i];
		uint32_t pad;

		if (!jump_pending(e, j) || here - j->at <= PAD_OLD)
			continue;
		pad = pad_for(e, here, j->target);
		if (e->err)
			return;
		e->insns[j->at].off = (int16_t)(pad - j->at - 1);
		j->at = pad; /* now the pad is what waits for the target */
	}
	for (uint32_t i = here; i < e->n; i++)
		e->insns[i].imm = 0;
}

static void pads(struct ebpf *e, bool falls_in)
{
	uint32_t oldest = e->n, skip = e->n;

	for (uint32_t i = 0; i < e->njumps; i++)
		if (jump_pending(e, &e->jumps[i]) && e->jumps[i].at < oldest)
			oldest = e->jumps[i].at;
	if (e->n - oldest < PAD_WHEN)
		return;
	if (falls_in)
		ebpf_emit(e, BPF_JMP | BPF_JA, 0, 0, 0, 0);
	pads_emit(e);
	if (falls_in)
		ebpf_land(e, skip);
}

/* Makes the verifier forget what it knows about X. Otherwise it foresees the outcome of the range checks of "ld [x+k]",
 * must then keep X precise, and explores every path of every turn. */
static void launder_x(struct ebpf *e)
{
	enum { HIGH_HALF = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 0 : 2, LOW_HALF = 2 - HIGH_HALF };

	ebpf_store(e, BPF_W, REG_FP, SLOT_BUFFER, REG_X);
	ebpf_load(e, BPF_H, BPF_REG_1, REG_FP, SLOT_BUFFER + LOW_HALF);
	ebpf_load(e, BPF_H, REG_X, REG_FP, SLOT_BUFFER + HIGH_HALF);
	ebpf_emit(e, BPF_ALU | BPF_LSH | BPF_K, REG_X, 0, 0, 16);
	ebpf_emit(e, BPF_ALU | BPF_OR | BPF_X, REG_X, BPF_REG_1, 0, 0);
}

static void loop_enter(struct ebpf *e, uint32_t i)
{
	if (e->flow.entered[i]) /* else it would be dead code */
		ebpf_mov_imm(e, REG_TURNS, 0);
	e->turn[i] = e->n;
	launder_x(e);
}

static void put_load(struct ebpf *e, const struct filter_insn *p)
{
	uint8_t dst = BPF_CLASS(p->code) == BPF_LD ? REG_A : REG_X;
	struct ebpf_load load = { .k = p->k, .size = BPF_SIZE(p->code), .dst = dst };

	if (filter_insn_is_meta(p)) {
		load_meta(e, p->k - (uint32_t)SKF_AD_OFF);
		return;
	}
	switch (BPF_MODE(p->code)) {
	case BPF_IMM: ebpf_mov32_imm(e, dst, p->k); break;
	case BPF_MEM: ebpf_load(e, BPF_W, dst, REG_FP, ebpf_mem_slot(p->k)); break;
	case BPF_LEN:
		if (e->flavour == FLAVOUR_MEMORY)
			ebpf_load(e, BPF_W, dst, REG_FP, SLOT_LEN);
		else
			ebpf_load(e, BPF_W, dst, REG_CTX, (int)offsetof(struct __sk_buff, len));
		break;
	case BPF_MSH:
		load_packet(e, &load);
		ebpf_emit(e, BPF_ALU | BPF_AND | BPF_K, REG_X, 0, 0, 0xf);
		ebpf_emit(e, BPF_ALU | BPF_LSH | BPF_K, REG_X, 0, 0, 2);
		break;
	default: load.indirect = BPF_MODE(p->code) == BPF_IND; load_packet(e, &load);
	}
}

/* Shifts by more than 31 give 0. */
static void put_shift(struct ebpf *e, const struct filter_insn *p)
{
	uint8_t op = BPF_ALU | BPF_OP(p->code);

	if (BPF_SRC(p->code) == BPF_X) {
		ebpf_emit(e, BPF_JMP32 | BPF_JLT | BPF_K, REG_X, 0, 2, 32);
		ebpf_mov32_imm(e, REG_A, 0);
		ebpf_emit(e, BPF_JMP | BPF_JA, 0, 0, 1, 0);
		ebpf_emit(e, op | BPF_X, REG_A, REG_X, 0, 0);
	} else if (p->k > 31) {
		ebpf_mov32_imm(e, REG_A, 0);
	} else {
		ebpf_emit(e, op | BPF_K, REG_A, 0, 0, (int32_t)p->k);
	}
}

static void put_alu(struct ebpf *e, const struct filter_insn *p)
{
	bool x = BPF_SRC(p->code) == BPF_X;

	switch (BPF_OP(p->code)) {
	case BPF_LSH:
	case BPF_RSH: put_shift(e, p); return;
	case BPF_NEG: ebpf_emit(e, BPF_ALU | BPF_NEG, REG_A, 0, 0, 0); return;
	case BPF_DIV:
	case BPF_MOD:
		if (x)
			ebpf_reject_if(e, BPF_JMP32 | BPF_JEQ | BPF_K, REG_X, 0, 0);
	}
	ebpf_emit(e, (uint8_t)p->code, REG_A, x ? REG_X : 0, 0, x ? 0 : (int32_t)p->k);
}

static uint8_t inverse(uint8_t op)
{
	switch (op) {
	case BPF_JEQ: return BPF_JNE;
	case BPF_JGT: return BPF_JLE;
	default: return BPF_JLT; /* of BPF_JGE */
	}
}

/* next: what is emitted after this. Returns whether control can get there without a jump. */
static bool put_branch(struct ebpf *e, const struct filter_insn *p, uint32_t i, uint32_t next)
{
	uint32_t yes = i + 1 + p->jt, no = i + 1 + p->jf;
	uint8_t base = BPF_JMP32 | BPF_SRC(p->code), op = BPF_OP(p->code);

	if (yes == no) {
		if (yes != next)
			jump_always(e, yes, false);
		return yes == next;
	}
	if (yes == next && op != BPF_JSET) {
		jump(e, base | inverse(op), (int32_t)p->k, &(struct ebpf_jump){ .target = no });
		return true;
	}
	jump(e, base | op, (int32_t)p->k, &(struct ebpf_jump){ .target = yes });
	if (no != next)
		jump_always(e, no, false);
	return no == next;
}

static bool put_jump(struct ebpf *e, const struct filter_insn *p, uint32_t i, uint32_t next)
{
	bool turn = (int32_t)p->k < 0;

	if (BPF_OP(p->code) != BPF_JA)
		return put_branch(e, p, i, next);
	if (turn) {
		ebpf_alu_imm(e, BPF_ADD, REG_TURNS, 1);
		ebpf_reject_if(e, BPF_JMP | BPF_JGT | BPF_K, REG_TURNS, 0, FILTER_LOOP_TURNS);
	}
	jump_always(e, i + 1 + p->k, turn);
	return false;
}

/* Returns whether control goes on to what is emitted next. */
static bool put_insn(struct ebpf *e, uint32_t i, uint32_t next)
{
	const struct filter_insn *p = &e->code[i];

	if (filter_insn_rejects(p)) {
		ebpf_reject(e);
		return false;
	}
	switch (BPF_CLASS(p->code)) {
	case BPF_LD:
	case BPF_LDX: put_load(e, p); return true;
	case BPF_ST:
	case BPF_STX:
		if (e->flow.mem_read & 1u << p->k) /* what nobody reads has no stack */
			ebpf_store(e, BPF_W, REG_FP, ebpf_mem_slot(p->k), BPF_CLASS(p->code) == BPF_ST ? REG_A : REG_X);
		return true;
	case BPF_ALU: put_alu(e, p); return true;
	case BPF_JMP: return put_jump(e, p, i, next);
	case BPF_RET:
		if (BPF_RVAL(p->code) == BPF_A)
			ebpf_mov32(e, BPF_REG_0, REG_A);
		else
			ebpf_mov32_imm(e, BPF_REG_0, p->k);
		ebpf_emit(e, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
		return false;
	default:
		if (BPF_MISCOP(p->code) == BPF_TAX)
			ebpf_mov32(e, REG_X, REG_A);
		else
			ebpf_mov32(e, REG_A, REG_X);
		return true;
	}
}

static void put_prologue(struct ebpf *e)
{
	load_prologue(e);
	ebpf_mov32_imm(e, REG_A, 0);
	ebpf_mov32_imm(e, REG_X, 0);
	if (e->flow.loops)
		ebpf_mov_imm(e, REG_TURNS, 0); /* for a loop that is entered in its middle */
	for (uint32_t i = 0; i < FILTER_MEMORY_WORDS; i++)
		if (e->flow.mem_read & 1u << i)
			ebpf_store(e, BPF_DW, REG_FP, ebpf_mem_slot(i), REG_X);
}

static void jumps_resolve(struct ebpf *e)
{
	for (uint32_t i = 0; i < e->njumps && !e->err; i++) {
		const struct ebpf_jump *j = &e->jumps[i];
		uint32_t to = j->turn ? e->turn[j->target] : e->pos[j->target];
		int64_t distance = (int64_t)to - j->at - 1;

		if (distance > INT16_MAX || distance < INT16_MIN)
			e->err = -E2BIG;
		else
			e->insns[j->at].off = (int16_t)distance;
	}
}

static int put_all(struct ebpf *e)
{
	bool falls_in = true;

	put_prologue(e);
	for (uint32_t i = 0; i < e->ncode && !e->err; i++) {
		uint32_t next = i + 1;

		if (!e->flow.live[i]) /* the verifier refuses dead code */
			continue;
		while (next < e->ncode && !e->flow.live[next])
			next++;
		pads(e, falls_in);
		e->pos[i] = e->n;
		if (e->flow.head[i])
			loop_enter(e, i);
		falls_in = put_insn(e, i, next);
	}
	load_slows(e);
	jumps_resolve(e);
	return e->err;
}

static int translate_as(struct ebpf *e, bool slow_inline)
{
	e->slow_inline = slow_inline;
	e->err = 0;
	e->n = e->njumps = e->nslows = 0;
	e->reject = e->likely_x = -1;
	memset(e->pos, 0xff, e->ncode * sizeof(*e->pos));
	return put_all(e);
}

int filter_translate(const struct filter_code *code, enum filter_flavour flavour, struct filter_body *ret)
{
	struct ebpf e = { .code = code->insns, .ncode = code->n, .flavour = flavour, .lenient = code->lenient };
	int rc;
	rc = filter_flow_new(code->insns, code->n, &e.flow);
	if (rc)
		return rc;
	/* Variable packet pointers in a loop cost the verifier ten times the states. */
	if (e.flow.loops && flavour == FLAVOUR_DIRECT)
		e.flavour = FLAVOUR_LOAD_BYTES;
	rc = -ENOMEM;
	e.pos = calloc(e.ncode, sizeof(*e.pos));
	e.turn = calloc(e.ncode, sizeof(*e.turn));
	if (!e.pos || !e.turn)
		goto out;
	rc = translate_as(&e, false);
	if (rc == -E2BIG)
		rc = translate_as(&e, true);
	if (!rc) {
		*ret = (struct filter_body){ .insns = e.insns, .n = e.n };
		e.insns = NULL;
	}
out:
	filter_flow_done(&e.flow);
	free(e.insns);
	free(e.jumps);
	free(e.slows);
	free(e.pos);
	free(e.turn);
	return rc;
}

void filter_body_done(struct filter_body *body)
{
	free(body->insns);
	*body = (struct filter_body){ 0 };
}
