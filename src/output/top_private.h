/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of --top share: top.c (the output), top_view.c (keys), top_draw.c (the screen), top_layout.c (which columns fit),
 * top_line.c (a row as a line). */
#ifndef OUTPUT_TOP_PRIVATE_H
#define OUTPUT_TOP_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flows/flows.h"
#include "util/buf.h"
#include "util/str.h"

enum top_column {
	TOP_COL_NAME,
	TOP_COL_PLACE, /* container or pod */
	TOP_COL_PEER,
	TOP_TEXTS, /* the ones before are */
	TOP_COL_BYTES_IN = TOP_TEXTS,
	TOP_COL_BYTES_OUT,
	TOP_COL_RATE,
	TOP_COL_PACKETS_IN,
	TOP_COL_PACKETS_OUT,
	TOP_COL_RETRANSMITS,
	TOP_COL_RESETS,
	TOP_COL_FIRST,
	TOP_COL_LAST,
	TOP_COLS,
};

/* What one line tells. */
struct top_row {
	struct str texts[TOP_TEXTS]; /* escaped */
	const struct flows_counts *n;
	uint64_t rate; /* bytes a second, both ways */
};

/* Where a column stands, from 0 on; of width 0: it does not fit. */
struct top_layout {
	struct {
		unsigned at, width;
	} columns[TOP_COLS];
};

/* width: what a line may have; wanted: what the longest texts take. */
void top_layout(struct top_layout *l, enum flows_by by, unsigned width, const unsigned wanted[TOP_TEXTS]);

/* At most width characters, at least 5: all digits, or else as flow_put_short(). */
void top_put_number(struct buf *b, uint64_t v, unsigned width);
void top_put_heads(struct buf *b, const struct top_layout *l, enum flows_by by, enum flows_sort sort);
void top_put_row(struct buf *b, const struct top_layout *l, const struct top_row *row, bool utc);
/* A line's end that is too long is cut off; what stands in it is escaped. */
void top_cut(struct buf *b, unsigned width);

#endif
