/* SPDX-License-Identifier: BSD-3-Clause */
/* What an expression that cannot be compiled was meant for. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "hints.h"

static const char *translated(const char *display)
{
	static char expr[128];

	return hint_translate(display, expr, sizeof(expr)) ? expr : "no";
}

static void test_translate(void)
{
	CHECK_STR(translated("tcp.port == 80"), "tcp port 80");
	CHECK_STR(translated("tcp.port==80"), "tcp port 80");
	CHECK_STR(translated("ip.addr eq 1.2.3.4"), "host 1.2.3.4");
	CHECK_STR(translated("ip.src != 10.0.0.0/8"), "not src host 10.0.0.0/8");
	CHECK_STR(translated("ip.addr==1.2.3.4&&!(udp.port==53||tcp)"), "host 1.2.3.4 and not ( udp port 53 or tcp )");
	CHECK_STR(translated("ipv6.addr == ::1 or dns"), "ip6 host ::1 or port 53");
	CHECK_STR(translated("eth.src == 02:00:00:00:00:01"), "ether src 02:00:00:00:00:01");
	CHECK_STR(translated("http"), "tcp port 80");
}

static void test_no_translation(void)
{
	char small[12];

	CHECK_STR(translated(""), "no");
	CHECK_STR(translated("tcp and and"), "no");
	CHECK_STR(translated("tcp.port"), "no");
	CHECK_STR(translated("tcp.port > 80"), "no");
	CHECK_STR(translated("tcp.port =="), "no");
	CHECK_STR(translated("http.host == x"), "no");
	CHECK(!hint_translate("ip.addr == 1.2.3.4", small, sizeof(small)));
}

static bool lacks(const struct options *o, unsigned told, const char *begins)
{
	const char *untold = hint_untold(o, told);

	return untold && strncmp(untold, begins, strlen(begins)) == 0;
}

static void test_untold(void)
{
	char name[] = "x", *names[] = { name, NULL };
	uint32_t number = 1;
	const struct options nothing = { 0 }, pid = { .pids = { &number, 1 } }, uid = { .uids = { &number, 1 } },
			     user = { .users = { names, 1 } }, container = { .container_names = { names, 1 } },
			     pod = { .pod_names = { names, 1 } }, label = { .labels = { names, 1 } },
			     forks = { .pids = { &number, 1 }, .follow_forks = 1 },
			     both = { .pids = { &number, 1 }, .uids = { &number, 1 } };

	CHECK(!hint_untold(&nothing, 0));
	CHECK(lacks(&uid, 0, "says whose it is"));
	CHECK(lacks(&pid, ANNOT_USER | ANNOT_PARENT, "tells of a process"));
	CHECK(!hint_untold(&pid, ANNOT_PEER));
	CHECK(lacks(&uid, ANNOT_PROCESS, "tells of a user"));
	CHECK(lacks(&user, ANNOT_PROCESS, "tells of a user"));
	CHECK(!hint_untold(&uid, ANNOT_PEER_USER));
	CHECK(lacks(&both, ANNOT_PROCESS, "tells of a user"));
	CHECK(lacks(&container, ANNOT_PROCESS | ANNOT_POD, "tells of a container"));
	CHECK(!hint_untold(&container, ANNOT_PEER_CONTAINER));
	CHECK(lacks(&pod, ANNOT_CONTAINER, "tells of a pod"));
	CHECK(lacks(&label, ANNOT_PROCESS, "tells of a container or pod: --label "));
	CHECK(!hint_untold(&label, ANNOT_PEER_POD) && !hint_untold(&label, ANNOT_CONTAINER));
	CHECK(lacks(&forks, ANNOT_PROCESS | ANNOT_PEER, "tells of parents"));
	CHECK(!hint_untold(&forks, ANNOT_PROCESS | ANNOT_PARENT));
	CHECK(!hint_untold(&forks, ANNOT_PROCESS | ANNOT_PEER_ANCESTORS));
}

static char messages[] = "/tmp/test_hints.XXXXXX";

static bool netns_is(const struct options *o, bool follows, const char *with)
{
	char text[512], all[512];
	ssize_t n;
	int fd;

	if (ftruncate(STDERR_FILENO, 0) || lseek(STDERR_FILENO, 0, SEEK_SET))
		return false;
	hint_netns(o, follows);
	fd = open(messages, O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	snprintf(all, sizeof(all), "such as lo, are seen with %s\n", with);
	return strstr(text, all);
}

static void test_netns(void)
{
	char name[] = "web", dotted[] = "web.test", space[] = "prod", *names[] = { name, NULL },
	     *dotted_names[] = { dotted, NULL }, *spaces[] = { space, NULL };
	const struct options container = { .container_names = { names, 1 } }, pod = { .pod_names = { names, 1 } },
			     in_space = { .pod_names = { names, 1 }, .namespaces = { spaces, 1 } },
			     both = { .pod_names = { dotted_names, 1 }, .namespaces = { spaces, 1 } };

	CHECK(netns_is(&container, true, "-i any, or with --netns container:web"));
	CHECK(netns_is(&container, false, "--netns container:web"));
	CHECK(netns_is(&pod, false, "--netns pod:web"));
	CHECK(netns_is(&in_space, true, "-i any, or with --netns pod:web.prod"));
	CHECK(netns_is(&both, false, "--netns pod:web.test"));
}

static void test_hostile(void)
{
	char text[4096], expr[4096];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "tcp.port == ", 12);
	CHECK(!hint_translate(text, expr, sizeof(expr)));
	memset(text, '(', sizeof(text) - 1);
	CHECK(!hint_translate(text, expr, 100));
	memset(text, '=', sizeof(text) - 1);
	CHECK(!hint_translate(text, expr, 100));
}

int main(void)
{
	const int fd = mkstemp(messages);

	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		return 2;
	RUN(test_translate);
	RUN(test_no_translation);
	RUN(test_untold);
	RUN(test_netns);
	RUN(test_hostile);
	unlink(messages);
	return check_status();
}
