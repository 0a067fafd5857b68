/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said of containers and pods that are not there. */
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "meta/meant.h"

#define ID_A                                                                                                           \
	"3f4e8a1b0c2d"                                                                                                 \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B                                                                                                           \
	"bbbbbbbbbbbb"                                                                                                 \
	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const struct {
	const char *id, *name, *pod, *namespace, *image, *labels;
} there[] = {
	{ ID_A, "web", NULL, NULL, "nginx:1.25",
	  "{\"com.docker.compose.project\":\"shop\",\"com.docker.compose.service\":\"front\"}" },
	{ ID_B, "app", "web-0", "prod", "quay.io/team/app:2", "{}" },
	{ "c3", "evil\n'\x1b[2J", NULL, NULL, "", "no JSON" },
};

static char messages[] = "/tmp/test_meant.XXXXXX", text[4096];

/* What is said when that is asked for. */
static const char *said_of(const struct container_query *q)
{
	struct meant *m = meant_new(q);
	FILE *f;
	size_t n;

	if (ftruncate(STDERR_FILENO, 0) || lseek(STDERR_FILENO, 0, SEEK_SET))
		return NULL;
	for (size_t i = 0; m && i < sizeof(there) / sizeof(there[0]); i++) {
		const struct container_desc c = { .id = str_of(there[i].id),
						  .name = str_of(there[i].name),
						  .image = str_of(there[i].image),
						  .labels = str_of(there[i].labels) };
		const struct pod_desc p = { .name = str_of(there[i].pod), .namespace = str_of(there[i].namespace) };

		meant_offer(m, &c, &p);
	}
	meant_warn(m);
	meant_free(m);
	f = fopen(messages, "r");
	n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	text[n] = '\0';
	if (f)
		fclose(f);
	return text;
}

static const char *said(const char *id, const char *name, const char *pod)
{
	const char *const ids[] = { id, NULL }, *const names[] = { name, name ? "web" : NULL, NULL },
			  *const pods[] = { pod, NULL };

	return said_of(&(struct container_query){ .ids = ids, .names = names, .pods = pods });
}

static void test_like_it(void)
{
	CHECK_STR(said(NULL, "App", NULL), "ptcpdump: --container-name 'App': did you mean 'app'?\n");
	CHECK_STR(said("3f4e8a1b0c2f", NULL, NULL),
		  "ptcpdump: --container-id '3f4e8a1b0c2f': did you mean '3f4e8a1b0c2d'?\n");
	CHECK_STR(said(NULL, NULL, "web-0"), "ptcpdump: --pod-name 'web-0': did you mean 'web-0.prod'?\n");
	CHECK_STR(said(NULL, NULL, "web-0.prd"), "ptcpdump: --pod-name 'web-0.prd': did you mean 'web-0.prod'?\n");
	CHECK_STR(said(NULL, NULL, "web"),
		  "ptcpdump: --pod-name 'web': did you mean --container-name 'web' or 'web-0.prod'?\n");
}

static void test_of_another_option(void)
{
	CHECK_STR(said(NULL, "3f4e8a1b0c2d", NULL),
		  "ptcpdump: --container-name '3f4e8a1b0c2d': did you mean --container-id '3f4e8a1b0c2d'?\n");
	CHECK_STR(said(NULL, "web-0", NULL),
		  "ptcpdump: --container-name 'web-0': did you mean --pod-name 'web-0.prod'?\n");
	CHECK_STR(said(NULL, NULL, "app"), "ptcpdump: --pod-name 'app': did you mean --container-name 'app'?\n");
}

/* Nothing of what is there, nor of what is like nothing, nor of who is asked for as well, nor of a pattern. */
static void test_nothing_to_say(void)
{
	CHECK_STR(said(ID_A, "app", "web-0.prod"), "");
	CHECK_STR(said("3F4E8A1B0C2D", NULL, NULL), "");
	CHECK_STR(said("dddddddddddd", "cache", "queue-1.prod"), "");
	CHECK_STR(said(NULL, "web2", NULL), "");
	CHECK_STR(said(NULL, "wb*", NULL), "");
}

#define ONE(value) ((const char *const[]){ (value), NULL })

static void test_kinds(void)
{
	CHECK_STR(said_of(&(struct container_query){ .namespaces = ONE("prd") }),
		  "ptcpdump: --namespace 'prd': did you mean 'prod'?\n");
	CHECK_STR(said_of(&(struct container_query){ .images = ONE("ngnix:1.25") }),
		  "ptcpdump: --image 'ngnix:1.25': did you mean 'nginx:1.25'?\n");
	CHECK_STR(said_of(&(struct container_query){ .images = ONE("ngnix") }),
		  "ptcpdump: --image 'ngnix': did you mean 'nginx'?\n");
	CHECK_STR(said_of(&(struct container_query){ .images = ONE("web") }),
		  "ptcpdump: --image 'web': did you mean --container-name 'web'?\n");
	CHECK_STR(said_of(&(struct container_query){ .compose = ONE("shpo") }),
		  "ptcpdump: --compose 'shpo': did you mean 'shop'?\n");
	CHECK_STR(said_of(&(struct container_query){ .compose = ONE("shop/frnt") }),
		  "ptcpdump: --compose 'shop/frnt': did you mean 'shop/front'?\n");
	CHECK_STR(said_of(&(struct container_query){ .namespaces = ONE("prod"), .images = ONE("docker.io/nginx") }),
		  "");
	CHECK_STR(said_of(&(struct container_query){ .images = ONE("team/app"), .compose = ONE("shop/front") }), "");
	CHECK_STR(said_of(&(struct container_query){ .images = ONE("ngni*"), .compose = ONE("shop") }), "");
}

/* A pod without a namespace is of any of those that are given, which may be patterns. */
static void test_namespaces(void)
{
	struct container_query q = { .pods = ONE("web-0") };

	q.namespaces = (const char *const[]){ "test*", "prod", NULL };
	CHECK_STR(said_of(&q), "");
	q.namespaces = ONE("pro?");
	CHECK_STR(said_of(&q), "");
	q.namespaces = ONE("test*");
	CHECK_STR(said_of(&q), "ptcpdump: --pod-name 'web-0': did you mean 'web-0.prod'?\n");
	q.pods = ONE("web-0.test");
	q.namespaces = ONE("prod");
	CHECK_STR(said_of(&q), "ptcpdump: --pod-name 'web-0.test': did you mean 'web-0.prod'?\n");
}

/* The name and the namespace of a pod are each shorter than what is compared, but not together. */
static void test_long_namespace(void)
{
	char namespace[300];
	const struct container_query q = { .pods = ONE("a-pod-with-a-name-of-some-letters"), .namespaces = ONE("x*") };
	const struct container_desc c = { .name = str_of("c") };
	struct pod_desc p = { .name = str_of(q.pods[0]) };
	struct meant *m = meant_new(&q);

	memset(namespace, 'x', sizeof(namespace) - 1);
	namespace[sizeof(namespace) - 1] = '\0';
	p.namespace = str_of(namespace);
	CHECK(m);
	for (int i = 0; i < 2; i++)
		meant_offer(m, &c, &p);
	meant_free(m);
}

static void test_hostile(void)
{
	char wanted[4096];

	CHECK_STR(said(NULL, "evil", NULL),
		  "ptcpdump: --container-name 'evil': did you mean 'evil\\n\\x27\\x1b\\x5b2J'?\n");
	memset(wanted, '.', sizeof(wanted) - 1);
	wanted[sizeof(wanted) - 1] = '\0';
	CHECK_STR(said(wanted, wanted, wanted), "");
	CHECK_STR(said("", "", ""), "");
}

int main(void)
{
	const int fd = mkstemp(messages);

	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		return 2;
	RUN(test_like_it);
	RUN(test_of_another_option);
	RUN(test_nothing_to_say);
	RUN(test_kinds);
	RUN(test_namespaces);
	RUN(test_long_namespace);
	RUN(test_hostile);
	unlink(messages);
	return check_status();
}
