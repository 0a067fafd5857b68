/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Code for packets of which no owner is known yet: that of the exact expression, in which each process term is true, or
 * false under a not, and what is of no use then is gone. So "port 53 and pid 7" becomes "port 53", whatever libpcap has made
 * of it, and "not pname sshd" nothing at all.
 */
#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>

#include "filter/expr.h"
#include "filter/steps.h"

/* Of each step. */
struct way {
	uint32_t other; /* where the test of a term does not go any more; 0: it is none */
	bool accepts;	/* exact's verdict can be a match, here or behind */
	bool loads;	/* something may fail, here or behind */
};

/* A load beyond the packet, and a division by X, which may be 0, end a filter as no match. */
static bool may_fail(const struct filter_insn *p)
{
	const uint16_t class = BPF_CLASS(p->code), mode = BPF_MODE(p->code), op = BPF_OP(p->code);

	if (class == BPF_ALU)
		return (op == BPF_DIV || op == BPF_MOD) && BPF_SRC(p->code) == BPF_X;
	return (class == BPF_LD || class == BPF_LDX) && (mode == BPF_ABS || mode == BPF_IND || mode == BPF_MSH);
}

static bool accepts(const struct filter_insn *p)
{
	return BPF_CLASS(p->code) == BPF_RET && (BPF_RVAL(p->code) == BPF_A || p->k);
}

/* Of the exact code, before anything is gone. */
static void note_accepts(const struct steps *w, struct way *ways)
{
	for (bool changed = true; changed;) {
		changed = false;
		for (uint32_t i = w->n; i-- > 0;) {
			const struct step *s = &w->v[i];
			bool yes = accepts(&s->insn);

			for (int k = 0; k < s->exits; k++)
				yes |= ways[s->to[k]].accepts;
			changed |= yes != ways[i].accepts;
			ways[i].accepts = yes;
		}
	}
}

/* Of what is left. */
static void note_loads(const struct steps *w, struct way *ways)
{
	for (bool changed = true; changed;) {
		changed = false;
		for (uint32_t i = w->n; i-- > 0;) {
			const struct step *s = &w->v[i];
			bool yes = !s->gone && may_fail(&s->insn);

			for (int k = 0; k < s->exits; k++)
				yes |= ways[s->to[k]].loads;
			changed |= yes != ways[i].loads;
			ways[i].loads = yes;
		}
	}
}

/*
 * A load beyond the packet ends a filter as no match. "(pid 7 and tcp[60] = 1) or udp" takes a short packet that is not pid
 * 7's by the way that does not come to this load, and the new code goes the other one: it has to take what fails there.
 */
static bool skips_loads(const struct steps *w, struct way *ways)
{
	note_loads(w, ways);
	for (uint32_t i = 0; i < w->n; i++)
		if (ways[i].other && ways[ways[i].other].accepts && ways[w->v[i].to[0]].loads)
			return true;
	return false;
}

/* The load of a term finds it as it should be, or as it is known to be, and the test behind goes there. */
static void resolve(bool negative, bool untrue, struct step *load, struct step *test, struct way *way)
{
	const bool no = negative || untrue;

	load->insn = (struct filter_insn){ .code = BPF_LD | BPF_IMM, .k = !no };
	if (!filter_insn_tests_term(&test->insn))
		return;
	if (!untrue)
		way->other = test->to[!no];
	test->to[0] = test->to[no];
	test->exits = 1;
	test->gone = true;
}

static bool is_untrue(const struct filter_truth *untrue, int term)
{
	return untrue && untrue->bits[term / 64] >> term % 64 & 1;
}

static void resolve_all(const struct filter_expr *e, const struct filter_truth *untrue, struct steps *w,
			struct way *ways)
{
	for (uint32_t i = 0; i + 1 < w->n; i++) {
		const int term = filter_insn_term(&w->v[i].insn);

		if (term >= 0)
			resolve(e->terms[term].negative, is_untrue(untrue, term), &w->v[i], &w->v[i + 1], &ways[i + 1]);
	}
}

static int weaken(const struct filter_expr *e, const struct filter_truth *untrue, struct steps *w,
		  struct filter_code *ret)
{
	struct way *ways = calloc(w->n, sizeof(*ways));
	int rc;

	if (!ways)
		return -ENOMEM;
	note_accepts(w, ways);
	resolve_all(e, untrue, w, ways);
	steps_drop_useless(w);
	rc = steps_write(w, ret);
	if (!rc)
		ret->lenient = skips_loads(w, ways);
	free(ways);
	return rc;
}

int filter_weaken(const struct filter_code *exact, const struct filter_truth *untrue, struct filter_code *ret)
{
	struct steps w;
	int rc;

	*ret = (struct filter_code){ 0 };
	if (!exact->n)
		return 0;
	if (!exact->expr)
		return filter_code_new(exact->insns, exact->n, ret);
	rc = steps_new(exact->insns, exact->n, &w);
	if (rc)
		return rc;
	rc = weaken(exact->expr, untrue, &w, ret);
	steps_done(&w);
	return rc;
}
