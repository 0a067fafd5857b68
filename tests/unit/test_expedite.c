/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/expedite.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static char file[] = "/tmp/ptcpdump-expedite-XXXXXX";

static void put(int value)
{
	FILE *f = fopen(file, "w");

	if (f) {
		fprintf(f, "%d\n", value);
		fclose(f);
	}
}

static int get(void)
{
	FILE *f = fopen(file, "r");
	int value = -1;

	if (f && fscanf(f, "%d", &value) != 1)
		value = -1;
	if (f)
		fclose(f);
	return value;
}

static void test_set_and_reset(void)
{
	struct expedite e;

	put(0);
	expedite_open(&e, file);
	expedite_begin(&e);
	CHECK_INT(get(), EXPEDITED_BY_US);
	expedite_begin(&e);
	expedite_end(&e);
	CHECK_INT(get(), 0);
	expedite_begin(&e);
	CHECK_INT(get(), EXPEDITED_BY_US);
	expedite_close(&e);
	CHECK_INT(get(), 0);
}

/* Somebody wants it so. */
static void test_of_others(void)
{
	struct expedite e;

	put(1);
	expedite_open(&e, file);
	expedite_begin(&e);
	CHECK_INT(get(), 1);
	CHECK_INT(e.guard, -1);
	expedite_end(&e);
	CHECK_INT(get(), 1);
	expedite_close(&e);
}

static void test_not_writable(void)
{
	struct expedite e;

	expedite_open(&e, "/proc/self/no-such-file");
	expedite_begin(&e);
	CHECK_INT(e.guard, -1);
	expedite_close(&e);
}

/* The last one resets it, whoever has begun. */
static void test_two(void)
{
	struct expedite a, b;

	put(0);
	expedite_open(&a, file);
	expedite_open(&b, file);
	expedite_begin(&a);
	expedite_begin(&b);
	expedite_end(&a);
	CHECK_INT(get(), EXPEDITED_BY_US);
	expedite_end(&b);
	CHECK_INT(get(), 0);
	/* Nobody holds anything in between. */
	expedite_begin(&a);
	CHECK_INT(get(), EXPEDITED_BY_US);
	expedite_end(&a);
	expedite_begin(&b);
	CHECK_INT(get(), EXPEDITED_BY_US);
	expedite_close(&a);
	expedite_close(&b);
	CHECK_INT(get(), 0);
}

/* Not by us: then nobody waits for it. */
static void test_locked(void)
{
	struct expedite e;
	int fd;

	put(0);
	fd = open(file, O_RDWR);
	CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
	expedite_open(&e, file);
	expedite_begin(&e);
	CHECK_INT(e.guard, -1);
	expedite_close(&e);
	close(fd);
}

static void test_guard_killed(void)
{
	struct expedite e;

	put(0);
	expedite_open(&e, file);
	expedite_begin(&e);
	CHECK_INT(get(), EXPEDITED_BY_US);
	kill(e.pid, SIGKILL);
	expedite_end(&e);
	CHECK_INT(get(), 0);
	expedite_close(&e);
}

/* All of a machine were killed at once, guards too. */
static void test_left_behind(void)
{
	struct expedite e;

	put(EXPEDITED_BY_US);
	expedite_open(&e, file);
	expedite_begin(&e);
	expedite_close(&e);
	CHECK_INT(get(), 0);
}

static void test_killed(void)
{
	int ready[2], held[2], status;
	struct pollfd p;
	char c;
	pid_t pid;

	put(0);
	CHECK(pipe(ready) == 0 && pipe(held) == 0);
	pid = fork();
	if (pid == 0) {
		struct expedite e;

		expedite_open(&e, file);
		expedite_begin(&e);
		close(held[0]);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(held[1]);
	CHECK_INT(read(ready[0], &c, 1), 1);
	CHECK_INT(get(), EXPEDITED_BY_US);
	kill(pid, SIGKILL);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	/* The guard holds nothing that the dead process had. */
	p = (struct pollfd){ .fd = held[0], .events = POLLIN };
	CHECK_INT(poll(&p, 1, 5000), 1);
	for (int i = 0; i < 500 && get() != 0; i++)
		usleep(10000);
	CHECK_INT(get(), 0);
	close(ready[0]);
	close(ready[1]);
	close(held[0]);
}

int main(void)
{
	int fd = mkstemp(file);

	close(fd);
	RUN(test_set_and_reset);
	RUN(test_of_others);
	RUN(test_not_writable);
	RUN(test_two);
	RUN(test_locked);
	RUN(test_guard_killed);
	RUN(test_left_behind);
	RUN(test_killed);
	unlink(file);
	return check_status();
}
