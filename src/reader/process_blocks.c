/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/process_blocks.h"

#include <stdlib.h>
#include <string.h>

#include "annotation.h"
#include "format/comments.h"
#include "format/pcapng.h"

/* More, and their packets are nobody's. */
enum {
	APPLE_MAX = 65536,
	STANDARD_MAX = 16384, /* of a section: each is put in its place among the others */
	TEXT_MAX = 16 << 20,  /* bytes of all comments */
};

/* Somewhere in text. */
struct comment_text {
	uint32_t at, len; /* len 0: there is none */
};

struct apple {
	uint32_t pid; /* 0: it tells of no process */
	struct comment_text process, effective;
};

struct standard {
	uint32_t pid;
	uint64_t start;
	struct comment_text process;
};

struct process_blocks {
	struct apple *apple; /* by their numbers */
	size_t napple, apple_room;
	struct standard *standard; /* by pid, then by start, then as they came */
	size_t nstandard, standard_room;
	struct buf text, found;
};

struct process_blocks *process_blocks_new(void)
{
	return calloc(1, sizeof(struct process_blocks));
}

static struct comment_text put_text(struct process_blocks *p, const struct annotation *a)
{
	const size_t at = p->text.len;

	annotation_encode(&annotation_schema, &p->text, a, a->has);
	if (p->text.len > TEXT_MAX) {
		p->text.len = at;
		return (struct comment_text){ 0 };
	}
	return (struct comment_text){ (uint32_t)at, (uint32_t)(p->text.len - at) };
}

/* Room for one more. False: there is no memory. */
static bool make_room(void **v, size_t n, size_t *room, size_t size)
{
	void *more = *v;

	if (n < *room)
		return true;
	more = reallocarray(more, *room ? 2 * *room : 64, size);
	if (!more)
		return false;
	*v = more;
	*room = *room ? 2 * *room : 64;
	return true;
}

static struct process_desc desc_of(const struct process_block *b)
{
	struct process_desc d = { .pid = b->pid, .cmd = b->path.n ? b->path : b->name, .args = b->args };

	if (!d.cmd.n)
		d.cmd = str_of(ANNOT_UNKNOWN);
	if (!d.args.p)
		d.args = str_of("");
	if (b->name.n)
		process_desc_set_names(&d, b->name, str_of(""));
	return d;
}

static void add_apple(struct process_blocks *p, const uint8_t *body, size_t len)
{
	struct process_block b;
	struct annotation a = { .has = 0 };
	struct apple *added;

	if (p->napple >= APPLE_MAX || !make_room((void **)&p->apple, p->napple, &p->apple_room, sizeof(*p->apple)))
		return;
	added = &p->apple[p->napple++];
	*added = (struct apple){ 0 };
	if (!process_block_parse_apple(&b, body, len) || b.pid > PID_LIMIT)
		return;
	added->pid = b.pid;
	a.process = a.effective = desc_of(&b);
	a.has = ANNOT_PROCESS;
	added->process = put_text(p, &a);
	a.has = ANNOT_EFFECTIVE;
	added->effective = put_text(p, &a);
}

/* Behind the last one of that pid which did not start later. */
static size_t place_of(const struct process_blocks *p, uint32_t pid, uint64_t start)
{
	size_t from = 0, to = p->nstandard;

	while (from < to) {
		const size_t middle = from + (to - from) / 2;
		const struct standard *s = &p->standard[middle];

		if (s->pid < pid || (s->pid == pid && s->start <= start))
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* With blanks between the arguments, as ours are. */
static struct str join_args(struct buf *b, struct str args)
{
	b->len = 0;
	buf_put(b, args.p, args.n);
	for (size_t i = 0; i < b->len; i++) {
		if (!b->p[i])
			b->p[i] = ' ';
	}
	return (struct str){ b->p, (uint32_t)b->len };
}

static void fill(struct annotation *a, const struct process_block *b)
{
	a->has = ANNOT_PROCESS;
	a->process = desc_of(b);
	if (b->has_uid) {
		a->has |= ANNOT_USER;
		a->uid = b->uid;
		a->user = b->user;
	}
	if (b->ppid && b->ppid <= PID_LIMIT) {
		a->has |= ANNOT_PARENT;
		a->parent = (struct process_desc){ .pid = b->ppid, .cmd = str_of(ANNOT_UNKNOWN), .args = str_of("") };
	}
}

static void add_standard(struct process_blocks *p, const uint8_t *body, size_t len)
{
	struct annotation a = { .has = 0 };
	struct process_block b;
	struct standard *v;
	size_t at;

	if (p->nstandard >= STANDARD_MAX || !process_block_parse_standard(&b, body, len) || b.pid > PID_LIMIT ||
	    !make_room((void **)&p->standard, p->nstandard, &p->standard_room, sizeof(*p->standard)))
		return;
	if (b.args.n)
		b.args = join_args(&p->found, b.args);
	fill(&a, &b);
	at = place_of(p, b.pid, b.start);
	v = p->standard;
	memmove(&v[at + 1], &v[at], (p->nstandard++ - at) * sizeof(*v));
	v[at] = (struct standard){ b.pid, b.start, put_text(p, &a) };
}

void process_blocks_add(struct process_blocks *p, const struct pcapng_block *block)
{
	if (block->type == PCAPNG_SHB)
		p->nstandard = 0;
	else if (block->type == PCAPNG_APPLE_PROCESS)
		add_apple(p, block->body, block->body_len);
	else if (process_block_is_standard(block->type, block->body, block->body_len))
		add_standard(p, block->body, block->body_len);
}

static struct comment_text text_of_pid(struct process_blocks *p, uint32_t pid, uint64_t ts)
{
	const struct standard *v = p->standard;
	size_t i = place_of(p, pid, ts);

	if (i && v[i - 1].pid == pid)
		return v[i - 1].process;
	/* All of them began later. */
	return i < p->nstandard && v[i].pid == pid ? v[i].process : (struct comment_text){ 0 };
}

static void found(struct process_blocks *p, struct comment_text t)
{
	if (t.len)
		buf_put(&p->found, p->text.p + t.at, t.len);
}

/* The number is all that is known. */
static void found_pid(struct process_blocks *p, uint32_t pid)
{
	const struct annotation a = { .has = ANNOT_PROCESS, .process = desc_of(&(struct process_block){ .pid = pid }) };

	annotation_encode(&annotation_schema, &p->found, &a, ANNOT_PROCESS);
}

static const struct apple *apple_of(const struct process_blocks *p, bool told, uint32_t number)
{
	return told && number < p->napple ? &p->apple[number] : NULL;
}

const uint8_t *process_blocks_find(struct process_blocks *p, const struct process_options *o, uint32_t pid, uint64_t ts,
				   size_t *len)
{
	const struct apple *process = apple_of(p, o->has_process, o->process);
	const struct apple *effective = apple_of(p, o->has_effective, o->effective);
	const uint32_t named = process && process->process.len ? process->pid : o->has_pid ? o->pid : 0;

	p->found.len = 0;
	if (pid && named != pid)
		return NULL;
	if (process)
		found(p, process->process);
	else if (o->has_pid)
		found(p, text_of_pid(p, o->pid, ts));
	if (!p->found.len && o->has_pid && o->pid <= PID_LIMIT)
		found_pid(p, o->pid);
	if (effective)
		found(p, effective->effective);
	*len = p->found.len;
	return p->found.len ? (const uint8_t *)p->found.p : NULL;
}

void process_blocks_free(struct process_blocks *p)
{
	if (!p)
		return;
	free(p->apple);
	free(p->standard);
	buf_done(&p->text);
	buf_done(&p->found);
	free(p);
}
