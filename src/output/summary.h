/* SPDX-License-Identifier: BSD-3-Clause */
/* --summary: in place of packets a table of who talks, at the end and when asked for. */
#ifndef OUTPUT_SUMMARY_H
#define OUTPUT_SUMMARY_H

#include "flows/flows.h"
#include "output/output.h"

struct summary_config {
	enum flows_by by;
	int fd; /* 1 */
	bool utc;
	const volatile sig_atomic_t *interrupted; /* see fd_write() */
};

/* -ENOMEM */
int output_summary_new(struct output **ret, const struct summary_config *config);
/* Appends the table of what is in f, of all its rows. -ENOMEM */
int summary_put(struct buf *b, struct flows *f, enum flows_by by, bool utc);

#endif
