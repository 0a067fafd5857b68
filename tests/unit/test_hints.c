/* SPDX-License-Identifier: BSD-3-Clause */
/* What an expression that cannot be compiled was meant for. */
#include "check.h"
#include "hints.h"

static const char *translated(const char *display)
{
	static char expr[128];

	return hint_translate(display, expr, sizeof(expr)) ? expr : "no";
}

static void test_translate(void)
{
	CHECK_STR(translated("tcp.port == 80"), "tcp port 80");
	CHECK_STR(translated("tcp.port==80"), "tcp port 80");
	CHECK_STR(translated("ip.addr eq 1.2.3.4"), "host 1.2.3.4");
	CHECK_STR(translated("ip.src != 10.0.0.0/8"), "not src host 10.0.0.0/8");
	CHECK_STR(translated("ip.addr==1.2.3.4&&!(udp.port==53||tcp)"), "host 1.2.3.4 and not ( udp port 53 or tcp )");
	CHECK_STR(translated("ipv6.addr == ::1 or dns"), "ip6 host ::1 or port 53");
	CHECK_STR(translated("eth.src == 02:00:00:00:00:01"), "ether src 02:00:00:00:00:01");
	CHECK_STR(translated("http"), "tcp port 80");
}

static void test_no_translation(void)
{
	char small[12];

	CHECK_STR(translated(""), "no");
	CHECK_STR(translated("tcp and and"), "no");
	CHECK_STR(translated("tcp.port"), "no");
	CHECK_STR(translated("tcp.port > 80"), "no");
	CHECK_STR(translated("tcp.port =="), "no");
	CHECK_STR(translated("http.host == x"), "no");
	CHECK(!hint_translate("ip.addr == 1.2.3.4", small, sizeof(small)));
}

static void test_hostile(void)
{
	char text[4096], expr[4096];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "tcp.port == ", 12);
	CHECK(!hint_translate(text, expr, sizeof(expr)));
	memset(text, '(', sizeof(text) - 1);
	CHECK(!hint_translate(text, expr, 100));
	memset(text, '=', sizeof(text) - 1);
	CHECK(!hint_translate(text, expr, 100));
}

int main(void)
{
	RUN(test_translate);
	RUN(test_no_translation);
	RUN(test_hostile);
	return check_status();
}
