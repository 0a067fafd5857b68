/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/pidns.h"

#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "util/procfs.h"

static unsigned parse(const char *text, uint32_t *first)
{
	*first = 99;
	return pidns_parse(text, first);
}

static void test_parse(void)
{
	uint32_t pid;

	CHECK_INT(parse("pos:\t0\nflags:\t02000002\nPid:\t21\nNSpid:\t21\n", &pid), 1);
	CHECK_INT(pid, 21);
	/* /proc is of a namespace further out. */
	CHECK_INT(parse("pos:\t0\nPid:\t300\nNSpid:\t300\t20\t1\n", &pid), 3);
	CHECK_INT(pid, 300);
	/* A kernel without pid namespaces */
	CHECK_INT(parse("pos:\t0\nPid:\t21\n", &pid), 1);
	CHECK_INT(pid, 21);
}

static void test_parse_nobody(void)
{
	static const char *const texts[] = { "",
					     "\n",
					     "pos:\t0\n",
					     "\nNSpid:",
					     "\nNSpid:\t",
					     "\nNSpid:\n21\n",
					     "pos:\t0\nPid:\t0\nNSpid:\t0\n",
					     "pos:\t0\nPid:\t-1\n",
					     "\nNSpid:\t99999999999999999999\n",
					     "\nNSpid:\tx\n" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		uint32_t pid;

		CHECK_INT(parse(texts[i], &pid), 0);
		CHECK_INT(pid, 0);
	}
}

static void test_ourselves(void)
{
	const struct pidns ns = pidns_of_proc();
	char self[32] = "";

	CHECK(readlink("/proc/self", self, sizeof(self) - 1) > 0);
	CHECK_INT(pidns_shown(getpid()), atoi(self));
	CHECK_INT(ns.ours, atoi(self) == getpid());
	CHECK(ns.inode);
	CHECK_INT(ns.inode == procfs_namespace(0, "pid"), ns.ours);
	CHECK_INT(ns.initial, ns.inode == 0xeffffffcu);
	CHECK_INT(pidns_shown(4194304), 0);
}

int main(void)
{
	RUN(test_parse);
	RUN(test_parse_nobody);
	RUN(test_ourselves);
	return check_status();
}
