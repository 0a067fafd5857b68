/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who talks with whom, and how much: counts by flow, seen from its owner. A table that is bounded: of what was silent longest, the
 * counts go to its owner's, and where even owners are too many, to those of nobody in particular. So what all rows have is always
 * what was put in. Fed with packets, or with counts that were made of many elsewhere.
 */
#ifndef FLOWS_FLOWS_H
#define FLOWS_FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "headers.h"
#include "packet.h"

/* In the order of the words of --summary and --top. */
enum flows_by { FLOWS_BY_NONE, FLOWS_BY_PROCESS, FLOWS_BY_FLOW, FLOWS_BY_CONTAINER, FLOWS_BY_POD, FLOWS_BY_USER };

/* What an owner receives, and what it sends. */
enum flows_way { FLOWS_IN, FLOWS_OUT, FLOWS_WAYS };

/* A packet, or several of one flow in one direction on one interface. */
struct flows_sample {
	const struct iface *iface;
	const struct annotation *annot; /* NULL: nobody known */
	enum direction dir;
	struct headers_tuple tuple;		  /* as in the packet */
	uint64_t packets, bytes;		  /* on the wire */
	uint64_t first, last;			  /* ns since the epoch */
	uint8_t tcp_flags;			  /* of all of them, or-ed; 0 with other protocols */
	uint32_t syns, resets, fins, retransmits; /* packets; syns: without ACK */
	bool others; /* of flows that could not be told apart: tuple and annot say nothing */
};

struct flows_count {
	uint64_t packets, bytes;
};

struct flows_counts {
	struct flows_count way[FLOWS_WAYS];
	uint64_t retransmits, resets, connections; /* packets; connections: SYN without ACK */
	uint64_t first, last;			   /* ns since the epoch; 0: none */
	uint64_t recent;			   /* bytes, both ways, between the last two calls of flows_tick() */
	uint64_t marked;			   /* bytes at the last of them */
};

static inline uint64_t flows_packets_of(const struct flows_counts *n)
{
	return n->way[FLOWS_IN].packets + n->way[FLOWS_OUT].packets;
}

static inline uint64_t flows_bytes_of(const struct flows_counts *n)
{
	return n->way[FLOWS_IN].bytes + n->way[FLOWS_OUT].bytes;
}

void flows_counts_join(struct flows_counts *to, const struct flows_counts *n);
/* Of a packet without a direction and an owner: that somebody has received it. */
enum flows_way flows_way(const struct flows_sample *s);

/* A process or what else is known of one, kept as long as the table. annot: without what belongs to single packets (thread, peer). */
struct flows_owner {
	struct annotation *annot;   /* NULL: nobody known */
	bool others;		    /* those for whom there was no room */
	struct flows_counts folded; /* of its flows that are in the table no more */
	uint64_t hash;
};

struct flow {
	const struct iface *iface;
	struct flows_owner *owner;
	struct headers_tuple tuple; /* src is the owner's end */
	struct flows_counts n;
	uint32_t next_seq[FLOWS_WAYS]; /* behind the highest that was sent, when seq_known */
	bool seq_known[FLOWS_WAYS], fin[FLOWS_WAYS], reset;
	uint64_t told; /* free for who walks over the table */
	struct flows_counts told_counts;
	/* The table's own. */
	uint32_t hash, newer, older;
};

struct flows;

struct flows_config {
	size_t flows_max, owners_max; /* 0: the usual 65,536 and 8,192 */
	/* Of a flow that leaves the table, before its counts go to its owner; NULL: nobody asks. */
	void (*gone)(void *arg, struct flow *flow);
	void *arg;
};

/* -ENOMEM */
int flows_new(struct flows **ret, const struct flows_config *config);
/* Both: what was counted of the packet, sample->annot and iface borrowed from it; the flow is good until the next call, NULL: there was
 * no room for it. */
struct flow *flows_packet(struct flows *f, const struct packet *packet, struct flows_sample *sample);
struct flow *flows_add(struct flows *f, const struct flows_sample *sample);
/* Those that are in the table, the longest silent first. fn may not change the table. */
void flows_each(struct flows *f, void (*fn)(void *arg, struct flow *flow), void *arg);
/* Rates: recent is what came since the call before. */
void flows_tick(struct flows *f);
/* Ends flows that were silent since before, of those whose connection was closed since closed; gone() is told. ns since the epoch. */
void flows_expire(struct flows *f, uint64_t before, uint64_t closed);
/* All that was put in. */
struct flows_counts flows_total(const struct flows *f);
/* Interfaces with packets. */
size_t flows_ifaces(const struct flows *f);
/* Forgets all counts; owners stay. */
void flows_clear(struct flows *f);
void flows_free(struct flows *f);

/* Some flows together; strings belong to the table. */
struct flows_row {
	enum flows_by by;
	const struct annotation *annot; /* NULL: nobody known */
	bool others;
	struct flows_counts n;
	size_t flows;		   /* in the table */
	const struct iface *iface; /* of the busiest */
	struct headers_tuple
		tuple;	  /* of the busiest, src is the owner's end; family 0: not IP, or none is in the table */
	uint64_t busiest; /* its bytes */
};

enum flows_sort {
	FLOWS_SORT_BYTES,
	FLOWS_SORT_PACKETS,
	FLOWS_SORT_RATE,
	FLOWS_SORT_RETRANSMITS,
	FLOWS_SORT_NAME,
	FLOWS_SORT_LAST,
	FLOWS_SORT_AVERAGE /* bytes by the time from the first packet to the last */
};

/* One allocation for free(), sorted, the largest (of names: the first) first; their number, or -ENOMEM. */
ssize_t flows_rows(struct flows *f, enum flows_by by, enum flows_sort sort, struct flows_row **ret);

/* Some of the rows: the first ones of those that are wanted; the others are not sorted. */
struct flows_pick {
	bool (*wanted)(void *arg, const struct flows_row *row); /* NULL: all */
	void *arg;
	size_t most;
};

/* As flows_rows(). *of: how many are wanted. */
ssize_t flows_rows_first(struct flows *f, enum flows_by by, enum flows_sort sort, const struct flows_pick *pick,
			 struct flows_row **ret, size_t *of);

#endif
