/* SPDX-License-Identifier: BSD-3-Clause */
/* What --top shows. */
#ifndef OUTPUT_TOP_SCREEN_H
#define OUTPUT_TOP_SCREEN_H

#include "output/screen.h"
#include "output/top_view.h"
#include "packet.h"

struct top_shown {
	struct flows *flows;
	struct top_view *view; /* its offset is lowered to what there is, its page set */
	const char *expr;      /* "": none */
	const struct iface *const *ifaces;
	size_t nifaces;
	uint64_t
		interval; /* ns between the last two calls of flows_tick(); 0: there were none, and rates are averages */
	bool captures;	  /* drops are told */
	uint64_t dropped; /* packets */
	bool message;	  /* the last line of standard error is shown */
	bool complete;	  /* no more packets come */
	bool utc;
};

/* -ENOMEM */
int top_draw(struct screen *s, const struct top_shown *shown);

#endif
