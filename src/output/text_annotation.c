/* SPDX-License-Identifier: BSD-3-Clause */
/* The text of annotations, made once per process and interface and then kept. */
#include <errno.h>
#include <stdlib.h>

#include "output/text_private.h"

enum {
	CACHE_SLOTS = 512,
	TEXT_MAX = 16384, /* longer ones are made anew for each packet, so that the cache stays below 8 MiB */
};

struct cached_text {
	uint64_t serial;
	const struct iface *iface; /* NULL: empty */
	enum direction dir;
	size_t prefix_len;
	struct buf text; /* prefix, then suffix */
};

struct annotation_cache {
	bool lines; /* -v */
	struct cached_text slots[CACHE_SLOTS];
	struct cached_text large;
};

/* Names stand between blanks or brackets: a blank or a bracket inside one must not look like the end of it. */
static void put_name(struct buf *b, struct str name)
{
	const size_t start = b->len;

	buf_put_escaped(b, name);
	for (size_t i = start; i < b->len; i++) {
		char escape[5];

		if (b->p[i] != ' ' && b->p[i] != '[' && b->p[i] != ']')
			continue;
		snprintf(escape, sizeof(escape), "\\x%02x", (unsigned char)b->p[i]);
		b->p[i] = escape[0];
		buf_insert(b, i + 1, escape + 1, 3);
		i += 3;
	}
}

/* Base name of the executable. Kernel threads have a name only, with slashes of its own ("kworker/0:1"), no arguments. */
static struct str process_name(const struct process_desc *p)
{
	static const char deleted[] = " (deleted)"; /* d_path() adds it */
	const uint32_t mark = sizeof(deleted) - 1;
	struct str s = p->cmd;
	const char *slash;

	if (!s.p || s.n == 0 || (s.p[0] != '/' && s.p[0] != '.' && p->args.n == 0))
		return s;
	if (s.n > mark && memcmp(s.p + s.n - mark, deleted, mark) == 0)
		s.n -= mark;
	slash = memrchr(s.p, '/', s.n);
	if (!slash || slash + 1 == s.p + s.n)
		return s;
	return (struct str){ slash + 1, s.n - (uint32_t)(slash + 1 - s.p) };
}

static void put_prefix(struct buf *b, const struct packet *packet)
{
	const struct iface *iface = packet->iface;
	const struct annotation *annot = packet->annot;

	/* A plain file that tells neither direction nor process: tcpdump's line. */
	if (packet->dir == DIR_NONE && !annot)
		return;
	if (iface->name && iface->name[0] != '\0') {
		put_name(b, str_of(iface->name));
		if (iface->other_netns && iface->netns != 0)
			buf_printf(b, "@%u", iface->netns);
		buf_putc(b, ' ');
	}
	if (annot && (annot->has & ANNOT_PROCESS)) {
		put_name(b, process_name(&annot->process));
		buf_printf(b, ".%u ", annot->process.pid);
	}
	if (packet->dir != DIR_NONE)
		buf_puts(b, packet->dir == DIR_IN ? "In " : "Out ");
}

static void put_short(struct buf *b, const struct annotation *a)
{
	if (a->has & ANNOT_THREAD) {
		buf_puts(b, ", Thread [");
		put_name(b, a->thread);
		buf_printf(b, ".%u]", a->tid);
	}
	if (a->has & ANNOT_PARENT) {
		buf_puts(b, ", ParentProc [");
		put_name(b, process_name(&a->parent));
		buf_printf(b, ".%u]", a->parent.pid);
	}
	if (a->has & ANNOT_CONTAINER) {
		buf_puts(b, ", Container [");
		put_name(b, a->container.name);
		buf_putc(b, ']');
	}
	if (a->has & ANNOT_POD) {
		buf_puts(b, ", Pod [");
		put_name(b, a->pod.name);
		buf_putc(b, '.');
		put_name(b, a->pod.namespace);
		buf_putc(b, ']');
	}
	if (a->has & ANNOT_PEER_CONTAINER) {
		buf_puts(b, ", PeerContainer [");
		put_name(b, a->peer_container.name);
		buf_putc(b, ']');
	}
	if (a->has & ANNOT_PEER_POD) {
		buf_puts(b, ", PeerPod [");
		put_name(b, a->peer_pod.name);
		buf_putc(b, '.');
		put_name(b, a->peer_pod.namespace);
		buf_putc(b, ']');
	}
}

static void put_field(struct buf *b, const char *label, struct str value)
{
	buf_puts(b, label);
	buf_put_escaped(b, value);
}

static void put_json(struct buf *b, const char *label, struct str value)
{
	buf_puts(b, label);
	buf_put_json(b, value);
}

static void put_process(struct buf *b, const char *label, const struct process_desc *p)
{
	buf_printf(b, "\n    %s (pid %u", label, p->pid);
	put_field(b, ", cmd ", p->cmd);
	put_field(b, ", args ", p->args);
	buf_putc(b, ')');
}

static void put_lines(struct buf *b, const struct annotation *a)
{
	if (a->has & ANNOT_PROCESS)
		put_process(b, "Process", &a->process);
	if (a->has & ANNOT_THREAD) {
		buf_printf(b, "\n    Thread (tid %u", a->tid);
		put_field(b, ", name ", a->thread);
		buf_putc(b, ')');
	}
	if (a->has & ANNOT_USER)
		buf_printf(b, "\n    User (uid %u)", a->uid);
	if (a->has & ANNOT_PARENT)
		put_process(b, "ParentProc", &a->parent);
	if (a->has & ANNOT_CONTAINER) {
		put_field(b, "\n    Container (name ", a->container.name);
		put_field(b, ", id ", a->container.id);
		put_field(b, ", image ", a->container.image);
		put_json(b, ", labels ", a->container.labels);
		buf_putc(b, ')');
	}
	if (a->has & ANNOT_POD) {
		put_field(b, "\n    Pod (name ", a->pod.name);
		put_field(b, ", namespace ", a->pod.namespace);
		put_field(b, ", UID ", a->pod.uid);
		put_json(b, ", labels ", a->pod.labels);
		put_json(b, ", annotations ", a->pod.annotations);
		buf_putc(b, ')');
	}
	if (a->has & ANNOT_PEER)
		put_process(b, "Peer", &a->peer);
	if (a->has & ANNOT_PEER_CONTAINER) {
		put_field(b, "\n    PeerContainer (name ", a->peer_container.name);
		put_field(b, ", id ", a->peer_container.id);
		buf_putc(b, ')');
	}
	if (a->has & ANNOT_PEER_POD) {
		put_field(b, "\n    PeerPod (name ", a->peer_pod.name);
		put_field(b, ", namespace ", a->peer_pod.namespace);
		buf_putc(b, ')');
	}
}

static void make_text(const struct annotation_cache *c, struct cached_text *t, const struct packet *packet)
{
	t->text.len = 0;
	put_prefix(&t->text, packet);
	t->prefix_len = t->text.len;
	if (packet->annot && c->lines)
		put_lines(&t->text, packet->annot);
	else if (packet->annot)
		put_short(&t->text, packet->annot);
}

static struct cached_text *slot_find(struct annotation_cache *c, const struct packet *packet, uint64_t serial)
{
	/* Fibonacci hashing; serials and interface numbers count up. */
	const uint64_t key = (serial << 10) + packet->iface->id * 4 + packet->dir;

	return &c->slots[key * 0x9e3779b97f4a7c15ULL >> 32 & (CACHE_SLOTS - 1)];
}

void annotation_cache_get(struct annotation_cache *c, const struct packet *packet, struct str *prefix,
			  struct str *suffix)
{
	const uint64_t serial = packet->annot ? packet->annot->serial : 0;
	struct cached_text *t = slot_find(c, packet, serial);

	if (t->iface != packet->iface || t->serial != serial || t->dir != packet->dir) {
		make_text(c, &c->large, packet);
		if (c->large.text.len <= TEXT_MAX) {
			t->iface = packet->iface;
			t->serial = serial;
			t->dir = packet->dir;
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
