/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/file_comments.h"

#include <stdlib.h>
#include <string.h>

#include "format/comments.h"

enum { REFERENCES = 255 }; /* then full comments again: files get cut */

void file_comments_forget(struct file_comments *f)
{
	if (!f->texts)
		return;
	for (size_t i = 0; i < COMMENT_SLOTS; i++) {
		free(f->slots[i].p);
		f->slots[i] = (struct comments){ 0 };
	}
	f->texts = f->bytes = 0;
}

void file_comments_count(struct file_comments *f, size_t texts, size_t bytes)
{
	if (f->texts + texts > REMEMBERED_TEXTS || f->bytes + bytes > REMEMBERED_BYTES)
		file_comments_forget(f);
	f->texts += texts;
	f->bytes += bytes;
}

static struct comments *make_comments(struct file_comments *f, const struct annotation *a, unsigned context,
				      bool compact)
{
	size_t always, once, brief_at;
	struct reference reference;
	struct comments *c;
	uint8_t *p;

	annotation_encode(&annotation_schema, &f->scratch, a, context & ~(unsigned)TOLD_ONCE);
	always = f->scratch.len;
	annotation_encode(&annotation_schema, &f->scratch, a, context & TOLD_ONCE);
	once = f->scratch.len - always;
	brief_at = f->scratch.len;
	if (compact && always <= REFERRED_MAX) {
		reference = reference_of((const uint8_t *)f->scratch.p, always);
		reference_put(&f->scratch, a, &reference);
	}
	/* With what is told once they are another text. */
	file_comments_count(f, once ? 2 : 1, f->scratch.len + (once ? always : 0));
	c = &f->slots[a->serial & (COMMENT_SLOTS - 1)];
	p = realloc(c->p, f->scratch.len + 1);
	if (!p) {
		f->scratch.len = 0;
		return NULL;
	}
	*c = (struct comments){
		.serial = a->serial,
		.p = p,
		.len = always,
		.once = once,
		.brief_at = brief_at,
		.brief = f->scratch.len - brief_at,
	};
	if (f->scratch.len)
		memcpy(c->p, f->scratch.p, f->scratch.len);
	f->scratch.len = 0;
	return c;
}

/* Serials are handed out in order, so neighbours do not share a slot. */
struct comments *file_comments_find(struct file_comments *f, const struct annotation *a, unsigned context, bool compact)
{
	struct comments *c = &f->slots[a->serial & (COMMENT_SLOTS - 1)];

	return c->serial == a->serial ? c : make_comments(f, a, context, compact);
}

size_t file_comments_take(struct comments *c, const uint8_t **ret)
{
	const size_t once = c->once;

	if (c->references) {
		c->references--;
		*ret = c->p + c->brief_at;
		return c->brief;
	}
	if (!once && c->brief && c->brief < c->len)
		c->references = REFERENCES;
	c->once = 0;
	*ret = c->p;
	return c->len + once;
}

void file_comments_done(struct file_comments *f)
{
	file_comments_forget(f);
	buf_done(&f->scratch);
}
