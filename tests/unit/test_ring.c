/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings as the kernel lays them out, whose first parts are pages of whatever size: 4, 16 and 64 KiB. */
#include "capture/ring.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "fake.h"

enum { RECORDS = 1000, RECORD_MAX = 3000 };

static const size_t pages[] = { 4096, 16384, 65536 };
static size_t page;

long __real_sysconf(int name);

FAKE(long, sysconf, int name)
{
	return name == _SC_PAGESIZE ? (long)page : __real_sysconf(name);
}

/* Record number i: its bytes tell which it is. */
static size_t record_fill(unsigned i, uint8_t record[RECORD_MAX])
{
	const size_t len = 1 + i * 7919 % RECORD_MAX;

	memset(record, (int)(i % 251), len);
	return len;
}

static bool record_is(unsigned i, const void *data, size_t len)
{
	uint8_t want[RECORD_MAX];

	return record_fill(i, want) == len && memcmp(data, want, len) == 0;
}

/* Many times around, a record or two in it at a time. */
static bool goes_round(struct ring *r)
{
	uint8_t record[RECORD_MAX];
	const void *data;
	size_t len;

	for (unsigned i = 0; i < RECORDS; i++) {
		const struct iovec part = { record, record_fill(i, record) };

		if (ring_put(r, &part, 1))
			return false;
		ring_refresh(r);
		if (ring_peek(r, &data, &len) != 1 || !record_is(i, data, len))
			return false;
		ring_skip(r, len);
		ring_release(r);
	}
	return ring_used(r) == 0;
}

static void test_local(void)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		struct ring r;

		page = pages[i];
		CHECK_INT(ring_open_local(&r, page), 0);
		CHECK(goes_round(&r));
		ring_close(&r);
	}
}

/* A file as the kernel's maps are: what lies behind the producer's page is the data. */
static int kernel_ring(size_t size)
{
	const int fd = memfd_create("ring", MFD_CLOEXEC);

	if (ftruncate(fd, (off_t)(2 * (page + size))))
		return -1;
	return fd;
}

static void test_of_the_kernel(void)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		const uint32_t header = 12;
		unsigned long end = 24; /* of header, record and padding */
		const void *data;
		struct ring r;
		size_t len;
		int fd;

		page = pages[i];
		fd = kernel_ring(4 * page);
		CHECK(fd >= 0);
		CHECK_INT(pwrite(fd, &end, sizeof(end), (off_t)page), sizeof(end));
		CHECK_INT(pwrite(fd, &header, sizeof(header), (off_t)(2 * page)), sizeof(header));
		CHECK_INT(pwrite(fd, "hello, world", header, (off_t)(2 * page + BPF_RINGBUF_HDR_SZ)), header);
		CHECK_INT(ring_open(&r, fd, 4 * page, 100), 0);
		CHECK_INT(r.mapped, 5 * page);
		CHECK_INT(ring_peek(&r, &data, &len), 1);
		CHECK_INT(len, header);
		CHECK_MEM(data, "hello, world", header);
		ring_skip(&r, len);
		ring_release(&r);
		CHECK_INT(ring_used(&r), 0);
		CHECK_INT(pread(fd, &end, sizeof(end), 0), sizeof(end));
		CHECK_INT(end, 24);
		ring_close(&r);
		close(fd);
	}
}

int main(void)
{
	RUN(test_local);
	RUN(test_of_the_kernel);
	return check_status();
}
