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

enum { PORT_BITS = (UINT16_MAX + 1) / 8, DIRECT_IPV4_LEN = 20, DIRECT_TCP_LEN = 20, DIRECT_UDP_LEN = 8 };

/* Which packets are printed without the library (text_direct.c). */
struct direct {
	bool on;					    /* by the options */
	bool bare;					    /* no number before the time, no dump behind */
	uint8_t tcp_ports[PORT_BITS], udp_ports[PORT_BITS]; /* those that have a dissector */
};

/* The library's, of what is inside. */
struct direct_dissector {
	uint8_t protocol;
	uint16_t port;
	const char *before; /* text */
	void (*print)(netdissect_options *, const u_char *, u_int);
};

/* The parts of such a packet. */
struct direct_packet {
	const u_char *ip, *payload;
	const struct direct_dissector *dissector; /* NULL: none */
	uint32_t len, captured;			  /* bytes of payload, as IP tells and as there are */
	uint8_t protocol;
	bool ipv6;
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
	struct direct direct;
	struct direct_packet direct_packet; /* parts of packet, when is_direct */
	bool is_direct;
	struct clock_text clock;
	struct iface_printer *ifaces; /* by iface->id */
	size_t nifaces;
	char *esp_secret;
	struct annotation_cache *annotations;
	struct formats *formats;
	struct names *names;
	struct conversations *conversations;
	void (*default_print)(netdissect_options *, const u_char *, u_int);
	jmp_buf fatal; /* where ndo_error goes while a packet is printed, or secrets are decoded */
	bool printing;
	bool secretive; /* messages tell nothing that a file holds */
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
/* Numbers, as they are printed with -n; return their end. At most 46 bytes. */
char *names_put_ipv4(const struct names *names, char *d, const u_char *ap);
char *names_put_ipv6(const struct names *names, char *d, const u_char *ap);
char *names_put_ether(char *d, const u_char *ep);

/* What the library may open (netdissect_files.c): those files, until it is called again; names of interfaces. */
void library_files(const struct esp_files *files);
void library_ifaces(bool on);

/* TCP conversations, for relative sequence numbers (netdissect_tcp.c). */
int conversations_new(struct conversations **ret, const struct text_config *config);
/* See output_text_packed(). */
void conversations_packed(struct conversations *c);
void conversations_free(struct conversations *c);
/* seq and ack: what its sequence numbers are relative to, of the end that counts as the first; this packet is the other end's
 * when reversed. */
struct conversation {
	uint32_t seq, ack;
	bool reversed;
};
/* Of a segment with ACK, whose headers are captured. False: it begins here, and its numbers are printed as they are. */
bool conversation_find(struct text *t, const u_char *ip, const u_char *tcp, struct conversation *ret);

/* What annotations add to a packet's text (text_annotation.c). */
int annotation_cache_new(struct annotation_cache **ret, const struct text_config *config);
/* The text before the dissection ("eth0 curl.1234 Out ") and after it (", ParentProc [...]", or with -v lines that each
 * begin with a line feed). Borrowed until the next call. */
void annotation_cache_get(struct annotation_cache *c, const struct packet *packet, struct str *prefix,
			  struct str *suffix);
/* Neither direction nor process is told of it, nor which of several hosts it is of. */
static inline bool text_is_plain(const struct packet *packet)
{
	return packet->dir == DIR_NONE && !packet->annot && !packet->iface->host;
}

/* Interfaces and serials of another source follow. */
void annotation_cache_clear(struct annotation_cache *c);
void annotation_cache_free(struct annotation_cache *c);

/* --brief (text_brief.c): makes its line of the packet's dissection, which is the text from start on. */
void text_make_brief(struct text *t, size_t start);

void direct_init(struct direct *direct, const struct text_config *config);
/* Whether a packet is one of them; nothing is printed yet. */
bool direct_take(const struct direct *direct, const struct packet *packet, struct direct_packet *ret);
/* How many bytes from p->payload on the checksum counts that is told with -v; 0: none is. */
uint32_t direct_summed(const struct text_config *c, const struct direct_packet *p);
/* As struct packet's absent_sum. */
uint16_t direct_sum(const u_char *p, size_t n);
/* What the link type's printer would print of t->packet (text_direct_put.c). A dissector may jump as it does. */
void direct_put(struct text *t, const struct direct_packet *packet);

/* Colours the text between two places when the packet resets a connection; returns where it ends then (text.c). */
size_t text_color_reset(struct text *t, size_t start, size_t end);

#endif
