/* SPDX-License-Identifier: BSD-3-Clause */
/* Look-ups of names must not stall who asks, whatever the servers do; and neither end of the socket believes the other. */
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "output/resolver.h"
#include "output/resolver_serve.h"
#include "output/resolver_wire.h"
#include "util/log.h"

static const uint8_t loopback[] = { 127, 0, 0, 1 }, other[] = { 192, 0, 2, 1 };

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* A process with the other end of the socket. */
static pid_t start(void (*run)(int fd), int *fd)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		abort();
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		run(pair[1]);
		_exit(0);
	}
	close(pair[1]);
	*fd = pair[0];
	return pid;
}

static int status_of(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid ? status : -1;
}

static pid_t start_asking(struct resolver **r, void (*run)(int fd))
{
	int fd;
	const pid_t pid = start(run, &fd);

	if (resolver_new(r, fd, false))
		abort();
	return pid;
}

static void serve(int fd)
{
	resolver_serve(fd, false);
}

/* /etc/hosts is asked without a network; the answer comes within the time that may be waited. */
static void test_local_name(void)
{
	struct resolver *r;
	const pid_t pid = start_asking(&r, serve);
	char name[64] = "";

	for (int i = 0; i < 2; i++) {
		const char *s = resolver_find(r, AF_INET, loopback);

		snprintf(name, sizeof(name), "%s", s ? s : "(none)");
	}
	resolver_free(r);
	CHECK_INT(status_of(pid), 0);
	if (strcmp(name, "(none)") == 0)
		CHECK_SKIP("127.0.0.1 has no name here");
	CHECK_STR(name, "localhost");
}

/* Nobody answers. More addresses than may be asked for at once and than the cache holds. */
static void test_bounded_wait(void)
{
	uint8_t address[16] = { 0x20, 0x01, 0x0d, 0xb8 };
	const double begin = now();
	struct resolver *r;
	int pair[2];

	CHECK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	CHECK_INT(resolver_new(&r, pair[0], true), 0);
	for (unsigned i = 0; i < 40000; i++) {
		address[14] = (uint8_t)(i >> 8);
		address[15] = (uint8_t)i;
		if (i % 2)
			CHECK(!resolver_find(r, AF_INET6, address));
		else
			CHECK(!resolver_find(r, AF_INET, (const uint8_t[]){ 192, 0, 2, (uint8_t)(i / 2) }));
	}
	resolver_free(r);
	close(pair[1]);
	CHECK(now() - begin < 1.5);
}

static void answer(int fd, uint32_t id, const char *name, size_t n)
{
	char message[1024];

	memcpy(message, &id, sizeof(id));
	memcpy(message + sizeof(id), name, n);
	if (write(fd, message, sizeof(id) + n) < 0)
		_exit(1);
}

static struct resolver_question question(int fd)
{
	struct resolver_question q;

	if (read(fd, &q, sizeof(q)) != sizeof(q))
		_exit(0);
	return q;
}

static void be_odd(int fd)
{
	answer(fd, question(fd).id, "a\x1b[1m\nb c\0d\x7f", 12);
	for (;;)
		answer(fd, question(fd).id, "", 0);
}

/* What could move the cursor does not get through, nor the end of a string. */
static void test_odd_name(void)
{
	struct resolver *r;
	const pid_t pid = start_asking(&r, be_odd);

	CHECK_STR(resolver_find(r, AF_INET, loopback), "a\\x1b\\x5b1m\\nb\\x20c\\x00d\\x7f");
	CHECK(!resolver_find(r, AF_INET, other));
	CHECK_STR(resolver_find(r, AF_INET, loopback), "a\\x1b\\x5b1m\\nb\\x20c\\x00d\\x7f");
	resolver_free(r);
	CHECK_INT(status_of(pid), 0);
}

static char long_name[RESOLVER_NAME_MAX + 1];

static void be_long(int fd)
{
	answer(fd, question(fd).id, long_name, RESOLVER_NAME_MAX);
	answer(fd, question(fd).id, long_name, RESOLVER_NAME_MAX + 1);
	question(fd);
}

static void lie_of_id(int fd)
{
	const struct resolver_question q = question(fd);

	answer(fd, q.id, "first", 5);
	answer(fd, question(fd).id + 1, "second", 6);
	question(fd);
}

static void lie_of_time(int fd)
{
	const struct resolver_question q = question(fd);

	answer(fd, q.id, "first", 5);
	question(fd);
	answer(fd, q.id, "second", 6);
	question(fd);
}

static void be_short(int fd)
{
	answer(fd, question(fd).id, "first", 5);
	question(fd);
	if (write(fd, "x", 1) == 1)
		question(fd);
}

static void die(int fd)
{
	answer(fd, question(fd).id, "first", 5);
	question(fd);
	raise(SIGKILL);
}

/* Whoever lies or ends is not asked again, and nobody waits for it; names that came before stay. */
static void check_lost(void (*run)(int fd), const char *first)
{
	struct resolver *r;
	const pid_t pid = start_asking(&r, run);
	const double begin = now();

	log_set_level(LOG_ERROR);
	CHECK_STR(resolver_find(r, AF_INET, loopback), first);
	for (uint8_t i = 0; i < 200; i++)
		CHECK(!resolver_find(r, AF_INET, (const uint8_t[]){ 192, 0, 2, i }));
	CHECK(now() - begin < 1);
	CHECK_STR(resolver_find(r, AF_INET, loopback), first);
	resolver_free(r);
	status_of(pid);
}

static void test_liars(void)
{
	memset(long_name, 'x', RESOLVER_NAME_MAX);
	check_lost(be_long, long_name);
	check_lost(lie_of_id, "first");
	check_lost(lie_of_time, "first");
	check_lost(be_short, "first");
	check_lost(die, "first");
}

/* The process ends when it is asked what is no question. */
static void test_no_question(void)
{
	const struct resolver_question right = { .family = AF_INET, .address = { 127, 0, 0, 1 } };
	const struct resolver_question wrong = { .family = AF_UNIX };
	const char more[sizeof(right) + 1] = { [4] = AF_INET };
	const struct {
		const void *p;
		size_t n;
	} messages[] = { { &right, sizeof(right) - 1 }, { &wrong, sizeof(wrong) }, { more, sizeof(more) } };

	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		int fd;
		const pid_t pid = start(serve, &fd);
		char rest[1024];

		CHECK(write(fd, &right, sizeof(right)) == sizeof(right));
		CHECK(read(fd, rest, sizeof(rest)) >= 4);
		CHECK(write(fd, messages[i].p, messages[i].n) == (ssize_t)messages[i].n);
		CHECK_INT(status_of(pid), 0);
		close(fd);
	}
}

/* It is asked more than it may be: it ends, or it keeps up. */
static void test_flood(void)
{
	struct resolver_question q = { .family = AF_INET, .address = { 192, 0, 2, 1 } };
	int fd;
	const pid_t pid = start(serve, &fd);

	signal(SIGPIPE, SIG_IGN);
	for (q.id = 0; q.id < 100000; q.id++) {
		if (send(fd, &q, sizeof(q), MSG_DONTWAIT) < 0)
			break;
	}
	close(fd);
	CHECK_INT(status_of(pid), 0);
}

int main(void)
{
	RUN(test_local_name);
	RUN(test_bounded_wait);
	RUN(test_odd_name);
	RUN(test_liars);
	RUN(test_no_question);
	RUN(test_flood);
	return check_status();
}
