/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two processes of a relay, which here are one. Either its child is what it should be, and reads at its own pace: then all
 * comes out as it went in. Or somebody else holds it: then it says what the input says, and the capture goes on or ends.
 */
#include <errno.h>
#include <poll.h>
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "../unit/relay_sum.h"
#include "fuzz.h"
#include "output/relay_private.h"
#include "util/fd.h"

enum {
	IFACES = 4,
	ANNOTS = 4,
	MATTER = 1 << 20,    /* bytes, which packets and strings are made of */
	BYTES_MAX = 3 << 19, /* of an input's packets */
	STACK = 1 << 18,
	CHILD = 4711, /* its pid */
};

static struct fuzz input;
static char *matter;

static struct {
	struct output *out;
	bool evil, needs;
	struct iface ifaces[IFACES];
	struct annotation annots[ANNOTS];
	char *names[IFACES];
	size_t left; /* of BYTES_MAX */
	struct relay_sum seen;
} parent;

static struct {
	struct relay_memory memory;
	struct relay_reply *reply;
	int memory_fd, socket;
	bool ended, asked_to_end, killed;
	int status;
	/* A good one's, to which is switched as to another process. */
	ucontext_t here, there;
	char stack[STACK];
	bool begun;
	unsigned pace; /* packets until it waits for its reader, and its parent goes on */
	size_t *taken;
	struct relay_sum seen;
} child;

static const void *main_stack;
static size_t main_stack_size;

/* --- a good child ------------------------------------------------------------------------ */

static void child_pause(void)
{
	__sanitizer_start_switch_fiber(NULL, main_stack, main_stack_size);
	swapcontext(&child.there, &child.here);
	__sanitizer_finish_switch_fiber(NULL, NULL, NULL);
}

static int out_packet(struct output *o, const struct packet *packet)
{
	(void)o;
	sum_packet(&child.seen, packet, packet->caplen - packet->absent);
	if (child.pace-- == 0) {
		child_pause();
		++*child.taken;
		child.pace = fuzz_u8(&input);
	}
	return 0;
}

static int out_nothing(struct output *o)
{
	(void)o;
	return 0;
}

static int prepare(void *arg, const volatile sig_atomic_t *interrupted, size_t *taken, struct output **ret)
{
	static const struct output_ops ops = {
		.name = "fuzz", .iface = sum_no_iface, .packet = out_packet, .flush = out_nothing, .finish = out_nothing
	};
	static struct output out = { &ops };

	(void)arg;
	(void)interrupted;
	child.taken = taken;
	*ret = &out;
	return 0;
}

static const struct relay_config child_config = { .prepare = prepare };

static void child_run(void)
{
	const struct relay_child c = {
		.socket = child.socket, .head = child.memory.head, .data = child.memory.data, .reply = child.reply
	};

	__sanitizer_finish_switch_fiber(NULL, &main_stack, &main_stack_size);
	relay_serve(&c, &child_config);
	child.ended = true;
	child_pause();
}

static void child_resume(void)
{
	if (child.ended)
		return;
	if (!child.begun) {
		getcontext(&child.there);
		child.there.uc_stack.ss_sp = child.stack;
		child.there.uc_stack.ss_size = sizeof(child.stack);
		makecontext(&child.there, child_run, 0);
		child.begun = true;
	}
	__sanitizer_start_switch_fiber(NULL, child.stack, sizeof(child.stack));
	swapcontext(&child.here, &child.there);
	__sanitizer_finish_switch_fiber(NULL, NULL, NULL);
}

ssize_t __real_read(int fd, void *p, size_t n);

/* It sleeps, until there is something or nothing will come any more. */
FAKE(ssize_t, read, int fd, void *p, size_t n)
{
	ssize_t got;

	if (fd != child.socket || !parent.out)
		return __real_read(fd, p, n);
	while ((got = recv(fd, p, n, MSG_DONTWAIT)) < 0 && !child.killed)
		child_pause();
	return got < 0 ? 0 : got;
}

FAKE(void, fd_ignore_signals, void)
{
}

/* Those of this process are libFuzzer's. */
typedef void handler(int);
handler *__real_signal(int number, handler *h);
int __real_sigaction(int number, const struct sigaction *act, struct sigaction *old);

FAKE(handler *, signal, int number, handler *h)
{
	return parent.out ? SIG_DFL : __real_signal(number, h);
}

FAKE(int, sigaction, int number, const struct sigaction *act, struct sigaction *old)
{
	return parent.out ? 0 : __real_sigaction(number, act, old);
}

/* --- somebody else in its place -------------------------------------------------------------- */

/* What it may do at any time: to say anything in the memory that it can write, or through the socket, and to end. */
static void do_evil(void)
{
	struct relay_reply *reply = child.reply;
	const uint64_t produced = child.memory.head->produced;
	char bytes[256] = "";

	if (!input.n)
		child.ended = true;
	switch (fuzz_u8(&input) % 16) {
	case 0:
	case 1:
	case 2: reply->consumed = produced; break;
	case 3: reply->consumed += (produced - reply->consumed) / 256 * fuzz_u8(&input); break;
	case 4: reply->consumed = produced + (uint64_t)(int64_t)(int8_t)fuzz_u8(&input); break;
	case 5: reply->consumed = (uint64_t)fuzz_u32(&input) << fuzz_u8(&input) % 33; break;
	case 6: reply->sleeping = fuzz_u8(&input); break;
	case 7: reply->taken++; break;
	case 8: reply->error = (int32_t)fuzz_u32(&input); break;
	case 9: send(child.socket, bytes, fuzz_u8(&input), MSG_DONTWAIT | MSG_NOSIGNAL); break;
	case 10: shutdown(child.socket, SHUT_RDWR); break;
	case 11: child.asked_to_end = true; break;
	case 12:
		child.ended = true;
		child.status = fuzz_u16(&input);
		break;
	}
}

static void child_turn(void)
{
	if (parent.evil)
		do_evil();
	else
		child_resume();
}

/* --- what the parent asks of the system --------------------------------------------------------- */

FAKE(int, relay_memory_new, struct relay_memory *m, int *fd)
{
	*m = child.memory;
	*m->head = (struct relay_head){ 0 };
	*fd = dup(child.memory_fd);
	return 0;
}

FAKE(void, relay_unmap, struct relay_memory *m)
{
	(void)m;
}

void *__real_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *p, size_t size);

FAKE(void *, mmap, void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	if (size != sizeof(struct relay_reply) || flags != (MAP_SHARED | MAP_ANONYMOUS))
		return __real_mmap(at, size, prot, flags, fd, offset);
	memset(child.reply, 0, sizeof(*child.reply));
	return child.reply;
}

FAKE(int, munmap, void *p, size_t size)
{
	return p == child.reply ? 0 : __real_munmap(p, size);
}

int __real_socketpair(int domain, int type, int protocol, int fds[2]);

/* It has the other end. */
FAKE(int, socketpair, int domain, int type, int protocol, int fds[2])
{
	const int err = __real_socketpair(domain, type, protocol, fds);

	if (err)
		abort();
	child.socket = dup(fds[1]);
	return err;
}

FAKE(pid_t, fork, void)
{
	return CHILD;
}

FAKE(long, syscall, long number, ...)
{
	FUZZ_CHECK(number == SYS_pidfd_open);
	return dup(child.memory_fd);
}

FAKE(pid_t, waitpid, pid_t pid, int *status, int options)
{
	(void)options;
	FUZZ_CHECK(pid == CHILD && (child.ended || child.killed));
	*status = child.status;
	return pid;
}

FAKE(int, kill, pid_t pid, int number)
{
	FUZZ_CHECK(pid == CHILD);
	child.killed = child.killed || number == SIGKILL;
	return 0;
}

FAKE(bool, fd_asked_to_end, const volatile sig_atomic_t *interrupted)
{
	(void)interrupted;
	return child.asked_to_end;
}

/* The socket, and perhaps the process. */
FAKE(int, poll, struct pollfd *fds, nfds_t n, int timeout)
{
	char byte;

	(void)timeout;
	child_turn();
	fds[n - 1].revents = child.ended ? POLLIN : 0;
	if (n > 1)
		fds[0].revents = child.ended || recv(fds[0].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ? POLLIN : 0;
	return 1;
}

ssize_t __real_recv(int fd, void *p, size_t n, int flags);

/* When it may wait, the child goes on; one that says nothing then has ended. */
FAKE(ssize_t, recv, int fd, void *p, size_t n, int flags)
{
	ssize_t got;

	if (flags)
		return __real_recv(fd, p, n, flags);
	child_turn();
	got = __real_recv(fd, p, n, MSG_DONTWAIT);
	child.ended = child.ended || got <= 0;
	return got < 0 ? 0 : got;
}

/* --- what goes in ---------------------------------------------------------------------------------- */

static uint32_t needs(void *arg, const struct packet *packet, uint16_t *absent_sum)
{
	const uint32_t len = packet->caplen - packet->caplen / 256 * (packet->caplen & 0xff);

	(void)arg;
	*absent_sum = len == packet->caplen ? 0 : (uint16_t)packet->caplen;
	return len;
}

/* Mostly short, if there is one; rarely as long as several records. */
static struct str some_text(uint32_t how)
{
	if (how % 4 == 0)
		return (struct str){ 0 };
	return (struct str){ matter + how % 256, how >> 8 & 0xff ? how >> 16 & 63 : how >> 16 << 3 };
}

/* Serials of which some have one place. */
static void make_annotation(struct annotation *a, unsigned i)
{
	uint32_t how;

	*a = (struct annotation){ .serial = 1 + i % 2 + (uint64_t)(i / 2) * RELAY_ANNOTATIONS,
				  .has = fuzz_u16(&input) };
	how = fuzz_u32(&input);
	for (size_t k = 0; k < annotation_schema.nfields; k++, how = how * 1664525 + 1013904223) {
		const struct annot_field *f = &annotation_schema.fields[k];
		const struct str s = some_text(how >> 4);

		if (annot_is_string(f))
			memcpy((char *)a + f->offset, &s, sizeof(s));
		else if (f->kind != FIELD_IGNORED)
			memcpy((char *)a + f->offset, &how, sizeof(how));
	}
}

static void make_world(void)
{
	for (unsigned i = 0; i < IFACES; i++) {
		const uint8_t how = fuzz_u8(&input);

		parent.names[i] = fuzz_string(&input, how % 16);
		parent.ifaces[i] = (struct iface){ .id = i + (how >> 4) * 4U, .dlt = how, .name = parent.names[i] };
		parent.ifaces[i].netns_name = how & 1 ? parent.names[how / 2 % (i + 1)] : NULL;
	}
	for (unsigned i = 0; i < ANNOTS; i++)
		make_annotation(&parent.annots[i], i);
}

/* What it would take longer to copy than an input is worth, is little. */
static bool is_left(size_t n)
{
	if (n > parent.left)
		return false;
	parent.left -= n;
	return true;
}

static int put_packet(uint8_t how)
{
	const uint8_t what = fuzz_u8(&input);
	const struct annotation *a = how & 0x20 ? &parent.annots[what / IFACES % ANNOTS] : NULL;
	uint32_t caplen = fuzz_u16(&input) << (how & 0x40 ? 2 : 0), there;
	uint16_t sum = 0;
	struct packet p;
	int err;

	if (!is_left(caplen))
		caplen %= 64;
	if (a && !is_left(annot_strings_size(&annotation_schema, a)))
		a = NULL;
	p = (struct packet){
		.sec = (int64_t)((uint64_t)what << 56 | what),
		.nsec = (int8_t)what,
		.caplen = caplen,
		.len = caplen + (what & 1),
		.data = (uint8_t *)matter + what,
		.iface = &parent.ifaces[what % IFACES],
		.dir = (enum direction)(what % 3),
		.annot = a,
		.by_peer = what & 0x80,
	};
	err = parent.out->ops->packet(parent.out, &p);
	if (err)
		return err;
	there = parent.needs && caplen > 256 ? needs(NULL, &p, &sum) : caplen;
	p.absent_sum = sum;
	sum_packet(&parent.seen, &p, there);
	return 0;
}

static int step(void)
{
	const uint8_t how = fuzz_u8(&input);

	switch (how % 16) {
	case 0: return parent.out->ops->flush(parent.out);
	case 1: return parent.out->ops->batch(parent.out);
	case 2: return output_relay_check(parent.out);
	case 3: output_relay_interrupt(parent.out); return 0;
	case 4:
	case 5: child_turn(); return 0;
	default: return put_packet(how);
	}
}

static void run(void)
{
	int err = output_relay_ready(parent.out);

	if (!parent.evil)
		FUZZ_CHECK(!err);
	while (!err && input.n)
		err = step();
	/* A good one is not asked to end, nor does it so by itself. */
	if (!parent.evil)
		FUZZ_CHECK(!err);
	/* Behind an error nothing goes on. */
	if (err)
		FUZZ_CHECK(parent.out->ops->flush(parent.out) == err);
	err = parent.out->ops->finish(parent.out);
	if (!parent.evil)
		FUZZ_CHECK(!err && child.ended && parent.seen.packets == child.seen.packets &&
			   parent.seen.hash == child.seen.hash);
}

/* Once. What lies behind the ring is nobody's. */
static void open_world(void)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *end;

	matter = malloc(MATTER + 256);
	for (size_t i = 0; i < MATTER + 256; i++)
		matter[i] = (char)(i * 7 + (i >> 8) * 13 + (i >> 16));
	child.memory_fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (child.memory_fd < 0 || ftruncate(child.memory_fd, (off_t)page + RELAY_SIZE) ||
	    relay_map(&child.memory, child.memory_fd, PROT_READ | PROT_WRITE))
		abort();
	end = child.memory.data + RELAY_SIZE + RELAY_RECORD_MAX;
	__real_mmap(end, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	child.reply = aligned_alloc(RELAY_LINE, sizeof(*child.reply));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct relay_config config = child_config;
	uint8_t how;

	if (!matter)
		open_world();
	input = (struct fuzz){ data, size };
	how = fuzz_u8(&input);
	memset(&parent, 0, sizeof(parent));
	child.ended = child.asked_to_end = child.killed = child.begun = false;
	child.status = 0;
	child.pace = fuzz_u8(&input);
	config.json = how & 2;
	parent.seen = child.seen = (struct relay_sum){ .quick = true, .json = config.json };
	parent.left = BYTES_MAX;
	parent.evil = how & 1;
	config.prompt = how & 4;
	parent.needs = how & 8;
	config.needs = parent.needs ? needs : NULL;
	make_world();
	if (output_relay_new(&parent.out, &config))
		abort();
	run();
	parent.out->ops->free(parent.out);
	/* One that was killed gives back what it has. */
	child.killed = true;
	while (child.begun && !child.ended)
		child_resume();
	parent.out = NULL;
	close(child.socket);
	for (unsigned i = 0; i < IFACES; i++)
		free(parent.names[i]);
	return 0;
}
