/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * printf's conversions as glibc prints them, several times faster for the plain ones. A format is taken to pieces once
 * when it is a constant of this program; what is not plain (floating point, wide characters...) is left to glibc.
 */
#ifndef UTIL_FORMAT_H
#define UTIL_FORMAT_H

#include <stdarg.h>

#include "util/buf.h"

struct formats; /* those taken to pieces, by their address */

int formats_new(struct formats **ret);
void formats_free(struct formats *formats);
/* Appends to b; returns the bytes added. Without formats, none is remembered. */
int format_print(struct formats *formats, struct buf *b, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

#endif
