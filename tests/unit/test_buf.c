/* SPDX-License-Identifier: BSD-3-Clause */
/* The escapes, the flush. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "check.h"
#include "util/buf.h"

static struct buf ours;

static const char *escaped(const char *s, uint32_t n)
{
	ours.len = 0;
	buf_put_escaped(&ours, (struct str){ s, n });
	buf_putc(&ours, '\0');
	return ours.p;
}

static void test_escape(void)
{
	CHECK_STR(escaped("plain text", 10), "plain text");
	CHECK_STR(escaped("a\nb\tc\rd\\e", 9), "a\\nb\\tc\\rd\\\\e");
	CHECK_STR(escaped("\0\x1b[2J\x7f", 6), "\\x00\\x1b[2J\\x7f");
	CHECK_STR(escaped("\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7", 9), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7");
	/* C1 (CSI in UTF-8), line separator, right-to-left override */
	CHECK_STR(escaped("\xc2\x9b"
			  "31m",
			  5),
		  "\\xc2\\x9b31m");
	CHECK_STR(escaped("\xe2\x80\xa8\xe2\x80\xae", 6), "\\xe2\\x80\\xa8\\xe2\\x80\\xae");
	/* lone continuation, overlong slash, surrogate, beyond U+10FFFF, cut sequences */
	CHECK_STR(escaped("\x9b", 1), "\\x9b");
	CHECK_STR(escaped("\xc0\xaf", 2), "\\xc0\\xaf");
	CHECK_STR(escaped("\xed\xa0\x80", 3), "\\xed\\xa0\\x80");
	CHECK_STR(escaped("\xf4\x90\x80\x80", 4), "\\xf4\\x90\\x80\\x80");
	CHECK_STR(escaped("\xe2\x82", 2), "\\xe2\\x82");
	CHECK_STR(escaped("\xe2\x82"
			  "A",
			  3),
		  "\\xe2\\x82A");
	CHECK_STR(escaped(NULL, 0), "");
}

static void test_insert(void)
{
	struct buf b = { 0 };

	buf_insert(&b, 0, "world", 5);
	buf_insert(&b, 0, "hello ", 6);
	buf_insert(&b, 5, ",", 1);
	buf_insert(&b, 12, "!", 1);
	buf_insert(&b, 3, "", 0);
	CHECK_INT(b.len, 13);
	CHECK_MEM(b.p, "hello, world!", 13);
	buf_done(&b);
	CHECK(b.p == NULL);
}

static void test_flush(void)
{
	struct buf b = { 0 };
	char got[8] = "";
	int fds[2];

	CHECK(pipe(fds) == 0);
	buf_puts(&b, "text");
	CHECK_INT(buf_flush(&b, fds[1], NULL), 0);
	CHECK_INT(b.len, 0);
	CHECK_INT(read(fds[0], got, sizeof(got)), 4);
	CHECK_MEM(got, "text", 4);
	close(fds[0]);
	buf_puts(&b, "nobody reads");
	CHECK_INT(buf_flush(&b, fds[1], NULL), -EPIPE);
	CHECK_INT(b.len, 12);
	close(fds[1]);
	buf_done(&b);
}

/* A reader of a non-blocking pipe that is slower than the writer. */
static void test_flush_slow_reader(void)
{
	enum { SIZE = 1 << 20 };
	struct buf b = { 0 };
	size_t total = 0;
	char part[4096];
	int fds[2];

	CHECK(pipe2(fds, O_NONBLOCK) == 0);
	memset(buf_reserve(&b, SIZE), 'x', SIZE);
	b.len = SIZE;
	const pid_t pid = fork();
	if (pid == 0) {
		close(fds[0]);
		_exit(buf_flush(&b, fds[1], NULL) == 0 && b.len == 0 ? 0 : 1);
	}
	close(fds[1]);
	fcntl(fds[0], F_SETFL, 0);
	for (ssize_t n; (n = read(fds[0], part, sizeof(part))) > 0;)
		total += (size_t)n;
	close(fds[0]);
	CHECK_INT(total, SIZE);
	buf_done(&b);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	RUN(test_escape);
	RUN(test_insert);
	RUN(test_flush);
	RUN(test_flush_slow_reader);
	buf_done(&ours);
	return check_status();
}
