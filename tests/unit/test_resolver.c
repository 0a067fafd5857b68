/* SPDX-License-Identifier: BSD-3-Clause */
/* Look-ups of names must not stall the thread that asks, whatever the servers do. */
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "check.h"
#include "output/resolver.h"

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* /etc/hosts is asked without a network; the answer comes within the time that may be waited. */
static void test_local_name(void)
{
	static const uint8_t loopback[] = { 127, 0, 0, 1 };
	struct resolver *r;
	char name[64] = "";

	CHECK_INT(resolver_new(&r, false, false), 0);
	for (int i = 0; i < 2; i++) {
		const char *s = resolver_find(r, AF_INET, loopback);

		snprintf(name, sizeof(name), "%s", s ? s : "(none)");
	}
	resolver_free(r);
	if (strcmp(name, "(none)") == 0)
		CHECK_SKIP("127.0.0.1 has no name here");
	CHECK_STR(name, "localhost");
}

/* 192.0.2.0/24, 198.51.100.0/24 and 2001:db8::/32 are for documentation: no server knows names of them, and many never
 * answer. More addresses than the queue and the cache hold. */
static void test_bounded_wait(void)
{
	uint8_t address[16] = { 0x20, 0x01, 0x0d, 0xb8 };
	const double start = now();
	struct resolver *r;

	CHECK_INT(resolver_new(&r, true, true), 0);
	for (unsigned i = 0; i < 40000; i++) {
		address[14] = (uint8_t)(i >> 8);
		address[15] = (uint8_t)i;
		if (i % 2)
			resolver_find(r, AF_INET6, address);
		else
			resolver_find(r, AF_INET, (const uint8_t[]){ 192, 0, 2, (uint8_t)(i / 2) });
	}
	resolver_free(r);
	CHECK(now() - start < 1.5);
}

int main(void)
{
	RUN(test_local_name);
	RUN(test_bounded_wait);
	return check_status();
}
