/* SPDX-License-Identifier: BSD-3-Clause */
/* Servers on unix sockets (or TCP) for tests, each in threads of its own: HTTP, gRPC, or bytes as they come. */
#ifndef FAKE_DAEMON_H
#define FAKE_DAEMON_H

#include <errno.h>
#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <protobuf-c/protobuf-c.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FAKE_CONNECTIONS = 64 };

struct fake {
	char path[108];
	int listen_fd;
	void (*serve)(struct fake *f, int fd); /* one connection */
	void (*http)(struct fake *f, int fd, const char *path);
	/* Fills out with a message; returns its length, or minus a gRPC status. stream: leaves the call open. */
	int (*grpc)(struct fake *f, const char *method, const char *ns, const uint8_t *body, size_t len, uint8_t *out,
		    bool *stream);
	pthread_t acceptor, threads[FAKE_CONNECTIONS];
	int fds[FAKE_CONNECTIONS];
	int n;
	volatile int connections;
	const char *text; /* for serve and http to use */
};

struct fake_job {
	struct fake *fake;
	int fd;
};

static void *fake_connection(void *arg)
{
	struct fake_job job = *(struct fake_job *)arg;

	free(arg);
	job.fake->serve(job.fake, job.fd);
	shutdown(job.fd, SHUT_RDWR);
	return NULL;
}

static void *fake_accept(void *arg)
{
	struct fake *f = arg;

	while (f->n < FAKE_CONNECTIONS) {
		struct fake_job *job;
		int fd = accept(f->listen_fd, NULL, NULL);

		if (fd < 0)
			break;
		f->connections++;
		job = malloc(sizeof(*job));
		*job = (struct fake_job){ f, fd };
		f->fds[f->n] = fd;
		pthread_create(&f->threads[f->n], NULL, fake_connection, job);
		f->n++;
	}
	return NULL;
}

/* On a free port of this machine, which path tells then. */
static inline void fake_start_tcp(struct fake *f, const char *scheme)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);

	f->n = f->connections = 0;
	f->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(f->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(f->listen_fd, 16) < 0 ||
	    getsockname(f->listen_fd, (struct sockaddr *)&addr, &len) < 0)
		abort();
	snprintf(f->path, sizeof(f->path), "%s://127.0.0.1:%d", scheme, ntohs(addr.sin_port));
	pthread_create(&f->acceptor, NULL, fake_accept, f);
}

static inline void fake_start(struct fake *f)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	unlink(f->path);
	f->n = f->connections = 0;
	f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(f->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(f->listen_fd, 16) < 0)
		abort();
	if (f->serve)
		pthread_create(&f->acceptor, NULL, fake_accept, f);
}

static inline void fake_stop(struct fake *f)
{
	shutdown(f->listen_fd, SHUT_RDWR);
	if (f->serve)
		pthread_join(f->acceptor, NULL);
	close(f->listen_fd);
	for (int i = 0; i < f->n; i++) {
		shutdown(f->fds[i], SHUT_RDWR);
		pthread_join(f->threads[i], NULL);
		close(f->fds[i]);
	}
	unlink(f->path);
}

static inline void fake_write(int fd, const void *p, size_t n)
{
	while (n > 0) {
		ssize_t r = send(fd, p, n, MSG_NOSIGNAL);

		if (r <= 0)
			return;
		p = (const char *)p + r;
		n -= (size_t)r;
	}
}

static inline void fake_puts(int fd, const char *s)
{
	fake_write(fd, s, strlen(s));
}

/* --- HTTP --- */

static inline void fake_http_answer(int fd, int status, const char *body)
{
	char head[128];

	snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		 status, strlen(body));
	fake_puts(fd, head);
	fake_puts(fd, body);
}

/* An answer that goes on: fake_puts() lines after it; ends with the connection. */
static inline void fake_http_stream(int fd)
{
	fake_puts(fd, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
}

/* Until the peer is gone. */
static inline void fake_hold(int fd)
{
	char c;

	while (recv(fd, &c, 1, 0) > 0)
		;
}

static inline void fake_serve_http(struct fake *f, int fd)
{
	char buf[4096], path[1024];
	size_t len = 0;

	for (;;) {
		ssize_t n = recv(fd, buf + len, sizeof(buf) - 1 - len, 0);
		char *end;

		if (n <= 0)
			return;
		len += (size_t)n;
		buf[len] = '\0';
		end = strstr(buf, "\r\n\r\n");
		if (!end)
			continue;
		if (sscanf(buf, "GET %1023s", path) == 1)
			f->http(f, fd, path);
		len = 0;
	}
}

/* --- gRPC --- */

struct fake_stream {
	char method[128], ns[64];
	uint8_t body[4096];
	size_t len;
	uint8_t *out;
	size_t out_len, out_sent;
	int status;
	bool stream;
};

struct fake_session {
	struct fake *fake;
	int fd;
};

static ssize_t fake_grpc_send(nghttp2_session *s, const uint8_t *p, size_t n, int flags, void *user)
{
	struct fake_session *fs = user;

	(void)s;
	(void)flags;
	fake_write(fs->fd, p, n);
	return (ssize_t)n;
}

static int fake_grpc_begin(nghttp2_session *s, const nghttp2_frame *frame, void *user)
{
	(void)user;
	nghttp2_session_set_stream_user_data(s, frame->hd.stream_id, calloc(1, sizeof(struct fake_stream)));
	return 0;
}

static int fake_grpc_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
			    const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
	struct fake_stream *st = nghttp2_session_get_stream_user_data(s, frame->hd.stream_id);

	(void)name_len;
	(void)value_len;
	(void)flags;
	(void)user;
	if (strcmp((const char *)name, ":path") == 0)
		snprintf(st->method, sizeof(st->method), "%s", value);
	if (strcmp((const char *)name, "containerd-namespace") == 0)
		snprintf(st->ns, sizeof(st->ns), "%s", value);
	return 0;
}

static int fake_grpc_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *user)
{
	struct fake_stream *st = nghttp2_session_get_stream_user_data(s, id);

	(void)flags;
	(void)user;
	if (st->len + n <= sizeof(st->body)) {
		memcpy(st->body + st->len, p, n);
		st->len += n;
	}
	return 0;
}

#define FAKE_NV(n, v)                                                                                                  \
	{                                                                                                              \
		(uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n), strlen(v), 0                          \
	}

static ssize_t fake_grpc_read(nghttp2_session *s, int32_t id, uint8_t *p, size_t n, uint32_t *flags,
			      nghttp2_data_source *src, void *user)
{
	struct fake_stream *st = src->ptr;
	char status[16];

	(void)user;
	if (st->out_sent == st->out_len && st->stream)
		return NGHTTP2_ERR_DEFERRED;
	if (n > st->out_len - st->out_sent)
		n = st->out_len - st->out_sent;
	if (n)
		memcpy(p, st->out + st->out_sent, n);
	st->out_sent += n;
	if (st->out_sent == st->out_len && !st->stream) {
		snprintf(status, sizeof(status), "%d", st->status);
		*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
		nghttp2_submit_trailer(s, id, &(nghttp2_nv)FAKE_NV("grpc-status", status), 1);
	}
	return (ssize_t)n;
}

static int fake_grpc_frame(nghttp2_session *s, const nghttp2_frame *frame, void *user)
{
	struct fake_session *fs = user;
	struct fake_stream *st;
	const nghttp2_nv head[] = { FAKE_NV(":status", "200"), FAKE_NV("content-type", "application/grpc") };
	nghttp2_data_provider data = { .read_callback = fake_grpc_read };
	static const size_t max = 4 << 20;
	int n;

	if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) ||
	    (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS))
		return 0;
	st = nghttp2_session_get_stream_user_data(s, frame->hd.stream_id);
	st->out = malloc(max);
	n = fs->fake->grpc(fs->fake, st->method, st->ns, st->body + 5, st->len >= 5 ? st->len - 5 : 0, st->out + 5,
			   &st->stream);
	if (n < 0) {
		st->status = -n;
	} else if (!st->stream || n > 0) {
		memcpy(st->out, (uint8_t[]){ 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n },
		       5);
		st->out_len = (size_t)n + 5;
	}
	data.source.ptr = st;
	return nghttp2_submit_response(s, frame->hd.stream_id, head, 2, &data);
}

static int fake_grpc_close(nghttp2_session *s, int32_t id, uint32_t code, void *user)
{
	struct fake_stream *st = nghttp2_session_get_stream_user_data(s, id);

	(void)code;
	(void)user;
	if (st)
		free(st->out);
	free(st);
	nghttp2_session_set_stream_user_data(s, id, NULL);
	return 0;
}

static inline void fake_serve_grpc(struct fake *f, int fd)
{
	struct fake_session fs = { f, fd };
	nghttp2_session_callbacks *cb;
	nghttp2_session *s;
	uint8_t buf[16384];
	ssize_t n;

	nghttp2_session_callbacks_new(&cb);
	nghttp2_session_callbacks_set_send_callback(cb, fake_grpc_send);
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, fake_grpc_begin);
	nghttp2_session_callbacks_set_on_header_callback(cb, fake_grpc_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, fake_grpc_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, fake_grpc_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, fake_grpc_close);
	nghttp2_session_server_new(&s, cb, &fs);
	nghttp2_session_callbacks_del(cb);
	nghttp2_submit_settings(s, NGHTTP2_FLAG_NONE, NULL, 0);
	nghttp2_session_send(s);
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		if (nghttp2_session_mem_recv(s, buf, (size_t)n) < 0 || nghttp2_session_send(s) < 0)
			break;
	}
	/* Streams that are still open. */
	for (int32_t id = 1; id < 4096; id += 2) {
		struct fake_stream *st = nghttp2_session_get_stream_user_data(s, id);

		if (st)
			free(st->out);
		free(st);
	}
	nghttp2_session_del(s);
}

#endif
