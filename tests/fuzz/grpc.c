/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes from the socket of containerd or of the CRI, through nghttp2: HTTP/2, gRPC, and the messages in it. */
#include "runtime.h"

static int server; /* the other end of the connection */

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

	listener_open();
	rig_open(&rig, kind & 1 ? &cri_ops : &containerd_ops, listener.path);
	rig.r->state = RUNTIME_OPENED;
	if (rig.r->ops->open(rig.r))
		abort();
	server = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (server < 0)
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
