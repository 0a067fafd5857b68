/* SPDX-License-Identifier: BSD-3-Clause */
/* What text.c and the replacements of libnetdissect's functions (netdissect_*.c) share. Only these files see
 * libnetdissect's headers. The replacements are linked with -Wl,--wrap (WRAP in the Makefile). */
#ifndef TEXT_PRIVATE_H
#define TEXT_PRIVATE_H

/* Order matters: config.h is the library's own. */
#include <config.h>

#include <netdissect-stdinc.h>
#include <setjmp.h>

#include <netdissect.h>

#include <netdissect-alloc.h>
#include <print.h>

#include "output/output.h"
#include "util/buf.h"

struct formats;
struct names;
struct conversations;
struct annotation_cache;

/* Text of the current second. */
struct clock_text {
	int64_t sec;
	size_t len; /* 0: nothing cached */
	char text[64];
};

struct iface_printer {
	const struct iface *iface;
	if_printer print;
};

struct text {
	netdissect_options ndo; /* first: the library's hooks get nothing but a pointer to it */
	struct output output;
	struct text_config config;
	struct buf buf; /* whole packets, then the current one from packet_start */
	size_t packet_start;
	struct buf brief;  /* scratch space of --brief */
	size_t dump_start; /* where a dump inside the dissection starts, SIZE_MAX none */
	bool resets;	   /* what is being printed: a TCP segment with that flag; known when there are colours */
	unsigned packets;  /* printed, as -# shows; wraps as tcpdump's does */
	const struct packet *packet;
	struct clock_text clock;
	struct iface_printer *ifaces; /* by iface->id */
	size_t nifaces;
	char *esp_secret;
	struct annotation_cache *annotations;
	struct formats *formats;
	struct names *names;
	struct conversations *conversations;
	void (*default_print)(netdissect_options *, const u_char *, u_int);
	jmp_buf fatal; /* where ndo_error goes while a packet is printed */
	bool printing;
};

static inline struct text *text_of(netdissect_options *ndo)
{
	return (struct text *)ndo;
}

/* Names of addresses and ports (netdissect_names.c). */
int names_new(struct names **ret, const struct text_config *config);
/* Strings handed out so far become invalid: the packet is printed. */
void names_next_packet(struct names *names);
void names_free(struct names *names);

/* TCP conversations, for relative sequence numbers (netdissect_tcp.c). */
int conversations_new(struct conversations **ret, const struct text_config *config);
void conversations_free(struct conversations *c);

/* What annotations add to a packet's text (text_annotation.c). */
int annotation_cache_new(struct annotation_cache **ret, const struct text_config *config);
/* The text before the dissection ("eth0 curl.1234 Out ") and after it (", ParentProc [...]", or with -v lines that each
 * begin with a line feed). Borrowed until the next call. */
void annotation_cache_get(struct annotation_cache *c, const struct packet *packet, struct str *prefix,
			  struct str *suffix);
/* "eth0", of another network namespace "eth0@4026532300", nothing when it has no name. */
void text_put_iface(struct buf *b, const struct iface *iface);
/* Interfaces and serials of another source follow. */
void annotation_cache_clear(struct annotation_cache *c);
void annotation_cache_free(struct annotation_cache *c);

/* --brief (text_brief.c): makes its line of the packet's dissection, which is the text from start on. */
void text_make_brief(struct text *t, size_t start);

/* Colours the text between two places when the packet resets a connection; returns where it ends then (text.c). */
size_t text_color_reset(struct text *t, size_t start, size_t end);

#endif
