/* SPDX-License-Identifier: BSD-3-Clause */
/* For prune.c: kinds of instructions, and what is known of registers while a program is followed. */
#ifndef CAPTURE_PRUNE_KNOWN_H
#define CAPTURE_PRUNE_KNOWN_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef BPF_PSEUDO_FUNC
#define BPF_PSEUDO_FUNC 4 /* 5.13, linux/bpf.h */
#endif

struct prune_settings;

enum { REGISTERS = 11 };

static inline uint8_t insn_class(const struct bpf_insn *insn)
{
	return BPF_CLASS(insn->code);
}

static inline bool is_call(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_CALL);
}

static inline bool is_exit(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_EXIT);
}

static inline bool is_jump(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_JA);
}

/* A newer kernel's jump of 32 bits is none of these. */
static inline bool is_condition(const struct bpf_insn *insn)
{
	return (insn_class(insn) == BPF_JMP || insn_class(insn) == BPF_JMP32) && !is_call(insn) && !is_exit(insn) &&
	       BPF_OP(insn->code) != BPF_JA;
}

/* Of two instructions. */
static inline bool is_wide(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW);
}

static inline bool names_function(const struct bpf_insn *insn)
{
	return (is_call(insn) && insn->src_reg == BPF_PSEUDO_CALL) ||
	       (is_wide(insn) && insn->src_reg == BPF_PSEUDO_FUNC);
}

/* Sets of registers by their bits. */
struct known {
	uint16_t some;	   /* values[] has something: a number, or */
	uint16_t settings; /* where in the map they point to */
	uint64_t values[REGISTERS];
};

enum decision { UNDECIDED, ALWAYS, NEVER };

/* What an instruction that is no jump does to the registers. True: it loads *value, which is always the same. */
bool known_learn(struct known *k, const struct bpf_insn *insn, const struct prune_settings *settings, uint32_t *value);
enum decision known_decide(const struct known *k, const struct bpf_insn *condition);
/* What is still known when b is possible, too; true: that is less. */
bool known_merge(struct known *k, const struct known *b);
/* Registers that an instruction reads, and those that it writes to; more of the first and less of the second where it is not
 * understood. */
void insn_uses(const struct bpf_insn *insn, uint16_t *reads, uint16_t *writes);

#endif
