/* SPDX-License-Identifier: BSD-3-Clause */
/* The screen of --top. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "output/flow_text.h"
#include "output/text_fields.h"
#include "output/top_screen.h"
#include "util/clock.h"
#include "util/columns.h"
#include "util/escape.h"

enum {
	IFACES_TOLD = 8,
	LINES_MIN = 8, /* with fewer there are rows only */
	RATE_WIDTH = 6,
};

/* What is on its way to the screen. */
struct drawing {
	const struct top_shown *shown;
	struct screen *screen;
	unsigned columns, lines;
	struct buf line, texts; /* texts: of the rows' cells */
	struct flows_row *rows; /* those that are shown are n, from first on */
	size_t first, n, of;
	struct top_row *cells; /* n */
};

static void put_line(struct drawing *d)
{
	top_cut(&d->line, d->columns - 1);
	screen_line(d->screen, (struct str){ d->line.p, (uint32_t)d->line.len });
	d->line.len = 0;
}

/* Sequences stand in it, and it is as long as it may be. */
static void put_measured(struct drawing *d)
{
	screen_line(d->screen, (struct str){ d->line.p, (uint32_t)d->line.len });
	d->line.len = 0;
}

/* --- which rows ---------------------------------------------------------------------- */

struct wanted {
	const char *part;
	struct buf text;
};

static void put_more(struct buf *b, const struct annotation *a)
{
	if (a->has & ANNOT_USER)
		escape_put(b, a->user, IN_LINE);
	buf_putc(b, '\n');
	if (a->has & ANNOT_PROCESS)
		escape_put(b, a->process.cmd, IN_LINE);
	buf_putc(b, '\n');
	if (a->has & ANNOT_CONTAINER)
		escape_put(b, a->container.name, IN_LINE);
}

static bool is_wanted(void *arg, const struct flows_row *row)
{
	struct wanted *w = arg;
	struct buf *b = &w->text;

	b->len = 0;
	flow_put_who(b, row);
	buf_putc(b, '\n');
	flow_put_where(b, row);
	buf_putc(b, '\n');
	flow_put_peer(b, row);
	buf_putc(b, '\n');
	flow_put_local(b, row);
	buf_putc(b, '\n');
	if (row->annot)
		put_more(b, row->annot);
	buf_putc(b, '\0');
	return strcasestr(b->p, w->part);
}

/* Of a file as a whole, what has come since the last redraw says nothing. */
static enum flows_sort sort_of(const struct top_shown *shown)
{
	return shown->view->sort == FLOWS_SORT_RATE && !shown->interval ? FLOWS_SORT_AVERAGE : shown->view->sort;
}

static int find_rows(struct drawing *d)
{
	struct top_view *v = d->shown->view;
	struct wanted wanted = { .part = v->filter };
	struct flows_pick pick = { .wanted = v->filter[0] ? is_wanted : NULL, .arg = &wanted };
	ssize_t n;

	pick.most = v->offset > SIZE_MAX - v->page ? SIZE_MAX : v->offset + v->page;
	n = flows_rows_first(d->shown->flows, v->by, sort_of(d->shown), &pick, &d->rows, &d->of);
	buf_done(&wanted.text);
	if (n < 0)
		return (int)n;
	/* The last page is full. */
	if (v->offset + v->page > (size_t)n)
		v->offset = (size_t)n > v->page ? (size_t)n - v->page : 0;
	d->first = v->offset;
	d->n = (size_t)n - d->first;
	return 0;
}

/* --- cells ---------------------------------------------------------------------------- */

static uint64_t rate_of(const struct flows_counts *n, uint64_t interval)
{
	return interval ? flow_rate(n->recent, interval) : flow_rate(flows_bytes_of(n), n->last - n->first);
}

typedef void put_text_fn(struct buf *b, const struct flows_row *row);
static put_text_fn *const put_texts[TOP_TEXTS] = {
	[TOP_COL_NAME] = flow_put_who,
	[TOP_COL_PLACE] = flow_put_where,
	[TOP_COL_PEER] = flow_put_peer,
};

static int make_cells(struct drawing *d)
{
	struct buf *b = &d->texts;
	const char *at;

	d->cells = calloc(d->n + 1, sizeof(*d->cells));
	if (!d->cells)
		return -ENOMEM;
	for (size_t i = 0; i < d->n; i++) {
		const struct flows_row *row = &d->rows[d->first + i];

		for (unsigned c = 0; c < TOP_TEXTS; c++) {
			const size_t start = b->len;

			put_texts[c](b, row);
			d->cells[i].texts[c].n = (uint32_t)(b->len - start);
		}
		d->cells[i].n = &row->n;
		d->cells[i].rate = rate_of(&row->n, d->shown->interval);
	}
	/* Now that it moves no more. */
	at = b->p;
	for (size_t i = 0; i < d->n * TOP_TEXTS; i++) {
		struct str *text = &d->cells[i / TOP_TEXTS].texts[i % TOP_TEXTS];

		text->p = at;
		at += text->n;
	}
	return 0;
}

/* --- lines ---------------------------------------------------------------------------- */

static void put_clock(struct buf *b, bool utc)
{
	flow_put_time(b, clock_ns(CLOCK_REALTIME), utc);
}

static void put_ifaces(struct buf *b, const struct top_shown *shown)
{
	for (size_t i = 0; i < shown->nifaces && i < IFACES_TOLD; i++) {
		buf_puts(b, i ? "," : "");
		if (*shown->ifaces[i]->name || shown->ifaces[i]->host)
			text_put_iface(b, shown->ifaces[i]);
		else
			buf_putc(b, '?');
	}
	if (shown->nifaces > IFACES_TOLD)
		buf_printf(b, ",... (%zu)", shown->nifaces);
}

static void draw_title(struct drawing *d)
{
	static const char *const groups[] = { [FLOWS_BY_PROCESS] = "process",
					      [FLOWS_BY_FLOW] = "flow",
					      [FLOWS_BY_CONTAINER] = "container",
					      [FLOWS_BY_POD] = "pod",
					      [FLOWS_BY_USER] = "user" };
	static const char *const sorts[] = { [FLOWS_SORT_BYTES] = "bytes", [FLOWS_SORT_PACKETS] = "packets",
					     [FLOWS_SORT_RATE] = "rate",   [FLOWS_SORT_RETRANSMITS] = "retransmits",
					     [FLOWS_SORT_NAME] = "name",   [FLOWS_SORT_LAST] = "last seen" };
	const struct top_shown *shown = d->shown;
	struct buf *b = &d->line;

	put_clock(b, shown->utc);
	buf_printf(b, " by %s, sorted by %s", groups[shown->view->by], sorts[shown->view->sort]);
	buf_puts(b, shown->view->paused ? ", PAUSED" : shown->complete ? ", all is read" : "");
	buf_puts(b, shown->nifaces ? "  " : "");
	put_ifaces(b, shown);
	buf_puts(b, *shown->expr ? "  " : "");
	escape_put(b, str_of(shown->expr), IN_LINE);
	put_line(d);
}

static void draw_totals(struct drawing *d)
{
	const struct flows_counts n = flows_total(d->shown->flows);
	struct buf *b = &d->line;

	buf_printf(b, "%" PRIu64 " packets, %" PRIu64 " bytes, ", flows_packets_of(&n), flows_bytes_of(&n));
	top_put_number(b, rate_of(&n, d->shown->interval), RATE_WIDTH);
	buf_puts(b, " bytes/s");
	if (d->shown->captures)
		buf_printf(b, ", %" PRIu64 " dropped", d->shown->dropped);
	put_line(d);
	if (d->shown->nifaces > 1) {
		buf_puts(b, "a packet is counted on each interface that it is seen on");
		put_line(d);
	}
}

static void draw_status(struct drawing *d)
{
	const struct str message = screen_message(d->screen);
	const struct top_view *v = d->shown->view;
	struct buf *b = &d->line;

	if (v->typing || v->filter[0]) {
		buf_puts(b, "filter: ");
		escape_put(b, str_of(v->filter), IN_LINE);
		buf_puts(b, v->typing ? "_  " : "  ");
	}
	if (d->of > d->n)
		buf_printf(b, "%zu-%zu of %zu  ", d->first + 1, d->first + d->n, d->of);
	if (message.n && d->shown->message)
		buf_put(b, message.p, message.n);
	else if (v->typing)
		buf_puts(b, "Enter keeps it, Esc clears it");
	else
		buf_puts(b, v->filter[0] ? "Esc shows all" : "q quit  s sort  g group  / filter  h help");
	put_line(d);
}

static void draw_help(struct drawing *d)
{
	static const char *const lines[] = {
		"q          quit",
		"s, arrows  sort by the next column, or: b bytes, p packets, r rate,",
		"           t retransmits, n name, l last seen",
		"g          group by process, flow, container, pod, user",
		"/          show only what holds a text; Esc shows all",
		"space      hold the display; counting goes on",
		"z          count anew from 0",
		"up, down   scroll, as PgUp, PgDn, Home and End do",
		"Ctrl-L     draw anew",
		"",
		"IN and OUT are what the process receives and sends, on the wire.",
		"",
		"Any key goes back.",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		buf_puts(&d->line, lines[i]);
		put_line(d);
	}
}

/* --- all ------------------------------------------------------------------------------ */

static void widest(unsigned *wanted, struct str s)
{
	const unsigned columns = columns_of(s);

	*wanted = columns > *wanted ? columns : *wanted;
}

static void draw_rows(struct drawing *d)
{
	const struct top_view *v = d->shown->view;
	unsigned wanted[TOP_TEXTS] = { 0 };
	struct top_layout layout;

	for (size_t i = 0; i < d->n; i++) {
		for (unsigned c = 0; c < TOP_TEXTS; c++)
			widest(&wanted[c], d->cells[i].texts[c]);
	}
	top_layout(&layout, v->by, d->columns - 1, wanted);
	top_put_heads(&d->line, &layout, v->by, v->sort);
	put_measured(d);
	for (size_t i = 0; i < d->n; i++) {
		top_put_row(&d->line, &layout, &d->cells[i], d->shown->utc);
		put_measured(d);
	}
}

static int draw_table(struct drawing *d)
{
	const bool small = d->lines < LINES_MIN;
	const unsigned others = small ? 1 : d->shown->nifaces > 1 ? 5 : 4;
	int err;

	d->shown->view->page = d->lines > others ? d->lines - others : 1;
	err = find_rows(d);
	if (!err)
		err = make_cells(d);
	if (err)
		return err;
	if (!small) {
		draw_title(d);
		draw_totals(d);
	}
	draw_rows(d);
	for (size_t i = d->n; !small && i < d->shown->view->page; i++)
		put_line(d);
	if (!small)
		draw_status(d);
	return 0;
}

int top_draw(struct screen *s, const struct top_shown *shown)
{
	struct drawing d = { .shown = shown, .screen = s };
	int err = 0;

	screen_size(s, &d.columns, &d.lines);
	buf_reserve(&d.line, 1);
	buf_reserve(&d.texts, 1);
	if (shown->view->help)
		draw_help(&d);
	else
		err = draw_table(&d);
	if (!err)
		screen_show(s);
	free(d.cells);
	free(d.rows);
	buf_done(&d.line);
	buf_done(&d.texts);
	return err;
}
