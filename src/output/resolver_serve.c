/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/resolver_serve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "output/resolver_wire.h"
#include "util/thread.h"

enum {
	WORKERS = 8,
	STACK = 512 * 1024,
};

struct server {
	pthread_mutex_t lock;
	pthread_cond_t asked;
	struct resolver_question queue[RESOLVER_PENDING_MAX];
	unsigned head, tail; /* of queue; the difference is its length */
	unsigned workers, idle;
	int fd;
	bool short_names;
};

static socklen_t address_size(const struct resolver_question *q)
{
	return q->family == AF_INET ? 4 : 16;
}

static size_t look_up(const struct server *s, const struct resolver_question *q, char name[RESOLVER_NAME_MAX])
{
	char text[8192];
	struct hostent host, *found = NULL;
	size_t n;
	int err;

	if (gethostbyaddr_r(q->address, address_size(q), (int)q->family, &host, text, sizeof(text), &found, &err) !=
		    0 ||
	    !found || !found->h_name)
		return 0;
	n = s->short_names ? strcspn(found->h_name, ".") : strlen(found->h_name);
	if (n > RESOLVER_NAME_MAX)
		n = RESOLVER_NAME_MAX;
	memcpy(name, found->h_name, n);
	return n;
}

static void *work(void *arg)
{
	struct server *s = arg;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct resolver_question question;
		struct resolver_answer answer;
		size_t n;

		while (s->head == s->tail) {
			s->idle++;
			pthread_cond_wait(&s->asked, &s->lock);
			s->idle--;
		}
		question = s->queue[s->head++ % RESOLVER_PENDING_MAX];
		pthread_mutex_unlock(&s->lock);
		answer.id = question.id;
		n = look_up(s, &question, answer.name);
		/* When nobody reads it any more, resolver_serve() sees it as well. */
		if (write(s->fd, &answer, offsetof(struct resolver_answer, name) + n) < 0)
			return NULL;
		pthread_mutex_lock(&s->lock);
	}
}

/* With the lock held. */
static void start_worker(struct server *s)
{
	if (thread_detach(STACK, work, s) == 0)
		s->workers++;
}

/* False: it was no question, or one too many. */
static bool take(struct server *s, const struct resolver_question *q, size_t size)
{
	bool room;

	if (size != sizeof(*q) || (q->family != AF_INET && q->family != AF_INET6))
		return false;
	pthread_mutex_lock(&s->lock);
	room = s->tail - s->head < RESOLVER_PENDING_MAX;
	if (room) {
		s->queue[s->tail++ % RESOLVER_PENDING_MAX] = *q;
		if (s->tail - s->head > s->idle && s->workers < WORKERS)
			start_worker(s);
		pthread_cond_signal(&s->asked);
	}
	pthread_mutex_unlock(&s->lock);
	return room;
}

_Noreturn void resolver_serve(int fd, bool short_names)
{
	struct server s = {
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.asked = PTHREAD_COND_INITIALIZER,
		.fd = fd,
		.short_names = short_names,
	};
	/* By read(), which takes no descriptors. A byte more than a question has shows that it is none. */
	struct {
		struct resolver_question question;
		char more;
	} message;
	ssize_t n;

	do
		n = read(fd, &message, sizeof(message));
	while ((n < 0 && errno == EINTR) || (n > 0 && take(&s, &message.question, (size_t)n)));
	/* The threads still use s. */
	_exit(0);
}
