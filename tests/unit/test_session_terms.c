/* SPDX-License-Identifier: BSD-3-Clause */
/* What of an expression's process terms the kernel gets to know. */
#include <stdlib.h>

#include "check.h"
#include "session_terms.h"

/* o: of options; the users of the expression have no names. */
static int find_beside(struct asked *a, struct options *o, const char *text, uint32_t command)
{
	const struct match_user *users[FILTER_TERMS_MAX] = { 0 };
	char err[FILTER_ERR_LEN];
	int rc = filter_expr_new(&o->filter, text, err);

	if (rc)
		return rc;
	o->term_users = users;
	rc = asked_find(a, o, command);
	filter_expr_free(o->filter);
	return rc;
}

static int find(struct asked *a, const char *text)
{
	return find_beside(a, &(struct options){ 0 }, text, 0);
}

static void test_numbers(void)
{
	struct asked a;

	CHECK_INT(find(&a, "uid 0 or uid 2147483648 or uid 4294967294 or pid 4194304 or pid 7@host"), 0);
	CHECK_INT(a.uids.n, 3);
	CHECK_INT(a.uids.v[1], 2147483648);
	CHECK_INT(a.uids.v[2], 4294967294);
	CHECK_INT(a.pids.n, 2);
	CHECK_INT(a.pids.v[1], PID_OUTSIDE | 7);
	CHECK(a.by_terms);
	CHECK_INT(a.decided.bits[0], 0x1f);
	asked_done(&a);
}

static void test_undecided(void)
{
	struct asked a;

	CHECK_INT(find(&a, "not pid 7 or exe x or pname y* or parent 7"), 0);
	CHECK(!a.by_terms && !a.pids.n && !a.pnames[0]);
	CHECK_INT(a.decided.bits[0], 0);
	asked_done(&a);
}

/* There is one process filter: options that are given have it. */
static void test_options(void)
{
	uint32_t pid[] = { 7 };
	char *names[] = { "curl", "wget", NULL };
	struct options o = { .pids = { pid, 1 }, .pnames = { names, 2 } };
	struct asked a;

	CHECK_INT(find_beside(&a, &o, "pid 8 or uid 0", 9), 0);
	CHECK(!a.by_terms && !a.undecided && !a.containers);
	CHECK_INT(a.pids.n, 2);
	CHECK_INT(a.pids.v[1], 9);
	CHECK_STR(a.pnames[1], "wget");
	CHECK(!a.pnames[2] && !a.uids.n);
	asked_done(&a);
}

/* The kernel compares names, and knows one of everybody. */
static void test_names_of_options(void)
{
	char *pattern[] = { "curl", "w*", NULL }, *unknown[] = { ANNOT_UNKNOWN, "curl", NULL };
	struct asked a;

	CHECK_INT(find_beside(&a, &(struct options){ .pnames = { pattern, 2 } }, "tcp", 0), 0);
	CHECK(a.undecided && !a.pnames[0]);
	asked_done(&a);
	CHECK_INT(find_beside(&a, &(struct options){ .pnames = { unknown, 2 } }, "", 0), 0);
	CHECK(a.undecided && !a.pnames[0]);
	asked_done(&a);
}

int main(void)
{
	RUN(test_numbers);
	RUN(test_undecided);
	RUN(test_options);
	RUN(test_names_of_options);
	return check_status();
}
