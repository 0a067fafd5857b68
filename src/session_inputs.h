/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run merges: files of -r, or streams that somebody else has opened. */
#ifndef SESSION_INPUTS_H
#define SESSION_INPUTS_H

#include "options.h"
#include "reader/merge.h"

struct session_input {
	const char *path; /* for messages */
	char *name;	  /* allocated; NULL none is given */
	const char *file; /* to be opened */
	int fd;		  /* -1: not open, or given away */
	int64_t offset;	  /* ns, to be added to its times */
	bool may_be_empty;
};

struct session_inputs {
	struct session_input *v;
	size_t n;
	/* For who has opened them; NULL: the messages that files get. */
	void *arg;
	void (*told)(void *arg, size_t input, enum merge_event event);
	/* A signal asks for the end for the first time: what comes until the inputs end is still wanted, if this is so. */
	bool (*asked_to_end)(void *arg);
	uint64_t captured; /* packets, set at the end */
	bool complete;	   /* likewise: all of them have ended */
};

/* The words of -r. *merge: they are to be merged, else there is one file without a name. -errno, logged. */
int session_inputs_parse(struct session_inputs *in, const struct options *o, bool *merge);
/* Opens them. -errno, logged. */
int session_inputs_open(struct session_inputs *in);
void session_inputs_done(struct session_inputs *in);

#endif
