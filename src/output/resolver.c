/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "output/resolver_wire.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/log.h"

enum {
	SETS = 4096, /* the cache holds SETS * WAYS names */
	WAYS = 4,
	SLOTS = SETS * WAYS,
};

#define WAIT_MIN ((int64_t)NSEC_PER_MSEC)

enum state { STATE_EMPTY, STATE_PENDING, STATE_NAMED, STATE_NAMELESS };

struct entry {
	uint8_t address[16];
	uint8_t family;
	uint8_t state;
	uint32_t id; /* of the question; its place in the cache modulo SLOTS */
	char *name;  /* STATE_NAMED */
};

struct resolver {
	int fd; /* -1: nobody answers any more */
	struct entry cache[SLOTS];
	uint32_t asked;
	unsigned pending;
	unsigned next_victim;
	/* How long may still be waited: grows by one part in share of the time that passes. */
	int64_t budget, budget_max, last;
	int64_t looked; /* when answers were last looked for without waiting */
	int share;
};

static size_t address_size(int family)
{
	return family == AF_INET ? 4 : 16;
}

/* Whoever answers for an address chooses the name. */
static char *clean_name(const char *text, size_t n)
{
	char *name = malloc(n + 1);

	if (!name)
		return NULL;
	for (size_t i = 0; i < n; i++)
		name[i] = (unsigned char)text[i] <= ' ' || text[i] == 0x7f ? '?' : text[i];
	name[n] = '\0';
	return name;
}

static void lose(struct resolver *r, const char *why)
{
	log_warn("names are no longer looked up, addresses are printed: the process that does it %s", why);
	close(r->fd);
	r->fd = -1;
}

/* False: nobody has asked for it. */
static bool take_answer(struct resolver *r, const struct resolver_answer *a, size_t size)
{
	const size_t head = offsetof(struct resolver_answer, name);
	struct entry *e;

	if (size < head || size > head + RESOLVER_NAME_MAX)
		return false;
	e = &r->cache[a->id % SLOTS];
	if (e->state != STATE_PENDING || e->id != a->id)
		return false;
	e->name = size > head ? clean_name(a->name, size - head) : NULL;
	e->state = e->name ? STATE_NAMED : STATE_NAMELESS;
	r->pending--;
	return true;
}

/* Those that are there. By read(), which takes no descriptors; a byte more than an answer may have shows that it is none. */
static void take_answers(struct resolver *r)
{
	struct {
		struct resolver_answer answer;
		char more;
	} message;

	while (r->fd >= 0 && r->pending) {
		const ssize_t n = read(r->fd, &message, sizeof(message));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0)
			lose(r, "has ended");
		else if (!take_answer(r, &message.answer, (size_t)n))
			lose(r, "answers what was not asked");
	}
}

static struct entry *set_of(struct resolver *r, int family, const uint8_t *address)
{
	const uint32_t hash = hash_bytes(HASH_BEGIN, address, address_size(family));

	return &r->cache[(hash ^ hash >> 16) % SETS * WAYS];
}

static struct entry *entry_find(struct entry *set, int family, const uint8_t *address)
{
	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].state != STATE_EMPTY && set[i].family == family &&
		    memcmp(set[i].address, address, address_size(family)) == 0)
			return &set[i];
	}
	return NULL;
}

static struct entry *victim_of(struct resolver *r, struct entry *set)
{
	for (size_t i = WAYS; i-- > 0;) {
		if (set[i].state == STATE_EMPTY)
			return &set[i];
	}
	for (size_t i = 0; i < WAYS; i++) {
		struct entry *e = &set[r->next_victim++ % WAYS];

		if (e->state != STATE_PENDING)
			return e;
	}
	return NULL;
}

/* NULL: not now. */
static struct entry *ask(struct resolver *r, struct entry *set, int family, const uint8_t *address)
{
	struct resolver_question question = { .family = (uint32_t)family };
	struct entry *e;

	take_answers(r);
	e = victim_of(r, set);
	if (!e || r->fd < 0 || r->pending >= RESOLVER_PENDING_MAX)
		return NULL;
	question.id = r->asked++ * SLOTS + (uint32_t)(e - r->cache);
	memcpy(question.address, address, address_size(family));
	if (write(r->fd, &question, sizeof(question)) != sizeof(question)) {
		if (errno != EAGAIN && errno != EINTR)
			lose(r, "has ended");
		return NULL;
	}
	free(e->name);
	*e = (struct entry){ .family = (uint8_t)family, .state = STATE_PENDING, .id = question.id };
	memcpy(e->address, question.address, sizeof(e->address));
	r->pending++;
	return e;
}

/* Until e is answered or the budget is spent. */
static void wait_for(struct resolver *r, const struct entry *e)
{
	const int64_t start = (int64_t)clock_ns(CLOCK_MONOTONIC);
	int64_t rest;

	r->budget += (start - r->last) / r->share;
	if (r->budget > r->budget_max)
		r->budget = r->budget_max;
	r->last = start;
	/* The timer's own inaccuracy would cost more than the wait, and a look for each packet more than the name is
	 * worth: packet after packet, a capture's speed. */
	if (r->budget < WAIT_MIN) {
		if (start - r->looked >= WAIT_MIN) {
			r->looked = start;
			take_answers(r);
		}
		return;
	}
	for (rest = r->budget; e->state == STATE_PENDING && r->fd >= 0 && rest > 0;) {
		const struct timespec ts = { .tv_sec = rest / (int64_t)NSEC_PER_SEC,
					     .tv_nsec = rest % (int64_t)NSEC_PER_SEC };
		struct pollfd pfd = { .fd = r->fd, .events = POLLIN };

		if (ppoll(&pfd, 1, &ts, NULL) > 0)
			take_answers(r);
		r->last = (int64_t)clock_ns(CLOCK_MONOTONIC);
		rest = r->budget - (r->last - start);
	}
	r->budget = rest > 0 ? rest : 0;
}

const char *resolver_find(struct resolver *r, int family, const uint8_t *address)
{
	struct entry *const set = set_of(r, family, address);
	struct entry *e = entry_find(set, family, address);

	if (!e && r->fd >= 0)
		e = ask(r, set, family, address);
	if (e && e->state == STATE_PENDING && r->fd >= 0)
		wait_for(r, e);
	return e && e->state == STATE_NAMED ? e->name : NULL;
}

int resolver_new(struct resolver **ret, int fd, bool hurry)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int err = 0;

	if (!r)
		err = -ENOMEM;
	else if (fcntl(fd, F_SETFL, O_NONBLOCK))
		err = -errno;
	if (err) {
		free(r);
		close(fd);
		return err;
	}
	r->fd = fd;
	/* A capture may lose a tenth of its time, a file is read at half the speed at worst. */
	r->budget = r->budget_max = (hurry ? 200 : 2000) * (int64_t)NSEC_PER_MSEC;
	r->share = hurry ? 10 : 1;
	r->last = (int64_t)clock_ns(CLOCK_MONOTONIC);
	*ret = r;
	return 0;
}

int resolver_fd(const struct resolver *r)
{
	return r->fd;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	for (size_t i = 0; i < SLOTS; i++)
		free(r->cache[i].name);
	free(r);
}
