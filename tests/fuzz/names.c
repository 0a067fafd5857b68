/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Both ends of the socket between who prints and who looks names up, of which the other end belongs to somebody else: answers
 * to what was asked and to what was not, and any questions. Time passes as the input says.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "output/resolver.h"
#include "output/resolver_serve.h"
#include "output/resolver_wire.h"
#include "util/clock.h"

enum { STEPS = 4096, QUESTIONS = STEPS, MESSAGE_MAX = 512 };

static struct fuzz input;
static int fd = -1; /* the socket, which is none */
static uint64_t now;

/* What has come through the socket. */
static struct {
	uint32_t ids[QUESTIONS];
	bool answered[QUESTIONS];
	unsigned n, pending;
	bool lied; /* what came back was no answer */
} asked;

static struct {
	jmp_buf main, worker;
	void *(*work)(void *arg);
	void *arg;
	bool running, working;
	uint32_t ids[RESOLVER_PENDING_MAX]; /* of questions, in turn */
	unsigned taken, answered;
} server;

FAKE(uint64_t, clock_ns, clockid_t clock)
{
	(void)clock;
	return now;
}

/* --- the other end answers -------------------------------------------------------------- */

/* Of a question, mostly of one of the last; or such that the place is the same. */
static uint32_t which_id(uint8_t how)
{
	const uint32_t of = asked.n ? asked.ids[asked.n - 1 - fuzz_u8(&input) % asked.n] : 0;

	return how & 0x10 ? of + ((uint32_t)fuzz_u8(&input) << 14) : of;
}

static void take_note(uint32_t id, size_t n)
{
	const size_t head = offsetof(struct resolver_answer, name);

	for (unsigned i = 0; i < asked.n && n >= head && n <= head + RESOLVER_NAME_MAX; i++) {
		if (asked.ids[i] == id && !asked.answered[i]) {
			asked.answered[i] = true;
			asked.pending--;
			return;
		}
	}
	asked.lied = true;
}

/* -EAGAIN: nothing comes as yet. */
static ssize_t answer(void *p, size_t size)
{
	const uint8_t how = fuzz_u8(&input);
	uint8_t message[sizeof(uint32_t) + MESSAGE_MAX] = { 0 }, *name;
	uint32_t id;
	size_t n;

	if (how % 4 == 3 || !input.n) {
		errno = how & 0x40 ? EINTR : EAGAIN;
		return -1;
	}
	if (how == 0x20) {
		asked.lied = true;
		return 0;
	}
	n = how & 0x80 ? fuzz_u16(&input) % MESSAGE_MAX : how & 15;
	id = which_id(how);
	memcpy(message, &id, sizeof(id));
	name = fuzz_bytes(&input, &n);
	memcpy(message + sizeof(id), name, n);
	free(name);
	/* Short of an id, too; what is too long is cut, as the kernel does. */
	n = how & 0x40 ? how % 5 : n + sizeof(id);
	take_note(id, n);
	if (n > size)
		n = size;
	memcpy(p, message, n);
	return (ssize_t)n;
}

FAKE(int, ppoll, struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	const uint8_t how = fuzz_u8(&input);
	const uint64_t most = (uint64_t)timeout->tv_sec * NSEC_PER_SEC + (uint64_t)timeout->tv_nsec;

	(void)n;
	(void)mask;
	FUZZ_CHECK(fds->fd == fd && timeout->tv_sec >= 0 && timeout->tv_nsec >= 0);
	now += !input.n || how & 0x20 ? most : most / 16 * (how & 15) + (how >> 7);
	return input.n && how & 0x40;
}

/* It may stand in a line. */
static void check_name(const char *name)
{
	FUZZ_CHECK(*name);
	for (; *name; name++)
		FUZZ_CHECK((unsigned char)*name > ' ' && *name != 0x7f);
}

static void ask(bool hurry)
{
	struct resolver *r;

	if (resolver_new(&r, fd, hurry))
		abort();
	for (unsigned i = 0; i < STEPS && input.n; i++) {
		const uint8_t how = fuzz_u8(&input);
		const uint8_t address[16] = { how & 31, 1, 2, how & 0x40 ? fuzz_u8(&input) : 0 };
		const char *name = resolver_find(r, how & 0x80 ? AF_INET6 : AF_INET, address);

		if (name)
			check_name(name);
		/* Who lies is asked nothing more. */
		FUZZ_CHECK(resolver_fd(r) == (asked.lied ? -1 : fd));
		now += (uint64_t)(how >> 5 & 1) * NSEC_PER_MSEC;
	}
	resolver_free(r);
}

/* --- or it asks ------------------------------------------------------------------------------ */

FAKE(int, thread_detach, size_t stack, void *(*run)(void *arg), void *arg)
{
	(void)stack;
	server.work = run;
	server.arg = arg;
	return fuzz_u8(&input) & 1 ? -EAGAIN : 0;
}

FAKE(int, pthread_cond_wait, pthread_cond_t *cond, pthread_mutex_t *lock)
{
	(void)cond;
	pthread_mutex_unlock(lock);
	longjmp(server.worker, 1);
}

FAKE(int, pthread_cond_signal, pthread_cond_t *cond)
{
	(void)cond;
	return 0;
}

/* Longer than an answer may be, too. */
FAKE(int, gethostbyaddr_r, const void *address, socklen_t len, int family, struct hostent *host, char *text,
     size_t size, struct hostent **found, int *err)
{
	const uint8_t how = fuzz_u8(&input);
	size_t n = how & 0x80 ? (how & 0x7fU) * 8 : how & 31;
	uint8_t *name = fuzz_bytes(&input, &n);

	(void)address;
	FUZZ_CHECK((family == AF_INET && len == 4) || (family == AF_INET6 && len == 16));
	FUZZ_CHECK(n < size);
	memcpy(text, name, n);
	text[n] = '\0';
	free(name);
	*host = (struct hostent){ .h_name = how & 0x40 ? text : NULL };
	*found = how & 0x20 ? host : NULL;
	*err = 0;
	return how % 8 == 7 ? ERANGE : 0;
}

/* Until no question is left. */
static void let_work(void)
{
	server.working = true;
	if (server.work && setjmp(server.worker) == 0)
		server.work(server.arg);
	server.working = false;
}

static ssize_t question(void *p, size_t size)
{
	const uint8_t how = fuzz_u8(&input);
	struct {
		struct resolver_question question;
		char more[8];
	} message = { .question = { .id = server.taken, .family = how & 1 ? AF_INET : AF_INET6 } };
	size_t n = sizeof(message.question);

	if (how & 0x80)
		let_work();
	if (!input.n)
		return 0;
	if ((how & 0x7f) == 0x7f)
		message.question.family = fuzz_u32(&input);
	if ((how & 0x7f) == 0x7e)
		n = fuzz_u8(&input) % sizeof(message);
	if (n == sizeof(message.question) && server.taken - server.answered < RESOLVER_PENDING_MAX)
		server.ids[server.taken++ % RESOLVER_PENDING_MAX] = message.question.id;
	if (n > size)
		n = size;
	memcpy(p, &message, n);
	return (ssize_t)n;
}

void __real__exit(int status) __attribute__((noreturn));

FAKE(void, _exit, int status)
{
	if (!server.running)
		__real__exit(status);
	longjmp(server.main, 1);
}

static void serve(bool short_names)
{
	server.work = NULL;
	server.taken = server.answered = 0;
	server.running = true;
	if (setjmp(server.main) == 0)
		resolver_serve(fd, short_names);
	server.running = false;
}

/* --- the socket -------------------------------------------------------------------------------- */

ssize_t __real_read(int from, void *p, size_t n);

FAKE(ssize_t, read, int from, void *p, size_t n)
{
	if (from != fd || fd < 0)
		return __real_read(from, p, n);
	return server.running ? question(p, n) : answer(p, n);
}

ssize_t __real_write(int to, const void *p, size_t n);

FAKE(ssize_t, write, int to, const void *p, size_t n)
{
	const struct resolver_question *q = p;
	const struct resolver_answer *a = p;

	if (to != fd || fd < 0)
		return __real_write(to, p, n);
	if (server.running) {
		FUZZ_CHECK(server.working && n <= sizeof(*a) && server.answered != server.taken);
		FUZZ_CHECK(a->id == server.ids[server.answered++ % RESOLVER_PENDING_MAX]);
		return fuzz_u8(&input) == 1 ? -1 : (ssize_t)n;
	}
	FUZZ_CHECK(n == sizeof(*q) && (q->family == AF_INET || q->family == AF_INET6));
	if (fuzz_u8(&input) % 64 == 1) {
		errno = EAGAIN;
		return -1;
	}
	FUZZ_CHECK(!asked.lied && asked.pending++ < RESOLVER_PENDING_MAX);
	asked.ids[asked.n++] = q->id;
	return (ssize_t)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t how;

	input = (struct fuzz){ data, size };
	how = fuzz_u8(&input);
	now = NSEC_PER_SEC;
	memset(&asked, 0, sizeof(asked));
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (how & 1)
		serve(how & 2);
	else
		ask(how & 2);
	/* Who asks closes its own. */
	if (how & 1)
		close(fd);
	fd = -1;
	return 0;
}
