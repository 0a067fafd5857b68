/* SPDX-License-Identifier: BSD-3-Clause */
/* Where packets go. One table of operations; text, pcapng and pcap implement it. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "packet.h"

struct pcapng_block;
struct output;

struct output_ops {
	const char *name;
	/* All return 0 or a negative errno; the caller logs it with the output's name. -EPIPE: the reader is gone.
	 * -ENOTRECOVERABLE: the output has said why itself. -ECANCELED: it has all it was asked for (-G with -W, said
	 * already): end quietly, exit status 0. After any error nothing more is written, and finish only closes. */
	int (*iface)(struct output *o, const struct iface *iface);
	int (*packet)(struct output *o, const struct packet *packet);
	int (*block)(struct output *o, const struct pcapng_block *block); /* may be NULL */
	int (*flush)(struct output *o);					  /* everything so far reaches the file */
	int (*finish)(struct output *o);				  /* statistics, last flush, close */
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
	bool packed;		/* likewise, later: a small file may become any number of packets */
	const char *program;
	const volatile sig_atomic_t *interrupted; /* see fd_write() */
};
/* Whether packets of a link type (DLT_*) are dissected; others are dumped. */
bool output_text_prints(int dlt);
/* -errno with a logged message: unknown -T, bad -E, -A with -x... */
int output_text_new(struct output **ret, const struct text_config *config);

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
	bool add_ethernet;	 /* packets without a link header get an Ethernet header */
	uint32_t uid, gid;	 /* owner of new files when set_owner (-Z) */
	bool set_owner;
	int dlt;				  /* pcap: of the only interface */
	const volatile sig_atomic_t *interrupted; /* see fd_write() */
	/* True for a file that must not be overwritten, since it is being read; NULL: none. */
	bool (*is_input)(void *arg, const struct stat *st);
	void *arg;
};
/* Opens the file. Keeps pointers to interfaces until it is freed, so free it before their source. -errno, logged. */
int output_file_new(struct output **ret, const struct file_config *config);
/* SIGHUP: goes on with the next file of -C or -G; else with a new file of the same name when somebody moved the old one
 * away. As the operations above. */
int output_file_rotate(struct output *o);
/* The file being written ends in the midst of a packet, until it is flushed. */
bool output_file_torn(const struct output *o);
/* Of the file being written. */
const char *output_file_name(const struct output *o);

#endif
