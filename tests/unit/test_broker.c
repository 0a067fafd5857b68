/* SPDX-License-Identifier: BSD-3-Clause */
/* Who holds the process inside of the sandbox says what he likes to the one outside. */
#include <errno.h>
#include <pcap/dlt.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "session_broker.h"
#include "session_broker_wire.h"
#include "util/fd.h"

static struct filter_expr filter = { .text = "udp port 53", .exact = "udp port 53" };

/* The process outside, and our socket to it. No user to become: the tests may be run by anybody. */
static pid_t start(int *fd)
{
	static const struct options o = { .filter = &filter, .no_sandbox = true };
	static const struct session s = { .o = &o };
	const struct broker_config config = { .s = &s, .input = STDIN_FILENO };
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		abort();
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		_exit(broker_serve(&config, pair[1]));
	}
	close(pair[1]);
	*fd = pair[0];
	return pid;
}

/* The exit status. */
static int end(pid_t pid, int fd)
{
	int status;

	close(fd);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int ask(int fd, const struct broker_question *q, struct broker_answer *a)
{
	char more[4096];

	if (write(fd, q, sizeof(*q)) != sizeof(*q))
		return -errno;
	if (fd_read_all(fd, a, sizeof(*a)) || a->size > sizeof(more))
		return -EPIPE;
	return fd_read_all(fd, more, a->size);
}

static void test_compile(void)
{
	struct broker_question q = { .kind = ASK_COMPILE, .dlt = DLT_EN10MB };
	struct broker_answer a;
	int fd;
	const pid_t pid = start(&fd);

	CHECK_INT(ask(fd, &q, &a), 0);
	CHECK_INT(a.err, 0);
	CHECK(a.size && a.size % sizeof(struct filter_insn) == 0);
	/* Anything is an answer to whether. */
	q.no_optimize = q.swapped = 0xa5;
	CHECK_INT(ask(fd, &q, &a), 0);
	CHECK_INT(a.err, 0);
	q.dlt = -1;
	q.snaplen = UINT32_MAX;
	CHECK_INT(ask(fd, &q, &a), 0);
	CHECK(a.err);
	CHECK_INT(end(pid, fd), 0);
}

/* Of -V there is no list, so it is at its end. */
static void test_input(void)
{
	const struct broker_question q = { .kind = ASK_INPUT };
	struct broker_answer a;
	int fd;
	const pid_t pid = start(&fd);

	CHECK_INT(ask(fd, &q, &a), 0);
	CHECK_INT(a.err, -ENODATA);
	CHECK_INT(end(pid, fd), 0);
}

/* Nobody of ours asks so. */
static void test_strange(void)
{
	static const struct broker_question questions[] = { { .kind = ASK_FILE, .step = FILE_FIRST },
							    { .kind = ASK_FILE, .step = 77 },
							    { .kind = 77 } };

	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		struct broker_answer a;
		int fd;
		const pid_t pid = start(&fd);

		CHECK_INT(ask(fd, &questions[i], &a), -EPIPE);
		CHECK_INT(end(pid, fd), 1);
	}
}

int main(void)
{
	RUN(test_compile);
	RUN(test_input);
	RUN(test_strange);
	return check_status();
}
