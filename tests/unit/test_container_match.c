/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/container_match.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#include "check.h"
#include "meta/match.h"
#include "util/glob.h"

#define ONE(value) ((const char *const[]){ (value), NULL })

static struct container_desc container(void)
{
	return (struct container_desc){
		.id = str_of("0123456789abcdef"),
		.name = str_of("web-1"),
		.image = str_of("docker.io/library/nginx:1.25"),
		.labels = str_of("{\"com.docker.compose.project\":\"shop\",\"com.docker.compose.service\":\"front\","
				 "\"empty\":\"\",\"list\":\"a,b\",\"tier\":\"web\"}"),
	};
}

static struct pod_desc pod(void)
{
	return (struct pod_desc){ .name = str_of("web-0"),
				  .namespace = str_of("prod"),
				  .labels = str_of("{\"app\":\"web\"}") };
}

static unsigned kinds(struct container_query q, const struct container_desc *c, const struct pod_desc *p)
{
	struct container_match *m;
	unsigned found;

	if (container_match_new(&m, &q))
		return 0;
	found = container_match_end(m, c, p);
	container_match_free(m);
	return found;
}

static bool is(struct container_query q)
{
	const struct container_desc c = container();
	const struct pod_desc p = pod();

	return kinds(q, &c, &p) != 0;
}

static bool labelled(const char *value)
{
	return is((struct container_query){ .labels = ONE(value) });
}

static bool composed(const char *value)
{
	return is((struct container_query){ .compose = ONE(value) });
}

static bool named(const char *value)
{
	return is((struct container_query){ .names = ONE(value) });
}

static bool of_pod(const char *value)
{
	return is((struct container_query){ .pods = ONE(value) });
}

static bool of_image(const char *image, const char *value)
{
	struct container_desc c = container();

	c.image = str_of(image);
	return kinds((struct container_query){ .images = ONE(value) }, &c, NULL) != 0;
}

static void test_flaws(void)
{
	CHECK(!glob_flaw("web") && !glob_flaw("w[eo]b*") && !glob_flaw("\\[") && !glob_flaw("[]]") &&
	      !glob_flaw("[!]a]"));
	CHECK(!glob_flaw("[[:digit:]]x") && !glob_flaw("[\\]]") && !glob_flaw("]"));
	CHECK(glob_flaw("[") && glob_flaw("a[]") && glob_flaw("[[:digit:]") && glob_flaw("[!") && glob_flaw("a\\"));
	CHECK(glob_flaw("[\\") && glob_flaw("[[:") && glob_flaw("[[:digit:"));
	CHECK(glob_is("a*") && glob_is("a\\b") && !glob_is("web-1.prod]"));
}

static void test_names(void)
{
	CHECK(named("web-1") && named("/web-1") && named("web-*") && named("*") && named("web-[0-9]") &&
	      named("?eb-1"));
	CHECK(!named("web") && !named("web-") && !named("web-[!1]") && !named("WEB-1") && !named("web-\\*"));
}

/* Ids are known in either case, but not those that somebody chose. */
static void test_ids(void)
{
	struct container_desc c = container();

	CHECK(is((struct container_query){ .ids = ONE("0123456789ABCDEF") }));
	CHECK(is((struct container_query){ .ids = ONE("0123456789AB") }));
	CHECK(!is((struct container_query){ .ids = ONE("0123456789ABD") }));
	CHECK(!is((struct container_query){ .ids = ONE("0123456789abcdef0") }));
	c.id = str_of("MyContainer-1");
	CHECK(kinds((struct container_query){ .ids = ONE("MyContainer-1") }, &c, NULL));
	CHECK(!kinds((struct container_query){ .ids = ONE("mycontainer-1") }, &c, NULL));
}

static void test_pods(void)
{
	struct container_query q = { .pods = ONE("web-0") };
	struct pod_desc p = pod();

	CHECK(of_pod("web-0.prod") && of_pod("web-*.prod") && of_pod("*.*") && of_pod("web-0.p*"));
	CHECK(!of_pod("web-0") && !of_pod("*") && !of_pod("web-1.prod") && !of_pod("web-0.pro"));
	CHECK(is((struct container_query){ .namespaces = ONE("prod") }));
	CHECK(is((struct container_query){ .namespaces = ONE("pro?") }));
	CHECK(!is((struct container_query){ .namespaces = ONE("default") }));
	/* Without a namespace it is of those that are given. */
	q.namespaces = ONE("prod");
	CHECK_INT(kinds(q, NULL, &p), CONTAINER_POD | CONTAINER_NAMESPACE);
	p.namespace = str_of("default");
	CHECK_INT(kinds(q, NULL, &p), CONTAINER_POD);
	q.namespaces = NULL;
	CHECK_INT(kinds(q, NULL, &p), CONTAINER_POD);
}

static void test_images(void)
{
	static const char *const written[] = {
		"nginx",	   "nginx:1.25",	   "library/nginx",	  "docker.io/library/nginx",
		"docker.io/nginx", "docker.io/nginx:1.25", "nginx:1.*",		  "*nginx*",
		"ngin?",	   "docker.io/*",	   "docker.io/nginx:1.*", "docker.io/ngin?",
		"*.io/nginx:1.25"
	};
	static const char *const others[] = { "nginx:1.2",     "ngin",	       "nginx:", "quay.io/nginx",
					      "bitnami/nginx", "nginx:latest", "1.25",	 "" };
	static const char *const told[] = { "docker.io/library/nginx:1.25", "nginx:1.25", "nginx:1.25@sha256:00ff" };

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		for (size_t k = 0; k < sizeof(written) / sizeof(written[0]); k++) {
			if (!of_image(told[i], written[k]))
				CHECK_FAIL("%s is no %s", told[i], written[k]);
		}
		for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
			if (of_image(told[i], others[k]))
				CHECK_FAIL("%s is %s", told[i], others[k]);
		}
	}
}

static void test_registries(void)
{
	CHECK(of_image("localhost:5000/team/app:v2", "team/app") &&
	      of_image("localhost:5000/team/app:v2", "team/app:v2"));
	CHECK(of_image("localhost:5000/team/app:v2", "localhost:5000/team/app"));
	CHECK(!of_image("localhost:5000/team/app:v2", "app") && of_image("localhost:5000/team/app:v2", "*/app"));
	CHECK(of_image("localhost/app", "app") && of_image("localhost/app", "app:latest"));
	CHECK(of_image("quay.io/bitnami/nginx:1", "bitnami/nginx") && !of_image("quay.io/bitnami/nginx:1", "nginx"));
	CHECK(of_image("nginx", "nginx:latest") && of_image("nginx", "docker.io/library/nginx:latest"));
	CHECK(of_image("nginx@sha256:00ff", "nginx") && of_image("nginx@sha256:00ff", "nginx@sha256:00ff"));
	CHECK(!of_image("nginx@sha256:00ff", "nginx:latest"));
	CHECK(of_image("sha256:00ff", "sha256:00*") && of_image("7f553e8bbc89", "7f553e8bbc89"));
	CHECK(!of_image("", "nginx") && !of_image("/", "nginx") && !of_image("@", "nginx") && !of_image(":/@", "x"));
}

static void test_labels(void)
{
	CHECK(labelled("tier") && labelled("tier=web") && labelled("tier=w*") && labelled("empty=") &&
	      labelled("empty"));
	CHECK(labelled("app=web") && labelled("app"));
	CHECK(!labelled("tie") && !labelled("tier=we") && !labelled("tier=") && !labelled("t*") && !labelled("web"));
	/* All of those with commas between them, wherever they are; any of several values. */
	CHECK(labelled("tier=web,app=web") && labelled("tier,empty") && !labelled("tier=web,app=x"));
	CHECK(!labelled("app=x,tier=web") && labelled("list=a\\,b") && !labelled("list=a,b"));
	CHECK(is((struct container_query){ .labels = (const char *const[]){ "no,tier", "app=web", NULL } }));
	CHECK(!is((struct container_query){ .labels = (const char *const[]){ "no,tier", "no", NULL } }));
}

static void test_compose(void)
{
	struct container_desc podman = { .labels = str_of("{\"com.docker.compose.service\":\"db\","
							  "\"io.podman.compose.project\":\"lab\"}") };

	CHECK(composed("shop") && composed("shop/front") && composed("sh*/f*") && composed("*"));
	CHECK(!composed("shop/back") && !composed("front") && !composed("sho"));
	CHECK(kinds((struct container_query){ .compose = ONE("lab/db") }, &podman, NULL));
	CHECK(!kinds((struct container_query){ .compose = ONE("lab/web") }, &podman, NULL));
}

/* A key or value that is written with escapes. */
static void test_escapes(void)
{
	const struct container_desc c = { .labels = str_of("{\"a\\u002fb\":\"\\u003cx\\ny\\u003e\"}") };

	CHECK(kinds((struct container_query){ .labels = ONE("a/b=<x\ny>") }, &c, NULL));
	CHECK(kinds((struct container_query){ .labels = ONE("a/b=<*>") }, &c, NULL));
	CHECK(!kinds((struct container_query){ .labels = ONE("a/b=<x>") }, &c, NULL));
}

/* In a file the peer's labels stand with one of its packets; the container is known again by its id. */
static void test_remembered(void)
{
	const struct match_config config = { .containers.labels = ONE("tier=web"), .containers.images = ONE("nginx") };
	struct annotation told = { .serial = 1, .has = ANNOT_PEER_CONTAINER }, untold = told, owner = told;
	enum match_end before, first, later, other;
	struct match *m;

	told.peer_container = container();
	untold.peer_container =
		(struct container_desc){ .id = told.peer_container.id, .name = told.peer_container.name };
	CHECK_INT(match_new(&m, &config), 0);
	CHECK(match_learns(m));
	before = match_annotation(m, &untold);
	first = match_annotation(m, &told);
	later = match_annotation(m, &untold);
	untold.peer_container.id = str_of("ffff");
	other = match_annotation(m, &untold);
	/* It has other labels now. */
	owner.has = ANNOT_CONTAINER;
	owner.container = container();
	owner.container.labels = str_of("{}");
	match_annotation(m, &owner);
	untold.peer_container.id = told.peer_container.id;
	CHECK_INT(match_annotation(m, &untold), MATCH_NONE);
	match_free(m);
	CHECK_INT(before, MATCH_NONE);
	CHECK_INT(first, MATCH_PEER);
	CHECK_INT(later, MATCH_PEER);
	CHECK_INT(other, MATCH_NONE);
}

/* Likewise with --context pod, which leaves out the container. */
static void test_pods_remembered(void)
{
	const struct match_config config = { .containers.labels = ONE("app=web") };
	struct annotation told = { .serial = 1, .has = ANNOT_PEER_POD | ANNOT_PEER_POD_LABELS, .peer_pod = pod() };
	struct annotation untold = { .serial = 2, .has = ANNOT_PEER_POD, .peer_pod = pod() }, other = untold;
	struct match *m;

	untold.peer_pod.labels = other.peer_pod.labels = (struct str){ 0 };
	other.peer_pod.namespace = str_of("test");
	CHECK_INT(match_new(&m, &config), 0);
	CHECK_INT(match_annotation(m, &untold), MATCH_NONE);
	CHECK_INT(match_annotation(m, &told), MATCH_PEER);
	CHECK_INT(match_annotation(m, &untold), MATCH_PEER);
	CHECK_INT(match_annotation(m, &other), MATCH_NONE);
	match_free(m);
}

/* Whether the i-th container is known; labels: which are told of it now, p == NULL none. */
static bool is_known(struct container_match *m, unsigned i, struct str labels)
{
	struct container_desc c = container();
	char id[24];

	snprintf(id, sizeof(id), "%012x", i);
	c.id = str_of(id);
	c.labels = labels;
	return container_match_end(m, &c, NULL);
}

/* However many a file has, what is kept is bounded, and those are known whose packets came last. */
static void test_memory(void)
{
	enum { FIRST = 1 << 24, KEPT = 4000, MEMORY = 8192 };
	const struct str labels = container().labels, none = { 0 };
	const struct container_query q = { .labels = ONE("tier") };
	unsigned missed = 0, known = 0;
	struct container_match *m;

	CHECK_INT(container_match_new(&m, &q), 0);
	is_known(m, FIRST, labels);
	for (unsigned i = 0; i < 40000; i++) {
		is_known(m, i, labels);
		missed += !is_known(m, i, none) + (i >= KEPT && i % 100 == 0 && !is_known(m, i - KEPT, none));
		missed += i % 1000 == 0 && !is_known(m, FIRST, none);
	}
	for (unsigned i = 0; i < 40000; i++)
		known += is_known(m, i, none);
	container_match_free(m);
	CHECK_INT(missed, 0);
	CHECK(known <= MEMORY);
}

static unsigned allocations;

static void *count_malloc(size_t n)
{
	allocations++;
	return malloc(n);
}

static unsigned allocations_of(struct container_match *m, const struct container_desc *c, const struct pod_desc *p)
{
	allocations = 0;
	container_match_end(m, c, p);
	return allocations;
}

/* Labels are looked at when they are new, whatever memory they lie in, and not at all when nobody asks for them. */
static void test_parsed_once(void)
{
	const struct container_query labels = { .labels = ONE("app=web") }, images = { .images = ONE("nginx") };
	cJSON_Hooks hooks = { count_malloc, free };
	struct container_desc c = container(), other = container();
	struct pod_desc p = pod(), changed = pod();
	struct container_match *m;

	changed.labels = str_of("{\"app\":\"db\"}");
	other.id = str_of("fedcba987654");
	cJSON_InitHooks(&hooks);
	CHECK_INT(container_match_new(&m, &labels), 0);
	CHECK(allocations_of(m, &c, &p) > 0 && allocations_of(m, &other, NULL) > 0);
	CHECK(allocations_of(m, &c, &p) == 0 && allocations_of(m, &other, NULL) == 0);
	CHECK_INT(container_match_end(m, &c, &p), CONTAINER_LABEL);
	CHECK_INT(container_match_end(m, &c, &changed), 0);
	CHECK_INT(container_match_end(m, &c, &p), CONTAINER_LABEL);
	CHECK_INT(container_match_end(m, &c, NULL), 0);
	container_match_free(m);
	CHECK_INT(container_match_new(&m, &images), 0);
	CHECK_INT(allocations_of(m, &c, &p), 0);
	CHECK_INT(container_match_end(m, &c, &p), CONTAINER_IMAGE);
	container_match_free(m);
	cJSON_InitHooks(NULL);
}

int main(void)
{
	RUN(test_flaws);
	RUN(test_names);
	RUN(test_ids);
	RUN(test_pods);
	RUN(test_images);
	RUN(test_registries);
	RUN(test_labels);
	RUN(test_compose);
	RUN(test_escapes);
	RUN(test_remembered);
	RUN(test_pods_remembered);
	RUN(test_memory);
	RUN(test_parsed_once);
	return check_status();
}
