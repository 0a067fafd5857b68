/* SPDX-License-Identifier: BSD-3-Clause */
/* What of an expression's process terms the kernel gets to know. */
#include <stdlib.h>

#include "check.h"
#include "session_terms.h"

/* Of an expression whose users have no names. */
static int find(struct asked *a, const char *text)
{
	const struct match_user *users[FILTER_TERMS_MAX] = { 0 };
	struct options o = { .term_users = users };
	char err[FILTER_ERR_LEN];
	int rc = filter_expr_new(&o.filter, text, err);

	if (rc)
		return rc;
	rc = asked_find(a, &o);
	filter_expr_free(o.filter);
	return rc;
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
	CHECK_INT(a.decided.bits[0], 0x1f);
	asked_done(&a);
}

static void test_undecided(void)
{
	struct asked a;

	CHECK_INT(find(&a, "not pid 7 or exe x or pname y* or parent 7"), 0);
	CHECK(!asked_any(&a));
	CHECK_INT(a.decided.bits[0], 0);
	asked_done(&a);
}

int main(void)
{
	RUN(test_numbers);
	RUN(test_undecided);
	return check_status();
}
