/* SPDX-License-Identifier: BSD-3-Clause */
/* What the blocks of processes of a pcapng file tell of packets that have no comments of ours (format/process_block.h). */
#ifndef READER_PROCESS_BLOCKS_H
#define READER_PROCESS_BLOCKS_H

#include "block.h"
#include "format/process_block.h"

struct process_blocks;

struct process_blocks *process_blocks_new(void);
/* Any block but those of packets and interfaces. */
void process_blocks_add(struct process_blocks *p, const struct pcapng_block *block);
/*
 * Whom options name, of a packet of that time (ns since the epoch): as comments of ours would tell it, whole options of *len
 * bytes, good until the next call. pid: the only one whom they may name, 0: anybody. NULL: nobody.
 */
const uint8_t *process_blocks_find(struct process_blocks *p, const struct process_options *o, uint32_t pid, uint64_t ts,
				   size_t *len);
void process_blocks_free(struct process_blocks *p);

#endif
