/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long packets wait for an input that has none: once as long as the patience lasts, and then the others go on without it until
 * it has some. Whoever was silent like this is taken for a capture of little traffic from then on: packets that have just been
 * captured wait until they are as old as that, so that one of its own finds its place whenever it comes, and none waits longer.
 * What comes meanwhile is read ahead, so that those who capture it need not wait.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include "reader/merge_int.h"
#include "util/clock.h"
#include "util/log.h"

#define AHEAD_ALL (UINT64_C(64) << 20) /* bytes that are read ahead of all inputs, as long as each has the least */
#define AHEAD_MIN (UINT64_C(256) << 10)
#define AHEAD_MAX (UINT64_C(8) << 20)
#define LIVE_AGE (10 * NSEC_PER_SEC)	  /* what is older when it comes is not being captured now */
#define CLOCK_AHEAD (250 * NSEC_PER_MSEC) /* how far that clock may be ahead of ours */

struct now {
	uint64_t monotonic, real; /* ns */
};

/* It has just been captured. */
static bool is_recent(const struct input *head, const struct now *now)
{
	const __int128 age = (__int128)now->real - head->key;

	return age < (__int128)LIVE_AGE && age >= -(__int128)CLOCK_AHEAD;
}

/* Until when the head waits for the input. */
static uint64_t patience_ends(const struct merge *m, const struct input *in, const struct input *head,
			      const struct now *now)
{
	const uint64_t since = in->waits_since > head->head_since ? in->waits_since : head->head_since;
	__int128 left;

	if (!in->sporadic || !is_recent(head, now))
		return in->silent ? 0 : since + m->config.patience;
	left = head->key + m->config.patience - now->real;
	return left > 0 ? now->monotonic + (uint64_t)left : 0;
}

static void give_up(struct merge *m, struct input *in)
{
	const bool first = !in->sporadic;

	in->behind = true;
	in->silent = in->sporadic = true;
	if (first)
		m->config.told(m->config.arg, in->number, MERGE_SILENT);
}

static bool any_full(const struct merge *m)
{
	for (size_t i = 0; i < m->nheap; i++) {
		if (m->heap[i]->full)
			return true;
	}
	return false;
}

bool merge_holds(struct merge *m, uint64_t *until)
{
	const struct now now = { clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_REALTIME) };
	struct input *head = m->heap[0];
	const bool full = any_full(m);
	bool ret = false;

	if (!head->head_since)
		head->head_since = now.monotonic;
	for (size_t i = 0; i < m->n; i++) {
		struct input *in = m->inputs[i];
		uint64_t end;

		if (in->state != INPUT_WAITS)
			continue;
		end = patience_ends(m, in, head, &now);
		if (full) {
			in->behind = true;
		} else if (now.monotonic < end) {
			ret = true;
			*until = end < *until ? end : *until;
		} else {
			give_up(m, in);
		}
	}
	return ret;
}

/* The head's bytes, which reading ahead may move. */
static void detach(struct input *in)
{
	struct packet *p = &in->packet;
	size_t options;

	if (in->detached)
		return;
	in->detached = true;
	in->data.len = 0;
	buf_reserve(&in->data, 1);
	if (!in->is_packet) {
		buf_put(&in->data, in->block.body, in->block.body_len);
		in->block.body = (const uint8_t *)in->data.p;
		return;
	}
	buf_put(&in->data, p->data, p->caplen);
	options = in->data.len;
	buf_put(&in->data, p->options, p->options_len);
	p->data = (const uint8_t *)in->data.p;
	if (p->options)
		p->options = (const uint8_t *)in->data.p + options;
}

static void read_ahead(const struct merge *m, struct input *in)
{
	const uint64_t share = AHEAD_ALL / m->n;
	const uint64_t max = share > AHEAD_MAX ? AHEAD_MAX : share < AHEAD_MIN ? AHEAD_MIN : share;
	int ret;

	detach(in);
	ret = reader_read_ahead(in->reader, (size_t)max);
	in->full = ret == -ENOSPC;
	in->ended = ret == READER_END;
}

/* Those of which something is wanted. */
static size_t fill(const struct merge *m, struct pollfd *fds, struct input **of, bool ahead)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++) {
		struct input *in = m->inputs[i];

		if (in->state != INPUT_WAITS &&
		    !(ahead && in->state == INPUT_READY && in->live && !in->full && !in->ended))
			continue;
		fds[n] = (struct pollfd){ .fd = in->fd, .events = POLLIN };
		of[n++] = in;
	}
	return n;
}

/* Signals come while we wait, and not between the look at them and that. */
static int wait_for(const struct merge *m, struct pollfd *fds, size_t n, uint64_t until, int *ret)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };
	const uint64_t now = clock_ns(CLOCK_MONOTONIC), left = until > now ? until - now : 0;
	const struct timespec t = { (time_t)(left / NSEC_PER_SEC), (long)(left % NSEC_PER_SEC) };
	sigset_t held, before;
	int found = 0;

	sigemptyset(&held);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&held, signals[i]);
	sigprocmask(SIG_BLOCK, &held, &before);
	*ret = m->config.woken ? m->config.woken(m->config.arg) : 0;
	if (!*ret && !(m->config.interrupted && *m->config.interrupted)) {
		found = ppoll(fds, n, until == UINT64_MAX ? NULL : &t, &before);
		if (found < 0 && errno != EINTR) {
			*ret = -errno;
			log_error("can't wait for input: %s", strerror(errno));
		}
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return found;
}

static void take(struct merge *m, const struct pollfd *fds, struct input **of, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!fds[i].revents)
			continue;
		if (of[i]->state == INPUT_READY) {
			read_ahead(m, of[i]);
			continue;
		}
		m->nwaiting--;
		merge_advance(m, of[i]);
		merge_push(m, of[i]);
	}
}

static int show(struct merge *m)
{
	if (!m->fresh || !m->config.idle)
		return 0;
	m->fresh = false;
	return m->config.idle(m->config.arg);
}

/* Behind the inputs' n; how many. */
static size_t watch(const struct merge *m, struct pollfd *fds, uint64_t *until)
{
	int more[MERGE_FDS];
	const unsigned n = m->config.watch ? m->config.watch(m->config.arg, more, until) : 0;

	for (unsigned i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = more[i], .events = POLLIN };
	return n;
}

static int poll_inputs(struct merge *m, bool wait, uint64_t until)
{
	struct pollfd *fds = calloc(m->n + MERGE_FDS, sizeof(*fds));
	struct input **of = calloc(m->n, sizeof(struct input *));
	int found = 0, ret = 0;
	size_t n;

	if (!fds || !of) {
		log_error("out of memory");
		ret = -ENOMEM;
		goto out;
	}
	n = fill(m, fds, of, wait);
	found = poll(fds, n, 0);
	if (!found && wait)
		ret = show(m);
	if (!found && wait && !ret)
		found = wait_for(m, fds, n + watch(m, fds + n, &until), until, &ret);
	if (wait && !ret && m->config.serve)
		ret = m->config.serve(m->config.arg);
	if (found > 0 && !ret)
		take(m, fds, of, n);
out:
	free(fds);
	free(of);
	return ret;
}

int merge_wait(struct merge *m, uint64_t until)
{
	return poll_inputs(m, true, until);
}

int merge_look(struct merge *m)
{
	return poll_inputs(m, false, 0);
}
