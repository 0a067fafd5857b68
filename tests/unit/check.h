/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a unit test needs. A test is a function of checks; the program lists its tests and prints one line for each:
 *
 *	static void test_parse(void)
 *	{
 *		CHECK(parse("1") == 0);
 *		CHECK_INT(parse("x"), -EINVAL);
 *		CHECK_STR(name(), "eth0");
 *	}
 *
 *	int main(void)
 *	{
 *		RUN(test_parse);
 *		return check_status();
 *	}
 *
 * A failed check is described on the test's line ("not ok - parse: ...") and ends that test, not the program.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <string.h>

static int check_failed_tests;
static char check_why[1024]; /* of the running test; empty: nothing failed, starts with '\n': skipped */

/* The first failure is the one to look at; what follows from it is left out. */
#define CHECK_FAIL(...)                                                                                                \
	do {                                                                                                           \
		int check_n_ = snprintf(check_why, sizeof(check_why), "%s:%d: ", __FILE__, __LINE__);                  \
		snprintf(check_why + check_n_, sizeof(check_why) - (size_t)check_n_, __VA_ARGS__);                     \
		return;                                                                                                \
	} while (0)

#define CHECK(cond)                                                                                                    \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			CHECK_FAIL("%s", #cond);                                                                       \
	} while (0)

#define CHECK_INT(got, want)                                                                                           \
	do {                                                                                                           \
		long long check_got_ = (long long)(got), check_want_ = (long long)(want);                              \
		if (check_got_ != check_want_)                                                                         \
			CHECK_FAIL("%s is %lld, not %lld", #got, check_got_, check_want_);                             \
	} while (0)

#define CHECK_STR(got, want)                                                                                           \
	do {                                                                                                           \
		const char *check_got_ = (got), *check_want_ = (want);                                                 \
		if (!check_got_ || strcmp(check_got_, check_want_) != 0)                                               \
			CHECK_FAIL("%s is \"%.400s\", not \"%.400s\"", #got, check_got_ ? check_got_ : "(null)",       \
				   check_want_);                                                                       \
	} while (0)

#define CHECK_MEM(got, want, len)                                                                                      \
	do {                                                                                                           \
		if (memcmp(got, want, len) != 0)                                                                       \
			CHECK_FAIL("%s differs from %s", #got, #want);                                                 \
	} while (0)

/* Ends the test as skipped: CHECK_SKIP("needs root"). */
#define CHECK_SKIP(why)                                                                                                \
	do {                                                                                                           \
		snprintf(check_why, sizeof(check_why), "\n%s", why);                                                   \
		return;                                                                                                \
	} while (0)

#define RUN(test) check_run(#test, test)

static inline void check_run(const char *name, void (*test)(void))
{
	if (strncmp(name, "test_", 5) == 0)
		name += 5;
	check_why[0] = '\0';
	test();
	if (check_why[0] == '\0') {
		printf("ok - %s\n", name);
	} else if (check_why[0] == '\n') {
		printf("skip - %s: %s\n", name, check_why + 1);
	} else {
		/* What a check quotes may hold line breaks; the report is one line. */
		for (char *p = check_why; *p; p++) {
			if (*p == '\n')
				*p = ' ';
		}
		printf("not ok - %s: %s\n", name, check_why);
		check_failed_tests++;
	}
	fflush(stdout);
}

static inline int check_status(void)
{
	return check_failed_tests ? 1 : 0;
}

#endif
