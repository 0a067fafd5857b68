/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets from the kernel: what the options ask for is opened, run by session_loop.c, and closed. */
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <pcap/dlt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "capture/capture.h"
#include "command.h"
#include "filter/filter.h"
#include "flows/flows.h"
#include "hints.h"
#include "keylog.h"
#include "meta/meta.h"
#include "remote_agent.h"
#include "session_dump.h"
#include "session_loop.h"
#include "session_pids.h"
#include "util/clock.h"
#include "util/escape.h"
#include "util/fd.h"
#include "util/notify.h"
#include "util/pidns.h"
#include "util/procfs.h"

/* A packet is saved this much later when secrets are saved as well: the client knows them only once it has seen the
 * packet in which the server's encrypted words begin. */
#define SECRETS_TIME (200 * NSEC_PER_MSEC)
/* As many as may be open; the usual 1024 are little with containers. */
#define DESCRIPTORS 65536

static int live_iface(void *arg, const struct iface *iface)
{
	struct live *l = arg;
	char text[256];

	if (l->s.o->capture.dlt >= 0 && l->s.o->capture.dlt != iface->dlt) {
		session_name_dlt(iface->dlt, text, sizeof(text));
		log_error("-y %s: packets of '%s' have the link type %s and no other", l->s.o->capture.dlt_name,
			  iface->name, text);
		return -EINVAL;
	}
	if (!l->capturing) {
		session_name_dlt(iface->dlt, text, sizeof(text));
		/* Each kind once. */
		buf_putc(&l->link_types, '\0');
		l->link_types.len--;
		if (!strstr(l->link_types.p, text)) {
			buf_puts(&l->link_types, l->link_types.len ? " and " : "");
			buf_puts(&l->link_types, text);
		}
	}
	return session_iface(&l->s, iface);
}

/* By which of its names a device is given does not matter, nor how often. */
static bool named_before(const struct live *l, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(capture_iface_name(l->capture, i), capture_iface_name(l->capture, n)) == 0)
			return true;
	return false;
}

static void print_names(const struct live *l, const char *const *ifaces)
{
	struct buf names = { 0 };

	for (unsigned i = 0; ifaces[i]; i++) {
		if (named_before(l, i))
			continue;
		buf_puts(&names, i ? ", " : "");
		escape_put(&names, str_of(capture_iface_name(l->capture, i)), IN_QUOTES);
	}
	fprintf(stderr, "listening on %.*s", (int)names.len, names.p);
	buf_done(&names);
}

static void live_process(void *arg, uint32_t type, const void *event, size_t size)
{
	struct live *l = arg;

	if (type == EVENT_FORK)
		l->forks += u32_list_has(&l->s.o->pids, ((const struct event_fork *)event)->child.parent_tgid);
	meta_event(l->meta, type, event, size);
	match_event(l->s.match, type, event);
}

/* By which end it is wanted. What the kernel has decided is not decided again, but the line tells by which end. */
static enum match_end selected_by(struct live *l, const struct packet *packet)
{
	const enum match_end end = match_annotation(l->s.match, packet->annot);

	if (end != MATCH_NONE)
		return end;
	if (!l->asked.undecided && !(packet->event->flags & EVENT_PKT_MAYBE))
		return MATCH_OWNER;
	return match_annotation(l->s.match, meta_other_end(l->meta, packet)) ? MATCH_PEER : MATCH_NONE;
}

/* The whole expression, of which the kernel has asked what does not depend on owners. */
static bool meets_terms(const struct live *l, const struct packet *packet)
{
	struct filter_truth truth;

	if (!l->s.o->filter->n)
		return true;
	match_terms(l->s.match, packet, &truth);
	return capture_matches(l->capture, packet, &truth);
}

static int live_packet(void *arg, struct packet *packet, bool force)
{
	struct live *l = arg;
	enum match_end end;
	int err;

	/* What is left in the rings after -c stays there, uncounted. */
	if (l->s.stop)
		return -ECANCELED;
	if (l->s.o->embed_keylog && !force && l->now < packet->event->ts + SECRETS_TIME)
		return CAPTURE_WAIT;
	if (meta_join(l->meta, packet, l->now, force) == META_WAIT)
		return CAPTURE_WAIT;
	end = selected_by(l, packet);
	if (end == MATCH_NONE || !meets_terms(l, packet)) {
		l->rejected++;
		return CAPTURE_DONE;
	}
	packet->by_peer = end == MATCH_PEER;
	err = session_packet(&l->s, packet);
	l->last_packet = l->now;
	return err < 0 ? err : CAPTURE_DONE;
}

/* As live_packet(), of several. The first of them tells who had the flow, the last how long all have waited for that. */
static int live_sample(void *arg, struct packet *packet, struct flows_sample *sample, bool force)
{
	struct live *l = arg;
	int err;

	if (l->s.stop)
		return -ECANCELED;
	if (meta_join(l->meta, packet, l->now - (sample->last - sample->first), force) == META_WAIT)
		return CAPTURE_WAIT;
	if (selected_by(l, packet) == MATCH_NONE) {
		l->rejected += sample->packets;
		return CAPTURE_DONE;
	}
	sample->annot = packet->annot;
	err = session_sample(&l->s, sample);
	l->last_packet = l->now;
	return err < 0 ? err : CAPTURE_DONE;
}

static void on_verdict(void *arg, uint64_t cgroup, uint32_t tgid, bool match)
{
	struct live *l = arg;
	int err = capture_set_verdict(l->capture, cgroup, tgid, match);

	if (err)
		log_debug("container filter: %s", strerror(-err));
}

/* Also without -i any, so that who gets nothing can be told where it may be. */
static void on_netns(void *arg, const struct netns_news *news)
{
	struct live *l = arg;
	const struct capture_netns ns = {
		.inode = news->inode,
		.pid = news->pid,
		.name = news->name,
		.chosen = news->chosen,
	};
	const int err = capture_netns(l->capture, &ns);

	l->elsewhere |= news->chosen && !news->own;
	if (err && !l->said_netns)
		log_warn("network namespace of '%s': %s", news->name ? news->name : "a container", strerror(-err));
	l->said_netns |= err != 0;
}

static bool listens_on_any(const struct options *o)
{
	for (size_t i = 0; i < o->ifaces.n; i++) {
		if (strcmp(o->ifaces.v[i], "any") == 0)
			return true;
	}
	return false;
}

/* Those of the selected containers, unless it is said where to look. */
static bool chooses_netns(const struct live *l)
{
	const struct options *o = l->s.o;

	return options_want_containers(o) && !o->netns.n && capture_follows_netns(l->backend) &&
	       (!o->ifaces.n || listens_on_any(o));
}

/* --- opening ---------------------------------------------------------------- */

static int open_capture(struct live *l, const char *const *ifaces)
{
	const struct options *o = l->s.o;
	struct capture_config config = o->capture;
	const struct capture_handler handler = {
		.arg = l,
		.iface = live_iface,
		.process = live_process,
		.packet = live_packet,
		.sample = live_sample,
		.meanwhile = session_loop_serve,
	};

	config.ifaces = ifaces;
	config.netns = (const char *const *)(l->netns.found ? l->netns.found : o->netns.v);
	config.filter = o->filter;
	config.backend = l->backend;
	config.promiscuous = !o->no_promiscuous;
	config.prompt = o->capture.immediate || o->text.line_buffered || o->file.packet_buffered;
	config.pids = l->asked.pids.v;
	config.npids = l->asked.pids.n;
	config.pnames = l->asked.pnames;
	config.uids = l->asked.uids.v;
	config.nuids = l->asked.uids.n;
	config.container_filter = l->asked.containers;
	config.decided = l->asked.by_terms ? &l->asked.decided : NULL;
	config.follow_forks = o->follow_forks || o->command;
	config.chosen_netns = chooses_netns(l);
	config.plugin = o->extcap;
	config.attribution = o->context || options_select_process(o);
	config.counting = options_only_counts(o);
	return capture_new(&l->capture, &config, &handler);
}

static bool needs_containers(const struct options *o)
{
	return (o->context & (ANNOT_CONTAINER | ANNOT_POD)) || options_need_containers(o) || netns_words_given(o);
}

/* Whoever selects needs both ends, whatever is shown of them. */
static bool needs_peer(const struct options *o)
{
	bool told = options_select_process(o);

	for (size_t i = 0; i < annotation_schema.ngroups; i++) {
		const struct annot_group *g = &annotation_schema.groups[i];

		told |= (o->context & g->bit) && (g->role == ROLE_PEER || g->role == ROLE_PEER_PARENT);
	}
	return told;
}

static int open_meta(struct live *l)
{
	const struct options *o = l->s.o;
	struct meta_config config = o->meta;

	config.reverse_match = !o->no_reverse_match;
	config.peer = needs_peer(o);
	config.containers = needs_containers(o);
	config.runtime_addresses = o->runtime_addresses;
	config.query = options_containers(o);
	config.expr = o->filter->n ? o->filter : NULL;
	config.verdict = l->asked.containers ? on_verdict : NULL;
	config.arg = l;
	config.netns = (struct netns_config){
		.containers = (const char *const *)l->netns.containers,
		.pods = (const char *const *)l->netns.pods,
		.selected = !o->netns.n,
		.waits = capture_follows_netns(l->backend),
		.tell = o->netns.n || options_want_containers(o) ? on_netns : NULL,
		.arg = l,
	};
	return meta_new(&l->meta, &config);
}

struct family {
	struct match *match;
	bool grew;
};

static void find_member(void *arg, const struct process_desc *p, uint32_t parent, uint32_t uid)
{
	struct family *f = arg;

	f->grew |= match_found(f->match, p, parent, uid);
}

/* -f: the children of what runs already, one generation at least a pass. */
static void find_families(struct live *l)
{
	struct family f = { .match = l->s.match };

	do {
		f.grew = false;
		meta_each_process(l->meta, find_member, &f);
	} while (f.grew);
}

static void print_banner(const struct live *l, const char *const *ifaces)
{
	const struct options *o = l->s.o;
	char name[256];

	if (o->extcap)
		return;
	if (o->capture.dlt >= 0) {
		session_name_dlt(o->capture.dlt, name, sizeof(name));
		fprintf(stderr, "ptcpdump: data link type %.*s\n", (int)strcspn(name, " "), name);
	}
	if (!o->text.v && !o->json && !o->write_file && !options_count(o))
		fprintf(stderr, "ptcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n");
	else
		fprintf(stderr, "ptcpdump: ");
	print_names(l, ifaces);
	if (l->link_types.len)
		fprintf(stderr, ", link-type %.*s", (int)l->link_types.len, l->link_types.p);
	fprintf(stderr, ", snapshot length %u bytes\n", o->capture.snaplen);
}

static int drop_privileges(const struct live *l)
{
	const struct options *o = l->s.o;
	const struct privileges_keep keep = {
		.capture = true,
		.netns = o->netns.n > 0 || chooses_netns(l),
		.folders = capture_opens_proc(l->backend) || keylog_waits(l->keylog),
		.new_files = o->file.rotate_bytes || o->file.rotate_seconds,
		.containers = needs_containers(o),
		.command = o->command != NULL,
		.programs = o->file.command != NULL,
	};

	return privileges_drop(&l->s.user, &keep);
}

/* Each interface takes two, each further namespace another two. The command has its own limit: it was forked before. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int say_whose_pids(const struct live *l)
{
	const struct pidns ns = pidns_of_proc();

	if (!l->s.o->context && !options_select_process(l->s.o))
		return 0;
	if (l->command && !command_pid(l->command)) {
		log_error(
			"the command is in a pid namespace that /proc does not show; \"mount -t proc proc /proc\" shows it");
		return -ESRCH;
	}
	if (!ns.ours)
		log_warn("/proc is of another pid namespace than ours: the pids that it shows are meant and printed");
	if (!ns.initial)
		log_info("processes outside of this pid namespace are shown as NAME.PID" PID_OUTSIDE_MARK
			 ", with their pids on the host");
	return 0;
}

/* Everything that can be refused comes before anything is attached; the command starts last. */
static int live_open(struct live *l, const char *const *ifaces)
{
	const struct options *o = l->s.o;
	int err = session_check_pids(o);

	allow_descriptors();
	fd_ignore_signals(); /* the command, which waits, was made before */
	if (!err)
		err = say_whose_pids(l);
	if (!err)
		err = asked_find(&l->asked, o, l->command ? command_pid(l->command) : 0);
	if (!err)
		err = open_capture(l, ifaces);
	if (!err)
		err = session_open(&l->s, o, -1);
	if (!err)
		err = open_meta(l);
	/* The runtimes make up their answers while the kernel looks at the programs. */
	if (!err) {
		session_loop_serve(l);
		err = capture_load(l->capture);
	}
	if (!err)
		err = session_text_ready(&l->s);
	if (!err && l->command)
		err = match_add_pid(l->s.match, command_pid(l->command));
	if (!err)
		err = session_loop_open(l);
	if (!err)
		err = capture_watch(l->capture);
	if (!err)
		session_loop_serve(l);
	/* Before the first packet: who runs now is read while it runs, who comes or goes from now on is told. */
	if (!err)
		err = meta_scan(l->meta);
	if (!err)
		err = capture_attach(l->capture);
	if (!err)
		err = drop_privileges(l);
	/* Its thread has fewer rights than ours: those of all cannot be changed any more. */
	if (!err && o->until_silence)
		err = remote_until_silence(o->until_silence);
	if (err)
		return err;
	find_families(l);
	meta_begin(l->meta, clock_ns(CLOCK_MONOTONIC));
	print_banner(l, ifaces);
	l->capturing = true;
	notify_manager("READY=1");
	return 0;
}

static void live_close(struct live *l)
{
	session_close(&l->s);
	capture_free(l->capture);
	meta_free(l->meta);
	command_free(l->command);
	keylog_free(l->keylog);
	session_loop_close(l);
	netns_words_done(&l->netns);
	asked_done(&l->asked);
	buf_done(&l->link_types);
}

/* --- start ------------------------------------------------------------------- */

static int exit_status_of(int err)
{
	return err == -ENOENT ? COMMAND_NOT_FOUND : COMMAND_NOT_EXECUTABLE;
}

static int open_keylog(struct live *l)
{
	const struct options *o = l->s.o;
	struct keylog_config config = {
		.user_file = getenv("SSLKEYLOGFILE"),
		.copy = o->keylog_file,
	};

	command_user(&config.uid, &config.gid);
	return keylog_new(&l->keylog, &config);
}

static int choose_backend(const struct options *o, const char *const *ifaces, const struct backend **ret)
{
	struct capture_config wanted = o->capture;

	wanted.ifaces = ifaces;
	wanted.netns = (const char *const *)o->netns.v;
	return capture_choose_backend(o->backend, &wanted, ret);
}

static int capture_and_run(const struct options *o, const char *const *ifaces)
{
	struct live l = {
		.s = { .o = o, .user = privileges_user(o) },
		.epoll_fd = -1,
		.signal_fd = -1,
		.pipe_fd = -1,
		.caller_fd = -1,
		.command_end = NEVER,
		.kill_deadline = NEVER,
	};
	int err = session_begin(&l.s), status = 1;

	if (!err && (o->keylog_file || o->embed_keylog))
		err = open_keylog(&l);
	if (!err)
		err = choose_backend(o, ifaces, &l.backend);
	if (!err)
		err = netns_words_split(&l.netns, o);
	/* What cannot be captured in later has to be there now. */
	if (!err && netns_words_given(o) && !capture_follows_netns(l.backend))
		err = netns_words_find(&l.netns, o);
	if (err)
		goto out;
	if (o->command) {
		err = command_start(&l.command, o->command, l.keylog ? keylog_path(l.keylog) : NULL);
		if (err) {
			status = exit_status_of(err);
			goto out;
		}
	}
	err = live_open(&l, ifaces);
	if (err)
		goto out;
	l.now = clock_ns(CLOCK_MONOTONIC);
	if (l.command) {
		err = command_release(l.command);
		if (err) {
			status = exit_status_of(err);
			goto out;
		}
	}
	session_loop_run(&l);
	notify_manager("STOPPING=1");
	if (!l.s.captured && !l.s.failed) {
		hint_children(o, l.forks);
		if (l.elsewhere && !o->netns.n && !chooses_netns(&l))
			hint_netns(o, capture_follows_netns(l.backend));
	}
	if (l.keylog && !l.secrets && !l.s.failed)
		log_warn("no TLS secrets came from the command: it used no TLS, or its TLS library does not know "
			 "SSLKEYLOGFILE");
	status = l.s.failed ? 1 : 0;
	if (l.command && l.command_end != NEVER && l.command_status)
		status = l.command_status;
	else if (l.command && l.command_end == NEVER)
		status = 128 + SIGTERM;
out:
	live_close(&l);
	return status;
}

/* -d: with the link type of -i, else of -y, else Ethernet. */
static int dump_filter(const struct options *o)
{
	struct filter_compile_opts opts = {
		.dlt = DLT_EN10MB,
		.snaplen = o->capture.snaplen,
		.no_optimize = o->capture.no_optimize,
	};
	struct filter_code code = { 0 };
	char text[FILTER_ERR_LEN], name[IF_NAMESIZE];
	int err;

	if (o->ifaces.n) {
		if (capture_find_iface(o->ifaces.v[0], name))
			return 1;
		opts.live = true;
		opts.dlt = capture_device_dlt(name);
	} else if (o->capture.dlt >= 0) {
		opts.dlt = o->capture.dlt;
	} else {
		fprintf(stderr, "Warning: assuming Ethernet\n");
	}
	opts.expr = o->filter;
	err = filter_compile(o->filter->exact, &opts, &code, text);
	if (err)
		log_error("%s", text);
	else
		err = session_dump(o, &code, !o->backend || capture_has_programs(o->backend));
	filter_done(&code);
	return err ? 1 : 0;
}

static int capture(const struct options *o)
{
	char name[IF_NAMESIZE];
	const char *default_iface[] = { "any", NULL };

	if (o->ifaces.n)
		return capture_and_run(o, (const char *const *)o->ifaces.v);
	if (!options_select_process(o) && !o->netns.n) {
		if (capture_default_iface(name)) {
			log_error("no interface is usable: name one with -i (-D lists them)");
			return 1;
		}
		default_iface[0] = name;
	}
	return capture_and_run(o, default_iface);
}

int session_run_live(const struct options *o)
{
	const int status = o->dump ? dump_filter(o) : capture(o);

	if (status)
		hint_expression(o);
	return status;
}
