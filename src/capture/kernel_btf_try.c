/* SPDX-License-Identifier: BSD-3-Clause */
/* What a thread does that the programs of bpf/btf_check.bpf.c look at. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/attach.h"
#include "capture/kernel_btf_try.h"
#include "util/clock.h"

/* In a new namespace, as its only device. */
enum { LOOPBACK = 1, PACKETS_MS = 2000 };

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) ? 0 : cookie;
}

static void keep(struct btf_try *t, int fd, sa_family_t family, bool connects)
{
	struct btf_try_sock *s = &t->socks[t->n];
	socklen_t len = sizeof(s->local);

	*s = (struct btf_try_sock){ .fd = fd, .family = family, .connects = connects, .cookie = cookie_of(fd) };
	getsockname(fd, (struct sockaddr *)&s->local, &len);
	len = sizeof(s->remote);
	getpeername(fd, (struct sockaddr *)&s->remote, &len);
	t->n++;
}

/* A socket that shares its port, and has a program that chooses. */
static void share(int fd)
{
	struct sock_filter first = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog prog = { 1, &first };
	const int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0)
		setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog));
}

/* On a loopback address, also where that device is down. */
static void listen_at(struct btf_try *t, sa_family_t family)
{
	const struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	const bool is_v4 = family == AF_INET;
	const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP), one = 1;

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
	if (is_v4)
		share(fd);
	if (bind(fd, is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6,
		 is_v4 ? sizeof(v4) : sizeof(v6)) == 0 &&
	    listen(fd, 1) == 0)
		keep(t, fd, family, false);
	else
		close(fd);
}

/* To the first of those that listen. */
static void connect_there(struct btf_try *t)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)&t->socks[0].local, sizeof(struct sockaddr_in)) == 0)
		keep(t, fd, AF_INET, true);
	else
		close(fd);
}

static bool loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const bool up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &ifr) == 0;

	if (fd >= 0)
		close(fd);
	return up;
}

static bool packets_begin(struct btf_try *t, struct attachment sides[2])
{
	enum attach_mode mode = ATTACH_AUTO;

	return loopback_up() && attach_program(&sides[0], &mode, LOOPBACK, false, t->egress_fd) == 0 &&
	       attach_program(&sides[1], &mode, LOOPBACK, true, t->ingress_fd) == 0;
}

/* What the device hands up comes by a soft interrupt, if not at once. */
static void packets_wait(const struct btf_try *t)
{
	const struct timespec pause = { 0, NSEC_PER_MSEC };

	for (int i = 0; i < PACKETS_MS && !(__atomic_load_n(t->egress_seen, __ATOMIC_RELAXED) &&
					    __atomic_load_n(t->ingress_seen, __ATOMIC_RELAXED));
	     i++)
		nanosleep(&pause, NULL);
}

void *btf_try(void *arg)
{
	struct btf_try *t = arg;
	struct attachment sides[2] = { 0 };
	bool packets;

	t->n = 0;
	packets = unshare(CLONE_NEWNET) == 0 && packets_begin(t, sides);
	prctl(PR_SET_NAME, t->begin);
	listen_at(t, AF_INET);
	listen_at(t, AF_INET6);
	/* The last: the socket at its other end, which the kernel makes on this thread, comes after it. */
	if (packets && t->n && t->socks[0].family == AF_INET)
		connect_there(t);
	t->packets = t->n && t->socks[t->n - 1].connects;
	if (t->packets)
		packets_wait(t);
	prctl(PR_SET_NAME, t->end);
	t->ended(t->ended_arg);
	for (size_t i = 0; i < t->n; i++)
		close(t->socks[i].fd);
	attach_undo(&sides[0], false);
	attach_undo(&sides[1], false);
	return NULL;
}
