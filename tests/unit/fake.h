/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Functions of libc, libbpf or of other files that a test replaces by its own, in all that is linked to it but the
 * file that defines them:
 *
 *	FAKE(int, setns, int fd, int type)
 *	{
 *		told("setns %d; ", fd);
 *		return 0;
 *	}
 *
 * The replaced one is __real_setns(), once declared. What happened is told in a line of text, to be compared as one.
 */
#ifndef FAKE_H
#define FAKE_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The Makefile looks for such names in the object file and asks the linker for it. */
#define FAKE(type, name, ...)                                                                                          \
	type __wrap_##name(__VA_ARGS__);                                                                               \
	type __wrap_##name(__VA_ARGS__)

static char told_text[8192], told_taken[8192];

__attribute__((format(printf, 1, 0))) static inline void told_args(const char *fmt, va_list args)
{
	size_t n = strlen(told_text);

	vsnprintf(told_text + n, sizeof(told_text) - n, fmt, args);
}

__attribute__((format(printf, 1, 2))) static inline void told(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	told_args(fmt, args);
	va_end(args);
}

/* All that was told since the last call; valid until the next one. */
static inline const char *what_was_told(void)
{
	memcpy(told_taken, told_text, sizeof(told_taken));
	told_text[0] = '\0';
	return told_taken;
}

#endif
