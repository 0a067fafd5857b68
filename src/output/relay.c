/* SPDX-License-Identifier: BSD-3-Clause */
/* The writing side of a relay: no system call per packet, and nothing that grows but the table of interfaces. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "output/relay_private.h"
#include "util/fd.h"
#include "util/log.h"

enum {
	STEP = 1 << 14, /* what is written is made known in such steps: each costs both sides a cache miss */
	SHORT = 256,	/* bytes of a packet that are copied faster than looked at */
	WAIT_MS = 100,
	/* Of one that was told to end: without any progress it has given up itself, and a reader however slow has taken what it
	 * writes at once. */
	IDLE_WAITS = 100,
	SLOW_WAITS = 6000,
	/* Of one that is stopped when we have been asked to end: whoever let both of us go on, does so within that time. */
	STOPPED_WAITS = 10,
};

struct waits {
	unsigned idle, slow; /* since its reader has taken something; since it has made something known */
	unsigned stopped;    /* since it was seen to go on */
};

struct relay {
	struct output output;
	struct relay_config config;
	struct relay_memory memory;
	struct relay_reply *reply;
	int socket, pid_fd;
	pid_t pid;
	uint64_t pos;	   /* written */
	uint64_t known;	   /* made known */
	uint64_t consumed; /* of the reply, when it was last looked at */
	size_t taken;	   /* the same */
	bool asked, told;  /* to end: we, and the child */
	bool ended;
	int err;			  /* what the caller has been told */
	uint64_t sent[RELAY_ANNOTATIONS]; /* serials */
	const struct iface **ifaces;	  /* those that were sent, by their ids */
	size_t nifaces;
};

static struct relay *relay_from(struct output *o)
{
	return (struct relay *)((char *)o - offsetof(struct relay, output));
}

/* --- the child ------------------------------------------------------------------ */

/* 1: it ended as it should, else why. */
static int child_reap(struct relay *r)
{
	const int error = __atomic_load_n(&r->reply->error, __ATOMIC_ACQUIRE);
	int status;

	r->ended = true;
	if (waitpid(r->pid, &status, 0) != r->pid)
		return -errno;
	if (WIFSIGNALED(status)) {
		log_error("the process that prints was ended by signal %d (%s)", WTERMSIG(status),
			  strsignal(WTERMSIG(status)));
		return -ENOTRECOVERABLE;
	}
	return error > 0 && error <= EHWPOISON ? -error : 1;
}

static void child_kill(struct relay *r)
{
	int status;

	r->ended = true;
	if (kill(r->pid, SIGKILL) == 0)
		waitpid(r->pid, &status, 0);
}

/* Until it says something, or for WAIT_MS. 0, or as child_reap() when it has ended. */
static int child_wait(struct relay *r)
{
	struct pollfd fds[] = { { .fd = r->socket, .events = POLLIN }, { .fd = r->pid_fd, .events = POLLIN } };
	char bytes[64];

	if (poll(fds, 2, WAIT_MS) < 0)
		return errno == EINTR ? 0 : -errno;
	/* What it says is that it is time to look; the end of file, that it is about to end. */
	if (fds[0].revents && recv(r->socket, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0 && !fds[1].revents)
		poll(&fds[1], 1, WAIT_MS);
	return fds[1].revents ? child_reap(r) : 0;
}

/* Whoever reads its output takes nothing, and we have been asked to end. */
static void child_tell_end(struct relay *r)
{
	if (!r->told)
		kill(r->pid, SIGTERM);
	r->told = true;
}

/* By SIGSTOP or by its terminal. What is told of it stays to be told. */
static bool child_is_stopped(const struct relay *r)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)r->pid, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 && info.si_pid == r->pid;
}

static void child_wake(struct relay *r)
{
	/* A full socket is full of wake-ups. */
	if (__atomic_exchange_n(&r->reply->sleeping, 0, __ATOMIC_SEQ_CST))
		send(r->socket, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int gone_wrong(const char *how)
{
	log_error("the process that prints %s", how);
	return -ENOTRECOVERABLE;
}

/* --- the ring ------------------------------------------------------------------- */

static void ring_publish(struct relay *r)
{
	r->known = r->pos;
	__atomic_store_n(&r->memory.head->produced, r->pos, __ATOMIC_SEQ_CST);
}

static int ring_refresh(struct relay *r)
{
	const uint64_t consumed = __atomic_load_n(&r->reply->consumed, __ATOMIC_ACQUIRE);

	/* Back, or more than there was. */
	if (consumed < r->consumed || consumed > r->known)
		return gone_wrong("has taken what nobody gave");
	r->consumed = consumed;
	return 0;
}

static size_t ring_room(const struct relay *r)
{
	return RELAY_SIZE - (size_t)(r->pos - r->consumed);
}

/* One turn of waiting for the child; as child_wait(). */
static int wait_turn(struct relay *r, struct waits *waits)
{
	const size_t taken = __atomic_load_n(&r->reply->taken, __ATOMIC_RELAXED);
	const uint64_t before = r->consumed;
	int err = ring_refresh(r);

	if (err)
		return err;
	if (fd_asked_to_end(NULL))
		child_tell_end(r);
	waits->slow = r->told && r->consumed == before ? waits->slow + 1 : 0;
	waits->idle = waits->slow && r->taken == taken ? waits->idle + 1 : 0;
	waits->stopped = (r->told || r->asked) && child_is_stopped(r) ? waits->stopped + 1 : 0;
	r->taken = taken;
	if (waits->stopped == STOPPED_WAITS) {
		child_kill(r);
		return gone_wrong("is stopped: what it has not printed is lost");
	}
	if (waits->idle < IDLE_WAITS && waits->slow < SLOW_WAITS)
		return child_wait(r);
	child_kill(r);
	return -EINTR;
}

static int ring_wait(struct relay *r, size_t need)
{
	struct relay_head *head = r->memory.head;
	struct waits waits = { 0 };
	int err;

	ring_publish(r);
	while ((err = ring_refresh(r)) == 0 && ring_room(r) < need) {
		__atomic_store_n(&head->waiting, 1, __ATOMIC_SEQ_CST);
		child_wake(r);
		err = ring_refresh(r);
		if (!err && ring_room(r) < need)
			err = wait_turn(r, &waits);
		if (err)
			break;
	}
	__atomic_store_n(&head->waiting, 0, __ATOMIC_RELAXED);
	return err > 0 ? gone_wrong("has ended") : err;
}

/* Room for a record of at most RELAY_RECORD_MAX, which ring_put() then adds; NULL: r->err says why not. */
static void *ring_reserve(struct relay *r, size_t size)
{
	if (!r->err && ring_room(r) < size)
		r->err = ring_wait(r, size);
	return r->err ? NULL : r->memory.data + (r->pos & (RELAY_SIZE - 1));
}

static int ring_put(struct relay *r, size_t size)
{
	r->pos += size;
	if (r->pos - r->known < STEP)
		return 0;
	ring_publish(r);
	if (ring_room(r) < RELAY_SIZE / 2) {
		r->err = ring_refresh(r);
		if (!r->err && ring_room(r) < RELAY_SIZE / 2)
			child_wake(r);
	}
	return r->err;
}

static int put_mark(struct relay *r, enum relay_type type)
{
	struct relay_record *record = ring_reserve(r, sizeof(*record));

	if (!record)
		return r->err;
	*record = (struct relay_record){ .size = sizeof(*record), .type = type };
	r->err = ring_put(r, sizeof(*record));
	if (!r->err) {
		ring_publish(r);
		child_wake(r);
	}
	return r->err;
}

/* --- records ---------------------------------------------------------------------- */

static int put_iface(struct relay *r, const struct iface *iface)
{
	const char *name = iface->name ? iface->name : "", *netns_name = iface->netns_name ? iface->netns_name : "";
	const size_t name_size = strlen(name) + 1, netns_size = strlen(netns_name) + 1;
	const size_t size = relay_round(sizeof(struct relay_iface) + name_size + netns_size);
	struct relay_iface *record = size > RELAY_RECORD_MAX ? NULL : ring_reserve(r, size);

	if (!record)
		return r->err = r->err ? r->err : -EMSGSIZE;
	record->record = (struct relay_record){ .size = (uint32_t)size, .type = RELAY_IFACE };
	record->iface = *iface;
	memcpy(record->names, name, name_size);
	memcpy(record->names + name_size, netns_name, netns_size);
	return ring_put(r, size);
}

/* Not when it is announced, but with its first packet: until then it may still get another name. */
static __attribute__((cold)) int send_iface(struct relay *r, const struct iface *iface)
{
	const size_t n = (size_t)iface->id + 16;
	const struct iface **ifaces;

	if (iface->id >= r->nifaces) {
		ifaces = realloc(r->ifaces, n * sizeof(struct iface *));
		if (!ifaces)
			return r->err = -ENOMEM;
		memset(ifaces + r->nifaces, 0, (n - r->nifaces) * sizeof(struct iface *));
		r->ifaces = ifaces;
		r->nifaces = n;
	}
	r->ifaces[iface->id] = iface;
	return put_iface(r, iface);
}

static int put_strings(struct relay *r, const struct annotation *a, const char *strings, uint32_t total,
		       uint32_t offset)
{
	const uint32_t rest = total - offset, len = rest < RELAY_CHUNK ? rest : RELAY_CHUNK;
	const size_t size = relay_round(sizeof(struct relay_annotation) + len);
	struct relay_annotation *record = ring_reserve(r, size);

	if (!record)
		return r->err;
	*record = (struct relay_annotation){
		.record = { .size = (uint32_t)size, .type = RELAY_ANNOTATION },
		.total = total,
		.offset = offset,
		.len = len,
		.annot = *a,
	};
	memcpy(record->strings, strings + offset, len);
	return ring_put(r, size);
}

/* What is shown with -v only, and may be long. */
static void leave_out_json(struct annotation *a)
{
	static const struct str none;

	for (size_t i = 0; i < annotation_schema.nfields; i++) {
		const struct annot_field *f = &annotation_schema.fields[i];

		if (f->kind == FIELD_JSON)
			memcpy((char *)a + f->offset, &none, sizeof(none));
	}
}

static __attribute__((cold)) int send_annotation(struct relay *r, const struct annotation *given)
{
	struct annotation a = *given;
	size_t total;
	char *strings;

	if (!r->config.json)
		leave_out_json(&a);
	total = annot_strings_size(&annotation_schema, &a);
	strings = total <= UINT32_MAX ? malloc(total) : NULL;
	if (!strings)
		return r->err = -ENOMEM;
	annot_strings_move(&annotation_schema, &a, strings);
	for (size_t offset = 0; offset < total && !r->err; offset += RELAY_CHUNK)
		put_strings(r, &a, strings, (uint32_t)total, (uint32_t)offset);
	free(strings);
	r->sent[a.serial % RELAY_ANNOTATIONS] = a.serial;
	return r->err;
}

static int relay_counts(struct output *o, const struct output_counts *counts)
{
	struct relay *r = relay_from(o);
	struct relay_counts *record = r->err ? NULL : ring_reserve(r, sizeof(*record));

	if (!record)
		return r->err;
	*record = (struct relay_counts){ { .size = sizeof(*record), .type = RELAY_COUNTS }, *counts };
	return ring_put(r, sizeof(*record));
}

static int relay_tick(struct output *o, uint64_t now, uint64_t *next)
{
	struct relay *r = relay_from(o);

	if (!r->config.tick)
		return r->err;
	if (now + r->config.tick < *next)
		*next = now + r->config.tick;
	return r->err ? r->err : put_mark(r, RELAY_TICK);
}

static int relay_iface(struct output *o, const struct iface *iface)
{
	(void)iface;
	return relay_from(o)->err;
}

static int relay_packet(struct output *o, const struct packet *packet)
{
	struct relay *r = relay_from(o);
	const struct annotation *a = packet->annot;
	const struct iface *iface = packet->iface;
	uint32_t len = packet->caplen;
	uint16_t absent_sum = 0;
	struct relay_packet *record;
	size_t size;

	if (r->err)
		return r->err;
	if ((iface->id >= r->nifaces || r->ifaces[iface->id] != iface) && send_iface(r, iface))
		return r->err;
	if (a && r->sent[a->serial % RELAY_ANNOTATIONS] != a->serial && send_annotation(r, a))
		return r->err;
	if (len > RELAY_RECORD_MAX - sizeof(*record))
		return r->err = -EMSGSIZE;
	if (len > SHORT && r->config.needs)
		len = r->config.needs(r->config.needs_arg, packet, &absent_sum);
	size = relay_round(sizeof(*record) + len);
	record = ring_reserve(r, size);
	if (!record)
		return r->err;
	*record = (struct relay_packet){
		.record = {
			.size = (uint32_t)size,
			.type = RELAY_PACKET,
			.dir = (uint8_t)packet->dir,
			.by_peer = packet->by_peer,
			.annotated = a != NULL,
		},
		.sec = packet->sec,
		.nsec = (int32_t)packet->nsec,
		.iface = iface->id,
		.caplen = packet->caplen,
		.len = packet->len,
		.absent = packet->caplen - len,
		.absent_sum = absent_sum,
		.annotation = a ? a->serial % RELAY_ANNOTATIONS : 0,
	};
	memcpy(record->data, packet->data, len);
	return ring_put(r, size);
}

/* Nobody waits here for the text: what is written on standard error comes before packets or after the end. */
static int relay_flush(struct output *o)
{
	struct relay *r = relay_from(o);

	return r->err ? r->err : put_mark(r, RELAY_FLUSH);
}

static int relay_batch(struct output *o)
{
	struct relay *r = relay_from(o);

	if (r->config.prompt && !r->err) {
		ring_publish(r);
		child_wake(r);
	}
	return r->err;
}

/* --- its life --------------------------------------------------------------------- */

/* All of the text is out, or will never be. */
static int relay_finish(struct output *o)
{
	struct relay *r = relay_from(o);
	struct waits waits = { 0 };
	int err;

	if (r->err || r->ended)
		return 0;
	err = put_mark(r, RELAY_END);
	while (!err)
		err = wait_turn(r, &waits);
	if (err > 0)
		err = ring_refresh(r);
	if (!err && r->consumed != r->pos)
		err = gone_wrong("has ended");
	return r->err = err;
}

static void relay_free(struct output *o)
{
	struct relay *r;

	if (!o)
		return;
	r = relay_from(o);
	if (r->pid > 0 && !r->ended)
		child_kill(r);
	if (r->socket >= 0)
		close(r->socket);
	if (r->pid_fd >= 0)
		close(r->pid_fd);
	relay_unmap(&r->memory);
	if (r->reply)
		munmap(r->reply, sizeof(*r->reply));
	free(r->ifaces);
	free(r);
}

static const struct output_ops relay_ops = {
	.name = "relay",
	.iface = relay_iface,
	.packet = relay_packet,
	.tick = relay_tick,
	.counts = relay_counts,
	.flush = relay_flush,
	.batch = relay_batch,
	.finish = relay_finish,
	.free = relay_free,
};

static _Noreturn void child(const struct relay *r, int memory_fd, int socket)
{
	struct relay_child child = { .socket = socket, .reply = r->reply };
	struct relay_memory memory = r->memory;

	relay_unmap(&memory);
	/* What a command of ours is to read, nobody else can take, or move to another place in its file. */
	if (dup2(socket, STDIN_FILENO) == STDIN_FILENO && !relay_map(&memory, memory_fd, PROT_READ) &&
	    !fd_close_all_but(socket, r->config.keep_fd)) {
		child.head = memory.head;
		child.data = memory.data;
		relay_serve(&child, &r->config);
	}
	_exit(1);
}

static int start_child(struct relay *r)
{
	int fd = -1, sockets[2] = { -1, -1 }, err = relay_memory_new(&r->memory, &fd);

	if (!err) {
		r->reply = mmap(NULL, sizeof(*r->reply), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (r->reply == MAP_FAILED)
			r->reply = NULL;
		if (!r->reply || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
			err = -errno;
	}
	if (!err) {
		r->pid = fork();
		if (r->pid == 0)
			child(r, fd, sockets[1]);
		r->pid_fd = r->pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, r->pid, 0);
		if (r->pid_fd < 0)
			err = -errno;
	}
	r->socket = sockets[0];
	if (sockets[1] >= 0)
		close(sockets[1]);
	if (fd >= 0)
		close(fd);
	return err;
}

int output_relay_new(struct output **ret, const struct relay_config *config)
{
	struct relay *r = calloc(1, sizeof(*r));
	int err = -ENOMEM;

	if (r) {
		r->output.ops = &relay_ops;
		r->config = *config;
		r->socket = r->pid_fd = -1;
		err = start_child(r);
	}
	if (err) {
		log_error("can't start the process that prints: %s", strerror(-err));
		if (r)
			relay_free(&r->output);
		return err;
	}
	*ret = &r->output;
	return 0;
}

int output_relay_ready(struct output *o)
{
	struct relay *r = relay_from(o);
	char byte;
	ssize_t n;

	do
		n = recv(r->socket, &byte, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		return 0;
	/* It has said why. */
	r->err = child_reap(r);
	if (r->err > 0)
		r->err = gone_wrong("has ended");
	return r->err;
}

int output_relay_fd(const struct output *o)
{
	const struct relay *r = (const struct relay *)(const void *)((const char *)o - offsetof(struct relay, output));

	return r->pid_fd;
}

int output_relay_check(struct output *o)
{
	struct relay *r = relay_from(o);

	if (r->err || r->ended)
		return 0;
	r->err = child_wait(r);
	if (r->err > 0)
		r->err = gone_wrong("has ended");
	return r->err;
}

void output_relay_interrupt(struct output *o)
{
	struct relay *r = relay_from(o);

	r->asked = true;
	/* What is not asleep may be waiting for its reader. */
	if (!r->ended && !__atomic_load_n(&r->reply->sleeping, __ATOMIC_ACQUIRE))
		child_tell_end(r);
}
