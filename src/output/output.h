/* SPDX-License-Identifier: BSD-3-Clause */
/* Where packets go. One table of operations; text, pcapng and pcap implement it. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "packet.h"

struct esp_files;
struct flows_sample;
struct pcapng_block;
struct output;
struct resolver;

/* Of packets, until now. */
struct output_counts {
	uint64_t captured, received, dropped;
};

struct output_ops {
	const char *name;
	/* All return 0 or a negative errno; the caller logs it with the output's name. -EPIPE: the reader is gone.
	 * -ENOTRECOVERABLE: the output has said why itself. -ECANCELED: it has all it was asked for (-G with -W, said
	 * already): end quietly, exit status 0. After any error nothing more is written, and finish only closes. All but packet,
	 * finish and free may be NULL: there is nothing to be done. */
	int (*iface)(struct output *o, const struct iface *iface);
	int (*packet)(struct output *o, const struct packet *packet);
	int (*block)(struct output *o, const struct pcapng_block *block);
	int (*sample)(struct output *o, const struct flows_sample *sample); /* packets counted elsewhere */
	/* From time to time, now: CLOCK_MONOTONIC ns. *next is lowered to when it has to be called again at the latest. */
	int (*tick)(struct output *o, uint64_t now, uint64_t *next);
	int (*counts)(struct output *o, const struct output_counts *counts); /* before a tick and at the end */
	int (*report)(struct output *o); /* SIGUSR1: tells what there is until now */
	int (*flush)(struct output *o);	 /* everything so far reaches the file */
	int (*batch)(struct output *o);	 /* no more packets for now */
	int (*finish)(struct output *o); /* statistics, last flush, close */
	void (*free)(struct output *o);
};

struct output {
	const struct output_ops *ops;
};

/* Command-line counters and settings of tcpdump that concern printing. */
struct text_config {
	int A, b, e, f, g, H, K, n, N, q, S, t, u, v, x, X, number; /* how often given */
	bool oneline, utc, nano, lengths, line_buffered, packet_buffered;
	bool brief;	     /* with q, without v */
	bool peer;	     /* the other end is in the line without -v, too */
	bool context_prefix; /* the container and pod stand in front */
	bool color;
	const char *type;	/* -T */
	const char *esp_secret; /* -E */
	const char *md5_secret; /* -M */
	const char *mib;	/* -m */
	int fd;			/* 1 */
	bool endless;		/* live or from a pipe: forget what was long silent rather than grow for ever */
	const char *program;
	const volatile sig_atomic_t *interrupted; /* see fd_write() */
	size_t *taken;				  /* by the reader, of what is being written; NULL: nobody asks */
	/* Borrowed: files that -E names, until output_text_new() returns; who knows names of hosts. NULL: none. */
	const struct esp_files *esp_files;
	struct resolver *resolver;
};
/* Whether packets of a link type (DLT_*) are dissected; others are dumped. */
bool output_text_prints(int dlt);
/* -errno with a logged message: unknown -T, bad -E, -A with -x... Opens all that printing takes: afterwards there is no file
 * and no socket but what is open. */
int output_text_new(struct output **ret, const struct text_config *config);
/* What comes is, or may be, of a small file that becomes any number of packets: as endless, later. */
void output_text_packed(struct output *o);
/* How many of a packet's first bytes its text depends on, most often its headers; of the rest it needs no more than this
 * sum, as absent_sum. */
struct text_reach;
int output_text_reach_new(struct text_reach **ret, const struct text_config *config);
uint32_t output_text_reach(const struct text_reach *r, const struct packet *packet, uint16_t *rest_sum);
void output_text_reach_free(struct text_reach *r);

/* To the next file; FILE_DONE: the one that was open is complete, -z may have it. */
enum file_step { FILE_FIRST, FILE_DONE, FILE_PERIOD, FILE_NUMBER };

/* Which blocks of processes a pcapng file gets: format/process_block.h. */
enum {
	PROCESS_BLOCKS_KEEP = 0, /* those of the file that is being read */
	PROCESS_BLOCKS_APPLE = 1 << 0,
	PROCESS_BLOCKS_STANDARD = 1 << 1, /* the proposed one */
	PROCESS_BLOCKS_NONE = 1 << 2,
};

struct file_config {
	const char *path;	 /* -w: may hold strftime conversions with -G; "-": standard output */
	bool pcap;		 /* pcap instead of pcapng */
	bool nano;		 /* pcap: ns time stamps */
	bool packet_buffered;	 /* -U */
	bool in_turns;		 /* flushed whenever output_file_torn() and nothing more is to be written for now */
	uint64_t rotate_bytes;	 /* -C, 0 none */
	unsigned rotate_seconds; /* -G, 0 none */
	unsigned rotate_files;	 /* -W, 0 none */
	const char *command;	 /* -z */
	uint32_t snaplen;	 /* pcap: of the header; 0: the first interface's */
	unsigned context;	 /* ANNOT_* to save */
	bool compact_comments;	 /* pcapng: refer to those of earlier packets */
	unsigned process_blocks; /* pcapng: PROCESS_BLOCKS_* */
	bool add_ethernet;	 /* packets without a link header get an Ethernet header */
	uint32_t uid, gid;	 /* owner of new files when set_owner (-Z) */
	bool set_owner;
	int dlt;				  /* pcap: of the only interface */
	const volatile sig_atomic_t *interrupted; /* see fd_write() */
	/* True for a file that must not be overwritten, since it is being read; NULL: none. */
	bool (*is_input)(void *arg, const struct stat *st);
	/* Takes a step, where we may not open files and start programs ourselves; NULL: we may. As file_opener_step(). */
	int (*ask)(void *arg, enum file_step step, char name[PATH_MAX]);
	void *arg; /* of both */
};
/* Opens the file. Keeps pointers to interfaces until it is freed, so free it before their source. -errno, logged. */
int output_file_new(struct output **ret, const struct file_config *config);
/* SIGHUP: goes on with the next file of -C or -G; else with a new file of the same name when somebody moved the old one
 * away. As the operations above. */
int output_file_rotate(struct output *o);
/* The file being written ends in the midst of a packet, until it is flushed. */
bool output_file_torn(const struct output *o);
/* After an error, too: what a reader finds. */
struct file_held {
	bool begun;	  /* the last file could be opened */
	bool overwritten; /* of those before, some are there no more */
	bool unsure;	  /* it may hold less */
	uint64_t last;	  /* packets in it */
	uint64_t before;  /* and in those before */
};
struct file_held output_file_held(const struct output *o);
/* Its descriptor when it is a pipe or a socket, whose reader may go; else -1. */
int output_file_pipe(const struct output *o);
/* Of the file being written. */
const char *output_file_name(const struct output *o);

/* What a file output asks with config.ask: opens the files and starts the programs, and writes nothing. */
struct file_opener;
/* -errno, logged. */
int file_opener_new(struct file_opener **ret, const struct file_config *config);
/* A descriptor for the caller, whose file is empty, and its name; 0 after FILE_DONE; -errno, logged. */
int file_opener_step(struct file_opener *f, enum file_step step, char name[PATH_MAX]);

#endif
