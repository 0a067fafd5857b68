/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "block.h"
#include "format/comments.h"
#include "format/pcapng.h"
#include "output/file.h"
#include "util/clock.h"

enum {
	COMMENT_SLOTS = 4096, /* a power of two */
	COMMENT_BYTES_MAX = 64 << 20,
	REPEATED_MAX = 2 << 20, /* the secrets of some thousand connections */
	SECTION_LENGTH_AT = 8,	/* in the body of a section header */
};

/* Types of blocks that are for the packets of their whole section: the newest are repeated in every file. */
static const uint32_t repeated[] = { PCAPNG_NRB, PCAPNG_DSB };

enum { REPEATED = sizeof(repeated) / sizeof(repeated[0]) };

/* The comment options of one annotation. */
struct comments {
	uint64_t serial;
	uint8_t *p;
	size_t len;
};

struct pcapng_state {
	char os[256], hardware[128];
	uint64_t start;	    /* ns since the epoch */
	bool header;	    /* this file has its section header */
	struct buf section; /* body of the section header of the file that is being rewritten; empty: our own */
	/* interfaces of this section, by number; repeated in every file */
	const struct iface **ifaces;
	uint32_t nifaces;
	/* by the source's id: number in this section + 1, 0 none yet */
	uint32_t *numbers;
	uint32_t nnumbers;
	struct buf scratch;
	struct buf options;	   /* of one packet */
	struct buf kept[REPEATED]; /* blocks of this section */
	size_t comment_bytes;
	struct comments comments[COMMENT_SLOTS];
};

static size_t pcapng_whole(const uint8_t *p, size_t len, bool at_start)
{
	size_t at = 0;

	(void)at_start;
	while (len - at >= 12) {
		const size_t size = get32(p + at + 4, false);

		if (size > len - at)
			break;
		at += size;
	}
	return at;
}

static int put_scratch(struct file_output *o)
{
	struct pcapng_state *st = o->state;
	const int ret = sink_put(&o->sink, st->scratch.p, st->scratch.len);

	st->scratch.len = 0;
	return ret;
}

static int state_new(struct file_output *o)
{
	struct pcapng_state *st = calloc(1, sizeof(*st));
	struct utsname u;

	if (!st)
		return -ENOMEM;
	o->state = st;
	st->start = clock_ns(CLOCK_REALTIME);
	if (uname(&u) == 0) {
		snprintf(st->os, sizeof(st->os), "%s %s", u.sysname, u.release);
		snprintf(st->hardware, sizeof(st->hardware), "%s", u.machine);
	}
	return 0;
}

static int pcapng_begin(struct file_output *o)
{
	struct pcapng_state *st = o->state;

	if (!st)
		return state_new(o);
	st->header = false;
	return 0;
}

static void put_section(struct pcapng_state *st)
{
	const struct pcapng_section own = { st->hardware, st->os, "ptcpdump " PTCPDUMP_VERSION };

	if (st->section.len)
		pcapng_put_block(&st->scratch, PCAPNG_SHB, st->section.p, (uint32_t)st->section.len);
	else
		pcapng_put_section(&st->scratch, &own);
}

/* Not at once when the file is opened: the section header of a file that is being rewritten may come first. */
static int pcapng_headers(struct file_output *o)
{
	struct pcapng_state *st = o->state;

	if (st->header)
		return 0;
	st->header = true;
	put_section(st);
	for (uint32_t i = 0; i < st->nifaces; i++)
		pcapng_put_iface(&st->scratch, st->ifaces[i], st->os);
	for (size_t i = 0; i < REPEATED; i++)
		buf_put(&st->scratch, st->kept[i].p, st->kept[i].len);
	return put_scratch(o);
}

/* Numbers an interface of the source. -ENOMEM. */
static int number_iface(struct pcapng_state *st, const struct iface *iface)
{
	void *p;

	if (iface->id >= st->nnumbers) {
		const uint32_t n = iface->id < 64 ? 64 : 2 * iface->id;

		p = realloc(st->numbers, n * sizeof(*st->numbers));
		if (!p)
			return -ENOMEM;
		st->numbers = p;
		memset(st->numbers + st->nnumbers, 0, (n - st->nnumbers) * sizeof(*st->numbers));
		st->nnumbers = n;
	}
	/* Grown at powers of two. */
	if ((st->nifaces & (st->nifaces - 1)) == 0) {
		p = realloc(st->ifaces, (st->nifaces ? 2 * st->nifaces : 1) * sizeof(*st->ifaces));
		if (!p)
			return -ENOMEM;
		st->ifaces = p;
	}
	st->ifaces[st->nifaces++] = iface;
	st->numbers[iface->id] = st->nifaces;
	return 0;
}

static int pcapng_iface(struct file_output *o, const struct iface *iface)
{
	struct pcapng_state *st = o->state;
	int ret = pcapng_headers(o);

	if (ret || (iface->id < st->nnumbers && st->numbers[iface->id]))
		return ret;
	ret = number_iface(st, iface);
	if (ret)
		return ret;
	pcapng_put_iface(&st->scratch, iface, st->os);
	return put_scratch(o);
}

static void forget_comments(struct pcapng_state *st)
{
	for (size_t i = 0; i < COMMENT_SLOTS; i++) {
		free(st->comments[i].p);
		st->comments[i] = (struct comments){ 0 };
	}
	st->comment_bytes = 0;
}

static const struct comments *make_comments(struct pcapng_state *st, const struct annotation *a, unsigned context)
{
	struct comments *c;
	uint8_t *p;

	if (st->comment_bytes > COMMENT_BYTES_MAX)
		forget_comments(st);
	c = &st->comments[a->serial & (COMMENT_SLOTS - 1)];
	annotation_encode(&annotation_schema, &st->scratch, a, context);
	p = realloc(c->p, st->scratch.len + 1);
	if (!p) {
		st->scratch.len = 0;
		return NULL;
	}
	st->comment_bytes += st->scratch.len - c->len;
	*c = (struct comments){ a->serial, p, st->scratch.len };
	if (st->scratch.len)
		memcpy(c->p, st->scratch.p, st->scratch.len);
	st->scratch.len = 0;
	return c;
}

/* Serials are handed out in order, so neighbours do not share a slot. */
static const struct comments *find_comments(struct file_output *o, const struct annotation *a)
{
	struct pcapng_state *st = o->state;
	const struct comments *c = &st->comments[a->serial & (COMMENT_SLOTS - 1)];

	return c->serial == a->serial ? c : make_comments(st, a, o->config.context);
}

/* The options of a packet from a file without the comments that --context leaves out. */
static void put_context(struct buf *b, const struct packet *packet, unsigned context)
{
	struct pcapng_options o = { packet->options, packet->options + packet->options_len };
	const uint8_t *start = o.p, *value;
	uint16_t code, len;

	b->len = 0;
	for (; pcapng_next_option(&o, &code, &value, &len); start = o.p) {
		const unsigned group = code == OPT_COMMENT ? annotation_group(&annotation_schema,
									      (struct str){ (const char *)value, len })
							   : 0;

		if (!(group & ~context))
			buf_put(b, start, (size_t)(o.p - start));
	}
}

static int prepare(struct file_output *o, const struct packet *packet, struct pcapng_packet *pp)
{
	struct pcapng_state *st = o->state;
	const struct comments *c;
	int ret = 0;

	if (!st->header)
		ret = pcapng_headers(o);
	if (!ret && (packet->iface->id >= st->nnumbers || !st->numbers[packet->iface->id]))
		ret = pcapng_iface(o, packet->iface);
	if (ret)
		return ret;
	pp->iface = st->numbers[packet->iface->id] - 1;
	if (packet->options) {
		pp->ts = packet->file_ts;
		pp->simple = packet->timeless && pp->iface == 0 &&
			     (packet->caplen == packet->len || packet->caplen == packet->iface->snaplen);
		pp->options = packet->options;
		pp->options_len = packet->options_len;
		if (packet->annot && o->config.context != ANNOT_ALL) {
			put_context(&st->options, packet, o->config.context);
			pp->options = (const uint8_t *)st->options.p;
			pp->options_len = st->options.len;
		}
		return 0;
	}
	pp->ts = (uint64_t)packet->sec * 1000000000;
	if (packet->nsec >= 0 || pp->ts > (uint64_t)-packet->nsec)
		pp->ts += (uint64_t)packet->nsec;
	pp->dir = packet->dir;
	if (packet->annot) {
		c = find_comments(o, packet->annot);
		if (!c)
			return -ENOMEM;
		pp->options = c->p;
		pp->options_len = c->len;
	}
	return 0;
}

static int pcapng_packet(struct file_output *o, const struct packet *packet)
{
	struct pcapng_packet pp = { .caplen = packet->caplen, .len = packet->len, .data = packet->data };
	size_t size;
	uint8_t *at;
	int ret = prepare(o, packet, &pp);

	if (ret)
		return ret;
	size = pcapng_packet_size(&pp);
	ret = sink_reserve(&o->sink, size, &at);
	if (ret)
		return ret;
	pcapng_write_packet(at, &pp);
	sink_commit(&o->sink, size);
	return 0;
}

/* A section of the file that is being rewritten: its interfaces come next and are numbered anew. */
static int begin_section(struct file_output *o, const struct pcapng_block *block)
{
	static const uint8_t unknown_length[8] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct pcapng_state *st = o->state;

	st->section.len = 0;
	for (size_t i = 0; i < REPEATED; i++)
		st->kept[i].len = 0;
	buf_put(&st->section, block->body, block->body_len);
	if (block->body_len >= SECTION_LENGTH_AT + sizeof(unknown_length))
		memcpy(st->section.p + SECTION_LENGTH_AT, unknown_length, sizeof(unknown_length));
	for (uint32_t i = 0; i < st->nifaces; i++)
		st->numbers[st->ifaces[i]->id] = 0;
	st->nifaces = 0;
	st->header = false;
	return pcapng_headers(o);
}

/* For the files that follow: connections outlive this one. A file must not be full of them before its first packet. */
static void keep_block(const struct file_output *o, struct buf *b, const char *block, size_t len)
{
	const uint64_t quarter = o->config.rotate_bytes / 4;
	const size_t max = quarter && quarter < REPEATED_MAX ? quarter : REPEATED_MAX;
	size_t drop = 0;

	buf_put(b, block, len);
	if (b->len <= max)
		return;
	/* By half, so as not to move them every time. */
	while (b->len - drop > max / 2)
		drop += get32((const uint8_t *)b->p + drop + 4, false);
	b->len -= drop;
	memmove(b->p, b->p + drop, b->len);
}

static int pcapng_block(struct file_output *o, const struct pcapng_block *block)
{
	struct pcapng_state *st = o->state;
	int ret;

	if (block->type == PCAPNG_SHB)
		return begin_section(o, block);
	ret = pcapng_headers(o);
	if (ret)
		return ret;
	pcapng_put_block(&st->scratch, block->type, block->body, block->body_len);
	for (size_t i = 0; i < REPEATED; i++) {
		if (block->type == repeated[i])
			keep_block(o, &st->kept[i], st->scratch.p, st->scratch.len);
	}
	return put_scratch(o);
}

static int pcapng_end(struct file_output *o)
{
	struct pcapng_state *st = o->state;
	const uint64_t end = clock_ns(CLOCK_REALTIME);
	int ret = pcapng_headers(o);

	if (ret)
		return ret;
	/* Statistics of a file that is being rewritten are in its own blocks. */
	for (uint32_t i = 0; i < st->nifaces; i++) {
		if (!st->ifaces[i]->from_file)
			pcapng_put_stats(&st->scratch, i, st->ifaces[i], st->start, end);
	}
	return put_scratch(o);
}

static void pcapng_free(struct file_output *o)
{
	struct pcapng_state *st = o->state;

	forget_comments(st);
	buf_done(&st->section);
	buf_done(&st->scratch);
	buf_done(&st->options);
	for (size_t i = 0; i < REPEATED; i++)
		buf_done(&st->kept[i]);
	free(st->ifaces);
	free(st->numbers);
	free(st);
}

const struct file_format file_format_pcapng = {
	.name = "pcapng",
	.begin = pcapng_begin,
	.iface = pcapng_iface,
	.packet = pcapng_packet,
	.block = pcapng_block,
	.headers = pcapng_headers,
	.end = pcapng_end,
	.free = pcapng_free,
	.whole = pcapng_whole,
};
