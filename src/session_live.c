/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets from the kernel, until a signal, -c or the end of the command. */
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <pcap/dlt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "capture/capture.h"
#include "command.h"
#include "filter/filter.h"
#include "format/pcapng.h"
#include "keylog.h"
#include "meta/meta.h"
#include "session_private.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/procfs.h"

/* Outputs are flushed when packets stop coming, and not more often than this while they come. */
#define FLUSH_INTERVAL (20 * NSEC_PER_MSEC)
/* After the command has ended: its last packets are still on their way; what its children send is waited for. */
#define QUIET_TIME (300 * NSEC_PER_MSEC)
#define QUIET_LIMIT (3000 * NSEC_PER_MSEC)
/* A command that was told to end gets this long. */
#define KILL_TIME (2000 * NSEC_PER_MSEC)
/* A packet is saved this much later when secrets are saved as well: the client knows them only once it has seen the
 * packet in which the server's encrypted words begin. */
#define SECRETS_TIME (200 * NSEC_PER_MSEC)
#define NEVER UINT64_MAX
/* As many as may be open; the usual 1024 are little with containers. */
#define DESCRIPTORS 65536

struct live {
	struct session s;
	const struct backend *backend;
	struct capture *capture;
	struct meta *meta;
	struct command *command;
	struct keylog *keylog; /* NULL: TLS secrets are not asked for */
	bool secrets;	       /* some came */
	int epoll_fd, signal_fd;
	uint64_t now;	   /* CLOCK_MONOTONIC ns, of this turn of the loop */
	uint64_t rejected; /* the kernel could not decide on them, we did */
	uint64_t flushed, last_packet, next_report, reported;
	uint64_t command_end, kill_deadline; /* NEVER: not yet */
	unsigned interrupts;
	int command_status;
	bool ending; /* a signal asks for the end */
	bool capturing;
	uint32_t *pids; /* of --pid, and the command */
	size_t npids;
	/* For the banner: what the interfaces were like until then. */
	struct buf link_types;
};

static int live_iface(void *arg, const struct iface *iface)
{
	struct live *l = arg;
	char text[256];
	int err;

	if (l->s.o->dlt >= 0 && l->s.o->dlt != iface->dlt) {
		session_name_dlt(iface->dlt, text, sizeof(text));
		log_error("-y %s: packets of '%s' have the link type %s and no other", l->s.o->dlt_name, iface->name,
			  text);
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
	err = session_iface(&l->s, iface);
	return err;
}

static void live_process(void *arg, uint32_t type, const void *event, size_t size)
{
	struct live *l = arg;

	meta_event(l->meta, type, event, size);
	match_event(l->s.match, type, event);
}

static bool owner_matches(struct live *l, const struct packet *packet)
{
	return match_annotation(l->s.match, packet->annot) ||
	       match_annotation(l->s.match, meta_other_end(l->meta, packet));
}

static int live_packet(void *arg, const struct packet *packet, bool force)
{
	struct live *l = arg;
	struct packet joined = *packet;
	int err;

	/* What is left in the rings after -c stays there, uncounted. */
	if (l->s.stop)
		return -ECANCELED;
	if (l->s.o->embed_keylog && !force && l->now < packet->event->ts + SECRETS_TIME)
		return CAPTURE_WAIT;
	if (meta_join(l->meta, &joined, l->now, force) == META_WAIT)
		return CAPTURE_WAIT;
	if ((packet->event->flags & EVENT_PKT_MAYBE) && !owner_matches(l, &joined)) {
		l->rejected++;
		return CAPTURE_DONE;
	}
	err = session_packet(&l->s, &joined);
	l->last_packet = l->now;
	return err < 0 ? err : CAPTURE_DONE;
}

static void on_cgroup_verdict(void *arg, uint64_t cgroup, bool match)
{
	struct live *l = arg;
	int err = capture_set_cgroup(l->capture, cgroup, match);

	if (err)
		log_debug("container filter: %s", strerror(-err));
}

/* --- opening ---------------------------------------------------------------- */

/* 0, or -ESRCH; -EINVAL: a thread, and *process is whose. */
static int find_process(uint32_t pid, uint32_t *process)
{
	char status[4096], *tgid;

	if (kill((pid_t)pid, 0) && errno == ESRCH)
		return -ESRCH;
	if (procfs_read(pid, "status", status, sizeof(status)) > 0 && (tgid = strstr(status, "\nTgid:")) &&
	    sscanf(tgid + 6, "%" SCNu32, process) == 1 && *process != pid)
		return -EINVAL;
	return 0;
}

/* A process that is gone sends nothing. When others are asked for too, it may just have ended. */
static int check_pids(const struct options *o)
{
	size_t gone = 0;
	uint32_t process;

	for (size_t i = 0; i < o->pids.n; i++) {
		int err = find_process(o->pids.v[i], &process);

		if (err == -EINVAL) {
			log_error("--pid %" PRIu32 " is a thread of the process %" PRIu32 ": give that one",
				  o->pids.v[i], process);
			return err;
		}
		gone += err == -ESRCH;
		if (err == -ESRCH)
			log_warn("--pid %" PRIu32 ": no such process; \"pgrep -a NAME\" finds one", o->pids.v[i]);
	}
	if (gone == 0 || gone < o->pids.n || o->pnames.n || o->uids.n || o->command || options_select_container(o))
		return 0;
	return -ESRCH;
}

static int open_capture(struct live *l, const char *const *ifaces)
{
	const struct options *o = l->s.o;
	struct capture_config config = {
		.ifaces = ifaces,
		.netns = (const char *const *)o->netns.v,
		.filter = o->expr,
		.no_optimize = o->no_optimize > 0,
		.snaplen = o->snaplen,
		.direction = o->direction,
		.ring_bytes = o->ring_bytes,
		.backend = l->backend,
		.dlt_name = o->dlt_name,
		.dlt = o->dlt,
		.tstamp_type = o->tstamp_type,
		.monitor = o->monitor,
		.immediate = o->immediate,
		.kernel_btf = o->kernel_btf,
		.promiscuous = !o->no_promiscuous,
		.pnames = (const char *const *)o->pnames.v,
		.uids = o->uids.v,
		.nuids = o->uids.n,
		.follow_forks = o->follow_forks || o->command,
		.container_filter = options_select_container(o),
		.attribution = o->context || options_select_process(o),
	};
	const struct capture_handler handler = {
		.arg = l,
		.iface = live_iface,
		.process = live_process,
		.packet = live_packet,
	};

	l->pids = calloc(o->pids.n + 1, sizeof(*l->pids));
	if (!l->pids) {
		log_error("out of memory");
		return -ENOMEM;
	}
	for (size_t i = 0; i < o->pids.n; i++)
		l->pids[l->npids++] = o->pids.v[i];
	if (l->command)
		l->pids[l->npids++] = (uint32_t)command_pid(l->command);
	config.pids = l->pids;
	config.npids = l->npids;
	return capture_new(&l->capture, &config, &handler);
}

static bool needs_containers(const struct options *o)
{
	return (o->context & (ANNOT_CONTAINER | ANNOT_POD)) || options_select_container(o);
}

static int open_meta(struct live *l)
{
	const struct options *o = l->s.o;
	const struct meta_config config = {
		.settle_ns = o->settle_ms * NSEC_PER_MSEC,
		.reverse_match = !o->no_reverse_match,
		.peer = o->context & ANNOT_PEER,
		.containers = needs_containers(o),
		.docker_address = o->docker_address,
		.containerd_address = o->containerd_address,
		.cri_address = o->cri_address,
		.container_ids = (const char *const *)o->container_ids.v,
		.container_names = (const char *const *)o->container_names.v,
		.pod_names = (const char *const *)o->pod_names.v,
		.verdict = options_select_container(o) ? on_cgroup_verdict : NULL,
		.arg = l,
	};

	return meta_new(&l->meta, &config);
}

/* INT and TERM end us even if our parent ignores them, as in a script's background job; HUP does not under nohup(1). */
static int open_signals(struct live *l)
{
	static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };
	struct sigaction old;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) {
		if (caught[i] == SIGHUP && sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
			continue;
		sigaddset(&set, caught[i]);
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	/* A signal that is ignored is not queued, even when blocked. */
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	l->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return l->signal_fd < 0 ? -errno : 0;
}

static int watch(struct live *l, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0)
		return 0;
	return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int open_loop(struct live *l)
{
	int err = open_signals(l);

	if (!err) {
		l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
		err = l->epoll_fd < 0 ? -errno : watch(l, l->signal_fd);
	}
	if (!err)
		err = watch(l, capture_fd(l->capture));
	if (!err)
		err = watch(l, meta_fd(l->meta));
	if (!err && l->command)
		err = watch(l, command_fd(l->command));
	if (!err && l->keylog)
		err = watch(l, keylog_fd(l->keylog));
	if (err)
		log_error("can't wait for packets: %s", strerror(-err));
	return err;
}

static void print_banner(const struct live *l, const char *const *ifaces)
{
	const struct options *o = l->s.o;
	char name[256];

	if (o->dlt >= 0) {
		session_name_dlt(o->dlt, name, sizeof(name));
		fprintf(stderr, "ptcpdump: data link type %.*s\n", (int)strcspn(name, " "), name);
	}
	if (!o->text.v && !o->write_file)
		fprintf(stderr, "ptcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n");
	else
		fprintf(stderr, "ptcpdump: ");
	fprintf(stderr, "listening on ");
	for (size_t i = 0; ifaces[i]; i++)
		fprintf(stderr, "%s%s", i ? ", " : "", ifaces[i]);
	if (l->link_types.len)
		fprintf(stderr, ", link-type %.*s", (int)l->link_types.len, l->link_types.p);
	fprintf(stderr, ", snapshot length %u bytes\n", o->snaplen);
}

static int drop_privileges(const struct live *l)
{
	const struct options *o = l->s.o;
	const struct privileges_keep keep = {
		.capture = true,
		.netns = o->netns.n > 0,
		.folders = capture_opens_proc(l->backend),
		.new_files = o->rotate_bytes || o->rotate_seconds,
		.containers = needs_containers(o),
		.command = o->command != NULL,
		.programs = o->postrotate != NULL,
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

/* Everything that can be refused comes before anything is attached; the command starts last. */
static int live_open(struct live *l, const char *const *ifaces)
{
	const struct options *o = l->s.o;
	int err = check_pids(o);

	allow_descriptors();
	if (!err)
		err = open_capture(l, ifaces);
	if (!err)
		err = session_open(&l->s, o, -1);
	if (!err)
		err = capture_load(l->capture);
	if (!err)
		err = open_meta(l);
	if (!err && l->command)
		match_add_pid(l->s.match, (uint32_t)command_pid(l->command));
	if (!err)
		err = open_loop(l);
	if (!err)
		err = capture_attach(l->capture);
	if (!err)
		err = meta_scan(l->meta);
	if (!err)
		err = drop_privileges(l);
	if (err)
		return err;
	print_banner(l, ifaces);
	l->capturing = true;
	return 0;
}

/* --- running ---------------------------------------------------------------- */

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* Packets that we turned down were never meant to be received. */
static void print_stats(const struct live *l, const char *prefix, const char *separator)
{
	struct capture_stats stats;
	unsigned long long received, captured = l->s.captured;

	capture_stats(l->capture, &stats);
	received = stats.received > l->rejected ? stats.received - l->rejected : 0;
	fprintf(stderr, "%s%llu packet%s captured%s%llu packet%s received by filter%s%llu packet%s dropped by kernel\n",
		prefix, captured, plural(captured), separator, received, plural(received), separator,
		(unsigned long long)stats.dropped, plural(stats.dropped));
}

/* A hang-up of our terminal ends us; one that somebody sends is a wish for a new file, when files are changed at all. */
static bool wants_new_file(const struct live *l, const struct signalfd_siginfo *info)
{
	const struct options *o = l->s.o;

	return (o->rotate_bytes || o->rotate_seconds) && info->ssi_pid != 0 && (pid_t)info->ssi_pid != getsid(0);
}

static void on_end_signal(struct live *l, const struct signalfd_siginfo *info)
{
	const bool again = l->interrupts++ > 0;

	if (!l->command || again || l->command_end != NEVER) {
		l->ending = true;
		return;
	}
	/* The terminal's own signals reach the command as well. */
	if (info->ssi_pid != 0)
		command_kill(l->command, (int)info->ssi_signo);
	if (info->ssi_signo != SIGINT)
		l->kill_deadline = l->now + KILL_TIME;
}

static void on_signal(struct live *l, const struct signalfd_siginfo *info)
{
	switch (info->ssi_signo) {
	case SIGUSR1:
		if (l->capturing)
			print_stats(l, "ptcpdump: ", ", ");
		break;
	case SIGUSR2: session_flush(&l->s); break;
	case SIGHUP:
		if (l->s.file && wants_new_file(l, info)) {
			session_rotate(&l->s);
			break;
		}
		on_end_signal(l, info);
		break;
	default: on_end_signal(l, info); break;
	}
}

static void read_signals(struct live *l)
{
	struct signalfd_siginfo info;

	while (read(l->signal_fd, &info, sizeof(info)) == sizeof(info))
		on_signal(l, &info);
}

/* -w with -v: a line every second that overwrites itself. */
static void report(struct live *l)
{
	const struct options *o = l->s.o;

	if (!o->text.v || !o->write_file || o->print || l->now < l->next_report)
		return;
	if (l->next_report == 0 || l->reported != l->s.captured)
		fprintf(stderr, "Got %llu\r", (unsigned long long)l->s.captured);
	l->reported = l->s.captured;
	l->next_report = l->now + 1000 * NSEC_PER_MSEC;
}

/* When something has to be done although nothing happens. */
static uint64_t next_deadline(const struct live *l)
{
	const struct options *o = l->s.o;
	uint64_t next = NEVER;

	if (l->s.dirty)
		next = l->flushed + FLUSH_INTERVAL;
	if (l->command_end != NEVER && l->capturing && l->now + 50 * NSEC_PER_MSEC < next)
		next = l->now + 50 * NSEC_PER_MSEC;
	if (l->kill_deadline < next)
		next = l->kill_deadline;
	if (o->text.v && o->write_file && !o->print && l->capturing && l->next_report < next)
		next = l->next_report;
	return next;
}

static int wait_for_events(struct live *l)
{
	const uint64_t next = next_deadline(l);
	struct epoll_event events[5];
	int n, timeout = -1;

	if (next != NEVER)
		timeout = next > l->now ? (int)((next - l->now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC) : 0;
	n = epoll_wait(l->epoll_fd, events, 5, timeout);
	l->now = clock_ns(CLOCK_MONOTONIC);
	if (n < 0 && errno != EINTR) {
		log_error("can't wait for packets: %s", strerror(errno));
		return -errno;
	}
	for (int i = 0; i < n; i++) {
		if (events[i].data.fd == l->signal_fd)
			read_signals(l);
		else if (events[i].data.fd == meta_fd(l->meta))
			meta_step(l->meta);
	}
	return 0;
}

static void put_secrets(struct live *l, const struct buf *lines)
{
	struct buf body = { 0 };
	struct reader_block block = { .type = PCAPNG_DSB };

	pcapng_put_secrets(&body, PCAPNG_TLS_KEYS, lines->p, (uint32_t)lines->len);
	block.body = (const uint8_t *)body.p;
	block.body_len = (uint32_t)body.len;
	session_block(&l->s, &block);
	buf_done(&body);
}

/* Secrets that came until now, ahead of the packets that need them. */
static void save_secrets(struct live *l)
{
	struct buf lines = { 0 };

	/* Whoever writes them faster than this wants to keep us busy. */
	for (int i = 0; i < 8 && l->keylog; i++) {
		lines.len = 0;
		if (keylog_read(l->keylog, &lines))
			l->s.failed = true;
		if (lines.len == 0 || l->s.failed)
			break;
		l->secrets = true;
		if (l->capturing && l->s.o->embed_keylog)
			put_secrets(l, &lines);
	}
	buf_done(&lines);
}

static void check_command(struct live *l)
{
	if (!l->command || l->command_end != NEVER || !command_ended(l->command, &l->command_status))
		return;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, command_fd(l->command), NULL);
	l->command_end = l->now;
	l->kill_deadline = NEVER;
}

static bool quiet_after_command(const struct live *l)
{
	const uint64_t since = l->last_packet > l->command_end ? l->last_packet : l->command_end;

	if (l->command_end == NEVER)
		return false;
	return l->interrupts || l->now >= since + QUIET_TIME || l->now >= l->command_end + QUIET_LIMIT;
}

static int poll_packets(struct live *l)
{
	int n = capture_poll(l->capture, 0);

	report(l);
	if (n < 0) {
		if (!l->s.stop)
			l->s.failed = true;
		return n;
	}
	if (l->s.dirty && (l->s.o->immediate || l->now >= l->flushed + FLUSH_INTERVAL)) {
		l->flushed = l->now;
		session_flush(&l->s);
	}
	return 0;
}

/* Ends the capture: what was seen until now is delivered, unless -c has enough. */
static void stop_capture(struct live *l)
{
	struct capture_stats stats;

	l->now = clock_ns(CLOCK_MONOTONIC);
	save_secrets(l);
	if (!l->s.stop && !l->s.failed && capture_drain(l->capture) < 0 && !l->s.stop)
		l->s.failed = true;
	l->capturing = false;
	/* Brings the counts of the interfaces up to date, which a file's statistics hold. */
	capture_stats(l->capture, &stats);
	session_finish(&l->s);
	if (l->s.text && l->ending && isatty(STDOUT_FILENO) && write(STDOUT_FILENO, "\n", 1) < 0)
		l->s.failed = true;
	print_stats(l, "", "\n");
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, capture_fd(l->capture), NULL);
	/* Its verdicts would go to the capture. */
	if (meta_fd(l->meta) >= 0)
		epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, meta_fd(l->meta), NULL);
	session_close(&l->s);
	capture_free(l->capture);
	l->capture = NULL;
}

static bool ended(const struct live *l)
{
	if (l->ending || l->s.failed || l->now >= l->kill_deadline)
		return true;
	return l->capturing ? false : !l->command || l->command_end != NEVER;
}

static void run(struct live *l)
{
	int err = 0;

	while (!err && !ended(l)) {
		err = wait_for_events(l);
		check_command(l);
		save_secrets(l);
		if (!err && l->capturing)
			err = poll_packets(l);
		/* With enough packets, the command still runs to its end. */
		if (l->capturing && (l->s.stop || quiet_after_command(l)))
			stop_capture(l);
		if (!l->capturing)
			err = 0;
	}
	if (err)
		l->s.failed = true;
	if (l->capturing)
		stop_capture(l);
}

static void live_close(struct live *l)
{
	session_close(&l->s);
	capture_free(l->capture);
	meta_free(l->meta);
	command_free(l->command);
	keylog_free(l->keylog);
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	if (l->signal_fd >= 0)
		close(l->signal_fd);
	free(l->pids);
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
		.copy = o->keylog_file,
		.dropped = l->s.user.drop,
		.dropped_uid = l->s.user.uid,
		.dropped_gid = l->s.user.gid,
	};

	command_user(&config.uid, &config.gid);
	return keylog_new(&l->keylog, &config);
}

static int choose_backend(const struct options *o, const char *const *ifaces, const struct backend **ret)
{
	const struct capture_config wanted = {
		.ifaces = ifaces,
		.netns = (const char *const *)o->netns.v,
		.dlt = o->dlt,
		.tstamp_type = o->tstamp_type,
		.monitor = o->monitor,
	};

	return capture_choose_backend(o->backend, &wanted, ret);
}

static int capture_and_run(const struct options *o, const char *const *ifaces)
{
	struct live l = {
		.s = { .o = o, .user = privileges_user(o) },
		.epoll_fd = -1,
		.signal_fd = -1,
		.command_end = NEVER,
		.kill_deadline = NEVER,
	};
	int err, status = 1;

	if (o->keylog_file || o->embed_keylog) {
		err = open_keylog(&l);
		if (err)
			goto out;
	}
	err = choose_backend(o, ifaces, &l.backend);
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
	run(&l);
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
		.snaplen = o->snaplen,
		.no_optimize = o->no_optimize > 0,
	};
	struct filter_code code = { 0 };
	char text[FILTER_ERR_LEN], name[IF_NAMESIZE];
	int err;

	if (o->ifaces.n) {
		if (capture_find_iface(o->ifaces.v[0], name))
			return 1;
		opts.live = true;
		opts.dlt = capture_device_dlt(name);
	} else if (o->dlt >= 0) {
		opts.dlt = o->dlt;
	} else {
		fprintf(stderr, "Warning: assuming Ethernet\n");
	}
	err = filter_compile(o->expr, &opts, &code, text);
	if (err)
		log_error("%s", text);
	else
		filter_dump(&code, o->dump, stdout);
	filter_done(&code);
	return err ? 1 : 0;
}

int session_run_live(const struct options *o)
{
	char name[IF_NAMESIZE];
	const char *default_iface[] = { "any", NULL };

	if (o->dump)
		return dump_filter(o);
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
