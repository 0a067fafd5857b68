/* SPDX-License-Identifier: BSD-3-Clause */
/* Where only counts are wanted: the programs add packets up (bpf/count.bpf.h), and this reads the sums. See docs/counting.md. */
#ifndef CAPTURE_COUNTS_H
#define CAPTURE_COUNTS_H

#include <ptcpdump/count.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capture;
struct ptcpdump;

struct counts {
	bool active;
	uint32_t slots, cpus;	    /* as the programs' settings */
	struct count_slot *map;	    /* both halves, shared with the programs; NULL: not yet */
	size_t mapped;		    /* bytes */
	uint64_t last, next, again; /* CLOCK_MONOTONIC ns: of reading, when to read, and when to look at what waits */
	/* Those that have been read and may become somebody else's. */
	struct count_slot *waiting;
	size_t nwaiting, room;
};

/*
 * Decides whether the programs are to count, which then leave one ring of the least size unused; before the programs are sized. total:
 * bytes that rings would take.
 */
bool counts_plan(struct capture *c, size_t total);
/* Between open and load of the skeleton: sizes and settings. */
void counts_prepare(const struct capture *c, struct ptcpdump *skel);
/* After the load. 0 or a negative errno, not logged. */
int counts_open(struct capture *c);
/* Reads when that is due, and hands on what waited. 0, or what the handler returned to end it all. */
int counts_deliver(struct capture *c);
/* In how many ns counts_deliver() has to be called, unless the programs wake us before. */
uint64_t counts_due(const struct capture *c);
void counts_free(struct counts *counts);

#endif
