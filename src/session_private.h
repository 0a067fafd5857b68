/* SPDX-License-Identifier: BSD-3-Clause */
/* What session_live.c with its session_loop.c and session_offline.c share. */
#ifndef SESSION_PRIVATE_H
#define SESSION_PRIVATE_H

#include <limits.h>

#include "block.h"
#include "meta/match.h"
#include "options.h"
#include "output/output.h"
#include "privileges.h"
#include "session.h"

enum { SESSION_OUTPUTS = 4 }; /* a file, text, who talks, metrics */

struct session {
	const struct options *o;
	struct match *match;
	struct output *outputs[SESSION_OUTPUTS]; /* those in use first */
	struct output *text, *file;		 /* the same, by kind; NULL: not in use */
	struct output *top;			 /* NULL: none */
	struct metrics_file *metrics_file;	 /* NULL: none */
	bool counting;				 /* somebody counts packets, and is told of their owners */
	/* What was captured, received and dropped, when s->counts is set; else all that was handed to the outputs. */
	void (*counts)(void *arg, struct output_counts *ret);
	void *counts_arg;
	uint64_t tick;		  /* CLOCK_MONOTONIC ns, when session_tick() has to be called, UINT64_MAX: never */
	struct output *relay;	  /* text, when another process prints it */
	struct text_reach *reach; /* with relay */
	bool said_pcap;		  /* that file keeps no processes */
	bool pcap;		  /* file holds packets of one link type only */
	/* See struct file_config. */
	int (*ask_file)(void *arg, enum file_step step, char name[PATH_MAX]);
	void *ask_arg;
	const volatile sig_atomic_t *interrupted; /* see fd_write() */
	struct privileges_user user;		  /* whom to become */
	struct resolver *resolver;		  /* NULL: no names of hosts */
	pid_t names;				  /* the process that looks them up, 0 none */
	struct esp_files *esp_files;		  /* NULL: none, or no longer needed */
	uint64_t captured;			  /* packets handed to the outputs */
	uint64_t limit;				  /* captured where -c is reached, 0 none */
	bool stop;				  /* -c is reached, or an output wants no more */
	bool failed;				  /* an error was logged: exit status 1 */
	bool unwritten;				  /* an output could not be written: what the file holds is told */
	bool dirty;				  /* outputs may hold back text or packets */
};

/* First of all, with all privileges and while this process is small and has nothing open: starts the one that looks up names of
 * hosts, reads files of secrets, where text needs them, and starts the process that prints what is captured. s->o and s->user
 * have been set. -errno, logged. */
int session_begin(struct session *s);
/* 0, or a negative errno with a message written. dlt: of the first interface, -1 when it comes later. s->ask_file and
 * s->interrupted may have been set; s->user has, and session_begin() was called. */
int session_open(struct session *s, const struct options *o, int dlt);
/* What options and expression ask for. -errno, logged. */
int session_match(struct match **ret, const struct options *o);
/* Of -w: what the options and the user say. */
struct file_config session_file_config(const struct session *s);
int session_iface(struct session *s, const struct iface *iface);
/* A packet that passed all filters. 0, or negative: the source has to stop; session's flags say why. */
int session_packet(struct session *s, const struct packet *packet);
/* Likewise, of packets that were counted elsewhere. */
int session_sample(struct session *s, const struct flows_sample *sample);
/* Once: what pcap does not hold will be missing. */
void session_warn_pcap(struct session *s);
int session_block(struct session *s, const struct pcapng_block *block);
/* From s->tick on, now: CLOCK_MONOTONIC ns. */
int session_tick(struct session *s, uint64_t now);
/* SIGUSR1: tells what there is until now. */
int session_report(struct session *s);
/* No more packets for now. */
int session_batch(struct session *s);
int session_flush(struct session *s);
/* Goes on with a new file. */
int session_rotate(struct session *s);
/* Last statistics, flush and close of the outputs. */
void session_finish(struct session *s);
void session_close(struct session *s);

/* What an output has returned: the caller stops. What happens at the other end of a pipe is no failure of ours. */
int session_output_failed(struct session *s, struct output *output, int err);

bool session_wants_text(const struct options *o);
/* session_text.c: of a live capture, text is printed by a process of its own. 0, or a negative errno with a message. Reads
 * files of the system; session_open() does it unless it was done before. */
int session_text_open(struct session *s);
/* As output_text_packed(). */
void session_text_packed(struct session *s);
/* Waits until that process can print. */
int session_text_ready(struct session *s);
/* Readable when that process has ended, and to be looked at then; -1: there is none. */
int session_text_fd(const struct session *s);
void session_text_check(struct session *s);
/* A signal asks for the end. */
void session_text_interrupt(struct session *s);

/* session_top.c: --top; nothing where it is not asked for. */
enum { SESSION_TOP_FDS = 3 };
int session_top_new(struct session *s);
/* What is written to standard error, by children from now on as well, is shown in the end. 0, or a negative errno with a message. */
int session_top_collect(struct session *s);
/* Then: takes the terminal. 0, or a negative errno with a message. */
int session_top_begin(struct session *s);
/* Readable when session_top_input() has something to do: how many. */
unsigned session_top_fds(const struct session *s, int fds[SESSION_TOP_FDS]);
void session_top_input(struct session *s);
/* Reading: serves the screen and what is due once, until fd (-1: none) is readable, and for a second at most. */
void session_top_wait(struct session *s, int fd);
/* The same of what is there now. */
void session_top_look(struct session *s);
/* All is read: what is shown stays until the user or a signal (s->interrupted) wants the end. */
void session_top_stay(struct session *s);

/* Whether --color asks for colours in what goes to fd. */
bool session_color(const struct options *o, int fd);
/* "EN10MB (Ethernet)" into text, as tcpdump names a DLT_*; the number of one that libpcap has no name for. */
void session_name_dlt(int dlt, char *text, size_t size);

int session_run_live(const struct options *o);
int session_run_offline(const struct options *o);
struct session_inputs;
/* The same with streams that are open, instead of the files of options; what is read of them is closed. */
int session_run_inputs(const struct options *o, struct session_inputs *inputs);
int session_run_remote(const struct options *o);

#endif
