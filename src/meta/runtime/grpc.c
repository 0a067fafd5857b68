/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/runtime/grpc.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <protobuf-c/protobuf-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "meta/runtime/loop.h"
#include "meta/runtime/pool.h"
#include "util/clock.h"
#include "util/local.h"

enum {
	PREFIX_LEN = 5,		 /* compressed flag, length in network order */
	MESSAGE_MAX = 16 << 20,	 /* bytes of a message; containerd itself refuses to send more */
	READ_MAX = 256 << 10,	 /* bytes read before others have their turn */
	CALLS_MAX = 1024,	 /* at once */
	STREAM_WINDOW = 1 << 20, /* bytes in flight, RFC 9113 section 5.2 */
	CONNECTION_WINDOW = 4 << 20,
};
#define SILENCE_NS (5 * NSEC_PER_SEC)

struct call {
	struct call *next;
	struct grpc *grpc;
	struct grpc_handler handler;
	int32_t id;
	int status;
	bool stream;
	uint8_t *out;
	void *in;
	size_t out_len, out_sent, in_len, in_cap;
	char text[200];
};

struct grpc {
	struct loop_source source;
	struct loop *loop;
	struct grpc_config config;
	nghttp2_session *session;
	struct call *calls;
	unsigned ncalls, nstreams;
	size_t budget;	     /* bytes that may still be read now */
	uint64_t last_heard; /* or when the first call went out */
	bool lost;
};

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t len, int flags, void *user)
{
	struct grpc *g = user;
	ssize_t n = send(g->source.fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	(void)session;
	(void)flags;
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? NGHTTP2_ERR_WOULDBLOCK : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static ssize_t on_recv(nghttp2_session *session, uint8_t *data, size_t len, int flags, void *user)
{
	struct grpc *g = user;
	ssize_t n;

	(void)session;
	(void)flags;
	if (len > g->budget)
		len = g->budget;
	if (len == 0)
		return NGHTTP2_ERR_WOULDBLOCK;
	n = recv(g->source.fd, data, len, MSG_DONTWAIT);
	if (n > 0)
		g->budget -= (size_t)n;
	if (n > 0)
		return n;
	if (n == 0)
		return NGHTTP2_ERR_EOF;
	return errno == EAGAIN || errno == EINTR ? NGHTTP2_ERR_WOULDBLOCK : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static ssize_t on_request_body(nghttp2_session *session, int32_t id, uint8_t *p, size_t n, uint32_t *flags,
			       nghttp2_data_source *source, void *user)
{
	struct call *c = source->ptr;

	(void)session;
	(void)id;
	(void)user;
	if (n > c->out_len - c->out_sent)
		n = c->out_len - c->out_sent;
	memcpy(p, c->out + c->out_sent, n);
	c->out_sent += n;
	if (c->out_sent == c->out_len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static bool call_append(struct call *c, const uint8_t *p, size_t n)
{
	if (!pool_grow(c->grpc->config.pool, &c->in, &c->in_cap, c->in_len + n))
		return false;
	memcpy((uint8_t *)c->in + c->in_len, p, n);
	c->in_len += n;
	return true;
}

static int call_refuse(struct call *c, const char *why)
{
	snprintf(c->text, sizeof(c->text), "%s", why);
	return nghttp2_submit_rst_stream(c->grpc->session, NGHTTP2_FLAG_NONE, c->id, NGHTTP2_CANCEL);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *user)
{
	struct call *c = nghttp2_session_get_stream_user_data(session, id);
	size_t from = 0;

	(void)flags;
	(void)user;
	if (!c)
		return 0;
	if (!call_append(c, p, n))
		return call_refuse(c, "too much comes at once");
	while (c->in_len - from >= PREFIX_LEN) {
		const uint8_t *h = (uint8_t *)c->in + from;
		const size_t len = (size_t)h[1] << 24 | (size_t)h[2] << 16 | (size_t)h[3] << 8 | h[4];

		if (h[0])
			return call_refuse(c, "a compressed answer, which nobody asked for");
		if (len > MESSAGE_MAX)
			return call_refuse(c, "the answer is too long");
		if (c->in_len - from - PREFIX_LEN < len)
			break;
		c->handler.message(c->handler.arg, h + PREFIX_LEN, len);
		from += PREFIX_LEN + len;
	}
	c->in_len -= from;
	if (from)
		memmove(c->in, (uint8_t *)c->in + from, c->in_len);
	return 0;
}

static bool name_is(const uint8_t *name, size_t len, const char *want)
{
	return len == strlen(want) && memcmp(name, want, len) == 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
		     const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
	struct call *c = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	const int len = value_len > 160 ? 160 : (int)value_len;

	(void)flags;
	(void)user;
	if (!c)
		return 0;
	/* nghttp2 ends names and values with NUL. */
	if (name_is(name, name_len, "grpc-status"))
		c->status = (int)strtol((const char *)value, NULL, 10);
	else if (name_is(name, name_len, "grpc-message"))
		snprintf(c->text, sizeof(c->text), "%.*s", len, value);
	else if (name_is(name, name_len, ":status") && !name_is(value, value_len, "200"))
		snprintf(c->text, sizeof(c->text), "HTTP status %.*s", len, value);
	return 0;
}

static void call_finish(struct call *c)
{
	struct grpc *g = c->grpc;
	struct call **p = &g->calls;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	g->ncalls--;
	g->nstreams -= c->stream;
	c->handler.end(c->handler.arg, c->status, c->text);
	pool_give(g->config.pool, c->in, c->in_cap);
	free(c->out);
	free(c);
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
	struct call *c = nghttp2_session_get_stream_user_data(session, id);

	(void)user;
	if (!c)
		return 0;
	if (code && !c->text[0])
		snprintf(c->text, sizeof(c->text), "%s", nghttp2_http2_strerror(code));
	call_finish(c);
	return 0;
}

static void grpc_lost(struct grpc *g, const char *why)
{
	if (g->lost)
		return;
	g->lost = true;
	loop_watch(g->loop, &g->source, 0);
	g->config.lost(g->config.arg, why);
}

static void watch(struct grpc *g)
{
	if (g->lost)
		return;
	if (!nghttp2_session_want_read(g->session) && !nghttp2_session_want_write(g->session))
		grpc_lost(g, "the server ended the connection");
	else
		loop_watch(g->loop, &g->source, nghttp2_session_want_write(g->session) ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void grpc_ready(struct loop_source *s, uint32_t events)
{
	struct grpc *g = (struct grpc *)s;
	int err;

	(void)events;
	g->budget = READ_MAX;
	err = nghttp2_session_send(g->session);
	if (!err)
		err = nghttp2_session_recv(g->session);
	if (!err)
		err = nghttp2_session_send(g->session);
	if (g->budget < READ_MAX)
		g->last_heard = clock_ns(CLOCK_MONOTONIC);
	if (err == NGHTTP2_ERR_EOF)
		grpc_lost(g, "the server closed the connection");
	else if (err == NGHTTP2_ERR_CALLBACK_FAILURE)
		grpc_lost(g, "the connection broke");
	else if (err)
		grpc_lost(g, nghttp2_strerror(err));
	else
		watch(g);
}

static int session_open(struct grpc *g)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW },
	};
	nghttp2_session_callbacks *cb;
	int err;

	if (nghttp2_session_callbacks_new(&cb))
		return -ENOMEM;
	nghttp2_session_callbacks_set_send_callback(cb, on_send);
	nghttp2_session_callbacks_set_recv_callback(cb, on_recv);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
	err = nghttp2_session_client_new(&g->session, cb, g);
	nghttp2_session_callbacks_del(cb);
	if (err)
		return -ENOMEM;
	nghttp2_submit_settings(g->session, NGHTTP2_FLAG_NONE, settings, sizeof(settings) / sizeof(settings[0]));
	nghttp2_session_set_local_window_size(g->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
	return 0;
}

int grpc_open(struct grpc **ret, struct loop *loop, const struct grpc_config *config)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct grpc *g;
	int err, target;

	if (strlen(config->path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	target = local_open(config->path);
	if (target < 0)
		return target;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d", target);
	g = calloc(1, sizeof(*g));
	if (!g) {
		close(target);
		return -ENOMEM;
	}
	g->loop = loop;
	g->config = *config;
	g->source.ready = grpc_ready;
	g->last_heard = clock_ns(CLOCK_MONOTONIC);
	g->source.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (g->source.fd < 0 || connect(g->source.fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		err = -errno; /* EAGAIN: its backlog is full */
		goto out;
	}
	err = session_open(g);
	if (!err)
		err = loop_watch(loop, &g->source, EPOLLIN | EPOLLOUT);
out:
	close(target);
	if (err)
		grpc_close(g);
	else
		*ret = g;
	return err;
}

static nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){
		.name = (uint8_t *)(uintptr_t)name,
		.value = (uint8_t *)(uintptr_t)value,
		.namelen = strlen(name),
		.valuelen = strlen(value),
	};
}

static struct call *call_new(struct grpc *g, const ProtobufCMessage *body)
{
	const size_t n = body ? protobuf_c_message_get_packed_size(body) : 0;
	struct call *c = calloc(1, sizeof(*c));

	if (!c || !(c->out = malloc(n + PREFIX_LEN))) {
		free(c);
		return NULL;
	}
	memcpy(c->out, (uint8_t[]){ 0, n >> 24 & 0xff, n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff }, PREFIX_LEN);
	if (n)
		protobuf_c_message_pack(body, c->out + PREFIX_LEN);
	c->out_len = n + PREFIX_LEN;
	c->status = GRPC_NO_ANSWER;
	c->grpc = g;
	return c;
}

int grpc_call(struct grpc *g, const char *method, const char *ns, const ProtobufCMessage *body, bool stream,
	      const struct grpc_handler *handler)
{
	const nghttp2_nv headers[] = {
		header(":method", "POST"),	  header(":scheme", "http"),
		header(":path", method),	  header(":authority", "localhost"),
		header("te", "trailers"),	  header("content-type", "application/grpc"),
		header("user-agent", "ptcpdump"), header("containerd-namespace", ns ? ns : ""),
	};
	nghttp2_data_provider provider = { .read_callback = on_request_body };
	struct call *c;

	if (g->lost || g->ncalls >= CALLS_MAX)
		return -EBUSY;
	c = call_new(g, body);
	if (!c)
		return -ENOMEM;
	c->handler = *handler;
	c->stream = stream;
	provider.source.ptr = c;
	c->id = nghttp2_submit_request(g->session, NULL, headers, ns ? 8 : 7, &provider, c);
	if (c->id < 0) {
		free(c->out);
		free(c);
		return -ENOMEM;
	}
	if (g->ncalls == g->nstreams)
		g->last_heard = clock_ns(CLOCK_MONOTONIC);
	g->ncalls++;
	g->nstreams += stream;
	c->next = g->calls;
	g->calls = c;
	loop_watch(g->loop, &g->source, EPOLLIN | EPOLLOUT);
	return 0;
}

void grpc_tick(struct grpc *g, uint64_t now)
{
	if (g->lost || g->ncalls == g->nstreams)
		return;
	if (now >= g->last_heard + SILENCE_NS)
		grpc_lost(g, "no answer within 5 s");
	else
		loop_wake_at(g->loop, g->last_heard + SILENCE_NS);
}

void grpc_close(struct grpc *g)
{
	if (!g)
		return;
	g->lost = true;
	if (g->source.fd >= 0) {
		loop_watch(g->loop, &g->source, 0);
		close(g->source.fd);
	}
	while (g->calls) {
		if (g->session)
			nghttp2_session_set_stream_user_data(g->session, g->calls->id, NULL);
		call_finish(g->calls);
	}
	nghttp2_session_del(g->session);
	free(g);
}
