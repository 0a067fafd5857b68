/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/option_memo.h"

#include <stdlib.h>

#include "format/comments.h"
#include "format/pcapng.h"
#include "format/reference.h"
#include "reader/annot_cache.h"

enum {
	SETS = 64, /* a power of two */
	WAYS = 2,
	SAMPLES = 8,
	KEPT_MIN = 64, /* shorter ones are read as fast */
	KEPT_MAX = 984,
};

/* Some options, and what they tell. */
struct kept {
	size_t len; /* 0: none */
	struct options_told told;
	bool expanded;	 /* told.options are those of full, else those that came */
	struct buf full; /* with the comments that the ones that came refer to */
};

struct set {
	struct kept kept[WAYS];
	unsigned next; /* is replaced next */
};

struct option_memo {
	struct annot_cache *annots;
	unsigned lost;	   /* of annots */
	struct kept other; /* what is not kept */
	struct buf scratch;
	struct set sets[SETS];
	uint8_t options[SETS][WAYS][KEPT_MAX]; /* last: pages that are never used cost nothing */
};

struct option_memo *option_memo_new(void)
{
	struct option_memo *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->annots = annot_cache_new();
	if (!m->annots) {
		free(m);
		return NULL;
	}
	return m;
}

/* Annotations that were not asked for lately go, and what is found here was not asked for; references lose their meaning. */
static void forget_lost(struct option_memo *m)
{
	if (m->lost == annot_cache_lost(m->annots))
		return;
	m->lost = annot_cache_lost(m->annots);
	for (size_t i = 0; i < SETS; i++) {
		for (size_t way = 0; way < WAYS; way++)
			m->sets[i].kept[way].len = 0;
	}
}

/*
 * The annotation of full comments that came before, if the short ones are those of its reference, and nothing else. Options with
 * the full ones go to full.
 */
static const struct annotation *resolve(struct option_memo *m, const uint8_t *options, size_t len,
					const struct reference *reference, struct buf *full)
{
	const struct annotation *annot = annot_cache_named(m->annots, reference);
	size_t others;

	if (!annot)
		return NULL;
	full->len = 0;
	m->scratch.len = 0;
	reference_split(options, len, &m->scratch, full);
	others = full->len;
	reference_put(full, annot, reference);
	if (full->len - others != m->scratch.len || memcmp(full->p + others, m->scratch.p, m->scratch.len) != 0)
		return NULL;
	full->len = others;
	annotation_encode(&annotation_schema, full, annot, ANNOT_ALL);
	return annot;
}

static void set_annotation(struct option_memo *m, const uint8_t *options, const uint8_t *first, const uint8_t *last,
			   const struct reference *reference, struct kept *k)
{
	struct options_told *told = &k->told;

	if (reference)
		told->annot = resolve(m, options, told->len, reference, &k->full);
	k->expanded = told->annot != NULL;
	if (k->expanded) {
		told->options = (const uint8_t *)k->full.p;
		told->len = k->full.len;
	} else {
		told->annot = annot_cache_get(m->annots, first, (size_t)(last - first));
		told->lost = reference != NULL;
	}
	forget_lost(m);
}

static void read_options(struct option_memo *m, const uint8_t *options, size_t len, struct kept *k)
{
	struct pcapng_options o = { options, options + len };
	const uint8_t *value, *first = NULL, *last = NULL;
	struct options_told *told = &k->told;
	struct reference reference;
	bool refers = false;
	uint16_t code, n;

	*told = (struct options_told){ .options = options };
	k->expanded = false;
	while (pcapng_next_option(&o, &code, &value, &n)) {
		if (code == OPT_COMMENT) {
			if (!first)
				first = value - 4;
			last = o.p;
			refers |= reference_parse((struct str){ (const char *)value, n }, &reference);
		} else if (code == EPB_FLAGS && n == 4) {
			const uint32_t direction = get32(value, false) & 3;

			told->dir = direction == 1 ? DIR_IN : direction == 2 ? DIR_OUT : DIR_NONE;
		} else {
			process_options_note(&told->process, code, value, n);
		}
	}
	told->names_process = told->process.has_process || told->process.has_effective || told->process.has_pid;
	told->len = (size_t)(o.p - options);
	if (first)
		set_annotation(m, options, first, last, refers ? &reference : NULL, k);
}

/* By some of the bytes, of all parts: direction and pid at the beginning, then thread, parent, peer. */
static struct set *set_of(struct option_memo *m, const uint8_t *p, size_t len)
{
	const size_t step = (len - sizeof(uint64_t)) / (SAMPLES - 1);
	uint64_t h = len;

	for (size_t i = 0; i < SAMPLES; i++, p += step)
		h = (h ^ get64(p, false)) * 0x9e3779b97f4a7c15ULL;
	return &m->sets[h >> 58];
}

_Static_assert(SETS == 1 << (64 - 58), "places of the memo");

const struct options_told *option_memo_get(struct option_memo *m, const uint8_t *options, size_t len)
{
	uint8_t(*came)[KEPT_MAX];
	struct kept *k;
	struct set *set;
	unsigned way;

	if (len < KEPT_MIN || len > KEPT_MAX) {
		read_options(m, options, len, &m->other);
		return &m->other.told;
	}
	set = set_of(m, options, len);
	came = m->options[set - m->sets];
	for (way = 0; way < WAYS; way++) {
		k = &set->kept[way];
		if (k->len == len && memcmp(came[way], options, len) == 0) {
			if (!k->expanded)
				k->told.options = options;
			return &k->told;
		}
	}
	way = set->next++ % WAYS;
	k = &set->kept[way];
	read_options(m, options, len, k);
	memcpy(came[way], options, len);
	/* What it refers to may come yet. */
	k->len = k->told.lost ? 0 : len;
	return &k->told;
}

const struct annotation *option_memo_annotation(struct option_memo *m, const uint8_t *comments, size_t len)
{
	const struct annotation *annot = annot_cache_get(m->annots, comments, len);

	forget_lost(m);
	return annot;
}

bool option_memo_failed(const struct option_memo *m)
{
	return annot_cache_failed(m->annots);
}

void option_memo_set_serials(struct option_memo *m, uint64_t first)
{
	annot_cache_set_serials(m->annots, first);
}

void option_memo_free(struct option_memo *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < SETS; i++) {
		for (size_t way = 0; way < WAYS; way++)
			buf_done(&m->sets[i].kept[way].full);
	}
	buf_done(&m->other.full);
	buf_done(&m->scratch);
	annot_cache_free(m->annots);
	free(m);
}
