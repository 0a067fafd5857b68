/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/runtime/http.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "meta/runtime/loop.h"
#include "meta/runtime/pool.h"
#include "meta/runtime/user_socket.h"
#include "util/caps.h"
#include "util/clock.h"
#include "util/libcurl.h"
#include "util/local.h"
#include "util/log.h"

enum {
	ACTIVE_MAX = 8,		   /* requests under way at one socket, streams not counted */
	BODY_MAX = 16 << 20,	   /* bytes of an answer */
	LINE_BYTES_MAX = 1 << 20,  /* bytes of one line of a stream */
	REQUEST_TIMEOUT_MS = 5000, /* for a whole answer */
	USER_BYTES_MAX = 4 << 20,  /* bytes a second from a daemon of some user */
	WORDS_MAX = 160,	   /* bytes of an error's that are told */
	EVENT_WEIGHT = 16,	   /* a byte of many small lines costs more than one of a list */
};

#define DOCKER_PORT ":2375" /* Docker's without TLS */

/* A daemon: one that does not answer must not keep others from being asked. */
struct http_server {
	struct http_server *next;
	unsigned active;
	uint64_t second; /* when we began to count */
	size_t bytes;	 /* that came since */
	int target;	 /* the socket itself, -1 none */
	bool of_user;
	char path[];
};

struct http_request {
	struct http *http;
	struct http_server *server;
	struct http_request *next;
	CURL *easy;
	struct http_handler handler;
	void *data;
	size_t len, cap;
	const char *refused; /* why we ended it ourselves */
	bool active, cancelled;
};

/* A socket of libcurl's. */
struct http_socket {
	struct loop_source source;
	struct http *http;
};

struct http {
	struct loop *loop;
	struct pool *pool;
	struct http_library *library;
	const struct libcurl *curl; /* the library's, when it is loaded */
	CURLM *multi;
	struct http_request *requests; /* in the order they start */
	struct http_server *servers;
	bool of_users;
	uint64_t timer; /* when libcurl wants to be called, UINT64_MAX never */
};

/* In here libcurl may connect to a socket that is root's, also when we are no longer. */
static void http_drive(struct http *h, curl_socket_t fd, int what)
{
	const bool raised = caps_raise(CAP_DAC_OVERRIDE);
	int running;

	h->curl->multi_socket_action(h->multi, fd, what, &running);
	if (raised)
		caps_lower(CAP_DAC_OVERRIDE);
}

static void socket_ready(struct loop_source *s, uint32_t events)
{
	struct http *h = ((struct http_socket *)s)->http;
	int what = 0;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		what |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		what |= CURL_CSELECT_ERR;
	http_drive(h, s->fd, what);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct http *h = arg;
	struct http_socket *s = socket_arg;
	uint32_t events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			loop_watch(h->loop, &s->source, 0);
		free(s);
		return 0;
	}
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return -1;
		s->source = (struct loop_source){ .fd = fd, .ready = socket_ready };
		s->http = h;
		h->curl->multi_assign(h->multi, fd, s);
	}
	if (what & CURL_POLL_IN)
		events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		events |= EPOLLOUT;
	return loop_watch(h->loop, &s->source, events) ? -1 : 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http *h = arg;

	(void)multi;
	h->timer = timeout_ms < 0 ? UINT64_MAX : clock_ns(CLOCK_MONOTONIC) + (uint64_t)timeout_ms * NSEC_PER_MSEC;
	loop_wake_at(h->loop, h->timer);
	return 0;
}

static bool request_append(struct http_request *r, const char *p, size_t n, size_t max)
{
	if (n > max || r->len > max - n)
		return false;
	if (!pool_grow(r->http->pool, &r->data, &r->cap, r->len + n + 1))
		return false;
	memcpy((char *)r->data + r->len, p, n);
	r->len += n;
	((char *)r->data)[r->len] = '\0';
	return true;
}

static void request_lines(struct http_request *r)
{
	char *data = r->data;
	size_t from = 0;
	char *end;

	while (!r->cancelled && (end = memchr(data + from, '\n', r->len - from))) {
		const size_t n = (size_t)(end - (data + from));

		*end = '\0';
		if (n > 0)
			r->handler.line(r->handler.arg, data + from, n);
		from += n + 1;
	}
	r->len -= from;
	memmove(data, data + from, r->len + 1);
}

/* What comes is parsed by the thread that reads the packets. */
static bool server_too_fast(struct http_server *s, size_t n)
{
	const uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (now - s->second > NSEC_PER_SEC) {
		s->second = now;
		s->bytes = 0;
	}
	s->bytes += n;
	return s->bytes > USER_BYTES_MAX;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct http_request *r = arg;
	long status = 0;

	n *= size;
	if (r->cancelled)
		return 0;
	if (r->http->of_users && server_too_fast(r->server, r->handler.line ? n * EVENT_WEIGHT : n)) {
		r->refused = "too much comes at once";
		return 0;
	}
	r->http->curl->easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	if (!request_append(r, p, n, r->handler.line ? LINE_BYTES_MAX : BODY_MAX)) {
		r->refused = "the answer is too long";
		return 0;
	}
	if (r->handler.line && status == 200)
		request_lines(r);
	return n;
}

/* Tried once. */
static int load(struct http *h)
{
	struct http_library *l = h->library;
	char why[LIBCURL_WHY];

	if (!l->curl && !l->failure) {
		l->failure = libcurl_open(&l->curl, why);
		if (l->failure)
			log_warn("Docker and Podman cannot be asked: %s", why);
	}
	h->curl = l->curl;
	return l->failure;
}

int http_new(struct http **ret, struct loop *loop, struct pool *pool, struct http_library *library, bool of_users)
{
	struct http *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->loop = loop;
	h->pool = pool;
	h->library = library;
	h->of_users = of_users;
	h->timer = UINT64_MAX;
	if (libcurl_before_threads())
		load(h);
	*ret = h;
	return 0;
}

int http_open(struct http *h)
{
	const struct libcurl *curl;
	const int err = load(h);

	if (err || h->multi)
		return err;
	curl = h->curl;
	h->multi = curl->multi_init();
	if (!h->multi)
		return -ENOMEM;
	curl->multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl->multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl->multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl->multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	return 0;
}

static struct http_server *server_get(struct http *h, const char *path)
{
	struct http_server *s;

	for (s = h->servers; s; s = s->next) {
		if (strcmp(s->path, path) == 0)
			return s;
	}
	s = calloc(1, sizeof(*s) + strlen(path) + 1);
	if (!s)
		return NULL;
	strcpy(s->path, path);
	s->target = -1;
	s->of_user = h->of_users;
	s->next = h->servers;
	h->servers = s;
	return s;
}

/* libcurl connects to addr when this returns: to the very socket that was looked at. */
static curl_socket_t open_unix_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
	struct http_server *s = arg;
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	(void)purpose;
	if (s->target >= 0)
		close(s->target);
	s->target = s->of_user ? user_socket_find(s->path) : local_open(s->path);
	if (s->target < 0)
		return CURL_SOCKET_BAD;
	snprintf(to.sun_path, sizeof(to.sun_path), "/proc/self/fd/%d", s->target);
	/* There is room for any address. */
	memcpy((void *)&addr->addr, &to, sizeof(to));
	addr->addrlen = sizeof(to);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* Behind the scheme of a TCP address; NULL: it is none. */
static const char *tcp_host(const char *address)
{
	static const char *const schemes[] = { "tcp://", "http://" };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (strncmp(address, schemes[i], strlen(schemes[i])) == 0)
			return address + strlen(schemes[i]);
	}
	return NULL;
}

bool http_is_tcp(const char *address)
{
	return tcp_host(address);
}

static void request_setup(struct http_request *r, const char *address, const char *path)
{
	const char *host = tcp_host(address), *bracket = host ? strrchr(host, ']') : NULL;
	const struct libcurl *curl = r->http->curl;
	char url[1024];

	if (host) {
		const int len = (int)strcspn(host, "/");
		const bool port = strchr(bracket ? bracket : host, ':');

		snprintf(url, sizeof(url), "http://%.*s%s%s", len, host, port ? "" : DOCKER_PORT, path);
	} else {
		snprintf(url, sizeof(url), "http://localhost%s", path);
		curl->easy_setopt(r->easy, CURLOPT_UNIX_SOCKET_PATH, address);
		curl->easy_setopt(r->easy, CURLOPT_OPENSOCKETFUNCTION, open_unix_socket);
		curl->easy_setopt(r->easy, CURLOPT_OPENSOCKETDATA, r->server);
	}
	curl->easy_setopt(r->easy, CURLOPT_URL, url);
	curl->easy_setopt(r->easy, CURLOPT_PROXY, "");
	curl->easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
	curl->easy_setopt(r->easy, CURLOPT_PRIVATE, r);
	curl->easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl->easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
	curl->easy_setopt(r->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)REQUEST_TIMEOUT_MS);
	if (!r->handler.line)
		curl->easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, (long)REQUEST_TIMEOUT_MS);
}

struct http_request *http_get(struct http *h, const char *address, const char *path, const struct http_handler *handler,
			      bool urgent)
{
	struct http_request *r = calloc(1, sizeof(*r));
	struct http_request **p = &h->requests;

	if (!r || !(r->server = server_get(h, address)) || !(r->easy = h->curl->easy_init())) {
		free(r);
		return NULL;
	}
	r->http = h;
	r->handler = *handler;
	request_setup(r, address, path);
	/* libcurl may be calling us: http_tick() hands the request over. */
	while (!urgent && *p)
		p = &(*p)->next;
	r->next = *p;
	*p = r;
	loop_wake_at(h->loop, clock_ns(CLOCK_MONOTONIC));
	return r;
}

void http_cancel(struct http_request *r)
{
	if (!r)
		return;
	r->cancelled = true;
	loop_wake_at(r->http->loop, clock_ns(CLOCK_MONOTONIC));
}

static void request_free(struct http_request *r)
{
	struct http *h = r->http;
	struct http_request **p = &h->requests;

	while (*p && *p != r)
		p = &(*p)->next;
	if (*p)
		*p = r->next;
	if (r->active) {
		h->curl->multi_remove_handle(h->multi, r->easy);
		if (!r->handler.line)
			r->server->active--;
	}
	h->curl->easy_cleanup(r->easy);
	pool_give(h->pool, r->data, r->cap);
	free(r);
}

/* A daemon may send no words, or end them with a newline. */
static void status_text(long status, const char *body, char *error, size_t size)
{
	size_t n = body ? strnlen(body, WORDS_MAX) : 0;

	while (n && isspace((unsigned char)body[n - 1]))
		n--;
	snprintf(error, size, "HTTP status %ld%s%.*s", status, n ? ": " : "", (int)n, n ? body : "");
}

static void request_finish(struct http_request *r, CURLcode code)
{
	const struct http_handler handler = r->handler;
	const bool cancelled = r->cancelled;
	struct pool *pool = r->http->pool;
	char *body = r->data;
	size_t len = r->len, cap = r->cap;
	char error[256] = "";
	long status = 0;

	r->http->curl->easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	if (r->refused)
		snprintf(error, sizeof(error), "%s", r->refused);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		snprintf(error, sizeof(error), "no whole answer within %d s", REQUEST_TIMEOUT_MS / 1000);
	else if (code)
		snprintf(error, sizeof(error), "%s", r->http->curl->easy_strerror(code));
	else if (status != 200)
		status_text(status, body, error, sizeof(error));
	r->data = NULL;
	r->cap = 0;
	request_free(r);
	if (!cancelled)
		handler.done(handler.arg, error[0] ? error : NULL, status, body ? body : "", len);
	pool_give(pool, body, cap);
}

static void drop_cancelled(struct http *h)
{
	struct http_request *next;

	for (struct http_request *r = h->requests; r; r = next) {
		next = r->next;
		if (r->cancelled)
			request_free(r);
	}
}

static void start_waiting(struct http *h)
{
	for (struct http_request *r = h->requests; r; r = r->next) {
		if (r->active || (!r->handler.line && r->server->active >= ACTIVE_MAX))
			continue;
		r->active = true;
		if (!r->handler.line)
			r->server->active++;
		h->curl->multi_add_handle(h->multi, r->easy);
	}
}

void http_tick(struct http *h, uint64_t now)
{
	CURLMsg *msg;
	int left;

	if (!h->multi)
		return;
	drop_cancelled(h);
	start_waiting(h);
	if (h->timer <= now) {
		h->timer = UINT64_MAX;
		http_drive(h, CURL_SOCKET_TIMEOUT, 0);
	}
	while ((msg = h->curl->multi_info_read(h->multi, &left))) {
		struct http_request *r = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		h->curl->easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&r);
		request_finish(r, msg->data.result);
	}
	drop_cancelled(h);
	start_waiting(h);
	loop_wake_at(h->loop, h->timer);
}

void http_free(struct http *h)
{
	if (!h)
		return;
	while (h->requests)
		request_free(h->requests);
	while (h->servers) {
		struct http_server *s = h->servers;

		h->servers = s->next;
		if (s->target >= 0)
			close(s->target);
		free(s);
	}
	if (h->multi)
		h->curl->multi_cleanup(h->multi);
	free(h);
}
