/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/file_processes.h"

#include <stdlib.h>
#include <string.h>

#include "format/pcapng.h"
#include "format/process_block.h"
#include "output/output.h"
#include "util/hash.h"

enum {
	SETS = 1024, /* of processes that are not described again; a power of two */
	WAYS = 8,
	KNOWN = SETS * WAYS,
	PAGE = 8,	      /* pids */
	READ_MAX = 65536,     /* blocks of a source that are remembered, */
	READ_BYTES = 8 << 20, /* and of how many bytes */
	REPEATED_BYTES = 1 << 20,
	PAGES = PID_LIMIT / PAGE + 1,
};

/* A process that a block of Apple's form in this file is of; hash 0: none. */
struct known {
	uint64_t hash;
	uint32_t number;
};

/*
 * What packets of a pid name is the block of that pid which started last before them. So packets of one block must all be later
 * than those of the block before it, and a packet that is not is left without a name.
 */
struct last {
	uint64_t hash;	 /* of who has the last block, 0: there is none yet */
	uint64_t start;	 /* of that block, 0: it is the only one; of those that were read, the last to start */
	uint64_t newest; /* time of the newest packet so far, 0: there is none */
	bool spoilt; /* of blocks that were read: there is one that is not written, so packets must not name the others */
};

/* A block of Apple's form that was read. */
struct read_block {
	size_t at;	 /* of its body in bytes */
	uint32_t len;	 /* 0: it is not remembered */
	uint32_t number; /* in this file + 1, 0: it is not there yet */
};

/* What numbers in its packets mean. */
struct source {
	struct read_block *read;
	uint32_t nread, nroom;
	struct buf bytes;
};

struct file_processes {
	unsigned forms;
	struct hash_key key;
	uint64_t serial, hash; /* of the annotation of the packet before, 0: there was none */
	uint32_t written;      /* blocks of Apple's form in this file */
	struct known *known;
	/* Of the proposed standard, by pid: pages of them are there once one of their pids is. */
	struct last **last;
	/* Of what is read. */
	unsigned sections;
	struct source *sources; /* by their numbers */
	size_t nsources;
	struct buf standard; /* blocks of that form, for the next files */
	bool has_standard, begun;
};

struct file_processes *file_processes_new(unsigned forms)
{
	struct file_processes *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->forms = forms;
	p->key = hash_key();
	if (forms & PROCESS_BLOCKS_APPLE)
		p->known = calloc(KNOWN, sizeof(*p->known));
	if ((forms & PROCESS_BLOCKS_APPLE) && !p->known) {
		free(p);
		return NULL;
	}
	return p;
}

static void forget_last(struct file_processes *p)
{
	for (size_t i = 0; p->last && i < PAGES; i++) {
		free(p->last[i]);
		p->last[i] = NULL;
	}
}

void file_processes_begin(struct file_processes *p)
{
	p->written = 0;
	p->begun = false;
	if (p->known)
		memset(p->known, 0, KNOWN * sizeof(*p->known));
	/* Blocks that were read are in the next file, too. */
	if (p->forms)
		forget_last(p);
	for (size_t i = 0; i < p->nsources; i++) {
		for (uint32_t k = 0; k < p->sources[i].nread; k++)
			p->sources[i].read[k].number = 0;
	}
}

void file_processes_headers(struct file_processes *p, struct buf *blocks)
{
	if (!p->begun)
		buf_put(blocks, p->standard.p, p->standard.len);
	p->begun = true;
}

/* --- our own ------------------------------------------------------------------- */

static struct process_block describe(const struct annotation *a, unsigned told)
{
	struct process_block d = {
		.pid = a->process.pid & ~PID_OUTSIDE,
		.start = a->start,
		.name = process_desc_name(&a->process),
		.path = a->process.cmd,
		.args = a->process.args,
	};

	if ((told & ANNOT_PARENT) && !(a->parent.pid & PID_OUTSIDE))
		d.ppid = a->parent.pid;
	d.has_uid = told & ANNOT_USER;
	d.uid = a->uid;
	if (d.has_uid)
		d.user = a->user;
	return d;
}

static uint64_t hash_of(const struct file_processes *p, const struct process_block *d, bool outside)
{
	const uint64_t numbers[] = { d->start, d->pid, outside };
	uint64_t h = hash_more(&p->key, 0, numbers, sizeof(numbers));

	h = hash_more(&p->key, h, d->name.p ? d->name.p : "", d->name.n);
	h = hash_more(&p->key, h, d->path.p ? d->path.p : "", d->path.n);
	return hash_more(&p->key, h, d->args.p ? d->args.p : "", d->args.n) | 1;
}

/* Arguments may be long, and most packets have the annotation of the one before. */
static uint64_t hash_once(struct file_processes *p, uint64_t serial, const struct process_block *d, bool outside)
{
	if (!serial || p->serial != serial)
		p->hash = hash_of(p, d, outside);
	p->serial = serial;
	return p->hash;
}

/* NULL: no memory, or no pid. */
static struct last *last_of(struct file_processes *p, uint32_t pid)
{
	struct last **page;

	if (!p->last)
		p->last = calloc(PAGES, sizeof(*p->last));
	if (!p->last || pid > PID_LIMIT)
		return NULL;
	page = &p->last[pid / PAGE];
	if (!*page)
		*page = calloc(PAGE, sizeof(**page));
	return *page ? &(*page)[pid % PAGE] : NULL;
}

/* A block for a packet of that time, which is later than all of its pid. */
static void put_standard(struct last *last, struct process_block *d, uint64_t hash, uint64_t ts, struct buf *blocks)
{
	/* The first is that of all before it, too. */
	if (last->hash || !d->start || d->start >= ts)
		d->start = ts ? ts - 1 : 0;
	last->start = last->hash ? d->start : 0;
	last->hash = hash;
	process_block_put_standard(blocks, d);
}

/* Whether the packet may name its pid. */
static bool name_standard(struct file_processes *p, struct process_block *d, uint64_t hash, uint64_t ts,
			  struct buf *blocks)
{
	struct last *last = last_of(p, d->pid);

	if (!last || (last->hash && last->hash != hash && (ts < 2 || ts - 2 < last->newest)))
		return false;
	if (last->hash != hash)
		put_standard(last, d, hash, ts, blocks);
	if (ts <= last->start)
		return false;
	if (ts > last->newest)
		last->newest = ts;
	return true;
}

static uint32_t name_apple(struct file_processes *p, const struct process_block *d, uint64_t hash, struct buf *blocks)
{
	struct known *set = &p->known[(hash >> 1 & (SETS - 1)) * WAYS], found;
	size_t i = 0;

	while (i < WAYS - 1 && set[i].hash && set[i].hash != hash)
		i++;
	found = set[i];
	if (found.hash != hash) {
		found = (struct known){ hash, p->written++ };
		process_block_put_apple(blocks, d);
	}
	/* The last one of them is who was named the longest ago. */
	memmove(&set[1], &set[0], i * sizeof(*set));
	set[0] = found;
	return found.number;
}

static void name_owner(struct file_processes *p, const struct annotation *a, unsigned told, uint64_t ts,
		       struct buf *blocks, struct process_options *o)
{
	/* One outside of our pid namespace is found by its number alone, and somebody in it may have the same. */
	const bool outside = a->process.pid & PID_OUTSIDE;
	struct process_block d = describe(a, told);
	const uint64_t hash = hash_once(p, a->serial, &d, outside);

	o->has_pid = !outside;
	o->pid = d.pid;
	o->tid = told & ANNOT_THREAD ? a->tid & ~PID_OUTSIDE : 0;
	o->has_process = p->known;
	if (p->known)
		o->process = name_apple(p, &d, hash, blocks);
	if ((p->forms & PROCESS_BLOCKS_STANDARD) && !outside)
		o->has_pid = name_standard(p, &d, hash, ts, blocks);
}

/* The proposed standard has no place for it. */
static void name_effective(struct file_processes *p, const struct process_desc *who, struct buf *blocks,
			   struct process_options *o)
{
	const struct process_block d = {
		.pid = who->pid & ~PID_OUTSIDE, .name = process_desc_name(who), .path = who->cmd, .args = who->args
	};

	o->has_effective = true;
	o->effective = name_apple(p, &d, hash_of(p, &d, who->pid & PID_OUTSIDE), blocks);
}

bool file_processes_name(struct file_processes *p, const struct annotation *a, unsigned context, uint64_t ts,
			 struct buf *blocks, struct buf *options)
{
	const unsigned told = a->has & context;
	const bool standard = p->forms & PROCESS_BLOCKS_STANDARD;
	struct process_options o = { 0 };

	if ((told & ANNOT_PROCESS) && (p->known || standard))
		name_owner(p, a, told, ts, blocks, &o);
	if ((told & ANNOT_EFFECTIVE) && p->known)
		name_effective(p, &a->effective, blocks, &o);
	process_options_put(options, &o);
	return !standard;
}

/* --- of files ---------------------------------------------------------------------- */

void file_processes_section(struct file_processes *p, bool first)
{
	p->sections++;
	for (size_t i = 0; first && i < p->nsources; i++) {
		p->sources[i].nread = 0;
		p->sources[i].bytes.len = 0;
	}
}

/* NULL: no memory. */
static struct source *source_of(struct file_processes *p, uint32_t number)
{
	struct source *more = p->sources;

	if (number < p->nsources)
		return &more[number];
	more = reallocarray(more, (size_t)number + 1, sizeof(*more));
	if (!more)
		return NULL;
	p->sources = more;
	memset(more + p->nsources, 0, (number + 1 - p->nsources) * sizeof(*more));
	p->nsources = (size_t)number + 1;
	return &more[number];
}

/* NULL: no room. */
static struct read_block *remember(struct file_processes *p, const struct pcapng_block *block)
{
	struct source *s = source_of(p, block->source);
	struct read_block *more;

	if (!s || s->nread == READ_MAX)
		return NULL;
	more = s->read;
	if (s->nread == s->nroom) {
		more = reallocarray(more, s->nroom ? 2 * (size_t)s->nroom : 64, sizeof(*more));
		if (!more)
			return NULL;
		s->read = more;
		s->nroom = s->nroom ? 2 * s->nroom : 64;
	}
	more += s->nread++;
	*more = (struct read_block){ .at = s->bytes.len };
	if (block->body_len <= READ_BYTES - s->bytes.len) {
		more->len = block->body_len;
		buf_put(&s->bytes, block->body, block->body_len);
	}
	return more;
}

static void take_apple(struct file_processes *p, const struct pcapng_block *block, struct buf *blocks)
{
	struct read_block *r = remember(p, block);

	pcapng_put_block(blocks, block->type, block->body, block->body_len);
	p->written++;
	if (r)
		r->number = p->written;
}

/* Whether no packet that was written before is the block's. */
static bool comes_in_time(const struct last *last, const struct process_block *d)
{
	return !last->newest || (last->hash && d->start > last->newest && d->start > last->start);
}

/*
 * What names them does so by pid alone: of two sources, the packets of one would be taken for the other's. And readers that look at
 * a file as a whole take packets for those of blocks behind them, or of others where these are not in the same part.
 */
static void take_standard(struct file_processes *p, const struct pcapng_block *block, struct buf *blocks)
{
	const size_t start = blocks->len;
	struct process_block d;
	struct last *last;

	if (p->sections > 1)
		return;
	p->has_standard = true;
	if (!process_block_parse_standard(&d, block->body, block->body_len))
		return;
	last = last_of(p, d.pid);
	if (!last || last->spoilt)
		return;
	last->spoilt = !comes_in_time(last, &d) || block->body_len > REPEATED_BYTES - p->standard.len;
	if (last->spoilt)
		return;
	last->hash = 1;
	if (d.start > last->start)
		last->start = d.start;
	pcapng_put_block(blocks, block->type, block->body, block->body_len);
	buf_put(&p->standard, blocks->p + start, blocks->len - start);
}

/* Whether a packet may name it. */
static bool keep_pid(struct file_processes *p, uint32_t pid, uint64_t ts)
{
	struct last *last = last_of(p, pid);

	if (!last || (p->has_standard && (p->sections > 1 || last->spoilt || !last->hash)))
		return false;
	if (ts >= last->newest)
		last->newest = ts + !ts;
	return true;
}

bool file_processes_block(struct file_processes *p, const struct pcapng_block *block, struct buf *blocks)
{
	const bool apple = block->type == PCAPNG_APPLE_PROCESS;

	if (!apple && !process_block_is_standard(block->type, block->body, block->body_len))
		return false;
	if (p->forms != PROCESS_BLOCKS_KEEP)
		return true;
	if (apple)
		take_apple(p, block, blocks);
	else
		take_standard(p, block, blocks);
	return true;
}

/* The number in this file of a block of the source. False: there is none. */
static bool renumber(struct file_processes *p, uint32_t source, uint32_t *number, struct buf *blocks)
{
	const struct source *s = source < p->nsources ? &p->sources[source] : NULL;
	struct read_block *r;

	if (!s || *number >= s->nread)
		return false;
	r = &s->read[*number];
	if (!r->number && !r->len)
		return false;
	if (!r->number) {
		pcapng_put_block(blocks, PCAPNG_APPLE_PROCESS, s->bytes.p + r->at, r->len);
		r->number = ++p->written;
	}
	*number = r->number - 1;
	return true;
}

/* In the place of what was read; what cannot be kept is no longer there. */
static struct process_options kept_options(struct file_processes *p, const struct process_options *was, uint32_t source,
					   uint64_t ts, struct buf *blocks)
{
	struct process_options now = *was;

	if (p->forms != PROCESS_BLOCKS_KEEP)
		return (struct process_options){ 0 };
	now.has_process = was->has_process && renumber(p, source, &now.process, blocks);
	now.has_effective = was->has_effective && renumber(p, source, &now.effective, blocks);
	now.has_pid = was->has_pid && keep_pid(p, was->pid, ts);
	return now;
}

static bool same(const struct process_options *a, const struct process_options *b)
{
	return a->has_process == b->has_process && a->has_effective == b->has_effective && a->has_pid == b->has_pid &&
	       a->process == b->process && a->effective == b->effective;
}

static bool names_process(uint16_t code)
{
	return code == EPB_PROCESS_THREAD || code == EPB_APPLE_PROCESS || code == EPB_APPLE_EFFECTIVE;
}

bool file_processes_options(struct file_processes *p, uint32_t source, const uint8_t *options, size_t len, uint64_t ts,
			    struct buf *blocks, struct buf *ret)
{
	struct process_options was, now;
	struct pcapng_options o;
	const uint8_t *start, *value;
	uint16_t code, n;

	if (!len)
		return false;
	process_options_parse(&was, options, len);
	if (!was.has_process && !was.has_effective && !was.has_pid)
		return false;
	now = kept_options(p, &was, source, ts, blocks);
	if (same(&was, &now))
		return false;
	process_options_put(ret, &now);
	o = (struct pcapng_options){ options, options + len };
	for (start = o.p; pcapng_next_option(&o, &code, &value, &n); start = o.p) {
		if (!names_process(code))
			buf_put(ret, start, (size_t)(o.p - start));
	}
	return true;
}

void file_processes_free(struct file_processes *p)
{
	if (!p)
		return;
	forget_last(p);
	free(p->last);
	free(p->known);
	for (size_t i = 0; i < p->nsources; i++) {
		free(p->sources[i].read);
		buf_done(&p->sources[i].bytes);
	}
	free(p->sources);
	buf_done(&p->standard);
	free(p);
}
