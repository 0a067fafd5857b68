/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets through memory to another process: all of them, in order, whatever that process does. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "output/relay_private.h"
#include "relay_sum.h"

enum { DLT_EN10MB = 1, BIG = 262144, IFACES = 5, ANNOTS = 2000 };

enum evil { GOOD, AHEAD, BACK, STRANGE_ERROR, NEGATIVE_ERROR, CHATTERS, ENDS, STOPS };

/* What the child has seen; shared with it. */
struct seen {
	struct relay_sum sum;
	uint64_t packets, flushes, finishes, ticks;
	struct output_counts counts;
	unsigned descriptors;
	int written; /* errno of making the ring writable */
	pid_t pid;
	uint64_t fails_at;
	int fails_with;	 /* 0: dies */
	unsigned nap_us; /* for each packet */
	bool stuck;	 /* until it is interrupted */
	enum evil evil;
	const volatile sig_atomic_t *interrupted;
};

static struct seen *seen;
static struct relay_sum sum;
static uint32_t seed = 1;

void __real_relay_serve(const struct relay_child *child, const struct relay_config *config);
void __wrap_relay_serve(const struct relay_child *child, const struct relay_config *config);

static uint32_t random_below(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/* --- the child --------------------------------------------------------------------- */

static int out_packet(struct output *o, const struct packet *packet)
{
	(void)o;
	if (seen->fails_at && seen->packets + 1 == seen->fails_at) {
		if (seen->fails_with)
			return seen->fails_with;
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
	}
	while (seen->stuck && !*seen->interrupted)
		usleep(1000);
	if (seen->stuck)
		return -EINTR;
	if (seen->nap_us)
		usleep(seen->nap_us);
	sum_packet(&seen->sum, packet, packet->caplen);
	__atomic_fetch_add(&seen->packets, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static int out_flush(struct output *o)
{
	(void)o;
	__atomic_fetch_add(&seen->flushes, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static int out_finish(struct output *o)
{
	(void)o;
	seen->finishes++;
	return 0;
}

static int out_tick(struct output *o, uint64_t now, uint64_t *next)
{
	(void)o;
	(void)now;
	(void)next;
	__atomic_fetch_add(&seen->ticks, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static int out_counts(struct output *o, const struct output_counts *counts)
{
	(void)o;
	seen->counts = *counts;
	return 0;
}

static unsigned count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n - 3; /* ".", "..", and the folder */
}

static int prepare(void *arg, const volatile sig_atomic_t *interrupted, size_t *taken, struct output **ret)
{
	static const struct output_ops ops = {
		.name = "test",
		.iface = sum_no_iface,
		.packet = out_packet,
		.tick = out_tick,
		.counts = out_counts,
		.flush = out_flush,
		.finish = out_finish,
	};
	static struct output out = { &ops };

	seen->interrupted = interrupted;
	seen->pid = getpid();
	seen->descriptors = count_descriptors();
	*ret = &out;
	return arg ? *(int *)arg : 0;
}

static _Noreturn void misbehave(const struct relay_child *child)
{
	struct relay_reply *reply = child->reply;
	struct timespec nap = { .tv_nsec = 1000000 };

	if (write(child->socket, "", 1) != 1)
		_exit(1);
	while (seen->evil != ENDS && __atomic_load_n(&child->head->produced, __ATOMIC_SEQ_CST) < RELAY_SIZE / 2)
		nanosleep(&nap, NULL);
	switch (seen->evil) {
	case AHEAD: reply->consumed = UINT64_MAX - 64; break;
	case BACK:
		reply->consumed = RELAY_SIZE / 2;
		/* Until it was looked at. */
		while (__atomic_load_n(&child->head->produced, __ATOMIC_SEQ_CST) < RELAY_SIZE)
			nanosleep(&nap, NULL);
		reply->consumed = 8;
		break;
	case STRANGE_ERROR: reply->error = 1000000; _exit(0);
	case NEGATIVE_ERROR: reply->error = INT32_MIN; _exit(0);
	case CHATTERS:
		while (write(child->socket, "", 1) == 1)
			reply->consumed = __atomic_load_n(&child->head->produced, __ATOMIC_SEQ_CST);
		break;
	case STOPS: raise(SIGSTOP); break;
	default: _exit(0);
	}
	for (;;)
		nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
}

void __wrap_relay_serve(const struct relay_child *child, const struct relay_config *config)
{
	void *head = (void *)(uintptr_t)child->head;

	seen->written = mprotect(head, RELAY_SIZE, PROT_READ | PROT_WRITE) ? errno : 0;
	if (seen->evil != GOOD)
		misbehave(child);
	__real_relay_serve(child, config);
}

/* --- the parent --------------------------------------------------------------------- */

static struct output *relay;

static int begin(const struct seen *wanted, bool json)
{
	const struct relay_config config = { .prepare = prepare, .keep_fd = -1, .json = json };
	int err;

	if (!seen)
		seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*seen = *wanted;
	seen->sum = sum = (struct relay_sum){ .json = true };
	err = output_relay_new(&relay, &config);
	return err ? err : output_relay_ready(relay);
}

static void end(void)
{
	relay->ops->free(relay);
	relay = NULL;
}

static struct iface ifaces[IFACES];
static struct annotation annots[ANNOTS];
static char texts[ANNOTS][64];
static uint8_t data[BIG];

static void make_world(void)
{
	static char names[IFACES][16];

	for (unsigned i = 0; i < IFACES; i++) {
		snprintf(names[i], sizeof(names[i]), "eth%u", i);
		ifaces[i] = (struct iface){ .id = i * 7, .dlt = DLT_EN10MB, .name = names[i] };
		ifaces[i].netns_name = i % 2 ? names[i] : NULL;
	}
	for (unsigned i = 0; i < ANNOTS; i++) {
		const int n = snprintf(texts[i], sizeof(texts[i]), "/usr/bin/program-%u", i * i);

		annots[i] = (struct annotation){ .serial = i + 1, .has = ANNOT_PROCESS, .process.pid = i };
		annots[i].process.cmd = (struct str){ texts[i], (uint32_t)n };
		annots[i].thread = (struct str){ texts[i] + 5, (uint32_t)n - 5 };
		annots[i].user = i % 3 ? (struct str){ 0 } : (struct str){ texts[i], 4 };
	}
	for (unsigned i = 0; i < BIG; i++)
		data[i] = (uint8_t)random_below(256);
}

static int send_packet(uint32_t caplen, unsigned i)
{
	struct packet p = {
		.sec = 1700000000 + i,
		.nsec = random_below(1000000000),
		.caplen = caplen,
		.len = caplen + random_below(2),
		.data = data + random_below(BIG + 1 - caplen),
		.iface = &ifaces[random_below(IFACES)],
		.dir = (enum direction)random_below(3),
		.annot = random_below(4) ? &annots[random_below(8) ? random_below(16) : random_below(ANNOTS)] : NULL,
		.by_peer = random_below(2),
	};

	sum_packet(&sum, &p, p.caplen);
	return relay->ops->packet(relay, &p);
}

static int send_many(unsigned n, uint32_t longest)
{
	for (unsigned i = 0; i < n; i++) {
		int err = send_packet(random_below(longest + 1), i);

		if (err)
			return err;
	}
	return 0;
}

static bool comes_to(const uint64_t *counter, uint64_t n)
{
	for (int i = 0; i < 2000; i++) {
		if (__atomic_load_n(counter, __ATOMIC_SEQ_CST) == n)
			return true;
		usleep(1000);
	}
	return false;
}

static void test_all_arrive(void)
{
	CHECK_INT(begin(&(struct seen){ 0 }, false), 0);
	CHECK_INT(send_many(30000, 1600), 0);
	CHECK_INT(send_packet(BIG, 0), 0);
	CHECK_INT(send_packet(0, 0), 0);
	CHECK_INT(send_many(20, BIG), 0);
	CHECK_INT(relay->ops->finish(relay), 0);
	end();
	CHECK_INT(seen->packets, 30022);
	CHECK(seen->sum.hash == sum.hash);
	CHECK_INT(seen->finishes, 1);
	CHECK_INT(seen->descriptors, 4);
	CHECK_INT(seen->written, EACCES);
}

static void test_slow_reader(void)
{
	CHECK_INT(begin(&(struct seen){ .nap_us = 2000 }, false), 0);
	CHECK_INT(send_many(60, BIG), 0);
	CHECK_INT(relay->ops->finish(relay), 0);
	end();
	CHECK_INT(seen->packets, 60);
	CHECK(seen->sum.hash == sum.hash);
}

static void test_flush_and_batch(void)
{
	const struct relay_config prompt = { .prepare = prepare, .keep_fd = -1, .prompt = true };

	CHECK_INT(begin(&(struct seen){ 0 }, false), 0);
	CHECK_INT(send_many(3, 100), 0);
	CHECK_INT(relay->ops->batch(relay), 0);
	CHECK_INT(relay->ops->flush(relay), 0);
	CHECK(comes_to(&seen->flushes, 1));
	CHECK_INT(seen->packets, 3);
	end();
	*seen = (struct seen){ 0 };
	CHECK_INT(output_relay_new(&relay, &prompt), 0);
	CHECK_INT(output_relay_ready(relay), 0);
	for (unsigned i = 1; i <= 20; i++) {
		CHECK_INT(send_packet(60, i), 0);
		CHECK_INT(relay->ops->batch(relay), 0);
		CHECK(comes_to(&seen->packets, i));
	}
	end();
}

/* What there is to be told without a packet. */
static void test_counts_and_time(void)
{
	const struct relay_config config = { .prepare = prepare, .keep_fd = -1, .tick = 1000 };
	const struct output_counts counts = { .captured = 1, .received = UINT64_MAX, .dropped = 3 };
	uint64_t next = UINT64_MAX;

	CHECK_INT(begin(&(struct seen){ 0 }, false), 0);
	CHECK_INT(relay->ops->tick(relay, 5, &next), 0);
	CHECK(next == UINT64_MAX);
	end();
	CHECK_INT(seen->ticks, 0);
	*seen = (struct seen){ 0 };
	CHECK_INT(output_relay_new(&relay, &config), 0);
	CHECK_INT(output_relay_ready(relay), 0);
	CHECK_INT(relay->ops->tick(relay, 5, &next), 0);
	CHECK_INT(next, 1005);
	CHECK(comes_to(&seen->ticks, 1));
	CHECK_INT(relay->ops->counts(relay, &counts), 0);
	CHECK_INT(relay->ops->finish(relay), 0);
	end();
	CHECK_INT(seen->counts.captured, 1);
	CHECK(seen->counts.received == UINT64_MAX);
	CHECK_INT(seen->counts.dropped, 3);
}

/* Longer than a record may be, and only where it is shown. */
static void test_long_labels(void)
{
	const size_t size = 3 << 20;
	char *text = malloc(size);
	struct annotation a = annots[0];
	struct packet p = { .iface = &ifaces[0], .data = data, .annot = &a };

	memset(text, 'x', size);
	a.has |= ANNOT_CONTAINER;
	a.container.labels = (struct str){ text, (uint32_t)size };
	CHECK_INT(begin(&(struct seen){ 0 }, true), 0);
	CHECK_INT(relay->ops->packet(relay, &p), 0);
	CHECK_INT(relay->ops->finish(relay), 0);
	end();
	sum_packet(&sum, &p, 0);
	CHECK(seen->sum.hash == sum.hash);
	CHECK_INT(begin(&(struct seen){ 0 }, false), 0);
	CHECK_INT(relay->ops->packet(relay, &p), 0);
	CHECK_INT(relay->ops->finish(relay), 0);
	end();
	a.container.labels = (struct str){ 0 };
	sum_packet(&sum, &p, 0);
	CHECK(seen->sum.hash == sum.hash);
	free(text);
}

static void test_too_long(void)
{
	struct packet p = { .iface = &ifaces[0], .data = data, .caplen = RELAY_RECORD_MAX };

	CHECK_INT(begin(&(struct seen){ 0 }, false), 0);
	CHECK_INT(relay->ops->packet(relay, &p), -EMSGSIZE);
	end();
}

static void test_output_fails(void)
{
	struct pollfd pfd;

	CHECK_INT(begin(&(struct seen){ .fails_at = 2, .fails_with = -EPIPE }, false), 0);
	CHECK_INT(output_relay_check(relay), 0);
	CHECK_INT(send_many(2, 100), 0);
	CHECK_INT(relay->ops->flush(relay), 0);
	/* Seen without another packet. */
	pfd = (struct pollfd){ .fd = output_relay_fd(relay), .events = POLLIN };
	CHECK_INT(poll(&pfd, 1, 2000), 1);
	CHECK_INT(output_relay_check(relay), -EPIPE);
	CHECK_INT(relay->ops->finish(relay), 0);
	end();
	/* At the end. */
	CHECK_INT(begin(&(struct seen){ .fails_at = 2, .fails_with = -ENOSPC }, false), 0);
	CHECK_INT(send_many(2, 100), 0);
	CHECK_INT(relay->ops->finish(relay), -ENOSPC);
	end();
	/* Under load. */
	CHECK_INT(begin(&(struct seen){ .fails_at = 100, .fails_with = -EPIPE }, false), 0);
	CHECK_INT(send_many(100000, 1000), -EPIPE);
	CHECK_INT(relay->ops->flush(relay), -EPIPE);
	end();
}

static void test_child_dies(void)
{
	CHECK_INT(begin(&(struct seen){ .fails_at = 100 }, false), 0);
	CHECK_INT(send_many(100000, 1000), -ENOTRECOVERABLE);
	CHECK_INT(relay->ops->finish(relay), 0);
	end();
	CHECK_INT(begin(&(struct seen){ .fails_at = 2 }, false), 0);
	CHECK_INT(send_many(2, 1000), 0);
	CHECK_INT(relay->ops->finish(relay), -ENOTRECOVERABLE);
	end();
}

static void test_not_prepared(void)
{
	int why = -EINVAL;
	const struct relay_config config = { .prepare = prepare, .keep_fd = -1, .arg = &why };

	*seen = (struct seen){ 0 };
	CHECK_INT(output_relay_new(&relay, &config), 0);
	CHECK_INT(output_relay_ready(relay), -EINVAL);
	end();
}

static void test_hostile(void)
{
	static const struct {
		enum evil evil;
		int err;
	} cases[] = {
		{ AHEAD, -ENOTRECOVERABLE },	      { BACK, -ENOTRECOVERABLE }, { STRANGE_ERROR, -ENOTRECOVERABLE },
		{ NEGATIVE_ERROR, -ENOTRECOVERABLE }, { ENDS, -ENOTRECOVERABLE }, { CHATTERS, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int err = begin(&(struct seen){ .evil = cases[i].evil }, false);

		CHECK_INT(err, 0);
		CHECK_INT(send_many(5000, 1000), cases[i].err);
		end();
	}
	/* It claims that all is done. */
	CHECK_INT(begin(&(struct seen){ .evil = ENDS }, false), 0);
	CHECK_INT(send_many(10, 1000), 0);
	CHECK_INT(relay->ops->finish(relay), -ENOTRECOVERABLE);
	end();
}

/* Asked to end while nobody takes the text. */
static void test_interrupted(void)
{
	sigset_t set, pending;
	int got;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK_INT(begin(&(struct seen){ .stuck = true }, false), 0);
	raise(SIGINT);
	CHECK_INT(send_many(5000, 1000), -EINTR);
	end();
	CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGINT));
	sigwait(&set, &got);
	/* The signal was read while it waited. */
	CHECK_INT(begin(&(struct seen){ .stuck = true }, false), 0);
	CHECK_INT(send_many(2, 1000), 0);
	CHECK_INT(relay->ops->flush(relay), 0);
	usleep(20000);
	output_relay_interrupt(relay);
	CHECK_INT(relay->ops->finish(relay), -EINTR);
	end();
	/* One that is stopped does not hold up the end of a run that fails. */
	CHECK_INT(begin(&(struct seen){ .evil = STOPS }, false), 0);
	CHECK_INT(send_many(1200, 1000), 0);
	end();
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Longer than a stopped one is waited for, but not than a slow one. */
static const uint64_t soon_ms = 5000;

static void stop(void)
{
	siginfo_t info;

	kill(seen->pid, SIGSTOP);
	CHECK_INT(waitid(P_PID, (id_t)seen->pid, &info, WSTOPPED | WNOWAIT), 0);
}

/* Asked to end while the child is stopped: asleep, or with a full ring. */
static void test_stopped(void)
{
	sigset_t set;
	uint64_t from;
	int got;

	/* Else a failure takes for ever. */
	alarm(60);
	CHECK_INT(begin(&(struct seen){ 0 }, false), 0);
	CHECK_INT(send_many(3, 1000), 0);
	CHECK_INT(relay->ops->flush(relay), 0);
	CHECK(comes_to(&seen->flushes, 1));
	usleep(20000);
	stop();
	from = now_ms();
	output_relay_interrupt(relay);
	CHECK_INT(relay->ops->finish(relay), -ENOTRECOVERABLE);
	CHECK(now_ms() - from < soon_ms);
	end();

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK_INT(begin(&(struct seen){ 0 }, false), 0);
	stop();
	from = now_ms();
	raise(SIGINT);
	CHECK_INT(send_many(5000, 1000), -ENOTRECOVERABLE);
	CHECK(now_ms() - from < soon_ms);
	end();
	sigwait(&set, &got);
	alarm(0);
}

static void *go_on(void *arg)
{
	usleep(400000);
	kill(*(pid_t *)arg, SIGCONT);
	return NULL;
}

/* One that goes on soon, and one that is slow, print all that there is. */
static void test_not_stopped(void)
{
	pthread_t thread;

	CHECK_INT(begin(&(struct seen){ .nap_us = 30000 }, false), 0);
	stop();
	CHECK_INT(send_many(100, 1000), 0);
	pthread_create(&thread, NULL, go_on, &seen->pid);
	output_relay_interrupt(relay);
	CHECK_INT(relay->ops->finish(relay), 0);
	pthread_join(thread, NULL);
	end();
	CHECK_INT(seen->packets, 100);
	CHECK(seen->sum.hash == sum.hash);
}

int main(void)
{
	make_world();
	RUN(test_all_arrive);
	RUN(test_slow_reader);
	RUN(test_flush_and_batch);
	RUN(test_counts_and_time);
	RUN(test_long_labels);
	RUN(test_too_long);
	RUN(test_output_fails);
	RUN(test_child_dies);
	RUN(test_not_prepared);
	RUN(test_hostile);
	RUN(test_interrupted);
	RUN(test_stopped);
	RUN(test_not_stopped);
	return check_status();
}
