/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A reader of one BPF ring buffer (kernel/bpf/ringbuf.c). libbpf's own hands every record to a callback once; here
 * the head can be looked at and left, which merging several rings and waiting for an owner need.
 */
#ifndef CAPTURE_RING_H
#define CAPTURE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct ring {
	unsigned long *consumer;       /* position in bytes, shared with the kernel */
	const unsigned long *producer; /* the kernel's */
	const uint8_t *data;
	size_t size;	     /* power of two */
	size_t mapped;	     /* of data: size, and once more the longest record, which then never wraps */
	unsigned long pos;   /* how far we are; *consumer follows in steps */
	unsigned long limit; /* the producer's position when last looked */
};

/* record_max: bytes of the longest record. Returns 0 or -errno; r need not be initialised. */
int ring_open(struct ring *r, int map_fd, size_t size, size_t record_max);
/* A ring in our own memory that ring_put() fills; size: a power of two, at least a page. */
int ring_open_local(struct ring *r, size_t size);
/* Appends a record made of several parts. -ENOBUFS: there is no room. */
int ring_put(struct ring *r, const struct iovec *parts, unsigned n);
/* Takes note of what has been produced. Records after that point are not seen until the next call. */
void ring_refresh(struct ring *r);
/* The first record, skipping discarded ones: 1; 0 none; -EAGAIN: it is being written right now. */
int ring_peek(struct ring *r, const void **ret, size_t *len);
/* Leaves the record that ring_peek() gave. */
void ring_skip(struct ring *r, size_t len);
/* Gives the space of skipped records back to the kernel. */
void ring_release(struct ring *r);
/* Bytes not yet given back, by the last refresh. */
size_t ring_used(const struct ring *r);
void ring_close(struct ring *r);

#endif
