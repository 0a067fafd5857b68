/* SPDX-License-Identifier: BSD-3-Clause */
/* Classic code that is being made shorter. */
#ifndef FILTER_STEPS_H
#define FILTER_STEPS_H

#include "filter/code.h"

/* An instruction, at its place. */
struct step {
	struct filter_insn insn;
	uint8_t exits;	/* places in to; of a conditional jump: true, false */
	uint32_t to[2]; /* steps */
	bool gone;	/* only goes on to to[0] */
	uint32_t live;	/* registers that are read behind it before they are written */
	bool reached;
	bool far[2]; /* the exit needs a jump of its own */
	uint32_t at; /* in the new code */
};

struct steps {
	struct step *v;
	uint32_t n;
};

/* -ENOMEM */
int steps_new(const struct filter_insn *insns, uint32_t n, struct steps *ret);
/* Without jumps that end at the same place either way, and what nobody reads then: loads, too, that could have failed. */
void steps_drop_useless(struct steps *w);
/* What is left. -ENOMEM; -EINVAL: a loop begins in front of all else, which is not libpcap's code */
int steps_write(struct steps *w, struct filter_code *ret);
void steps_done(struct steps *w);

#endif
