/* SPDX-License-Identifier: BSD-3-Clause */
/* What settings rule out is cut, what is told of instructions follows them, and programs do what they did. */
#include "capture/prune.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>

#include "capture/prune_known.h"
#include "check.h"

enum { MAP = 33, OTHER_MAP = 34, INSNS = 80 };

#define MOV(to, number)                                                                                                \
	{                                                                                                              \
		.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (to), .imm = (number)                                  \
	}
#define COPY(to, from)                                                                                                 \
	{                                                                                                              \
		.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (to), .src_reg = (from)                                \
	}
#define ALU(op, to, from)                                                                                              \
	{                                                                                                              \
		.code = BPF_ALU64 | (op) | BPF_X, .dst_reg = (to), .src_reg = (from)                                   \
	}
#define SETTING(to, map, at)                                                                                           \
	{ .code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = (to), .src_reg = BPF_PSEUDO_MAP_VALUE, .imm = (map) },         \
	{                                                                                                              \
		.imm = (at)                                                                                            \
	}
#define FUNCTION(to, at)                                                                                               \
	{ .code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = (to), .src_reg = BPF_PSEUDO_FUNC, .imm = (at) },               \
	{                                                                                                              \
		.code = 0                                                                                              \
	}
#define LOAD(to, from, at)                                                                                             \
	{                                                                                                              \
		.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = (to), .src_reg = (from), .off = (at)                     \
	}
#define IF(op, reg, number, to)                                                                                        \
	{                                                                                                              \
		.code = BPF_JMP | (op) | BPF_K, .dst_reg = (reg), .imm = (number), .off = (to)                         \
	}
#define GO(to)                                                                                                         \
	{                                                                                                              \
		.code = BPF_JMP | BPF_JA, .off = (to)                                                                  \
	}
#define CALL(to)                                                                                                       \
	{                                                                                                              \
		.code = BPF_JMP | BPF_CALL, .src_reg = BPF_PSEUDO_CALL, .imm = (to)                                    \
	}
#define HELP(number)                                                                                                   \
	{                                                                                                              \
		.code = BPF_JMP | BPF_CALL, .imm = (number)                                                            \
	}
#define EXIT                                                                                                           \
	{                                                                                                              \
		.code = BPF_JMP | BPF_EXIT                                                                             \
	}

static const uint32_t settings_data[] = { 0, 1, 5, 0x80000000 };
static const struct prune_settings settings = { .map_fd = MAP, .data = settings_data, .size = sizeof(settings_data) };

static struct bpf_insn got[INSNS];
static uint32_t functions[8], lines[INSNS][2];
static uint32_t nfunctions, nlines;

/* With a line for each instruction, whose second number is where it was. */
static long run(const struct bpf_insn *insns, size_t n)
{
	struct prune_info f = { functions, nfunctions, sizeof(functions[0]) }, l = { lines, 0, sizeof(lines[0]) };
	long left;

	memcpy(got, insns, n * sizeof(*insns));
	for (uint32_t i = 0; i < n; i++) {
		if (insns[i].code) {
			lines[l.n][0] = lines[l.n][1] = i;
			l.n++;
		}
	}
	left = prune(got, n, &settings, &f, &l);
	nfunctions = f.n;
	nlines = l.n;
	return left;
}

#define RUN_ON(insns) run(insns, sizeof(insns) / sizeof((insns)[0]))

static void test_dead_branch(void)
{
	static const struct bpf_insn program[] = {
		MOV(0, 7), SETTING(1, MAP, 0), LOAD(1, 1, 4), IF(BPF_JNE, 1, 0, 2), MOV(0, 8), EXIT, EXIT,
	};
	static const struct bpf_insn wanted[] = { MOV(0, 7), EXIT };

	CHECK_INT(RUN_ON(program), 2);
	CHECK_MEM(got, wanted, sizeof(wanted));
	CHECK_INT(nlines, 2);
	CHECK(lines[0][0] == 0 && lines[0][1] == 0 && lines[1][0] == 1 && lines[1][1] == 7);
}

static void test_live_branch(void)
{
	static const struct bpf_insn program[] = {
		MOV(0, 7), SETTING(1, MAP, 0), LOAD(1, 1, 0), IF(BPF_JNE, 1, 0, 2), MOV(0, 8), EXIT, EXIT,
	};
	static const struct bpf_insn wanted[] = { MOV(0, 8), EXIT };

	CHECK_INT(RUN_ON(program), 2);
	CHECK_MEM(got, wanted, sizeof(wanted));
}

/* Another map may change, and so may what is read beyond the settings. */
static void test_unknown_stays(void)
{
	static const struct bpf_insn other[] = {
		SETTING(1, OTHER_MAP, 0), LOAD(1, 1, 4), IF(BPF_JNE, 1, 0, 1), EXIT, MOV(0, 1), EXIT
	};
	static const struct bpf_insn beyond[] = { SETTING(1, MAP, 13), LOAD(1, 1, 0), IF(BPF_JNE, 1, 0, 1), EXIT,
						  MOV(0, 1),	       EXIT };
	static const struct bpf_insn given[] = { LOAD(2, 1, 4), IF(BPF_JNE, 2, 0, 1), EXIT, MOV(0, 1), EXIT };
	static const struct bpf_insn returned[] = { MOV(1, 0), HELP(5), IF(BPF_JNE, 0, 0, 1), EXIT, MOV(0, 1), EXIT };
	/* goto of 32 bits */
	static const struct bpf_insn far[] = { { .code = BPF_JMP32 | BPF_JA }, MOV(0, 1), EXIT };

	CHECK_INT(RUN_ON(other), 7);
	CHECK_MEM(got, other, sizeof(other));
	CHECK_INT(RUN_ON(beyond), 7);
	CHECK_INT(RUN_ON(given), 5);
	CHECK_INT(RUN_ON(returned), 6);
	CHECK_INT(RUN_ON(far), 3);
	CHECK_MEM(got, far, sizeof(far));
}

static void test_values(void)
{
	static const struct bpf_insn program[] = { SETTING(6, MAP, 0), LOAD(0, 6, 12), EXIT };
	static const struct bpf_insn wanted[] = { { .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = 0, .imm = INT32_MIN },
						  EXIT };

	CHECK_INT(RUN_ON(program), 2);
	CHECK_MEM(got, wanted, sizeof(wanted));
}

static void test_functions(void)
{
	/* The first function is called only when a setting is not 0; the second calls the third. */
	static const struct bpf_insn program[] = {
		SETTING(6, MAP, 0),
		LOAD(6, 6, 0),
		IF(BPF_JEQ, 6, 0, 1),
		CALL(2),
		CALL(3),
		EXIT,
		MOV(0, 1),
		EXIT,
		CALL(1),
		EXIT,
		MOV(0, 3),
		EXIT,
	};
	static const struct bpf_insn wanted[] = { CALL(1), EXIT, CALL(1), EXIT, MOV(0, 3), EXIT };

	nfunctions = 4;
	memcpy(functions, (const uint32_t[]){ 0, 7, 9, 11 }, 4 * sizeof(functions[0]));
	CHECK_INT(RUN_ON(program), 6);
	CHECK_MEM(got, wanted, sizeof(wanted));
	CHECK_INT(nfunctions, 3);
	CHECK(functions[0] == 0 && functions[1] == 2 && functions[2] == 4);
	nfunctions = 0;
}

/* Whose address is not used any more, as what was to call it is cut: the kernel knows functions by who names them. */
static void test_named_function(void)
{
	static const struct bpf_insn program[] = {
		FUNCTION(2, 8), SETTING(1, MAP, 0), LOAD(1, 1, 0), IF(BPF_JEQ, 1, 0, 1), HELP(181), MOV(0, 0),
		EXIT,		MOV(0, 1),	    EXIT,
	};
	static const struct bpf_insn wanted[] = { FUNCTION(2, 3), MOV(0, 0), EXIT, MOV(0, 1), EXIT };

	nfunctions = 2;
	memcpy(functions, (const uint32_t[]){ 0, 9 }, 2 * sizeof(functions[0]));
	CHECK_INT(RUN_ON(program), 6);
	CHECK_MEM(got, wanted, sizeof(wanted));
	CHECK_INT(nfunctions, 2);
	CHECK_INT(functions[1], 4);
	nfunctions = 0;
}

static void test_loop(void)
{
	/* What is 0 at first is not 0 later. */
	static const struct bpf_insn program[] = {
		MOV(6, 0), MOV(0, 0), IF(BPF_JEQ, 6, 0, 1), MOV(0, 9), MOV(6, 1), IF(BPF_JEQ, 0, 0, -4), EXIT,
	};

	CHECK_INT(RUN_ON(program), 7);
	CHECK_MEM(got, program, sizeof(program));
}

/* --- random programs do the same as before ------------------------------------------- */

static uint64_t compute(const struct bpf_insn *insn, uint64_t a, uint64_t b)
{
	const unsigned bits = BPF_CLASS(insn->code) == BPF_ALU64 ? 63 : 31;

	switch (BPF_OP(insn->code)) {
	case BPF_MOV: return b;
	case BPF_ADD: return a + b;
	case BPF_SUB: return a - b;
	case BPF_AND: return a & b;
	case BPF_OR: return a | b;
	case BPF_XOR: return a ^ b;
	case BPF_LSH: return a << (b & bits);
	default: return a >> (b & bits);
	}
}

static bool jumps(const struct bpf_insn *insn, uint64_t a, uint64_t b)
{
	const bool wide = BPF_CLASS(insn->code) == BPF_JMP;
	const int64_t sa = wide ? (int64_t)a : (int32_t)a, sb = wide ? (int64_t)b : (int32_t)b;

	a = wide ? a : (uint32_t)a;
	b = wide ? b : (uint32_t)b;
	switch (BPF_OP(insn->code)) {
	case BPF_JA: return true;
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
	default: return a & b;
	}
}

/* R0 at the end; a helper tells its first argument and gives back that, mixed. Endless loops end by fuel. */
static uint64_t interpret(const struct bpf_insn *insns, size_t at, uint64_t *regs, int *fuel, uint64_t *said)
{
	while ((*fuel)-- > 0) {
		const struct bpf_insn *insn = &insns[at++];
		const uint64_t second = BPF_SRC(insn->code) == BPF_X ? regs[insn->src_reg]
								     : (uint64_t)(int64_t)insn->imm;

		switch (BPF_CLASS(insn->code)) {
		case BPF_LD:
			regs[insn->dst_reg] = (uint64_t)(uintptr_t)settings_data + (uint32_t)insns[at++].imm;
			break;
		case BPF_LDX:
			regs[insn->dst_reg] =
				*(const uint32_t *)(uintptr_t)(regs[insn->src_reg] + (uint64_t)(int64_t)insn->off);
			break;
		case BPF_ALU64: regs[insn->dst_reg] = compute(insn, regs[insn->dst_reg], second); break;
		case BPF_ALU:
			regs[insn->dst_reg] = (uint32_t)compute(insn, (uint32_t)regs[insn->dst_reg], (uint32_t)second);
			break;
		default:
			if (insn->code == (BPF_JMP | BPF_EXIT))
				return regs[0];
			if (insn->code != (BPF_JMP | BPF_CALL)) {
				at += jumps(insn, regs[insn->dst_reg], second) ? (size_t)insn->off : 0;
				break;
			}
			*said = *said * 31 + regs[1] + regs[2] * 7;
			if (insn->src_reg == BPF_PSEUDO_CALL) {
				uint64_t inner[11] = { 0, regs[1], regs[2], regs[3], regs[4], regs[5] };

				regs[0] = interpret(insns, at + (size_t)insn->imm, inner, fuel, said);
			} else {
				regs[0] = *said % 3;
			}
			for (int r = 1; r < 6; r++)
				regs[r] = 0;
		}
	}
	return 0;
}

static unsigned random_below(unsigned n)
{
	return (unsigned)random() % n;
}

/* Jumps lead to what begins an instruction, in the same function. */
static void make_insn(struct bpf_insn *insn, size_t at, size_t first, size_t end)
{
	static const uint8_t alu[] = { BPF_MOV, BPF_ADD, BPF_SUB, BPF_AND, BPF_OR, BPF_XOR, BPF_LSH, BPF_RSH };
	static const uint8_t jump[] = { BPF_JA,	 BPF_JEQ, BPF_JNE,  BPF_JGT,  BPF_JGE,	BPF_JSET,
					BPF_JLT, BPF_JLE, BPF_JSGT, BPF_JSGE, BPF_JSLT, BPF_JSLE };
	const uint8_t x = random_below(2) ? BPF_X : BPF_K;
	const size_t to = first + random_below((unsigned)(end - first));

	*insn = (struct bpf_insn){ .dst_reg = (uint8_t)random_below(10), .imm = (int32_t)random_below(4) - 1 };
	if (x == BPF_X)
		insn->src_reg = (uint8_t)random_below(10);
	switch (random_below(4)) {
	case 0: insn->code = (random_below(2) ? BPF_JMP : BPF_JMP32) | jump[random_below(12)] | x; break;
	default: insn->code = (random_below(2) ? BPF_ALU : BPF_ALU64) | alu[random_below(8)] | x; break;
	}
	if (BPF_CLASS(insn->code) == BPF_JMP32 && BPF_OP(insn->code) == BPF_JA)
		insn->code = BPF_JMP | BPF_JA;
	if (insn->code == (BPF_JMP | BPF_JA | BPF_X))
		insn->code = BPF_JMP | BPF_JA;
	if (BPF_CLASS(insn->code) == BPF_JMP || BPF_CLASS(insn->code) == BPF_JMP32)
		insn->off = (int16_t)((int64_t)to - (int64_t)at - 1);
	if (random_below(12) == 0)
		*insn = (struct bpf_insn)HELP(5);
}

/* Of one function; reads of settings take three instructions that nothing jumps into. */
static void make_function(struct bpf_insn *insns, size_t first, size_t end, size_t called)
{
	for (size_t i = first; i < end; i++)
		make_insn(&insns[i], i, first, end);
	for (size_t i = first; i + 4 < end; i += 1 + random_below(6)) {
		const uint8_t reg = (uint8_t)random_below(10);
		const struct bpf_insn load[] = { SETTING(reg, MAP, 0), LOAD(reg, reg, (int16_t)(4 * random_below(4))) };
		bool free = true;

		for (size_t j = first; j < end; j++) {
			const size_t to = j + 1 + (size_t)insns[j].off;

			free = free && !(insns[j].off && to > i && to < i + 3);
		}
		if (!free)
			continue;
		memcpy(&insns[i], load, sizeof(load));
		i += 3;
	}
	if (called)
		for (size_t i = first; i < end; i++)
			if (insns[i].code == (BPF_JMP | BPF_CALL) && random_below(2))
				insns[i] = (struct bpf_insn)CALL((int32_t)(called - i - 1));
	insns[end - 1] = (struct bpf_insn)EXIT;
}

static void test_random_programs(void)
{
	unsigned cut = 0;

	srandom(1);
	for (int round = 0; round < 20000; round++) {
		struct bpf_insn insns[INSNS];
		const size_t n = 10 + random_below(30), end = n + 5 + random_below(20);
		uint64_t before[11] = { 0 }, after[11] = { 0 }, said = 0, said_then = 0, result;
		int fuel = 3000, fuel_then = 3000;
		long left;

		make_function(insns, 0, n, n);
		make_function(insns, n, end, 0);
		result = interpret(insns, 0, before, &fuel, &said);
		left = run(insns, end);
		CHECK(left > 0 && left <= (long)end);
		cut += (unsigned)(end - (size_t)left);
		if (fuel <= 0)
			continue;
		CHECK_INT(interpret(got, 0, after, &fuel_then, &said_then), result);
		CHECK_INT(said_then, said);
		CHECK(fuel_then >= fuel);
	}
	CHECK(cut > 20000);
}

int main(void)
{
	RUN(test_dead_branch);
	RUN(test_live_branch);
	RUN(test_unknown_stays);
	RUN(test_values);
	RUN(test_functions);
	RUN(test_named_function);
	RUN(test_loop);
	RUN(test_random_programs);
	return check_status();
}
