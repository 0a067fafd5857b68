/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * State of a translation and its emitters; shared by translate.c (control flow, arithmetic) and load.c (packet and
 * metadata loads).
 *
 * Errors are sticky: after the first one nothing is emitted any more, and the translation ends with it.
 */
#ifndef FILTER_EBPF_H
#define FILTER_EBPF_H

#include <linux/bpf.h>
#include <linux/filter.h>

#include "filter/code.h"
#include "filter/translate.h"

/* Callee-saved registers hold the state of the classic machine, so that helper calls keep it. */
enum {
	REG_CTX = BPF_REG_6, /* struct __sk_buff *, or address of the packet */
	REG_A = BPF_REG_7,
	REG_X = BPF_REG_8,
	REG_TURNS = BPF_REG_9, /* of the loop we are in */
	REG_FP = BPF_REG_10,
};

/* Stack, 8 bytes each. */
enum {
	SLOT_BUFFER = -8,
	SLOT_EGRESS = -16, /* skb flavours */
	SLOT_LINEAR = -16, /* memory flavour, as the next three */
	SLOT_LEN = -24,
	SLOT_VLAN = -32,
	SLOT_META = -40,
	SLOT_MEM = -48, /* M[0], M[1] 8 bytes below ... */
};

/* Bytes that the memory flavour reads at once. struct skb_shared_info, which is larger, follows every linear area, so
 * that reading them is safe even when the packet is shorter. */
#define PREFETCH_LEN 96

/* A jump whose target has no place yet. */
struct ebpf_jump {
	uint32_t at;
	uint32_t target; /* classic instruction */
	bool always;	 /* BPF_JA: may be sent over a landing pad */
	bool turn;	 /* backward, to behind the start of the loop */
};

/* One packet load. */
struct ebpf_load {
	uint32_t k;
	uint8_t size; /* BPF_W, BPF_H, BPF_B */
	uint8_t dst;
	bool indirect; /* at X + k */
};

/* A load beyond the linear part, to be emitted behind the function's fast path. */
struct ebpf_slow {
	struct ebpf_load load;
	uint32_t from[2]; /* branches that come here */
	unsigned nfrom;
	uint32_t back;
};

struct ebpf {
	const struct filter_insn *code;
	uint32_t ncode;
	struct filter_flow flow;
	enum filter_flavour flavour;
	bool slow_inline;
	bool lenient; /* what the packet is too short for is a match */
	int err;

	struct bpf_insn *insns;
	uint32_t n, cap;
	uint32_t *pos;	/* of each classic instruction; EBPF_NOWHERE: not yet */
	uint32_t *turn; /* where backward jumps to it go */
	struct ebpf_jump *jumps;
	uint32_t njumps, jumps_cap;
	struct ebpf_slow *slows;
	uint32_t nslows, slows_cap;
	int64_t reject; /* nearest one of ebpf_reject() behind us, -1 none */
	int prefetch;	/* stack offset of the prefetched bytes */
	int likely_x;	/* -1 unknown */
};

#define EBPF_NOWHERE UINT32_MAX

void ebpf_emit(struct ebpf *e, uint8_t op, uint8_t dst, uint8_t src, int off, int32_t imm);
/* Makes the jump at an earlier instruction end here (at the next instruction emitted). */
void ebpf_land(struct ebpf *e, uint32_t at);
/* The verdict on what the packet is too short for: "return 0", always or when the comparison holds. */
void ebpf_reject(struct ebpf *e);
void ebpf_reject_if(struct ebpf *e, uint8_t op, uint8_t dst, uint8_t src, int32_t imm);
/* Grows an array by doubling; NULL and e->err when there is no memory. */
void *ebpf_grow(struct ebpf *e, void *array, uint32_t n, uint32_t *cap, size_t size);

void load_prologue(struct ebpf *e);
void load_packet(struct ebpf *e, const struct ebpf_load *load);
void load_meta(struct ebpf *e, uint32_t what);
/* The slow paths that were put off. */
void load_slows(struct ebpf *e);

static inline void ebpf_mov(struct ebpf *e, uint8_t dst, uint8_t src)
{
	ebpf_emit(e, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static inline void ebpf_mov_imm(struct ebpf *e, uint8_t dst, int32_t imm)
{
	ebpf_emit(e, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm);
}

/* 32-bit forms clear the upper half: classic values are 32 bits wide. */
static inline void ebpf_mov32(struct ebpf *e, uint8_t dst, uint8_t src)
{
	ebpf_emit(e, BPF_ALU | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static inline void ebpf_mov32_imm(struct ebpf *e, uint8_t dst, uint32_t imm)
{
	ebpf_emit(e, BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, (int32_t)imm);
}

static inline void ebpf_add(struct ebpf *e, uint8_t dst, uint8_t src)
{
	ebpf_emit(e, BPF_ALU64 | BPF_ADD | BPF_X, dst, src, 0, 0);
}

static inline void ebpf_alu_imm(struct ebpf *e, uint8_t op, uint8_t dst, int32_t imm)
{
	ebpf_emit(e, BPF_ALU64 | op | BPF_K, dst, 0, 0, imm);
}

static inline void ebpf_load(struct ebpf *e, uint8_t size, uint8_t dst, uint8_t src, int off)
{
	ebpf_emit(e, BPF_LDX | BPF_MEM | size, dst, src, off, 0);
}

static inline void ebpf_store(struct ebpf *e, uint8_t size, uint8_t dst, int off, uint8_t src)
{
	ebpf_emit(e, BPF_STX | BPF_MEM | size, dst, src, off, 0);
}

static inline void ebpf_call(struct ebpf *e, int32_t helper)
{
	ebpf_emit(e, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

static inline int ebpf_mem_slot(uint32_t i)
{
	return SLOT_MEM - 8 * (int)i;
}

#endif
