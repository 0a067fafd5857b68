/* SPDX-License-Identifier: BSD-3-Clause */
/* What the options of packets tell, by their bytes: packets that come one after the other mostly have the same, or those
 * of a few owners in turn, and comparing them is cheaper than reading them. */
#ifndef READER_OPTION_MEMO_H
#define READER_OPTION_MEMO_H

#include <stddef.h>
#include <stdint.h>

#include "format/process_block.h"
#include "packet.h"

struct option_memo;

struct options_told {
	const uint8_t *options; /* those that were given, or with full comments in place of a reference to them */
	size_t len;		/* of whole options in front of the end mark */
	enum direction dir;
	const struct annotation *annot; /* NULL none; outlives some thousand different ones */
	bool lost;			/* it refers to comments that did not come before */
	bool names_process;		/* process does */
	struct process_options process;
};

struct option_memo *option_memo_new(void);
/* options: of a packet, in host byte order. What is returned is good until the next call. */
const struct options_told *option_memo_get(struct option_memo *m, const uint8_t *options, size_t len);
/* The annotation that some comment options are, as one of a packet's. NULL: none. */
const struct annotation *option_memo_annotation(struct option_memo *m, const uint8_t *comments, size_t len);
/* Some annotation is missing for want of memory. */
bool option_memo_failed(const struct option_memo *m);
/* Annotations get serials from this on. To be called first of all. */
void option_memo_set_serials(struct option_memo *m, uint64_t first);
void option_memo_free(struct option_memo *m);

#endif
