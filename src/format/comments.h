/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Annotations as comment options of a packet: one comment per group (process, thread, user...), one "Key: value" line
 * per field. A newline inside a value is written as \n, and the backslashes in front of such an n are doubled, so that
 * every value comes back as it was and most are written as they are.
 */
#ifndef FORMAT_COMMENTS_H
#define FORMAT_COMMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "annotation.h"
#include "util/buf.h"

/* Appends the comment options (host byte order, without end mark) of the groups in context. */
void annotation_encode(const struct annot_schema *s, struct buf *b, const struct annotation *a, unsigned context);
/* Reads options in host byte order, of this program or the older one. *ret: one allocation, for free(); NULL when no
 * comment is an annotation. -ENOMEM. */
int annotation_decode(const struct annot_schema *s, struct annotation **ret, const uint8_t *options, size_t len,
		      uint64_t serial);

/* The ANNOT_* bit of the group whose comment this is; 0: somebody's note. */
unsigned annotation_group(const struct annot_schema *s, struct str comment);

#endif
