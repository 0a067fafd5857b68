/* SPDX-License-Identifier: BSD-3-Clause */
/* What the keys of --top change: what is shown, and how. */
#ifndef OUTPUT_TOP_VIEW_H
#define OUTPUT_TOP_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "output/top_private.h"

enum { TOP_FILTER_MAX = 64 }; /* bytes, NUL included */

struct top_view {
	enum flows_by by;
	enum flows_sort sort;	     /* up to FLOWS_SORT_LAST */
	char filter[TOP_FILTER_MAX]; /* UTF-8; rows without it are not shown; "": all are */
	bool typing;		     /* keys go to the filter */
	bool paused, help;
	size_t offset;	  /* the first row that is shown; whoever draws lowers it to what there is */
	unsigned page;	  /* rows that fit, set by whoever draws */
	bool quit, clear; /* asked for, once */
};

/* As of keys.h. */
void top_view_key(struct top_view *v, uint32_t key);

#endif
