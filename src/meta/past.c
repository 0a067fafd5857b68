/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/past.h"

#include <stdlib.h>

enum { PAST_MAX = 8 };

struct past {
	struct process p;
	struct image *image;
	uint64_t heard; /* that it is past, CLOCK_MONOTONIC ns: its packets may be read as late as that */
};

static struct past *past_of(struct process *p)
{
	return (struct past *)p; /* its first member */
}

void past_free(struct process *p)
{
	for (struct process *past = p->before, *before; past; past = before) {
		before = past->before;
		image_put(past_of(past)->image);
		free(past_of(past));
	}
	p->before = NULL;
}

static void forget(struct process *now)
{
	const uint64_t last = now->before ? past_of(now->before)->heard : 0;
	struct process *p = now;

	for (unsigned n = 0; n < PAST_MAX && p->before && past_of(p->before)->heard + PAST_KEEP_NS >= last; n++)
		p = p->before;
	past_free(p);
}

void past_keep(struct process *now, struct image *image, uint64_t ts)
{
	struct past *past = malloc(sizeof(*past));

	if (past) {
		past->p = *now;
		past->image = image_get(image);
		past->heard = clock_ns(CLOCK_MONOTONIC);
		image_texts(&past->p, image);
		now->before = &past->p;
	}
	now->since = ts;
	forget(now);
}

struct image *past_image(struct process *p)
{
	return past_of(p)->image;
}

/* How well a state fits who is asked for; not that of another image, unless nothing else is known. */
static int fit(const struct process *p, uint16_t image)
{
	if (!image || p->image == image)
		return 2;
	return p->image == 0;
}

/* Newest first: an older one only as long as it fits better, or the time is before. */
struct process *past_find(struct process *now, uint16_t image, struct period *when)
{
	struct process *found = now;
	uint64_t until = UINT64_MAX;
	int best = fit(found, image);

	for (struct process *p = now->before; p; p = p->before) {
		const int fits = fit(p, image);

		if (fits < best || (fits == best && found->since <= when->at))
			continue;
		until = fits == best ? found->since : UINT64_MAX;
		best = fits;
		found = p;
	}
	period_narrow(when, found->since <= when->at ? found->since : 0, until);
	return found;
}
