/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/prune.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/prune_known.h"

/* What is known of an instruction. */
struct mark {
	uint32_t state;	  /* what something jumps to, and the first of a function: of struct program; 0 for others */
	uint32_t place;	  /* where it is afterwards, or would be */
	uint32_t value;	  /* that it loads, when */
	bool constant;	  /* it is always the same */
	bool reached;	  /* ever */
	bool waits;	  /* to be followed from here */
	bool behind;	  /* something that follows jumps here */
	bool dropped;	  /* nothing would change without it */
	uint8_t decision; /* of a condition */
	uint16_t live;	  /* registers that are read before they are written to, by bits */
};

struct program {
	struct bpf_insn *insns;
	size_t n;
	const struct prune_settings *settings;
	struct mark *marks; /* one more than there are instructions */
	struct known now;
	struct known *states; /* the first is of nobody */
	uint32_t nstates;
	size_t *waiting;
	size_t nwaiting;
};

/* Where a jump, or a reference to a function, leads. */
static size_t target_of(const struct bpf_insn *insn, size_t i)
{
	return i + 1 + (size_t)(names_function(insn) ? insn->imm : insn->off);
}

/* False: it has something that is not understood here. */
static bool find_targets(struct program *p)
{
	p->marks[0].state = ++p->nstates;
	for (size_t i = 0; i < p->n; i++) {
		const struct bpf_insn *insn = &p->insns[i];

		if (insn->dst_reg >= REGISTERS || insn->src_reg >= REGISTERS || insn->code == (BPF_JMP32 | BPF_JA) ||
		    (is_wide(insn) && i + 1 == p->n))
			return false;
		if (names_function(insn) || is_condition(insn) || is_jump(insn)) {
			const size_t to = target_of(insn, i);

			if (to >= p->n)
				return false;
			if (!p->marks[to].state)
				p->marks[to].state = ++p->nstates;
			p->marks[to].behind |= to <= i;
		}
		i += is_wide(insn);
	}
	return true;
}

/* --- what is reached -------------------------------------------------------------- */

/* With what is known now. Where less is known than before is followed again. */
static void arrive(struct program *p, size_t i)
{
	struct mark *mark = &p->marks[i];
	struct known *state = &p->states[mark->state];
	bool news = !mark->reached && !mark->waits;

	if (news)
		*state = p->now;
	else
		news = known_merge(state, &p->now);
	if (!news || mark->waits)
		return;
	mark->waits = true;
	p->waiting[p->nwaiting++] = i;
}

static void arrive_at_function(struct program *p, size_t i)
{
	const struct known now = p->now;

	p->now.some = p->now.settings = 0;
	arrive(p, i);
	p->now = now;
}

/* False: what comes next is not what follows. */
static bool step(struct program *p, size_t i)
{
	const struct bpf_insn *insn = &p->insns[i];
	struct mark *mark = &p->marks[i];

	mark->reached = true;
	if (names_function(insn))
		arrive_at_function(p, target_of(insn, i));
	if (is_condition(insn))
		mark->decision = (uint8_t)known_decide(&p->now, insn);
	if (is_jump(insn) || (is_condition(insn) && mark->decision != NEVER))
		arrive(p, target_of(insn, i));
	if (is_jump(insn) || is_exit(insn) || mark->decision == ALWAYS)
		return false;
	mark->constant = known_learn(&p->now, insn, p->settings, &mark->value);
	return true;
}

/* Up to what something else leads to, too. */
static void follow(struct program *p, size_t i)
{
	p->now = p->states[p->marks[i].state];
	while (step(p, i)) {
		if (is_wide(&p->insns[i]))
			p->marks[++i].reached = true;
		if (++i >= p->n)
			break;
		if (p->marks[i].state) {
			arrive(p, i);
			break;
		}
	}
}

static int reach(struct program *p)
{
	p->states = malloc((p->nstates + 1) * sizeof(*p->states));
	p->waiting = malloc(p->nstates * sizeof(*p->waiting));
	if (!p->states || !p->waiting)
		return -ENOMEM;
	arrive_at_function(p, 0);
	while (p->nwaiting) {
		const size_t i = p->waiting[--p->nwaiting];

		p->marks[i].waits = false;
		follow(p, i);
	}
	return 0;
}

/* --- what is of use ---------------------------------------------------------------- */

/* As it will be. */
static void simplify(struct program *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct bpf_insn *insn = &p->insns[i];
		struct mark *mark = &p->marks[i];
		const bool wide = is_wide(insn);

		if (mark->reached && mark->constant)
			*insn = (struct bpf_insn){ .code = BPF_ALU | BPF_MOV | BPF_K,
						   .dst_reg = insn->dst_reg,
						   .imm = (int32_t)mark->value };
		if (mark->reached && mark->decision == ALWAYS)
			*insn = (struct bpf_insn){ .code = BPF_JMP | BPF_JA, .off = insn->off };
		mark->dropped = mark->decision == NEVER;
		i += wide;
	}
}

/* It does nothing but to write to a register. Of a function it also says that it is one, without which the kernel refuses it. */
static bool only_writes(const struct bpf_insn *insn)
{
	if (is_wide(insn))
		return !names_function(insn);
	return insn_class(insn) == BPF_ALU || insn_class(insn) == BPF_ALU64;
}

static uint16_t live_after(const struct program *p, size_t i)
{
	const struct bpf_insn *insn = &p->insns[i];
	uint16_t live = 0;

	if (!is_exit(insn) && !is_jump(insn))
		live = p->marks[i + 1 + is_wide(insn)].live;
	if (is_jump(insn) || (is_condition(insn) && !p->marks[i].dropped))
		live |= p->marks[target_of(insn, i)].live;
	return live;
}

/* True: more is read than what jumps here has seen. */
static bool look_back(struct program *p, size_t i)
{
	struct mark *mark = &p->marks[i];
	const uint16_t after = live_after(p, i);
	uint16_t reads, writes, live = after;

	insn_uses(&p->insns[i], &reads, &writes);
	if (mark->decision != NEVER) {
		mark->dropped = only_writes(&p->insns[i]) && !(writes & after);
		if (!mark->dropped)
			live = (uint16_t)((after & ~writes) | reads);
	}
	if (live == mark->live)
		return false;
	mark->live = live;
	return mark->behind;
}

/* What is written to a register and never read, often to decide what is decided. */
static void drop_unread(struct program *p)
{
	bool news = true;

	while (news) {
		news = false;
		for (size_t i = p->n; i-- > 0;) {
			/* The second half has no code. */
			i -= i > 0 && is_wide(&p->insns[i - 1]) && !p->insns[i].code;
			if (p->marks[i].reached)
				news |= look_back(p, i);
		}
	}
	for (size_t i = 0; i + 1 < p->n; i++) {
		if (is_wide(&p->insns[i])) {
			p->marks[i + 1].dropped = p->marks[i].dropped;
			i++;
		}
	}
}

/* --- what is left ------------------------------------------------------------------ */

static bool is_left(const struct mark *mark)
{
	return mark->reached && !mark->dropped;
}

static uint32_t number_places(struct program *p)
{
	uint32_t place = 0;

	for (size_t i = 0; i <= p->n; i++) {
		p->marks[i].place = place;
		place += is_left(&p->marks[i]);
	}
	return place;
}

/* A jump to what follows. */
static void drop_idle_jumps(struct program *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct bpf_insn *insn = &p->insns[i];

		if (is_left(&p->marks[i]) && is_jump(insn))
			p->marks[i].dropped = p->marks[i + 1].place == p->marks[target_of(insn, i)].place;
		i += is_wide(insn);
	}
}

static void move_insn(struct program *p, size_t i)
{
	struct bpf_insn insn = p->insns[i];
	const uint32_t place = p->marks[i].place;

	if (names_function(&insn))
		insn.imm = (int32_t)(p->marks[target_of(&insn, i)].place - place - 1);
	else if (is_jump(&insn) || is_condition(&insn))
		insn.off = (int16_t)(p->marks[target_of(&insn, i)].place - place - 1);
	p->insns[place] = insn;
}

static void move_all(struct program *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const bool wide = is_wide(&p->insns[i]);

		if (is_left(&p->marks[i])) {
			move_insn(p, i);
			if (wide)
				p->insns[p->marks[i + 1].place] = p->insns[i + 1];
		}
		i += wide;
	}
}

static void mend_info(const struct program *p, struct prune_info *info)
{
	char *records = info->records;
	uint32_t left = 0, last = UINT32_MAX;

	for (uint32_t i = 0; i < info->n; i++) {
		uint32_t at;

		memcpy(&at, records + (size_t)i * info->size, sizeof(at));
		if (at >= p->n || !p->marks[at].reached)
			continue;
		at = p->marks[at].place;
		/* The later one is that of the instruction itself. */
		left -= at == last;
		last = at;
		memmove(records + (size_t)left * info->size, records + (size_t)i * info->size, info->size);
		memcpy(records + (size_t)left * info->size, &at, sizeof(at));
		left++;
	}
	info->n = left;
}

static long cut(struct program *p, struct prune_info *functions, struct prune_info *lines)
{
	long left;

	simplify(p);
	drop_unread(p);
	number_places(p);
	drop_idle_jumps(p);
	left = number_places(p);
	move_all(p);
	mend_info(p, functions);
	mend_info(p, lines);
	return left;
}

long prune(struct bpf_insn *insns, size_t n, const struct prune_settings *settings, struct prune_info *functions,
	   struct prune_info *lines)
{
	struct program p = { .insns = insns, .n = n, .settings = settings };
	long left = (long)n;

	p.marks = calloc(n + 1, sizeof(*p.marks));
	if (!p.marks)
		return -ENOMEM;
	if (find_targets(&p))
		left = reach(&p) ? -ENOMEM : cut(&p, functions, lines);
	free(p.waiting);
	free(p.states);
	free(p.marks);
	return left;
}
