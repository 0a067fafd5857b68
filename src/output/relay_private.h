/* SPDX-License-Identifier: BSD-3-Clause */
/* What both processes of a relay see: relay.c writes, relay_serve.c reads. */
#ifndef RELAY_PRIVATE_H
#define RELAY_PRIVATE_H

#include "annotation.h"
#include "output/relay.h"

enum {
	RELAY_SIZE = 1 << 20, /* of the ring, a power of two */
	RELAY_RECORD_MAX = RELAY_SIZE / 2,
	RELAY_CHUNK = 1 << 16,	 /* strings of one annotation that are sent at once */
	RELAY_ANNOTATIONS = 512, /* kept, by the lowest bits of their serials */
	RELAY_LINE = 64,	 /* of a cache */
};

/* In front of the ring; the child can only read both. */
struct relay_head {
	uint64_t produced; /* bytes; the ring has the last of them */
	uint32_t waiting;  /* we sleep until half of the ring is free */
};

/* The child writes it. */
struct relay_reply {
	_Alignas(RELAY_LINE) uint64_t consumed; /* bytes, up to head.produced */
	_Alignas(RELAY_LINE) uint32_t sleeping; /* until something comes through the socket */
	int32_t error;				/* the errno that ended it */
	size_t taken;				/* by its reader, of what it writes now */
};

enum relay_type { RELAY_IFACE, RELAY_ANNOTATION, RELAY_PACKET, RELAY_FLUSH, RELAY_COUNTS, RELAY_TICK, RELAY_END };

struct relay_record {
	uint32_t size; /* with this, a multiple of 8 */
	uint8_t type;
	/* Of packets. */
	uint8_t dir, by_peer, annotated;
};

/* Its name and netns_name follow, each with its NUL; the latter is empty when there is none. */
struct relay_iface {
	struct relay_record record;
	struct iface iface; /* but for what it points to */
	char names[];
};

/* The strings follow as annot_strings_move() puts them, in as many records as it takes. */
struct relay_annotation {
	struct relay_record record;
	uint32_t total, offset, len; /* bytes of strings: of all records, before this one, in it */
	uint32_t padding;
	struct annotation annot; /* but for what it points to */
	char strings[];
};

/* Perhaps less of its data than caplen, where the rest is not needed; there is memory, but it holds something else. */
struct relay_packet {
	struct relay_record record;
	int64_t sec;
	int32_t nsec;
	uint32_t iface; /* its id */
	uint32_t caplen, len;
	uint32_t absent;
	uint16_t absent_sum;
	uint16_t annotation; /* its slot, when annotated */
	uint8_t data[];
};

struct relay_counts {
	struct relay_record record;
	struct output_counts counts;
};

/* The end of the ring is followed by its beginning, so that no record wraps. */
struct relay_memory {
	struct relay_head *head;
	uint8_t *data;
};

/* The child's. */
struct relay_child {
	int socket;
	const struct relay_head *head;
	const uint8_t *data;
	struct relay_reply *reply;
};

static inline size_t relay_round(size_t n)
{
	return (n + 7) / 8 * 8;
}

/* Memory that can be written through this mapping only; *fd: to be mapped for reading by another process. -errno. */
int relay_memory_new(struct relay_memory *m, int *fd);
/* prot: PROT_READ for the child. -errno. */
int relay_map(struct relay_memory *m, int fd, int prot);
void relay_unmap(struct relay_memory *m);

/* What the child does. Returns when it is to end; the reply says why. */
void relay_serve(const struct relay_child *child, const struct relay_config *config);

#endif
