/* SPDX-License-Identifier: BSD-3-Clause */
/* HTTP GET over unix sockets and TCP, many at once, on libcurl's multi interface. Never blocks. */
#ifndef META_RUNTIME_HTTP_H
#define META_RUNTIME_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http;
struct http_request;
struct libcurl;
struct loop;
struct pool;

/* Loaded for the first of those that share it. Whoever owns it closes it, behind them. */
struct http_library {
	struct libcurl *curl; /* NULL: nothing was asked for yet, or it does not load */
	int failure;	      /* of loading it, which is said once */
};

struct http_handler {
	void *arg;
	/* Streams: each line of the answer, without its newline, not empty. NULL: the whole body goes to done. */
	void (*line)(void *arg, const char *text, size_t len);
	/* Once. error: NULL, or what went wrong: no connection, a status other than 200, too much. body is NUL-terminated.
	 * status: HTTP's, 0 none. A stream that ends is done too. */
	void (*done)(void *arg, const char *error, long status, const char *body, size_t len);
};

/* pool: holds the answers. of_users: all sockets are below /run/user, whose owners are not trusted: a link there leads nowhere
 * (user_socket.h), and a daemon that tells more than a machine's containers could is not listened to. */
int http_new(struct http **ret, struct loop *loop, struct pool *pool, struct http_library *library, bool of_users);
/* Loads libcurl, before the first request. 0, also when it was; -errno. */
int http_open(struct http *h);
/* The address is one of TCP, "tcp://HOST[:PORT]" or "http://HOST[:PORT]", not the path of a unix socket. */
bool http_is_tcp(const char *address);
/* Starts a request of path (with "?query") at an address: a unix socket's path, or as above. urgent: before those that wait. NULL: no memory. */
struct http_request *http_get(struct http *h, const char *address, const char *path, const struct http_handler *handler,
			      bool urgent);
/* Ends a request without calling its handler. NULL is fine. */
void http_cancel(struct http_request *r);
/* Starts what waits and ends what is done; not from a handler. now: CLOCK_MONOTONIC ns. */
void http_tick(struct http *h, uint64_t now);
void http_free(struct http *h);

#endif
