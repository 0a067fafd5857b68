/* SPDX-License-Identifier: BSD-3-Clause */
/* The text of one annotation: a list at the end of a packet's line, or with -v a line for each group. */
#ifndef OUTPUT_TEXT_FIELDS_H
#define OUTPUT_TEXT_FIELDS_H

#include "annotation.h"
#include "util/buf.h"

/* Escaped so that it holds neither blank nor bracket, which stand around names. */
void text_put_name(struct buf *b, struct str name);
/* "curl.1234": what the short text shows of a group. */
void text_put_brief(struct buf *b, const struct annot_schema *s, const struct annotation *a, unsigned bit);
/* ", Thread [curl.1235], Pod [p.default]" */
void text_put_list(struct buf *b, const struct annot_schema *s, const struct annotation *a);
/* Each line begins with a line feed. */
void text_put_lines(struct buf *b, const struct annot_schema *s, const struct annotation *a);

#endif
