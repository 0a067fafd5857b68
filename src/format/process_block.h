/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocks that say who a process is, and the options of packets that name one. Two forms:
 *
 * Apple's, which Wireshark shows as columns from 4.6 on (frame.darwin.process_info.*) and all others pass over: a block of type
 * 0x80000001 (u32 pid, then options: 2 name, 4 UUID), and options of packets that are the number of such a block, counted from 0
 * over the whole file, whatever sections it has (pcap-ng.h of Apple's libpcap; epan/dissectors/packet-frame.c of Wireshark 4.6).
 *
 * The one proposed as a standard, which Wireshark reads from its next release on, and releases up to 4.6 show as packets of
 * their own: a custom block of Wireshark's number (wiretap/pcapng-wireshark-custom.c), whose entries are little endian whatever
 * the section is. Packets name the pid (epb_processid_threadid of the pcapng draft), and it is the block of that pid which
 * started last before them.
 */
#ifndef FORMAT_PROCESS_BLOCK_H
#define FORMAT_PROCESS_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/str.h"

/* What a block tells; strings are borrowed, n == 0: it does not say. */
struct process_block {
	uint32_t pid;
	uint32_t ppid; /* 0 unknown */
	uint32_t uid;
	bool has_uid;
	uint64_t start; /* ns since the epoch, 0 unknown */
	struct str name, path, user;
	struct str args; /* when read, those of the proposed standard have NUL between them */
};

/* What the options of a packet say: */
struct process_options {
	bool has_process, has_effective, has_pid; /* whether they say it */
	uint32_t process, effective;		  /* numbers of Apple's blocks; the latter: on whose behalf it acts */
	uint32_t pid, tid;			  /* tid: 0 unknown */
};

/* Append a whole block. */
void process_block_put_apple(struct buf *b, const struct process_block *p);
void process_block_put_standard(struct buf *b, const struct process_block *p);
/* Whether a block, its fields in host byte order, is of that form: */
bool process_block_is_standard(uint32_t type, const uint8_t *body, size_t len);
/* Of one that is. False: it tells of no process. */
bool process_block_parse_apple(struct process_block *p, const uint8_t *body, size_t len);
bool process_block_parse_standard(struct process_block *p, const uint8_t *body, size_t len);
/* Options in host byte order; each once, the first counts. */
void process_options_parse(struct process_options *p, const uint8_t *options, size_t len);
/* Notes one option: for those who walk over all of them. */
void process_options_note(struct process_options *p, uint16_t code, const uint8_t *value, uint16_t len);
/* Appends the options. */
void process_options_put(struct buf *b, const struct process_options *p);

#endif
