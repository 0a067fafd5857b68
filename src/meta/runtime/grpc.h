/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client side of gRPC over a unix socket: one connection, many calls, never blocks.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
#ifndef META_RUNTIME_GRPC_H
#define META_RUNTIME_GRPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct grpc;
struct loop;
struct pool;
struct ProtobufCMessage; /* protobuf-c */

enum {
	GRPC_NO_ANSWER = -1, /* the connection or the stream ended before a status came */
	GRPC_OK = 0,
	GRPC_NOT_FOUND = 5,
	GRPC_UNIMPLEMENTED = 12,
};

struct grpc_handler {
	/* Each message of the answer. */
	void (*message)(void *arg, const uint8_t *data, size_t len);
	/* Once, last. status: GRPC_*; text: the server's message, "" none. */
	void (*end)(void *arg, int status, const char *text);
	void *arg;
};

struct grpc_config {
	const char *path;
	struct pool *pool; /* holds the answers */
	/* The connection is gone; its calls have not ended yet: grpc_close() ends them. Close it later, not from here. */
	void (*lost)(void *arg, const char *why);
	void *arg;
};

/* 0, or -errno: nobody listens. */
int grpc_open(struct grpc **ret, struct loop *loop, const struct grpc_config *config);
/* ns: containerd's namespace, NULL none. body: the request, NULL empty. stream: lasts as long as the connection. On
 * failure the handler is not called. */
int grpc_call(struct grpc *g, const char *method, const char *ns, const struct ProtobufCMessage *body, bool stream,
	      const struct grpc_handler *handler);
/* Notices a connection on which nothing came for some seconds while calls are out. now: CLOCK_MONOTONIC ns. */
void grpc_tick(struct grpc *g, uint64_t now);
/* Ends all calls with GRPC_NO_ANSWER. Not from a handler. */
void grpc_close(struct grpc *g);

#endif
