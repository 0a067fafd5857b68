/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/comments.h"
#include "format/pcapng.h"
#include "format/process_block.h"
#include "reader/merge_int.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	SERIAL_BITS = 40, /* of an annotation within its input */
	LOOK_EACH = 64,	  /* turns: those who have been silent are asked as often */
};

#define NS_PER_S 1000000000
#define KEY_MIN (-((__int128)1 << 126))

int merge_new(struct merge **ret, const struct merge_config *config)
{
	struct merge *m = calloc(1, sizeof(*m));

	if (!m) {
		log_error("out of memory");
		return -ENOMEM;
	}
	m->config = *config;
	m->newest = KEY_MIN;
	*ret = m;
	return 0;
}

static void input_free(struct input *in)
{
	if (!in)
		return;
	reader_free(in->reader);
	buf_done(&in->data);
	buf_done(&in->options);
	free(in->path);
	free(in->name);
	free(in->file);
	free(in);
}

/* What an input without a name may be called by: its file's, or all of the path where others have the same. */
static char *file_word(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (strcmp(path, "-") == 0)
		return strdup("stdin");
	return strdup(slash && slash[1] ? slash + 1 : path);
}

static void tell_apart(struct merge *m, struct input *in)
{
	bool same = false;

	for (size_t i = 0; i < m->n; i++)
		same |= !m->inputs[i]->name && strcmp(m->inputs[i]->file, in->file) == 0;
	if (!same || in->name)
		return;
	free(in->file);
	in->file = strdup(in->path);
}

static struct input *input_new(struct merge *m, const struct merge_input *config)
{
	struct input *in = calloc(1, sizeof(*in));

	if (!in)
		return NULL;
	in->merge = m;
	in->number = m->n;
	in->fd = config->fd;
	in->offset = config->offset;
	in->state = INPUT_WAITS;
	in->key = KEY_MIN;
	in->path = strdup(config->path);
	in->name = config->name ? strdup(config->name) : NULL;
	in->file = file_word(config->path);
	if (in->path && in->file && (in->name || !config->name))
		tell_apart(m, in);
	if (in->path && in->file && (in->name || !config->name))
		return in;
	input_free(in);
	return NULL;
}

int merge_add(struct merge *m, const struct merge_input *config)
{
	struct input *in = input_new(m, config);
	void *p = in ? reallocarray(m->inputs, m->n + 1, sizeof(struct input *)) : NULL;
	int err;

	if (!p) {
		log_error("%s: out of memory", config->path);
		if (config->fd != STDIN_FILENO)
			close(config->fd);
		input_free(in);
		return -ENOMEM;
	}
	m->inputs = p;
	err = reader_begin(&in->reader, config->path, config->fd);
	if (err) {
		input_free(in);
		return err;
	}
	in->live = reader_is_live(in->reader);
	if (config->may_be_empty)
		reader_may_be_empty(in->reader);
	reader_set_serials(in->reader, ((uint64_t)m->n << SERIAL_BITS) + 1);
	m->inputs[m->n++] = in;
	m->nwaiting++;
	return 0;
}

/* --- the head of an input ----------------------------------------------------------- */

static __int128 time_of(const struct packet *p)
{
	return (__int128)p->sec * NS_PER_S + p->nsec;
}

static uint64_t move_stamp(uint64_t stamp, int64_t offset, uint64_t units)
{
	const __int128 moved = (__int128)stamp + (__int128)offset * units / NS_PER_S;

	if (moved < 0)
		return 0;
	return moved > UINT64_MAX ? UINT64_MAX : (uint64_t)moved;
}

/* By the difference of its clock. */
static void move_time(struct packet *p, int64_t offset)
{
	const __int128 ns = time_of(p) + offset;
	const int64_t rest = (int64_t)(ns % NS_PER_S);

	p->sec = (int64_t)(ns / NS_PER_S - (rest < 0));
	p->nsec = rest < 0 ? rest + NS_PER_S : rest;
	if (p->iface->file_units)
		p->file_ts = move_stamp(p->file_ts, offset, p->iface->file_units);
}

/* Whether it comes behind what went on without it. */
static void check_late(struct merge *m, struct input *in)
{
	if (in->key >= m->newest || m->newest_of == in) {
		in->behind = false;
		return;
	}
	if (!in->late++)
		m->config.told(m->config.arg, in->number, MERGE_LATE);
}

static int on_packet(void *arg, const struct packet *packet)
{
	struct input *in = arg;

	in->is_packet = true;
	in->state = INPUT_READY;
	in->packet = *packet;
	if (packet->timeless)
		return 0;
	if (in->offset)
		move_time(&in->packet, in->offset);
	in->key = time_of(&in->packet);
	if (in->behind)
		check_late(in->merge, in);
	return 0;
}

static int on_iface(void *arg, const struct iface *iface)
{
	struct input *in = arg;

	in->merge->err = merge_note_iface(in, iface);
	if (in->merge->err)
		log_error("%s: out of memory", in->path);
	return in->merge->err;
}

/* A block is due with the packet before it. Blocks of the proposed standard name processes by their pids, which are those of one
 * host: packets get comments instead. */
static int on_block(void *arg, const struct pcapng_block *block)
{
	struct input *in = arg;

	if (block->type == PCAPNG_SHB)
		in->section_first = in->nifaces;
	if (block->type == PCAPNG_APPLE_PROCESS)
		in->apples++;
	if (block->type == PCAPNG_SHB || process_block_is_standard(block->type, block->body, block->body_len))
		return 0;
	in->is_packet = false;
	in->block = *block;
	in->block.source = (uint32_t)in->number;
	in->state = INPUT_READY;
	return 0;
}

static void tell_open(struct merge *m, struct input *in)
{
	if (in->told_open || !reader_is_open(in->reader))
		return;
	in->told_open = true;
	m->config.told(m->config.arg, in->number, MERGE_OPENED);
}

static void end(struct merge *m, struct input *in, int ret)
{
	in->state = INPUT_OVER;
	reader_close(in->reader);
	/* What concerns all of them is said already. */
	if (!m->err)
		m->config.told(m->config.arg, in->number, ret == READER_END ? MERGE_ENDED : MERGE_BROKE);
}

void merge_advance(struct merge *m, struct input *in)
{
	const struct reader_handler handler = {
		.arg = in,
		.detail = m->handler->detail,
		.iface = on_iface,
		.packet = on_packet,
		.block = on_block,
	};
	int ret = READER_MORE;

	in->state = INPUT_WAITS;
	in->detached = in->full = false;
	in->head_since = 0;
	while (in->state == INPUT_WAITS && ret == READER_MORE) {
		ret = reader_step(in->reader, &handler);
		tell_open(m, in);
	}
	if (in->state == INPUT_READY) {
		in->silent = false;
	} else if (ret == -EAGAIN) {
		in->waits_since = clock_ns(CLOCK_MONOTONIC);
		m->nwaiting++;
	} else {
		end(m, in, ret);
	}
}

/* --- all of them -------------------------------------------------------------------- */

static bool is_before(const struct input *a, const struct input *b)
{
	return a->key != b->key ? a->key < b->key : a->number < b->number;
}

/* The heap below place i is in order but for what is there. */
static void sift_down(struct merge *m, size_t i)
{
	struct input *in = m->heap[i];

	for (size_t child; (child = 2 * i + 1) < m->nheap; i = child) {
		if (child + 1 < m->nheap && is_before(m->heap[child + 1], m->heap[child]))
			child++;
		if (is_before(in, m->heap[child]))
			break;
		m->heap[i] = m->heap[child];
	}
	m->heap[i] = in;
}

void merge_push(struct merge *m, struct input *in)
{
	size_t i;

	if (in->state != INPUT_READY)
		return;
	for (i = m->nheap++; i && is_before(in, m->heap[(i - 1) / 2]); i = (i - 1) / 2)
		m->heap[i] = m->heap[(i - 1) / 2];
	m->heap[i] = in;
}

/* Owners that only blocks tell which are not handed on. */
static bool lacks_comments(const struct input *in, const struct packet *p)
{
	struct process_options o;

	if (!p->of_blocks || !p->annot)
		return false;
	process_options_parse(&o, p->options, p->options_len);
	if (!o.has_pid || (o.has_process && o.process < in->apples))
		return false;
	/* The number is in the packet. */
	return p->annot->has != ANNOT_PROCESS || !str_eq(p->annot->process.cmd, str_of(ANNOT_UNKNOWN));
}

static int deliver_packet(struct merge *m, struct input *in)
{
	struct packet p = in->packet;

	p.iface = &in->ifaces[p.iface->id]->pub;
	if (lacks_comments(in, &p)) {
		in->options.len = 0;
		buf_put(&in->options, p.options, p.options_len);
		annotation_encode(&annotation_schema, &in->options, p.annot, ANNOT_ALL);
		p.options = (const uint8_t *)in->options.p;
		p.options_len = in->options.len;
	}
	if (in->key > m->newest) {
		m->newest = in->key;
		m->newest_of = in;
	}
	return m->handler->packet(m->handler->arg, &p);
}

/* Statistics, of which interface of ours. False: of none. */
static bool renumber(struct input *in, struct pcapng_block *block)
{
	const size_t known = in->nifaces - in->section_first;
	uint32_t number;

	if (block->body_len < sizeof(number))
		return false;
	number = get32(block->body, false);
	if (number >= known)
		return false;
	number = in->ifaces[in->section_first + number]->pub.id;
	in->options.len = 0;
	buf_put(&in->options, block->body, block->body_len);
	memcpy(in->options.p, &number, sizeof(number));
	block->body = (const uint8_t *)in->options.p;
	return true;
}

static int deliver_block(struct merge *m, struct input *in)
{
	struct pcapng_block block = in->block;

	if (!m->handler->block || (block.type == PCAPNG_ISB && !renumber(in, &block)))
		return 0;
	return m->handler->block(m->handler->arg, &block);
}

static int deliver(struct merge *m, struct input *in)
{
	int ret = m->started ? 0 : merge_start(m);

	if (!ret && in->announced < in->nifaces)
		ret = merge_announce(m, in);
	if (ret)
		return ret;
	m->fresh = true;
	return in->is_packet ? deliver_packet(m, in) : deliver_block(m, in);
}

/* What is due, if anything is, and what its input has behind it. */
static int deliver_first(struct merge *m)
{
	struct input *in = m->nheap ? m->heap[0] : NULL;
	const int ret = in ? deliver(m, in) : 0;

	if (ret || !in)
		return ret;
	merge_advance(m, in);
	if (in->state != INPUT_READY)
		m->heap[0] = m->heap[--m->nheap];
	if (m->nheap)
		sift_down(m, 0);
	return m->err;
}

static int turn(struct merge *m)
{
	uint64_t until = UINT64_MAX;
	int ret = 0;

	if (m->nwaiting) {
		if (!m->nheap || merge_holds(m, &until))
			return merge_wait(m, until);
		if (++m->unlooked >= LOOK_EACH) {
			m->unlooked = 0;
			ret = merge_look(m);
		}
	}
	return ret ? ret : deliver_first(m);
}

/* Interfaces of which there was no packet. */
static int announce_rest(struct merge *m)
{
	int ret = m->started ? 0 : merge_start(m);

	for (size_t i = 0; i < m->n && !ret; i++)
		ret = merge_announce(m, m->inputs[i]);
	return ret;
}

static int begin(struct merge *m)
{
	m->heap = calloc(m->n ? m->n : 1, sizeof(struct input *));
	if (!m->heap) {
		log_error("out of memory");
		return -ENOMEM;
	}
	for (size_t i = 0; i < m->n && !m->err; i++) {
		if (m->inputs[i]->state != INPUT_WAITS)
			continue;
		m->nwaiting--;
		merge_advance(m, m->inputs[i]);
		merge_push(m, m->inputs[i]);
	}
	return m->err;
}

/* > 0: a signal asks for the end. */
static int heed(const struct merge *m)
{
	if (!m->config.interrupted || !*m->config.interrupted)
		return 0;
	return m->config.woken ? m->config.woken(m->config.arg) : 1;
}

int merge_run(struct merge *m, const struct reader_handler *handler)
{
	int ret;

	m->handler = handler;
	ret = begin(m);
	while (!ret && (m->nheap || m->nwaiting)) {
		ret = heed(m);
		if (!ret)
			ret = turn(m);
	}
	if (!ret)
		ret = announce_rest(m);
	return ret < 0 ? ret : 0;
}

void merge_open(struct merge *m)
{
	static const struct reader_handler none;

	for (size_t i = 0; i < m->n; i++) {
		struct input *in = m->inputs[i];
		int ret = READER_MORE;

		while (ret == READER_MORE && !reader_is_open(in->reader))
			ret = reader_step(in->reader, &none);
		tell_open(m, in);
		if (ret == READER_MORE || ret == -EAGAIN)
			continue;
		m->nwaiting--;
		end(m, in, ret);
	}
}

size_t merge_inputs(const struct merge *m)
{
	return m->n;
}

const struct reader *merge_reader(const struct merge *m, size_t input)
{
	return m->inputs[input]->reader;
}

bool merge_is_live(const struct merge *m, size_t input)
{
	return m->inputs[input]->live;
}

size_t merge_input_of(const struct merge *m, const struct iface *iface)
{
	return m->ifaces[iface->id]->input;
}

uint64_t merge_late(const struct merge *m, size_t input)
{
	return m->inputs[input]->late;
}

void merge_free(struct merge *m)
{
	if (!m)
		return;
	merge_ifaces_free(m);
	for (size_t i = 0; i < m->n; i++)
		input_free(m->inputs[i]);
	free(m->inputs);
	free(m->heap);
	free(m);
}
