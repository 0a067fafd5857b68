/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that daemons may make us use: what they are sending, all answers together, and what parsing one of them takes.
 * Text of "[{},{},..." becomes twenty times as large when it is parsed.
 */
#ifndef META_RUNTIME_POOL_H
#define META_RUNTIME_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct cJSON;
struct ProtobufCAllocator;

struct pool {
	size_t held, max; /* bytes of answers that are not complete */
};

/* Grows a buffer to hold n bytes. false: no memory, or more than the pool allows. Free it with pool_give(). */
bool pool_grow(struct pool *p, void **buffer, size_t *capacity, size_t n);
void pool_give(struct pool *p, void *buffer, size_t capacity);

/* As cJSON_ParseWithLength(); NULL also when that would take too much memory. */
struct cJSON *pool_parse_json(const char *text, size_t len);
/* For one unpacking; what it allocates is freed with protobuf-c's own allocator (NULL). */
struct ProtobufCAllocator *pool_allocator(void);

#endif
