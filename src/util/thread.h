/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_THREAD_H
#define UTIL_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether another thread would run at the same time, and not instead of this one. */
bool thread_pays(void);
/* Signals are those of the threads that are there. 0 or -errno */
int thread_start(pthread_t *ret, void *(*run)(void *arg), void *arg);
/* Likewise one that nobody joins, with a stack of so many bytes. */
int thread_detach(size_t stack, void *(*run)(void *arg), void *arg);

#endif
