/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output/keys.h"
#include "output/screen.h"
#include "output/summary.h"
#include "output/top_screen.h"
#include "output/top_view.h"
#include "util/clock.h"
#include "util/log.h"

#define REDRAW_INTERVAL NSEC_PER_SEC
#define MESSAGE_TIME (5 * NSEC_PER_SEC)
#define POLL_INTERVAL (100 * NSEC_PER_MSEC)
#define ESCAPE_TIME (100 * NSEC_PER_MSEC) /* what belongs to an escape is there by then, over slow lines too */

struct top {
	struct output output;
	struct top_config config;
	struct screen *screen; /* NULL: there is no terminal */
	struct flows *flows;
	struct top_view view;
	const struct iface **ifaces;
	size_t nifaces;
	/* CLOCK_MONOTONIC ns */
	uint64_t ticked, next; /* flows; when the next redraw is due */
	uint64_t interval;     /* between the last two ticks of flows */
	uint64_t escape;       /* when an escape is taken for the key, 0: there is none */
	bool complete;
	bool printed; /* a table */
	uint64_t dropped;
	uint64_t message; /* until when the last one is shown */
};

static struct top *top_of(struct output *o)
{
	return (struct top *)o;
}

/* --- redraw --------------------------------------------------------------------------- */

static int draw(struct top *t)
{
	const struct top_shown shown = {
		.flows = t->flows,
		.view = &t->view,
		.expr = t->config.expr,
		.ifaces = t->ifaces,
		.nifaces = t->nifaces,
		.interval = t->config.live ? t->interval : 0,
		.captures = !t->config.reads,
		.dropped = t->dropped,
		.message = t->message > clock_ns(CLOCK_MONOTONIC),
		.complete = t->complete,
		.utc = t->config.utc,
	};

	return top_draw(t->screen, &shown);
}

/* Where there is no terminal. */
static int print(struct top *t)
{
	struct buf b = { 0 };
	int err;

	if (t->printed)
		buf_putc(&b, '\n');
	t->printed = true;
	err = summary_put(&b, t->flows, t->view.by, t->config.utc);
	if (!err)
		err = buf_flush(&b, STDOUT_FILENO, t->config.interrupted, NULL);
	buf_done(&b);
	return err;
}

static int redraw(struct top *t, uint64_t now)
{
	if (t->ticked)
		t->interval = now - t->ticked;
	t->ticked = now;
	t->next = now + REDRAW_INTERVAL;
	flows_tick(t->flows);
	if (t->view.paused)
		return 0;
	return t->screen ? draw(t) : print(t);
}

/* --- keys ------------------------------------------------------------------------------ */

/* What is asked for once. */
static int obey(struct top *t)
{
	if (t->view.quit)
		return -ECANCELED;
	if (t->view.clear)
		flows_clear(t->flows);
	t->view.clear = false;
	return 0;
}

static int on_key(struct top *t, uint32_t key)
{
	top_view_key(&t->view, key);
	return obey(t);
}

int output_top_input(struct output *o)
{
	struct top *t = top_of(o);
	bool some = false;
	unsigned news;
	uint32_t key;
	int err = 0;

	if (!t->screen)
		return 0;
	while (!err && (news = screen_step(t->screen, &key))) {
		err = news & SCREEN_GONE ? -ECANCELED : 0;
		if (news & SCREEN_MESSAGE)
			t->message = clock_ns(CLOCK_MONOTONIC) + MESSAGE_TIME;
		if (!err && (news & SCREEN_KEY))
			err = on_key(t, key);
		some = true;
	}
	/* It may be the only thing that came. */
	if (!screen_waits(t->screen))
		t->escape = 0;
	else if (!t->escape)
		t->escape = clock_ns(CLOCK_MONOTONIC) + ESCAPE_TIME;
	return err || !some ? err : draw(t);
}

static int check_escape(struct top *t, uint64_t now)
{
	int err;

	if (!t->escape || now < t->escape)
		return 0;
	t->escape = 0;
	err = on_key(t, screen_pause(t->screen));
	return err ? err : draw(t);
}

/* --- operations -------------------------------------------------------------------------- */

static int top_iface(struct output *o, const struct iface *iface)
{
	struct top *t = top_of(o);
	const struct iface **ifaces = reallocarray(t->ifaces, t->nifaces + 1, sizeof(*ifaces));

	if (!ifaces)
		return -ENOMEM;
	t->ifaces = ifaces;
	ifaces[t->nifaces++] = iface;
	return 0;
}

static int top_sample(struct output *o, const struct flows_sample *sample)
{
	flows_add(top_of(o)->flows, sample);
	return 0;
}

static int top_packet(struct output *o, const struct packet *packet)
{
	struct flows_sample sample;

	flows_packet(top_of(o)->flows, packet, &sample);
	return 0;
}

/* Of a file, without a terminal, the table at the end is all. */
static int top_tick(struct output *o, uint64_t now, uint64_t *next)
{
	struct top *t = top_of(o);
	int err;

	if (!t->screen && !t->config.live)
		return 0;
	if (!t->next)
		t->next = t->screen ? now : now + REDRAW_INTERVAL;
	err = t->config.reads ? output_top_input(o) : 0;
	if (!err)
		err = check_escape(t, now);
	if (!err && now >= t->next)
		err = redraw(t, now);
	if (t->next < *next)
		*next = t->next;
	if (t->escape && t->escape < *next)
		*next = t->escape;
	if (t->config.reads && !t->complete && now + POLL_INTERVAL < *next)
		*next = now + POLL_INTERVAL;
	return err;
}

static int top_counts(struct output *o, const struct output_counts *counts)
{
	top_of(o)->dropped = counts->dropped;
	return 0;
}

static int top_report(struct output *o)
{
	struct top *t = top_of(o);

	return t->screen ? draw(t) : print(t);
}

static int top_finish(struct output *o)
{
	struct top *t = top_of(o);

	if (!t->screen)
		return print(t);
	screen_end(t->screen);
	return 0;
}

static void top_free(struct output *o)
{
	struct top *t = top_of(o);

	screen_free(t->screen);
	flows_free(t->flows);
	free(t->ifaces);
	free(t);
}

static const struct output_ops top_ops = {
	.name = "top",
	.iface = top_iface,
	.packet = top_packet,
	.sample = top_sample,
	.tick = top_tick,
	.counts = top_counts,
	.report = top_report,
	.finish = top_finish,
	.free = top_free,
};

int output_top_new(struct output **ret, const struct top_config *config)
{
	const struct flows_config flows = { 0 };
	struct top *t = calloc(1, sizeof(*t));
	int err = t ? flows_new(&t->flows, &flows) : -ENOMEM;

	if (err)
		log_error("out of memory");
	else if (screen_possible())
		err = screen_new(&t->screen);
	if (err) {
		if (t)
			flows_free(t->flows);
		free(t);
		return err;
	}
	t->output.ops = &top_ops;
	t->config = *config;
	t->view.by = config->by;
	*ret = &t->output;
	return 0;
}

int output_top_collect(struct output *o)
{
	struct top *t = top_of(o);

	return t->screen ? screen_collect(t->screen) : 0;
}

int output_top_begin(struct output *o)
{
	struct top *t = top_of(o);

	return t->screen ? screen_begin(t->screen) : 0;
}

unsigned output_top_fds(const struct output *o, int fds[TOP_FDS])
{
	const struct top *t = (const struct top *)o;

	return t->screen ? screen_fds(t->screen, fds) : 0;
}

bool output_top_stays(struct output *o)
{
	struct top *t = top_of(o);

	t->complete = true;
	t->next = 0;
	return t->screen;
}
