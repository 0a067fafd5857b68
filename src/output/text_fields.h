/* SPDX-License-Identifier: BSD-3-Clause */
/* The text of one annotation: a list at the end of a packet's line, or with -v a line for each group. */
#ifndef OUTPUT_TEXT_FIELDS_H
#define OUTPUT_TEXT_FIELDS_H

#include <stdbool.h>

#include "annotation.h"
#include "packet.h"
#include "util/buf.h"

/* "curl.1234": what the short text shows of a group. */
void text_put_brief(struct buf *b, const struct annot_schema *s, const struct annotation *a, unsigned bit);

/* "web-0.prod/app": pod and container, or the one of them that is known; nothing when neither is. */
void text_put_context(struct buf *b, const struct annotation *a);

/* "eth0", of another network namespace "eth0@4026532300", behind that the host: "eth0@blue@web1"; nothing when it has no name. */
void text_put_iface(struct buf *b, const struct iface *iface);

struct text_style {
	unsigned unlisted; /* ANNOT_* that the list leaves out */
	bool by_peer;	   /* the packet was selected for its other end: that one is named, and marked */
	bool color;
};

/* ", ParentProc [sh.99], Pod [p.default]"; not what the text has said already. */
void text_put_list(struct buf *b, const struct annot_schema *s, const struct annotation *a,
		   const struct text_style *style);
/* Each line begins with a line feed. */
void text_put_lines(struct buf *b, const struct annot_schema *s, const struct annotation *a,
		    const struct text_style *style);

#endif
