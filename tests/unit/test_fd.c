/* SPDX-License-Identifier: BSD-3-Clause */
/* What is closed in a child, on kernels and in containers that lack a call for it. */
#include "util/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fake.h"

enum { ONE = 40, OTHER = 60 };

static int range_error; /* of close_range(); 0: the kernel does it */
static bool no_proc;

long __real_syscall(long number, ...);

FAKE(long, syscall, long number, ...)
{
	unsigned first, last, flags;
	va_list args;

	va_start(args, number);
	first = va_arg(args, unsigned);
	last = va_arg(args, unsigned);
	flags = va_arg(args, unsigned);
	va_end(args);
	if (number != SYS_close_range)
		abort();
	if (!range_error)
		return __real_syscall(number, first, last, flags);
	errno = range_error;
	return -1;
}

DIR *__real_opendir(const char *path);

FAKE(DIR *, opendir, const char *path)
{
	if (!no_proc)
		return __real_opendir(path);
	errno = ENOENT;
	return NULL;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* In a child: how many are open beside those that are to be. -1: one of these is not. */
static int closes(int one, int other)
{
	static const int fds[] = { 3, 7, 39, ONE, 41, 59, OTHER, 61, 1000 };
	int n = 0;

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		dup2(STDERR_FILENO, fds[i]);
	if (fd_close_all_but(one, other) != 0 || !is_open(one) || (other >= 0 && !is_open(other)))
		return -1;
	for (int fd = STDERR_FILENO + 1; fd < 2000; fd++)
		n += fd != one && fd != other && is_open(fd);
	return is_open(STDIN_FILENO) && is_open(STDOUT_FILENO) && is_open(STDERR_FILENO) ? n : -1;
}

static int closes_apart(int one, int other)
{
	const pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit((unsigned)closes(one, other) & 0xff);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void try_all(void)
{
	CHECK_INT(closes_apart(ONE, -1), 0);
	CHECK_INT(closes_apart(ONE, OTHER), 0);
	CHECK_INT(closes_apart(OTHER, ONE), 0);
	CHECK_INT(closes_apart(ONE, 41), 0);
	CHECK_INT(closes_apart(3, -1), 0);
}

static void test_close_range(void)
{
	range_error = 0;
	try_all();
}

/* As a kernel before 5.9 says, and Docker's filter before 20.10.7. */
static void test_no_close_range(void)
{
	static const int errors[] = { ENOSYS, EPERM };

	for (int i = 0; i < 2; i++) {
		range_error = errors[i];
		try_all();
	}
	range_error = 0;
}

static void test_no_proc(void)
{
	range_error = EPERM;
	no_proc = true;
	try_all();
	range_error = 0;
	no_proc = false;
}

static void test_in_programs(void)
{
	static const int errors[] = { 0, EPERM };

	for (int i = 0; i < 2; i++) {
		const int fd = dup(STDERR_FILENO);

		range_error = errors[i];
		fd_close_in_programs();
		CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
		CHECK_INT(fcntl(STDERR_FILENO, F_GETFD), 0);
		close(fd);
	}
	range_error = 0;
}

int main(void)
{
	RUN(test_close_range);
	RUN(test_no_close_range);
	RUN(test_no_proc);
	RUN(test_in_programs);
	return check_status();
}
