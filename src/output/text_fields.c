/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/text_fields.h"

#include "output/color.h"
#include "util/escape.h"

enum { BRIEF_PLACES = 2 };

/* Of these one may stand in front of another, with a slash between them. */
static enum escape_place place_of(const struct annot_field *f)
{
	return f->bit & (ANNOT_CONTAINER | ANNOT_POD | ANNOT_PEER_CONTAINER | ANNOT_PEER_POD) ? IN_PARTS : IN_NAMES;
}

static void put_brief_value(struct buf *b, const struct annotation *a, const struct annot_field *f)
{
	const char *at = (const char *)a + f->offset;

	if (f->kind == FIELD_U32 || f->kind == FIELD_PID)
		annot_put_number(b, a, f);
	else if (f->kind == FIELD_CMD)
		escape_put(b, process_desc_name((const void *)(at - offsetof(struct process_desc, cmd))), IN_NAMES);
	else if (annot_is_string(f))
		escape_put(b, annot_str(a, f), place_of(f));
}

static void put_brief(struct buf *b, const struct annotation *a, struct annot_run run)
{
	for (unsigned place = 1; place <= BRIEF_PLACES; place++) {
		for (const struct annot_field *f = run.start; f < run.end; f++) {
			if (f->brief != place)
				continue;
			if (place > 1)
				buf_putc(b, '.');
			put_brief_value(b, a, f);
		}
	}
}

void text_put_brief(struct buf *b, const struct annot_schema *s, const struct annotation *a, unsigned bit)
{
	for (size_t i = 0; i < s->nfields; i++) {
		if (s->fields[i].bit == bit && s->fields[i].brief) {
			put_brief(b, a, annot_run_from(s, &s->fields[i]));
			return;
		}
	}
}

void text_put_context(struct buf *b, const struct annotation *a)
{
	const unsigned both = ANNOT_CONTAINER | ANNOT_POD;

	if (a->has & ANNOT_POD)
		text_put_brief(b, &annotation_schema, a, ANNOT_POD);
	if ((a->has & both) == both)
		buf_putc(b, '/');
	if (a->has & ANNOT_CONTAINER)
		text_put_brief(b, &annotation_schema, a, ANNOT_CONTAINER);
}

/* The main thread, under the name of the process or what the kernel leaves of it. */
static bool is_main_thread(const struct annotation *a)
{
	const struct str name = process_desc_name(&a->process);
	const bool cut = a->thread.n == COMM_MAX && name.n > COMM_MAX;

	return (a->has & ANNOT_PROCESS) && a->tid == a->process.pid &&
	       str_eq(a->thread, cut ? (struct str){ name.p, COMM_MAX } : name);
}

/* What the short text has said with other words. */
static bool is_said(const struct annotation *a, unsigned bit)
{
	switch (bit) {
	case ANNOT_THREAD: return is_main_thread(a);
	case ANNOT_PEER_CONTAINER:
		return (a->has & ANNOT_CONTAINER) && str_eq(a->peer_container.id, a->container.id) &&
		       str_eq(a->peer_container.name, a->container.name);
	case ANNOT_PEER_POD:
		return (a->has & ANNOT_POD) && str_eq(a->peer_pod.name, a->pod.name) &&
		       str_eq(a->peer_pod.namespace, a->pod.namespace);
	default: return false;
	}
}

static const char *color_of(const struct annot_group *g, const struct text_style *style)
{
	if (!style->color)
		return NULL;
	switch (g->desc) {
	case DESC_PROCESS: return COLOR_PROCESS;
	case DESC_CONTAINER:
	case DESC_POD: return COLOR_CONTAINER;
	default: return NULL;
	}
}

static void put_listed(struct buf *b, const struct annotation *a, const struct annot_group *g, struct annot_run run,
		       const struct text_style *style)
{
	const char *color = color_of(g, style);

	buf_printf(b, ", %s [", g->brief);
	color_begin(b, color);
	put_brief(b, a, run);
	color_end(b, color);
	buf_puts(b, style->by_peer && g->bit == ANNOT_PEER ? "]*" : "]");
}

void text_put_list(struct buf *b, const struct annot_schema *s, const struct annotation *a,
		   const struct text_style *style)
{
	unsigned left = a->has & ~style->unlisted;

	if (style->by_peer)
		left |= a->has & ANNOT_PEER;
	for (size_t i = 0; i < s->nfields && left; i++) {
		const struct annot_field *f = &s->fields[i];
		const struct annot_group *g;

		if (!(left & f->bit) || !f->brief)
			continue;
		left &= ~f->bit;
		g = annot_group_of(s, f->bit);
		if (g && g->brief && !is_said(a, f->bit))
			put_listed(b, a, g, annot_run_from(s, f), style);
	}
	if (style->by_peer && !(a->has & ANNOT_PEER))
		buf_puts(b, ", Peer*");
}

static void put_value(struct buf *b, const struct annotation *a, const struct annot_field *f)
{
	switch (f->kind) {
	case FIELD_U32:
	case FIELD_PID: annot_put_number(b, a, f); break;
	case FIELD_STR:
	case FIELD_CMD: escape_put(b, annot_str(a, f), IN_FIELDS); break;
	case FIELD_JSON: escape_put(b, annot_str(a, f), IN_JSON); break;
	case FIELD_IGNORED: break;
	}
}

/* All of one group, wherever its rows are. */
static void put_line(struct buf *b, const struct annot_schema *s, const struct annotation *a,
		     const struct annot_group *g, const struct text_style *style)
{
	const char *before = " (", *color = color_of(g, style);

	buf_puts(b, "\n    ");
	color_begin(b, color);
	buf_puts(b, g->title);
	color_end(b, color);
	for (size_t i = 0; i < s->nfields; i++) {
		const struct annot_field *f = &s->fields[i];

		if (f->bit != g->bit || !f->label || !annot_is_told(a, f))
			continue;
		buf_puts(b, before);
		buf_puts(b, f->label);
		buf_putc(b, ' ');
		put_value(b, a, f);
		before = ", ";
	}
	buf_puts(b, style->by_peer && g->bit == ANNOT_PEER ? "), selected" : ")");
}

void text_put_lines(struct buf *b, const struct annot_schema *s, const struct annotation *a,
		    const struct text_style *style)
{
	unsigned left = a->has;

	for (size_t i = 0; i < s->nfields && left; i++) {
		const struct annot_field *f = &s->fields[i];
		const struct annot_group *g;

		if (!(left & f->bit) || !f->label)
			continue;
		left &= ~f->bit;
		g = annot_group_of(s, f->bit);
		if (g)
			put_line(b, s, a, g, style);
	}
	if (style->by_peer && !(a->has & ANNOT_PEER))
		buf_puts(b, "\n    Peer, selected");
}
