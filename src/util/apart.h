/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_APART_H
#define UTIL_APART_H

#include <stddef.h>

/*
 * Runs work in a process of its own that has given up all rights, as nobody when we are root, and all descriptors but the standard
 * streams and keep, a regular file that grows to max bytes at most. What it does there is to be mistrusted. *result: the size
 * bytes that it left there. -errno: it has left none.
 */
int apart_run(int keep, size_t max, void (*work)(const void *arg, int keep, void *result), const void *arg,
	      void *result, size_t size);

#endif
