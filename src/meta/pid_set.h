/* SPDX-License-Identifier: BSD-3-Clause */
/* A set of pids, of this pid namespace and with PID_OUTSIDE: one bit each, and a page of memory where one has been set. */
#ifndef META_PID_SET_H
#define META_PID_SET_H

#include <stdbool.h>
#include <stdint.h>

/* NULL: no memory. For free(). */
uint64_t *pid_set_new(void);
/* What is no pid is in no set. */
void pid_set_add(uint64_t *set, uint32_t pid);
void pid_set_remove(uint64_t *set, uint32_t pid);
bool pid_set_has(const uint64_t *set, uint32_t pid);

#endif
