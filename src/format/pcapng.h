/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapng blocks, encode and decode (draft-ietf-opsawg-pcapng). Everything is written in host byte order; what
 * another machine wrote is turned into host order before anyone looks at it.
 *
 * A block: u32 type, u32 total length, body padded to 4 bytes, u32 total length again.
 * An option: u16 code, u16 length of the value, value padded to 4 bytes.
 */
#ifndef FORMAT_PCAPNG_H
#define FORMAT_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet.h"
#include "util/buf.h"

enum pcapng_block_type {
	PCAPNG_IDB = 1,	 /* interface description */
	PCAPNG_PB = 2,	 /* packet, obsolete */
	PCAPNG_SPB = 3,	 /* simple packet */
	PCAPNG_NRB = 4,	 /* name resolution */
	PCAPNG_ISB = 5,	 /* interface statistics */
	PCAPNG_EPB = 6,	 /* enhanced packet */
	PCAPNG_DSB = 10, /* decryption secrets */
	PCAPNG_CB = 0xbad,
	PCAPNG_CB_NOCOPY = 0x40000bad,
	PCAPNG_APPLE_PROCESS = 0x80000001, /* process_block.h */
	PCAPNG_SHB = 0x0a0d0d0a,	   /* section header: the same in both byte orders */
};

enum { PCAPNG_MAGIC = 0x1a2b3c4d };    /* in a section header: tells its byte order */
enum { PCAPNG_TLS_KEYS = 0x544c534b }; /* in a decryption secrets block: lines as of SSLKEYLOGFILE */

enum pcapng_option {
	OPT_END = 0,
	OPT_COMMENT = 1,
	/* Custom ones carry a private enterprise number first. */
	OPT_CUSTOM_STR = 2988,
	OPT_CUSTOM_BIN = 2989,
	OPT_CUSTOM_STR_NOCOPY = 19372,
	OPT_CUSTOM_BIN_NOCOPY = 19373,

	SHB_HARDWARE = 2,
	SHB_OS = 3,
	SHB_USERAPPL = 4,

	IF_NAME = 2,
	IF_DESCRIPTION = 3,
	IF_SPEED = 8,
	IF_TSRESOL = 9,
	IF_TZONE = 10,
	IF_FILTER = 11,
	IF_OS = 12,
	IF_FCSLEN = 13,
	IF_TSOFFSET = 14,
	IF_TXSPEED = 16,
	IF_RXSPEED = 17,

	EPB_FLAGS = 2,
	EPB_HASH = 3,
	EPB_DROPCOUNT = 4,
	EPB_PACKETID = 5,
	EPB_QUEUE = 6,
	EPB_VERDICT = 7,
	EPB_PROCESS_THREAD = 8,
	/* Apple's: pcap-ng.h of its libpcap. */
	EPB_APPLE_PROCESS = 0x8001,
	EPB_APPLE_CLASS = 0x8002, /* of service */
	EPB_APPLE_EFFECTIVE = 0x8003,
	EPB_APPLE_LAST_U32 = 0x8007,

	ISB_STARTTIME = 2,
	ISB_ENDTIME = 3,
	ISB_IFRECV = 4,
	ISB_IFDROP = 5,
	ISB_FILTERACCEPT = 6,
	ISB_OSDROP = 7,
	ISB_USRDELIV = 8,
};

enum {
	PCAPNG_OPTION_MAX = 65535,
	PCAPNG_MAX_IFACES = 65536, /* per file; bounds memory */
};

/* Encoding: each appends a whole block to b. */

struct pcapng_section {
	const char *hardware, *os, *userappl; /* NULL: left out */
};
void pcapng_put_section(struct buf *b, const struct pcapng_section *s);
/* linktype: what stands in the block. os: for if_os; NULL left out. An interface with options (from a file) is written
 * with exactly those. */
void pcapng_put_iface(struct buf *b, const struct iface *iface, uint32_t linktype, const char *os);
/* Received and dropped of interface number id of the section; times in ns since the epoch. comment: empty none. */
void pcapng_put_stats(struct buf *b, uint32_t id, const struct iface *iface, uint64_t start, uint64_t end,
		      struct str comment);
void pcapng_put_block(struct buf *b, uint32_t type, const void *body, uint32_t len);
/* The body of a decryption secrets block only. */
void pcapng_put_secrets(struct buf *b, uint32_t kind, const void *p, uint32_t len);
/* One option, cut at PCAPNG_OPTION_MAX bytes. */
void pcapng_put_option(struct buf *b, uint16_t code, const void *value, size_t len);

/* An enhanced (or simple) packet block, written without a buffer in between: the hot path. */
struct pcapng_packet {
	uint32_t iface; /* its number in the section */
	uint64_t ts;	/* in units of the interface's if_tsresol */
	uint32_t caplen, len;
	const uint8_t *data;
	enum direction dir;	/* epb_flags unless DIR_NONE */
	const uint8_t *process; /* options that name its process, in front of the others */
	size_t process_len;	/* a multiple of 4, as that of */
	const uint8_t *options; /* whole options without the end mark, appended as they are */
	size_t options_len;
	bool simple; /* as a simple packet block: iface is 0, caplen is len or the interface's snapshot length */
};
size_t pcapng_packet_size(const struct pcapng_packet *p);
/* size: of pcapng_packet_size(). */
void pcapng_write_packet(uint8_t *out, const struct pcapng_packet *p, size_t size);

/* Decoding. */

static inline uint16_t get16(const uint8_t *p, bool swapped)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return swapped ? __builtin_bswap16(v) : v;
}

static inline uint32_t get32(const uint8_t *p, bool swapped)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return swapped ? __builtin_bswap32(v) : v;
}

static inline uint64_t get64(const uint8_t *p, bool swapped)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return swapped ? __builtin_bswap64(v) : v;
}

static inline size_t pad4(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

/* Walks options in host byte order, up to the end mark or the first that is cut short. */
struct pcapng_options {
	const uint8_t *p, *end;
};
bool pcapng_next_option(struct pcapng_options *o, uint16_t *code, const uint8_t **value, uint16_t *len);
/* Goes behind the next of that code. False: none, o is at the end. */
bool pcapng_find_option(struct pcapng_options *o, uint16_t code);
/* Bytes of whole options in front of the end mark. */
size_t pcapng_options_size(const uint8_t *p, size_t len);

/* Turns the body of a block of type (or of options, which start at offset options of the body) from the other byte
 * order into the host's, in place. False: a type whose fields we don't know, body unchanged. */
bool pcapng_block_to_host(uint32_t type, uint8_t *body, uint32_t len);

struct pcapng_timebase {
	uint64_t units; /* per second */
	int64_t offset; /* seconds */
};
/* if_tsresol and if_tsoffset are the only options whose misreading would falsify packets. iface: its id stays as it is,
 * strings are allocated. Returns 0, or -EBADMSG with the reason in err. body in host byte order. */
int pcapng_parse_iface(const uint8_t *body, uint32_t len, struct iface *iface, struct pcapng_timebase *tb,
		       char err[160]);
/* Frees what pcapng_parse_iface allocated inside iface. */
void pcapng_iface_done(struct iface *iface);

#endif
