/* SPDX-License-Identifier: BSD-3-Clause */
/* The text of annotations, made once per process and interface and then kept. */
#include <errno.h>
#include <stdlib.h>

#include "output/color.h"
#include "output/text_fields.h"
#include "output/text_private.h"
#include "util/escape.h"

enum {
	CACHE_SLOTS = 512,
	TEXT_MAX = 16384, /* longer ones are made anew for each packet, so that the cache stays below 8 MiB */
};

struct cached_text {
	uint64_t serial;
	const struct iface *iface; /* NULL: empty */
	enum direction dir;
	bool by_peer;
	size_t prefix_len;
	struct buf text; /* prefix, then suffix */
};

struct annotation_cache {
	bool lines; /* -v */
	bool color;
	bool context;	   /* in front */
	unsigned unlisted; /* ANNOT_* */
	struct cached_text slots[CACHE_SLOTS];
	struct cached_text large;
};

/* Of another namespace than ours. */
static void put_netns(struct buf *b, const struct iface *iface)
{
	if (!iface->other_netns || iface->netns == 0)
		return;
	if (!iface->netns_name) {
		buf_printf(b, "@%u", iface->netns);
		return;
	}
	buf_putc(b, '@');
	escape_put(b, str_of(iface->netns_name), IN_PARTS);
}

void text_put_iface(struct buf *b, const struct iface *iface)
{
	if (iface->name && iface->name[0] != '\0') {
		escape_put(b, str_of(iface->name), IN_NAMES);
		put_netns(b, iface);
	}
	if (iface->host) {
		buf_putc(b, '@');
		escape_put(b, str_of(iface->host), IN_NAMES);
	}
}

static void put_context(struct buf *b, const struct annotation *a, bool color)
{
	const char *container = color ? COLOR_CONTAINER : NULL;

	if (!a || !(a->has & (ANNOT_CONTAINER | ANNOT_POD))) {
		buf_puts(b, "- ");
		return;
	}
	buf_putc(b, '[');
	color_begin(b, container);
	text_put_context(b, a);
	color_end(b, container);
	buf_puts(b, "] ");
}

static void put_prefix(struct buf *b, const struct annotation_cache *c, const struct packet *packet)
{
	const bool color = c->color;
	const char *process = color ? COLOR_PROCESS : NULL;
	const char *direction = color_of_direction(packet->dir, color);
	const struct annotation *annot = packet->annot;
	size_t start;

	/* A plain file that tells neither direction nor process: tcpdump's line. */
	if (text_is_plain(packet))
		return;
	if (c->context)
		put_context(b, annot, color);
	start = b->len;
	text_put_iface(b, packet->iface);
	if (b->len > start)
		buf_putc(b, ' ');
	if (annot && (annot->has & ANNOT_PROCESS)) {
		color_begin(b, process);
		text_put_brief(b, &annotation_schema, annot, ANNOT_PROCESS);
		color_end(b, process);
		buf_putc(b, ' ');
	}
	if (packet->dir != DIR_NONE) {
		color_begin(b, direction);
		buf_puts(b, packet->dir == DIR_IN ? "In" : "Out");
		color_end(b, direction);
		buf_putc(b, ' ');
	}
}

static void make_text(const struct annotation_cache *c, struct cached_text *t, const struct packet *packet)
{
	const struct text_style style = { .unlisted = c->unlisted, .by_peer = packet->by_peer, .color = c->color };

	t->text.len = 0;
	put_prefix(&t->text, c, packet);
	t->prefix_len = t->text.len;
	if (packet->annot && c->lines)
		text_put_lines(&t->text, &annotation_schema, packet->annot, &style);
	else if (packet->annot)
		text_put_list(&t->text, &annotation_schema, packet->annot, &style);
}

static struct cached_text *slot_find(struct annotation_cache *c, const struct packet *packet, uint64_t serial)
{
	/* Fibonacci hashing; serials and interface numbers count up. */
	const uint64_t key = (serial << 10) + packet->iface->id * 8 + packet->dir * 2 + packet->by_peer;

	return &c->slots[key * 0x9e3779b97f4a7c15ULL >> 32 & (CACHE_SLOTS - 1)];
}

void annotation_cache_get(struct annotation_cache *c, const struct packet *packet, struct str *prefix,
			  struct str *suffix)
{
	const uint64_t serial = packet->annot ? packet->annot->serial : 0;
	struct cached_text *t = slot_find(c, packet, serial);

	if (t->iface != packet->iface || t->serial != serial || t->dir != packet->dir ||
	    t->by_peer != packet->by_peer) {
		make_text(c, &c->large, packet);
		if (c->large.text.len <= TEXT_MAX) {
			t->iface = packet->iface;
			t->serial = serial;
			t->dir = packet->dir;
			t->by_peer = packet->by_peer;
			t->prefix_len = c->large.prefix_len;
			t->text.len = 0;
			buf_put(&t->text, c->large.text.p, c->large.text.len);
		} else {
			t = &c->large;
		}
	}
	*prefix = (struct str){ t->text.p, (uint32_t)t->prefix_len };
	*suffix = (struct str){ t->text.p + t->prefix_len, (uint32_t)(t->text.len - t->prefix_len) };
}

void annotation_cache_clear(struct annotation_cache *c)
{
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		c->slots[i].iface = NULL;
}

int annotation_cache_new(struct annotation_cache **ret, const struct text_config *config)
{
	struct annotation_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->lines = config->v > 0;
	c->color = config->color;
	c->context = config->context_prefix;
	c->unlisted = (config->peer ? 0 : ANNOT_PEER) | (c->context ? ANNOT_CONTAINER | ANNOT_POD : 0);
	/* So that an empty text is an empty string, not a null pointer. */
	buf_reserve(&c->large.text, 1);
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		buf_reserve(&c->slots[i].text, 1);
	*ret = c;
	return 0;
}

void annotation_cache_free(struct annotation_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		buf_done(&c->slots[i].text);
	buf_done(&c->large.text);
	free(c);
}
