/* SPDX-License-Identifier: BSD-3-Clause */
/* A part of own.c: connections of processes. */
#ifndef OWN_SOCKETS_H
#define OWN_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "own.h"

/* Adds the connection that each of these processes serves. until: CLOCK_MONOTONIC, ns. -ETIME: it was not enough. */
int own_served(struct own *own, const uint32_t *pids, size_t n, uint64_t until);
/* Adds those that SSH_CONNECTION names in the environments of these processes. Those that are not open are left out, where that
 * can be known. */
int own_environments(struct own *own, const uint32_t *pids, size_t n, uint64_t until);
/* The value of SSH_CONNECTION: "REMOTE PORT LOCAL PORT", numbers only. */
bool own_parse(const char *text, struct own_connection *ret);

#endif
