/* SPDX-License-Identifier: BSD-3-Clause */
/* Annotations by the option bytes they were read from: thousands of packets share one. Bounded; an annotation outlives
 * at least the next few thousand different ones. */
#ifndef READER_ANNOT_CACHE_H
#define READER_ANNOT_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct annotation;
struct annot_cache;
struct reference;

struct annot_cache *annot_cache_new(void);
/* options: in host byte order, without end mark. NULL: no annotation in there (or out of memory). */
const struct annotation *annot_cache_get(struct annot_cache *c, const uint8_t *options, size_t len);
/* The annotation that reference names, of those that annot_cache_get() returned lately; NULL: none, or several that differ. */
const struct annotation *annot_cache_named(struct annot_cache *c, const struct reference *reference);
/* How often it has let go of annotations that were not asked for lately, or of what references named. */
unsigned annot_cache_lost(const struct annot_cache *c);
/* There was no memory for an annotation. */
bool annot_cache_failed(const struct annot_cache *c);
/* Annotations get serials from this on. To be called first of all. */
void annot_cache_set_serials(struct annot_cache *c, uint64_t first);
void annot_cache_free(struct annot_cache *c);

#endif
