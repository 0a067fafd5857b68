/* SPDX-License-Identifier: BSD-3-Clause */
/* --top: its screen beside what else is waited for. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "output/top.h"
#include "session_private.h"
#include "util/clock.h"

static bool is_stream(const char *path)
{
	struct stat st;

	return strcmp(path, "-") == 0 || (stat(path, &st) == 0 && !S_ISREG(st.st_mode));
}

/* More may come than there is, as it is sent. */
static bool grows(const struct options *o)
{
	if (options_remote(o))
		return true;
	for (size_t i = 0; i < o->read_files.n; i++) {
		const char *word = o->read_files.v[i], *equals = strchr(word, '=');

		/* A name may stand in front of it. */
		if (is_stream(word) || (equals && is_stream(equals + 1)))
			return true;
	}
	return !options_offline(o);
}

int session_top_new(struct session *s)
{
	const struct top_config config = {
		.by = s->o->top,
		.expr = s->o->expr,
		.live = grows(s->o),
		.reads = options_offline(s->o),
		.utc = s->o->text.utc,
		.interrupted = s->interrupted,
	};

	return s->o->top ? output_top_new(&s->top, &config) : 0;
}

int session_top_collect(struct session *s)
{
	return s->top ? output_top_collect(s->top) : 0;
}

int session_top_begin(struct session *s)
{
	return s->top ? output_top_begin(s->top) : 0;
}

unsigned session_top_fds(const struct session *s, int fds[SESSION_TOP_FDS])
{
	_Static_assert((int)SESSION_TOP_FDS == (int)TOP_FDS, "they are the same");

	return s->top ? output_top_fds(s->top, fds) : 0;
}

void session_top_input(struct session *s)
{
	const int err = output_top_input(s->top);

	/* What has to be done next may have to be done sooner. */
	s->tick = 0;
	if (err)
		session_output_failed(s, s->top, err);
}

/* A second at most: a signal may come just before the waiting, and there may be nothing to do ever. */
static int timeout_of(uint64_t when, uint64_t now)
{
	const uint64_t ns = when > now ? when - now : 0;

	return (int)((ns < NSEC_PER_SEC ? ns + NSEC_PER_MSEC - 1 : NSEC_PER_SEC) / NSEC_PER_MSEC);
}

/* Until fd (-1: none) is readable, a key is there, or a time has come; look: what of that is so now. */
static void serve(struct session *s, int fd, bool look)
{
	struct pollfd ready[SESSION_TOP_FDS + 1] = { { .fd = fd, .events = POLLIN } };
	int fds[SESSION_TOP_FDS];
	const unsigned n = session_top_fds(s, fds);
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	for (unsigned i = 0; i < n; i++)
		ready[1 + i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	poll(ready, 1 + n, look ? 0 : timeout_of(s->tick, now));
	now = clock_ns(CLOCK_MONOTONIC);
	for (unsigned i = 1; i <= n && !s->stop; i++) {
		if (ready[i].revents) {
			session_top_input(s);
			break;
		}
	}
	if (now >= s->tick && !s->stop)
		session_tick(s, now);
}

void session_top_wait(struct session *s, int fd)
{
	serve(s, fd, false);
}

void session_top_look(struct session *s)
{
	serve(s, -1, true);
}

void session_top_stay(struct session *s)
{
	if (!s->top || !output_top_stays(s->top))
		return;
	/* -c has enough, and more than that is not asked for. */
	s->stop = false;
	s->tick = 0;
	while (!s->stop && !*s->interrupted)
		session_top_wait(s, -1);
}
