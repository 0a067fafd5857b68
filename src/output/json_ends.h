/* SPDX-License-Identifier: BSD-3-Clause */
/* What is the same in all packets of a flow in one direction: both ends, and the network between them. Made once, then kept. */
#ifndef OUTPUT_JSON_ENDS_H
#define OUTPUT_JSON_ENDS_H

#include "headers.h"
#include "util/buf.h"

struct json_ends;

/* NULL: out of memory, or the library has no SHA-1. */
struct json_ends *json_ends_new(void);
/* ,"source":{...},"destination":{...},"network":{"type":...   without the last brace; the network's text ends in a comma, or is its
 * brace. Borrowed until the next call. */
struct str json_ends_get(struct json_ends *e, const struct headers *h);
/* Of a flow, without what its packets count for: the members of "source", "destination" and "network", each with a comma in front. */
void json_ends_put_source(struct buf *b, const struct headers_tuple *t);
void json_ends_put_destination(struct buf *b, const struct headers_tuple *t);
void json_ends_put_network(struct buf *b, const struct headers *h);
void json_ends_free(struct json_ends *e);

#endif
