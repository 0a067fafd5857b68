/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/option_memo.h"

#include <stdlib.h>

#include "format/pcapng.h"
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
	uint8_t options[KEPT_MAX];
};

struct set {
	struct kept kept[WAYS];
	unsigned next; /* is replaced next */
};

struct option_memo {
	struct annot_cache *annots;
	unsigned turns;		   /* of annots */
	struct options_told other; /* of options that are not kept */
	struct set sets[SETS];
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

/* Annotations that were not asked for lately go; what is found here was not asked for. */
static void forget_turned(struct option_memo *m)
{
	if (m->turns == annot_cache_turns(m->annots))
		return;
	m->turns = annot_cache_turns(m->annots);
	for (size_t i = 0; i < SETS; i++) {
		for (size_t way = 0; way < WAYS; way++)
			m->sets[i].kept[way].len = 0;
	}
}

static void read_options(struct option_memo *m, const uint8_t *options, size_t len, struct options_told *told)
{
	struct pcapng_options o = { options, options + len };
	const uint8_t *value, *first = NULL, *last = NULL;
	uint16_t code, n;

	*told = (struct options_told){ 0 };
	while (pcapng_next_option(&o, &code, &value, &n)) {
		if (code == OPT_COMMENT) {
			if (!first)
				first = value - 4;
			last = o.p;
		} else if (code == EPB_FLAGS && n == 4) {
			const uint32_t direction = get32(value, false) & 3;

			told->dir = direction == 1 ? DIR_IN : direction == 2 ? DIR_OUT : DIR_NONE;
		}
	}
	told->len = (size_t)(o.p - options);
	if (!first)
		return;
	told->annot = annot_cache_get(m->annots, first, (size_t)(last - first));
	forget_turned(m);
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
	struct kept *k;
	struct set *set;

	if (len < KEPT_MIN || len > KEPT_MAX) {
		read_options(m, options, len, &m->other);
		return &m->other;
	}
	set = set_of(m, options, len);
	for (size_t i = 0; i < WAYS; i++) {
		k = &set->kept[i];
		if (k->len == len && memcmp(k->options, options, len) == 0)
			return &k->told;
	}
	k = &set->kept[set->next++ % WAYS];
	read_options(m, options, len, &k->told);
	memcpy(k->options, options, len);
	k->len = len;
	return &k->told;
}

void option_memo_free(struct option_memo *m)
{
	if (!m)
		return;
	annot_cache_free(m->annots);
	free(m);
}
