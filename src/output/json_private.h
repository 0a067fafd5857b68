/* SPDX-License-Identifier: BSD-3-Clause */
/* What objects of packets and of flows share (json_common.c). */
#ifndef OUTPUT_JSON_PRIVATE_H
#define OUTPUT_JSON_PRIVATE_H

#include "output/json.h"
#include "output/json_ends.h"
#include "output/json_owner.h"
#include "output/json_put.h"

enum { JSON_DIRECTIONS = DIR_OUT + 1 };

/* Of one interface, by the direction of its packets. */
struct json_iface {
	const struct iface *iface; /* NULL: nothing has been made */
	struct {
		struct buf members; /* ,"observer":{...} */
		struct buf ours;    /* likewise of "ptcpdump" */
	} way[JSON_DIRECTIONS];
};

struct json_common {
	struct json_config config;
	struct buf buf; /* whole lines */
	struct json_clock clock;
	struct json_ends *ends;
	struct json_owners *owners;
	struct json_iface *ifaces; /* by iface->id */
	size_t nifaces;
	struct output_counts counts;
	bool counted; /* counts has been told */
};

/* -errno, logged. */
int json_common_init(struct json_common *c, const struct json_config *config);
void json_common_done(struct json_common *c);
/* Of the interface; NULL: out of memory. */
const struct json_iface *json_common_iface(struct json_common *c, const struct iface *iface);
/* It is announced: another source may begin. -errno */
int json_common_announce(struct json_common *c, const struct iface *iface);
/* As the operation. */
int json_common_count(struct json_common *c, const struct output_counts *counts);
/* {"@timestamp":...,"ecs":... */
void json_put_begin(struct json_common *c, uint64_t ns);
/* A line is complete. -errno */
int json_line_end(struct json_common *c);
int json_flush(struct json_common *c);
/* Live, the object that tells what was captured and lost; then all is written. -errno */
int json_common_finish(struct json_common *c);

#endif
