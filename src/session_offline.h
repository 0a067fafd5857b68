/* SPDX-License-Identifier: BSD-3-Clause */
/* What is shared by the files of a run that reads: session_offline.c (one file, or those of -V), session_merge.c (several at once) and
 * session_saved.c, where the packets of both pass. */
#ifndef SESSION_OFFLINE_H
#define SESSION_OFFLINE_H

#include <stdio.h>

#include "filter/filter.h"
#include "hints_containers.h"
#include "reader/merge.h"
#include "reader/reader.h"
#include "session_broker.h"
#include "session_inputs.h"
#include "session_private.h"

/* Of one interface of the current file, by its id. */
struct source_iface {
	struct filter_code filter;
	struct match *match;
	bool selects;	       /* match_active() of it */
	struct iface *renamed; /* NULL: the id of the file is that of the output */
};

struct offline {
	struct session s;
	struct source_iface *ifaces;
	size_t nifaces;
	size_t unsupported; /* interfaces for whose link type the expression makes no sense */
	char unsupported_text[FILTER_ERR_LEN];
	FILE *list;		       /* -V, NULL none; the broker reads it */
	struct broker *broker;	       /* NULL: nobody stays outside of the sandbox */
	struct session_inputs *inputs; /* to be merged; NULL: one file, or those of -V */
	struct merge *merge;	       /* of them */
	struct match **matches;	      /* of each, where they remember whom packets name; NULL: all have the session's */
	size_t open;		      /* inputs that go on */
	bool ending;		      /* a signal has asked for the end, which the inputs come to by themselves */
	int input;		      /* the first file, before it has a reader */
	bool packets;		      /* there were some */
	unsigned told;		      /* ANNOT_*, of any of them */
	struct seen_containers *seen; /* NULL: none are asked for */
	unsigned since_tick;	      /* packets since the clock was looked at */
	uint32_t id_base;	      /* -V: interfaces of the files before this one */
	/* Interfaces of earlier files: outputs know them until the end. */
	struct iface **kept;
	struct reader **readers;
	size_t nkept, nreaders;
};

/* Set by a signal that asks for the end. */
const volatile sig_atomic_t *offline_interrupted(void);
void offline_catch_signals(void);
/* What signals have asked for is done. False: an end was asked for. */
bool offline_heed_signals(struct offline *off);

/* Nobody has asked for the end, unless -c has. */
bool offline_wants_more(const struct offline *off);

/* As filter_compile(). */
int offline_compile(struct offline *off, const struct filter_compile_opts *opts, struct filter_code *ret,
		    char text[FILTER_ERR_LEN]);
/* An expression is wrong even when no interface is there to compile it for. dlt: -1 none. -errno, logged. */
int offline_check_expression(struct offline *off, int dlt);
/* Where a reader delivers: arg is a struct offline. */
struct reader_handler offline_handler(struct offline *off);
/* No interface passed whose packets the expression could be asked of. -EOPNOTSUPP, logged. */
int offline_check_link_types(struct offline *off);
void offline_forget_ifaces(struct offline *off);
int offline_out_of_memory(void);
void offline_print_banner(const struct reader *r, const char *path);

/* session_merge.c: instead of one file, all inputs. -errno, logged. */
int offline_merge(struct offline *off);
void offline_merge_done(struct offline *off);

#endif
