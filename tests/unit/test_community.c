/* SPDX-License-Identifier: BSD-3-Clause */
/* Community IDs: those that the specification's own test files have with seed 0, in both directions. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "check.h"
#include "output/community.h"

static struct headers flow(int family, const char *src, const char *dst, uint8_t proto, uint16_t sport, uint16_t dport)
{
	struct headers h = { .vlan = -1, .tuple = { .family = (uint8_t)family, .proto = proto } };

	inet_pton(family == 4 ? AF_INET : AF_INET6, src, h.tuple.src);
	inet_pton(family == 4 ? AF_INET : AF_INET6, dst, h.tuple.dst);
	if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6) {
		h.has_icmp = true;
		h.icmp_type = (uint8_t)sport;
		h.icmp_code = (uint8_t)dport;
	} else {
		h.has_ports = true;
		h.tuple.sport = sport;
		h.tuple.dport = dport;
	}
	return h;
}

static const char *id_of(const struct headers *h)
{
	static char text[COMMUNITY_LEN + 1];

	memset(text, 0, sizeof(text));
	if (!community_id(h, text))
		strcpy(text, "none");
	return text;
}

static void test_known(void)
{
	const struct {
		struct headers h;
		const char *id;
	} known[] = {
		{ flow(4, "128.232.110.120", "66.35.250.204", IPPROTO_TCP, 34855, 80),
		  "1:LQU9qZlK+B5F3KDmev6m5PMibrg=" },
		{ flow(4, "66.35.250.204", "128.232.110.120", IPPROTO_TCP, 80, 34855),
		  "1:LQU9qZlK+B5F3KDmev6m5PMibrg=" },
		{ flow(4, "192.168.1.52", "8.8.8.8", IPPROTO_UDP, 54585, 53), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=" },
		{ flow(4, "8.8.8.8", "192.168.1.52", IPPROTO_UDP, 53, 54585), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=" },
		{ flow(4, "192.168.0.89", "192.168.0.1", IPPROTO_ICMP, 8, 0), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=" },
		{ flow(4, "192.168.0.1", "192.168.0.89", IPPROTO_ICMP, 0, 0), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=" },
		{ flow(4, "192.168.170.8", "192.168.170.56", IPPROTO_SCTP, 7, 80), "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ=" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		CHECK_STR(id_of(&known[i].h), known[i].id);
}

static void test_one_way(void)
{
	const struct headers there = flow(4, "10.0.0.2", "10.0.0.1", IPPROTO_ICMP, 3, 1);
	const struct headers back = flow(4, "10.0.0.1", "10.0.0.2", IPPROTO_ICMP, 3, 1);
	char text[COMMUNITY_LEN + 1];

	strcpy(text, id_of(&there));
	CHECK(strcmp(text, id_of(&back)) != 0);
}

static void test_none(void)
{
	struct headers h = flow(4, "10.0.0.2", "10.0.0.1", IPPROTO_TCP, 1, 2);

	h.has_ports = false;
	CHECK_STR(id_of(&h), "none");
	h.has_ports = h.fragment = true;
	CHECK_STR(id_of(&h), "none");
	h = (struct headers){ .vlan = -1 };
	CHECK_STR(id_of(&h), "none");
}

/* Without ports there are the addresses and the protocol. */
static void test_other(void)
{
	const struct headers there = flow(6, "fe80::1", "fe80::2", IPPROTO_GRE, 0, 0);
	const struct headers back = flow(6, "fe80::2", "fe80::1", IPPROTO_GRE, 0, 0);
	char text[COMMUNITY_LEN + 1];

	strcpy(text, id_of(&there));
	CHECK_STR(id_of(&back), text);
	CHECK_INT(strlen(text), COMMUNITY_LEN);
}

int main(void)
{
	RUN(test_known);
	RUN(test_one_way);
	RUN(test_none);
	RUN(test_other);
	return check_status();
}
