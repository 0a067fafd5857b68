/* SPDX-License-Identifier: BSD-3-Clause */
/* Which addresses a namespace has, as the files of /proc tell. */
#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "capture/tenant.h"
#include "check.h"
#include "fake.h"
#include "util/clock.h"

/* A search begins. */
FAKE(DIR *, opendir, const char *path)
{
	told("%s ", path);
	return NULL;
}

static FILE *text_of(const char *text)
{
	return fmemopen((void *)(uintptr_t)text, strlen(text), "r");
}

static bool has_v4(const char *text, const char *address)
{
	FILE *f = text_of(text);
	bool has = tenant_has_v4(f, inet_addr(address));

	fclose(f);
	return has;
}

static bool has_v6(const char *text, const char *address)
{
	FILE *f = text_of(text);
	uint32_t a[4];
	bool has;

	inet_pton(AF_INET6, address, a);
	has = tenant_has_v6(f, a);
	fclose(f);
	return has;
}

static const char routes[] = "Main:\n"
			     "  +-- 0.0.0.0/0 3 0 5\n"
			     "     |-- 0.0.0.0\n"
			     "        /0 universe UNICAST\n"
			     "     +-- 172.17.0.0/16 2 0 2\n"
			     "        |-- 172.17.0.0\n"
			     "           /16 link UNICAST\n"
			     "        |-- 172.17.0.2\n"
			     "           /32 host LOCAL\n"
			     "     |-- 172.17.0.22\n"
			     "        /32 link UNICAST\n"
			     "     |-- 172.17.255.255\n"
			     "        /32 link BROADCAST\n";

static void test_v4(void)
{
	CHECK(has_v4(routes, "172.17.0.2"));
	CHECK(!has_v4(routes, "172.17.0.22"));
	CHECK(!has_v4(routes, "172.17.0.0"));
	CHECK(!has_v4(routes, "172.17.255.255"));
	CHECK(!has_v4("|-- 172.17.0.2\n", "172.17.0.2"));
}

static void test_v6(void)
{
	static const char addresses[] = "fe800000000000000042acfffe110002 02 40 20 80     eth0\n"
					"fd140000000000000000000000000002 02 40 00 80     eth0\n";

	CHECK(has_v6(addresses, "fd14::2"));
	CHECK(!has_v6(addresses, "fd14::1"));
	CHECK(!has_v6("fd14\n", "fd14::2"));
}

static struct tenant find(struct tenants *t, const char *address, uint64_t now)
{
	uint32_t a[4] = { 0, 0, htonl(0xffff), inet_addr(address) };

	return tenants_find(t, a, 7, now);
}

/* Nobody has any of many addresses: that is not found out for each packet. */
static void test_pauses(void)
{
	/* So that the search seems to have taken a second. */
	const uint64_t now = clock_ns(CLOCK_MONOTONIC) - NSEC_PER_SEC;
	struct tenants *t;

	CHECK_INT(tenants_new(&t), 0);
	CHECK_INT(find(t, "10.0.0.1", now).pid, 0);
	CHECK_STR(what_was_told(), "/proc ");
	find(t, "10.0.0.1", now + 1);
	find(t, "10.0.0.2", now + 1);
	find(t, "10.0.0.2", now + 20 * NSEC_PER_SEC);
	CHECK_STR(what_was_told(), "");
	find(t, "10.0.0.2", now + 30 * NSEC_PER_SEC);
	CHECK_STR(what_was_told(), "/proc ");
	tenants_free(t);
}

int main(void)
{
	RUN(test_v4);
	RUN(test_v6);
	RUN(test_pauses);
	return check_status();
}
