/* SPDX-License-Identifier: BSD-3-Clause */
/* What session_live.c with its session_loop.c and session_offline.c share. */
#ifndef SESSION_PRIVATE_H
#define SESSION_PRIVATE_H

#include "block.h"
#include "meta/match.h"
#include "options.h"
#include "output/output.h"
#include "privileges.h"
#include "session.h"

enum { SESSION_OUTPUTS = 2 };

struct session {
	const struct options *o;
	struct match *match;
	struct output *outputs[SESSION_OUTPUTS];	    /* those in use first */
	struct output *text, *file;			    /* the same, by kind; NULL: not in use */
	bool said_pcap;					    /* that file keeps no processes */
	bool packed;					    /* what is read is, or may be in a list of files */
	bool pcap;					    /* file holds packets of one link type only */
	bool (*is_input)(void *arg, const struct stat *st); /* see struct file_config */
	void *is_input_arg;
	const volatile sig_atomic_t *interrupted; /* see fd_write() */
	struct privileges_user user;		  /* whom to become */
	uint64_t captured;			  /* packets handed to the outputs */
	uint64_t limit;				  /* captured where -c is reached, 0 none */
	bool stop;				  /* -c is reached, or an output wants no more */
	bool failed;				  /* an error was logged: exit status 1 */
	bool dirty;				  /* outputs may hold back text or packets */
};

/* 0, or a negative errno with a message written. dlt: of the first interface, -1 when it comes later. s->is_input and
 * s->interrupted may have been set; s->user has. */
int session_open(struct session *s, const struct options *o, int dlt);
int session_iface(struct session *s, const struct iface *iface);
/* A packet that passed all filters. 0, or negative: the source has to stop; session's flags say why. */
int session_packet(struct session *s, const struct packet *packet);
/* Once: what pcap does not hold will be missing. */
void session_warn_pcap(struct session *s);
int session_block(struct session *s, const struct pcapng_block *block);
int session_flush(struct session *s);
/* Goes on with a new file. */
int session_rotate(struct session *s);
/* Last statistics, flush and close of the outputs. */
void session_finish(struct session *s);
void session_close(struct session *s);

/* Whether --color asks for colours in what goes to fd. */
bool session_color(const struct options *o, int fd);
/* "EN10MB (Ethernet)" into text, as tcpdump names a DLT_*; the number of one that libpcap has no name for. */
void session_name_dlt(int dlt, char *text, size_t size);

int session_run_live(const struct options *o);
int session_run_offline(const struct options *o);

#endif
