/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/procfs.h"

enum { SETS = 1024, WAYS = 4 };

#define ASK_AGAIN_NS NSEC_PER_SEC /* what /proc said may have changed unheard, or it knew nothing */

struct thread {
	struct thread_id id; /* tid 0: empty */
	uint64_t used;	     /* a count */
	uint64_t since;	     /* it bears name from then on */
	uint64_t asked;	     /* /proc, 0 never */
	char name[EVENT_COMM_LEN], before[EVENT_COMM_LEN];
};

struct threads {
	uint64_t uses;
	struct thread sets[SETS][WAYS];
};

int threads_new(struct threads **ret)
{
	/* Pages that are never used cost nothing. */
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

/* Its place, or the one that was not used longest, emptied. */
static struct thread *place_of(struct threads *t, const struct thread_id *id)
{
	struct thread *set = t->sets[(id->tid * 0x9e3779b1u) >> 22 & (SETS - 1)], *oldest = set;

	t->uses++;
	for (struct thread *th = set; th < set + WAYS; th++) {
		if (th->id.tid == id->tid && th->id.tgid == id->tgid && th->id.start == id->start) {
			th->used = t->uses;
			return th;
		}
		if (th->used < oldest->used)
			oldest = th;
	}
	*oldest = (struct thread){ .id = *id, .used = t->uses };
	return oldest;
}

static void name_set(char to[EVENT_COMM_LEN], const char *from)
{
	memset(to, 0, EVENT_COMM_LEN);
	memcpy(to, from, strnlen(from, EVENT_COMM_LEN - 1));
}

static void tell(struct thread *th, const char *comm, uint64_t ts, bool began)
{
	if (strncmp(th->name, comm, EVENT_COMM_LEN - 1) == 0)
		return;
	if (ts < th->since) {
		name_set(th->before, comm);
		return;
	}
	memcpy(th->before, th->name, sizeof(th->before));
	th->since = began || th->name[0] ? ts : 0;
	name_set(th->name, comm);
}

void thread_told(struct threads *t, const struct thread_id *id, const char comm[EVENT_COMM_LEN], uint64_t ts,
		 bool began)
{
	tell(place_of(t, id), comm, ts, began);
}

static void ask(struct thread *th, uint64_t now)
{
	char file[32], name[EVENT_COMM_LEN + 1];
	int n;

	th->asked = now;
	snprintf(file, sizeof(file), "task/%u/comm", th->id.tid);
	n = procfs_read(th->id.tgid, file, name, sizeof(name));
	if (n <= 0)
		return;
	if (name[n - 1] == '\n')
		name[n - 1] = '\0';
	tell(th, name, now, false);
}

struct str thread_name(struct threads *t, const struct thread_id *id, bool alive, struct period *p)
{
	const uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct thread *th = place_of(t, id);

	if (alive && (th->asked || !th->name[0]) && (!th->asked || now - th->asked >= ASK_AGAIN_NS))
		ask(th, now);
	if (th->since <= p->at) {
		period_narrow(p, th->since, UINT64_MAX);
		return str_of(th->name);
	}
	period_narrow(p, 0, th->since);
	return str_of(th->before);
}

void threads_free(struct threads *t)
{
	free(t);
}
