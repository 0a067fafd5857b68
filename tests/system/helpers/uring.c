/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Peers that talk through io_uring, by system calls alone: "server ADDRESS PORT MODE", "client ADDRESS PORT
 * MODE@OWN-PORT". MODE: "plain", "worker" (the kernel's worker threads do it all), or "sqpoll" (its polling thread).
 * What they print is described in truth.c. Exit status 77: the kernel has no io_uring for us.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 4

struct ring {
	int fd;
	unsigned *sq_tail, *sq_mask, *sq_array, *sq_flags, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	unsigned char flags; /* of every request */
	unsigned setup;
};

static void *map(int fd, size_t size, uint64_t offset)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)offset);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

static void ring_open(struct ring *r, const char *mode)
{
	struct io_uring_params p = { 0 };
	char *sq, *cq;

	if (strncmp(mode, "sqpoll", 6) == 0)
		p.flags = IORING_SETUP_SQPOLL;
	if (strncmp(mode, "worker", 6) == 0)
		r->flags = IOSQE_ASYNC;
	p.sq_thread_idle = 50;
	r->setup = p.flags;
	r->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
	if (r->fd < 0 && (errno == ENOSYS || errno == EPERM || errno == EINVAL))
		exit(77);
	if (r->fd < 0)
		err(1, "io_uring_setup");
	sq = map(r->fd, p.sq_off.array + p.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
	cq = map(r->fd, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	r->sqes = map(r->fd, p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	r->sq_tail = (void *)(sq + p.sq_off.tail);
	r->sq_mask = (void *)(sq + p.sq_off.ring_mask);
	r->sq_array = (void *)(sq + p.sq_off.array);
	r->sq_flags = (void *)(sq + p.sq_off.flags);
	r->cq_head = (void *)(cq + p.cq_off.head);
	r->cq_tail = (void *)(cq + p.cq_off.tail);
	r->cq_mask = (void *)(cq + p.cq_off.ring_mask);
	r->cqes = (void *)(cq + p.cq_off.cqes);
}

/* One request, and its result. */
static int request(struct ring *r, unsigned char opcode, int fd, const void *addr, unsigned len, uint64_t off)
{
	unsigned tail = *r->sq_tail, i = tail & *r->sq_mask, head, enter = IORING_ENTER_GETEVENTS;
	int result;

	r->sqes[i] = (struct io_uring_sqe){
		.opcode = opcode, .flags = r->flags, .fd = fd, .addr = (uintptr_t)addr, .len = len, .off = off
	};
	r->sq_array[i] = i;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(r->sq_flags, __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP)
		enter |= IORING_ENTER_SQ_WAKEUP;
	while (syscall(SYS_io_uring_enter, r->fd, r->setup ? 0 : 1, 1, enter, NULL, 0) < 0)
		if (errno != EINTR)
			err(1, "io_uring_enter");
	head = *r->cq_head;
	while (__atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE) == head)
		syscall(SYS_io_uring_enter, r->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	result = r->cqes[head & *r->cq_mask].res;
	__atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
	return result;
}

static void say_end(int fd)
{
	struct sockaddr_in local, remote;
	socklen_t len = sizeof(local), rlen = sizeof(remote);
	char l[INET_ADDRSTRLEN], r[INET_ADDRSTRLEN];

	if (getsockname(fd, (void *)&local, &len) || getpeername(fd, (void *)&remote, &rlen))
		err(1, "getpeername");
	inet_ntop(AF_INET, &local.sin_addr, l, sizeof(l));
	inet_ntop(AF_INET, &remote.sin_addr, r, sizeof(r));
	printf("end tcp %s %d %s %d %d\n", l, ntohs(local.sin_port), r, ntohs(remote.sin_port), getpid());
	fflush(stdout);
}

static int bound(const char *address, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (inet_pton(AF_INET, address, &a.sin_addr) != 1)
		errx(1, "bad address %s", address);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (void *)&a, sizeof(a)))
		err(1, "bind");
	return fd;
}

/* Four processes share the listener. */
static int server(char **v)
{
	int fd = bound(v[0], atoi(v[1])), c;
	struct ring r = { 0 };
	char buf[256];

	if (listen(fd, 100))
		err(1, "listen");
	ring_open(&r, v[2]);
	close(r.fd);
	for (int i = 1; i < 4 && fork() != 0; i++)
		;
	ring_open(&r, v[2]);
	printf("ready\n");
	fflush(stdout);
	while ((c = request(&r, IORING_OP_ACCEPT, fd, NULL, 0, 0)) >= 0) {
		say_end(c);
		request(&r, IORING_OP_RECV, c, buf, sizeof(buf), 0);
		request(&r, IORING_OP_SEND, c, "answer\n", 7, 0);
		request(&r, IORING_OP_CLOSE, c, NULL, 0, 0);
	}
	return 1;
}

static int client(char **v)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(v[1])) };
	int fd = bound("0.0.0.0", atoi(strchr(v[2], '@') + 1));
	struct ring r = { 0 };
	char buf[256];

	inet_pton(AF_INET, v[0], &to.sin_addr);
	ring_open(&r, v[2]);
	if (request(&r, IORING_OP_CONNECT, fd, &to, 0, sizeof(to)) < 0)
		errx(1, "connect");
	say_end(fd);
	request(&r, IORING_OP_SEND, fd, "request\n", 8, 0);
	while (request(&r, IORING_OP_RECV, fd, buf, sizeof(buf), 0) > 0)
		;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "server") == 0)
		return server(argv + 2);
	if (argc == 5 && strcmp(argv[1], "client") == 0)
		return client(argv + 2);
	return 2;
}
