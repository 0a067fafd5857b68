/* SPDX-License-Identifier: BSD-3-Clause */
#include "session_loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/capture.h"
#include "command.h"
#include "format/pcapng.h"
#include "keylog.h"
#include "meta/meta.h"
#include "output/color.h"
#include "util/clock.h"

/* Outputs are flushed when packets stop coming, and not more often than this while they come; a file also when it would be
 * left in the midst of a packet. */
#define FLUSH_INTERVAL (20 * NSEC_PER_MSEC)
/* After the command has ended: its last packets are still on their way; what its children send is waited for. */
#define QUIET_TIME (300 * NSEC_PER_MSEC)
#define QUIET_LIMIT (3000 * NSEC_PER_MSEC)
/* A command that was told to end gets this long. */
#define KILL_TIME (2000 * NSEC_PER_MSEC)

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

/* A pipe whose reader is gone is told of without being asked for. Else it would be noticed with the next packet only. */
static int watch_reader(struct live *l)
{
	struct epoll_event event = { 0 };

	l->pipe_fd = l->s.file ? output_file_pipe(l->s.file) : -1;
	event.data.fd = l->pipe_fd;
	if (l->pipe_fd < 0)
		return 0;
	return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->pipe_fd, &event) ? -errno : 0;
}

/* When Wireshark is killed, its dumpcap goes on reading. */
static int watch_caller(struct live *l)
{
	if (!l->s.o->caller)
		return 0;
	l->caller_fd = (int)syscall(SYS_pidfd_open, l->s.o->caller, 0);
	/* It has ended while we were getting ready, and its number may be somebody else's by now. */
	l->ending |= (l->caller_fd < 0 && errno == ESRCH) || getppid() != l->s.o->caller;
	return watch(l, l->caller_fd);
}

static void forget(struct live *l, int *fd)
{
	if (*fd >= 0)
		epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, *fd, NULL);
	*fd = -1;
}

/* Packets that we turned down were never meant to be received. */
static struct output_counts counts_of(const struct live *l)
{
	struct capture_stats stats;

	capture_stats(l->capture, &stats);
	return (struct output_counts){
		.captured = l->s.captured,
		.received = stats.received > l->rejected ? stats.received - l->rejected : 0,
		.dropped = stats.dropped,
	};
}

static void count_packets(void *arg, struct output_counts *ret)
{
	*ret = counts_of(arg);
}

/* All that may be refused has been, on a screen that is the user's. */
static int begin_top(struct live *l)
{
	int fds[SESSION_TOP_FDS], err = session_top_collect(&l->s);
	unsigned n;

	if (!err)
		err = session_top_begin(&l->s);
	n = err ? 0 : session_top_fds(&l->s, fds);
	for (unsigned i = 0; i < n && !err; i++)
		err = watch(l, fds[i]);
	return err;
}

static bool is_of_top(const struct live *l, int fd)
{
	int fds[SESSION_TOP_FDS];
	const unsigned n = session_top_fds(&l->s, fds);

	for (unsigned i = 0; i < n; i++) {
		if (fds[i] == fd)
			return true;
	}
	return false;
}

static void end_top(struct live *l)
{
	int fds[SESSION_TOP_FDS];
	const unsigned n = session_top_fds(&l->s, fds);

	for (unsigned i = 0; i < n; i++)
		epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fds[i], NULL);
}

int session_loop_open(struct live *l)
{
	int err = open_signals(l);

	l->s.counts = count_packets;
	l->s.counts_arg = l;
	if (!err) {
		l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
		err = l->epoll_fd < 0 ? -errno : watch(l, l->signal_fd);
	}
	if (!err)
		err = watch(l, capture_fd(l->capture));
	if (!err)
		err = watch(l, meta_fd(l->meta));
	if (!err)
		err = watch(l, session_text_fd(&l->s));
	if (!err && l->command)
		err = watch(l, command_fd(l->command));
	if (!err && l->keylog)
		err = watch(l, keylog_fd(l->keylog));
	if (!err)
		err = watch_reader(l);
	if (!err)
		err = watch_caller(l);
	if (err)
		log_error("can't wait for packets: %s", strerror(-err));
	return err;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void print_stats(const struct live *l, const char *prefix, const char *separator)
{
	const struct output_counts n = counts_of(l);
	const bool color = n.dropped && session_color(l->s.o, STDERR_FILENO);

	fprintf(stderr, "%s%llu packet%s captured%s%llu packet%s received by filter%s", prefix,
		(unsigned long long)n.captured, plural(n.captured), separator, (unsigned long long)n.received,
		plural(n.received), separator);
	fprintf(stderr, "%s%llu packet%s dropped by kernel%s\n", color ? COLOR_BAD : "", (unsigned long long)n.dropped,
		plural(n.dropped), color ? COLOR_END : "");
}

static void say_unjudged(const struct capture_stats *stats)
{
	if (stats->unjudged)
		log_warn(
			"%llu packet%s came faster than it was known whether they are wanted, and are in none of these "
			"counts; a larger -B keeps more",
			(unsigned long long)stats->unjudged, plural(stats->unjudged));
}

static void say_refused(const struct capture_stats *stats)
{
	if (stats->refused)
		log_warn("%u%s network namespace%s of what is asked for could not be captured in", stats->refused,
			 stats->refused == CAPTURE_REFUSED_MAX ? " or more" : "", plural(stats->refused));
}

/* A hang-up of our terminal ends us; one that somebody sends is a wish for a new file, when files are changed at all. */
static bool wants_new_file(const struct live *l, const struct signalfd_siginfo *info)
{
	const struct options *o = l->s.o;

	return (o->file.rotate_bytes || o->file.rotate_seconds) && info->ssi_pid != 0 &&
	       (pid_t)info->ssi_pid != getsid(0);
}

static void on_end_signal(struct live *l, const struct signalfd_siginfo *info)
{
	const bool again = l->interrupts++ > 0;

	if (!l->command || again || l->command_end != NEVER) {
		l->ending = true;
		session_text_interrupt(&l->s);
		return;
	}
	/* The terminal's own signals reach the command as well. */
	if (info->ssi_pid != 0)
		command_kill(l->command, (int)info->ssi_signo);
	if (info->ssi_signo != SIGINT)
		l->kill_deadline = l->now + KILL_TIME;
}

/* What the programs count is handed on about once a second by itself. */
static void count_now(struct live *l)
{
	if (l->capturing && !l->s.stop && capture_counts(l->capture, false) < 0 && !l->s.stop)
		l->s.failed = true;
}

static void on_signal(struct live *l, const struct signalfd_siginfo *info)
{
	switch (info->ssi_signo) {
	case SIGUSR1:
		count_now(l);
		if (l->capturing)
			print_stats(l, "ptcpdump: ", ", ");
		if (l->capturing)
			session_report(&l->s);
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

static bool reports(const struct options *o)
{
	return o->text.v && o->write_file && !o->print && !o->top;
}

/* -w with -v: a line every second that overwrites itself. */
static void report(struct live *l)
{
	const struct options *o = l->s.o;

	if (!reports(o) || l->now < l->next_report)
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
	if (l->capturing && l->s.tick < next)
		next = l->s.tick;
	if (reports(o) && l->capturing && l->next_report < next)
		next = l->next_report;
	return next;
}

static void on_reader_gone(struct live *l)
{
	forget(l, &l->pipe_fd);
	session_output_failed(&l->s, l->s.file, -EPIPE);
}

static int wait_for_events(struct live *l)
{
	const uint64_t next = next_deadline(l);
	struct epoll_event events[8];
	int n, timeout = -1;

	if (next != NEVER)
		timeout = next > l->now ? (int)((next - l->now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC) : 0;
	n = epoll_wait(l->epoll_fd, events, 8, timeout);
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
		else if (events[i].data.fd == session_text_fd(&l->s))
			session_text_check(&l->s);
		else if (events[i].data.fd == l->pipe_fd)
			on_reader_gone(l);
		else if (events[i].data.fd == l->caller_fd)
			l->ending = true;
		else if (l->capturing && is_of_top(l, events[i].data.fd))
			session_top_input(&l->s);
	}
	return 0;
}

static void put_secrets(struct live *l, const struct buf *lines)
{
	struct buf body = { 0 };
	struct pcapng_block block = { .type = PCAPNG_DSB };

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

static bool flush_is_due(const struct live *l)
{
	return l->s.dirty && (l->s.o->capture.immediate || l->now >= l->flushed + FLUSH_INTERVAL ||
			      (l->s.file && output_file_torn(l->s.file)));
}

static int poll_packets(struct live *l)
{
	const int n = capture_poll(l->capture, 0);

	if (n < 0) {
		if (!l->s.stop)
			l->s.failed = true;
		return n;
	}
	if (flush_is_due(l)) {
		l->flushed = l->now;
		session_flush(&l->s);
	}
	session_batch(&l->s);
	if (l->now >= l->s.tick) {
		count_now(l);
		session_tick(&l->s, l->now);
	}
	/* Its reader may keep us waiting: the file is whole now. */
	report(l);
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
	end_top(l);
	session_finish(&l->s);
	if (l->s.text && !l->s.o->json && l->ending && isatty(STDOUT_FILENO) && write(STDOUT_FILENO, "\n", 1) < 0)
		l->s.failed = true;
	if (!l->s.o->extcap)
		print_stats(l, "", "\n");
	say_unjudged(&stats);
	say_refused(&stats);
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, capture_fd(l->capture), NULL);
	/* Its verdicts would go to the capture. */
	if (meta_fd(l->meta) >= 0)
		epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, meta_fd(l->meta), NULL);
	if (session_text_fd(&l->s) >= 0)
		epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, session_text_fd(&l->s), NULL);
	forget(l, &l->pipe_fd);
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

/*
 * Runtimes answer within milliseconds, and what they say is used at once only if it is read: whatever takes longer is done in
 * parts, with this in between.
 */
void session_loop_serve(void *arg)
{
	/* One that has something to say all the time does not hold up the start. */
	enum { TURNS = 4 };
	struct live *l = arg;
	struct pollfd ready = { .fd = meta_fd(l->meta), .events = POLLIN };

	for (int i = 0; i < TURNS && poll(&ready, 1, 0) > 0; i++)
		meta_step(l->meta);
}

void session_loop_run(struct live *l)
{
	int err = begin_top(l);

	while (!err && !ended(l)) {
		err = wait_for_events(l);
		check_command(l);
		save_secrets(l);
		if (!err && l->capturing)
			err = poll_packets(l);
		/* Whether it is quiet, what was counted tells. */
		if (l->command_end != NEVER)
			count_now(l);
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

void session_loop_close(struct live *l)
{
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	if (l->signal_fd >= 0)
		close(l->signal_fd);
	if (l->caller_fd >= 0)
		close(l->caller_fd);
}
