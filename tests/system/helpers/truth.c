/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Peers that tell who they are. Each socket in use is told on standard output as
 *	end PROTO LOCAL-ADDRESS LOCAL-PORT REMOTE-ADDRESS REMOTE-PORT PID [TIME]
 * by the process that uses it; "*" stands for any peer. TIME: when that process had it for certain, in ns of
 * CLOCK_REALTIME. "also" instead of "end": a process that may be named until then. A server first says "ready".
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One write each: several processes share the output. */
static void say(const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		_exit(1);
}

static void name_of(const struct sockaddr_storage *ss, socklen_t len, char *host, char *port)
{
	if (getnameinfo((const void *)ss, len, host, NI_MAXHOST, port, NI_MAXSERV, NI_NUMERICHOST | NI_NUMERICSERV))
		errx(1, "getnameinfo");
	if (strncmp(host, "::ffff:", 7) == 0)
		memmove(host, host + 7, strlen(host + 7) + 1);
}

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* time: 0 unknown */
static void say_socket(const char *word, const char *proto, int fd, uint64_t time)
{
	struct sockaddr_storage local, remote;
	socklen_t llen = sizeof(local), rlen = sizeof(remote);
	char lhost[NI_MAXHOST], lport[NI_MAXSERV], rhost[NI_MAXHOST] = "*", rport[NI_MAXSERV] = "0";

	if (getsockname(fd, (void *)&local, &llen))
		err(1, "getsockname");
	name_of(&local, llen, lhost, lport);
	if (getpeername(fd, (void *)&remote, &rlen) == 0)
		name_of(&remote, rlen, rhost, rport);
	say("%s %s %s %s %s %s %d %" PRIu64 "\n", word, proto, lhost, lport, rhost, rport, getpid(), time);
}

static void say_end(const char *proto, int fd)
{
	say_socket("end", proto, fd, 0);
}

static struct addrinfo *resolve(const char *host, const char *port, int type)
{
	struct addrinfo hints = { .ai_socktype = type, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV }, *ai;

	if (getaddrinfo(host, port, &hints, &ai))
		errx(1, "bad address %s", host);
	return ai;
}

static int listener(const char *host, const char *port, int type, bool reuseport)
{
	struct addrinfo *ai = resolve(host, port, type);
	int fd = socket(ai->ai_family, type, 0), one = 1;

	if (fd < 0)
		err(1, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (reuseport)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) || (type == SOCK_STREAM && listen(fd, 512)))
		err(1, "bind %s %s", host, port);
	freeaddrinfo(ai);
	return fd;
}

static void say_answer(int fd)
{
	static const char answer[] = "HTTP/1.0 200 OK\r\n\r\nok\n";

	if (write(fd, answer, sizeof(answer) - 1) < 0)
		warn("write");
}

/* Reads up to the end of a request or of the stream. */
static void answer(int fd)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (buf[n - 1] == '\n') {
			say_answer(fd);
			break;
		}
}

/* The child of the process that accepted: its own from its first use on. */
static void answer_in_child(int fd)
{
	int closed[2];
	char byte;

	say_socket("also", "tcp", fd, 0);
	if (pipe(closed) != 0)
		err(1, "pipe");
	if (fork() != 0) {
		close(fd);
		close(closed[0]);
		close(closed[1]);
		return;
	}
	close(closed[1]);
	if (recv(fd, &byte, 1, MSG_PEEK) < 0)
		warn("recv");
	say_socket("end", "tcp", fd, clock_ns());
	answer(fd);
	/* Whoever closes last sends the FIN. */
	if (read(closed[0], &byte, 1) < 0)
		warn("read");
	_exit(0);
}

/* Several wait for the same listener, and only one of them gets the connection. */
static void wait_readable(int fd, bool with_epoll)
{
	static int epfd = -1;
	struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (!with_epoll) {
		poll(&p, 1, -1);
		return;
	}
	if (epfd < 0) {
		epfd = epoll_create1(0);
		if (epfd < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event))
			err(1, "epoll");
	}
	epoll_wait(epfd, &event, 1, -1);
}

/* With room for the peer's address the kernel's hooks are told who accepts; without, they are not. */
static int accept_by(int fd, const char *mode)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (strcmp(mode, "poll") == 0 || strcmp(mode, "epoll") == 0)
		wait_readable(fd, mode[0] == 'e');
	if (strcmp(mode, "noaddr") == 0 || strcmp(mode, "close") == 0 || strcmp(mode, "poll") == 0)
		return accept(fd, NULL, NULL);
	if (strcmp(mode, "accept4") == 0 || strcmp(mode, "epoll") == 0)
		return accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	return accept(fd, (void *)&ss, &len);
}

static void accept_loop(int fd, const char *mode)
{
	for (;;) {
		int c = accept_by(fd, mode);

		if (c < 0)
			continue;
		if (strcmp(mode, "fork") == 0) {
			answer_in_child(c);
			continue;
		}
		say_socket("end", "tcp", c, clock_ns());
		/* Once the client's request has come, its port and its end are both told. */
		if (strcmp(mode, "close") != 0)
			answer(c);
		if (strcmp(mode, "late") == 0)
			usleep(200000);
		close(c);
	}
}

static int workers_of(const char *mode)
{
	static const char *const several[] = { "prefork", "noaddr", "reuseport", "accept4", "poll", "epoll", "close" };

	for (size_t i = 0; i < sizeof(several) / sizeof(several[0]); i++)
		if (strcmp(mode, several[i]) == 0)
			return 4;
	return 0;
}

static int tcp_server(char **v)
{
	const char *mode = v[2];
	bool reuseport = strcmp(mode, "reuseport") == 0;
	int fd = reuseport ? -1 : listener(v[0], v[1], SOCK_STREAM, false), workers = workers_of(mode);

	signal(SIGCHLD, SIG_IGN);
	if (strcmp(mode, "poll") == 0 || strcmp(mode, "epoll") == 0)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < workers; i++) {
		if (fork() == 0) {
			if (reuseport)
				fd = listener(v[0], v[1], SOCK_STREAM, true);
			say("ready\n");
			accept_loop(fd, mode);
		}
	}
	if (workers) {
		for (;;)
			pause();
	}
	say("ready\n");
	accept_loop(fd, mode);
	return 0;
}

/* "MODE@PORT": the client's own port, so that a port tells one process only. */
static int client_socket(struct addrinfo *ai, int type, const char *mode)
{
	int fd = socket(ai->ai_family, type, 0);
	const char *port = strchr(mode, '@');
	struct addrinfo *local;

	if (fd < 0)
		err(1, "socket");
	if (!port)
		return fd;
	local = resolve(ai->ai_family == AF_INET6 ? "::" : "0.0.0.0", port + 1, type);
	if (bind(fd, local->ai_addr, local->ai_addrlen))
		err(1, "bind %s", port + 1);
	freeaddrinfo(local);
	return fd;
}

static bool mode_is(const char *mode, const char *name)
{
	return strncmp(mode, name, strlen(name)) == 0;
}

static int dial(const char *host, const char *port, const char *mode, int type)
{
	struct addrinfo *ai = resolve(host, port, type);
	int fd = client_socket(ai, type, mode);

	if (connect(fd, ai->ai_addr, ai->ai_addrlen))
		err(1, "connect %s %s", host, port);
	freeaddrinfo(ai);
	return fd;
}

static void exchange(int fd)
{
	char buf[256];

	if (write(fd, "GET / HTTP/1.0\r\n\r\n", 18) != 18 || read(fd, buf, sizeof(buf)) <= 0)
		errx(1, "no answer");
	/* The server is to close first, and to keep TIME_WAIT: our port is free at once. */
	while (read(fd, buf, sizeof(buf)) > 0)
		;
}

/* Ours closes first, and is gone when the other's last packets come. */
static void leave_first(int fd)
{
	char buf[256];

	if (write(fd, "GET / HTTP/1.0\r\n\r\n", 18) != 18 || read(fd, buf, sizeof(buf)) <= 0)
		errx(1, "no answer");
	_exit(0);
}

static void *client_thread(void *arg)
{
	char **v = arg;
	int fd = dial(v[0], v[1], v[2], SOCK_STREAM);

	say_end("tcp", fd);
	exchange(fd);
	close(fd);
	return NULL;
}

/* Sends more than the peer's window takes and is gone. */
static void send_and_exit(int fd)
{
	static char data[100000];
	int size = 1 << 20;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (write(fd, data, sizeof(data)) != sizeof(data))
		err(1, "write");
	_exit(0);
}

/* Over a unix socket to a child, which sends. */
static void pass_to_child(int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int pair[2], got;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		err(1, "socketpair");
	if (fork() == 0) {
		close(fd);
		if (recvmsg(pair[1], &m, 0) != 1)
			err(1, "recvmsg");
		memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(got));
		say_end("tcp-data", got);
		exchange(got);
		_exit(0);
	}
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(pair[0], &m, 0) != 1)
		err(1, "sendmsg");
	wait(NULL);
}

/* As many connections as the port in "many@PORT" says, 1,000 a second at most. */
static void many(char **v, unsigned count)
{
	struct timespec start, now;
	uint64_t due, past;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned i = 0; i < count; i++) {
		int fd = dial(v[0], v[1], "plain", SOCK_STREAM);

		say_end("tcp", fd);
		exchange(fd);
		close(fd);
		clock_gettime(CLOCK_MONOTONIC, &now);
		due = (uint64_t)i * 1000;
		past = (uint64_t)(now.tv_sec - start.tv_sec) * 1000000 + (uint64_t)now.tv_nsec / 1000 -
		       (uint64_t)start.tv_nsec / 1000;
		if (due > past)
			usleep((useconds_t)(due - past));
	}
}

static int tcp_client(char **v)
{
	const char *mode = v[2];
	pthread_t thread;
	int fd;

	if (mode_is(mode, "thread")) {
		if (pthread_create(&thread, NULL, client_thread, v) || pthread_join(thread, NULL))
			errx(1, "thread");
		return 0;
	}
	/* A child that never calls exec does the work. */
	if (mode_is(mode, "forked") && fork() > 0) {
		wait(NULL);
		return 0;
	}
	if (mode_is(mode, "many")) {
		many(v, (unsigned)atoi(strchr(mode, '@') + 1));
		return 0;
	}
	fd = dial(v[0], v[1], v[2], SOCK_STREAM);
	if (mode_is(mode, "pass")) {
		pass_to_child(fd);
		return 0;
	}
	say_end("tcp", fd);
	/* no TIME_WAIT: the port can be taken again at once */
	if (mode_is(mode, "reset"))
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
	if (mode_is(mode, "inflight"))
		send_and_exit(fd);
	if (mode_is(mode, "first"))
		leave_first(fd);
	if (mode_is(mode, "waits")) {
		char byte;

		return read(fd, &byte, 1) > 0;
	}
	exchange(fd);
	return 0;
}

static int udp_server(char **v)
{
	int fd = listener(v[0], v[1], SOCK_DGRAM, false);
	struct sockaddr_storage ss;
	char buf[65536];

	say_end("udp", fd);
	say("ready\n");
	for (;;) {
		socklen_t len = sizeof(ss);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (void *)&ss, &len);

		/* a long one is not sent back: once is enough */
		if (n < 0 || sendto(fd, buf, n > 100 ? 100 : (size_t)n, 0, (void *)&ss, len) < 0)
			warn("udp-server");
	}
	return 0;
}

static int udp_client(char **v)
{
	struct addrinfo *ai = resolve(v[0], v[1], SOCK_DGRAM);
	size_t size = mode_is(v[2], "long") ? 20000 : 20;
	static char buf[20000];
	int fd;

	if (mode_is(v[2], "connected")) {
		fd = dial(v[0], v[1], v[2], SOCK_DGRAM);
		if (send(fd, buf, size, 0) < 0)
			err(1, "send");
	} else {
		fd = client_socket(ai, SOCK_DGRAM, v[2]);
		if (sendto(fd, buf, size, 0, ai->ai_addr, ai->ai_addrlen) < 0)
			err(1, "sendto");
		/* The address of an unconnected socket is not told: by port only. */
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		char host[NI_MAXHOST], port[NI_MAXSERV];

		getsockname(fd, (void *)&ss, &len);
		name_of(&ss, len, host, port);
		say("end udp * %s * 0 %d\n", port, getpid());
	}
	if (mode_is(v[2], "connected"))
		say_end("udp", fd);
	alarm(2);
	if (recv(fd, buf, sizeof(buf), 0) < 0)
		err(1, "recv");
	freeaddrinfo(ai);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(char **v);
	} roles[] = { { "tcp-server", tcp_server },
		      { "tcp-client", tcp_client },
		      { "udp-server", udp_server },
		      { "udp-client", udp_client } };

	if (argc == 5)
		for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
			if (strcmp(argv[1], roles[i].name) == 0)
				return roles[i].run(argv + 2);
	fprintf(stderr, "usage: %s ROLE ADDRESS PORT MODE\n", argv[0]);
	return 2;
}
