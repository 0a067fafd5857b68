/* SPDX-License-Identifier: BSD-3-Clause */
/* A regular file in aligned pieces: what is in it at any time, and when its disk is full. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "check.h"
#include "fake.h"
#include "output/file.h"

enum { PIECE = 256 * 1024, RECORD_MAX = 3000, HUGE_RECORD = 700 * 1024 };

static char path[] = "/tmp/file_sink.XXXXXX";
static const struct file_config in_turns = { .in_turns = true }, whole_only = { 0 };

/* The disk. */
#define ENDLESS (UINT64_MAX / 2)
static uint64_t room;	  /* bytes until it is full */
static uint64_t reserved; /* bytes that are taken for the file beyond its end */
static size_t at_once;	  /* that a write takes, 0: all */
static bool may_allocate;
static unsigned allocations;

ssize_t __real_write(int fd, const void *p, size_t n);
int __real_ftruncate(int fd, off_t size);

FAKE(ssize_t, write, int fd, const void *p, size_t n)
{
	ssize_t done;
	uint64_t own;

	if (at_once && n > at_once)
		n = at_once;
	if (n > room + reserved)
		n = room + reserved;
	if (n == 0) {
		errno = ENOSPC;
		return -1;
	}
	done = __real_write(fd, p, n);
	own = done < 0 ? 0 : (uint64_t)done < reserved ? (uint64_t)done : reserved;
	reserved -= own;
	room -= done > 0 ? (uint64_t)done - own : 0;
	return done;
}

FAKE(int, fstatfs, int fd, struct statfs *ret)
{
	(void)fd;
	*ret = (struct statfs){ .f_type = EXT4_SUPER_MAGIC };
	return 0;
}

/* As ext4: what it got before it had no more, it keeps. */
FAKE(int, fallocate, int fd, int mode, off_t at, off_t n)
{
	const bool enough = may_allocate && (uint64_t)n <= room;
	const uint64_t taken = enough ? (uint64_t)n : room < 8 * PIECE ? room / 2 : 8 * PIECE;
	struct stat st;

	allocations++;
	if (mode != FALLOC_FL_KEEP_SIZE || fstat(fd, &st) || (uint64_t)at != (uint64_t)st.st_size + reserved) {
		errno = EINVAL;
		return -1;
	}
	room -= taken;
	reserved += taken;
	errno = ENOSPC;
	return enough ? 0 : -1;
}

FAKE(int, ftruncate, int fd, off_t size)
{
	room += reserved;
	reserved = 0;
	return __real_ftruncate(fd, size);
}

/* Records: their length, and bytes that tell where in the file they are. */
static size_t whole(const uint8_t *p, size_t len, bool at_start, uint64_t *packets)
{
	size_t at = 0;
	uint32_t n;

	(void)at_start;
	*packets = 0;
	while (len - at >= sizeof(n)) {
		memcpy(&n, p + at, sizeof(n));
		if (n > len - at)
			break;
		at += n;
		++*packets;
	}
	return at;
}

static void disk(uint64_t free_bytes, size_t takes, bool allocates)
{
	room = free_bytes;
	at_once = takes;
	may_allocate = allocates;
	allocations = 0;
	reserved = 0;
}

static struct sink open_sink(const struct file_config *config)
{
	static const struct folder anywhere = { .fd = AT_FDCWD };
	struct sink s = { .fd = -1, .whole = whole };

	if (sink_open(&s, &(struct sink_place){ &anywhere, path, true }, config))
		abort();
	return s;
}

static int put(struct sink *s, uint32_t n)
{
	const uint32_t from = (uint32_t)sink_size(s);
	uint8_t *at;
	const int err = sink_reserve(s, n, &at);

	if (err)
		return err;
	for (uint32_t i = 0; i < n; i++)
		at[i] = (uint8_t)((from + i) * 2654435761U >> 24);
	memcpy(at, &n, sizeof(n));
	sink_commit_packet(s, n);
	return 0;
}

static size_t file_size(void)
{
	struct stat st;

	return stat(path, &st) ? 0 : (size_t)st.st_size;
}

/* Bytes of whole records in the file, as they were put, and how many these are; SIZE_MAX: others. */
static size_t read_file(uint64_t *packets)
{
	const size_t len = file_size();
	uint8_t *p = malloc(len + 1);
	const int fd = open(path, O_RDONLY);
	const bool ok = read(fd, p, len) == (ssize_t)len;
	size_t records = whole(p, len, true, packets), at = 0;

	close(fd);
	while (ok && at < records) {
		uint32_t n;

		memcpy(&n, p + at, sizeof(n));
		for (size_t i = sizeof(n); i < n && records != SIZE_MAX; i++) {
			if (p[at + i] != (uint8_t)((uint32_t)(at + i) * 2654435761U >> 24))
				records = SIZE_MAX;
		}
		at += n;
	}
	free(p);
	return ok ? records : SIZE_MAX;
}

static size_t check_file(void)
{
	uint64_t packets;

	return read_file(&packets);
}

static uint32_t some_size(void)
{
	if (random() % 500 == 0)
		return 4 + (uint32_t)random() % HUGE_RECORD;
	return 4 + (uint32_t)random() % RECORD_MAX;
}

/* Between flushes only aligned pieces are in it; after one all records, and nothing but those. */
static void test_pieces(void)
{
	struct sink s = open_sink(&in_turns);
	unsigned torn = 0;

	disk(ENDLESS, 0, true);
	srandom(1);
	for (unsigned i = 0; i < 20000; i++) {
		CHECK_INT(put(&s, some_size()), 0);
		if (sink_is_torn(&s)) {
			torn++;
			CHECK_INT(file_size() % PIECE, 0);
		}
		if (random() % 700 == 0) {
			CHECK_INT(sink_flush(&s), 0);
			CHECK(!sink_is_torn(&s));
			CHECK_INT(file_size(), sink_size(&s));
		}
	}
	CHECK(torn > 1000);
	CHECK_INT(sink_close(&s), 0);
	CHECK_INT(check_file(), sink_size(&s));
	CHECK_INT(file_size(), sink_size(&s));
	CHECK(allocations > 2);
	CHECK_INT(reserved, 0);
	sink_done(&s);
}

/* Who does not say when he pauses gets whole records only. */
static void test_whole_records(void)
{
	struct sink s = open_sink(&whole_only);

	disk(ENDLESS, 1000, true);
	for (unsigned i = 0; i < 1000; i++) {
		CHECK_INT(put(&s, some_size()), 0);
		CHECK(!sink_is_torn(&s));
		CHECK(i % 100 || check_file() == file_size());
	}
	CHECK_INT(sink_close(&s), 0);
	CHECK_INT(check_file(), sink_size(&s));
	CHECK_INT(allocations, 0);
	sink_done(&s);
}

/* Until the disk is full. Returns where the last record ends that had room, SIZE_MAX: it failed otherwise. */
static size_t fill_up(struct sink *s, size_t free_bytes)
{
	size_t fits = 0;
	int err = 0;

	while (!err) {
		err = put(s, some_size());
		if (!err && sink_size(s) <= free_bytes)
			fits = sink_size(s);
		if (!err && random() % 200 == 0)
			err = sink_flush(s);
	}
	return err == -ENOSPC ? fits : SIZE_MAX;
}

/* Wherever that is, in a piece or in a flush, with short writes or without, all records that have room are kept. */
static void test_full_disk(void)
{
	srandom(2);
	for (unsigned round = 0; round < 300; round++) {
		/* Space is asked for 4 MB ahead: some disks have that much. */
		const size_t free_bytes = (size_t)random() % (4 * PIECE) + (round % 16 ? 0 : 20 * PIECE);
		struct sink s = open_sink(&in_turns);
		uint64_t held;

		disk(free_bytes, random() % 3 ? 0 : 1 + (size_t)random() % 100000, random() % 2);
		CHECK_INT(fill_up(&s, free_bytes), file_size());
		CHECK_INT(reserved, 0);
		CHECK_INT(read_file(&held), file_size());
		CHECK_INT(held, s.packets);
		CHECK_INT(file_size(), sink_size(&s));
		CHECK_INT(sink_close(&s), 0);
		sink_done(&s);
	}
}

/* It takes as much as without, keeps nothing for itself and is not asked again. */
static void test_space_is_refused(void)
{
	struct sink s = open_sink(&in_turns);

	disk(ENDLESS, 0, false);
	while (sink_size(&s) < 5 * PIECE)
		CHECK_INT(put(&s, 1000), 0);
	CHECK_INT(allocations, 1);
	CHECK_INT(reserved, 0);
	CHECK_INT(sink_close(&s), 0);
	CHECK_INT(check_file(), sink_size(&s));
	sink_done(&s);
}

static void put_several(struct sink *s)
{
	disk(ENDLESS, 0, true);
	while (sink_size(s) < 3 * PIECE)
		CHECK_INT(put(s, 1000), 0);
	CHECK_INT(sink_flush(s), 0);
	CHECK(reserved > 0);
}

/* What others did to the file meanwhile stays. */
static void test_changed_by_others(void)
{
	struct sink s = open_sink(&in_turns);
	int fd;

	put_several(&s);
	CHECK_INT(truncate(path, 1000), 0);
	CHECK_INT(sink_close(&s), 0);
	CHECK_INT(file_size(), 1000);
	sink_done(&s);

	s = open_sink(&in_turns);
	put_several(&s);
	fd = open(path, O_WRONLY | O_APPEND);
	CHECK_INT(__real_write(fd, "more", 4), 4);
	close(fd);
	CHECK_INT(sink_close(&s), 0);
	CHECK_INT(file_size(), sink_size(&s) + 4);
	sink_done(&s);
}

int main(void)
{
	const int fd = mkstemp(path);

	close(fd);
	RUN(test_pieces);
	RUN(test_whole_records);
	RUN(test_full_disk);
	RUN(test_space_is_refused);
	RUN(test_changed_by_others);
	unlink(path);
	return check_status();
}
