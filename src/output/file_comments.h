/* SPDX-License-Identifier: BSD-3-Clause */
/* The comment options of annotations that a pcapng output has written lately, so that they are made once. */
#ifndef OUTPUT_FILE_COMMENTS_H
#define OUTPUT_FILE_COMMENTS_H

#include "annotation.h"
#include "format/reference.h"
#include "util/buf.h"

enum { COMMENT_SLOTS = REMEMBERED_TEXTS }; /* a power of two */

/* The comment options of one annotation. */
struct comments {
	uint64_t serial;
	uint8_t *p;
	size_t len;
	size_t once; /* so many bytes more, for its next packet alone */
	/* compact: those that refer to the others behind all of them, and how often they may still be used. */
	size_t brief_at, brief;
	unsigned references;
	/* Options that name its process by the blocks of this file; len 0: they are not known. */
	uint8_t process[32];
	uint8_t process_len;
};

/* All zero to begin with. */
struct file_comments {
	size_t texts, bytes; /* written since all were forgotten */
	struct buf scratch;
	struct comments slots[COMMENT_SLOTS];
};

void file_comments_forget(struct file_comments *f);
/* Comments that were not written before come: readers remember as many, so what came before them is written anew in time. */
void file_comments_count(struct file_comments *f, size_t texts, size_t bytes);
/* NULL: no memory. */
struct comments *file_comments_find(struct file_comments *f, const struct annotation *a, unsigned context,
				    bool compact);
/* Those that the packet gets, at *ret; their length. What is told once is not told to those that only know a reference. */
size_t file_comments_take(struct comments *c, const uint8_t **ret);
void file_comments_done(struct file_comments *f);

#endif
