/* SPDX-License-Identifier: BSD-3-Clause */
/* Values of JSON (RFC 8259), as those of the Elastic Common Schema are written. */
#ifndef OUTPUT_JSON_PUT_H
#define OUTPUT_JSON_PUT_H

#include "util/buf.h"
#include "util/decimal.h"

/* Text of the current second. */
struct json_clock {
	uint64_t sec; /* since the epoch */
	size_t len;   /* 0: nothing cached */
	char text[40];
};

/* With its quotes. Bytes that are no UTF-8 become U+FFFD; what is invisible or turns the text round is escaped. */
void json_put_string(struct buf *b, struct str s);
void json_put_number(struct buf *b, uint64_t v);
/* Quoted, a word of ours and a number that nobody counts with. */
void json_put_word(struct buf *b, const char *word);
void json_put_id(struct buf *b, uint32_t v);
/* Likewise quoted: UTC, with all digits of nanoseconds (RFC 3339). */
void json_put_time(struct buf *b, struct json_clock *clock, uint64_t ns);
/* family 4 or 6; network byte order. */
void json_put_ip(struct buf *b, unsigned family, const uint8_t *address);
/* RFC 7042, 2.1: "00-00-5E-00-53-23" */
void json_put_mac(struct buf *b, const uint8_t *mac);

/* A constant. */
#define JSON_PUT(b, text) buf_put(b, text, sizeof(text) - 1)

/*
 * An object whose members each begin with a comma: they follow the place that json_open() returns; json_close() leaves nothing of it when
 * there are none.
 */
struct json_object {
	size_t start, inside;
};
struct json_object json_open(struct buf *b, const char *name);
void json_close(struct buf *b, struct json_object object);

#endif
