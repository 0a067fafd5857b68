/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of threads, with the time since which they bear them: what packets and events told, else /proc. Bounded. */
#ifndef META_THREAD_H
#define META_THREAD_H

#include <ptcpdump/event.h>
#include <stdint.h>

#include "meta/period.h"
#include "util/str.h"

struct threads;

struct thread_id {
	uint64_t start; /* of its process */
	uint32_t tgid, tid;
};

int threads_new(struct threads **ret);
/* It bears this name at ts (CLOCK_MONOTONIC ns); began: it took it just then. */
void thread_told(struct threads *t, const struct thread_id *id, const char comm[EVENT_COMM_LEN], uint64_t ts,
		 bool began);
/* Its name at p->at, "" unknown; narrows p. alive: /proc may be asked. Valid until the next call. */
struct str thread_name(struct threads *t, const struct thread_id *id, bool alive, struct period *p);
void threads_free(struct threads *t);

#endif
