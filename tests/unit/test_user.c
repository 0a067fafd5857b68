/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of users: a directory service that does not answer must not stall whoever asks. */
#include "meta/user.h"

#include <pwd.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static const uid_t QUICK = 3000000001, SLOW = 3000000002, NOBODY_HAS = 3000000003;

static bool asked_for_root;

/* In the place of libc's, as if a service were behind it. */
int getpwuid_r(uid_t uid, struct passwd *pw, char *text, size_t size, struct passwd **found)
{
	static char quick[] = "quick", slow[] = "slow";

	(void)text;
	(void)size;
	asked_for_root |= uid == 0;
	*found = NULL;
	if (uid == NOBODY_HAS)
		return 0;
	if (uid == SLOW || uid != QUICK)
		usleep(500000);
	*pw = (struct passwd){ .pw_uid = uid, .pw_name = uid == QUICK ? quick : slow };
	*found = pw;
	return 0;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static const char *name_of(struct users *u, uint32_t uid, bool *pending)
{
	const struct str s = users_find(u, uid, pending);

	return s.p ? s.p : "(none)";
}

static void test_names(void)
{
	struct users *u;
	bool pending;

	CHECK_INT(users_new(&u), 0);
	CHECK_STR(name_of(u, 0, &pending), "root");
	CHECK(!pending && !asked_for_root);
	for (int i = 0; i < 100 && (users_find(u, QUICK, &pending), pending); i++)
		usleep(10000);
	CHECK_STR(name_of(u, QUICK, &pending), "quick");
	for (int i = 0; i < 100 && (users_find(u, NOBODY_HAS, &pending), pending); i++)
		usleep(10000);
	CHECK_STR(name_of(u, NOBODY_HAS, &pending), "(none)");
	CHECK(!pending);
	users_free(u);
}

static void test_slow_service(void)
{
	const double start = now();
	struct users *u;
	bool pending;

	CHECK_INT(users_new(&u), 0);
	CHECK(!users_changed(u));
	CHECK_STR(name_of(u, SLOW, &pending), "(none)");
	CHECK(pending);
	for (uint32_t i = 0; i < 2000; i++)
		users_find(u, 4000000000u + i, &pending);
	CHECK(now() - start < 0.45);
	for (int i = 0; i < 300 && !users_changed(u); i++)
		usleep(10000);
	CHECK_STR(name_of(u, SLOW, &pending), "slow");
	CHECK(!pending && !users_changed(u));
	/* The thread is asked for another one. */
	users_free(u);
}

int main(void)
{
	RUN(test_names);
	RUN(test_slow_service);
	return check_status();
}
