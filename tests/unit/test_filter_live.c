/* SPDX-License-Identifier: BSD-3-Clause */
/* The shortcuts of compile.c: what it compiles without a live handle is what a live handle would give. */
#include "filter/compile.c"

#include "check.h"

static const char *const exprs[] = { "inbound",	    "outbound and tcp", "ifindex 3 or not inbound",
				     "tcp port 80", "ip6 protochain 6", "len > 100 and net 10.0.0.0/8" };

static void same_code(int dlt)
{
	const struct filter_compile_opts opts = { .dlt = dlt, .live = true };

	for (size_t i = 0; i < sizeof(exprs) / sizeof(exprs[0]); i++) {
		struct filter_code live, quick;
		char err[FILTER_ERR_LEN] = "";
		int rc = compile_live(exprs[i], &opts, dlt, &live, err);

		if (rc == -EPERM)
			CHECK_SKIP("needs CAP_NET_RAW");
		if (rc)
			CHECK_FAIL("%s: %s", exprs[i], err);
		if (filter_compile(exprs[i], &opts, &quick, err))
			CHECK_FAIL("%s: %s", exprs[i], err);
		CHECK_INT(quick.n, live.n);
		CHECK_MEM(quick.insns, live.insns, live.n * sizeof(*live.insns));
		filter_done(&live);
		filter_done(&quick);
	}
}

static void test_ethernet(void)
{
	same_code(DLT_EN10MB);
}

static void test_raw_ip(void)
{
	if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK))
		CHECK_SKIP("needs root and /dev/net/tun");
	same_code(DLT_RAW);
}

static void test_tag_in_metadata(void)
{
	const struct filter_compile_opts saved = { .dlt = DLT_EN10MB }, live = { .dlt = DLT_EN10MB, .live = true };
	const char *expr = "ip and vlan 10"; /* a contradiction where the tag stands in the place of the type */
	struct filter_code code;
	char err[FILTER_ERR_LEN];
	int rc;

	CHECK_INT(filter_compile(expr, &saved, &code, err), -EINVAL);
	CHECK_STR(err, REJECTS_ALL);
	rc = filter_compile(expr, &live, &code, err);
	if (rc == -EPERM)
		CHECK_SKIP("needs CAP_NET_RAW");
	CHECK_INT(rc, 0);
	filter_done(&code);
}

int main(void)
{
	RUN(test_ethernet);
	RUN(test_raw_ip);
	RUN(test_tag_in_metadata);
	return check_status();
}
