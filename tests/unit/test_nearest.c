/* SPDX-License-Identifier: BSD-3-Clause */
/* Which names are like another one. */
#include "check.h"
#include "util/nearest.h"

static unsigned between(const char *wanted, const char *name)
{
	return nearest_distance(str_of(wanted), str_of(name));
}

static void test_distance(void)
{
	CHECK_INT(between("web", "WEB"), NEAREST_SAME);
	CHECK(between("wbe", "web") < NEAREST_UNLIKE);
	CHECK(between("we", "web") < NEAREST_UNLIKE);
	CHECK(between("ngnix", "nginx") < between("ngnix", "ngnix-exporter"));
	CHECK(between("web", "web-7d9f6c") < between("web", "shop-web-1"));
	CHECK(between("shop_web_1", "shop-web-1") < NEAREST_UNLIKE);
	CHECK_INT(between("web", "db"), NEAREST_UNLIKE);
	CHECK_INT(between("web", "dns"), NEAREST_UNLIKE);
	CHECK_INT(between("", "web"), NEAREST_UNLIKE);
	CHECK_INT(between("web", ""), NEAREST_UNLIKE);
	CHECK_INT(between("a", "ab"), NEAREST_UNLIKE);
}

static void test_best_are_kept(void)
{
	static const char *const names[] = { "web-4", "db", "xwebx", "web-3", "web", "web-2", "web-4" };
	struct nearest n = { .wanted = str_of("wen") };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		nearest_offer(&n, str_of(names[i]), NULL);
	CHECK_INT(n.n, 1);
	CHECK_STR(n.kept[0].name, "web");
	n = (struct nearest){ .wanted = str_of("web") };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		nearest_offer(&n, str_of(names[i]), NULL);
	CHECK_INT(n.n, NEAREST_KEPT);
	CHECK_STR(n.kept[0].name, "web");
	CHECK_STR(n.kept[1].name, "web-2");
	CHECK_STR(n.kept[2].name, "web-3");
	nearest_offer_at(&n, str_of("elsewhere"), "option", NEAREST_SAME);
	CHECK_STR(n.kept[0].name, "elsewhere");
	CHECK_STR(n.kept[2].name, "web-2");
}

static void test_long_names(void)
{
	struct nearest n = { 0 };
	char a[4096], b[4096];

	memset(a, 'a', sizeof(a));
	memset(b, 'a', sizeof(b));
	b[sizeof(b) - 1] = 'b';
	for (uint32_t i = 1; i < sizeof(a); i += 7) {
		nearest_distance((struct str){ a, i }, (struct str){ b, sizeof(b) });
		nearest_distance((struct str){ b, sizeof(b) }, (struct str){ a, i });
		nearest_distance((struct str){ a, i }, (struct str){ b + sizeof(b) - i, i });
	}
	n.wanted = (struct str){ a, 100 };
	nearest_offer(&n, (struct str){ b, sizeof(b) }, NULL);
	nearest_offer(&n, (struct str){ b, NEAREST_NAME_MAX }, NULL);
	CHECK_INT(n.n, 0);
	nearest_offer(&n, (struct str){ b, NEAREST_NAME_MAX - 1 }, NULL);
	CHECK_INT(n.n, 1);
}

int main(void)
{
	RUN(test_distance);
	RUN(test_best_are_kept);
	RUN(test_long_names);
	return check_status();
}
