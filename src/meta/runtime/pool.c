/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/runtime/pool.h"

#include <cjson/cJSON.h>
#include <protobuf-c/protobuf-c.h>
#include <stdlib.h>

enum {
	BUFFER_MIN = 4096,
	PARSED_MAX = 128 << 20, /* bytes that one answer may become */
};

/* libcurl and we run in one thread; cJSON's hooks have no argument. */
static size_t parsed;

bool pool_grow(struct pool *p, void **buffer, size_t *capacity, size_t n)
{
	size_t to = *capacity ? *capacity : BUFFER_MIN;
	void *b;

	if (n <= *capacity)
		return true;
	while (to < n)
		to *= 2;
	if (to - *capacity > p->max - p->held)
		to = n;
	if (to - *capacity > p->max - p->held)
		return false;
	b = realloc(*buffer, to);
	if (!b)
		return false;
	p->held += to - *capacity;
	*buffer = b;
	*capacity = to;
	return true;
}

void pool_give(struct pool *p, void *buffer, size_t capacity)
{
	p->held -= capacity;
	free(buffer);
}

static void *parse_alloc(size_t n)
{
	if (n > PARSED_MAX - parsed)
		return NULL;
	parsed += n;
	return malloc(n);
}

struct cJSON *pool_parse_json(const char *text, size_t len)
{
	cJSON_Hooks hooks = { .malloc_fn = parse_alloc, .free_fn = free };
	cJSON *ret;

	parsed = 0;
	cJSON_InitHooks(&hooks);
	ret = cJSON_ParseWithLength(text, len);
	cJSON_InitHooks(NULL);
	return ret;
}

static void *unpack_alloc(void *arg, size_t n)
{
	(void)arg;
	return parse_alloc(n);
}

static void unpack_free(void *arg, void *p)
{
	(void)arg;
	free(p);
}

struct ProtobufCAllocator *pool_allocator(void)
{
	static ProtobufCAllocator allocator = { .alloc = unpack_alloc, .free = unpack_free };

	parsed = 0;
	return &allocator;
}
