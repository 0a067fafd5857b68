/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines that come from another host: hostile, and of any length. */
#ifndef REMOTE_LINES_H
#define REMOTE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	REMOTE_LINE_MAX = 1024,	 /* bytes; what is longer is cut */
	REMOTE_LINES_SAID = 2000 /* of one host; more is left out, which is said */
};

/* Of a stream of bytes. */
struct remote_lines {
	char line[REMOTE_LINE_MAX + 1];
	size_t n;
	bool cut; /* it was longer */
};

/* One more byte: true when it ends a line, which then is in l->line without its end, NUL-terminated, and is begun anew. */
bool remote_lines_put(struct remote_lines *l, char c);
/* The last one, which has no end. False: there is none. */
bool remote_lines_end(struct remote_lines *l);

/* What a capture prints at its end. */
struct remote_counts {
	uint64_t captured, received, dropped; /* packets */
	unsigned known;			      /* how many of them were told */
};

/* The messages of one host. */
struct remote_messages {
	const char *host;
	struct remote_lines lines;
	struct remote_counts counts;
	unsigned said;
	bool sudo; /* sudo has complained */
};

/* Bytes of its standard error: each line goes to ours as "HOST: text", without what moves the cursor; the three that count
 * packets as one. */
void remote_messages_put(struct remote_messages *m, const char *p, size_t n);
/* Nothing more comes. */
void remote_messages_end(struct remote_messages *m);

#endif
