/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Comments that stand for those of an earlier packet: who it is, in short, and "SameAs: " with a number that is made of what the
 * full comments say. So it names the same in whatever file, and where the full ones are missing, or were changed, nothing.
 */
#ifndef FORMAT_REFERENCE_H
#define FORMAT_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "annotation.h"
#include "util/buf.h"

/* Long, and asked for by readers that remember them: each file tells them with the first packet of an annotation. Nothing
 * refers to them. */
#define TOLD_ONCE (ANNOT_ANCESTORS | ANNOT_PEER_ANCESTORS | ANNOT_PEER_IMAGE | ANNOT_PEER_POD_LABELS)

/* Of comment options as annotation_encode() writes them. */
uint64_t reference_of(const uint8_t *comments, size_t len);
/* Appends the comment options. */
void reference_put(struct buf *b, const struct annotation *a, uint64_t reference);
/* Whether a comment is one. */
bool reference_parse(struct str comment, uint64_t *reference);
/* Appends the options of a packet that are annotations and references to own (NULL: nowhere), the others to others. False: there
 * is a reference among them. */
bool reference_split(const uint8_t *options, size_t len, struct buf *own, struct buf *others);

#endif
