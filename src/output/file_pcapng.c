/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "block.h"
#include "format/comments.h"
#include "format/pcapng.h"
#include "format/reference.h"
#include "output/file.h"
#include "output/file_comments.h"
#include "output/file_processes.h"
#include "util/clock.h"
#include "util/linktype.h"
#include "util/log.h"
#include "version.h"

enum {
	REPEATED_MAX = 2 << 20, /* the secrets of some thousand connections */
	SECTION_LENGTH_AT = 8,	/* in the body of a section header */
};

/* Types of blocks that are for the packets of their whole section: the newest are repeated in every file. */
static const uint32_t repeated[] = { PCAPNG_NRB, PCAPNG_DSB };

enum { REPEATED = sizeof(repeated) / sizeof(repeated[0]) };

/* libpcap wants one interface block at least, and all with the same link type and snapshot length, though no packet be
 * of them: so a block is written with the first packet. Those of a file that is being rewritten stay as they are. */
struct described {
	const struct iface *iface;
	uint32_t number; /* of its block in this section of this file + 1, 0: none yet */
};

struct pcapng_state {
	char os[256], hardware[128];
	uint64_t start;		  /* ns since the epoch */
	bool header;		  /* this file has its section header */
	struct buf section;	  /* body of the section header of the file that is being rewritten; empty: our own */
	struct described *ifaces; /* the source's of this section, in order of appearance */
	uint32_t nifaces;
	uint32_t *places; /* by the source's id: place in ifaces + 1, 0 none */
	uint32_t nplaces;
	uint32_t blocks;	   /* interface blocks in this section of this file */
	const struct iface *first; /* whose block is the file's first, NULL: none yet */
	bool said_mixed;
	struct buf scratch;
	struct buf options; /* of one packet */
	struct buf process,
		renamed; /* likewise: those that name its process, and all with others in the place of these */
	struct buf kept[REPEATED]; /* blocks of this section */
	struct file_processes *processes;
	struct file_comments comments; /* last: most of it is never used */
};

static size_t pcapng_whole(const uint8_t *p, size_t len, bool at_start, uint64_t *packets)
{
	size_t at = 0;

	(void)at_start;
	*packets = 0;
	while (len - at >= 12) {
		const uint32_t type = get32(p + at, false), size = get32(p + at + 4, false);

		if (size > len - at)
			break;
		*packets += type == PCAPNG_EPB || type == PCAPNG_SPB;
		at += size;
	}
	return at;
}

static int put_scratch(struct file_output *o)
{
	struct pcapng_state *st = o->state;
	int ret;

	/* Most packets need nothing in front of them. */
	if (!st->scratch.len)
		return 0;
	ret = sink_put(&o->sink, st->scratch.p, st->scratch.len);
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
	st->processes = file_processes_new(o->config.process_blocks);
	if (!st->processes)
		return -ENOMEM;
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
	st->first = NULL;
	file_comments_forget(&st->comments);
	file_processes_begin(st->processes);
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

static bool same_kind(const struct file_output *o, const struct iface *a, const struct iface *b)
{
	return file_dlt(o, a) == file_dlt(o, b) && a->snaplen == b->snaplen;
}

/* libpcap takes the file's first number for a LINKTYPE_*, but compares those of the others with the DLT_* that it made of
 * it. Where the two differ, as for raw IP, it reads only later blocks that have the DLT_*, which others know as well. */
static uint32_t link_number(const struct file_output *o, const struct iface *iface)
{
	const struct pcapng_state *st = o->state;
	const int dlt = file_dlt(o, iface);

	if (iface->options && dlt == iface->dlt)
		return iface->file_linktype;
	return st->first && file_dlt(o, st->first) == dlt ? (uint32_t)dlt : linktype_from_dlt(dlt);
}

static void warn_mixed(const struct file_output *o, const struct iface *iface)
{
	struct pcapng_state *st = o->state;

	if (st->said_mixed || iface->from_file)
		return;
	st->said_mixed = true;
	log_warn("%s: packets of \"%s\" have another %s than those of \"%s\": tcpdump and others that use libpcap stop "
		 "reading there, tshark and ptcpdump read all%s",
		 o->name, iface->name, file_dlt(o, iface) == file_dlt(o, st->first) ? "snapshot length" : "link type",
		 st->first->name,
		 file_ethernet_helps(iface, st->first) ? "; --add-ethernet-header makes them alike" : "");
}

static void describe(struct file_output *o, struct described *d)
{
	struct pcapng_state *st = o->state;

	if (d->number)
		return;
	pcapng_put_iface(&st->scratch, d->iface, link_number(o, d->iface), st->os);
	if (!st->first)
		st->first = d->iface;
	else if (!same_kind(o, d->iface, st->first))
		warn_mixed(o, d->iface);
	d->number = ++st->blocks;
}

/* Not at once when the file is opened: the section header of a file that is being rewritten may come first. */
static int pcapng_headers(struct file_output *o)
{
	struct pcapng_state *st = o->state;

	if (st->header)
		return 0;
	st->header = true;
	st->blocks = 0;
	put_section(st);
	for (uint32_t i = 0; i < st->nifaces; i++) {
		st->ifaces[i].number = 0;
		if (st->ifaces[i].iface->from_file)
			describe(o, &st->ifaces[i]);
	}
	for (size_t i = 0; i < REPEATED; i++)
		buf_put(&st->scratch, st->kept[i].p, st->kept[i].len);
	file_processes_headers(st->processes, &st->scratch);
	return put_scratch(o);
}

/* Takes note of an interface of the source. -ENOMEM. */
static int note_iface(struct pcapng_state *st, const struct iface *iface)
{
	void *p;

	if (iface->id >= st->nplaces) {
		const uint32_t n = iface->id < 64 ? 64 : 2 * iface->id;

		p = realloc(st->places, n * sizeof(*st->places));
		if (!p)
			return -ENOMEM;
		st->places = p;
		memset(st->places + st->nplaces, 0, (n - st->nplaces) * sizeof(*st->places));
		st->nplaces = n;
	}
	/* Grown at powers of two. */
	if ((st->nifaces & (st->nifaces - 1)) == 0) {
		p = realloc(st->ifaces, (st->nifaces ? 2 * st->nifaces : 1) * sizeof(*st->ifaces));
		if (!p)
			return -ENOMEM;
		st->ifaces = p;
	}
	st->ifaces[st->nifaces++] = (struct described){ .iface = iface };
	st->places[iface->id] = st->nifaces;
	return 0;
}

/* NULL: not heard of yet. */
static struct described *find_iface(const struct pcapng_state *st, const struct iface *iface)
{
	const uint32_t place = iface->id < st->nplaces ? st->places[iface->id] : 0;

	return place && st->ifaces ? &st->ifaces[place - 1] : NULL;
}

static int pcapng_iface(struct file_output *o, const struct iface *iface)
{
	struct pcapng_state *st = o->state;
	int ret = pcapng_headers(o);

	if (ret || find_iface(st, iface))
		return ret;
	ret = note_iface(st, iface);
	if (ret || !iface->from_file)
		return ret;
	describe(o, &st->ifaces[st->nifaces - 1]);
	return put_scratch(o);
}

/* The number of its block, which is written now if there is none. -errno */
static int number_of(struct file_output *o, const struct iface *iface, uint32_t *number)
{
	struct pcapng_state *st = o->state;
	struct described *d = find_iface(st, iface);
	int ret = 0;

	if (!st->header || !d) {
		ret = pcapng_iface(o, iface);
		d = find_iface(st, iface);
	}
	if (!ret && !d->number) {
		describe(o, d);
		ret = put_scratch(o);
	}
	if (!ret)
		*number = d->number - 1;
	return ret;
}

static struct comments *find_comments(struct file_output *o, const struct annotation *a)
{
	struct pcapng_state *st = o->state;

	return file_comments_find(&st->comments, a, o->config.context, o->config.compact_comments);
}

/* Options that are no comments, and then c as we write it, need not be told apart one by one. */
static bool ends_in(const struct packet *packet, const struct comments *c)
{
	const size_t others = packet->options_len - c->len;
	struct pcapng_options o;

	if (packet->options_len < c->len || memcmp(packet->options + others, c->p, c->len) != 0)
		return false;
	o = (struct pcapng_options){ packet->options, packet->options + others };
	return !pcapng_find_option(&o, OPT_COMMENT) && o.p == o.end;
}

/* Options the first of which stay as they were read: notes, or comments that refer to what was not read. */
static void count_options(struct pcapng_state *st, const uint8_t *options, size_t first, size_t len)
{
	struct pcapng_options o;

	/* Of none there is no address, to which nothing may be added, not even 0 (C11 6.5.6). */
	if (!first)
		return;
	o = (struct pcapng_options){ options, options + first };
	if (pcapng_find_option(&o, OPT_COMMENT))
		file_comments_count(&st->comments, 1, len);
}

/* The options of a packet from a file with comments that may refer to those of an earlier one. -ENOMEM */
static int put_compact(struct file_output *o, const struct packet *packet, struct pcapng_packet *pp)
{
	struct pcapng_state *st = o->state;
	struct comments *c = packet->annot ? find_comments(o, packet->annot) : NULL;
	const uint8_t *comments;
	size_t others, len;

	if (packet->annot && !c)
		return -ENOMEM;
	st->options.len = 0;
	if (c && ends_in(packet, c)) {
		buf_put(&st->options, packet->options, packet->options_len - c->len);
	} else if (!c || !reference_split(packet->options, packet->options_len, NULL, &st->options)) {
		count_options(st, packet->options, packet->options_len, packet->options_len);
		return 0;
	}
	others = st->options.len;
	len = file_comments_take(c, &comments);
	buf_put(&st->options, comments, len);
	pp->options = (const uint8_t *)st->options.p;
	pp->options_len = st->options.len;
	count_options(st, pp->options, others, pp->options_len);
	return 0;
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

/* ns since the epoch; what is before it wraps around. */
static uint64_t time_of(const struct packet *packet)
{
	const uint64_t ts = (uint64_t)packet->sec * 1000000000;

	return packet->nsec >= 0 || ts > (uint64_t)-packet->nsec ? ts + (uint64_t)packet->nsec : ts;
}

/* Options that name the process, of a packet whose other options do not; *same: as of file_processes_name(). */
static int name_process(struct file_output *o, const struct packet *packet, struct pcapng_packet *pp, bool *same)
{
	struct pcapng_state *st = o->state;

	st->process.len = 0;
	*same = file_processes_name(st->processes, packet->annot, o->config.context, packet_ns(packet), &st->scratch,
				    &st->process);
	pp->process = (const uint8_t *)st->process.p;
	pp->process_len = st->process.len;
	return put_scratch(o);
}

/* Those of the file that is being read become those of this one. */
static int rename_process(struct file_output *o, const struct packet *packet, struct pcapng_packet *pp)
{
	struct pcapng_state *st = o->state;
	const uint64_t ts = packet_ns(packet);
	bool same;

	st->renamed.len = 0;
	if (file_processes_options(st->processes, packet->iface->source, pp->options, pp->options_len, ts, &st->scratch,
				   &st->renamed)) {
		pp->options = (const uint8_t *)st->renamed.p;
		pp->options_len = st->renamed.len;
	}
	if (packet->annot && o->config.process_blocks && !pp->simple)
		return name_process(o, packet, pp, &same);
	return put_scratch(o);
}

/* Of a packet from a file. */
static int prepare_read(struct file_output *o, const struct packet *packet, struct pcapng_packet *pp)
{
	struct pcapng_state *st = o->state;
	int ret = 0;

	pp->ts = packet->file_ts;
	pp->simple = packet->timeless && pp->iface == 0 &&
		     (packet->caplen == packet->len || packet->caplen == packet->iface->snaplen);
	pp->options = packet->options;
	pp->options_len = packet->options_len;
	if (o->config.compact_comments) {
		ret = put_compact(o, packet, pp);
	} else if (packet->annot && o->config.context != ANNOT_ALL) {
		put_context(&st->options, packet, o->config.context);
		pp->options = (const uint8_t *)st->options.p;
		pp->options_len = st->options.len;
	}
	return ret ? ret : rename_process(o, packet, pp);
}

static int name_live(struct file_output *o, const struct packet *packet, struct comments *c, struct pcapng_packet *pp)
{
	bool same;

	if (!c->process_len) {
		const int ret = name_process(o, packet, pp, &same);

		if (ret || !same || !pp->process_len || pp->process_len > sizeof(c->process))
			return ret;
		memcpy(c->process, pp->process, pp->process_len);
		c->process_len = (uint8_t)pp->process_len;
	}
	pp->process = c->process;
	pp->process_len = c->process_len;
	return 0;
}

static int prepare(struct file_output *o, const struct packet *packet, struct pcapng_packet *pp)
{
	struct comments *c;
	int ret = number_of(o, packet->iface, &pp->iface);

	if (ret)
		return ret;
	if (packet->options)
		return prepare_read(o, packet, pp);
	pp->ts = time_of(packet);
	pp->dir = packet->dir;
	if (packet->annot) {
		c = find_comments(o, packet->annot);
		if (!c)
			return -ENOMEM;
		ret = name_live(o, packet, c, pp);
		pp->options_len = file_comments_take(c, &pp->options);
	}
	return ret;
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
	pcapng_write_packet(at, &pp, size);
	sink_commit_packet(&o->sink, size);
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
		st->places[st->ifaces[i].iface->id] = 0;
	st->nifaces = 0;
	st->header = false;
	file_processes_section(st->processes, block->first);
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
	if (file_processes_block(st->processes, block, &st->scratch))
		return put_scratch(o);
	pcapng_put_block(&st->scratch, block->type, block->body, block->body_len);
	for (size_t i = 0; i < REPEATED; i++) {
		if (block->type == repeated[i])
			keep_block(o, &st->kept[i], st->scratch.p, st->scratch.len);
	}
	return put_scratch(o);
}

/* Packets were lost, or are in other files. */
static bool has_counts(const struct iface *iface)
{
	return iface->received || iface->dropped;
}

/* Of interfaces without a packet in this file those that change nothing for libpcap get their block for their counts;
 * text gets the counts of the others. */
static void describe_silent(struct file_output *o, struct buf *text)
{
	struct pcapng_state *st = o->state;

	if (!st->blocks && st->nifaces)
		describe(o, &st->ifaces[0]);
	for (uint32_t i = 0; i < st->nifaces; i++) {
		struct described *d = &st->ifaces[i];
		const struct iface *iface = d->iface;

		if (d->number || iface->from_file || !has_counts(iface))
			continue;
		if (same_kind(o, iface, st->first))
			describe(o, d);
		else
			buf_printf(text, "%s%s: %" PRIu64 " received, %" PRIu64 " dropped", text->len ? "; " : "",
				   iface->name, iface->received, iface->dropped);
	}
}

static int pcapng_end(struct file_output *o)
{
	struct pcapng_state *st = o->state;
	const uint64_t end = clock_ns(CLOCK_REALTIME);
	struct buf text = { 0 };
	int ret = pcapng_headers(o);

	if (ret)
		return ret;
	describe_silent(o, &text);
	/* Statistics of a file that is being rewritten are in its own blocks. */
	for (uint32_t i = 0; i < st->nifaces; i++) {
		const struct described *d = &st->ifaces[i];

		if (!d->number || d->iface->from_file)
			continue;
		pcapng_put_stats(&st->scratch, d->number - 1, d->iface, st->start, end,
				 (struct str){ text.p, (uint32_t)text.len });
		text.len = 0;
	}
	buf_done(&text);
	return put_scratch(o);
}

static void pcapng_free(struct file_output *o)
{
	struct pcapng_state *st = o->state;

	file_comments_done(&st->comments);
	file_processes_free(st->processes);
	buf_done(&st->process);
	buf_done(&st->renamed);
	buf_done(&st->section);
	buf_done(&st->scratch);
	buf_done(&st->options);
	for (size_t i = 0; i < REPEATED; i++)
		buf_done(&st->kept[i]);
	free(st->ifaces);
	free(st->places);
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
