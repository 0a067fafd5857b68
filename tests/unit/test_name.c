/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/name.h"

#include "check.h"

#define ARGS(s)                                                                                                        \
	{                                                                                                              \
		s, sizeof(s) - 1                                                                                       \
	}

/* What /proc says, and what the name is then. */
static void test_later(void)
{
	static const struct {
		const char *comm, *exe;
		struct str args;
		const char *name;
	} cases[] = {
		{ "nginx", "/usr/sbin/nginx", ARGS("nginx: master process"), "nginx" },
		{ "python3", "/usr/bin/python3.11", ARGS("python3\0-m\0http.server"), "python3" },
		{ "redis-server", "/usr/bin/redis-check-rdb", ARGS("/usr/bin/redis-server 127.0.0.1:6379"),
		  "redis-server" },
		{ "nslookup", "/bin/busybox", ARGS("nslookup\0x"), "nslookup" },
		{ "ansible-playboo", "/usr/bin/python3.11", ARGS("/usr/bin/python3\0-s\0/usr/bin/ansible-playbook"),
		  "ansible-playbook" },
		/* Renamed. */
		{ "(sd-pam)", "/usr/lib/systemd/systemd", ARGS("(sd-pam)\0"), "(sd-pam)" },
		{ "renamed", "/usr/bin/python3.11", ARGS("python3\0x.py"), "python3.11" },
		{ "renamed-at-leng", "/usr/bin/python3.11", ARGS("python3\0x.py"), "python3.11" },
		{ "", "/usr/bin/python3.11", ARGS("python3"), "python3.11" },
		{ "5", "/memfd:x", ARGS("py\0-c"), "memfd:x" },
		/* An argument far behind is not what runs. */
		{ "renamed", "/bin/x", ARGS("x\0001\0002\0003\0004\0renamed"), "x" },
		/* Kernel threads, and what may not be read. */
		{ "kworker/0:1", "", ARGS(""), "kworker/0:1" },
		{ "5", "", ARGS(""), "5" },
		{ "", "", ARGS(""), "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct name_facts f = { cases[i].comm, str_of(cases[i].exe), cases[i].args };
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)name_later(&f).n, name_later(&f).p);
		CHECK_STR(name, cases[i].name);
	}
}

/* A process chooses its arguments: none, only empty ones, one without an end. */
static void test_strange_arguments(void)
{
	static const struct str args[] = { { NULL, 0 }, ARGS("\0\0\0\0\0\0\0"), ARGS("/"), ARGS(" "), ARGS("/\0/") };

	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++) {
		const struct name_facts f = { "fifteen-letters", str_of("/bin/x"), args[i] };

		CHECK(str_eq(name_at_exec(&f), str_of("fifteen-letters")));
		CHECK(str_eq(name_later(&f), str_of("x")));
	}
}

/* What no file can be called does not complete a name. */
static void test_endless(void)
{
	char arg[300] = "fifteen-letters";
	struct name_facts f = { "fifteen-letters", str_of("/bin/x"), { arg, 255 } };

	memset(arg + 15, 'x', sizeof(arg) - 15);
	CHECK_INT(name_at_exec(&f).n, 255);
	f.args.n = 256;
	CHECK_INT(name_at_exec(&f).n, 15);
}

int main(void)
{
	RUN(test_later);
	RUN(test_strange_arguments);
	RUN(test_endless);
	return check_status();
}
