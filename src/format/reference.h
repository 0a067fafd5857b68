/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Comments that stand for those of an earlier packet: who it is, in short, and "SameAs: " with a cryptographic hash of what the
 * full comments say. So it names the same in whatever file, and where the full ones are missing, or were changed, nothing;
 * and nobody can choose arguments so that it is also that of somebody else.
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

/*
 * What comments may refer to: those of which less than so many other texts, of so many bytes, came since they were last
 * written in full. Writers keep to it, readers remember as much at least.
 */
enum {
	REMEMBERED_TEXTS = 4096,
	REMEMBERED_BYTES = 8 << 20,
};

/* Bytes of comments. To longer ones nothing refers: written anew, the packets of a small file would fill a disk. */
enum { REFERRED_MAX = 64 << 10 };

enum { REFERENCE_LEN = 16 };

struct reference {
	uint8_t hash[REFERENCE_LEN];
};

/* Of comment options as annotation_encode() writes them. */
struct reference reference_of(const uint8_t *comments, size_t len);
/* Appends the comment options. */
void reference_put(struct buf *b, const struct annotation *a, const struct reference *reference);
/* Whether a comment is one. */
bool reference_parse(struct str comment, struct reference *reference);
/* Appends the options of a packet that are annotations and references to own (NULL: nowhere), the others to others. False: there
 * is a reference among them. */
bool reference_split(const uint8_t *options, size_t len, struct buf *own, struct buf *others);

#endif
