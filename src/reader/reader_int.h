/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two file formats share inside the reader. */
#ifndef READER_INT_H
#define READER_INT_H

#include "format/pcapng.h"
#include "reader/reader.h"
#include "reader/stream.h"
#include "util/buf.h"

/* An interface with what its time stamps mean. */
struct reader_iface {
	struct iface pub;
	struct pcapng_timebase tb; /* pcapng */
	uint32_t cut;		   /* packets are cut at this many bytes (pcap, simple packets) */
	uint32_t max_caplen;	   /* more is damage */
};

enum pcap_lengths { LENGTHS_NORMAL, LENGTHS_SWAPPED, LENGTHS_MAYBE_SWAPPED };

struct reader {
	struct stream stream;
	char *path;
	bool may_be_empty;
	bool looked; /* at whether it is compressed */
	bool opened; /* its header has been read */
	bool begun;  /* pcap: its interface has been delivered */
	bool pcapng;
	bool swapped;		      /* pcapng: the current section */
	struct reader_iface **ifaces; /* all of the file; their addresses stay */
	size_t nifaces;
	/* pcap */
	bool nano;
	enum pcap_lengths lengths;
	uint32_t record_header; /* bytes */
	/* pcapng */
	size_t iface_bytes;   /* of their blocks */
	size_t section_first; /* of ifaces: number 0 of the section */
	size_t peeked;	      /* bytes of the window without one, before the reading starts */
	uint32_t max_block;
	int first_dlt;
	uint32_t first_snaplen;
	enum reader_detail detail; /* of packets */
	struct packet packet;	   /* of reader_step() */
	struct option_memo *options_told;
	struct process_blocks *processes;
	bool said_lost;	    /* that references lead to nothing */
	struct buf scratch; /* a block turned into host byte order */
	struct buf options; /* options made for an obsolete packet block */
};

/* Logs what is wrong with the file at this offset; returns -EBADMSG. */
int reader_broken(const struct reader *r, uint64_t offset, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The file ends (or cannot be read on) inside a record at this offset. what: "header bytes". */
int reader_truncated(const struct reader *r, uint64_t offset, const char *dump, size_t wanted, const char *what,
		     size_t got);
/* Appends an interface, owned by r. NULL: out of memory or too many, logged. */
struct reader_iface *reader_add_iface(struct reader *r);
/* libpcap's rule for a snapshot length that makes no sense. */
uint32_t reader_snaplen_or_max(int dlt, uint32_t snaplen);

/* Reads the file header, of which at least 4 bytes are in the window. -EINVAL: not such a file, nothing logged. */
int reader_open_pcap(struct reader *r);
int reader_open_pcapng(struct reader *r);
int reader_run_pcap(struct reader *r, const struct reader_handler *h);
int reader_run_pcapng(struct reader *r, const struct reader_handler *h);
/* As reader_step(), of an open file; > 0 of a handler is READER_MORE. */
int reader_step_pcap(struct reader *r, const struct reader_handler *h);
int reader_step_pcapng(struct reader *r, const struct reader_handler *h);

#endif
