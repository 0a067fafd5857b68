/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote_host.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "remote_child.h"
#include "remote_copy.h"
#include "remote_protocol.h"
#include "remote_script.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/log.h"
#include "version.h"

#define CLOCK_MAX ((uint64_t)INT64_MAX / 2) /* ns; the year 2116: differences of two are no overflow */

enum {
	LOGIN_S = 30,	    /* until a shell answers, where nobody is asked for anything */
	PROMPT_S = 300,	    /* and where somebody may be */
	ANSWER_S = 15,	    /* of that shell; of a copy, for each piece that it takes */
	END_S = 5,	    /* for the last packets */
	ENOUGH_MS = 1500,   /* when nobody wants them */
	ROUNDS = 9,	    /* of asking for the time */
	NOISE_MAX = 1 << 20 /* bytes that a login may print before the shell */
};

struct host {
	const struct remote_target *target;
	const struct options *o;
	struct remote_child child;
	int parent; /* -1: it has said that this is the end */
	struct remote_messages messages;
	struct remote_lines answer;
	char bytes[4096]; /* of its standard output, not yet looked at */
	size_t nbytes, at, noise;
	bool go, stop, enough;
	bool sudo; /* it captures by sudo */
	bool copied;
	struct remote_report report;
};

#define FAIL(h, fmt, ...) log_error("%s: " fmt, (h)->target->name, ##__VA_ARGS__)

/* --- waiting ------------------------------------------------------------------------------ */

static void hear_parent(struct host *h)
{
	char order;
	const ssize_t n = recv(h->parent, &order, 1, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		h->stop = true;
		h->parent = -1;
	}
	h->go |= n == 1 && order == REMOTE_GO;
	h->enough |= n == 1 && order == REMOTE_ENOUGH;
}

/* False: nothing more comes. */
static bool pass_messages(struct host *h)
{
	char bytes[4096];
	const ssize_t n = read(h->child.err, bytes, sizeof(bytes));

	if (n > 0)
		remote_messages_put(&h->messages, bytes, (size_t)n);
	if (n > 0 || (n < 0 && errno == EINTR))
		return true;
	remote_child_close(&h->child.err);
	return false;
}

enum { WAIT_OUT = 1, WAIT_IN = 2, WAIT_END = 4 };

/* Until one of these is there, or the parent has said something, or until (CLOCK_MONOTONIC, ns): which of them. Meanwhile messages
 * are passed on. */
static unsigned wait_for(struct host *h, unsigned events, uint64_t until)
{
	const uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct pollfd fds[] = {
		{ .fd = h->parent, .events = POLLIN },
		{ .fd = h->child.err, .events = POLLIN },
		{ .fd = events & WAIT_OUT ? h->child.out : -1, .events = POLLIN },
		{ .fd = events & WAIT_IN ? h->child.in : -1, .events = POLLOUT },
		{ .fd = events & WAIT_END ? h->child.pid_fd : -1, .events = POLLIN },
	};
	const uint64_t left_ms = until > now ? (until - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC : 0;
	unsigned ret = 0;

	if (poll(fds, sizeof(fds) / sizeof(fds[0]), (int)left_ms) <= 0)
		return 0;
	if (fds[0].revents)
		hear_parent(h);
	if (fds[1].revents)
		pass_messages(h);
	for (unsigned i = 2; i < sizeof(fds) / sizeof(fds[0]); i++)
		ret |= fds[i].revents ? 1U << (i - 2) : 0;
	return ret;
}

static uint64_t in_ms(uint64_t ms)
{
	return clock_ns(CLOCK_MONOTONIC) + ms * NSEC_PER_MSEC;
}

static bool is_late(uint64_t until)
{
	return clock_ns(CLOCK_MONOTONIC) >= until;
}

/* Its exit status; waits a moment for it, and for what it has said before. -1: it goes on. */
static int status_of(struct host *h)
{
	uint64_t until = in_ms(1000);
	struct pollfd more = { .events = POLLIN };

	while (remote_child_status(&h->child) < 0 && !is_late(until))
		wait_for(h, WAIT_END, until);
	/* Something that it has started may keep the pipe open, and have no end of messages. */
	until = in_ms(1000);
	for (more.fd = h->child.err; more.fd >= 0 && !is_late(until) && poll(&more, 1, 50) > 0; more.fd = h->child.err)
		pass_messages(h);
	remote_messages_end(&h->messages);
	return remote_child_status(&h->child);
}

/* --- questions and answers ----------------------------------------------------------------- */

/* -ECANCELED: the parent wants no more. -ETIME, -EPIPE; said by whoever calls. */
static int put(struct host *h, const void *p, size_t n)
{
	const char *at = p;
	uint64_t until = in_ms(ANSWER_S * 1000);

	while (n && !h->stop) {
		const ssize_t got = write(h->child.in, at, n);

		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return -EPIPE;
		if (got > 0) {
			at += got;
			n -= (size_t)got;
			until = in_ms(ANSWER_S * 1000);
		} else if (is_late(until)) {
			return -ETIME;
		} else if (wait_for(h, WAIT_IN | WAIT_END, until) & WAIT_END) {
			return -EPIPE;
		}
	}
	return h->stop ? -ECANCELED : 0;
}

static int ask(struct host *h, const char *question)
{
	return put(h, question, strlen(question));
}

static int fill(struct host *h, uint64_t until)
{
	ssize_t n;

	while (!(wait_for(h, WAIT_OUT, until) & WAIT_OUT)) {
		if (h->stop)
			return -ECANCELED;
		if (is_late(until))
			return -ETIME;
	}
	n = read(h->child.out, h->bytes, sizeof(h->bytes));
	if (n <= 0)
		return -EPIPE;
	h->at = 0;
	h->nbytes = (size_t)n;
	h->noise += (size_t)n;
	return h->noise > NOISE_MAX ? -EMSGSIZE : 0;
}

/* The next line with our mark; *ret is behind it. */
static int answer(struct host *h, unsigned seconds, const char **ret)
{
	const uint64_t until = in_ms(seconds * 1000);
	int err = 0;

	while (!err) {
		if (h->at == h->nbytes) {
			err = fill(h, until);
			continue;
		}
		if (!remote_lines_put(&h->answer, h->bytes[h->at++]) ||
		    strncmp(h->answer.line, REMOTE_MARK, sizeof(REMOTE_MARK) - 1) != 0)
			continue;
		*ret = h->answer.line + sizeof(REMOTE_MARK) - 1;
		return 0;
	}
	return err;
}

/* --- what is said of failures ---------------------------------------------------------------- */

/* Nothing has answered, or no longer. */
static int say_lost(struct host *h, int err)
{
	const char *host = h->target->host;
	const int status = err == -EPIPE ? status_of(h) : -1;

	if (err == -ECANCELED)
		return err;
	if (err == -EMSGSIZE)
		FAIL(h, "what runs there prints something else than expected, and no end of it");
	else if (err != -EPIPE)
		FAIL(h, "no answer%s%s%s", host ? ": try \"ssh " : "", host ? host : "", host ? " true\"" : "");
	else if (status < 0)
		FAIL(h, "what runs there has closed its output, and gives no answer");
	else if (host && status == 255)
		FAIL(h, "ssh can't connect, for the reason above: try \"ssh %s true\"", host);
	else if (host && status == 127)
		FAIL(h, "ssh, or sh there, is missing");
	else
		FAIL(h, "no shell answers there: %s has ended with exit status %d", host ? "ssh" : "the command",
		     status);
	return err;
}

/* --- before the capture ------------------------------------------------------------------------ */

static int copy_bytes(struct host *h, int fd, uint64_t size)
{
	char bytes[65536];
	int err = 0;

	while (size && !err) {
		const ssize_t n = read(fd, bytes, size < sizeof(bytes) ? size : sizeof(bytes));

		/* It has been shortened: what is announced cannot come. */
		err = n > 0 ? put(h, bytes, (size_t)n) : -EPIPE;
		size -= n > 0 ? (uint64_t)n : 0;
	}
	return err;
}

static int copy(struct host *h, const char *machine)
{
	uint64_t size;
	char question[64];
	const char *said;
	const int fd = remote_copy_open(h->target->name, machine, &size);
	int err;

	if (fd < 0)
		return fd;
	snprintf(question, sizeof(question), "copy %" PRIu64 "\n", size);
	err = ask(h, question);
	if (!err)
		err = copy_bytes(h, fd, size);
	close(fd);
	if (!err)
		err = answer(h, ANSWER_S, &said);
	if (err)
		return say_lost(h, err);
	if (strcmp(said, "copied") == 0) {
		h->copied = true;
		return 0;
	}
	FAIL(h, "--remote-copy: can't write there, for the reason above; TMPDIR says where to instead of /tmp");
	return -EIO;
}

/* "sh UID MACHINE FOUND" */
static int meet_shell(struct host *h, long *uid, char machine[65], int *found)
{
	struct buf script = { 0 };
	const char *said;
	int err;

	remote_script_put(&script, h->o);
	err = put(h, script.p, script.len);
	buf_done(&script);
	if (!err)
		err = answer(h, h->target->alone ? PROMPT_S : LOGIN_S, &said);
	if (err)
		return say_lost(h, err);
	if (sscanf(said, "sh %ld %64s %d", uid, machine, found) == 3)
		return 0;
	FAIL(h, "what answers there is not what was started");
	return -EPROTO;
}

/* Behind "bye": its exit status. */
static int say_no_agent(const struct host *h, const char *said)
{
	if (h->copied)
		FAIL(h,
		     "--remote-copy: the program can't run in its temporary folder, for the reason above; TMPDIR there says "
		     "where to instead of /tmp");
	else
		FAIL(h, "its ptcpdump can't serve (exit status %s): it is older than 1.0.0, or damaged%s", said,
		     h->o->remote_copy ? "" : "; --remote-copy takes this one");
	return -EPROTO;
}

static int measure_clock(struct host *h)
{
	uint64_t best = UINT64_MAX;
	const char *said;

	for (int i = 0; i < ROUNDS; i++) {
		const uint64_t sent = clock_ns(CLOCK_REALTIME), from = clock_ns(CLOCK_MONOTONIC);
		uint64_t took, there;
		int err = ask(h, "clock\n");

		if (!err)
			err = answer(h, ANSWER_S, &said);
		if (err)
			return say_lost(h, err);
		took = clock_ns(CLOCK_MONOTONIC) - from;
		if (sscanf(said, "clock %" SCNu64, &there) != 1 || there > CLOCK_MAX || took >= best)
			continue;
		best = took;
		h->report.ahead = (int64_t)(there - (sent + took / 2));
		h->report.unsure = took / 2;
	}
	return 0;
}

/* "hello PROTOCOL CAPABLE VERSION", then the questions for the time, and "bye STATUS". -ENOEXEC: what is there cannot
 * serve, and a copy could; nothing has been said. */
static int meet_agent(struct host *h, int *capable)
{
	char version[64] = "";
	const char *said;
	int protocol = 0, err = ask(h, "hello\n");

	if (!err)
		err = answer(h, ANSWER_S, &said);
	if (err)
		return say_lost(h, err);
	if (strncmp(said, "bye ", 4) == 0)
		return h->o->remote_copy && !h->copied ? -ENOEXEC : say_no_agent(h, said + 4);
	if (sscanf(said, "hello %d %d %63s", &protocol, capable, version) != 3 || protocol != REMOTE_PROTOCOL) {
		FAIL(h, "its ptcpdump %s and this one, " PTCPDUMP_VERSION ", do not understand each other", version);
		return -EPROTO;
	}
	if (strcmp(version, PTCPDUMP_VERSION) != 0)
		log_warn("%s: its ptcpdump is version %s, this one " PTCPDUMP_VERSION, h->target->name, version);
	err = measure_clock(h);
	if (err)
		return err;
	err = ask(h, "end\n");
	if (!err)
		err = answer(h, ANSWER_S, &said);
	return err ? say_lost(h, err) : 0;
}

static int prepare(struct host *h)
{
	char machine[65] = "";
	int found = 0, capable = 0, err;
	long uid = 0;

	err = remote_child_start(&h->child, h->target->host, h->target->command, h->target->alone);
	if (!err)
		err = meet_shell(h, &uid, machine, &found);
	if (err)
		return err;
	if (!found && !h->o->remote_copy) {
		FAIL(h, "no ptcpdump in the PATH there: install it, or --remote-copy takes this one");
		return -ENOENT;
	}
	if (!found) {
		err = copy(h, machine);
		if (err)
			return err;
	}
	err = meet_agent(h, &capable);
	if (err == -ENOEXEC) {
		err = copy(h, machine);
		if (!err)
			err = meet_agent(h, &capable);
	}
	h->sudo = uid != 0 && !capable;
	return err;
}

/* --- the capture ------------------------------------------------------------------------------- */

static int tell(struct host *h, enum remote_step step, int fd)
{
	h->report.step = step;
	return h->parent < 0 && step != REMOTE_ENDED ? -ECANCELED
						     : fd_send(h->parent, &h->report, sizeof(h->report), fd);
}

/* Others are not ready yet. */
static int wait_for_go(struct host *h)
{
	while (!h->go && !h->stop && !h->enough) {
		if (wait_for(h, WAIT_END, in_ms(1000)) & WAIT_END)
			return say_lost(h, -EPIPE);
	}
	return h->go && !h->stop ? 0 : -ECANCELED;
}

static void say_ended(struct host *h, int status)
{
	if (h->target->host && status == 255)
		FAIL(h, "the connection broke, for the reason above");
	else if (h->sudo && h->messages.sudo)
		FAIL(h,
		     "sudo does not let us capture there: connect as root, or let it run ptcpdump without a password, or give "
		     "the program capabilities (setcap)");
	else if (h->sudo && status == 127)
		FAIL(h, "no root there, and no sudo: connect as root");
	else if (status == 0)
		FAIL(h, "the capture there was ended by somebody there");
	else
		FAIL(h, "the capture there has ended with exit status %d", status);
}

/* True: somebody has to end it. */
static bool run_capture(struct host *h)
{
	uint64_t beat = 0;

	while (!h->stop && !h->enough) {
		/* Nobody reads: no matter, it is full of them. It has ended: this is told below. */
		if (is_late(beat)) {
			beat = in_ms(REMOTE_BEAT_MS);
			if (write(h->child.in, "\n", 1) < 0 && errno == EPIPE)
				remote_child_close(&h->child.in);
		}
		if (wait_for(h, WAIT_END, beat) & WAIT_END)
			return false;
	}
	return true;
}

static void end_capture(struct host *h)
{
	uint64_t until = in_ms(h->enough ? ENOUGH_MS : END_S * 1000);

	remote_child_close(&h->child.in);
	while (remote_child_status(&h->child) < 0 && !is_late(until)) {
		const bool enough = h->enough;

		wait_for(h, WAIT_END, until);
		if (!enough && h->enough)
			until = in_ms(ENOUGH_MS);
	}
	if (remote_child_status(&h->child) < 0 && !h->enough) {
		FAIL(h, "does not end within %d seconds; there, it will within %d", END_S, REMOTE_SILENCE_S);
		h->report.failed = true;
	}
}

static void capture(struct host *h)
{
	bool asked;
	int status, err = ask(h, h->sudo ? "sudo\n" : "run\n");

	if (err) {
		say_lost(h, err);
		h->report.failed = err != -ECANCELED;
		return;
	}
	asked = run_capture(h);
	if (asked)
		end_capture(h);
	status = status_of(h);
	/* Asked to end, it may have ended for another reason a moment before. */
	if (!asked || (status > 0 && !h->enough)) {
		say_ended(h, status);
		h->report.failed = true;
	}
}

static void serve(struct host *h)
{
	int err = prepare(h);

	if (!err)
		err = tell(h, REMOTE_READY, h->child.out);
	/* Whoever reads it may go away. */
	remote_child_close(&h->child.out);
	if (!err)
		err = wait_for_go(h);
	if (!err)
		capture(h);
	else
		h->report.failed = err != -ECANCELED;
}

void remote_host_serve(const struct remote_target *target, const struct options *o, int parent)
{
	struct host h = {
		.target = target,
		.o = o,
		.child = { .pid = -1, .pid_fd = -1, .in = -1, .out = -1, .err = -1 },
		.parent = parent,
		.messages.host = target->name,
	};

	serve(&h);
	if (h.child.pid > 0)
		remote_child_end(&h.child);
	remote_messages_end(&h.messages);
	h.report.counts = h.messages.counts;
	h.parent = parent;
	tell(&h, REMOTE_ENDED, -1);
}
