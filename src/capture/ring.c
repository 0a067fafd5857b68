/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Space goes back to the kernel in steps of this part of a ring: each step costs the producers a cache miss. */
#define RELEASE_SHARE 16
/* Another CPU has written what comes: so many bytes ahead, the length of some records, it is asked for before it is needed. */
#define AHEAD 1152
#define LINE 64

static size_t page_round(size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (n + page - 1) / page * page;
}

static size_t record_space(uint32_t header)
{
	size_t len = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

	return (len + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
}

int ring_open(struct ring *r, int map_fd, size_t size, size_t record_max)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), tail = page_round(record_max + BPF_RINGBUF_HDR_SZ);
	void *p;

	memset(r, 0, sizeof(*r));
	/* The kernel maps the data twice in a row; mapping all of it would count twice as our memory. */
	r->size = size;
	r->mapped = size + (tail < size ? tail : size);
	p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	r->consumer = p;
	p = mmap(NULL, page + r->mapped, PROT_READ, MAP_SHARED, map_fd, (off_t)page);
	if (p == MAP_FAILED) {
		int err = -errno;

		ring_close(r);
		return err;
	}
	r->producer = p;
	r->data = (const uint8_t *)p + page;
	r->pos = __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);
	ring_refresh(r);
	return 0;
}

/* Laid out like the kernel's: a page for the consumer, one for the producer, and the data twice in a row. */
int ring_open_local(struct ring *r, size_t size)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = memfd_create("ptcpdump-ring", MFD_CLOEXEC), err = 0;
	uint8_t *p;

	memset(r, 0, sizeof(*r));
	if (fd < 0)
		return -errno;
	r->size = r->mapped = size;
	p = ftruncate(fd, (off_t)(2 * page + size)) ? MAP_FAILED
						    : mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		goto fail;
	r->consumer = (void *)p;
	p = mmap(NULL, page + 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		goto fail;
	r->producer = (void *)p;
	r->data = p + page;
	r->mapped = 2 * size;
	if (mmap(p, page + size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, (off_t)page) == MAP_FAILED ||
	    mmap(p + page + size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, (off_t)(2 * page)) ==
		    MAP_FAILED)
		goto fail;
	close(fd);
	return 0;
fail:
	err = -errno;
	close(fd);
	ring_close(r);
	return err;
}

int ring_put(struct ring *r, const struct iovec *parts, unsigned n)
{
	unsigned long *producer = (unsigned long *)(uintptr_t)r->producer;
	uint8_t *record = (uint8_t *)(uintptr_t)r->data + (*producer & (r->size - 1)), *to;
	size_t len = 0;

	for (unsigned i = 0; i < n; i++)
		len += parts[i].iov_len;
	if (len >= r->size || record_space((uint32_t)len) > r->size - (*producer - *r->consumer))
		return -ENOBUFS;
	to = record + BPF_RINGBUF_HDR_SZ;
	for (unsigned i = 0; i < n; i++) {
		memcpy(to, parts[i].iov_base, parts[i].iov_len);
		to += parts[i].iov_len;
	}
	*(uint32_t *)(void *)record = (uint32_t)len;
	*producer += record_space((uint32_t)len);
	return 0;
}

void ring_refresh(struct ring *r)
{
	r->limit = __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
}

int ring_peek(struct ring *r, const void **ret, size_t *len)
{
	while (r->pos < r->limit) {
		const uint8_t *p = r->data + (r->pos & (r->size - 1));
		uint32_t header = __atomic_load_n((const uint32_t *)(const void *)p, __ATOMIC_ACQUIRE);

		if (header & BPF_RINGBUF_BUSY_BIT)
			return -EAGAIN;
		if (header & BPF_RINGBUF_DISCARD_BIT) {
			r->pos += record_space(header);
			continue;
		}
		for (unsigned i = 0; i < 3; i++)
			__builtin_prefetch(p + AHEAD + i * LINE);
		*ret = p + BPF_RINGBUF_HDR_SZ;
		*len = header;
		return 1;
	}
	return 0;
}

void ring_skip(struct ring *r, size_t len)
{
	r->pos += record_space((uint32_t)len);
	if (r->pos - *r->consumer > r->size / RELEASE_SHARE)
		ring_release(r);
}

void ring_release(struct ring *r)
{
	if (r->pos != *r->consumer)
		__atomic_store_n(r->consumer, r->pos, __ATOMIC_RELEASE);
}

size_t ring_used(const struct ring *r)
{
	return r->limit - *r->consumer;
}

void ring_close(struct ring *r)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (r->consumer)
		munmap(r->consumer, page);
	if (r->producer)
		munmap((void *)(uintptr_t)r->producer, page + r->mapped);
	memset(r, 0, sizeof(*r));
}
