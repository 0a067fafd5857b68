/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes from Docker's socket, through libcurl. The input is cut into pieces: the answer to each connection, either all of it or,
 * when the first byte says so, a body behind a header as it should be.
 */
#include <poll.h>

#include "runtime.h"

enum { CONNECTIONS = 16, IDLE = 2 };

struct server {
	int fds[CONNECTIONS];
	bool answered[CONNECTIONS];
	size_t n;
};

static struct server server;
static struct http_library library;

static void send_all(int fd, const void *p, size_t n)
{
	/* What does not fit is cut. */
	if (n && send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
}

static void answer(int fd, struct fuzz *f)
{
	char request[2048], head[256];
	ssize_t got = recv(fd, request, sizeof(request) - 1, MSG_DONTWAIT);
	const uint8_t how = fuzz_u8(f);
	size_t n = fuzz_u16(f);
	uint8_t *body;

	(void)got;
	body = fuzz_bytes(f, &n);
	if (how & 1) {
		snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%s\r\n",
			 how & 2 ? 404 : 200, how & 4 ? "Transfer-Encoding: chunked\r\n" : "Connection: close\r\n");
		send_all(fd, head, strlen(head));
	}
	send_all(fd, body, n);
	free(body);
	if (!(how & 8))
		shutdown(fd, SHUT_WR);
}

/* Whether anything happened. */
static bool serve(struct fuzz *f)
{
	bool busy = false;
	int fd;

	while (server.n < CONNECTIONS && (fd = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		server.fds[server.n++] = fd;
		busy = true;
	}
	for (size_t i = 0; i < server.n; i++) {
		struct pollfd p = { .fd = server.fds[i], .events = POLLIN };

		if (server.fds[i] < 0 || poll(&p, 1, 0) <= 0)
			continue;
		busy = true;
		if (!f->n || p.revents & (POLLHUP | POLLERR)) {
			close(server.fds[i]);
			server.fds[i] = -1;
		} else {
			answer(server.fds[i], f);
		}
	}
	return busy;
}

static void run(struct rig *rig, struct http *http, struct fuzz *f)
{
	struct pollfd p = { .fd = rig->loop.epoll_fd, .events = POLLIN };
	int idle = 0;

	for (int i = 0; i < 200 && idle < IDLE; i++) {
		const bool busy = serve(f);

		http_tick(http, clock_ns(CLOCK_MONOTONIC));
		if (poll(&p, 1, 0) > 0 || busy)
			idle = 0;
		else
			idle++;
		loop_run(&rig->loop);
		http_tick(http, clock_ns(CLOCK_MONOTONIC));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, size };
	struct http *http;
	struct rig rig;
	int fd;

	listener_open();
	rig_open(&rig, &docker_ops, listener.path);
	if (http_new(&http, &rig.loop, &rig.pool, &library, false))
		abort();
	rig.r->http = http;
	rig.r->state = RUNTIME_OPENED;
	if (rig.r->ops->open(rig.r))
		abort();
	rig.r->ops->ask(rig.r, NULL, "abc");
	run(&rig, http, &f);
	rig_close(&rig);
	http_free(http);
	rig_done(&rig);
	for (size_t i = 0; i < server.n; i++) {
		if (server.fds[i] >= 0)
			close(server.fds[i]);
	}
	server.n = 0;
	while ((fd = accept(listener.fd, NULL, NULL)) >= 0)
		close(fd);
	return 0;
}
