/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/ancestry.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

static char *add(struct process_desc parent, const char *above)
{
	return ancestry_new(&parent, str_of(above));
}

static struct process_desc desc(const char *cmd, uint32_t pid)
{
	return (struct process_desc){ .pid = pid, .cmd = str_of(cmd), .args = str_of("x") };
}

static void test_text(void)
{
	char *init = add(desc("/usr/lib/systemd/systemd", 1), ""),
	     *shell = add(desc("/bin/bash", 7 | PID_OUTSIDE), init);

	CHECK_STR(init, "systemd.1");
	CHECK_STR(shell, "bash.7@host,systemd.1");
	free(init);
	free(shell);
}

static void check_same(struct process_desc d, const char *text)
{
	char *made = add(d, "init.1");
	struct str left = str_of(made);
	struct ancestor a;

	CHECK_STR(made, text);
	CHECK(ancestry_next(&left, &a));
	CHECK_INT(a.desc.pid, d.pid);
	CHECK(str_eq(process_desc_name(&a.desc), process_desc_name(&d)));
	CHECK(str_eq(process_desc_program(&a.desc), process_desc_program(&d)));
	CHECK(str_eq(process_desc_comm(&a.desc), process_desc_comm(&d)));
	CHECK(ancestry_next(&left, &a));
	CHECK_INT(a.desc.pid, 1);
	CHECK(!ancestry_next(&left, &a));
	free(made);
}

/* Whatever they are called, nobody passes for another. */
static void test_names(void)
{
	struct process_desc d = desc("/usr/bin/a,b%2C/c%.1", 10);

	check_same(d, "c%25.1.10,init.1");
	d = desc("/usr/bin/python3.11", 10);
	process_desc_set_names(&d, str_of("ansible-playbook"), str_of("ansible-playboo"));
	check_same(d, "ansible-playbook/python3.11.10,init.1");
	process_desc_set_names(&d, str_of("python3.11"), str_of("x/1,init.1"));
	check_same(d, "python3.11//x%2F1%2Cinit.1.10,init.1");
	process_desc_set_names(&d, str_of("tool"), str_of("worker"));
	check_same(d, "tool/python3.11/worker.10,init.1");
	d = (struct process_desc){ .pid = 3, .cmd = str_of("kworker/0:1") };
	check_same(d, "kworker%2F0:1.3,init.1");
}

/* The farthest are left out, each of them whole. */
static void test_cut(void)
{
	char *text = strdup(""), *next;
	struct ancestor a;
	struct str left;
	uint32_t n = 0;

	for (uint32_t pid = 1; pid <= 200; pid++) {
		next = add(desc("/bin/sh", pid), text);
		free(text);
		text = next;
	}
	CHECK(strlen(text) <= ANCESTRY_MAX && strlen(text) > ANCESTRY_MAX - 10);
	for (left = str_of(text); ancestry_next(&left, &a); n++)
		CHECK_INT(a.desc.pid, 200 - n);
	CHECK(!left.n && n > 60);
	free(text);
}

static void test_too_long(void)
{
	char path[ANCESTRY_MAX + 10], *text;

	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	text = add(desc(path, 5), "init.1");
	CHECK_STR(text, "");
	free(text);
}

/* Files hold anything. */
static void test_garbage(void)
{
	static const char *const texts[] = { "",	 ",",	".",  "sh",   "sh.", "sh.x", ".1x", "sh.99999999999",
					     "sh.1@hos", "%.%", "/.", "sh.-1" };
	struct ancestor a;
	char *copy;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct str left;

		/* Exactly as long, so that ASan sees a step beyond. */
		copy = malloc(strlen(texts[i]) + 1);
		memcpy(copy, texts[i], strlen(texts[i]));
		left = (struct str){ copy, (uint32_t)strlen(texts[i]) };
		CHECK(!ancestry_next(&left, &a));
		free(copy);
	}
}

int main(void)
{
	RUN(test_text);
	RUN(test_names);
	RUN(test_cut);
	RUN(test_too_long);
	RUN(test_garbage);
	return check_status();
}
