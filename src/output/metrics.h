/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --metrics: counters in the text format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/), for the textfile
 * collector of node_exporter. They never go down. Labels are names, of which there are some: never pids, addresses or ports.
 */
#ifndef OUTPUT_METRICS_H
#define OUTPUT_METRICS_H

#include "output/metrics_file.h"
#include "output/output.h"

struct metrics_config {
	struct metrics_file *file; /* not ours; NULL: nothing is written, for tests */
	uint64_t interval;	   /* ns */
	size_t series_max;	   /* 0: the usual 1,000; what is beyond is counted as process "others" */
	const char *version;
};

/* -ENOMEM */
int output_metrics_new(struct output **ret, const struct metrics_config *config);
/* What it would write now. */
void output_metrics_put(const struct output *o, struct buf *b);

#endif
