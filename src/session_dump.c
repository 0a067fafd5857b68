/* SPDX-License-Identifier: BSD-3-Clause */
#include "session_dump.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "session_private.h"
#include "session_terms.h"
#include "util/buf.h"

/* To a list with commas between. */
static void add_word(struct buf *list, const char *word)
{
	buf_puts(list, list->len ? ", " : "");
	buf_puts(list, word);
}

static void add_term(struct buf *list, const struct filter_term *t)
{
	add_word(list, t->negative ? "not " : "");
	filter_term_put(list, t);
}

static bool same(const struct filter_term *a, const struct filter_term *b)
{
	return a->kind == b->kind && a->end == b->end && a->negative == b->negative && strcmp(a->value, b->value) == 0;
}

static bool is_first(const struct filter_expr *e, uint32_t i)
{
	uint32_t before = 0;

	while (!same(&e->terms[before], &e->terms[i]))
		before++;
	return before == i;
}

static void add_options(struct buf *kernel, struct buf *user, const struct options *o, const struct asked *asked)
{
	if (o->pids.n)
		add_word(kernel, "--pid");
	if (o->command)
		add_word(kernel, "the command");
	if (o->pnames.n)
		add_word(asked->undecided ? user : kernel, "--pname");
	if (o->uids.n || o->users.n)
		add_word(kernel, "--uid");
	if (options_select_container(o))
		add_word(kernel, "containers and pods of options");
}

/* Each once. */
static void add_terms(struct buf *kernel, struct buf *user, const struct options *o, const struct filter_truth *decided)
{
	for (uint32_t i = 0; i < o->filter->n; i++) {
		if (is_first(o->filter, i))
			add_term(decided->bits[i / 64] >> i % 64 & 1 ? kernel : user, &o->filter->terms[i]);
	}
}

/* What the kernel runs of the packet's part, for packets of owners that make none of the terms true that it knows. */
struct part {
	bool constant, open;
};

static int part_of(const struct filter_code *exact, const struct filter_truth *untrue, struct part *ret)
{
	struct filter_code weak;
	const int err = filter_weaken(exact, untrue, &weak);

	if (err)
		return err;
	*ret = (struct part){ .constant = weak.n <= 1, .open = filter_is_open(&weak) };
	filter_done(&weak);
	return 0;
}

static void print(const char *where, const struct buf *list, const char *more)
{
	printf("%s: %.*s%s%s\n", where, (int)list->len, list->p ? list->p : "", list->len && *more ? "; " : "", more);
}

/* of_owners: the kernel has judged some. */
static const char *rest_of(const struct options *o, bool of_owners)
{
	if (o->filter->n)
		return "the whole, once the owners are certain";
	return of_owners ? "owners that were not certain in the kernel" : "";
}

static int print_places(const struct options *o, const struct filter_code *code, const struct asked *asked,
			bool programs)
{
	static const struct filter_truth none;
	struct buf kernel = { 0 }, user = { 0 };
	struct buf *const known = programs ? &kernel : &user;
	struct part all, rest;
	size_t of_packet;
	int err = part_of(code, NULL, &all);

	if (!err)
		err = part_of(code, &asked->decided, &rest);
	if (err) {
		log_error("%s", strerror(-err));
		return err;
	}
	if (!all.constant || (programs && !rest.constant))
		add_word(&kernel, "what is in the packet");
	of_packet = kernel.len;
	add_options(known, &user, o, asked);
	/* Who makes a term true is of no use where all others pass, too. */
	add_terms(known, &user, o, rest.open ? &none : &asked->decided);
	print("in the kernel", &kernel, kernel.len ? "" : "nothing, since any packet may match");
	print("in user space", &user, rest_of(o, kernel.len > of_packet));
	buf_done(&kernel);
	buf_done(&user);
	return 0;
}

/* What a run would refuse. */
static int check_terms(const struct options *o)
{
	struct match *match;
	int err;

	if (!o->filter->n)
		return 0;
	err = session_match(&match, o);
	if (!err)
		match_free(match);
	return err;
}

int session_dump(const struct options *o, const struct filter_code *code, bool kernel)
{
	struct asked asked;
	int err = check_terms(o);

	if (err)
		return err;
	filter_dump(code, o->dump, stdout);
	if (o->dump > 1 || (!o->filter->n && !options_select_by_option(o)))
		return 0;
	if (options_offline(o)) {
		puts("in user space: all of it");
		return 0;
	}
	err = asked_find(&asked, o, 0);
	if (!err)
		err = print_places(o, code, &asked, kernel);
	asked_done(&asked);
	return err;
}
