/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes from the socket of containerd or of the CRI, through nghttp2: HTTP/2, gRPC, and the messages in it. */
#include <sys/socket.h>
#include <sys/un.h>

#include "runtime.h"

static int server = -1; /* the other end of the next connection */

FAKE(int, connect, int fd, const struct sockaddr *addr, socklen_t len)
{
	int pair[2];

	(void)addr;
	(void)len;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) || dup2(pair[0], fd) < 0)
		abort();
	close(pair[0]);
	server = pair[1];
	return 0;
}

static void drain(void)
{
	char request[16384];

	while (recv(server, request, sizeof(request), MSG_DONTWAIT) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, size };
	const uint8_t kind = fuzz_u8(&f);
	struct rig rig;

	rig_open(&rig, kind & 1 ? &cri_ops : &containerd_ops, "/run/x.sock");
	rig.r->state = RUNTIME_OPENED;
	if (rig.r->ops->open(rig.r))
		abort();
	while (f.n) {
		/* Cut where the input says, mostly not at all. */
		size_t n = kind & 2 ? fuzz_u8(&f) + 1U : 65536;

		if (n > f.n)
			n = f.n;
		loop_run(&rig.loop);
		drain();
		if (send(server, f.p, n, MSG_NOSIGNAL) < 0)
			break;
		f.p += n;
		f.n -= n;
	}
	loop_run(&rig.loop);
	rig.r->ops->ask(rig.r, NULL, "abc");
	loop_run(&rig.loop);
	drain();
	shutdown(server, SHUT_RDWR);
	loop_run(&rig.loop);
	close(server);
	rig_close(&rig);
	rig_done(&rig);
	return 0;
}
