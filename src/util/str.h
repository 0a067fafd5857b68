/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_STR_H
#define UTIL_STR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes: not NUL-terminated, may hold any byte. p == NULL means "absent". */
struct str {
	const char *p;
	uint32_t n;
};

static inline struct str str_of(const char *s)
{
	return (struct str){ s, s ? (uint32_t)strlen(s) : 0 };
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

#endif
