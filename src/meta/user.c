/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/user.h"

#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "util/clock.h"
#include "util/thread.h"

/* Beyond this many different users, names are no longer shown: the numbers are. */
enum { USERS_MAX = 1024, PASSWD_MAX = 16384, STACK = 512 * 1024 };

/* A directory service that is well answers within this; waiting ends for good once so much was waited in all. */
enum { WAIT_NS = 20 * 1000000, BUDGET_NS = 200 * 1000000 };

struct user {
	uint32_t uid;
	bool pending;
	char *name; /* NULL: none */
};

struct users {
	pthread_mutex_t lock;
	pthread_cond_t asked, answered;
	struct user known[USERS_MAX];
	size_t n, next;	     /* the thread looks at [next, n) */
	unsigned references; /* the owner and the thread */
	bool closing, started;
	int64_t budget;
	atomic_uint answers; /* how many came from the thread */
	unsigned seen;
};

int users_new(struct users **ret)
{
	struct users *u = calloc(1, sizeof(*u));
	pthread_condattr_t attr;

	*ret = u;
	if (!u)
		return -ENOMEM;
	u->references = 1;
	u->budget = BUDGET_NS;
	pthread_mutex_init(&u->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&u->asked, NULL);
	pthread_cond_init(&u->answered, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

/* With the lock held; gives it up. */
static void users_drop(struct users *u)
{
	const bool last = --u->references == 0;

	pthread_mutex_unlock(&u->lock);
	if (!last)
		return;
	for (size_t i = 0; i < u->n; i++)
		free(u->known[i].name);
	pthread_cond_destroy(&u->asked);
	pthread_cond_destroy(&u->answered);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

/* Of this machine's own users: a file, which answers at once. */
static char *local_name(uint32_t uid)
{
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd pw, *found = NULL;
	char text[PASSWD_MAX], *name = NULL;

	while (f && !name && fgetpwent_r(f, &pw, text, sizeof(text), &found) == 0) {
		if (pw.pw_uid == uid)
			name = strdup(pw.pw_name);
	}
	if (f)
		fclose(f);
	return name;
}

static char *look_up(uint32_t uid)
{
	struct passwd pw, *found = NULL;
	char text[PASSWD_MAX];

	if (getpwuid_r(uid, &pw, text, sizeof(text), &found) || !found)
		return NULL;
	return strdup(pw.pw_name);
}

int user_find(const char *name, uint32_t *uid, char **usual)
{
	struct passwd pw, *found = NULL;
	char text[PASSWD_MAX];

	if (getpwnam_r(name, &pw, text, sizeof(text), &found) || !found)
		return -ENOENT;
	*uid = pw.pw_uid;
	if (usual) {
		*usual = local_name(*uid);
		if (!*usual)
			*usual = look_up(*uid);
	}
	return 0;
}

/* What is not in the file is asked beside the capture: a directory service may take its time. */
static void *work(void *arg)
{
	struct users *u = arg;

	pthread_mutex_lock(&u->lock);
	while (!u->closing) {
		struct user *user;
		char *name;

		if (u->next == u->n) {
			pthread_cond_wait(&u->asked, &u->lock);
			continue;
		}
		user = &u->known[u->next++];
		if (!user->pending)
			continue;
		pthread_mutex_unlock(&u->lock);
		name = look_up(user->uid);
		pthread_mutex_lock(&u->lock);
		user->name = name;
		user->pending = false;
		atomic_fetch_add(&u->answers, 1);
		pthread_cond_signal(&u->answered);
	}
	users_drop(u);
	return NULL;
}

/* With the lock held. */
static void start(struct users *u)
{
	u->started = true;
	if (thread_detach(STACK, work, u) == 0)
		u->references++;
}

/* With the lock held. */
static void ask(struct users *u, const struct user *user)
{
	const int64_t from = (int64_t)clock_ns(CLOCK_MONOTONIC),
		      until = from + (u->budget < WAIT_NS ? u->budget : WAIT_NS);
	const struct timespec ts = { .tv_sec = until / (int64_t)NSEC_PER_SEC,
				     .tv_nsec = until % (int64_t)NSEC_PER_SEC };

	if (!u->started)
		start(u);
	pthread_cond_signal(&u->asked);
	if (u->budget <= 0)
		return;
	while (user->pending && pthread_cond_timedwait(&u->answered, &u->lock, &ts) != ETIMEDOUT)
		;
	u->budget -= (int64_t)clock_ns(CLOCK_MONOTONIC) - from;
}

struct str users_find(struct users *u, uint32_t uid, bool *pending)
{
	struct user *user = NULL;
	struct str name = { 0 };

	*pending = false;
	pthread_mutex_lock(&u->lock);
	for (size_t i = 0; i < u->n && !user; i++) {
		if (u->known[i].uid == uid)
			user = &u->known[i];
	}
	if (!user && u->n < USERS_MAX) {
		user = &u->known[u->n];
		user->uid = uid;
		user->name = local_name(uid);
		user->pending = !user->name;
		u->n++;
		if (user->pending)
			ask(u, user);
	}
	if (user) {
		name = str_of(user->name);
		*pending = user->pending;
	}
	pthread_mutex_unlock(&u->lock);
	return name;
}

bool users_changed(struct users *u)
{
	const unsigned answers = atomic_load_explicit(&u->answers, memory_order_relaxed);
	const bool changed = answers != u->seen;

	u->seen = answers;
	return changed;
}

void users_free(struct users *u)
{
	if (!u)
		return;
	pthread_mutex_lock(&u->lock);
	u->closing = true;
	pthread_cond_signal(&u->asked);
	users_drop(u);
}
