/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of the file output: a sink of whole records, rotation over it, and a format (pcapng, pcap) that fills it. */
#ifndef OUTPUT_FILE_H
#define OUTPUT_FILE_H

#include <sys/types.h>
#include <time.h>

#include "output/output.h"
#include "util/buf.h"
#include "util/folder.h"

/*
 * One file, written in whole records: whatever goes wrong, a regular file ends behind one. When so much comes that its
 * buffer fills up, config.in_turns lets it be written in aligned pieces, which end anywhere, until the next flush.
 */
struct sink {
	int fd;		/* -1: closed */
	bool keep_open; /* standard output */
	bool regular;
	bool existed;				  /* the file was there before it was opened */
	bool ahead;				  /* space is asked for before it is needed */
	const volatile sig_atomic_t *interrupted; /* see fd_write() */
	uint8_t *buf;
	size_t len, cap;
	size_t torn;	/* bytes at the start of buf that are in the file already: of the record that buf begins with */
	size_t last;	/* where in buf the newest record begins */
	size_t due;	/* a piece is written when there are more; SIZE_MAX: there are none */
	uint64_t start; /* where in the file our first byte is */
	uint64_t flushed;   /* bytes in the file */
	uint64_t packets;   /* in the file and in buf */
	bool unsure;	    /* the file could not be closed without an error: it may lack some */
	uint64_t allocated; /* up to where the file has space, as far as it was asked for */
	/* How many of len bytes are whole records, and how many packets these hold; at_start: they begin the file. */
	size_t (*whole)(const uint8_t *p, size_t len, bool at_start, uint64_t *packets);
};

struct sink_place {
	const struct folder *folder;
	const char *name; /* "-": standard output */
	bool first;	  /* see folder_file() */
};

/* -errno; -EDEADLK: the file is being read; others of folder_file(). */
int sink_open(struct sink *s, const struct sink_place *place, const struct file_config *config);
/* A file that somebody else has opened. */
int sink_take(struct sink *s, int fd, const struct file_config *config);
/* The descriptor, which is the caller's from now on. */
int sink_give(struct sink *s);
/* The slow half of sink_reserve(). */
int sink_make_room(struct sink *s, size_t n);
int sink_flush(struct sink *s);
int sink_close(struct sink *s);
void sink_done(struct sink *s);

/* Room for a record of n bytes, *ret; sink_commit() makes it count. -errno when older ones could not be written. */
static inline int sink_reserve(struct sink *s, size_t n, uint8_t **ret)
{
	const int err = s->len < s->due && s->cap - s->len >= n && s->fd >= 0 ? 0 : sink_make_room(s, n);

	*ret = s->buf + s->len;
	return err;
}

static inline void sink_commit(struct sink *s, size_t n)
{
	s->last = s->len;
	s->len += n;
}

static inline void sink_commit_packet(struct sink *s, size_t n)
{
	sink_commit(s, n);
	s->packets++;
}

static inline uint64_t sink_size(const struct sink *s)
{
	return s->flushed + s->len - s->torn;
}

/* The file ends in the midst of a record. */
static inline bool sink_is_torn(const struct sink *s)
{
	return s->torn && s->torn < s->len;
}

int sink_put(struct sink *s, const void *p, size_t n);

struct file_output;

struct file_format {
	const char *name;
	/* The file has just been opened. */
	int (*begin)(struct file_output *o);
	int (*iface)(struct file_output *o, const struct iface *iface);
	int (*packet)(struct file_output *o, const struct packet *packet);
	int (*block)(struct file_output *o, const struct pcapng_block *block);
	/* Makes the file complete, even one without packets; more may follow. */
	int (*headers)(struct file_output *o);
	/* The file is about to be closed. */
	int (*end)(struct file_output *o);
	void (*free)(struct file_output *o);
	size_t (*whole)(const uint8_t *p, size_t len, bool at_start, uint64_t *packets);
};

extern const struct file_format file_format_pcap, file_format_pcapng;

struct file_output {
	struct output base;
	struct file_config config; /* path and command are ours */
	const struct file_format *format;
	void *state; /* the format's */
	struct sink sink;
	int failed;	   /* the error that ended it */
	struct buf framed; /* of config.add_ethernet: the packet with its header */
	/* rotation */
	struct folder folder; /* of all files */
	char *name;	      /* of the file being written */
	struct stat opened;   /* that file, when it was opened */
	time_t period_start;
	unsigned period_count; /* -G: files finished */
	unsigned number;       /* -C */
	uint64_t packets;      /* for this file */
	struct file_held held; /* but for those of the sink */
	pid_t *children;       /* running -z commands */
	size_t nchildren;
};

/* Packets of this link type (DLT_*) begin with an IP header. */
bool file_is_raw(int dlt);
/* With config.add_ethernet the two would have the same link type, and do not have it without. */
bool file_ethernet_helps(const struct iface *a, const struct iface *b);
/* The link type of its packets in the file. */
int file_dlt(const struct file_output *o, const struct iface *iface);
/* The packet with an Ethernet header in front, in b, and cut to its interface's snapshot length. */
struct packet file_add_ethernet(struct buf *b, const struct packet *packet);
/* A packet of Ethernet or raw IP as LINUX_SLL2, as tcpdump -i any has it. */
struct packet file_cook(struct buf *b, const struct packet *packet);
bool file_can_cook(int dlt);

/* Opens the first file. Logged. */
int file_open_first(struct file_output *o);
/* Before a packet: goes on to the next file when it is time. */
int file_rotate_if_due(struct file_output *o);
int file_rotate_now(struct file_output *o);
void file_reap_children(struct file_output *o);
/* As file_opener_step(); o->name is the file's. */
int file_step_elsewhere(struct file_output *o, enum file_step step);

#endif
