/* SPDX-License-Identifier: BSD-3-Clause */
/* --brief: both ends, the interface and the packet on one line of bounded length. What is too long is shortened where
 * that hurts least. */
#include "output/color.h"
#include "output/text_fields.h"
#include "output/text_private.h"
#include "util/columns.h"

enum {
	COLUMNS = 84, /* behind the time stamp, which takes 16 */
	/* One address looks the same in all lines. */
	ADDRESS_WHOLE = 21, /* 255.255.255.255.65535 */
	ADDRESS_CUT = 17,   /* of a longer one */
	CONTEXT_FAIR = 16,
	NAME_FAIR = 8,
	/* With pids of seven digits, all of them fit at their least; with "@host" behind these, addresses too at the last. */
	ADDRESS_LAST = 11,
	CONTEXT_LEAST = 6,
	NAME_LEAST = 4,
	IFACE_LEAST = 8,
	IFACE_LAST = 3,
	REST_LEAST = 11, /* ": tcp 65495" */
	PID_LONGEST = 9, /* ".4194303*" */
};
static const char cut_mark[] = "..";
enum { MARK = sizeof(cut_mark) - 1 };

/* A part of the line that may be shortened. */
struct part {
	struct str text;
	unsigned columns; /* that it may take */
	bool tail;	  /* plain characters, whose end says as much as their beginning */
};

enum { CONTEXT, NAME, PEER, IFACE, SOURCE, DESTINATION, PARTS };

/* Empty: not there. */
struct line {
	struct part parts[PARTS];
	bool in_container;	  /* brackets stand around CONTEXT */
	struct str pid, peer_pid; /* ".1234", and a mark when the peer was selected */
	const char *arrow;	  /* " <": the first end receives */
	struct str family;	  /* "IP ", when there are addresses */
	struct str rest;	  /* of the packet */
	bool cut;		  /* rest is */
};

static struct part part_of(struct str s, bool tail)
{
	return (struct part){ s, columns_of(s), tail };
}

static void put_str(struct buf *b, struct str s)
{
	buf_put(b, s.p, s.n);
}

static void put_part(struct buf *b, const struct part *p)
{
	unsigned head = p->columns, tail = 0;

	if (columns_of(p->text) <= head) {
		put_str(b, p->text);
		return;
	}
	head -= MARK;
	if (p->tail) {
		tail = head / 2 + 1;
		head -= tail;
	}
	buf_put(b, p->text.p, columns_bytes(p->text, head));
	buf_puts(b, cut_mark);
	buf_put(b, p->text.p + p->text.n - tail, tail);
}

/* Takes columns from the longer of two parts first; none gets shorter than least. Returns the excess that is left. */
static unsigned shrink(struct part *a, struct part *b, unsigned least, unsigned excess)
{
	for (; excess; excess--) {
		struct part *longer = a->columns >= b->columns ? a : b;

		if (longer->columns <= least)
			break;
		longer->columns--;
	}
	return excess;
}

/* What is in front of mark is taken off s; nothing when mark is not there. */
static struct str take_until(struct str *s, const char *mark)
{
	const char *at = s->n ? memmem(s->p, s->n, mark, strlen(mark)) : NULL;
	struct str taken = { s->p, at ? (uint32_t)(at - s->p) : 0 };

	s->p += taken.n;
	s->n -= taken.n;
	return taken;
}

static struct str skip(struct str s, uint32_t n)
{
	return n <= s.n ? (struct str){ s.p + n, s.n - n } : (struct str){ s.p, 0 };
}

/* "IP 10.0.0.1.5000 > 10.0.0.2.6000: tcp 0" into its parts, when it is one. */
static void split_packet(struct line *line, struct str packet)
{
	struct str rest = packet, family, source, destination;

	line->rest = packet;
	family = take_until(&rest, " ");
	if (!str_eq(family, str_of("IP")) && !str_eq(family, str_of("IP6")))
		return;
	rest = skip(rest, 1);
	source = take_until(&rest, " > ");
	rest = skip(rest, 3);
	destination = take_until(&rest, ": ");
	if (!source.n || !destination.n || memchr(source.p, ' ', source.n) || memchr(destination.p, ' ', destination.n))
		return;
	line->family = (struct str){ family.p, family.n + 1 };
	line->parts[SOURCE] = part_of(source, true);
	line->parts[DESTINATION] = part_of(destination, true);
	line->rest = rest;
}

/* "curl.1234": "curl", and ".1234" in *pid. */
static struct part split_end(struct str end, struct str *pid)
{
	const char *dot = end.n ? memrchr(end.p, '.', end.n) : NULL;
	const uint32_t n = dot ? (uint32_t)(dot - end.p) : end.n;

	*pid = (struct str){ end.p + n, end.n - n };
	return part_of((struct str){ end.p, n }, false);
}

static unsigned columns_of_line(const struct line *line)
{
	const struct part *p = line->parts;
	unsigned columns = columns_of(line->pid) + columns_of(line->peer_pid) + columns_of(line->family) +
			   columns_of(line->rest) + (unsigned)strlen(line->arrow) + (line->family.n ? 3 : 0);

	for (unsigned i = 0; i < PARTS; i++)
		columns += p[i].columns;
	for (unsigned i = CONTEXT; i <= IFACE; i++)
		columns += p[i].columns > 0;
	columns += line->in_container ? 2 : 0;
	return columns;
}

/* Cuts the end of the packet by excess, as far as least permits. Returns the excess that is left. */
static unsigned cut(struct line *line, unsigned least, unsigned excess)
{
	const unsigned columns = columns_of(line->rest), left = columns > excess + least ? columns - excess : least;

	if (!excess || columns <= least)
		return excess;
	if (left >= MARK)
		line->rest.n = (uint32_t)columns_bytes(line->rest, left - MARK);
	line->cut = true;
	return excess - (columns - left);
}

/* A pid with a mark behind it. */
static bool outside(const struct line *line)
{
	return columns_of(line->pid) > PID_LONGEST || columns_of(line->peer_pid) > PID_LONGEST;
}

static void fit_address(struct part *p)
{
	if (p->columns > ADDRESS_WHOLE)
		p->columns = ADDRESS_CUT;
}

/* Names, then the end, then both and the interface as far as they can still be told apart. */
static void fit(struct line *line)
{
	struct part *p = line->parts;
	unsigned used, excess;

	fit_address(&p[SOURCE]);
	fit_address(&p[DESTINATION]);
	used = columns_of_line(line);
	excess = used > COLUMNS ? used - COLUMNS : 0;
	excess = shrink(&p[CONTEXT], &p[CONTEXT], CONTEXT_FAIR, excess);
	excess = shrink(&p[NAME], &p[PEER], NAME_FAIR, excess);
	excess = shrink(&p[IFACE], &p[IFACE], IFACE_LEAST, excess);
	excess = cut(line, REST_LEAST, excess);
	excess = shrink(&p[CONTEXT], &p[CONTEXT], CONTEXT_LEAST, excess);
	excess = shrink(&p[NAME], &p[PEER], NAME_LEAST, excess);
	excess = shrink(&p[IFACE], &p[IFACE], IFACE_LAST, excess);
	if (outside(line))
		excess = shrink(&p[SOURCE], &p[DESTINATION], ADDRESS_LAST, excess);
	cut(line, MARK, excess);
}

static void put_end(struct buf *b, const struct part *name, struct str pid, const char *color)
{
	color_begin(b, color);
	put_part(b, name);
	put_str(b, pid);
	color_end(b, color);
}

static void put_context(struct buf *b, const struct line *line, const char *color)
{
	const struct part *p = &line->parts[CONTEXT];

	if (!p->columns)
		return;
	if (!line->in_container) {
		put_part(b, p);
		buf_putc(b, ' ');
		return;
	}
	buf_putc(b, '[');
	color_begin(b, color);
	put_part(b, p);
	color_end(b, color);
	buf_puts(b, "] ");
}

static void put_ends(struct buf *b, const struct line *line, const char *process, const char *direction)
{
	const struct part *p = line->parts;

	if (p[NAME].columns) {
		put_end(b, &p[NAME], line->pid, process);
		color_begin(b, direction);
		buf_puts(b, line->arrow);
		color_end(b, direction);
		buf_putc(b, ' ');
	}
	if (p[PEER].columns) {
		put_end(b, &p[PEER], line->peer_pid, process);
		buf_putc(b, ' ');
	}
	if (p[IFACE].columns) {
		put_part(b, &p[IFACE]);
		buf_putc(b, ' ');
	}
}

static void put_packet(struct buf *b, const struct line *line)
{
	put_str(b, line->family);
	if (line->family.n) {
		put_part(b, &line->parts[SOURCE]);
		buf_puts(b, " > ");
		put_part(b, &line->parts[DESTINATION]);
	}
	put_str(b, line->rest);
	if (line->cut)
		buf_puts(b, cut_mark);
}

/* Where the texts of a line are in t->brief, one behind the other. */
struct ends {
	size_t context, name, peer, iface, packet;
};

static struct ends put_texts(struct text *t, size_t start)
{
	const struct packet *packet = t->packet;
	const struct annotation *a = packet->annot;
	const char *line_end = memchr(t->buf.p + start, '\n', t->buf.len - start);
	struct buf *b = &t->brief;
	struct ends e = { 0 };

	b->len = 0;
	buf_reserve(b, 1); /* even where nothing is told, it begins somewhere */
	if (!text_is_plain(packet)) {
		if (t->config.context_prefix && a)
			text_put_context(b, a);
		if (t->config.context_prefix && !b->len)
			buf_putc(b, '-');
		e.context = b->len;
		if (a && (a->has & ANNOT_PROCESS))
			text_put_brief(b, &annotation_schema, a, ANNOT_PROCESS);
		else
			buf_putc(b, '-');
		e.name = b->len;
		if (a && (a->has & ANNOT_PEER) && packet->dir != DIR_NONE)
			text_put_brief(b, &annotation_schema, a, ANNOT_PEER);
		if (a && packet->by_peer)
			buf_putc(b, '*');
		e.peer = b->len;
		text_put_iface(b, packet->iface);
	}
	e.iface = b->len;
	buf_put(b, t->buf.p + start, line_end ? (size_t)(line_end - t->buf.p) - start : t->buf.len - start);
	e.packet = b->len;
	return e;
}

static struct str between(const struct buf *b, size_t from, size_t to)
{
	return (struct str){ b->p + from, (uint32_t)(to - from) };
}

void text_make_brief(struct text *t, size_t start)
{
	static const char *const arrows[] = { [DIR_NONE] = "", [DIR_IN] = " <", [DIR_OUT] = " >" };
	const struct ends e = put_texts(t, start);
	const bool color = t->config.color;
	const struct annotation *a = t->packet->annot;
	struct line line = { .arrow = e.name ? arrows[t->packet->dir] : "" };

	line.in_container = e.context && a && (a->has & (ANNOT_CONTAINER | ANNOT_POD));
	line.parts[CONTEXT] = part_of(between(&t->brief, 0, e.context), false);
	line.parts[NAME] = split_end(between(&t->brief, e.context, e.name), &line.pid);
	line.parts[PEER] = split_end(between(&t->brief, e.name, e.peer), &line.peer_pid);
	line.parts[IFACE] = part_of(between(&t->brief, e.peer, e.iface), true);
	split_packet(&line, between(&t->brief, e.iface, e.packet));
	/* The link header is as long as it is. */
	if (!t->config.e)
		fit(&line);
	t->buf.len = start;
	put_context(&t->buf, &line, color ? COLOR_CONTAINER : NULL);
	put_ends(&t->buf, &line, color ? COLOR_PROCESS : NULL, color_of_direction(t->packet->dir, color));
	start = t->buf.len;
	put_packet(&t->buf, &line);
	text_color_reset(t, start, t->buf.len);
}
