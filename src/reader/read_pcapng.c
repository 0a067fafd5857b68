/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "util/linktype.h"
#include "reader/option_memo.h"
#include "reader/process_blocks.h"
#include "reader/pseudo_header.h"
#include "reader/reader_int.h"
#include "util/log.h"

enum {
	BLOCK_MIN = 12,
	SHB_MIN = 28,
	MAX_BLOCK = 16 << 20,
	IFACES_MAX = 32 << 20, /* bytes of all interface blocks: they are kept, and a packed file may be full of them */
	PRELUDE_MAX = 32 << 20, /* how far the first interface is looked for before the reading starts */
};

#define DUMP "pcapng dump file"

struct block {
	uint32_t type, len;
	const uint8_t *body; /* host byte order, unless foreign */
	uint32_t body_len;
	bool foreign; /* other byte order, and of a type we don't know */
};

static int check_section(struct reader *r, const uint8_t *p, uint64_t offset)
{
	const uint32_t magic = get32(p + 8, false);
	unsigned major, minor;

	if (magic != PCAPNG_MAGIC && magic != __builtin_bswap32(PCAPNG_MAGIC)) {
		if (offset == 0)
			return -EINVAL;
		return reader_broken(r, offset, "the file has a section with a bad byte order magic field");
	}
	r->swapped = magic != PCAPNG_MAGIC;
	if (get32(p + 4, r->swapped) < SHB_MIN)
		return reader_broken(r, offset, "Section Header Block in pcapng dump file has invalid length %" PRIu32,
				     get32(p + 4, r->swapped));
	major = get16(p + 12, r->swapped);
	minor = get16(p + 14, r->swapped);
	/* 1.2 was written by some and means 1.0. */
	if (major != 1 || (minor != 0 && minor != 2))
		return reader_broken(r, offset, "unsupported pcapng savefile version %u.%u", major, minor);
	return 0;
}

static bool sane_length(const struct reader *r, uint32_t len)
{
	return len >= BLOCK_MIN && len % 4 == 0 && len <= r->max_block;
}

static int insane_length(const struct reader *r, uint64_t offset, uint32_t len)
{
	if (len < BLOCK_MIN)
		return reader_broken(r, offset, "block in pcapng dump file has a length of %" PRIu32 " < %d", len,
				     BLOCK_MIN);
	if (len % 4)
		return reader_broken(r, offset,
				     "block in pcapng dump file has a length of %" PRIu32
				     " that is not a multiple of 4",
				     len);
	return reader_broken(r, offset, "pcapng block size %" PRIu32 " > maximum %" PRIu32, len, r->max_block);
}

/* As frame_block(), of a block that is not whole in the window, or is more than that. */
static int read_block(struct reader *r, size_t pos, uint32_t *ret_type, uint32_t *ret_len)
{
	struct stream *s = &r->stream;
	size_t have = stream_want(s, pos + 8);
	const uint64_t offset = stream_offset(s) + pos;
	uint32_t type, len;
	int ret;

	if (have < pos + 8) {
		if (have == pos && !s->error)
			return 0;
		return reader_truncated(r, offset, DUMP, 8, "bytes", have - pos);
	}
	type = get32(s->p + pos, r->swapped);
	if (get32(s->p + pos, false) == PCAPNG_SHB) {
		have = stream_want(s, pos + SHB_MIN);
		if (have < pos + SHB_MIN)
			return offset == 0 && have < 12 && s->error != -EAGAIN
				       ? -EINVAL
				       : reader_truncated(r, offset, DUMP, SHB_MIN, "bytes", have - pos);
		ret = check_section(r, s->p + pos, offset);
		if (ret)
			return ret;
		type = PCAPNG_SHB;
	}
	len = get32(s->p + pos + 4, r->swapped);
	if (!sane_length(r, len))
		return insane_length(r, offset, len);
	have = stream_want(s, pos + len);
	if (have < pos + len)
		return reader_truncated(r, offset, DUMP, len, "bytes", have - pos);
	if (get32(s->p + pos + len - 4, r->swapped) != len)
		return reader_broken(r, offset, "block total length in header and trailer don't match");
	*ret_type = type;
	*ret_len = len;
	return 1;
}

/* Checks the block at pos bytes into the window and makes the window hold all of it. 1; 0: the file ends here;
 * -errno, logged (-EINVAL: not logged, no pcapng file). */
static inline int frame_block(struct reader *r, size_t pos, uint32_t *ret_type, uint32_t *ret_len)
{
	const struct stream *s = &r->stream;
	const size_t have = (size_t)(s->end - s->p);

	if (have < pos + BLOCK_MIN)
		return read_block(r, pos, ret_type, ret_len);
	*ret_type = get32(s->p + pos, r->swapped);
	*ret_len = get32(s->p + pos + 4, r->swapped);
	if (*ret_type == PCAPNG_SHB || !sane_length(r, *ret_len) || *ret_len > have - pos ||
	    get32(s->p + pos + *ret_len - 4, r->swapped) != *ret_len)
		return read_block(r, pos, ret_type, ret_len);
	return 1;
}

static const uint8_t *body_to_host(struct reader *r, const uint8_t *body, uint32_t type, uint32_t len, bool *foreign)
{
	r->scratch.len = 0;
	buf_put(&r->scratch, body, len);
	*foreign = !pcapng_block_to_host(type, (uint8_t *)r->scratch.p, len);
	return (const uint8_t *)r->scratch.p;
}

static inline int next_block(struct reader *r, struct block *b)
{
	const int ret = frame_block(r, 0, &b->type, &b->len);

	if (ret <= 0)
		return ret;
	b->body = r->stream.p + 8;
	b->body_len = b->len - BLOCK_MIN;
	b->foreign = false;
	if (r->swapped)
		b->body = body_to_host(r, b->body, b->type, b->body_len, &b->foreign);
	return 1;
}

static int broken_block(const struct reader *r, const struct block *b)
{
	return reader_broken(r, stream_offset(&r->stream), "block of type %" PRIu32 " in pcapng dump file is too short",
			     b->type);
}

static int iface_block(struct reader *r, const struct reader_handler *h, const struct block *b)
{
	struct reader_iface *ri;
	char err[160];
	uint32_t max;
	int ret;

	if (b->body_len > IFACES_MAX - r->iface_bytes)
		return reader_broken(r, stream_offset(&r->stream), "interface blocks of more than %d MB together",
				     IFACES_MAX >> 20);
	r->iface_bytes += b->body_len;
	ri = reader_add_iface(r);
	if (!ri)
		return -ENOMEM;
	ret = pcapng_parse_iface(b->body, b->body_len, &ri->pub, &ri->tb, err);
	if (ret)
		return reader_broken(r, stream_offset(&r->stream), "%s", err);
	ri->cut = reader_snaplen_or_max(ri->pub.dlt, ri->pub.snaplen);
	ri->max_caplen = linktype_max_snaplen(ri->pub.dlt);
	/* Largest packet and 128 KiB of options, as libpcap. */
	max = ri->max_caplen + 131072 + 32;
	if (max > r->max_block)
		r->max_block = max;
	return h->iface ? h->iface(h->arg, &ri->pub) : 0;
}

static int no_iface(const struct reader *r, uint32_t number)
{
	if (r->nifaces == r->section_first)
		return reader_broken(r, stream_offset(&r->stream),
				     "the capture file has a packet block before any Interface Description Blocks");
	return reader_broken(r, stream_offset(&r->stream),
			     "a packet arrived on interface %" PRIu32
			     ", but there's no Interface Description Block for that interface",
			     number);
}

/* NULL: no_iface() */
static inline const struct reader_iface *find_iface(const struct reader *r, uint32_t number)
{
	return number < r->nifaces - r->section_first ? r->ifaces[r->section_first + number] : NULL;
}

static void set_time(struct packet *pkt, const struct pcapng_timebase *tb, uint64_t ts)
{
	uint64_t sec;

	/* Division by a constant is several times cheaper. */
	if (tb->units == 1000000000) {
		sec = ts / 1000000000;
		pkt->nsec = (int64_t)(ts % 1000000000);
	} else if (tb->units == 1000000) {
		sec = ts / 1000000;
		pkt->nsec = (int64_t)(ts % 1000000 * 1000);
	} else {
		sec = ts / tb->units;
		pkt->nsec = (int64_t)((unsigned __int128)(ts % tb->units) * 1000000000 / tb->units);
	}
	pkt->sec = (int64_t)(sec + (uint64_t)tb->offset);
	pkt->file_ts = ts;
}

static void warn_lost(struct reader *r)
{
	if (!r->said_lost)
		log_warn(
			"%s: packets refer to others, which are not in the file or come later, for what their owners are: "
			"of these only process and command are known",
			r->path);
	r->said_lost = true;
}

/* As the blocks of its file say it; comments: what was told of it else, NULL if nothing was. */
static const struct annotation *name_process(struct reader *r, const struct packet *pkt,
					     const struct process_options *o, const struct annotation *comments)
{
	const uint32_t pid = comments ? comments->process.pid : 0;
	const struct annotation *a;
	size_t len;
	const uint8_t *found = process_blocks_find(r->processes, o, pid, packet_ns(pkt), &len);

	if (!found)
		return comments;
	a = option_memo_annotation(r->options_told, found, len);
	/* Without memory nothing else was given up. */
	return a ? a : comments;
}

/* Whether nothing is given up for what blocks say, which take the place of all of it: they may add a name to a mere number. */
static bool lacks_name(const struct annotation *a)
{
	return !a || (a->has == ANNOT_PROCESS && !a->process.cmd.n);
}

static void set_options(struct reader *r, struct packet *pkt, const uint8_t *options, size_t len)
{
	const struct options_told *told;

	if (r->detail == READER_OPTIONS) {
		pkt->options = options;
		pkt->options_len = pcapng_options_size(options, len);
		return;
	}
	told = option_memo_get(r->options_told, options, len);
	if (told->lost)
		warn_lost(r);
	pkt->options = told->options;
	pkt->options_len = told->len;
	pkt->dir = told->dir;
	pkt->annot = told->annot;
	if (told->names_process && lacks_name(told->annot))
		pkt->annot = name_process(r, pkt, &told->process, told->annot);
	pkt->of_blocks = pkt->annot != told->annot;
}

static int too_long(const struct reader *r, const struct block *b, const struct reader_iface *ri, uint32_t caplen,
		    size_t fixed)
{
	if (caplen > b->body_len - fixed)
		return broken_block(r, b);
	return reader_broken(r, stream_offset(&r->stream),
			     "invalid packet capture length %" PRIu32 ", bigger than maximum of %" PRIu32, caplen,
			     ri->max_caplen);
}

/* The packet's bytes start at fixed bytes into the body. */
static inline int set_data(struct reader *r, const struct block *b, const struct reader_iface *ri, struct packet *pkt,
			   size_t fixed)
{
	if (pkt->caplen > b->body_len - fixed || pkt->caplen > ri->max_caplen)
		return too_long(r, b, ri, pkt->caplen, fixed);
	pkt->iface = &ri->pub;
	pkt->data = b->body + fixed;
	if (r->swapped) /* the body is in our scratch buffer */
		pseudo_header_to_host(pkt->iface->dlt, (uint8_t *)pkt->data, pkt->caplen);
	return 0;
}

/* What the enhanced and the obsolete block share: all but the interface's number and the options, which *options is told. */
static inline int timed_packet(struct reader *r, const struct block *b, bool old, struct packet *pkt, size_t *options)
{
	const struct reader_iface *ri;
	uint32_t number;
	int ret;

	if (b->body_len < 20)
		return broken_block(r, b);
	number = old ? get16(b->body, false) : get32(b->body, false);
	ri = find_iface(r, number);
	if (!ri)
		return no_iface(r, number);
	pkt->caplen = get32(b->body + 12, false);
	pkt->len = get32(b->body + 16, false);
	ret = set_data(r, b, ri, pkt, 20);
	if (ret)
		return ret;
	set_time(pkt, &ri->tb, (uint64_t)get32(b->body + 4, false) << 32 | get32(b->body + 8, false));
	pkt->timeless = false;
	*options = 20 + pad4(pkt->caplen);
	return 0;
}

static inline int enhanced_packet(struct reader *r, const struct block *b, struct packet *pkt)
{
	size_t options;
	int ret = timed_packet(r, b, false, pkt, &options);

	if (!ret && r->detail != READER_BARE)
		set_options(r, pkt, b->body + options, b->body_len - options);
	return ret;
}

static int simple_packet(struct reader *r, const struct block *b, struct packet *pkt)
{
	const struct reader_iface *ri;
	int ret;

	if (b->body_len < 4)
		return broken_block(r, b);
	ri = find_iface(r, 0);
	if (!ri)
		return no_iface(r, 0);
	pkt->len = get32(b->body, false);
	pkt->caplen = pkt->len < ri->cut ? pkt->len : ri->cut;
	ret = set_data(r, b, ri, pkt, 4);
	if (ret)
		return ret;
	set_time(pkt, &ri->tb, 0);
	if (r->detail != READER_BARE)
		set_options(r, pkt, b->body + b->body_len, 0);
	pkt->timeless = true;
	return 0;
}

/* The obsolete one counts drops in a field; an option says the same in the enhanced one. */
static void set_old_options(struct reader *r, struct packet *pkt, uint16_t drops, const uint8_t *options, size_t len)
{
	const uint64_t dropcount = drops;

	r->options.len = 0;
	if (drops != UINT16_MAX)
		pcapng_put_option(&r->options, EPB_DROPCOUNT, &dropcount, sizeof(dropcount));
	buf_put(&r->options, options, pcapng_options_size(options, len));
	buf_reserve(&r->options, 1);
	set_options(r, pkt, (const uint8_t *)r->options.p, r->options.len);
}

static int old_packet(struct reader *r, const struct block *b, struct packet *pkt)
{
	size_t options;
	int ret = timed_packet(r, b, true, pkt, &options);

	if (!ret && r->detail != READER_BARE)
		set_old_options(r, pkt, get16(b->body + 2, false), b->body + options, b->body_len - options);
	return ret;
}

static int other_block(struct reader *r, const struct reader_handler *h, const struct block *b)
{
	const struct pcapng_block rb = {
		.type = b->type,
		.body = b->body,
		.body_len = b->body_len,
		.first = stream_offset(&r->stream) == 0,
		.swapped = b->foreign,
	};

	if (b->type == PCAPNG_SHB)
		r->section_first = r->nifaces;
	if (r->detail == READER_EVERYTHING)
		process_blocks_add(r->processes, &rb);
	return h->block ? h->block(h->arg, &rb) : 0;
}

static int handle_rare_block(struct reader *r, const struct reader_handler *h, const struct block *b,
			     struct packet *pkt)
{
	int ret;

	switch (b->type) {
	case PCAPNG_SPB: ret = simple_packet(r, b, pkt); break;
	case PCAPNG_PB: ret = old_packet(r, b, pkt); break;
	case PCAPNG_IDB: return iface_block(r, h, b);
	default: return other_block(r, h, b);
	}
	return ret ? ret : h->packet(h->arg, pkt);
}

/* What of *pkt is not set for this block is as it always is in this file. */
static inline int handle_block(struct reader *r, const struct reader_handler *h, const struct block *b,
			       struct packet *pkt)
{
	int ret;

	if (b->type != PCAPNG_EPB)
		return handle_rare_block(r, h, b, pkt);
	ret = enhanced_packet(r, b, pkt);
	return ret ? ret : h->packet(h->arg, pkt);
}

/* Looks ahead for the first interface, without consuming anything. From where it stopped, if not all had come. */
static int peek_first_iface(struct reader *r)
{
	struct pcapng_timebase tb;
	struct iface iface = { 0 };
	uint32_t type, len;
	const uint8_t *body;
	size_t pos;
	char err[160];
	bool foreign;
	int ret;

	for (;; r->peeked += len) {
		pos = r->peeked;
		if (pos > PRELUDE_MAX)
			return 0;
		ret = frame_block(r, pos, &type, &len);
		if (ret < 0)
			return ret;
		if (ret == 0)
			return reader_broken(r, stream_offset(&r->stream) + pos,
					     "the capture file has no Interface Description Blocks");
		if (type == PCAPNG_IDB)
			break;
		if (type == PCAPNG_EPB || type == PCAPNG_SPB || type == PCAPNG_PB)
			return reader_broken(
				r, stream_offset(&r->stream) + pos,
				"the capture file has a packet block before any Interface Description Blocks");
	}
	body = r->stream.p + pos + 8;
	if (r->swapped)
		body = body_to_host(r, body, type, len - BLOCK_MIN, &foreign);
	ret = pcapng_parse_iface(body, len - BLOCK_MIN, &iface, &tb, err);
	if (ret)
		ret = reader_broken(r, stream_offset(&r->stream) + pos, "%s", err);
	r->first_dlt = iface.dlt;
	r->first_snaplen = reader_snaplen_or_max(iface.dlt, iface.snaplen);
	pcapng_iface_done(&iface);
	return ret;
}

int reader_open_pcapng(struct reader *r)
{
	if (get32(r->stream.p, false) != PCAPNG_SHB)
		return -EINVAL;
	r->pcapng = true;
	r->max_block = MAX_BLOCK;
	return peek_first_iface(r);
}

/* READER_MORE, READER_END; -errno, logged; *stop: what the handler returned, or an error in the block. */
static inline int take_block(struct reader *r, const struct reader_handler *h, struct packet *pkt, int *stop)
{
	struct block b;
	const int ret = next_block(r, &b);

	if (ret <= 0)
		return ret;
	*stop = handle_block(r, h, &b, pkt);
	r->stream.p += b.len;
	return READER_MORE;
}

int reader_run_pcapng(struct reader *r, const struct reader_handler *h)
{
	struct packet pkt = { 0 };
	int ret, stop = 0;

	do
		ret = take_block(r, h, &pkt, &stop);
	while (!stop && ret == READER_MORE);
	return stop ? stop : ret;
}

int reader_step_pcapng(struct reader *r, const struct reader_handler *h)
{
	int stop = 0;
	const int ret = take_block(r, h, &r->packet, &stop);

	return stop < 0 ? stop : ret;
}
