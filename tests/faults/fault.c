/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes calls fail, in what it is linked to with -Wl,--wrap, or as a library for LD_PRELOAD (with PRELOAD defined). The
 * environment says which:
 *
 *	FAULT_KIND	memory, files (descriptors), or short: reads and writes of a few bytes, every third interrupted; full, quota
 *			or io: what is written to a regular file that is no standard stream is refused with ENOSPC, EDQUOT or EIO
 *	FAULT_AT	the number of the call that fails, from 1; 0 none
 *	FAULT_ALL	set: that one and all after it
 *	FAULT_COUNT	a file that the number of calls is written to at the end
 *	FAULT_SAY	set: the place of the call that failed goes to stderr
 *
 * Calls count from main() on.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum kind { KIND_NONE, KIND_MEMORY, KIND_FILES, KIND_SHORT, KIND_FULL, KIND_QUOTA, KIND_IO };

static enum kind kind;
static unsigned long fail_at;
static bool fail_all, say;
static atomic_ulong calls;
static atomic_bool active;
static int count_fd = -1;

#ifdef PRELOAD
#define NAME(f) f
#define REAL(f) ((__typeof__(f) *)dlsym(RTLD_NEXT, #f))
#else
#define NAME(f) __wrap_##f
#define REAL(f) __real_##f
#endif

#define FAKED(type, name, ...)                                                                                         \
	extern __typeof__(name) __real_##name;                                                                         \
	extern type NAME(name)(__VA_ARGS__);                                                                           \
	type NAME(name)(__VA_ARGS__)

static void tell_place(void)
{
	void *frames[24];

	active = false;
	backtrace_symbols_fd(frames, backtrace(frames, 24), STDERR_FILENO);
	active = true;
}

static bool fails(enum kind of, int error)
{
	unsigned long n;

	if (!active || kind != of)
		return false;
	n = ++calls;
	if (!fail_at || (n != fail_at && !(fail_all && n > fail_at)))
		return false;
	if (say)
		tell_place();
	errno = error;
	return true;
}

FAKED(void *, malloc, size_t n)
{
	return fails(KIND_MEMORY, ENOMEM) ? NULL : REAL(malloc)(n);
}

FAKED(void *, realloc, void *p, size_t n)
{
	return fails(KIND_MEMORY, ENOMEM) ? NULL : REAL(realloc)(p, n);
}

FAKED(void *, mmap, void *p, size_t n, int prot, int flags, int fd, off_t at)
{
	return fails(KIND_MEMORY, ENOMEM) ? MAP_FAILED : REAL(mmap)(p, n, prot, flags, fd, at);
}

#ifndef PRELOAD
/* dlsym() itself calls it. The others call malloc() in libc. */
FAKED(void *, calloc, size_t n, size_t size)
{
	return fails(KIND_MEMORY, ENOMEM) ? NULL : REAL(calloc)(n, size);
}

FAKED(void *, reallocarray, void *p, size_t n, size_t size)
{
	return fails(KIND_MEMORY, ENOMEM) ? NULL : REAL(reallocarray)(p, n, size);
}

FAKED(char *, strdup, const char *s)
{
	return fails(KIND_MEMORY, ENOMEM) ? NULL : REAL(strdup)(s);
}

FAKED(char *, strndup, const char *s, size_t n)
{
	return fails(KIND_MEMORY, ENOMEM) ? NULL : REAL(strndup)(s, n);
}

FAKED(int, asprintf, char **ret, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (fails(KIND_MEMORY, ENOMEM))
		return -1;
	va_start(ap, fmt);
	n = vasprintf(ret, fmt, ap);
	va_end(ap);
	return n;
}

FAKED(FILE *, fopen, const char *path, const char *mode)
{
	return fails(KIND_FILES, EMFILE) ? NULL : REAL(fopen)(path, mode);
}
#endif

FAKED(int, open, const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, int) : 0;
	va_end(ap);
	return fails(KIND_FILES, EMFILE) ? -1 : REAL(open)(path, flags, mode);
}

FAKED(int, openat, int dir, const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, int) : 0;
	va_end(ap);
	return fails(KIND_FILES, EMFILE) ? -1 : REAL(openat)(dir, path, flags, mode);
}

FAKED(int, socket, int domain, int type, int protocol)
{
	return fails(KIND_FILES, EMFILE) ? -1 : REAL(socket)(domain, type, protocol);
}

FAKED(int, dup, int fd)
{
	return fails(KIND_FILES, EMFILE) ? -1 : REAL(dup)(fd);
}

FAKED(int, epoll_create1, int flags)
{
	return fails(KIND_FILES, EMFILE) ? -1 : REAL(epoll_create1)(flags);
}

FAKED(int, timerfd_create, int clock, int flags)
{
	return fails(KIND_FILES, EMFILE) ? -1 : REAL(timerfd_create)(clock, flags);
}

FAKED(int, eventfd, unsigned value, int flags)
{
	return fails(KIND_FILES, EMFILE) ? -1 : REAL(eventfd)(value, flags);
}

FAKED(int, memfd_create, const char *name, unsigned flags)
{
	return fails(KIND_FILES, EMFILE) ? -1 : REAL(memfd_create)(name, flags);
}

FAKED(int, pipe2, int fds[2], int flags)
{
	return fails(KIND_FILES, EMFILE) ? -1 : REAL(pipe2)(fds, flags);
}

/* How much of n bytes is taken; 0: interrupted. What is told in whole numbers or events comes whole. */
static size_t cut(int fd, size_t n)
{
	unsigned long call;
	struct stat st;

	if (!active || kind != KIND_SHORT || n < 2 || fstat(fd, &st) || !(st.st_mode & S_IFMT))
		return n;
	call = ++calls;
	if (call % 3 == 0) {
		errno = EINTR;
		return 0;
	}
	return call % 3 == 1 ? 1 : n / 3 + 1;
}

FAKED(ssize_t, read, int fd, void *p, size_t n)
{
	const size_t take = cut(fd, n);

	return n && !take ? -1 : REAL(read)(fd, p, take);
}

static bool is_refused(int fd)
{
	struct stat st;

	return active && kind >= KIND_FULL && fd > STDERR_FILENO && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       (fails(KIND_FULL, ENOSPC) || fails(KIND_QUOTA, EDQUOT) || fails(KIND_IO, EIO));
}

FAKED(ssize_t, write, int fd, const void *p, size_t n)
{
	const bool refused = is_refused(fd);
	const size_t take = refused ? 0 : cut(fd, n);

	return refused || (n && !take) ? -1 : REAL(write)(fd, p, take);
}

FAKED(ssize_t, pread, int fd, void *p, size_t n, off_t at)
{
	const size_t take = cut(fd, n);

	return n && !take ? -1 : REAL(pread)(fd, p, take, at);
}

static void tell_count(void)
{
	active = false;
	if (count_fd >= 0)
		dprintf(count_fd, "%lu\n", calls);
}

static void begin(void)
{
	static const char *const kinds[] = { "", "memory", "files", "short", "full", "quota", "io" };
	const char *wanted = getenv("FAULT_KIND"), *at = getenv("FAULT_AT"), *count_file = getenv("FAULT_COUNT");
	void *unused[1];

	for (size_t i = 0; wanted && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(wanted, kinds[i]) == 0)
			kind = (enum kind)i;
	}
	fail_at = at ? strtoul(at, NULL, 10) : 0;
	fail_all = getenv("FAULT_ALL");
	if (count_file)
		count_fd = open(count_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	say = getenv("FAULT_SAY");
	/* It allocates when it is called first. */
	backtrace(unused, 1);
	atexit(tell_count);
	active = kind != KIND_NONE;
}

#ifdef PRELOAD
static int (*real_main)(int, char **, char **);

static int begin_main(int argc, char **argv, char **envp)
{
	begin();
	return real_main(argc, argv, envp);
}

typedef int start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
		       void (*fini)(void), void (*rtld_fini)(void), void *stack_end);
extern start_main __libc_start_main;

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void), void (*fini)(void),
		      void (*rtld_fini)(void), void *stack_end)
{
	real_main = main;
	return ((start_main *)dlsym(RTLD_NEXT, "__libc_start_main"))(begin_main, argc, argv, init, fini, rtld_fini,
								     stack_end);
}
#else
int __real_main(int argc, char **argv, char **envp);
int __wrap_main(int argc, char **argv, char **envp);

int __wrap_main(int argc, char **argv, char **envp)
{
	begin();
	return __real_main(argc, argv, envp);
}
#endif
