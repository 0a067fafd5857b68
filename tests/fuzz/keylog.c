/* SPDX-License-Identifier: BSD-3-Clause */
/* Any lines in the file of TLS secrets: only whole lines that are secrets come out, however the file grows. */
#include <fcntl.h>
#include <sys/inotify.h>

#include "fuzz.h"
#include "keylog.h"

/* The kernel takes 10 ms to end a watch. */
FAKE(int, inotify_init1, int flags)
{
	(void)flags;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

FAKE(int, inotify_add_watch, int fd, const char *path, uint32_t mask)
{
	(void)fd;
	(void)path;
	(void)mask;
	return 1;
}

static void read_all(const char *path, int fd, const uint8_t *data, size_t size, size_t step, struct buf *lines)
{
	const struct keylog_config config = { .user_file = path };
	struct keylog *k;

	if (ftruncate(fd, 0) || keylog_new(&k, &config))
		abort();
	for (size_t at = 0, n; at < size; at += n) {
		n = step < size - at ? step : size - at;
		if (pwrite(fd, data + at, n, (off_t)at) != (ssize_t)n)
			abort();
		FUZZ_CHECK(keylog_read(k, lines) == 0);
	}
	keylog_free(k);
}

/* LABEL HEX HEX */
static void check_line(const char *p, size_t n)
{
	size_t blanks = 0;

	FUZZ_CHECK(n >= 7 && n <= 512);
	for (size_t i = 0; i < n; i++) {
		blanks += p[i] == ' ';
		FUZZ_CHECK(strchr(blanks ? " 0123456789abcdefABCDEF" : "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", p[i]) &&
			   p[i]);
	}
	FUZZ_CHECK(blanks == 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct buf whole = { 0 }, parts = { 0 };
	char path[32];

	fd = fuzz_file(fd, "", 0, path);
	read_all(path, fd, data, size, size, &whole);
	if (size)
		read_all(path, fd, data, size, data[0] % 64 + 1U, &parts);
	FUZZ_CHECK(str_eq((struct str){ whole.p, (uint32_t)whole.len }, (struct str){ parts.p, (uint32_t)parts.len }));
	for (size_t at = 0; at < whole.len;) {
		const char *end = memchr(whole.p + at, '\n', whole.len - at);

		FUZZ_CHECK(end);
		check_line(whole.p + at, (size_t)(end - whole.p) - at);
		at = (size_t)(end - whole.p) + 1;
	}
	buf_done(&whole);
	buf_done(&parts);
	return 0;
}
