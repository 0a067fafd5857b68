/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What passes between sources (capture, reader), the join and the outputs.
 * Everything a packet points to is borrowed until the callback that delivered it returns, except
 * struct iface and struct annotation objects, which live as long as their source (see below).
 */
#ifndef PACKET_H
#define PACKET_H

#include <ptcpdump/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "annotation.h"

enum direction { DIR_NONE = EVENT_DIR_NONE, DIR_IN = EVENT_DIR_IN, DIR_OUT = EVENT_DIR_OUT };

/* One interface of a capture or a file. Made by the source, never freed before the source is. */
struct iface {
	uint32_t id;	   /* dense, from 0, in order of appearance; an index for per-interface tables */
	uint32_t ifindex;  /* 0 unknown */
	uint32_t netns;	   /* inode number of its network namespace, 0 unknown */
	bool other_netns;  /* not the namespace that ptcpdump runs in: printed as name@netns_name or name@netns */
	bool paired;	   /* live: one end of a pair of devices, whose other end is in another namespace, as of now */
	bool bridged;	   /* live: a port of a bridge, as of now */
	int dlt;	   /* DLT_* (pcap/dlt.h) of its packets */
	uint32_t snaplen;  /* bytes; 0 no limit */
	char *name;	   /* "" when a file does not tell; raw, escape before printing */
	char *description; /* if_description, NULL unknown */
	char *filter;	   /* capture filter expression, NULL none */
	char *netns_path;  /* NULL unknown */
	char *netns_name;  /* that it was asked for by; NULL: none */
	char *host; /* where it is, of packets of several hosts: printed behind all else as @host; NULL: not told */
	uint64_t received; /* as known so far: packets that passed the filter */
	uint64_t dropped;  /* of those, lost for want of ring space */
	uint32_t source;   /* of several that are merged, from 0: blocks of processes are numbered in each */
	bool from_file;	   /* read from a file: received and dropped mean nothing */
	uint8_t fcs_len;   /* bytes of frame check sequence at the end of each packet, 0 unknown or none */
	/* pcapng source only: the interface block's options verbatim in host byte order, for rewriting; NULL else */
	const uint8_t *options;
	size_t options_len;
	uint16_t file_linktype; /* with options: the number that stands in the block */
	uint64_t file_units;	/* with options: of its time stamps, per second */
};

struct packet {
	int64_t sec;  /* since the epoch, UTC; files may hold any value */
	int64_t nsec; /* files may hold nonsense below 0 or >= 10^9 (1000 * int32_t): print as tcpdump does */
	uint32_t caplen;
	uint32_t len;
	const uint8_t *data;
	const struct iface *iface;
	enum direction dir;
	const struct annotation *annot; /* NULL none */
	bool by_peer;			/* the process filter let it pass for its other end */
	/* pcapng source only: the block's options verbatim in host byte order, for rewriting; NULL else */
	const uint8_t *options;
	size_t options_len;
	uint64_t file_ts; /* with options: the time stamp as stored, in units of the interface's if_tsresol */
	bool of_blocks;	  /* with options: annot is what blocks of processes tell, at least in part */
	bool timeless;	  /* with options: the block has no time stamp and no options (a simple packet block) */
	/* text only: so many of the last bytes of data are not what they should be, since no text depends on them but by their sum as
	 * far as a checksum counts them: 16-bit words of this machine's order, carries added */
	uint32_t absent;
	uint16_t absent_sum;
	/* live source only, for the join */
	const struct event_packet *event;
	const struct event_packet *record; /* the same as it came, with the packet's bytes: for capture_matches() */
};

/* Its time in ns since the epoch; 0 for what is before it, UINT64_MAX for what is too late. */
static inline uint64_t packet_ns(const struct packet *packet)
{
	const __int128 ns = (__int128)packet->sec * 1000000000 + packet->nsec;

	if (ns < 0)
		return 0;
	return ns > UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

#endif
