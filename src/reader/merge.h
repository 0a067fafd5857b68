/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several files and live streams as one: their packets in the order of their times, as far as they come in time. What each source
 * numbers for itself (interfaces, annotations) is numbered anew, so that whoever takes the packets sees one source.
 */
#ifndef READER_MERGE_H
#define READER_MERGE_H

#include "reader/reader.h"

struct merge;

struct merge_input {
	const char *path; /* for messages; copied */
	/* Interfaces get it for their host; copied. NULL: none is given, and where interfaces of two inputs would have the same
	 * name, they get that of the file. */
	const char *name;
	int fd; /* of reader_input() or somebody's pipe, not read so far; the merge's from now on, but for standard input */
	int64_t offset;	   /* ns that are added to all times */
	bool may_be_empty; /* that nothing comes is no damage */
};

enum merge_event {
	MERGE_OPENED, /* its first header was read: merge_reader() tells of it */
	MERGE_ENDED,  /* nothing more comes */
	MERGE_BROKE,  /* likewise, and it was damaged, which has been logged */
	MERGE_SILENT, /* nothing came for so long that the others go on without it; told once of each */
	MERGE_LATE,   /* and then there came packets that are older than what went on; told once of each */
};

enum { MERGE_FDS = 3 };

struct merge_config {
	void *arg; /* of the following, which may be NULL but for told */
	void (*told)(void *arg, size_t input, enum merge_event event);
	/* Nothing is there for now: what was handed on may be shown. > 0, < 0 as of a handler. */
	int (*idle)(void *arg);
	/* A signal came, perhaps. > 0, < 0 as of a handler. */
	int (*woken)(void *arg);
	/* Set by a signal's handler that asks for the end, which is as woken() says; NULL: nobody asks for one. */
	const volatile sig_atomic_t *interrupted;
	/* What else is waited for, until at the latest *until (CLOCK_MONOTONIC ns, which may be lowered); serve() is called then: > 0, < 0 as
	 * of a handler. */
	unsigned (*watch)(void *arg, int fds[MERGE_FDS], uint64_t *until);
	int (*serve)(void *arg);
	uint64_t patience; /* ns that packets wait for an input that has none, at most */
};

int merge_new(struct merge **ret, const struct merge_config *config);
/* The inputs are numbered from 0 in the order of these calls. -errno, logged. */
int merge_add(struct merge *m, const struct merge_input *input);
/* Reads the headers of the inputs that need not be waited for. Those that are damaged are told, and left out. */
void merge_open(struct merge *m);
/* Delivers everything: blocks of interfaces and sections are not handed on as such, those of statistics have the new numbers. Packets
 * of one input keep their order; of equal times those of the input that was added first come first. 0 at the end of all
 * inputs, or when stopped; -errno, logged, of what concerns all of them. */
int merge_run(struct merge *m, const struct reader_handler *handler);
size_t merge_inputs(const struct merge *m);
/* Of an input that is open. */
const struct reader *merge_reader(const struct merge *m, size_t input);
/* It is no regular file: it may have to be waited for. */
bool merge_is_live(const struct merge *m, size_t input);
/* Which input an interface of ours is of. */
size_t merge_input_of(const struct merge *m, const struct iface *iface);
/* Packets of it that came too late to be put in order. */
uint64_t merge_late(const struct merge *m, size_t input);
/* The interfaces stay until then. */
void merge_free(struct merge *m);

#endif
