/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the fuzz targets share. Each is one file of tests/fuzz, which becomes build/fuzz/NAME with all of the program but main.c,
 * libFuzzer, ASan and UBSan. What it calls FAKE() takes the place of a function, as in unit tests.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/fake.h"
#include "util/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

/* To give back pages and get them again takes longer than most runs: so what was freed is kept for a short while only, and what
 * ASan knows of it is overwritten. */
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=4:clear_shadow_mmap_threshold=1000000000:malloc_context_size=12";
}

/* Messages are made, and go nowhere. */
FAKE(void, log_msg, enum log_level level, const char *fmt, ...)
{
	char text[2048];
	va_list args;

	(void)level;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
}

/* Input that is taken piece by piece. */
struct fuzz {
	const uint8_t *p;
	size_t n;
};

static inline uint8_t fuzz_u8(struct fuzz *f)
{
	if (!f->n)
		return 0;
	f->n--;
	return *f->p++;
}

static inline uint16_t fuzz_u16(struct fuzz *f)
{
	const uint8_t low = fuzz_u8(f);

	return (uint16_t)(low | fuzz_u8(f) << 8);
}

static inline uint32_t fuzz_u32(struct fuzz *f)
{
	const uint16_t low = fuzz_u16(f);

	return low | (uint32_t)fuzz_u16(f) << 16;
}

/* n bytes, or what there is, in memory of exactly that size; for free(). */
static inline uint8_t *fuzz_bytes(struct fuzz *f, size_t *n)
{
	uint8_t *p;

	if (*n > f->n)
		*n = f->n;
	p = malloc(*n + !*n);
	if (*n)
		memcpy(p, f->p, *n);
	f->p += *n;
	f->n -= *n;
	return p;
}

/* The same with a NUL behind. */
static inline char *fuzz_string(struct fuzz *f, size_t n)
{
	char *p;

	if (n > f->n)
		n = f->n;
	p = malloc(n + 1);
	if (n)
		memcpy(p, f->p, n);
	p[n] = '\0';
	f->p += n;
	f->n -= n;
	return p;
}

/* A file in memory, at its beginning; the same for all inputs. path: 32 bytes, NULL not asked for. */
static inline int fuzz_file(int fd, const void *p, size_t n, char *path)
{
	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, p, n, 0) != (ssize_t)n || lseek(fd, 0, SEEK_SET))
		abort();
	if (path)
		snprintf(path, 32, "/proc/self/fd/%d", fd);
	return fd;
}

/* A property that does not hold: says which. */
#define FUZZ_CHECK(cond)                                                                                               \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);                             \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

#endif
