/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who talks with whom, and how much: counts by flow, seen from one owner. A bounded table; what does not fit is counted as others.
 * Fed with packets, or with counts that the kernel has made of many (src/capture/counts.h).
 */
#ifndef FLOWS_FLOWS_H
#define FLOWS_FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "headers.h"
#include "packet.h"

/* In the order of the words of --summary and --top. */
enum flows_by { FLOWS_BY_NONE, FLOWS_BY_PROCESS, FLOWS_BY_FLOW, FLOWS_BY_CONTAINER, FLOWS_BY_POD, FLOWS_BY_USER };

/* By what a packet's owner sends and receives: index of counts. */
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
};

#endif
