/* SPDX-License-Identifier: BSD-3-Clause */
/* Inserting, the flush. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "check.h"
#include "util/buf.h"

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
	CHECK_INT(buf_flush(&b, fds[1], NULL, NULL), 0);
	CHECK_INT(b.len, 0);
	CHECK_INT(read(fds[0], got, sizeof(got)), 4);
	CHECK_MEM(got, "text", 4);
	close(fds[0]);
	buf_puts(&b, "nobody reads");
	CHECK_INT(buf_flush(&b, fds[1], NULL, NULL), -EPIPE);
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
		_exit(buf_flush(&b, fds[1], NULL, NULL) == 0 && b.len == 0 ? 0 : 1);
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
	RUN(test_insert);
	RUN(test_flush);
	RUN(test_flush_slow_reader);
	return check_status();
}
