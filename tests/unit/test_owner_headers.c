/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose packet it is, asked in user space: what is read in headers. */
#include <linux/if_packet.h>

#include "owners_rig.h"

#define TCP4 "6 10.0.0.1 1000 10.0.0.2 80 "
#define TCP6 "6 fd00::1 1000 fd00::2 80 "

static bool keys_mirrored(const struct flow_key *a, const struct flow_key *b)
{
	struct flow_key other = *a;

	memcpy(other.l, a->r, sizeof(other.l));
	memcpy(other.r, a->l, sizeof(other.r));
	other.lport = a->rport;
	other.rport = a->lport;
	return memcmp(&other, b, sizeof(other)) == 0;
}

/* What the first n bytes of the packet tell: "" if nothing. */
static const char *tuple_of(int dlt, uint32_t n)
{
	struct event_packet e = { 0 };
	bool known;

	start(FLOWS, COOKIES);
	known = ask(dlt, n, &e, T0);
	if (asked == 0)
		return known ? "" : "waits for nobody";
	if (known || asked != 2 || asked_keys[0].netns != NETNS)
		return "?";
	if (!keys_mirrored(&asked_keys[0], &asked_keys[1]))
		return "ends differ";
	tell_key(&asked_keys[0]);
	return what_was_told();
}

static const char *tuple(int dlt)
{
	return tuple_of(dlt, packet_len);
}

/* Of every shorter packet the same is told or nothing; the first n that tells all. */
static uint32_t enough(int dlt)
{
	char whole[256];
	uint32_t n, ret = 0;

	snprintf(whole, sizeof(whole), "%s", tuple(dlt));
	for (n = 0; n <= packet_len; n++) {
		const char *part = tuple_of(dlt, n);

		if (!*part && !ret)
			continue;
		if (strcmp(part, whole) != 0)
			return UINT32_MAX;
		if (!ret)
			ret = n;
	}
	return ret;
}

/* --- headers ------------------------------------------------------------------------ */

static void test_link_types(void)
{
	static const struct {
		int dlt;
		uint32_t before; /* bytes before the type, if there is one */
		bool type;
		uint32_t after;
	} links[] = {
		{ DLT_EN10MB, 12, true, 0 }, { DLT_LINUX_SLL, 14, true, 0 }, { DLT_LINUX_SLL2, 0, true, 18 },
		{ DLT_RAW, 0, false, 0 },    { DLT_IPV4, 0, false, 0 },	     { DLT_IPV6, 0, false, 0 },
		{ DLT_NULL, 4, false, 0 },   { DLT_LOOP, 4, false, 0 },
	};

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		for (int v6 = 0; v6 < 2; v6++) {
			packet_len = 0;
			add_zeros(links[i].before);
			if (links[i].type)
				add16(v6 ? 0x86dd : 0x0800);
			add_zeros(links[i].after);
			if (v6)
				ipv6(IPPROTO_TCP);
			else
				ipv4(IPPROTO_TCP);
			ports(0);
			CHECK_STR(tuple(links[i].dlt), v6 ? TCP6 : TCP4);
			CHECK_INT(enough(links[i].dlt), packet_len - 20 + 8);
		}
	}
	CHECK_STR(tuple(DLT_LOOP), TCP6);
	CHECK_STR(tuple(DLT_IEEE802_11), "");
}

static void test_other_ethertypes(void)
{
	ethernet(0x0806);
	ipv4(IPPROTO_TCP);
	ports(0);
	CHECK_STR(tuple(DLT_EN10MB), "");
	packet[12] = 0x86;
	packet[13] = 0xdd; /* too short for such a header */
	packet_len = 14 + 39;
	CHECK_STR(tuple(DLT_EN10MB), "");
}

static void test_vlan_tags(void)
{
	ethernet(0x8100);
	add16(5), add16(0x0800);
	ipv4(IPPROTO_TCP), ports(0);
	CHECK_STR(tuple(DLT_EN10MB), TCP4);
	CHECK_INT(enough(DLT_EN10MB), 14 + 4 + 20 + 8);
	ethernet(0x88a8);
	add16(5), add16(0x8100), add16(6), add16(0x86dd);
	ipv6(IPPROTO_TCP), ports(0);
	CHECK_STR(tuple(DLT_EN10MB), TCP6);
	CHECK_INT(enough(DLT_EN10MB), 14 + 8 + 40 + 8);
	ethernet(0x88a8);
	add16(5), add16(0x88a8), add16(6), add16(0x8100), add16(7), add16(0x0800);
	ipv4(IPPROTO_TCP), ports(0);
	CHECK_STR(tuple(DLT_EN10MB), "");
}

static void test_ipv4_options(void)
{
	for (uint8_t words = 0; words <= 10; words++) {
		ethernet(0x0800);
		ipv4_with(IPPROTO_UDP, words, 0);
		ports(0);
		CHECK_STR(tuple(DLT_EN10MB), "17 10.0.0.1 1000 10.0.0.2 80 ");
		CHECK_INT(enough(DLT_EN10MB), 14 + 20 + words * 4 + 8);
	}
}

/* A header that claims to be shorter than it can be: what it says are ports is the header itself. */
static void test_ipv4_header_too_short(void)
{
	for (uint8_t words = 0; words < 5; words++) {
		ethernet(0x0800);
		ipv4(IPPROTO_TCP);
		ports(0);
		packet[14] = (uint8_t)(0x40 | words);
		CHECK_STR(tuple(DLT_EN10MB), "");
	}
}

/* Ports are in the first fragment only; what they would be in others is data. */
static void test_ipv4_fragments(void)
{
	static const struct {
		uint16_t fragment;
		bool first;
	} fragments[] = { { 0x2000, true }, { 0x4000, true }, { 0x2001, false }, { 0x0001, false }, { 0x1000, false } };

	for (size_t i = 0; i < sizeof(fragments) / sizeof(fragments[0]); i++) {
		packet_len = 0;
		ipv4_with(IPPROTO_TCP, 0, fragments[i].fragment);
		ports(0);
		CHECK_STR(tuple(DLT_RAW), fragments[i].first ? TCP4 : "");
	}
}

static void test_ipv6_extension_headers(void)
{
	static const uint8_t kinds[] = { IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS };

	for (size_t i = 0; i < sizeof(kinds); i++) {
		packet_len = 0;
		ipv6(kinds[i]);
		extension(IPPROTO_TCP, (uint8_t)(3 * i));
		ports(0);
		CHECK_STR(tuple(DLT_RAW), TCP6);
		CHECK_INT(enough(DLT_RAW), 40 + 8 + 24 * i + 8);
	}
	packet_len = 0;
	ipv6(IPPROTO_HOPOPTS);
	extension(IPPROTO_DSTOPTS, 0), extension(IPPROTO_ROUTING, 1), extension(IPPROTO_FRAGMENT, 2);
	ipv6_fragment(IPPROTO_TCP, 1);
	ports(0);
	CHECK_STR(tuple(DLT_RAW), TCP6);
	CHECK_INT(enough(DLT_RAW), 40 + 8 + 16 + 24 + 8 + 8);
	/* one too many, or of another kind */
	packet_len = 0;
	ipv6(IPPROTO_HOPOPTS);
	for (int i = 0; i < 4; i++)
		extension(IPPROTO_DSTOPTS, 0);
	extension(IPPROTO_TCP, 0);
	ports(0);
	CHECK_STR(tuple(DLT_RAW), "");
	packet_len = 0;
	ipv6(IPPROTO_AH);
	extension(IPPROTO_TCP, 0);
	ports(0);
	CHECK_STR(tuple(DLT_RAW), "");
}

static void test_ipv6_fragments(void)
{
	static const struct {
		uint16_t offset;
		bool first;
	} fragments[] = { { 0x0000, true }, { 0x0001, true }, { 0x0008, false }, { 0x0009, false }, { 0x8000, false } };

	for (size_t i = 0; i < sizeof(fragments) / sizeof(fragments[0]); i++) {
		packet_len = 0;
		ipv6(IPPROTO_FRAGMENT);
		ipv6_fragment(IPPROTO_TCP, fragments[i].offset);
		ports(0);
		CHECK_STR(tuple(DLT_RAW), fragments[i].first ? TCP6 : "");
	}
}

static void test_transports(void)
{
	static const uint8_t with[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_SCTP, IPPROTO_DCCP };
	static const uint8_t without[] = { IPPROTO_GRE, IPPROTO_ESP, IPPROTO_IGMP, IPPROTO_IPIP, 255 };

	for (size_t i = 0; i < sizeof(with); i++) {
		char want[64];

		packet_len = 0;
		ipv4(with[i]);
		ports(0);
		snprintf(want, sizeof(want), "%u 10.0.0.1 1000 10.0.0.2 80 ", with[i]);
		CHECK_STR(tuple(DLT_RAW), want);
	}
	for (size_t i = 0; i < sizeof(without); i++) {
		packet_len = 0;
		ipv4(without[i]);
		ports(0);
		CHECK_STR(tuple(DLT_RAW), "");
	}
}

/* The identifier stands at the end that asks. Errors and the rest are nobody's here. */
static void test_icmp(void)
{
	static const struct {
		bool v6;
		uint8_t type;
		const char *want;
	} messages[] = {
		{ false, 8, "1 10.0.0.1 77 10.0.0.2 0 " },
		{ false, 0, "1 10.0.0.1 0 10.0.0.2 77 " },
		{ false, 3, "" },
		{ false, 11, "" },
		{ false, 13, "" },
		{ true, 128, "58 fd00::1 77 fd00::2 0 " },
		{ true, 129, "58 fd00::1 0 fd00::2 77 " },
		{ true, 1, "" },
		{ true, 135, "" },
	};

	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		packet_len = 0;
		if (messages[i].v6)
			ipv6(IPPROTO_ICMPV6);
		else
			ipv4(IPPROTO_ICMP);
		icmp(messages[i].type);
		CHECK_STR(tuple(DLT_RAW), messages[i].want);
		if (messages[i].want[0])
			CHECK_INT(enough(DLT_RAW), packet_len);
	}
}

/* Any bytes: nothing is read beyond them (the sanitizer looks). */
static void test_any_bytes(void)
{
	static const int dlts[] = { DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_RAW, DLT_NULL };
	uint32_t seed = 1;

	start(FLOWS, COOKIES);
	for (unsigned round = 0; round < 20000; round++) {
		struct event_packet e = { 0 };

		packet_len = 0;
		if (round % 3 == 0)
			ethernet(round % 2 ? 0x86dd : 0x8100);
		else if (round % 3 == 1)
			ipv6(round % 2 ? IPPROTO_HOPOPTS : IPPROTO_FRAGMENT);
		for (uint32_t n = seed >> 8 & 127; n; n--) {
			seed = seed * 1664525 + 1013904223;
			/* extension headers often */
			packet[packet_len++] = seed >> 30 ? (uint8_t)(seed >> 16) : (uint8_t)(seed >> 16 & 63);
		}
		seed = seed * 1664525 + 1013904223;
		ask(dlts[round % 5], packet_len, &e, T0);
	}
}

static void test_direction(void)
{
	uint8_t sll[20] = { 0, PACKET_OUTGOING }, sll2[20] = { 0 };

	sll2[10] = PACKET_OUTGOING;
	CHECK_INT(owners_direction(DLT_LINUX_SLL, sll, 16), EVENT_DIR_OUT);
	CHECK_INT(owners_direction(DLT_LINUX_SLL, sll, 15), EVENT_DIR_NONE);
	CHECK_INT(owners_direction(DLT_LINUX_SLL2, sll2, 20), EVENT_DIR_OUT);
	CHECK_INT(owners_direction(DLT_LINUX_SLL2, sll2, 19), EVENT_DIR_NONE);
	CHECK_INT(owners_direction(DLT_EN10MB, sll, 20), EVENT_DIR_NONE);
	sll[1] = PACKET_HOST;
	sll2[10] = PACKET_BROADCAST;
	CHECK_INT(owners_direction(DLT_LINUX_SLL, sll, 16), EVENT_DIR_IN);
	CHECK_INT(owners_direction(DLT_LINUX_SLL2, sll2, 20), EVENT_DIR_IN);
}

int main(void)
{
	RUN(test_link_types);
	RUN(test_other_ethertypes);
	RUN(test_vlan_tags);
	RUN(test_ipv4_options);
	RUN(test_ipv4_header_too_short);
	RUN(test_ipv4_fragments);
	RUN(test_ipv6_extension_headers);
	RUN(test_ipv6_fragments);
	RUN(test_transports);
	RUN(test_icmp);
	RUN(test_any_bytes);
	RUN(test_direction);
	owners_free(owners);
	return check_status();
}
