/* SPDX-License-Identifier: BSD-3-Clause */
/* What a thread does that the programs of bpf/btf_check.bpf.c look at. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/attach.h"
#include "capture/kernel_btf_try.h"
#include "util/clock.h"

/* In a new namespace, as its only device. */
enum { LOOPBACK = 1, WAIT_MS = 1000, CHILD_MS = 1000 };

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) ? 0 : cookie;
}

static struct btf_try_sock *keep(struct btf_try *t, int fd, sa_family_t family, bool connects)
{
	struct btf_try_sock *s = &t->socks[t->n++];
	socklen_t len = sizeof(s->local);

	*s = (struct btf_try_sock){ .fd = fd, .family = family, .connects = connects, .cookie = cookie_of(fd) };
	getsockname(fd, (struct sockaddr *)&s->local, &len);
	len = sizeof(s->remote);
	getpeername(fd, (struct sockaddr *)&s->remote, &len);
	return s;
}

static bool set(int fd, int level, int option)
{
	const int one = 1;

	return setsockopt(fd, level, option, &one, sizeof(one)) == 0;
}

/* By a program of its own. */
static bool choose(int fd)
{
	struct sock_filter first = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog prog = { 1, &first };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)) == 0;
}

/* On a loopback address, also where that device is down. */
static bool listens(int fd, sa_family_t family)
{
	const struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	const bool is_v4 = family == AF_INET;

	set(fd, IPPROTO_IP, IP_FREEBIND);
	return bind(fd, is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6,
		    is_v4 ? sizeof(v4) : sizeof(v6)) == 0 &&
	       listen(fd, 1) == 0;
}

/* shares: others may have its port, too. */
static void listen_at(struct btf_try *t, sa_family_t family, bool shares)
{
	const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	bool chooses;

	if (fd < 0)
		return;
	shares = shares && set(fd, SOL_SOCKET, SO_REUSEPORT);
	chooses = shares && choose(fd);
	if (listens(fd, family)) {
		struct btf_try_sock *s = keep(t, fd, family, false);

		s->shares = shares;
		s->chooses = chooses;
	} else {
		close(fd);
	}
}

/* What others have put on the way may drop it. */
static bool connects(int fd, const struct sockaddr *to)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int err;

	if (connect(fd, to, sizeof(struct sockaddr_in)) == 0)
		return true;
	return errno == EINPROGRESS && poll(&p, 1, WAIT_MS) == 1 &&
	       getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && !err;
}

/* To the first of those that listen, from another address. */
static void connect_there(struct btf_try *t)
{
	const struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1) };
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);

	if (fd < 0)
		return;
	if (bind(fd, (const struct sockaddr *)&from, sizeof(from)) == 0 &&
	    connects(fd, (const struct sockaddr *)&t->socks[0].local))
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

	return attach_program(&sides[0], &mode, LOOPBACK, false, t->egress_fd) == 0 &&
	       attach_program(&sides[1], &mode, LOOPBACK, true, t->ingress_fd) == 0;
}

/* What the device hands up comes by a soft interrupt, if not at once. */
static void packets_wait(const struct btf_try *t)
{
	const struct timespec pause = { 0, NSEC_PER_MSEC };

	for (int i = 0; i < WAIT_MS && !(__atomic_load_n(t->egress_seen, __ATOMIC_RELAXED) &&
					 __atomic_load_n(t->ingress_seen, __ATOMIC_RELAXED));
	     i++)
		nanosleep(&pause, NULL);
}

/* By system calls only: other threads may hold locks. Its users are all different, its groups as well. */
static void live_as_child(const char *name)
{
	syscall(SYS_setresgid, BTF_TRY_GID, BTF_TRY_GID + 1, BTF_TRY_GID + 2);
	syscall(SYS_setresuid, BTF_TRY_UID, BTF_TRY_UID + 1, BTF_TRY_UID + 2);
	syscall(SYS_prctl, PR_SET_NAME, name);
	syscall(SYS_exit_group, 0);
}

/* Its end raises no signal. */
/* Whoever has the child's user may stop it. */
static void wait_for(pid_t child)
{
	for (int i = 0; i < CHILD_MS; i++) {
		if (waitpid(child, NULL, __WALL | WNOHANG) != 0)
			return;
		usleep(1000);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, __WALL);
}

static void bear(struct btf_try *t)
{
	struct stat st;
	long pid;

	t->nested = unshare(CLONE_NEWPID) == 0;
	pid = syscall(SYS_clone, 0, 0, 0, 0, 0);
	if (pid == 0)
		live_as_child(t->born);
	if (pid > 0)
		wait_for((pid_t)pid);
	t->child = pid > 0 ? (uint32_t)pid : 0;
	t->child_pidns = stat("/proc/thread-self/ns/pid_for_children", &st) ? 0 : (uint32_t)st.st_ino;
}

void *btf_try(void *arg)
{
	struct btf_try *t = arg;
	struct attachment sides[2] = { 0 };
	const int file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	const bool apart = unshare(CLONE_NEWNET) == 0 && loopback_up(), packets = apart && packets_begin(t, sides);

	t->n = 0;
	__atomic_store_n(t->file, file < 0 ? 0 : (uint32_t)file, __ATOMIC_RELAXED);
	prctl(PR_SET_NAME, t->begin);
	listen_at(t, AF_INET, true);
	listen_at(t, AF_INET6, false);
	/* The last: the socket at its other end, which the kernel makes on this thread, comes after it. */
	if (apart && t->n && t->socks[0].family == AF_INET)
		connect_there(t);
	t->packets = packets && t->n && t->socks[t->n - 1].connects;
	if (t->packets)
		packets_wait(t);
	bear(t);
	prctl(PR_SET_NAME, t->end);
	t->ended(t->ended_arg);
	for (size_t i = 0; i < t->n; i++)
		close(t->socks[i].fd);
	if (file >= 0)
		close(file);
	attach_undo(&sides[0], false);
	attach_undo(&sides[1], false);
	return NULL;
}
