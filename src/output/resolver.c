/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "util/clock.h"
#include "util/escape.h"
#include "util/hash.h"

enum {
	WORKERS = 8,
	SETS = 4096, /* the cache holds SETS * WAYS names */
	WAYS = 4,
	QUEUE = 256,
	STACK = 512 * 1024,
};

#define WAIT_MIN ((int64_t)NSEC_PER_MSEC)

enum state { STATE_EMPTY, STATE_PENDING, STATE_NAMED, STATE_NAMELESS };

struct entry {
	uint8_t address[16];
	uint8_t family;
	uint8_t state;
	char *name; /* STATE_NAMED */
};

struct resolver {
	struct hash_key key;
	pthread_mutex_t lock;
	pthread_cond_t asked, answered;
	struct entry cache[SETS][WAYS];
	struct entry *queue[QUEUE];
	unsigned head, tail; /* of queue; the difference is its length */
	unsigned next_victim;
	unsigned references; /* the owner and the workers */
	unsigned workers, idle;
	bool closing, short_names;
	/* How long the printing thread may still wait: grows by one part in share of the time that passes. */
	int64_t budget, budget_max, last;
	int share;
};

static size_t address_size(int family)
{
	return family == AF_INET ? 4 : 16;
}

/* Whoever answers for an address chooses the name. */
static char *host_name(const char *answer, bool short_name)
{
	const size_t n = short_name ? strcspn(answer, ".") : strlen(answer);
	struct buf b = { 0 };
	char *name;

	escape_put(&b, (struct str){ answer, (uint32_t)n }, IN_HOSTS);
	name = strndup(b.p ? b.p : "", b.len);
	buf_done(&b);
	return name;
}

static char *look_up(const struct entry *question, bool short_name)
{
	char text[8192];
	struct hostent host, *found = NULL;
	int err;

	if (gethostbyaddr_r(question->address, (socklen_t)address_size(question->family), question->family, &host, text,
			    sizeof(text), &found, &err) != 0 ||
	    !found || !found->h_name)
		return NULL;
	return host_name(found->h_name, short_name);
}

/* With the lock held; gives it up. */
static void resolver_drop(struct resolver *r)
{
	const bool last = --r->references == 0;

	pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	for (size_t i = 0; i < SETS; i++) {
		for (size_t way = 0; way < WAYS; way++)
			free(r->cache[i][way].name);
	}
	pthread_cond_destroy(&r->asked);
	pthread_cond_destroy(&r->answered);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void *work(void *arg)
{
	struct resolver *r = arg;

	pthread_mutex_lock(&r->lock);
	while (!r->closing) {
		struct entry *e, question;
		char *name;

		if (r->head == r->tail) {
			r->idle++;
			pthread_cond_wait(&r->asked, &r->lock);
			r->idle--;
			continue;
		}
		/* Nobody else touches a pending entry. */
		e = r->queue[r->head++ % QUEUE];
		question = *e;
		pthread_mutex_unlock(&r->lock);
		name = look_up(&question, r->short_names);
		pthread_mutex_lock(&r->lock);
		e->name = name;
		e->state = name ? STATE_NAMED : STATE_NAMELESS;
		pthread_cond_broadcast(&r->answered);
	}
	resolver_drop(r);
	return NULL;
}

/* With the lock held. Signals are the main thread's. */
static void start_worker(struct resolver *r)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK);
	if (pthread_create(&thread, &attr, work, r) == 0) {
		r->references++;
		r->workers++;
	}
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static struct entry *entry_find(struct resolver *r, int family, const uint8_t *address)
{
	const size_t size = address_size(family);
	struct entry *set, *victim = NULL;

	set = r->cache[hash_bytes(&r->key, address, size) % SETS];
	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].state != STATE_EMPTY && set[i].family == family &&
		    memcmp(set[i].address, address, size) == 0)
			return &set[i];
		if (set[i].state == STATE_EMPTY)
			victim = &set[i];
	}
	for (size_t i = 0; !victim && i < WAYS; i++) {
		struct entry *e = &set[r->next_victim++ % WAYS];

		if (e->state != STATE_PENDING)
			victim = e;
	}
	if (!victim || r->tail - r->head >= QUEUE)
		return NULL;
	free(victim->name);
	*victim = (struct entry){ .family = (uint8_t)family, .state = STATE_PENDING };
	memcpy(victim->address, address, size);
	r->queue[r->tail++ % QUEUE] = victim;
	pthread_cond_signal(&r->asked);
	return victim;
}

/* With the lock held: until e is answered or the budget is spent. */
static void wait_for(struct resolver *r, const struct entry *e)
{
	int64_t start = (int64_t)clock_ns(CLOCK_MONOTONIC);
	struct timespec until;
	int64_t end;

	r->budget += (start - r->last) / r->share;
	if (r->budget > r->budget_max)
		r->budget = r->budget_max;
	/* The timer's own inaccuracy would cost more than the wait: packet after packet, a capture's speed. */
	if (r->budget < WAIT_MIN) {
		r->last = start;
		return;
	}
	end = start + r->budget;
	until = (struct timespec){ .tv_sec = end / (int64_t)NSEC_PER_SEC, .tv_nsec = end % (int64_t)NSEC_PER_SEC };
	while (e->state == STATE_PENDING) {
		if (pthread_cond_timedwait(&r->answered, &r->lock, &until) == ETIMEDOUT)
			break;
	}
	r->last = (int64_t)clock_ns(CLOCK_MONOTONIC);
	r->budget -= r->last - start;
	if (r->budget < 0)
		r->budget = 0;
}

const char *resolver_find(struct resolver *r, int family, const uint8_t *address)
{
	const char *name = NULL;
	struct entry *e;

	pthread_mutex_lock(&r->lock);
	e = entry_find(r, family, address);
	if (r->tail - r->head > r->idle && r->workers < WORKERS)
		start_worker(r);
	if (e && e->state == STATE_PENDING)
		wait_for(r, e);
	/* Only this thread ever replaces an answer, so the name stays after the lock is given up. */
	if (e && e->state == STATE_NAMED)
		name = e->name;
	pthread_mutex_unlock(&r->lock);
	return name;
}

int resolver_new(struct resolver **ret, bool short_names, bool hurry)
{
	struct resolver *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;

	if (!r)
		return -ENOMEM;
	r->key = hash_key();
	r->references = 1;
	r->short_names = short_names;
	/* A capture may lose a tenth of its time, a file is read at half the speed at worst. */
	r->budget = r->budget_max = (hurry ? 200 : 2000) * (int64_t)NSEC_PER_MSEC;
	r->share = hurry ? 10 : 1;
	r->last = (int64_t)clock_ns(CLOCK_MONOTONIC);
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->asked, NULL);
	pthread_cond_init(&r->answered, &attr);
	pthread_condattr_destroy(&attr);
	*ret = r;
	return 0;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->closing = true;
	pthread_cond_broadcast(&r->asked);
	resolver_drop(r);
}
