/* SPDX-License-Identifier: BSD-3-Clause */
#include "filter/steps.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>

#define CONDITIONAL_MAX 255 /* how far such a jump goes */

int steps_new(const struct filter_insn *insns, uint32_t n, struct steps *ret)
{
	*ret = (struct steps){ .v = calloc(n, sizeof(*ret->v)), .n = n };
	if (!ret->v)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		struct step *s = &ret->v[i];

		s->insn = insns[i];
		s->exits = (uint8_t)filter_insn_next(insns, i, s->to);
		s->gone = s->insn.code == (BPF_JMP | BPF_JA) && s->to[0] > i;
	}
	return 0;
}

void steps_done(struct steps *w)
{
	free(w->v);
	*w = (struct steps){ 0 };
}

/* --- registers ------------------------------------------------------------------------------------------ */

enum { A = 1, X = 2, M = 4 /* M[0]; M[1] is twice that, and so on */ };

static uint32_t load_reads(const struct filter_insn *p)
{
	switch (BPF_MODE(p->code)) {
	case BPF_MEM: return (uint32_t)M << p->k;
	case BPF_IND: return X;
	default: return 0;
	}
}

static uint32_t reads(const struct filter_insn *p)
{
	const uint32_t x = BPF_SRC(p->code) == BPF_X ? X : 0;

	switch (BPF_CLASS(p->code)) {
	case BPF_LD:
	case BPF_LDX: return load_reads(p);
	case BPF_ST: return A;
	case BPF_STX: return X;
	case BPF_ALU: return A | x;
	case BPF_JMP: return BPF_OP(p->code) == BPF_JA ? 0 : A | x;
	case BPF_RET: return BPF_RVAL(p->code) == BPF_A ? A : 0;
	default: return BPF_MISCOP(p->code) == BPF_TAX ? A : X;
	}
}

static uint32_t writes(const struct filter_insn *p)
{
	switch (BPF_CLASS(p->code)) {
	case BPF_LD:
	case BPF_ALU: return A;
	case BPF_LDX: return X;
	case BPF_ST:
	case BPF_STX: return (uint32_t)M << p->k;
	case BPF_MISC: return BPF_MISCOP(p->code) == BPF_TAX ? X : A;
	default: return 0;
	}
}

/* --- what is of no use -------------------------------------------------------------------------------------- */

/* Where control really goes. Jumps back, which are those of loops, stay. */
static uint32_t target(const struct steps *w, uint32_t i)
{
	while (w->v[i].gone)
		i = w->v[i].to[0];
	return i;
}

static bool useless(const struct step *s)
{
	const uint32_t written = writes(&s->insn);

	if (s->exits == 2)
		return s->to[0] == s->to[1];
	return s->exits == 1 && written && !(s->live & written);
}

static uint32_t live_before(const struct step *s)
{
	return s->gone ? s->live : (s->live & ~writes(&s->insn)) | reads(&s->insn);
}

/* True: something has changed that steps in front may depend on. */
static bool renew(struct steps *w, struct step *s)
{
	const uint32_t before = live_before(s);

	s->live = 0;
	for (int k = 0; k < s->exits; k++) {
		s->to[k] = target(w, s->to[k]);
		s->live |= live_before(&w->v[s->to[k]]);
	}
	return live_before(s) != before;
}

static void note_live(struct steps *w)
{
	for (bool changed = true; changed;) {
		changed = false;
		for (uint32_t i = w->n; i-- > 0;)
			changed |= renew(w, &w->v[i]);
	}
}

/* From the end on, so that what one step was needed for by another one goes at once. What a jump back, to a step that is not
 * renewed yet, reads is known by then: the more of it, the less goes. */
static bool drop(struct steps *w)
{
	bool dropped = false;

	for (uint32_t i = w->n; i-- > 0;) {
		struct step *s = &w->v[i];

		renew(w, s);
		if (s->gone || !useless(s))
			continue;
		s->gone = dropped = true;
		s->exits = 1;
	}
	return dropped;
}

void steps_drop_useless(struct steps *w)
{
	do
		note_live(w);
	while (drop(w));
}

/* --- the code ----------------------------------------------------------------------------------------------- */

static void note_reached(struct steps *w)
{
	w->v[target(w, 0)].reached = true;
	for (bool changed = true; changed;) {
		changed = false;
		for (uint32_t i = 0; i < w->n; i++)
			for (int k = 0; k < w->v[i].exits && w->v[i].reached; k++) {
				struct step *to = &w->v[w->v[i].to[k]];

				changed |= !to->reached && w->v[i].to[k] < i;
				to->reached = true;
			}
	}
}

/* Not of jumps, nor of what ends. */
static bool falls(const struct step *s)
{
	return s->exits == 1 && BPF_CLASS(s->insn.code) != BPF_JMP;
}

/* A load that cannot succeed; code does not end with it. */
static bool ends(const struct step *s)
{
	return s->exits == 0 && BPF_CLASS(s->insn.code) != BPF_RET;
}

static uint32_t size_of(const struct step *s)
{
	return s->reached ? 1u + ends(s) + s->far[0] + s->far[1] : 0;
}

/* Returns how many instructions there will be. */
static uint32_t place(struct steps *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->n; i++) {
		w->v[i].at = n;
		n += size_of(&w->v[i]);
	}
	return n;
}

/* Whether an exit is too far. */
static bool stretch(const struct steps *w, struct step *s)
{
	bool changed = false;

	for (int k = 0; k < s->exits; k++) {
		const uint32_t to = w->v[s->to[k]].at;
		const bool far = falls(s) ? to != s->at + 1 + s->far[0]
					  : s->exits == 2 && to - s->at - 1 > CONDITIONAL_MAX;

		changed |= far && !s->far[k];
		s->far[k] |= far;
	}
	return changed;
}

static void put_jump(struct filter_insn *insns, uint32_t at, uint32_t to)
{
	insns[at] = (struct filter_insn){ .code = BPF_JMP | BPF_JA, .k = to - at - 1 };
}

static void put_step(const struct steps *w, const struct step *s, struct filter_insn *insns)
{
	struct filter_insn *p = &insns[s->at];
	uint32_t n = s->at + 1, to[2];

	*p = s->insn;
	if (ends(s))
		insns[n] = (struct filter_insn){ .code = BPF_RET | BPF_K };
	for (int k = 0; k < s->exits; k++)
		to[k] = w->v[s->to[k]].at;
	if (s->exits == 1 && !falls(s))
		put_jump(insns, s->at, to[0]);
	for (int k = 0; k < s->exits; k++) {
		if (!s->far[k])
			continue;
		put_jump(insns, n, to[k]);
		to[k] = n++;
	}
	if (s->exits == 2) {
		p->jt = (uint8_t)(to[0] - s->at - 1);
		p->jf = (uint8_t)(to[1] - s->at - 1);
	}
}

int steps_write(struct steps *w, struct filter_code *ret)
{
	struct filter_insn *insns;
	uint32_t n;
	int rc;

	note_reached(w);
	for (bool changed = true; changed;) {
		n = place(w);
		changed = false;
		for (uint32_t i = 0; i < w->n; i++)
			changed |= w->v[i].reached && stretch(w, &w->v[i]);
	}
	if (w->v[target(w, 0)].at != 0) /* a jump back to in front of the start: not of libpcap's making */
		return -EINVAL;
	insns = calloc(n, sizeof(*insns));
	if (!insns)
		return -ENOMEM;
	for (uint32_t i = 0; i < w->n; i++)
		if (w->v[i].reached)
			put_step(w, &w->v[i], insns);
	rc = filter_code_new(insns, n, ret);
	free(insns);
	return rc;
}
