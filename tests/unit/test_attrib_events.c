/* SPDX-License-Identifier: BSD-3-Clause */
/* Events of processes from two queues, in the order of their times. */
#include "capture/attrib_events.h"

#include <errno.h>
#include <string.h>

#include "capture/attrib.h"
#include "check.h"

enum { SHORTS = 5, LONGS = 6, MAX = 8 };

int __wrap_bpf_map_lookup_and_delete_elem(int fd, const void *key, void *value);

static union event_short shorts[MAX];
static struct event_exec longs[MAX];
static unsigned nshorts, nlongs, short_at, long_at;
static unsigned late; /* so many shorts come when the first of the longs is taken */
static char order[64];

int __wrap_bpf_map_lookup_and_delete_elem(int fd, const void *key, void *value)
{
	(void)key;
	if (fd == SHORTS && short_at < nshorts) {
		memcpy(value, &shorts[short_at++], sizeof(shorts[0]));
		return 0;
	}
	if (fd == LONGS && long_at < nlongs) {
		memcpy(value, &longs[long_at++], sizeof(longs[0]));
		nshorts += late;
		late = 0;
		return 0;
	}
	return -ENOENT;
}

static void take(void *arg, uint32_t type, const void *event, size_t size)
{
	const size_t used = strlen(order);

	(void)arg;
	CHECK(attrib_event_valid(event, size));
	snprintf(order + used, sizeof(order) - used, "%u ", type);
}

static int consume(void)
{
	static struct events e;

	e.shorts = (struct queued){ .fd = SHORTS };
	e.longs = (struct queued){ .fd = LONGS };
	order[0] = '\0';
	short_at = long_at = 0;
	return events_consume(&e, take, NULL);
}

static void test_oldest_first(void)
{
	shorts[0] = (union event_short){ .fork = { .type = EVENT_FORK, .ts = 10 } };
	shorts[1] = (union event_short){ .rename = { .type = EVENT_RENAME, .ts = 40, .tid = 5 } };
	shorts[2] = (union event_short){ .exit = { .type = EVENT_EXIT, .ts = 60 } };
	longs[0] = (struct event_exec){ .type = EVENT_EXEC, .ts = 20 };
	longs[1] = (struct event_exec){ .type = EVENT_EXEC, .ts = 50 };
	nshorts = 3;
	nlongs = 2;
	CHECK_INT(consume(), 5);
	CHECK_STR(order, "3 2 7 2 4 ");
}

/* A process forks and executes between our looks at the two queues. */
static void test_what_comes_between(void)
{
	shorts[0] = (union event_short){ .fork = { .type = EVENT_FORK, .ts = 10 } };
	longs[0] = (struct event_exec){ .type = EVENT_EXEC, .ts = 20 };
	nshorts = 0;
	late = nlongs = 1;
	CHECK_INT(consume(), 2);
	CHECK_STR(order, "3 2 ");
}

static void test_what_is_not_whole_is_left_out(void)
{
	shorts[0] = (union event_short){ .type = 99 };
	shorts[1] = (union event_short){ .netns = { .type = EVENT_NETNS } };
	longs[0] = (struct event_exec){ .type = EVENT_EXEC, .filename_len = EVENT_FILENAME_MAX };
	longs[1] = (struct event_exec){ .type = EVENT_EXEC, .args_len = EVENT_ARGS_MAX + 1 };
	nshorts = nlongs = 2;
	CHECK_INT(consume(), 1);
	CHECK_STR(order, "11 ");
}

int main(void)
{
	RUN(test_oldest_first);
	RUN(test_what_comes_between);
	RUN(test_what_is_not_whole_is_left_out);
	return check_status();
}
