/* SPDX-License-Identifier: BSD-3-Clause */
/* What is known about a checked classic program: shared by the interpreter and the translator. */
#ifndef FILTER_CODE_H
#define FILTER_CODE_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

#include "filter/filter.h"

#define FILTER_MEMORY_WORDS 16 /* BPF_MEMWORDS */
/* Turns of one loop before it counts as endless. Only protochain loops, once per extension header. */
#define FILTER_LOOP_TURNS 32
/* A load at or beyond this offset never succeeds: no packet is that long. */
#define FILTER_OFFSET_MAX 0x7ffffff0u

/* Of the metadata that stand for process terms. Linux has no more than SKF_AD_MAX. */
#define FILTER_TERM_OFF ((uint32_t)SKF_AD_OFF + 0x400)

struct filter_flow {
	uint8_t *live;	   /* per instruction: reachable */
	uint8_t *head;	   /* per instruction: a backward jump ends here */
	uint8_t *entered;  /* per instruction: reached other than by a backward jump */
	uint16_t mem_read; /* bit i: M[i] is read somewhere */
	bool loops;
	bool uses_meta;
};

/* 0, -EINVAL, -ENOMEM. The code must have passed filter_code_new(). */
int filter_flow_new(const struct filter_insn *insns, uint32_t n, struct filter_flow *ret);
void filter_flow_done(struct filter_flow *flow);

/* Loads that cannot succeed. */
bool filter_insn_rejects(const struct filter_insn *insn);
/* Loads of skb metadata, k - SKF_AD_OFF says which. */
bool filter_insn_is_meta(const struct filter_insn *insn);
/* Among them, loads of what the kernel has no metadata for: A becomes 1 when the process term is true of the packet, else 0.
 * What follows filter_insn_tests_term(), or does not read A. -1: it is none */
int filter_insn_term(const struct filter_insn *insn);
/* "jeq #1" */
bool filter_insn_tests_term(const struct filter_insn *insn);
/* Where control goes from instruction i: 0, 1 or 2 targets. */
unsigned filter_insn_next(const struct filter_insn *insns, uint32_t i, uint32_t ret[2]);
/* Decodes insns for the interpreter. -ENOMEM */
int filter_ops_new(const struct filter_insn *insns, uint32_t n, struct filter_op **ret);

#endif
