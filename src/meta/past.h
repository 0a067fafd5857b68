/* SPDX-License-Identifier: BSD-3-Clause */
/* What was true of a process before: struct process, before. Bounded by number and time. */
#ifndef META_PAST_H
#define META_PAST_H

#include "meta/image.h"
#include "meta/period.h"
#include "meta/process.h"
#include "util/clock.h"

/* Packets of the past may be in flight, or wait for something, for so long at most. */
#define PAST_KEEP_NS (10 * NSEC_PER_SEC)

/* From ts on something else will be true: keeps a copy of now, with a reference to image, whose texts it has. */
void past_keep(struct process *now, struct image *image, uint64_t ts);
/* What was true at when->at and of that image, 0 any; when is narrowed. */
struct process *past_find(struct process *now, uint16_t image, struct period *when);
/* Of what past_find() has found, unless that is now. */
struct image *past_image(struct process *p);
/* All that was before p. */
void past_free(struct process *p);

#endif
