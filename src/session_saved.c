/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets of files, on their way through the filters to the outputs. */
#include <errno.h>
#include <pcap/dlt.h>
#include <signal.h>
#include <stdlib.h>

#include "session_offline.h"
#include "util/clock.h"
#include "util/escape.h"
#include "util/fd.h"

enum { TICK_PACKETS = 256 };

/* Set by signals: end, flush, tell how far we are. */
static volatile sig_atomic_t interrupted, flush_wanted, report_wanted;

const volatile sig_atomic_t *offline_interrupted(void)
{
	return &interrupted;
}

static void on_signal(int sig)
{
	if (sig == SIGUSR2)
		flush_wanted = 1;
	else if (sig == SIGUSR1)
		report_wanted = 1;
	else
		interrupted = 1;
}

void offline_catch_signals(void)
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

int offline_compile(struct offline *off, const struct filter_compile_opts *opts, struct filter_code *ret,
		    char text[FILTER_ERR_LEN])
{
	const char *expr = off->s.o->filter->exact;

	return filter_has_names(expr) ? broker_compile(off->broker, opts, ret, text)
				      : filter_compile(expr, opts, ret, text);
}

static const struct reader *source_of(const struct offline *off, const struct iface *iface)
{
	return off->merge ? merge_reader(off->merge, merge_input_of(off->merge, iface))
			  : off->readers[off->nreaders - 1];
}

static int iface_filter(struct offline *off, struct source_iface *si, const struct iface *iface)
{
	const struct options *o = off->s.o;
	const struct filter_compile_opts opts = {
		.dlt = iface->dlt,
		.netmask = 0,
		.no_optimize = o->capture.no_optimize,
		.saved = true,
		.swapped = reader_swapped(source_of(off, iface)),
		.expr = o->filter,
	};
	char text[FILTER_ERR_LEN];
	int err = offline_compile(off, &opts, &si->filter, text);

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

int offline_out_of_memory(void)
{
	log_error("out of memory");
	return -ENOMEM;
}

/* Interfaces of the second file of -V begin with id 0 again; to the outputs each is a new one. */
static int rename_iface(struct offline *off, struct source_iface *si, const struct iface *iface)
{
	struct iface **kept = reallocarray(off->kept, off->nkept + 1, sizeof(*kept));

	if (!kept)
		return offline_out_of_memory();
	off->kept = kept;
	si->renamed = malloc(sizeof(*si->renamed));
	if (!si->renamed)
		return offline_out_of_memory();
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
		return offline_out_of_memory();
	off->ifaces = si;
	while (off->nifaces <= iface->id)
		si[off->nifaces++] = (struct source_iface){ 0 };
	si += iface->id;
	si->match = off->matches ? off->matches[iface->source] : off->s.match;
	si->selects = match_active(si->match);
	if (off->id_base)
		err = rename_iface(off, si, iface);
	if (!err)
		err = iface_filter(off, si, iface);
	return err ? err : session_iface(&off->s, si->renamed ? si->renamed : iface);
}

/* The inputs may have been asked to end themselves, and what they still send is wanted: until the next signal. */
static bool ends_by_itself(struct offline *off)
{
	if (off->ending || !off->inputs || !off->inputs->asked_to_end)
		return false;
	off->ending = off->inputs->asked_to_end(off->inputs->arg);
	if (off->ending)
		interrupted = 0;
	return off->ending;
}

bool offline_heed_signals(struct offline *off)
{
	struct session *s = &off->s;

	if (interrupted && !ends_by_itself(off))
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
		match_terms(si->match, packet, &truth);
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

	if ((interrupted | flush_wanted | report_wanted) && !offline_heed_signals(off))
		return 1;
	off->packets = true;
	if (packet->annot) {
		off->told |= packet->annot->has;
		if (off->seen)
			seen_containers_add(off->seen, packet->annot, off->nreaders, si->match);
	}
	passes = passes_filter(s, si, packet);
	if (!passes && !match_learns(si->match))
		return 0;
	if (si->selects)
		end = match_annotation(si->match, packet->annot);
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

void offline_forget_ifaces(struct offline *off)
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
	/* Of several, comments may refer to what comes behind them now, and blocks to other packets. */
	if (off->merge)
		return READER_EVERYTHING;
	return keeps_all(s->o) && !s->o->file.compact_comments && !s->o->file.process_blocks ? READER_OPTIONS
											     : READER_EVERYTHING;
}

void offline_print_banner(const struct reader *r, const char *path)
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
int offline_check_expression(struct offline *off, int dlt)
{
	const struct filter_compile_opts opts = {
		.dlt = dlt < 0 ? DLT_EN10MB : dlt,
		.saved = true,
		.expr = off->s.o->filter,
	};
	struct filter_code code = { 0 };
	char text[FILTER_ERR_LEN];
	int err = offline_compile(off, &opts, &code, text);

	filter_done(&code);
	if (err != -EINVAL)
		return 0;
	log_error("%s", text);
	return err;
}

struct reader_handler offline_handler(struct offline *off)
{
	return (struct reader_handler){
		.arg = off,
		.detail = wanted_detail(off),
		.iface = offline_iface,
		.packet = offline_packet,
		.block = offline_block,
	};
}

int offline_check_link_types(struct offline *off)
{
	if (!off->unsupported || off->unsupported != off->nifaces)
		return 0;
	log_error("%s", off->unsupported_text);
	return -EOPNOTSUPP;
}

bool offline_wants_more(const struct offline *off)
{
	const struct session *s = &off->s;

	return !interrupted && !off->ending && (!s->stop || (s->limit && s->captured == s->limit));
}
