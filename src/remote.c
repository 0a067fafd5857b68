/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "options_remote.h"
#include "remote_host.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/log.h"

enum { UNASKED_MS = 2000, FINISH_MS = 10000 };

struct host {
	char *name;
	int socket; /* -1: its process has ended, or has said so */
	int fd;	    /* -1: it is not ready */
	struct remote_report report;
};

struct remote {
	const struct options *o;
	struct host *hosts;
	size_t n;
	size_t *ready; /* which of them */
	size_t nready;
};

/* --- their processes ---------------------------------------------------------------------------- */

/* Messages go to our standard error; nothing else of ours is theirs. What ends all of a terminal or of timeout(1) is for us, who let them
 * read what is still to come. */
static _Noreturn void serve(const struct remote_target *target, const struct options *o, int socket)
{
	static const int ignored[] = { SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGUSR1, SIGUSR2 };
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	fd_ignore_signals();
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		_exit(1);
	fd_close_all_but(socket, -1);
	remote_host_serve(target, o, socket);
	_exit(0);
}

static int start_host(const struct remote *r, struct host *host, const struct remote_target *target)
{
	int sockets[2] = { -1, -1 }, err = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) ? -errno : 0;
	pid_t pid = -1;

	if (!err) {
		pid = fork();
		err = pid < 0 ? -errno : 0;
	}
	if (pid == 0)
		serve(target, r->o, sockets[1]);
	if (err)
		log_error("can't start a process for %s: %s", target->name, strerror(-err));
	if (sockets[1] >= 0)
		close(sockets[1]);
	if (err && sockets[0] >= 0)
		close(sockets[0]);
	host->socket = err ? -1 : sockets[0];
	return err;
}

/* As in interfaces; one without is numbered. */
static char *name_of(const struct options *o, size_t i, struct remote_target *target)
{
	const char *name;
	char *ret;
	size_t n;

	if (i < o->remotes.n) {
		target->host = o->remotes.v[i];
		n = options_remote_host(target->host, &name);
		return strndup(name, n);
	}
	target->command = options_remote_command(o->remote_commands.v[i - o->remotes.n], &name, &n);
	if (name)
		return strndup(name, n);
	return asprintf(&ret, "remote%zu", i - o->remotes.n + 1) < 0 ? NULL : ret;
}

int remote_start(struct remote **ret, const struct options *o)
{
	struct remote *r = calloc(1, sizeof(*r));
	const size_t n = o->remotes.n + o->remote_commands.n;
	int err = 0;

	if (r) {
		*r = (struct remote){ .o = o,
				      .hosts = calloc(n, sizeof(*r->hosts)),
				      .ready = calloc(n, sizeof(*r->ready)) };
		err = r->hosts && r->ready ? 0 : -ENOMEM;
	}
	for (size_t i = 0; r && !err && i < n; i++) {
		struct remote_target target = { .alone = n == 1 };
		struct host *host = &r->hosts[r->n++];

		*host = (struct host){ .name = name_of(o, i, &target), .socket = -1, .fd = -1 };
		target.name = host->name;
		err = host->name ? start_host(r, host, &target) : -ENOMEM;
	}
	if (!r || err == -ENOMEM)
		log_error("out of memory");
	if (!r || err) {
		remote_free(r);
		return r ? err : -ENOMEM;
	}
	*ret = r;
	return 0;
}

/* --- what they tell ----------------------------------------------------------------------------- */

static void hang_up(struct host *host)
{
	close(host->socket);
	host->socket = -1;
}

/* The next thing that its process tells: false, there is none. */
static bool receive(struct host *host)
{
	int fd = -1;
	int err = fd_receive(host->socket, &host->report, sizeof(host->report), &fd);

	if (err) {
		/* It was killed. */
		host->report = (struct remote_report){ .failed = true };
		log_error("%s: the process that looks after it has ended", host->name);
	} else if (fd >= 0) {
		host->fd = fd;
	} else if (host->report.step == REMOTE_READY) {
		/* It was lost on its way. */
		host->report.failed = true;
		log_error("%s: too many open files: raise the limit (ulimit -n), or name fewer hosts", host->name);
		err = -EMFILE;
	}
	if (err || host->report.step == REMOTE_ENDED)
		hang_up(host);
	return !err && host->report.step != REMOTE_ENDED;
}

/* Of those whose socket is open. How long: until *interrupted, or until (CLOCK_MONOTONIC, ns), 0: for ever. -errno */
static int receive_any(struct remote *r, const volatile sig_atomic_t *interrupted, uint64_t until, bool waits_for_ready)
{
	struct pollfd *fds = calloc(r->n, sizeof(*fds));
	size_t waiting = 0;
	int err = fds ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < r->n; i++) {
		const bool wanted = !waits_for_ready || r->hosts[i].fd < 0;

		fds[i] = (struct pollfd){ .fd = wanted ? r->hosts[i].socket : -1, .events = POLLIN };
		waiting += fds[i].fd >= 0;
	}
	if (!err && !waiting)
		err = -ENODATA;
	/* A signal may come just before: so not for long. */
	if (!err && poll(fds, r->n, 100) < 0 && errno != EINTR)
		err = -errno;
	if (!err && *interrupted)
		err = -EINTR;
	if (!err && until && clock_ns(CLOCK_MONOTONIC) >= until)
		err = -ETIME;
	for (size_t i = 0; !err && i < r->n; i++) {
		if (fds[i].revents)
			receive(&r->hosts[i]);
	}
	free(fds);
	return err;
}

/* --- before ------------------------------------------------------------------------------------- */

static void say_clock(const struct remote *r, const struct host *host)
{
	const int64_t ahead = host->report.ahead;
	const uint64_t by = ahead < 0 ? (uint64_t)-ahead : (uint64_t)ahead;
	const double ms = (double)NSEC_PER_MSEC;

	if (by <= host->report.unsure)
		return;
	log_warn("%s's clock is %.1f ms %s ours (+- %.1f ms)%s", host->name, (double)by / ms,
		 ahead < 0 ? "behind" : "ahead of", (double)host->report.unsure / ms,
		 r->o->remote_clock ? ": corrected" : "; --remote-clock corrects it");
}

static void begin(struct remote *r)
{
	static const char go = REMOTE_GO;

	for (size_t i = 0; i < r->n; i++) {
		struct host *host = &r->hosts[i];

		if (host->fd < 0)
			continue;
		say_clock(r, host);
		r->ready[r->nready++] = i;
		/* One that has just ended says so itself. */
		if (host->socket >= 0)
			send(host->socket, &go, 1, MSG_NOSIGNAL);
	}
}

int remote_ready(struct remote *r, const volatile sig_atomic_t *interrupted)
{
	int err;

	do
		err = receive_any(r, interrupted, 0, true);
	while (!err);
	if (err != -ENODATA)
		return err;
	begin(r);
	if (r->nready)
		return 0;
	log_error(r->n > 1 ? "no host captures" : "nothing is captured");
	return -ENOTCONN;
}

size_t remote_inputs(const struct remote *r)
{
	return r->nready;
}

struct remote_input remote_input(const struct remote *r, size_t i)
{
	const struct host *host = &r->hosts[r->ready[i]];

	return (struct remote_input){ .name = host->name, .fd = host->fd, .ahead = host->report.ahead };
}

/* --- after -------------------------------------------------------------------------------------- */

void remote_stop(const struct remote *r)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->hosts[i].socket >= 0)
			shutdown(r->hosts[i].socket, SHUT_WR);
	}
}

static void say_enough(const struct remote *r)
{
	static const char enough = REMOTE_ENOUGH;

	for (size_t i = 0; i < r->n; i++) {
		if (r->hosts[i].socket >= 0)
			send(r->hosts[i].socket, &enough, 1, MSG_NOSIGNAL);
	}
}

static int wait_for_ends(struct remote *r, const volatile sig_atomic_t *interrupted, uint64_t ms)
{
	const uint64_t until = clock_ns(CLOCK_MONOTONIC) + ms * NSEC_PER_MSEC;
	int err;

	do
		err = receive_any(r, interrupted, until, false);
	while (!err);
	return err;
}

void remote_finish(struct remote *r, bool enough, const volatile sig_atomic_t *interrupted, struct remote_end *ret)
{
	/* Those that have ended by themselves say why, unless they are asked to end. */
	if (enough)
		say_enough(r);
	else
		wait_for_ends(r, interrupted, UNASKED_MS);
	remote_stop(r);
	wait_for_ends(r, interrupted, FINISH_MS);
	*ret = (struct remote_end){ 0 };
	for (size_t i = 0; i < r->n; i++) {
		const struct remote_report *report = &r->hosts[i].report;

		ret->counts.captured += report->counts.captured;
		ret->counts.received += report->counts.received;
		ret->counts.dropped += report->counts.dropped;
		ret->counts.known += report->counts.known > 0;
		ret->failed += report->failed;
	}
}

void remote_free(struct remote *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++) {
		if (r->hosts[i].socket >= 0)
			hang_up(&r->hosts[i]);
		free(r->hosts[i].name);
	}
	free(r->hosts);
	free(r->ready);
	free(r);
}
