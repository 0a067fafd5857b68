/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the merge share. */
#ifndef READER_MERGE_INT_H
#define READER_MERGE_INT_H

#include "reader/merge.h"
#include "util/buf.h"

enum input_state {
	INPUT_READY, /* it has a head */
	INPUT_WAITS, /* its next packet has not come yet */
	INPUT_OVER,
};

/* An interface of an input, as the outputs see it. */
struct merged_iface {
	struct iface pub;
	const struct iface *from;
	struct buf options; /* pub's, where they are not those of from */
	char *host;	    /* pub's, likewise */
	size_t input;
};

struct input {
	struct merge *merge;
	size_t number;
	struct reader *reader;
	char *path, *name, *file; /* name: NULL none; file: what it may be called by else */
	int fd;
	bool live;
	int64_t offset; /* ns */
	enum input_state state;
	bool told_open;

	/* What is next of it: a packet, or a block. */
	bool is_packet;
	bool detached; /* it does not borrow from the reader's window */
	struct packet packet;
	struct pcapng_block block;
	__int128 key; /* when it is due: ns since the epoch */
	struct buf data, options;

	struct merged_iface **ifaces; /* by their ids in the reader */
	size_t nifaces, announced;
	size_t section_first; /* of the ifaces: number 0 of the section */
	uint32_t apples;      /* blocks of processes of Apple's form so far */

	/* CLOCK_MONOTONIC ns */
	uint64_t waits_since;
	uint64_t head_since;	  /* it has been held, 0: not yet */
	bool silent;		  /* the others go on without it */
	bool sporadic, said_late; /* it was so once */
	bool behind;		  /* what comes may be too late */
	bool full;		  /* no more can be read ahead */
	bool ended;		  /* nothing more can be read */
	uint64_t late;
};

/* Which inputs have interfaces of a name. */
struct names {
	struct {
		uint64_t hash; /* 0: none */
		size_t input;
	} * slots;
	size_t n, room;
};

struct merge {
	struct merge_config config;
	const struct reader_handler *handler;
	struct input **inputs;
	size_t n;
	struct input **heap; /* those with heads: the first is due first */
	size_t nheap, nwaiting;
	bool started;	   /* the first interfaces have been announced */
	bool name_all;	   /* inputs without a name get that of their file */
	bool fresh;	   /* something was handed on since config.idle() */
	unsigned unlooked; /* turns since inputs that are waited for were looked at */
	uint32_t next_id;
	struct merged_iface **ifaces; /* by our ids */
	struct names names;
	__int128 newest; /* time of the newest packet that was handed on, */
	const struct input *newest_of;
	int err; /* there was no memory */
};

/* Reads on until the input has a head, or there is none: its state. What it has read is handed on. */
void merge_advance(struct merge *m, struct input *in);
void merge_push(struct merge *m, struct input *in);
/* merge_wait.c: whether what is due has to wait for an input that has nothing, no longer than until *until (CLOCK_MONOTONIC ns). */
bool merge_holds(struct merge *m, uint64_t *until);
/* Waits that long for any input, or asks them only. 0; -errno, logged; as of a handler. */
int merge_wait(struct merge *m, uint64_t until);
int merge_look(struct merge *m);
/* merge_iface.c: an interface that the reader delivers. -ENOMEM. */
int merge_note_iface(struct input *in, const struct iface *iface);
/* Announces what has been noted of all inputs, for the first time, */
int merge_start(struct merge *m);
/* and of one. */
int merge_announce(struct merge *m, struct input *in);
void merge_ifaces_free(struct merge *m);

#endif
