/* SPDX-License-Identifier: BSD-3-Clause */
/* -r and -V: packets from files. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "filter/filter.h"
#include "hints.h"
#include "hints_containers.h"
#include "reader/reader.h"
#include "sandbox.h"
#include "session_broker.h"
#include "session_dump.h"
#include "session_private.h"
#include "util/clock.h"
#include "util/escape.h"
#include "util/fd.h"

enum { TICK_PACKETS = 256 };

/* Set by signals: end, flush, tell how far we are. */
static volatile sig_atomic_t interrupted, flush_wanted, report_wanted;

/* Of one interface of the current file, by its id. */
struct source_iface {
	struct filter_code filter;
	struct iface *renamed; /* NULL: the id of the file is that of the output */
};

struct offline {
	struct session s;
	struct source_iface *ifaces;
	size_t nifaces;
	size_t unsupported; /* interfaces for whose link type the expression makes no sense */
	char unsupported_text[FILTER_ERR_LEN];
	FILE *list;		      /* -V, NULL none; the broker reads it */
	struct broker *broker;	      /* NULL: nobody stays outside of the sandbox */
	int input;		      /* the first file, before it has a reader */
	bool packets;		      /* there were some */
	unsigned told;		      /* ANNOT_*, of any of them */
	struct seen_containers *seen; /* NULL: none are asked for */
	unsigned since_tick;	      /* packets since the clock was looked at */
	uint32_t id_base;	      /* -V: interfaces of the files before this one */
	/* Interfaces of earlier files: outputs know them until the end. */
	struct iface **kept;
	struct reader **readers;
	size_t nkept, nreaders;
};

static void on_signal(int sig)
{
	if (sig == SIGUSR2)
		flush_wanted = 1;
	else if (sig == SIGUSR1)
		report_wanted = 1;
	else
		interrupted = 1;
}

static void catch_signals(void)
{
	struct sigaction act = { .sa_handler = on_signal }, old;
	sigset_t user;

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	/* nohup(1) */
	if (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &act, NULL);
	act.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGUSR2, &act, NULL);
	sigemptyset(&user);
	sigaddset(&user, SIGUSR1);
	sigaddset(&user, SIGUSR2);
	sigprocmask(SIG_UNBLOCK, &user, NULL);
	fd_ignore_signals();
}

static int compile(struct offline *off, const struct filter_compile_opts *opts, struct filter_code *ret,
		   char text[FILTER_ERR_LEN])
{
	const char *expr = off->s.o->filter->exact;

	return filter_has_names(expr) ? broker_compile(off->broker, opts, ret, text)
				      : filter_compile(expr, opts, ret, text);
}

static int iface_filter(struct offline *off, struct source_iface *si, const struct iface *iface)
{
	const struct options *o = off->s.o;
	const struct filter_compile_opts opts = {
		.dlt = iface->dlt,
		.netmask = 0,
		.no_optimize = o->capture.no_optimize,
		.saved = true,
		.swapped = reader_swapped(off->readers[off->nreaders - 1]),
		.expr = o->filter,
	};
	char text[FILTER_ERR_LEN];
	int err = compile(off, &opts, &si->filter, text);

	if (err == -EOPNOTSUPP) {
		memcpy(off->unsupported_text, text, sizeof(text));
		off->unsupported++;
		err = filter_reject(&si->filter);
	}
	if (!err && filter_is_open(&si->filter))
		filter_done(&si->filter);
	if (!err)
		return 0;
	log_error("%s", err == -EINVAL ? text : strerror(-err));
	off->s.failed = true;
	return err;
}

static int out_of_memory(void)
{
	log_error("out of memory");
	return -ENOMEM;
}

/* Interfaces of the second file of -V begin with id 0 again; to the outputs each is a new one. */
static int rename_iface(struct offline *off, struct source_iface *si, const struct iface *iface)
{
	struct iface **kept = reallocarray(off->kept, off->nkept + 1, sizeof(*kept));

	if (!kept)
		return out_of_memory();
	off->kept = kept;
	si->renamed = malloc(sizeof(*si->renamed));
	if (!si->renamed)
		return out_of_memory();
	*si->renamed = *iface;
	si->renamed->id += off->id_base;
	kept[off->nkept++] = si->renamed;
	return 0;
}

static int offline_iface(void *arg, const struct iface *iface)
{
	struct offline *off = arg;
	struct source_iface *si;
	int err = 0;

	si = reallocarray(off->ifaces, iface->id + 1, sizeof(*si));
	if (!si)
		return out_of_memory();
	off->ifaces = si;
	while (off->nifaces <= iface->id)
		si[off->nifaces++] = (struct source_iface){ 0 };
	si += iface->id;
	if (off->id_base)
		err = rename_iface(off, si, iface);
	if (!err)
		err = iface_filter(off, si, iface);
	return err ? err : session_iface(&off->s, si->renamed ? si->renamed : iface);
}

/* False: an end was asked for. */
static bool heed_signals(struct session *s)
{
	if (interrupted)
		return false;
	if (flush_wanted) {
		flush_wanted = 0;
		session_flush(s);
	}
	if (report_wanted) {
		report_wanted = 0;
		fprintf(stderr, "ptcpdump: %llu packet%s captured\n", (unsigned long long)s->captured,
			s->captured == 1 ? "" : "s");
		session_report(s);
	}
	return true;
}

/* Each file counts its interfaces from 0 and its annotations from 1; to the outputs their numbers must differ. */
static __attribute__((cold)) void renamed_packet(struct offline *off, const struct source_iface *si,
						 const struct packet *packet, enum match_end end)
{
	struct packet copy = *packet;
	struct annotation annot;

	copy.by_peer = end == MATCH_PEER;
	if (si->renamed)
		copy.iface = si->renamed;
	if (si->renamed && copy.annot) {
		annot = *copy.annot;
		annot.serial += (uint64_t)off->nreaders << 40;
		copy.annot = &annot;
	}
	session_packet(&off->s, &copy);
}

static bool passes_filter(const struct session *s, const struct source_iface *si, const struct packet *packet)
{
	struct filter_truth truth = { 0 };

	if (s->o->filter->n)
		match_terms(s->match, packet, &truth);
	return !si->filter.n || filter_match(&si->filter, packet->data, packet->caplen, packet->len, &truth);
}

static void look_at_clock(struct offline *off)
{
	const uint64_t now = clock_ns(CLOCK_MONOTONIC);

	off->since_tick = 0;
	if (now >= off->s.tick)
		session_tick(&off->s, now);
}

static int offline_packet(void *arg, const struct packet *packet)
{
	struct offline *off = arg;
	struct session *s = &off->s;
	const struct source_iface *si = &off->ifaces[packet->iface->id];
	enum match_end end = MATCH_OWNER;
	bool passes;

	if ((interrupted | flush_wanted | report_wanted) && !heed_signals(s))
		return 1;
	off->packets = true;
	if (packet->annot) {
		off->told |= packet->annot->has;
		if (off->seen)
			seen_containers_add(off->seen, packet->annot, off->nreaders, s->match);
	}
	passes = passes_filter(s, si, packet);
	if (!passes && !match_learns(s->match))
		return 0;
	if (match_active(s->match))
		end = match_annotation(s->match, packet->annot);
	if (!passes || end == MATCH_NONE)
		return 0;
	if (s->pcap && packet->annot)
		session_warn_pcap(s);
	if (s->tick != UINT64_MAX && ++off->since_tick >= TICK_PACKETS)
		look_at_clock(off);
	if (si->renamed || end == MATCH_PEER)
		renamed_packet(off, si, packet, end);
	else
		session_packet(s, packet);
	return s->stop;
}

static int offline_block(void *arg, const struct pcapng_block *block)
{
	struct offline *off = arg;

	session_block(&off->s, block);
	return off->s.stop;
}

static void print_banner(const struct reader *r, const char *path)
{
	struct buf b = { 0 };
	char dlt[256];

	buf_puts(&b, "reading from file ");
	escape_put(&b, str_of(path), IN_FIELDS);
	if (reader_dlt(r) >= 0) {
		session_name_dlt(reader_dlt(r), dlt, sizeof(dlt));
		buf_printf(&b, ", link-type %s, snapshot length %u", dlt, reader_snaplen(r));
	}
	fprintf(stderr, "%.*s\n", (int)b.len, b.p);
	buf_done(&b);
	/* Such a header holds the number that the device had where it was captured. */
	if (reader_dlt(r) == DLT_LINUX_SLL2)
		fprintf(stderr, "Warning: interface names might be incorrect\n");
}

/* An expression is wrong even when no interface is there to compile it for. */
static int check_expression(struct offline *off, int dlt)
{
	const struct filter_compile_opts opts = {
		.dlt = dlt < 0 ? DLT_EN10MB : dlt,
		.saved = true,
		.expr = off->s.o->filter,
	};
	struct filter_code code = { 0 };
	char text[FILTER_ERR_LEN];
	int err = compile(off, &opts, &code, text);

	filter_done(&code);
	if (err != -EINVAL)
		return 0;
	log_error("%s", text);
	return err;
}

static void forget_ifaces(struct offline *off)
{
	for (size_t i = 0; i < off->nifaces; i++)
		filter_done(&off->ifaces[i].filter);
	off->id_base += (uint32_t)off->nifaces;
	off->nifaces = 0;
	match_next_source(off->s.match);
}

/* All packets stay in one file: comments that refer to those of an earlier packet may stay as they are. */
static bool keeps_all(const struct options *o)
{
	return !*o->expr && !o->count && !o->file.rotate_bytes && !o->file.rotate_seconds && o->context == ANNOT_ALL;
}

/* What is asked of packets, or is told of them by an output. */
static enum reader_detail wanted_detail(const struct offline *off)
{
	const struct session *s = &off->s;

	if (options_select_process(s->o) || s->text || s->pcap || s->counting)
		return READER_EVERYTHING;
	if (!s->file)
		return READER_BARE;
	return keeps_all(s->o) && !s->o->file.compact_comments && !s->o->file.process_blocks ? READER_OPTIONS
											     : READER_EVERYTHING;
}

static int read_file(struct offline *off, struct reader *r)
{
	const struct reader_handler handler = {
		.arg = off,
		.detail = wanted_detail(off),
		.iface = offline_iface,
		.packet = offline_packet,
		.block = offline_block,
	};
	int err;

	off->unsupported = 0;
	err = reader_run(r, &handler);
	if (!err && off->unsupported && off->unsupported == off->nifaces) {
		log_error("%s", off->unsupported_text);
		err = -EOPNOTSUPP;
	}
	forget_ifaces(off);
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

static bool wants_more(const struct session *s)
{
	return !interrupted && (!s->stop || (s->limit && s->captured == s->limit));
}

static bool serve_top(void *arg, int fd)
{
	struct offline *off = arg;

	session_top_wait(&off->s, fd);
	return !off->s.stop;
}

/* fd is the reader's from now on. */
static int open_reader(struct offline *off, const char *path, int fd, struct reader **ret)
{
	struct reader **readers = reallocarray(off->readers, off->nreaders + 1, sizeof(*readers));
	int err;

	if (!readers)
		return out_of_memory();
	off->readers = readers;
	err = reader_open_input(ret, path, fd);
	if (err)
		return err;
	readers[off->nreaders++] = *ret;
	reader_set_interrupt(*ret, &interrupted);
	if (off->s.top)
		reader_set_wait(*ret, serve_top, off);
	print_banner(*ret, path);
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
	while (!err && wants_more(s) && !session_flush(s)) {
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

	off->input = broker.first = reader_input(path);
	if (off->input < 0)
		return off->input;
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
	catch_signals();
	if (off->s.text && (off->list || reader_is_packed(r)))
		output_text_packed(off->s.text);
	err = check_expression(off, reader_dlt(r));
	if (!err)
		err = session_open(&off->s, o, reader_dlt(r));
	if (!err)
		err = session_top_begin(&off->s);
	if (!err) {
		err = read_next(off, r);
		if (!err && off->list)
			err = read_list(off, r);
		if (wants_more(&off->s))
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
	err = compile(off, &opts, &code, text);
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
	else if (off->seen && !off->s.stop && !interrupted)
		seen_containers_warn(off->seen, path);
}

int session_run_offline(const struct options *o)
{
	struct offline off = {
		.s = { .o = o, .user = privileges_user(o), .interrupted = &interrupted },
	};
	char first[PATH_MAX + 2];
	const char *path = o->read_files.n ? o->read_files.v[0] : NULL;
	int err;

	if (o->list_file) {
		off.list = open_list(o->list_file, first);
		if (!off.list)
			return 1;
		path = first;
	}
	if (options_select_container(o))
		off.seen = seen_containers_new(o);
	err = o->dump ? 0 : session_begin(&off.s);
	if (!err)
		err = go_inside(&off, path);
	if (!err)
		err = o->dump ? dump_filter(&off, path) : read_all(&off, path);
	if (err)
		hint_expression(o);
	else if (!o->dump && off.packets)
		say_hints(&off, o->list_file ? "these files" : path);
	if (!err && !o->dump && o->count_only)
		printf("%llu packet%s\n", (unsigned long long)off.s.captured, off.s.captured == 1 ? "" : "s");
	err = err || off.s.failed ? 1 : 0;
	offline_done(&off);
	return err;
}
