/* SPDX-License-Identifier: BSD-3-Clause */
/* What libpcap has compiled for process terms becomes loads of metadata, so that all that reads code knows them. */
#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>

#include "filter/expr.h"
#include "filter/steps.h"

/* Which term a load of libpcap's stands for; a header in front adds to the offset. -1: none */
static int term_of(const struct filter_insn *p, const struct filter_expr *expr)
{
	const uint32_t off = p->k - expr->first;

	if (p->code != (BPF_LD | BPF_B | BPF_ABS) && p->code != (BPF_LD | BPF_B | BPF_IND))
		return -1;
	return off < expr->n * FILTER_TERM_SPACING ? (int)(off / FILTER_TERM_SPACING) : -1;
}

/* True: a header of variable length is in front, which the load does not need any more. */
static bool put_term(struct filter_insn *p, int term)
{
	const bool indirect = BPF_MODE(p->code) == BPF_IND;

	*p = (struct filter_insn){ .code = BPF_LD | BPF_B | BPF_ABS, .k = FILTER_TERM_OFF + (uint32_t)term };
	return indirect;
}

/* Nobody reads A before it is loaded anew: what libpcap's optimizer leaves at the start of the code. */
static bool a_unread(const struct filter_insn *p)
{
	while (BPF_CLASS(p->code) == BPF_LDX || BPF_CLASS(p->code) == BPF_STX)
		p++;
	return BPF_CLASS(p->code) == BPF_LD || p->code == (BPF_RET | BPF_K);
}

/* The instruction behind the load of a term says whether it is 1. */
static bool term_valid(const struct filter_insn *p, uint32_t terms)
{
	const int term = filter_insn_term(p);

	return term < 0 || ((uint32_t)term < terms && (filter_insn_tests_term(p + 1) || a_unread(p + 1)));
}

/* Nobody jumps there, past the load. */
static bool jump_valid(const struct filter_insn *insns, uint32_t i)
{
	uint32_t next[2];
	unsigned n = BPF_CLASS(insns[i].code) == BPF_JMP ? filter_insn_next(insns, i, next) : 0;

	while (n--)
		if (next[n] && filter_insn_term(&insns[next[n] - 1]) >= 0)
			return false;
	return true;
}

static bool terms_valid(const struct filter_code *code, uint32_t terms)
{
	for (uint32_t i = 0; i < code->n; i++)
		if (!term_valid(&code->insns[i], terms) || !jump_valid(code->insns, i))
			return false;
	return true;
}

/* Without the computation of an offset that was needed by terms only. */
static int tidy(struct filter_code *code)
{
	struct filter_code tidied;
	struct steps w;
	int rc = steps_new(code->insns, code->n, &w);

	if (rc)
		return rc;
	steps_drop_useless(&w);
	rc = steps_write(&w, &tidied);
	steps_done(&w);
	if (rc)
		return rc;
	filter_done(code);
	*code = tidied;
	return 0;
}

static int decode(struct filter_code *code)
{
	struct filter_op *ops;
	int rc = filter_ops_new(code->insns, code->n, &ops);

	if (rc)
		return rc;
	free(code->ops);
	code->ops = ops;
	return 0;
}

int filter_code_set_expr(struct filter_code *code, const struct filter_expr *expr)
{
	bool indirect = false;
	int rc;

	if (!expr || !expr->n || !code->n)
		return 0;
	for (uint32_t i = 0; i < code->n; i++) {
		const int term = term_of(&code->insns[i], expr);

		if (term >= 0)
			indirect |= put_term(&code->insns[i], term);
	}
	if (!terms_valid(code, expr->n))
		return -EINVAL;
	rc = indirect ? tidy(code) : decode(code);
	if (!rc)
		code->expr = expr;
	return rc;
}
