/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets, or flows, as lines of JSON in the names of the Elastic Common Schema (docs/json.md): each line is a valid object in
 * UTF-8, whatever packets and names hold.
 */
#ifndef OUTPUT_JSON_H
#define OUTPUT_JSON_H

#include "output/output.h"

struct json_config {
	int fd;
	bool args, labels;			  /* those of processes, and of containers and pods, are told */
	bool by_line;				  /* each line is written at once */
	bool live;				  /* at the end, an object tells of drops; flows end by the clock too */
	uint64_t flow_interval;			  /* ns, how often a flow that goes on is told of; 0: only its end is */
	const volatile sig_atomic_t *interrupted; /* see fd_write() */
	size_t *taken;				  /* see struct text_config */
};

/* Opens all that it takes, as output_text_new(). -errno, logged. */
int output_json_new(struct output **ret, const struct json_config *config);
int output_json_flow_new(struct output **ret, const struct json_config *config);

/* How many of a packet's first bytes its object depends on. */
uint32_t output_json_reach(const struct packet *packet);

#endif
