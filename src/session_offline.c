/* SPDX-License-Identifier: BSD-3-Clause */
/* -r and -V: packets from files. */
#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hints.h"
#include "sandbox.h"
#include "session_dump.h"
#include "session_offline.h"

static int read_file(struct offline *off, struct reader *r)
{
	const struct reader_handler handler = offline_handler(off);
	int err;

	off->unsupported = 0;
	err = reader_run(r, &handler);
	if (!err)
		err = offline_check_link_types(off);
	offline_forget_ifaces(off);
	reader_close(r);
	return err;
}

/* As read_file(), but with -V the next file comes although this one is damaged. */
static int read_next(struct offline *off, struct reader *r)
{
	const int err = read_file(off, r);

	if (!off->list || (err != -EBADMSG && err != -EIO))
		return err;
	off->s.failed = true;
	return 0;
}

static bool serve_others(void *arg, int fd)
{
	struct offline *off = arg;

	session_top_wait(&off->s, fd);
	return offline_heed_signals(off) && !off->s.stop;
}

/* fd is the reader's from now on. */
static int open_reader(struct offline *off, const char *path, int fd, struct reader **ret)
{
	struct reader **readers = reallocarray(off->readers, off->nreaders + 1, sizeof(*readers));
	int err;

	if (!readers)
		return offline_out_of_memory();
	off->readers = readers;
	err = reader_open_input(ret, path, fd);
	if (err)
		return err;
	readers[off->nreaders++] = *ret;
	reader_set_interrupt(*ret, offline_interrupted());
	if (options_count(off->s.o) || off->s.o->json == JSON_FLOW)
		reader_set_wait(*ret, serve_others, off);
	offline_print_banner(*ret, path);
	return 0;
}

/* The other files of -V. As with tcpdump one that cannot be opened is the end, and -c counts anew in each. */
static int read_list(struct offline *off, const struct reader *first)
{
	struct session *s = &off->s;
	char name[PATH_MAX];
	struct reader *r;
	int err = 0;

	/* A file's text comes before the next one's banner. */
	while (!err && offline_wants_more(off) && !session_flush(s)) {
		const int fd = broker_input(off->broker, name);

		if (fd == -ENODATA)
			break;
		err = fd < 0 ? fd : open_reader(off, name, fd, &r);
		if (!err && s->pcap && !s->o->file.add_ethernet && reader_dlt(r) != reader_dlt(first)) {
			log_error("%s: new dlt does not match original: a pcap file holds one link type, name the file "
				  "of -w *.pcapng",
				  name);
			err = -EINVAL;
		}
		s->stop = false;
		s->limit = s->o->count ? s->captured + s->o->count : 0;
		if (!err)
			err = read_next(off, r);
	}
	return err;
}

/* Whoever moves the position in it, which is the same for all who have it open, moves what the broker takes for a name. */
static int leave_list(FILE *list)
{
	const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int err = null < 0 || dup3(null, fileno(list), O_CLOEXEC) < 0 ? -errno : 0;

	if (err)
		log_error("/dev/null: %s", strerror(-err));
	if (null >= 0)
		close(null);
	return err;
}

static int open_first(struct offline *off, const char *path)
{
	off->input = reader_input(path);
	return off->input < 0 ? off->input : 0;
}

/*
 * What needs root or the file system is done here, or left to the broker; the rest happens in the sandbox. The first byte of
 * the file is read there.
 */
static int go_inside(struct offline *off, const char *path)
{
	const struct options *o = off->s.o;
	const struct privileges_keep nothing = { .quiet = true };
	struct broker_config broker = { .s = &off->s, .list = off->list };
	const struct sandbox_config sandbox = { 0 };
	int err = 0;

	err = off->inputs ? session_inputs_open(off->inputs) : open_first(off, path);
	if (err)
		return err;
	broker.input = off->input;
	broker.inputs = off->inputs;
	/* It reads services, and what else names are made of. */
	if (!o->dump && session_wants_text(o))
		err = session_text_open(&off->s);
	/* Before there is a child: what it says on standard error must not be shown over it. */
	if (!err)
		err = session_top_collect(&off->s);
	if (!err && broker_needed(o))
		err = broker_new(&off->broker, &broker);
	if (!err && off->list && fileno(off->list) != off->input)
		err = leave_list(off->list);
	if (!err)
		err = privileges_drop(&off->s.user, &nothing);
	if (!err && !o->no_sandbox)
		err = sandbox_enter(&sandbox);
	if (broker_opens_files(o)) {
		off->s.ask_file = broker_file;
		off->s.ask_arg = off->broker;
	}
	return err;
}

static int read_all(struct offline *off, const char *first)
{
	const struct options *o = off->s.o;
	struct reader *r;
	int err = open_reader(off, first, off->input, &r);

	if (err)
		return err;
	privileges_say(&off->s.user);
	/* Until here a signal may simply end us. */
	offline_catch_signals();
	if (off->list || reader_is_packed(r))
		session_text_packed(&off->s);
	err = offline_check_expression(off, reader_dlt(r));
	if (!err)
		err = session_open(&off->s, o, reader_dlt(r));
	if (!err)
		err = session_top_begin(&off->s);
	if (!err) {
		err = read_next(off, r);
		if (!err && off->list)
			err = read_list(off, r);
		if (offline_wants_more(off))
			session_top_stay(&off->s);
	}
	/* What was read before an error is printed and saved. */
	session_finish(&off->s);
	return err;
}

static int dump_filter(struct offline *off, const char *path)
{
	struct filter_compile_opts opts = {
		.no_optimize = off->s.o->capture.no_optimize,
		.saved = true,
		.expr = off->s.o->filter,
	};
	struct filter_code code = { 0 };
	char text[FILTER_ERR_LEN];
	struct reader *r;
	int err = open_reader(off, path, off->input, &r);

	if (err)
		return err;
	opts.dlt = reader_dlt(r) < 0 ? DLT_EN10MB : reader_dlt(r);
	opts.snaplen = reader_snaplen(r);
	opts.swapped = reader_swapped(r);
	err = offline_compile(off, &opts, &code, text);
	if (err)
		log_error("%s", text);
	else
		err = session_dump(off->s.o, &code, false);
	filter_done(&code);
	return err;
}

static FILE *open_list(const char *path, char first[PATH_MAX + 2])
{
	FILE *list = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");

	if (!list) {
		log_error("Unable to open file: %s: %s", path, strerror(errno));
		return NULL;
	}
	if (broker_next_name(list, first))
		return list;
	log_error("Nothing in %s: it must hold one file name per line", path);
	if (list != stdin)
		fclose(list);
	return NULL;
}

static void offline_done(struct offline *off)
{
	session_close(&off->s);
	offline_merge_done(off);
	broker_free(off->broker);
	if (off->list && off->list != stdin)
		fclose(off->list);
	for (size_t i = 0; i < off->nreaders; i++)
		reader_free(off->readers[i]);
	for (size_t i = 0; i < off->nkept; i++)
		free(off->kept[i]);
	free(off->readers);
	free(off->kept);
	free(off->ifaces);
	seen_containers_free(off->seen);
}

/* After all packets: what was asked for may have been meant otherwise. */
static void say_hints(const struct offline *off, const char *path)
{
	const char *untold = hint_untold(off->s.o, off->told);

	if (untold)
		log_warn("no packet of %s %s", path, untold);
	else if (off->seen && !off->s.stop && !*offline_interrupted())
		seen_containers_warn(off->seen, path);
}

static int read_inputs(struct offline *off, const char *path)
{
	if (off->s.o->dump)
		return dump_filter(off, path);
	return off->inputs ? offline_merge(off) : read_all(off, path);
}

/* path: of the first file. The exit status. */
static int run(struct offline *off, const char *path)
{
	const struct options *o = off->s.o;
	int err;

	if (options_select_container(o))
		off->seen = seen_containers_new(o);
	err = o->dump ? 0 : session_begin(&off->s);
	if (!err)
		err = go_inside(off, path);
	if (!err)
		err = read_inputs(off, path);
	if (err)
		hint_expression(o);
	else if (!o->dump && off->packets)
		say_hints(off, o->list_file || off->inputs ? "these files" : path);
	if (!err && !o->dump && o->count_only)
		printf("%llu packet%s\n", (unsigned long long)off->s.captured, off->s.captured == 1 ? "" : "s");
	err = err || off->s.failed ? 1 : 0;
	offline_done(off);
	return err;
}

static struct offline offline_of(const struct options *o)
{
	return (struct offline){
		.s = { .o = o, .user = privileges_user(o), .interrupted = offline_interrupted() },
	};
}

static int run_list(const struct options *o)
{
	struct offline off = offline_of(o);
	char first[PATH_MAX + 2];

	off.list = open_list(o->list_file, first);
	return off.list ? run(&off, first) : 1;
}

int session_run_inputs(const struct options *o, struct session_inputs *inputs)
{
	struct offline off = offline_of(o);

	off.inputs = inputs;
	return run(&off, NULL);
}

/* -d shows an expression for the first one. */
static int run_files(const struct options *o, struct session_inputs *inputs)
{
	struct offline off = offline_of(o);
	bool merge;

	if (session_inputs_parse(inputs, o, &merge))
		return 1;
	if (merge && !o->dump)
		off.inputs = inputs;
	return run(&off, inputs->v[0].file);
}

int session_run_offline(const struct options *o)
{
	struct session_inputs inputs = { 0 };
	int ret;

	if (o->list_file)
		return run_list(o);
	ret = run_files(o, &inputs);
	session_inputs_done(&inputs);
	return ret;
}
