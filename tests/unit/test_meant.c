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
	const char *id, *name, *pod, *namespace;
} there[] = {
	{ ID_A, "web", NULL, NULL },
	{ ID_B, "app", "web-0", "prod" },
	{ "c3", "evil\n'\x1b[2J", NULL, NULL },
};

static char messages[] = "/tmp/test_meant.XXXXXX", text[4096];

/* What is said when these are asked for. */
static const char *said(const char *id, const char *name, const char *pod)
{
	const char *const ids[] = { id, NULL }, *const names[] = { name, name ? "web" : NULL, NULL },
			  *const pods[] = { pod, NULL };
	struct meant *m = meant_new(&(struct container_query){ .ids = ids, .names = names, .pods = pods });
	FILE *f;
	size_t n;

	if (ftruncate(STDERR_FILENO, 0) || lseek(STDERR_FILENO, 0, SEEK_SET))
		return NULL;
	for (size_t i = 0; m && i < sizeof(there) / sizeof(there[0]); i++) {
		const struct container_desc c = { .id = str_of(there[i].id), .name = str_of(there[i].name) };
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

static void test_hostile(void)
{
	char wanted[4096];

	CHECK_STR(said(NULL, "evil", NULL), "ptcpdump: --container-name 'evil': did you mean 'evil\\n'\\x1b[2J'?\n");
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
	RUN(test_hostile);
	unlink(messages);
	return check_status();
}
