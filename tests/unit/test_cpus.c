/* SPDX-License-Identifier: BSD-3-Clause */
/* How many CPUs the kernel's lists tell of. */
#include "check.h"
#include "util/cpus.h"

static void test_lists(void)
{
	CHECK_INT(cpus_list_end("0\n"), 1);
	CHECK_INT(cpus_list_end("0-1\n"), 2);
	CHECK_INT(cpus_list_end("0-3,8,10-127"), 128);
	CHECK_INT(cpus_list_end("2,511\n"), 512);
}

static void test_no_lists(void)
{
	CHECK_INT(cpus_list_end(""), 0);
	CHECK_INT(cpus_list_end("\n"), 0);
	CHECK_INT(cpus_list_end("0-"), 0);
	CHECK_INT(cpus_list_end("x"), 0);
	CHECK_INT(cpus_list_end("99999999999999999999\n"), 0);
}

static void test_this_machine(void)
{
	CHECK(cpus_end() > 0);
}

int main(void)
{
	RUN(test_lists);
	RUN(test_no_lists);
	RUN(test_this_machine);
	return check_status();
}
