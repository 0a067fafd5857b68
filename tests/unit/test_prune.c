/* SPDX-License-Identifier: BSD-3-Clause */
/* What settings rule out is cut, what is told of instructions follows them, and programs do what they did, as the kernel wants them. */
#include "capture/prune.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>

#include "capture/prune_known.h"
#include "check.h"

enum { MAP = 33, OTHER_MAP = 34, INSNS = 80 };
/* linux/bpf.h, which older headers lack. */
enum { MEMSX = 0x80, ATOMIC = 0xc0, CMPXCHG = 0xf1 };

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

/* What a program is asked to tell, in order; what is given back to it depends on that. */
struct talk {
	uint64_t said;
	int fuel;
};

static uint64_t tell(struct talk *t, uint64_t what)
{
	t->said = t->said * 31 + what;
	return t->said % 3 - 1;
}

static uint64_t compute(const struct bpf_insn *insn, uint64_t a, uint64_t b)
{
	const unsigned bits = BPF_CLASS(insn->code) == BPF_ALU64 ? 63 : 31;

	switch (BPF_OP(insn->code)) {
	/* Of a sign. */
	case BPF_MOV: return insn->off == 8 ? (uint64_t)(int8_t)b : b;
	case BPF_ADD: return a + b;
	case BPF_SUB: return a - b;
	case BPF_AND: return a & b;
	case BPF_OR: return a | b;
	case BPF_XOR: return a ^ b;
	case BPF_LSH: return a << (b & bits);
	case BPF_RSH: return a >> (b & bits);
	case BPF_MUL: return a * b;
	case BPF_NEG: return -a;
	case BPF_END: return a & 0xff;
	default: return bits == 63 ? (uint64_t)((int64_t)a >> (b & 63)) : (uint64_t)((int32_t)a >> (b & 31));
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

static uint64_t load(uint8_t code, const void *from)
{
	union {
		uint8_t b;
		uint16_t h;
		uint32_t w;
		uint64_t dw;
	} v;
	const bool sign = BPF_MODE(code) == MEMSX;

	switch (BPF_SIZE(code)) {
	case BPF_B: memcpy(&v.b, from, sizeof(v.b)); return sign ? (uint64_t)(int8_t)v.b : v.b;
	case BPF_H: memcpy(&v.h, from, sizeof(v.h)); return sign ? (uint64_t)(int16_t)v.h : v.h;
	case BPF_W: memcpy(&v.w, from, sizeof(v.w)); return sign ? (uint64_t)(int32_t)v.w : v.w;
	default: memcpy(&v.dw, from, sizeof(v.dw)); return v.dw;
	}
}

/* What stands in a program as a number of 64 bits, or as the settings. */
static uint64_t wide(const struct bpf_insn *insn)
{
	if (insn->src_reg == BPF_PSEUDO_MAP_VALUE)
		return (uint64_t)(uintptr_t)settings_data + (uint32_t)insn[1].imm;
	return (uint32_t)insn->imm | (uint64_t)(uint32_t)insn[1].imm << 32;
}

/* Memory is not kept: what is written is told, and what is atomic gives something back. */
static void store(const struct bpf_insn *insn, uint64_t *regs, struct talk *t)
{
	const bool constant = BPF_CLASS(insn->code) == BPF_ST;
	const uint64_t back = tell(t, regs[insn->dst_reg] * 5 + (constant ? (uint64_t)insn->imm : regs[insn->src_reg]));

	if (constant || BPF_MODE(insn->code) == BPF_MEM)
		return;
	regs[insn->imm == CMPXCHG ? BPF_REG_0 : insn->src_reg] = back + tell(t, regs[BPF_REG_0]);
}

static uint64_t interpret(const struct bpf_insn *insns, size_t at, uint64_t *regs, struct talk *t);

/* Arguments are not what they were afterwards. */
static void call(const struct bpf_insn *insns, size_t at, uint64_t *regs, struct talk *t)
{
	const struct bpf_insn *insn = &insns[at];
	uint64_t inner[11] = { 0 };

	for (int r = 1; r < 6; r++) {
		inner[r] = regs[r];
		tell(t, regs[r]);
	}
	regs[0] = insn->src_reg == BPF_PSEUDO_CALL ? interpret(insns, at + 1 + (size_t)insn->imm, inner, t)
						   : tell(t, 0);
	for (int r = 1; r < 6; r++)
		regs[r] = tell(t, 0);
}

/* R0 at the end. Endless loops end by fuel. */
static uint64_t interpret(const struct bpf_insn *insns, size_t at, uint64_t *regs, struct talk *t)
{
	while (t->fuel-- > 0) {
		const struct bpf_insn *insn = &insns[at++];
		uint64_t *dst = &regs[insn->dst_reg];
		const uint64_t second = BPF_SRC(insn->code) == BPF_X ? regs[insn->src_reg]
								     : (uint64_t)(int64_t)insn->imm;

		switch (BPF_CLASS(insn->code)) {
		case BPF_LD:
			*dst = wide(insn);
			at++;
			break;
		case BPF_LDX: *dst = load(insn->code, (const char *)(uintptr_t)regs[insn->src_reg] + insn->off); break;
		case BPF_ST:
		case BPF_STX: store(insn, regs, t); break;
		case BPF_ALU64: *dst = compute(insn, *dst, second); break;
		case BPF_ALU: *dst = (uint32_t)compute(insn, (uint32_t)*dst, (uint32_t)second); break;
		default:
			if (insn->code == (BPF_JMP | BPF_EXIT))
				return regs[0];
			if (insn->code == (BPF_JMP | BPF_CALL))
				call(insns, at - 1, regs, t);
			else if (jumps(insn, *dst, second))
				at += (size_t)insn->off;
		}
	}
	return 0;
}

static unsigned random_below(unsigned n)
{
	return (unsigned)random() % n;
}

/* Few, so that they are often the same. */
static uint64_t random_number(void)
{
	static const uint64_t numbers[] = { 0, 0, 0, 1, 1, 2, UINT64_MAX, UINT32_MAX, 0x80000000, 1ULL << 32, 0x80 };

	return numbers[random_below(sizeof(numbers) / sizeof(numbers[0]))];
}

/* Few, so that they meet. */
static uint8_t random_register(void)
{
	static const uint8_t registers[] = { 0, 1, 2, 6, 7 };

	return registers[random_below(sizeof(registers))];
}

static void make_alu(struct bpf_insn *insn, uint8_t x)
{
	static const uint8_t alu[] = { BPF_MOV, BPF_MOV, BPF_MOV, BPF_ADD, BPF_SUB, BPF_AND,  BPF_OR,
				       BPF_XOR, BPF_LSH, BPF_RSH, BPF_MUL, BPF_NEG, BPF_ARSH, BPF_END };
	const uint8_t op = alu[random_below(sizeof(alu))];

	insn->code = (random_below(2) ? BPF_ALU : BPF_ALU64) | op | (op == BPF_NEG ? BPF_K : x);
	if (op == BPF_MOV && x == BPF_X && random_below(3) == 0)
		insn->off = 8;
}

/* Jumps lead to what begins an instruction, in the same function. */
static void make_jump(struct bpf_insn *insn, uint8_t x, size_t at, size_t first, size_t end)
{
	static const uint8_t jump[] = { BPF_JA,	 BPF_JEQ, BPF_JNE,  BPF_JGT,  BPF_JGE,	BPF_JSET,
					BPF_JLT, BPF_JLE, BPF_JSGT, BPF_JSGE, BPF_JSLT, BPF_JSLE };
	const size_t to = first + random_below((unsigned)(end - first));

	insn->code = (random_below(2) ? BPF_JMP : BPF_JMP32) | jump[random_below(sizeof(jump))] | x;
	if (BPF_OP(insn->code) == BPF_JA)
		insn->code = BPF_JMP | BPF_JA;
	insn->off = (int16_t)((int64_t)to - (int64_t)at - 1);
}

static void make_insn(struct bpf_insn *insn, size_t at, size_t first, size_t end)
{
	const uint8_t x = random_below(2) ? BPF_X : BPF_K;

	*insn = (struct bpf_insn){ .dst_reg = random_register(), .imm = (int32_t)random_number() };
	if (x == BPF_X)
		insn->src_reg = random_register();
	switch (random_below(24)) {
	case 0:
	case 1: *insn = (struct bpf_insn)HELP(5); break;
	case 2: insn->code = BPF_ST | BPF_MEM | BPF_DW; break;
	case 3: insn->code = BPF_STX | BPF_MEM | BPF_W; break;
	case 4:
		insn->code = BPF_STX | ATOMIC | BPF_DW;
		insn->imm = random_below(2) ? CMPXCHG : BPF_ADD | 1; /* fetched */
		break;
	case 5:
	case 6:
	case 7:
	case 8:
	case 9:
	case 10: make_jump(insn, x, at, first, end); break;
	default: make_alu(insn, x);
	}
}

/* False: something jumps into these. */
static bool is_free(const struct bpf_insn *insns, size_t first, size_t end, size_t i, size_t n)
{
	for (size_t j = first; j < end; j++) {
		const size_t to = j + 1 + (size_t)insns[j].off;

		if (BPF_CLASS(insns[j].code) >= BPF_JMP && BPF_CLASS(insns[j].code) <= BPF_JMP32 && insns[j].off &&
		    to > i && to < i + n)
			return false;
	}
	return true;
}

/* Of one function; reads of settings take three instructions, numbers of 64 bits two, that nothing jumps into. */
static void make_function(struct bpf_insn *insns, size_t first, size_t end, size_t called)
{
	static const uint8_t sizes[] = { BPF_W, BPF_W, BPF_B, BPF_H, BPF_DW };

	for (size_t i = first; i < end; i++)
		make_insn(&insns[i], i, first, end);
	for (size_t i = first; i + 4 < end; i += 1 + random_below(6)) {
		const uint8_t reg = random_register();
		const size_t n = random_below(4) ? 3 : 2;
		const uint8_t size = sizes[random_below(sizeof(sizes))];
		struct bpf_insn load[] = { SETTING(reg, MAP, 0), LOAD(random_register(), reg, 0) };

		load[2].code = BPF_LDX | (random_below(4) ? BPF_MEM : MEMSX) | size;
		load[2].off = (int16_t)(4 * random_below(size == BPF_DW ? 3 : 4));
		if (n == 2) {
			load[0].src_reg = 0;
			load[0].imm = (int32_t)random_number();
			load[1].imm = (int32_t)random_number();
		}
		if (!is_free(insns, first, end, i, n))
			continue;
		memcpy(&insns[i], load, n * sizeof(load[0]));
		i += n;
	}
	for (size_t i = first; called && i < end; i++) {
		if (insns[i].code == (BPF_JMP | BPF_CALL) && random_below(2))
			insns[i] = (struct bpf_insn)CALL((int32_t)(called - i - 1));
	}
	insns[end - 1] = (struct bpf_insn)EXIT;
}

/* What is found at a place: nothing yet, the first half of an instruction or all of it, the second half. */
enum { UNSEEN, SEEN, SECOND_HALF };

/* False: what runs leads out of the program, or into an instruction. */
static bool see(const struct bpf_insn *insns, size_t n, size_t i, uint8_t *seen, bool *starts)
{
	while (i < n && seen[i] == UNSEEN) {
		const struct bpf_insn *insn = &insns[i];

		seen[i] = SEEN;
		if (is_exit(insn))
			return true;
		if (is_wide(insn)) {
			if (i + 1 >= n || seen[i + 1] != UNSEEN)
				return false;
			seen[++i] = SECOND_HALF;
		}
		if (is_call(insn) && insn->src_reg == BPF_PSEUDO_CALL) {
			starts[i + 1 + (size_t)insn->imm] = true;
			if (!see(insns, n, i + 1 + (size_t)insn->imm, seen, starts))
				return false;
		}
		if (is_condition(insn) && !see(insns, n, i + 1 + (size_t)insn->off, seen, starts))
			return false;
		i += 1 + (is_jump(insn) ? (size_t)insn->off : 0);
	}
	return i < n && seen[i] == SEEN;
}

/*
 * Nothing is never reached, no function runs into the next one, lines are in order, and each function has one at its first
 * instruction.
 */
static bool kernel_takes(const struct bpf_insn *insns, size_t n)
{
	uint8_t seen[INSNS] = { UNSEEN };
	bool starts[INSNS + 1] = { true };

	starts[n] = true;
	if (!see(insns, n, 0, seen, starts))
		return false;
	for (size_t i = 0, line = 0; i < n; i++) {
		const bool has_line = line < nlines && lines[line][0] == i;

		line += has_line;
		if (seen[i] == UNSEEN || (has_line && seen[i] == SECOND_HALF) || (starts[i] && !has_line) ||
		    (starts[i + 1] && !is_exit(&insns[i]) && !is_jump(&insns[i])) || (i + 1 == n && line != nlines))
			return false;
	}
	return true;
}

/* Addresses differ from run to run, but not between both runs of a program. */
static void test_random_programs(void)
{
	unsigned cut = 0, ended = 0;

	srandom(1);
	for (int round = 0; round < 20000; round++) {
		struct bpf_insn insns[INSNS];
		const size_t n = 10 + random_below(30), end = n + 5 + random_below(20);
		uint64_t before[11], after[11], result;
		struct talk then = { .fuel = 3000 }, now = { .fuel = 3000 };
		long left;

		for (int r = 0; r < 11; r++)
			before[r] = after[r] = random_number();
		make_function(insns, 0, n, n);
		make_function(insns, n, end, 0);
		result = interpret(insns, 0, before, &then);
		left = run(insns, end);
		CHECK(left > 0 && left <= (long)end);
		CHECK(kernel_takes(got, (size_t)left));
		cut += (unsigned)(end - (size_t)left);
		if (then.fuel <= 0)
			continue;
		ended++;
		CHECK_INT(interpret(got, 0, after, &now), result);
		CHECK_INT(now.said, then.said);
		CHECK(now.fuel >= then.fuel);
	}
	CHECK(cut > 20000);
	CHECK(ended > 5000);
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
