/* SPDX-License-Identifier: BSD-3-Clause */
/* Network namespaces of containers: their names, and which of them are asked for. /proc is a table, and so is time. */
#include <time.h>

#include "check.h"
#include "fake.h"
#include "meta/container_netns.h"
#include "meta/container_store.h"
#include "meta/match.h"
#include "meta/runtimes.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

enum { OWN = 1000, HOST, INODE, OTHER };

static uint64_t now;
static bool alive, answered;
static uint32_t netns_of[64]; /* by pid */
static struct container_store *store;
static struct container_netns *n;

FAKE(uint32_t, procfs_namespace, uint32_t pid, const char *name)
{
	if (pid == 0)
		return OWN;
	if (pid == 1)
		return HOST;
	return pid < 64 && strcmp(name, "net") == 0 ? netns_of[pid] : 0;
}

FAKE(int, clock_gettime, clockid_t clock, struct timespec *ts)
{
	ts->tv_sec = (time_t)(now / 1000000000);
	ts->tv_nsec = (long)(now % 1000000000);
	return 0;
}

FAKE(bool, runtimes_alive, const struct runtimes *rs)
{
	return alive;
}

FAKE(bool, runtimes_answered, const struct runtimes *rs, uint64_t at)
{
	return answered;
}

static void on_netns(void *arg, const struct netns_news *news)
{
	told("%u pid %u %s%s%s; ", news->inode, news->pid, news->name ? news->name : "-", news->chosen ? " chosen" : "",
	     news->own ? " own" : "");
}

static void no_init(void *arg, struct container_entry *e)
{
	(void)arg;
	(void)e;
}

static void on_forget(void *arg, const struct container_entry *e)
{
	(void)arg;
	container_netns_forget(n, e);
}

static void start(const struct netns_config *asked, struct match *filter)
{
	const struct container_store_hooks hooks = { no_init, on_forget, NULL };
	struct netns_config config = asked ? *asked : (struct netns_config){ 0 };

	container_netns_free(n);
	container_store_free(store);
	config.tell = on_netns;
	memset(netns_of, 0, sizeof(netns_of));
	now = 1000000000;
	alive = answered = true;
	container_store_new(&store, &hooks);
	container_netns_new(&n, &config, store, NULL, filter);
	what_was_told();
}

static struct container_entry *entry(const char *id)
{
	return container_store_get(store, NULL, 0, id, 64, true);
}

static void is_called(const char *id, const char *name)
{
	container_store_put(store, &(struct container_facts){ .rank = RANK_DOCKER, .id = id, .name = name });
}

static void is_in_pod(const char *id, const char *name, const char *pod, const char *namespace)
{
	struct label labels[] = { { "io.kubernetes.pod.name", pod },
				  { "io.kubernetes.pod.namespace", namespace },
				  { "io.kubernetes.pod.uid", "u" } };

	container_store_put_pod(store,
				&(struct pod_facts){ .sandbox = id, .name = pod, .namespace = namespace, .uid = "u" });
	container_store_put(store, &(struct container_facts){
					   .rank = RANK_CRI, .id = id, .name = name, .labels = labels, .nlabels = 3 });
}

static void runs(const char *id, uint32_t pid, uint32_t inode, uint64_t since)
{
	netns_of[pid] = inode;
	container_netns_note(n, entry(id), 0, inode, pid, since);
}

/* --- names ---------------------------------------------------------------------------- */

static void test_container(void)
{
	start(NULL, NULL);
	is_called(ID_A, "web");
	runs(ID_A, 10, INODE, 5);
	CHECK_STR(what_was_told(), "1002 pid 10 web; ");
	runs(ID_A, 11, INODE, 6);
	CHECK_STR(what_was_told(), "1002 pid 11 web; ");
	is_called(ID_A, "shop");
	container_netns_step(n, now);
	CHECK_STR(what_was_told(), "1002 pid 10 shop; ");
	container_netns_step(n, now);
	CHECK_STR(what_was_told(), "");
}

static void test_pod(void)
{
	start(NULL, NULL);
	is_in_pod(ID_A, "side", "web-0", "prod");
	runs(ID_A, 10, INODE, 5);
	CHECK_STR(what_was_told(), "1002 pid 10 web-0.prod; ");
}

/* Of those that share it, the one that was there first, in whatever order they are heard of. */
static void test_shared(void)
{
	start(NULL, NULL);
	answered = false;
	runs(ID_B, 11, INODE, 9);
	runs(ID_A, 10, INODE, 5);
	CHECK_STR(what_was_told(), "1002 pid 11 -; 1002 pid 10 -; ");
	is_called(ID_B, "guest");
	container_netns_step(n, now);
	CHECK(!strstr(what_was_told(), "guest"));
	is_called(ID_A, "host");
	answered = true;
	container_netns_step(n, now);
	CHECK(strstr(what_was_told(), " host; "));
	/* and it stays so when that one has gone */
	netns_of[10] = 0;
	container_store_touch(store);
	container_netns_step(n, now);
	CHECK_STR(what_was_told(), "1002 pid 11 host; ");
}

/* Likewise at the start, also when the names of all are known already. */
static void test_shared_at_the_start(void)
{
	start(NULL, NULL);
	is_called(ID_A, "web");
	is_called(ID_B, "guest");
	container_netns_hold(n, true);
	runs(ID_B, 11, INODE, 9);
	container_netns_step(n, now);
	runs(ID_A, 10, INODE, 5);
	CHECK_STR(what_was_told(), "");
	container_netns_hold(n, false);
	container_netns_step(n, now);
	CHECK(strstr(what_was_told(), " web; "));
}

/* The process that was heard of last is gone before anybody has told a name. */
static void test_short_lived_process(void)
{
	start(NULL, NULL);
	answered = false;
	runs(ID_A, 10, INODE, 5);
	runs(ID_A, 12, INODE, 8);
	runs(ID_B, 11, INODE, 6);
	netns_of[12] = 0;
	is_called(ID_A, "web");
	is_called(ID_B, "guest");
	answered = true;
	what_was_told();
	container_netns_step(n, now);
	CHECK(strstr(what_was_told(), " web; "));
}

/* A runtime is asked for a while; then it is called after the id, until somebody tells. */
static void test_late_name(void)
{
	start(NULL, NULL);
	runs(ID_A, 10, INODE, 5);
	CHECK_STR(what_was_told(), "1002 pid 10 -; ");
	now += RUNTIMES_WAIT_NS;
	container_store_touch(store);
	container_netns_step(n, now);
	CHECK_STR(what_was_told(), "1002 pid 10 aaaaaaaaaaaa; ");
	is_called(ID_A, "web");
	container_netns_step(n, now);
	CHECK_STR(what_was_told(), "1002 pid 10 web; ");
	/* nobody can be asked */
	start(NULL, NULL);
	alive = false;
	runs(ID_A, 10, INODE, 5);
	CHECK_STR(what_was_told(), "1002 pid 10 aaaaaaaaaaaa; ");
}

static void test_host_network(void)
{
	start(NULL, NULL);
	is_called(ID_A, "agent");
	runs(ID_A, 10, OWN, 5);
	runs(ID_A, 11, HOST, 5);
	CHECK_STR(what_was_told(), "1000 pid 10 - own; 1001 pid 11 -; ");
}

/* A container in a container has its own; where it shares that of the outer, this is called after the outer. */
static void test_nested(void)
{
	start(NULL, NULL);
	is_called(ID_A, "outer");
	is_called(ID_B, "inner");
	netns_of[10] = netns_of[11] = netns_of[12] = INODE;
	netns_of[13] = OTHER;
	container_netns_note(n, entry(ID_A), 0, INODE, 10, 5);
	container_netns_note(n, entry(ID_B), 0, INODE, 12, 7);
	container_netns_note(n, entry(ID_A), 1, INODE, 12, 7);
	CHECK(!strstr(what_was_told(), "inner"));
	container_netns_note(n, entry(ID_A), 1, OTHER, 13, 8);
	container_netns_note(n, entry(ID_B), 0, OTHER, 13, 8);
	container_netns_step(n, now);
	CHECK(strstr(what_was_told(), "1002 pid"));
}

/* The number of one that has ended is another's. */
static void test_number_used_again(void)
{
	start(NULL, NULL);
	is_called(ID_A, "old");
	is_called(ID_B, "new");
	runs(ID_A, 10, INODE, 5);
	netns_of[10] = 0;
	what_was_told();
	runs(ID_B, 11, INODE, 9);
	CHECK_STR(what_was_told(), "1002 pid 11 new; ");
	/* nor is that of nobody told of */
	netns_of[11] = OTHER;
	container_store_touch(store);
	container_netns_step(n, now);
	CHECK_STR(what_was_told(), "");
}

static void test_long_and_hostile_names(void)
{
	char pod[600];

	start(NULL, NULL);
	memset(pod, 'p', sizeof(pod) - 1);
	pod[sizeof(pod) - 1] = '\0';
	is_in_pod(ID_A, "side", pod, pod);
	runs(ID_A, 10, INODE, 5);
	CHECK_INT(strlen(what_was_told()), strlen("1002 pid 10 ; ") + 255);
	is_called(ID_B, "a\nb, netNsPath: /x");
	runs(ID_B, 11, OTHER, 5);
	CHECK_STR(what_was_told(), "1003 pid 11 a\nb, netNsPath: /x; ");
}

static void test_forgotten(void)
{
	start(NULL, NULL);
	is_called(ID_A, "web");
	runs(ID_A, 10, INODE, 5);
	container_netns_forget(n, entry(ID_A));
	what_was_told();
	container_store_touch(store);
	container_netns_step(n, now);
	CHECK_STR(what_was_told(), "");
}

/* --- which are asked for ------------------------------------------------------------------ */

/* What of --netns is not there. */
static const char *missing(void)
{
	static char text[128];
	struct buf b = { 0 };

	container_netns_put_missing(n, &b);
	snprintf(text, sizeof(text), "%.*s", (int)b.len, b.len ? b.p : "");
	buf_done(&b);
	return text;
}

/* One that is there says nothing of another. */
static void test_missing(void)
{
	static const char *const containers[] = { "web", "dbb", "w?b", "x*", NULL }, *const pods[] = { "web-0.*", "q",
												       NULL };
	const struct netns_config asked = { .containers = containers, .pods = pods };

	start(&asked, NULL);
	CHECK_STR(missing(),
		  "'container:web', 'container:dbb', 'container:w?b', 'container:x*', 'pod:web-0.*', 'pod:q'");
	is_called(ID_A, "web");
	CHECK_STR(missing(), "'container:dbb', 'container:x*', 'pod:web-0.*', 'pod:q'");
	is_in_pod(ID_B, "side", "web-0", "prod");
	CHECK_STR(missing(), "'container:dbb', 'container:x*', 'pod:q'");
}

static void test_words(void)
{
	static const char *const containers[] = { "web", "bbbbbbbbbbbbb", "bbb", NULL }, *const pods[] = { "web-0.prod",
													   NULL };
	const struct netns_config asked = { .containers = containers, .pods = pods };

	start(&asked, NULL);
	is_called(ID_A, "other");
	runs(ID_A, 10, INODE, 5);
	CHECK_STR(what_was_told(), "1002 pid 10 other; ");
	/* by its id, before anything is told of it */
	runs(ID_B, 11, OTHER, 5);
	CHECK_STR(what_was_told(), "1003 pid 11 - chosen; ");
	CHECK_STR(missing(), "'container:web', 'container:bbb', 'pod:web-0.prod'");
	/* by its pod, or by a name that it gets */
	start(&asked, NULL);
	is_in_pod(ID_A, "side", "web-0", "prod");
	runs(ID_A, 10, INODE, 5);
	CHECK_STR(what_was_told(), "1002 pid 10 web-0.prod chosen; ");
	start(&asked, NULL);
	runs(ID_A, 10, INODE, 5);
	CHECK_STR(what_was_told(), "1002 pid 10 -; ");
	is_called(ID_A, "web");
	container_netns_step(n, now);
	CHECK_STR(what_was_told(), "1002 pid 10 web chosen; ");
	/* whoever shares it: the process of the one that is asked for is told of */
	is_called(ID_C, "guest");
	runs(ID_C, 11, INODE, 6);
	CHECK_STR(what_was_told(), "1002 pid 10 web chosen; ");
}

static void test_selected(void)
{
	static const char *const names[] = { "web", NULL };
	const struct match_config filter = { .containers.names = names };
	const struct netns_config asked = { .selected = true };
	struct match *match;

	CHECK_INT(match_new(&match, &filter), 0);
	for (int i = 0; i < 2; i++) {
		start(i ? &asked : NULL, match);
		is_called(ID_A, "web");
		runs(ID_A, 10, INODE, 5);
		CHECK_STR(what_was_told(), i ? "1002 pid 10 web chosen; " : "1002 pid 10 web; ");
		CHECK_STR(missing(), "");
	}
	start(NULL, NULL);
	match_free(match);
}

/* What is too many is not told of. */
static void test_bounded(void)
{
	unsigned count = 0;

	start(NULL, NULL);
	is_called(ID_A, "web");
	for (uint32_t i = 0; i < 9000; i++) {
		netns_of[10] = 5000 + i;
		/* The sweep keeps those that live. */
		netns_of[11] = 5000;
		entry(ID_A)->init_pid = 11;
		container_netns_note(n, entry(ID_A), 0, 5000 + i, 10, 5);
		count += what_was_told()[0] != '\0';
	}
	CHECK(count > 8192);
}

int main(void)
{
	RUN(test_container);
	RUN(test_pod);
	RUN(test_shared);
	RUN(test_shared_at_the_start);
	RUN(test_short_lived_process);
	RUN(test_late_name);
	RUN(test_host_network);
	RUN(test_nested);
	RUN(test_number_used_again);
	RUN(test_long_and_hostile_names);
	RUN(test_forgotten);
	RUN(test_missing);
	RUN(test_words);
	RUN(test_selected);
	RUN(test_bounded);
	container_netns_free(n);
	container_store_free(store);
	return check_status();
}
