/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of the processes that run already the filter of the kernel is told of. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/netlink.h>
#include <ptcpdump/owner.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/attrib_scan.h"
#include "check.h"
#include "fake.h"

static uint32_t asked, bits; /* of that pid */
static uint64_t cookie;	     /* of a socket that is looked for */
static struct owner_rec owner;

enum { PIDS = -1, COOKIES = 7 };

FAKE(int, bpf_map_update_elem, int fd, const void *key, const void *value, uint64_t flags)
{
	if (fd == COOKIES) {
		if (memcmp(key, &cookie, sizeof(cookie)) == 0)
			memcpy(&owner, value, sizeof(owner));
		return 0;
	}
	if (memcmp(key, &asked, sizeof(asked)) == 0)
		memcpy(&bits, value, sizeof(bits));
	return 0;
}

static bool refuses;

int __real_socket(int family, int type, int protocol);
FAKE(int, socket, int family, int type, int protocol)
{
	if (!refuses || family != AF_NETLINK || protocol != NETLINK_SOCK_DIAG)
		return __real_socket(family, type, protocol);
	errno = EPERM;
	return -1;
}

/* Where sock_diag is refused, the process is asked for its socket; of several that have it, which one uses it is not known. */
static void test_sockets_of_processes(void)
{
	const int fd = __real_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct owner_rec alone, shared;
	socklen_t size = sizeof(cookie);
	pid_t child;

	if (listen(fd, 1) || getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size))
		abort();
	refuses = true;
	CHECK_INT(scan_sockets(COOKIES), 0);
	alone = owner;
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	CHECK_INT(scan_sockets(COOKIES), 0);
	shared = owner;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(fd);
	refuses = false;
	CHECK_INT(alone.tgid, getpid());
	CHECK_INT(alone.certain, 1);
	CHECK_INT(alone.cookie, cookie);
	CHECK_INT(shared.certain, 0);
}

static uint32_t bits_with_user(uint32_t uid)
{
	const struct capture_config config = { .uids = &uid, .nuids = 1, .follow_forks = true };

	bits = 0;
	return scan_filter_pids(PIDS, &config) ? UINT32_MAX : bits;
}

/* Of a set-user-ID program the real user counts, as for packets; only root can make the two differ here. */
static void test_real_user(void)
{
	const uid_t user = getuid() ? getuid() : 4242;
	uint32_t of_user;
	int ready[2];
	char c;

	CHECK_INT(pipe(ready), 0);
	asked = (uint32_t)fork();
	if (asked == 0) {
		if (setreuid(user, (uid_t)-1) || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	close(ready[1]);
	c = read(ready[0], &c, 1) == 1;
	of_user = bits_with_user(user);
	kill((pid_t)asked, SIGKILL);
	waitpid((pid_t)asked, NULL, 0);
	close(ready[0]);
	CHECK(c);
	CHECK_INT(of_user, SELECT_PID_USER);
}

int main(void)
{
	RUN(test_real_user);
	RUN(test_sockets_of_processes);
	return check_status();
}
