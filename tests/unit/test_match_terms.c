/* SPDX-License-Identifier: BSD-3-Clause */
/* Which process terms of an expression are true of a packet. */
#include <errno.h>
#include <stdlib.h>

#include "check.h"
#include "filter/expr.h"
#include "meta/match.h"

static struct filter_expr *expr_of(const char *text)
{
	struct filter_expr *e;
	char err[FILTER_ERR_LEN];

	if (filter_expr_new(&e, text, err)) {
		printf("%s: %s\n", text, err);
		abort();
	}
	return e;
}

static struct match *match_of(const struct filter_expr *e, bool follow)
{
	const struct match_config config = { .expr = e, .follow_forks = follow };
	struct match *m;

	if (match_new(&m, &config))
		abort();
	return m;
}

/* The first term of text, of a packet. */
static bool holds(const char *text, const struct packet *packet)
{
	struct filter_expr *e = expr_of(text);
	struct match *m = match_of(e, false);
	struct filter_truth truth;

	if (e->n != 1)
		abort();
	match_terms(m, packet, &truth);
	match_free(m);
	filter_expr_free(e);
	return truth.bits[0] & 1;
}

/* curl, which bash has started, talks to nginx in a container. */
static struct annotation conversation(void)
{
	return (struct annotation){
		.serial = 1,
		.has = ANNOT_PROCESS | ANNOT_PARENT | ANNOT_USER | ANNOT_PEER | ANNOT_PEER_USER | ANNOT_PEER_CONTAINER |
		       ANNOT_PEER_POD | ANNOT_PEER_IMAGE | ANNOT_PEER_ANCESTORS,
		.process = { .pid = 20, .cmd = str_of("/usr/bin/curl"), .args = str_of("curl -s http://web/secret") },
		.parent = { .pid = 10, .cmd = str_of("/bin/bash") },
		.uid = 1000,
		.user = str_of("joe"),
		.peer = { .pid = 30, .cmd = str_of("/usr/sbin/nginx"), .args = str_of("nginx -g daemon off;") },
		.peer_uid = 33,
		.peer_container = { .id = str_of("0123456789abcdef"),
				    .name = str_of("web"),
				    .image = str_of("nginx"),
				    .labels = str_of("{\"app\":\"shop\"}") },
		.peer_pod = { .name = str_of("web-1"), .namespace = str_of("default") },
		.peer_ancestors = str_of("runc.7,systemd.1"),
	};
}

static void test_ends(void)
{
	struct annotation a = conversation();
	struct packet sent = { .dir = DIR_OUT, .annot = &a }, received = { .dir = DIR_IN, .annot = &a };

	CHECK(holds("pid 20", &sent) && holds("pid 30", &sent) && !holds("pid 10", &sent));
	CHECK(holds("src pid 20", &sent) && !holds("dst pid 20", &sent));
	CHECK(holds("dst pid 30", &sent) && !holds("src pid 30", &sent));
	CHECK(holds("dst pid 20", &received) && holds("src pid 30", &received) && !holds("src pid 20", &received));
	CHECK(holds("src or dst pid 20", &sent) && !holds("src and dst pid 20", &sent));
	CHECK(holds("src and dst pname '*n*'", &sent) == false && holds("src and dst exe '/usr/*'", &sent));
	/* What passes by a device in between, shown for its sender. */
	a.has |= ANNOT_END;
	a.end = str_of(ANNOT_SOURCE);
	CHECK(holds("src pid 20", &received) && holds("dst pid 30", &received) && !holds("dst pid 20", &received));
	a.end = str_of(ANNOT_DESTINATION);
	CHECK(holds("dst pid 20", &sent) && holds("src pid 30", &sent));
}

static void test_kinds(void)
{
	struct annotation a = conversation();
	const struct packet p = { .dir = DIR_OUT, .annot = &a };
	static const char *const are[] = {
		"pname curl",
		"src pname 'cu*'",
		"dst pname nginx",
		"uid 1000",
		"uid 33",
		"exe curl",
		"exe /usr/bin/curl",
		"exe '/usr/*/curl'",
		"cmdline secret",
		"cmdline '*http*'",
		"parent bash",
		"src parent 10",
		"dst parent runc",
		"dst parent 7",
		"container web",
		"dst pod web-1",
		"pod web-1.default",
		"pod 'web-*'",
		"label app=shop",
		"label app",
		"container 0123456789ab",
		"dst label 'app=sh*'",
	};
	static const char *const are_not[] = {
		"pname bash",	   "dst pname curl",	"src pname nginx", "uid 0",
		"src uid 33",	   "exe bin",		"exe /bin/curl",   "cmdline '*x'",
		"parent curl",	   "src container web", "container we",	   "pod web-1.kube",
		"label app=shops", "netns 1",		"unknown",	   "src unknown",
	};

	for (size_t i = 0; i < sizeof(are) / sizeof(are[0]); i++)
		CHECK_STR(holds(are[i], &p) ? are[i] : "does not hold", are[i]);
	for (size_t i = 0; i < sizeof(are_not) / sizeof(are_not[0]); i++)
		CHECK_STR(!holds(are_not[i], &p) ? are_not[i] : "holds", are_not[i]);
}

static void test_unknown(void)
{
	struct annotation a = conversation();
	struct packet p = { .dir = DIR_OUT, .annot = &a };

	a.has &= ~(unsigned)(ANNOT_PEER | ANNOT_PEER_USER);
	CHECK(!holds("unknown", &p) && holds("dst unknown", &p) && !holds("src unknown", &p));
	p.annot = NULL;
	CHECK(holds("unknown", &p) && holds("src unknown", &p) && holds("src and dst unknown", &p));
	CHECK(!holds("pid 20", &p) && !holds("pname '*'", &p));
}

static void test_netns(void)
{
	char name[] = "blue";
	const struct iface iface = { .netns = 4026531840, .netns_name = name };
	const struct packet p = { .iface = &iface };

	CHECK(holds("netns blue", &p) && holds("netns 4026531840", &p) && holds("netns 'b*'", &p));
	CHECK(!holds("netns red", &p) && !holds("netns 1", &p));
}

/* The same value many times is one of them. */
static void test_many(void)
{
	char text[2048] = "pid 1", word[32];
	struct filter_expr *e;
	struct match *m;

	for (int i = 0; i < 60; i++) {
		snprintf(word, sizeof(word), " or pid %d", 2 + i % 40);
		strcat(text, word);
	}
	e = expr_of(text);
	m = match_of(e, true);
	match_free(m);
	filter_expr_free(e);
	for (int i = 0; i < 20; i++) {
		snprintf(word, sizeof(word), " or pid %d", 100 + i);
		strcat(text, word);
	}
	e = expr_of(text);
	CHECK_INT(match_new(&m, &(struct match_config){ .expr = e }), -E2BIG);
	filter_expr_free(e);
}

static struct event_fork fork_of(uint32_t parent, uint32_t child)
{
	return (struct event_fork){ .child = { .tgid = child, .parent_tgid = parent, .uid = 5 } };
}

static void test_children(void)
{
	struct filter_expr *e = expr_of("pid 10 or uid 5");
	struct match *m = match_of(e, true);
	struct event_fork fork = fork_of(10, 11);
	struct annotation a = { .serial = 7, .has = ANNOT_PROCESS, .process = { .pid = 12 } };
	const struct packet p = { .annot = &a };
	struct filter_truth truth;

	match_found(m, &(struct process_desc){ .pid = 10, .cmd = str_of("x") }, 1, 0);
	match_event(m, EVENT_FORK, &fork);
	fork = fork_of(11, 12);
	match_event(m, EVENT_FORK, &fork);
	match_terms(m, &p, &truth);
	CHECK_INT(truth.bits[0], 1);
	/* Users are inherited only where no process is asked for. */
	fork = fork_of(99, 12);
	match_event(m, EVENT_FORK, &fork);
	match_terms(m, &p, &truth);
	CHECK_INT(truth.bits[0], 0);
	match_free(m);
	filter_expr_free(e);
}

/* Annotations of another file may have the same numbers. */
static void test_next_source(void)
{
	struct filter_expr *e = expr_of("pid 20");
	struct match *m = match_of(e, false);
	struct annotation a = conversation();
	const struct packet p = { .annot = &a };
	struct filter_truth truth;

	match_terms(m, &p, &truth);
	CHECK_INT(truth.bits[0], 1);
	a.process.pid = 21;
	match_next_source(m);
	match_terms(m, &p, &truth);
	CHECK_INT(truth.bits[0], 0);
	match_free(m);
	filter_expr_free(e);
}

int main(void)
{
	RUN(test_ends);
	RUN(test_kinds);
	RUN(test_unknown);
	RUN(test_netns);
	RUN(test_many);
	RUN(test_children);
	RUN(test_next_source);
	return check_status();
}
