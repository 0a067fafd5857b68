/* SPDX-License-Identifier: BSD-3-Clause */
/* Several -r at once, in the order of their packets' times. */
#include <stdlib.h>
#include <string.h>

#include "session_inputs.h"
#include "session_offline.h"
#include "util/clock.h"
#include "util/log.h"

/* How long packets wait for an input that has none. */
#define PATIENCE NSEC_PER_SEC

/* Any number of packets may come of it. */
static bool has_no_end(const struct offline *off, size_t i)
{
	return merge_is_live(off->merge, i) || reader_is_packed(merge_reader(off->merge, i));
}

static void say_end(const struct offline *off, size_t i)
{
	/* Of a file it is nothing to speak of. */
	if (off->open && merge_is_live(off->merge, i))
		log_warn("%s: has ended, the others go on", off->inputs->v[i].path);
}

static void say_broken(const struct offline *off, size_t i)
{
	if (off->open)
		log_warn("%s: is left out from here on, the others go on", off->inputs->v[i].path);
}

static void told(void *arg, size_t i, enum merge_event event)
{
	struct offline *off = arg;
	const char *path = off->inputs->v[i].path;

	off->open -= event == MERGE_ENDED || event == MERGE_BROKE;
	off->s.failed |= event == MERGE_BROKE;
	if (event == MERGE_OPENED && has_no_end(off, i))
		session_text_packed(&off->s);
	if (off->inputs->told) {
		off->inputs->told(off->inputs->arg, i, event);
		return;
	}
	switch (event) {
	case MERGE_OPENED: offline_print_banner(merge_reader(off->merge, i), path); break;
	case MERGE_ENDED: say_end(off, i); break;
	case MERGE_BROKE: say_broken(off, i); break;
	case MERGE_SILENT:
		log_warn("%s: nothing has come for a second: the others do not wait for it any longer", path);
		break;
	case MERGE_LATE:
		log_warn("%s: packets come that are older than what has gone on without them: they are out of order",
			 path);
		break;
	}
}

/* Whoever looks at a stream sees what there is. */
static int on_idle(void *arg)
{
	struct offline *off = arg;

	if (off->s.dirty)
		session_flush(&off->s);
	return off->s.stop;
}

static int on_woken(void *arg)
{
	return !offline_heed_signals(arg);
}

static unsigned on_watch(void *arg, int fds[MERGE_FDS], uint64_t *until)
{
	const struct offline *off = arg;

	_Static_assert((int)MERGE_FDS == (int)SESSION_TOP_FDS, "all of the screen's");
	if (off->s.tick < *until)
		*until = off->s.tick;
	return session_top_fds(&off->s, fds);
}

static int on_serve(void *arg)
{
	struct offline *off = arg;

	session_top_look(&off->s);
	return off->s.stop;
}

static int add_inputs(struct offline *off)
{
	const struct merge_config config = {
		.arg = off,
		.told = told,
		.idle = on_idle,
		.woken = on_woken,
		.watch = on_watch,
		.serve = on_serve,
		.interrupted = offline_interrupted(),
		.patience = PATIENCE,
	};
	int err = merge_new(&off->merge, &config);

	for (size_t i = 0; i < off->inputs->n && !err; i++) {
		struct session_input *v = &off->inputs->v[i];
		const struct merge_input input = {
			.path = v->path,
			.name = v->name,
			.fd = v->fd,
			.offset = v->offset,
			.may_be_empty = v->may_be_empty,
		};

		err = merge_add(off->merge, &input);
		v->fd = -1;
	}
	off->open = off->inputs->n;
	return err;
}

/* Of the first one whose header is there; -1: of none. */
static int first_dlt(const struct offline *off)
{
	int dlt = -1;

	for (size_t i = 0; i < merge_inputs(off->merge) && dlt < 0; i++)
		dlt = reader_dlt(merge_reader(off->merge, i));
	return dlt;
}

static void say_late(const struct offline *off)
{
	for (size_t i = 0; i < merge_inputs(off->merge); i++) {
		const uint64_t late = merge_late(off->merge, i);

		if (late)
			log_warn("%s: %llu packet%s came too late to be put in order", off->inputs->v[i].path,
				 (unsigned long long)late, late == 1 ? "" : "s");
	}
}

/* The one before that is of the same host; i: there is none. */
static size_t same_host(const struct session_inputs *in, size_t i)
{
	for (size_t k = 0; k < i && in->v[i].name; k++) {
		if (in->v[k].name && strcmp(in->v[k].name, in->v[i].name) == 0)
			return k;
	}
	return i;
}

/* A pid that is remembered means nothing on another host. */
static int open_matches(struct offline *off)
{
	const struct session_inputs *in = off->inputs;
	int err = 0;

	if (!match_learns(off->s.match))
		return 0;
	off->matches = calloc(in->n, sizeof(struct match *));
	if (!off->matches)
		return offline_out_of_memory();
	for (size_t i = 0; i < in->n && !err; i++) {
		const size_t before = same_host(in, i);

		if (before < i)
			off->matches[i] = off->matches[before];
		else
			err = session_match(&off->matches[i], off->s.o);
	}
	return err;
}

static int run(struct offline *off)
{
	const struct reader_handler handler = offline_handler(off);
	int err = merge_run(off->merge, &handler);

	if (!err)
		err = offline_check_link_types(off);
	offline_forget_ifaces(off);
	return err;
}

int offline_merge(struct offline *off)
{
	const struct options *o = off->s.o;
	int err = add_inputs(off);

	if (err)
		return err;
	privileges_say(&off->s.user);
	offline_catch_signals();
	merge_open(off->merge);
	err = offline_check_expression(off, first_dlt(off));
	if (!err)
		err = session_open(&off->s, o, first_dlt(off));
	if (!err)
		err = open_matches(off);
	if (!err)
		err = session_top_begin(&off->s);
	if (!err)
		err = run(off);
	if (!err && offline_wants_more(off))
		session_top_stay(&off->s);
	/* What was read before an error is printed and saved. */
	session_finish(&off->s);
	off->inputs->captured = off->s.captured;
	off->inputs->complete = !off->open;
	if (!err)
		say_late(off);
	return err;
}

void offline_merge_done(struct offline *off)
{
	for (size_t i = 0; off->matches && i < off->inputs->n; i++) {
		if (same_host(off->inputs, i) == i)
			match_free(off->matches[i]);
	}
	free(off->matches);
	merge_free(off->merge);
}
