/* SPDX-License-Identifier: BSD-3-Clause */
/* The names that a packet itself shows: what a DNS message asks for, and the server that a TLS client means. */
#ifndef OUTPUT_JSON_NAMES_H
#define OUTPUT_JSON_NAMES_H

#include "headers.h"
#include "util/buf.h"

/* What a payload may be, by its ports and its first bytes; json_names_put() looks at the rest. */
enum json_names { NAMES_NONE, NAMES_DNS, NAMES_TLS };

enum { NAMES_BEGIN = 6 }; /* the bytes that tell */

enum json_names json_names_kind(const struct headers *h);
/* Adds ,"dns":{...} or ,"tls":{...}; false: nothing, since the payload is cut, or is something else. */
bool json_names_put(struct buf *b, const struct headers *h, enum json_names kind);

#endif
