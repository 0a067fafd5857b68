/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The blocks of processes of a pcapng output, and the options of packets that name them (format/process_block.h): our own, made
 * of annotations, and those of files that are being rewritten, which are numbered anew. What a packet says is never said of
 * another process: what cannot be kept so is left out.
 */
#ifndef OUTPUT_FILE_PROCESSES_H
#define OUTPUT_FILE_PROCESSES_H

#include "annotation.h"
#include "block.h"
#include "util/buf.h"

struct file_processes;

/* forms: PROCESS_BLOCKS_* of output.h. NULL: no memory. */
struct file_processes *file_processes_new(unsigned forms);
/* A new file: it has no blocks yet. */
void file_processes_begin(struct file_processes *p);
/* Behind its section header: appends what packets of files before it rely on. */
void file_processes_headers(struct file_processes *p, struct buf *blocks);
/*
 * Of a packet of that time (ns since the epoch) and annotation, as far as context lets be told: appends the options, and the
 * blocks that have to be in front of it. True: all packets of this annotation get the same options, until the next file.
 */
bool file_processes_name(struct file_processes *p, const struct annotation *a, unsigned context, uint64_t ts,
			 struct buf *blocks, struct buf *options);

/* What is read, and is not merged, begins a section; first: of its file. */
void file_processes_section(struct file_processes *p, bool first);
/* Whether a block that was read is of a process; appends it if it stays. */
bool file_processes_block(struct file_processes *p, const struct pcapng_block *block, struct buf *blocks);
/*
 * Options of a packet of that time and source (of struct iface) that was read: appends them as they are in this file, and the blocks that have to be in front of it. False:
 * as they were; nothing is appended.
 */
bool file_processes_options(struct file_processes *p, uint32_t source, const uint8_t *options, size_t len, uint64_t ts,
			    struct buf *blocks, struct buf *ret);
void file_processes_free(struct file_processes *p);

#endif
