/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines of other hosts: how they are cut, counted and shown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "options_remote.h"
#include "remote_lines.h"

/* What goes to standard error for these bytes, which come in pieces of so many. */
static void said(struct remote_messages *m, const char *text, size_t n, size_t piece, char *out, size_t size)
{
	FILE *file = tmpfile();
	const int before = dup(STDERR_FILENO);
	size_t got;

	dup2(fileno(file), STDERR_FILENO);
	for (size_t at = 0; at < n; at += piece)
		remote_messages_put(m, text + at, n - at < piece ? n - at : piece);
	remote_messages_end(m);
	dup2(before, STDERR_FILENO);
	close(before);
	rewind(file);
	got = fread(out, 1, size - 1, file);
	out[got] = '\0';
	fclose(file);
}

static void test_messages(void)
{
	static const char text[] =
		"ptcpdump: listening\r\n\nred \033[31m\n3 packets captured\n4 packets received by filter\n"
		"1 packet dropped by kernel\nno end";
	static const char want[] =
		"web1: listening\nweb1: red \\x1b[31m\n"
		"web1: 3 packets captured, 4 received by filter, 1 dropped by kernel\nweb1: no end\n";

	for (size_t piece = 1; piece < sizeof(text); piece += 7) {
		struct remote_messages m = { .host = "web1" };
		char out[1024];

		said(&m, text, sizeof(text) - 1, piece, out, sizeof(out));
		CHECK_STR(out, want);
		CHECK(m.counts.known == 3 && m.counts.captured == 3 && m.counts.received == 4 && m.counts.dropped == 1);
	}
}

/* Neither out of order nor with more in the line. */
static void test_no_counts(void)
{
	static const char text[] =
		"4 packets received by filter\n3 packets captured now\n-1 packets captured\n3 packets captured\n";
	struct remote_messages m = { .host = "web1" };
	char out[1024];

	said(&m, text, sizeof(text) - 1, 100, out, sizeof(out));
	CHECK(m.counts.known == 1 && m.counts.captured == 3);
	CHECK_STR(out, "web1: 4 packets received by filter\nweb1: 3 packets captured now\nweb1: -1 packets captured\n");
}

static void test_sudo(void)
{
	struct remote_messages m = { .host = "web1" };
	char out[256];

	said(&m, "a\0b\nsudo: no\n", 13, 3, out, sizeof(out));
	CHECK(m.sudo);
	CHECK_STR(out, "web1: a?b\nweb1: sudo: no\n");
}

static void test_bounds(void)
{
	static char text[3 * REMOTE_LINE_MAX], out[REMOTE_LINE_MAX + 64], many[4 * REMOTE_LINES_SAID],
		all[32 * REMOTE_LINES_SAID];
	struct remote_messages m = { .host = "h" }, flood = { .host = "h" };
	size_t lines = 0;

	memset(text, 'x', sizeof(text));
	said(&m, text, sizeof(text), 1000, out, sizeof(out));
	CHECK(strlen(out) == strlen("h: \n") + REMOTE_LINE_MAX);
	CHECK_STR(out + strlen(out) - 4, "...\n");

	for (size_t i = 0; i < sizeof(many); i += 2)
		memcpy(&many[i], "y\n", 2);
	said(&flood, many, sizeof(many), 4096, all, sizeof(all));
	for (const char *p = all; (p = strchr(p, '\n')); p++)
		lines++;
	CHECK(lines == REMOTE_LINES_SAID + 1);
	CHECK(strstr(all, "h: its other messages are left out\n"));
}

static void check_host(const char *remote, const char *want)
{
	const char *name;
	const size_t n = options_remote_host(remote, &name);

	CHECK(n == strlen(want) && memcmp(name, want, n) == 0);
}

static void check_command(const char *word, const char *want_name, const char *want)
{
	const char *name;
	size_t n;

	CHECK_STR(options_remote_command(word, &name, &n), want);
	CHECK(want_name ? name && n == strlen(want_name) && memcmp(name, want_name, n) == 0 : !name);
}

static void test_names(void)
{
	check_host("web1", "web1");
	check_host("root@web1", "web1");
	check_host("a@b@web1", "web1");
	check_host("root@fe80::1%eth0", "fe80::1%eth0");
	check_host("ssh://root@web1:2222", "web1");
	check_host("ssh://[::1]:2222", "::1");
	check_host("root@", "");
	check_command("pod=kubectl exec -i pod --", "pod", "kubectl exec -i pod --");
	check_command("kubectl exec --container=x -i pod --", NULL, "kubectl exec --container=x -i pod --");
	check_command("=x", NULL, "=x");
}

int main(void)
{
	RUN(test_messages);
	RUN(test_no_counts);
	RUN(test_sudo);
	RUN(test_bounds);
	RUN(test_names);
	return check_status();
}
