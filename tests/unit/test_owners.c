/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose packet it is, asked in user space: what is read in headers, who is asked, and for how long answers hold. */
#include "capture/owners.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <pcap/dlt.h>
#include <ptcpdump/owner.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fake.h"
#include "util/procfs.h"

enum { FLOWS = 100, COOKIES = 101, NETNS = 7, LO = 1, ETH0 = 2 };
#define MSEC UINT64_C(1000000)
#define T0 (1000 * MSEC)

/* --- maps ------------------------------------------------------------------------ */

static struct {
	struct flow_key key;
	struct owner_rec rec;
} flows[8];
static struct {
	uint64_t cookie;
	struct owner_rec rec;
} cookies[8];
static unsigned nflows, ncookies, asked;
static struct flow_key asked_keys[2]; /* the first two */

static const char *address(const uint32_t *a)
{
	static char text[4][INET6_ADDRSTRLEN];
	static unsigned n;
	char *to = text[n++ % 4];
	const struct in6_addr *a6 = (const void *)a;

	if (IN6_IS_ADDR_V4MAPPED(a6))
		return inet_ntop(AF_INET, &a[3], to, INET6_ADDRSTRLEN);
	return inet_ntop(AF_INET6, a6, to, INET6_ADDRSTRLEN);
}

static void tell_key(const struct flow_key *k)
{
	told("%u %s %u %s %u ", k->proto, address(k->l), ntohs(k->lport), address(k->r), ntohs(k->rport));
}

FAKE(int, bpf_map_lookup_elem, int fd, const void *key, void *value)
{
	if (fd == COOKIES) {
		for (unsigned i = 0; i < ncookies; i++) {
			if (memcmp(&cookies[i].cookie, key, sizeof(uint64_t)) == 0) {
				memcpy(value, &cookies[i].rec, sizeof(cookies[i].rec));
				return 0;
			}
		}
		return -ENOENT;
	}
	if (((const struct flow_key *)key)->netns) {
		if (asked < 2)
			memcpy(&asked_keys[asked], key, sizeof(asked_keys[0]));
		asked++;
	}
	for (unsigned i = 0; fd == FLOWS && i < nflows; i++) {
		if (memcmp(&flows[i].key, key, sizeof(flows[i].key)) == 0) {
			memcpy(value, &flows[i].rec, sizeof(flows[i].rec));
			return 0;
		}
	}
	return -ENOENT;
}

/* --- packets --------------------------------------------------------------------- */

static uint8_t packet[512];
static uint32_t packet_len;

static uint32_t add(const char *bytes, uint32_t n)
{
	memcpy(packet + packet_len, bytes, n);
	packet_len += n;
	return packet_len;
}

#define ADD(bytes) add(bytes, sizeof(bytes) - 1)

static void add_zeros(uint32_t n)
{
	memset(packet + packet_len, 0, n);
	packet_len += n;
}

static void add16(uint16_t n)
{
	packet[packet_len++] = (uint8_t)(n >> 8);
	packet[packet_len++] = (uint8_t)n;
}

static void ethernet(uint16_t type)
{
	packet_len = 0;
	ADD("\xff\xff\xff\xff\xff\xff\2\0\0\0\0\1");
	add16(type);
}

/* 10.0.0.1 to 10.0.0.2 with options of so many words. */
static void ipv4_with(uint8_t protocol, uint8_t words, uint16_t fragment)
{
	packet[packet_len++] = (uint8_t)(0x45 + words);
	add_zeros(5);
	add16(fragment);
	packet[packet_len++] = 64;
	packet[packet_len++] = protocol;
	add_zeros(2);
	ADD("\x0a\0\0\1\x0a\0\0\2");
	add_zeros(words * 4U);
}

static void ipv4(uint8_t protocol)
{
	ipv4_with(protocol, 0, 0);
}

/* fd00::1 to fd00::2 */
static void ipv6(uint8_t next)
{
	ADD("\x60\0\0\0\0\0");
	packet[packet_len++] = next;
	packet[packet_len++] = 64;
	ADD("\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1");
	ADD("\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2");
}

static void extension(uint8_t next, uint8_t more_words)
{
	packet[packet_len++] = next;
	packet[packet_len++] = more_words;
	add_zeros(6 + 8U * more_words);
}

static void ipv6_fragment(uint8_t next, uint16_t offset)
{
	packet[packet_len++] = next;
	packet[packet_len++] = 200; /* reserved: no length here */
	add16(offset);
	add_zeros(4);
}

/* Ports 1000 and 80, and of TCP the flags. */
static void ports(uint8_t flags)
{
	add16(1000);
	add16(80);
	add_zeros(9);
	packet[packet_len++] = flags;
	add_zeros(6);
}

static void icmp(uint8_t type)
{
	packet[packet_len++] = type;
	add_zeros(3);
	add16(77);
	add16(0x0101);
}

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

static struct owners *owners;

static void start(int flows_fd, int cookies_fd)
{
	owners_free(owners);
	if (owners_new(&owners, flows_fd, cookies_fd) != 0)
		abort();
	nflows = ncookies = asked = 0;
	what_was_told();
}

/* At its exact size, that a read beyond it is seen. */
static bool ask(int dlt, uint32_t n, struct event_packet *e, uint64_t now)
{
	uint8_t *exact = malloc(n ? n : 1);
	bool ret;

	memcpy(exact, packet, n);
	e->caplen = n;
	if (!e->netns)
		e->netns = NETNS;
	ret = owners_find(owners, dlt, e, exact, now);
	free(exact);
	return ret;
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

/* --- maps ------------------------------------------------------------------------------- */

enum { FIN = 1, SYN = 2, ACK = 16 };

static void tcp(uint8_t flags)
{
	packet_len = 0;
	ipv4(IPPROTO_TCP);
	ports(flags);
}

static struct flow_key key_of(bool mirrored, uint32_t netns)
{
	struct flow_key k = { .l = { 0, 0, htonl(0xffff), htonl(0x0a000001 + mirrored) },
			      .r = { 0, 0, htonl(0xffff), htonl(0x0a000002 - mirrored) },
			      .netns = netns,
			      .lport = htons(mirrored ? 80 : 1000),
			      .rport = htons(mirrored ? 1000 : 80),
			      .proto = IPPROTO_TCP };

	return k;
}

static struct owner_rec *put_flow(bool mirrored, uint32_t netns, uint32_t tgid)
{
	flows[nflows].key = key_of(mirrored, netns);
	flows[nflows].rec = (struct owner_rec){ .tgid = tgid, .tid = tgid + 1, .uid = 5, .start = 99 };
	return &flows[nflows++].rec;
}

static struct owner_rec *put_cookie(uint64_t cookie, uint32_t tgid)
{
	cookies[ncookies].cookie = cookie;
	cookies[ncookies].rec = (struct owner_rec){ .tgid = tgid, .cookie = cookie };
	return &cookies[ncookies++].rec;
}

static struct event_packet found;

static bool ask_tcp(uint8_t flags, uint64_t now)
{
	tcp(flags);
	found = (struct event_packet){ .ifindex = ETH0 };
	asked = 0;
	return ask(DLT_RAW, packet_len, &found, now);
}

static void test_record_becomes_owner(void)
{
	struct owner_rec *rec;

	start(FLOWS, COOKIES);
	put_flow(false, NETNS, 10)->cookie = 3;
	rec = put_flow(true, NETNS, 20);
	rec->certain = 1;
	rec->source = OWNER_SCAN;
	CHECK(ask_tcp(ACK, T0));
	CHECK_INT(found.src.tgid, 10);
	CHECK_INT(found.src.tid, 11);
	CHECK_INT(found.src.uid, 5);
	CHECK_INT(found.src.start, 99);
	CHECK_INT(found.src.cookie, 3);
	CHECK_INT(found.src.source, OWNER_FLOW);
	CHECK_INT(found.src.flags, OWNER_F_PROVISIONAL);
	CHECK_INT(found.dst.tgid, 20);
	CHECK_INT(found.dst.source, OWNER_SCAN);
	CHECK_INT(found.dst.flags, 0);
}

/* That of this namespace is better than one of any. */
static void test_namespaces(void)
{
	start(FLOWS, COOKIES);
	put_flow(false, 0, 10), put_flow(false, NETNS, 11);
	put_flow(true, 0, 20), put_flow(true, NETNS + 1, 21);
	CHECK(ask_tcp(ACK, T0));
	CHECK_INT(found.src.tgid, 11);
	CHECK_INT(found.dst.tgid, 20);
}

/* Whoever uses the socket by now, if somebody does. */
static void test_cookies_of_flows(void)
{
	start(FLOWS, COOKIES);
	put_flow(false, NETNS, 10)->cookie = 3;
	put_cookie(3, 12);
	put_flow(true, NETNS, 20)->cookie = 4;
	put_cookie(4, 0);
	CHECK(ask_tcp(ACK, T0));
	CHECK_INT(found.src.tgid, 12);
	CHECK_INT(found.dst.tgid, 20);
	/* a cookie of 0 is none */
	start(FLOWS, COOKIES);
	put_flow(false, NETNS, 10);
	put_cookie(0, 12);
	CHECK(ask_tcp(ACK, T0));
	CHECK_INT(found.src.tgid, 10);
	/* nobody yet, until the socket is used */
	start(FLOWS, COOKIES);
	put_flow(false, NETNS, 0)->cookie = 3;
	CHECK(!ask_tcp(ACK, T0));
	CHECK_INT(found.src.tgid, 0);
	put_cookie(3, 12);
	CHECK(ask_tcp(SYN, T0));
	CHECK_INT(found.src.tgid, 12);
}

/* Which ends have to be known: those that are shown. */
static void test_ends_that_count(void)
{
	static const struct {
		uint32_t ifindex;
		uint8_t dir;
		bool src, dst, enough;
	} cases[] = {
		{ LO, EVENT_DIR_OUT, true, true, true },     { LO, EVENT_DIR_OUT, true, false, false },
		{ LO, EVENT_DIR_OUT, false, true, false },   { ETH0, EVENT_DIR_IN, false, true, true },
		{ ETH0, EVENT_DIR_IN, true, false, false },  { ETH0, EVENT_DIR_OUT, true, false, true },
		{ ETH0, EVENT_DIR_OUT, false, true, false }, { ETH0, EVENT_DIR_NONE, true, false, true },
		{ ETH0, EVENT_DIR_NONE, false, true, true }, { ETH0, EVENT_DIR_NONE, false, false, false },
	};

	tcp(ACK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct event_packet e = { .ifindex = cases[i].ifindex, .dir = cases[i].dir };

		start(FLOWS, COOKIES);
		if (cases[i].src)
			put_flow(false, NETNS, 10);
		if (cases[i].dst)
			put_flow(true, NETNS, 20);
		if (ask(DLT_RAW, packet_len, &e, T0) != cases[i].enough)
			CHECK_FAIL("case %zu", i);
		CHECK_INT(e.src.tgid, cases[i].src ? 10 : 0);
		CHECK_INT(e.dst.tgid, cases[i].dst ? 20 : 0);
	}
}

static struct event_packet ask_knowing(uint8_t flags, struct event_owner src, struct event_owner dst, bool *ret)
{
	struct event_packet e = { .ifindex = LO, .src = src, .dst = dst };

	tcp(flags);
	asked = 0;
	*ret = ask(DLT_RAW, packet_len, &e, T0);
	return e;
}

static void test_ends_known_before(void)
{
	const struct event_owner some = { .tgid = 5 }, none = { 0 }, cookie = { .cookie = 8 };
	struct event_packet e;
	bool known;

	start(FLOWS, COOKIES);
	ask_knowing(ACK, some, some, &known);
	CHECK(known && asked == 0);
	put_flow(false, NETNS, 10);
	e = ask_knowing(ACK, some, none, &known);
	CHECK(!known && asked == 1 && e.src.tgid == 5);
	e = ask_knowing(ACK, none, some, &known);
	CHECK(known && e.src.tgid == 10 && e.dst.tgid == 5);
	/* what a cookie stands for is asked for, but while a connection is made the maps may hold the one before */
	e = ask_knowing(ACK, cookie, cookie, &known);
	CHECK(known && e.src.tgid == 10 && e.dst.tgid == 0 && e.dst.cookie == 8);
	e = ask_knowing(SYN, cookie, cookie, &known);
	CHECK(known && asked == 0 && e.src.tgid == 0 && e.src.cookie == 8);
	e = ask_knowing(SYN | ACK, cookie, cookie, &known);
	CHECK(known && asked == 0 && e.src.tgid == 0);
	e = ask_knowing(SYN | ACK, none, cookie, &known);
	CHECK(known && e.src.tgid == 10);
}

/* --- how long answers hold ------------------------------------------------------------------- */

static void test_found_holds_100_ms(void)
{
	start(FLOWS, COOKIES);
	put_flow(false, NETNS, 10), put_flow(true, NETNS, 20);
	CHECK(ask_tcp(ACK, T0));
	CHECK_INT(asked, 2);
	flows[0].rec.tgid = 30;
	CHECK(ask_tcp(ACK, T0 + 100 * MSEC - 1));
	CHECK_INT(asked, 0);
	CHECK_INT(found.src.tgid, 10);
	CHECK_INT(found.dst.tgid, 20);
	CHECK(ask_tcp(ACK, T0 + 100 * MSEC));
	CHECK_INT(asked, 2);
	CHECK_INT(found.src.tgid, 30);
}

static void test_missed_holds_10_ms(void)
{
	start(FLOWS, COOKIES);
	CHECK(!ask_tcp(ACK, T0));
	CHECK_INT(asked, 2);
	put_flow(false, NETNS, 10);
	CHECK(!ask_tcp(ACK, T0 + 10 * MSEC - 1));
	CHECK_INT(asked, 0);
	CHECK_INT(found.src.tgid, 0);
	CHECK(ask_tcp(ACK, T0 + 10 * MSEC));
	CHECK_INT(found.src.tgid, 10);
}

/* Who had it before is not remembered. */
static void test_found_then_missed(void)
{
	start(FLOWS, COOKIES);
	put_flow(false, NETNS, 10);
	CHECK(ask_tcp(ACK, T0));
	nflows = 0;
	CHECK(!ask_tcp(ACK, T0 + 100 * MSEC));
	CHECK(!ask_tcp(ACK, T0 + 100 * MSEC + 1));
	CHECK_INT(found.src.tgid, 0);
}

/* What is cached of a tuple is of the connection before when a new one begins: with SYN, not with SYN-ACK. */
static void test_new_connection_asks_anew(void)
{
	start(FLOWS, COOKIES);
	put_flow(false, NETNS, 10), put_flow(true, NETNS, 20);
	ask_tcp(ACK, T0);
	flows[0].rec.tgid = 30;
	ask_tcp(SYN | ACK, T0);
	CHECK_INT(asked, 0);
	ask_tcp(FIN, T0);
	CHECK_INT(asked, 0);
	CHECK_INT(found.src.tgid, 10);
	ask_tcp(SYN, T0);
	CHECK_INT(asked, 2);
	CHECK_INT(found.src.tgid, 30);
}

/* The flags may be cut off. */
static void test_new_connection_cut(void)
{
	struct event_packet e = { .ifindex = ETH0 };

	start(FLOWS, COOKIES);
	put_flow(false, NETNS, 10), put_flow(true, NETNS, 20);
	ask_tcp(ACK, T0);
	tcp(SYN);
	asked = 0;
	ask(DLT_RAW, 20 + 13, &e, T0);
	CHECK_INT(asked, 0);
	e = (struct event_packet){ .ifindex = ETH0 };
	ask(DLT_RAW, 20 + 14, &e, T0);
	CHECK_INT(asked, 2);
	/* nor are cookies believed too much */
	e = (struct event_packet){ .ifindex = ETH0, .src.cookie = 8 };
	ask(DLT_RAW, 20 + 13, &e, T0);
	CHECK_INT(e.src.tgid, 10);
	e = (struct event_packet){ .ifindex = ETH0, .src.cookie = 8 };
	ask(DLT_RAW, 20 + 14, &e, T0);
	CHECK_INT(e.src.tgid, 0);
}

/* Tuples with one place in the cache are not taken for each other. */
static void test_tuples_are_told_apart(void)
{
	start(FLOWS, COOKIES);
	for (uint32_t i = 0; i < 20000; i++) {
		struct event_packet e = { .ifindex = ETH0 };
		const struct flow_key *k = &asked_keys[0];

		tcp(ACK);
		packet[14] = (uint8_t)(i >> 8);
		packet[15] = (uint8_t)i;
		asked = 0;
		ask(DLT_RAW, packet_len, &e, T0);
		CHECK_INT(asked, 2);
		CHECK_INT(ntohl(k->l[3]), 0x0a000000 | i);
	}
}

/* --- sock_diag and /proc ------------------------------------------------------------------------ */

static int diag[2] = { -1, -1 }; /* ours, and the kernel's end */
static unsigned scans;

int __real_socket(int family, int type, int protocol);
FAKE(int, socket, int family, int type, int protocol)
{
	if (family != AF_NETLINK)
		return __real_socket(family, type, protocol);
	if (protocol != NETLINK_SOCK_DIAG || socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, diag) != 0)
		return -1;
	return diag[0];
}

static char proc_dir[] = "/tmp/test-owners-XXXXXX"; /* the processes that /proc lists */

DIR *__real_opendir(const char *path);
FAKE(DIR *, opendir, const char *path)
{
	if (strcmp(path, "/proc") != 0)
		return __real_opendir(path);
	scans++;
	return __real_opendir(proc_dir);
}

static const char *in_proc_dir(pid_t pid)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%d", proc_dir, (int)pid);
	return path;
}

static void list_process(pid_t pid)
{
	if (mkdir(in_proc_dir(pid), 0700) != 0)
		abort();
}

struct diag_request {
	struct nlmsghdr h;
	struct inet_diag_req_v2 req;
};

static void answer(uint16_t type, uint32_t inode, size_t cut)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_msg msg;
	} a = { .h = { .nlmsg_len = sizeof(a), .nlmsg_type = type }, .msg = { .idiag_inode = inode, .idiag_uid = 77 } };

	if (send(diag[1], &a, sizeof(a) - cut, 0) < 0)
		abort();
}

/* A question that was asked, if any. */
static bool question(struct diag_request *q)
{
	return recv(diag[1], q, sizeof(*q), 0) == sizeof(*q);
}

static void start_diag(void)
{
	if (diag[1] >= 0)
		close(diag[1]);
	diag[1] = -1;
	start(-1, -1);
	scans = 0;
	if (owners_add_netns(owners, NETNS) != 0)
		abort();
}

static uint32_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : (uint32_t)st.st_ino;
}

static void test_owner_by_inode(void)
{
	struct procfs_stat self;
	int fd = __real_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	start_diag();
	answer(SOCK_DIAG_BY_FAMILY, inode_of(fd), 0);
	answer(SOCK_DIAG_BY_FAMILY, 0, 0);
	CHECK(ask_tcp(ACK, T0));
	close(fd);
	CHECK_INT(procfs_stat((uint32_t)getpid(), &self), 0);
	CHECK_INT(found.src.tgid, getpid());
	CHECK_INT(found.src.start, self.start);
	CHECK_INT(found.src.uid, 77);
	CHECK_INT(found.src.source, OWNER_SCAN);
	CHECK_INT(found.src.tid, 0);
	CHECK_INT(found.dst.tgid, 0);
	CHECK_INT(scans, 1);
	CHECK_INT(asked, 0);
}

static void test_owner_of_others_is_none(void)
{
	int fd = __real_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	start_diag();
	answer(SOCK_DIAG_BY_FAMILY, inode_of(fd), 1);
	answer(NLMSG_ERROR, inode_of(fd), 0);
	CHECK(!ask_tcp(ACK, T0));
	CHECK_INT(found.src.tgid, 0);
	CHECK_INT(found.dst.tgid, 0);
	/* no answer at all */
	CHECK(!ask_tcp(SYN, T0));
	CHECK_INT(scans, 0);
	/* nobody has it */
	answer(SOCK_DIAG_BY_FAMILY, UINT32_MAX, 0);
	CHECK(!ask_tcp(SYN, T0));
	CHECK_INT(found.src.tgid, 0);
	/* nobody to ask, whatever is still there to be read */
	answer(SOCK_DIAG_BY_FAMILY, inode_of(fd), 0);
	close(diag[1]);
	diag[1] = -1;
	CHECK(!ask_tcp(SYN, T0));
	CHECK_INT(found.src.tgid, 0);
	close(fd);
}

static void test_proc_holds_2_s(void)
{
	int fd = __real_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct diag_request q;

	start_diag();
	answer(SOCK_DIAG_BY_FAMILY, inode_of(fd), 0);
	answer(SOCK_DIAG_BY_FAMILY, inode_of(fd), 0);
	CHECK(ask_tcp(ACK, T0));
	CHECK_INT(found.src.tgid, getpid());
	while (question(&q))
		;
	CHECK(ask_tcp(ACK, T0 + 2000 * MSEC - 1));
	CHECK_INT(found.src.tgid, getpid());
	CHECK(!question(&q));
	CHECK(!ask_tcp(ACK, T0 + 2000 * MSEC));
	CHECK(question(&q));
	close(fd);
}

/* All of /proc is not read for every packet of a socket that nobody has. */
static void test_scan_interval(void)
{
	start_diag();
	answer(SOCK_DIAG_BY_FAMILY, UINT32_MAX, 0);
	answer(SOCK_DIAG_BY_FAMILY, UINT32_MAX, 0);
	ask_tcp(SYN, T0);
	CHECK_INT(scans, 1);
	answer(SOCK_DIAG_BY_FAMILY, UINT32_MAX, 0);
	ask_tcp(SYN, T0 + 10 * MSEC - 1);
	CHECK_INT(scans, 1);
	answer(SOCK_DIAG_BY_FAMILY, UINT32_MAX, 0);
	ask_tcp(SYN, T0 + 10 * MSEC);
	CHECK_INT(scans, 2);
}

/* Every one of many is found, with one scan; of several processes that have it, the oldest. */
static void test_many_sockets(void)
{
	struct diag_request q;
	int fds[200];
	pid_t child;

	for (int i = 0; i < 200; i++)
		fds[i] = __real_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	list_process(child);
	start_diag();
	for (int i = 0; i < 200 && check_why[0] == '\0'; i++) {
		answer(SOCK_DIAG_BY_FAMILY, inode_of(fds[i]), 0);
		answer(SOCK_DIAG_BY_FAMILY, 0, 0);
		ask_tcp(SYN, T0 + (uint64_t)i);
		while (question(&q))
			;
		if (found.src.tgid != (uint32_t)(child < getpid() ? child : getpid()))
			snprintf(check_why, sizeof(check_why), "socket %d is of %u", i, found.src.tgid);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	rmdir(in_proc_dir(child));
	for (int i = 0; i < 200; i++)
		close(fds[i]);
	if (check_why[0] == '\0')
		CHECK_INT(scans, 1);
}

static void tell_requests(void)
{
	struct diag_request q;

	while (question(&q)) {
		char s[INET6_ADDRSTRLEN], d[INET6_ADDRSTRLEN];

		if (q.h.nlmsg_len != sizeof(q) || q.h.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
		    q.h.nlmsg_flags != NLM_F_REQUEST || q.req.idiag_states != ~0U ||
		    q.req.id.idiag_cookie[0] != INET_DIAG_NOCOOKIE || q.req.id.idiag_cookie[1] != INET_DIAG_NOCOOKIE)
			told("bad ");
		for (int i = 1; i < 4 && q.req.sdiag_family == AF_INET; i++) {
			if (q.req.id.idiag_src[i] || q.req.id.idiag_dst[i])
				told("more than an address ");
		}
		inet_ntop(q.req.sdiag_family, q.req.id.idiag_src, s, sizeof(s));
		inet_ntop(q.req.sdiag_family, q.req.id.idiag_dst, d, sizeof(d));
		told("%u %s %u %s %u; ", q.req.sdiag_protocol, s, ntohs(q.req.id.idiag_sport), d,
		     ntohs(q.req.id.idiag_dport));
	}
}

/* Of UDP the kernel wants source and destination as in a packet that arrives. Others have no sockets that it tells. */
static void test_what_is_asked_of_sock_diag(void)
{
	struct event_packet e = { 0 };

	start_diag();
	ask_tcp(ACK, T0);
	tell_requests();
	CHECK_STR(what_was_told(), "6 10.0.0.1 1000 10.0.0.2 80; 6 10.0.0.2 80 10.0.0.1 1000; ");
	packet_len = 0;
	ipv6(IPPROTO_UDP);
	ports(0);
	ask(DLT_RAW, packet_len, &e, T0);
	tell_requests();
	CHECK_STR(what_was_told(), "17 fd00::2 80 fd00::1 1000; 17 fd00::1 1000 fd00::2 80; ");
	/* nearly IPv4 */
	for (uint32_t i = 0; i < 3; i++) {
		memset(packet + 8, 0, 32);
		packet[18] = packet[19] = packet[34] = packet[35] = i == 2 ? 0 : 0xff;
		packet[8 + 4 * i] = packet[24 + 4 * i] = 1;
		packet[23] = 7;
		ask(DLT_RAW, packet_len, &e, T0);
	}
	tell_requests();
	CHECK_STR(what_was_told(), "17 100::ffff:0:0 80 100::ffff:0:7 1000; 17 100::ffff:0:7 1000 100::ffff:0:0 80; "
				   "17 ::100:0:0:ffff:0:0 80 ::100:0:0:ffff:0:7 1000; "
				   "17 ::100:0:0:ffff:0:7 1000 ::100:0:0:ffff:0:0 80; "
				   "17 ::100:0:0:0 80 ::100:0:0:7 1000; 17 ::100:0:0:7 1000 ::100:0:0:0 80; ");
	packet_len = 0;
	ipv4(IPPROTO_SCTP);
	ports(0);
	CHECK(!ask(DLT_RAW, packet_len, &e, T0));
	packet_len = 0;
	ipv4(IPPROTO_ICMP);
	icmp(8);
	CHECK(!ask(DLT_RAW, packet_len, &e, T0));
	tell_requests();
	CHECK_STR(what_was_told(), "");
}

static void test_sock_diag_of_the_namespace(void)
{
	int last;

	start_diag();
	last = diag[1];
	if (owners_add_netns(owners, NETNS + 1) != 0)
		abort();
	ask_tcp(ACK, T0);
	tell_requests();
	CHECK_STR(what_was_told(), "");
	/* the second one, and one that there is not */
	ask(DLT_RAW, packet_len, &(struct event_packet){ .netns = NETNS + 1 }, T0);
	tell_requests();
	CHECK_STR(what_was_told(), "6 10.0.0.1 1000 10.0.0.2 80; 6 10.0.0.2 80 10.0.0.1 1000; ");
	ask(DLT_RAW, packet_len, &(struct event_packet){ .netns = NETNS + 2 }, T0);
	tell_requests();
	CHECK_STR(what_was_told(), "");
	close(diag[1]);
	diag[1] = last;
	tell_requests();
	CHECK_STR(what_was_told(), "6 10.0.0.1 1000 10.0.0.2 80; 6 10.0.0.2 80 10.0.0.1 1000; ");
	start(FLOWS, COOKIES);
	last = diag[0];
	CHECK_INT(owners_add_netns(owners, NETNS), 0);
	CHECK_INT(diag[0], last);
}

static void test_free_closes(void)
{
	int fds[2];

	start_diag();
	fds[0] = diag[0];
	close(diag[1]);
	CHECK_INT(owners_add_netns(owners, NETNS + 1), 0);
	fds[1] = diag[0];
	start(FLOWS, COOKIES);
	CHECK(fcntl(fds[0], F_GETFD) < 0 && fcntl(fds[1], F_GETFD) < 0);
}

static void test_at_most_64_namespaces(void)
{
	int last;

	start_diag();
	for (uint32_t i = 1; i < 64; i++) {
		close(diag[1]);
		CHECK_INT(owners_add_netns(owners, 1000 + i), 0);
	}
	last = diag[0];
	CHECK_INT(owners_add_netns(owners, 2000), 0);
	CHECK_INT(diag[0], last);
	tcp(ACK);
	CHECK(!ask(DLT_RAW, packet_len, &(struct event_packet){ .netns = 2000 }, T0));
}

int main(void)
{
	if (!mkdtemp(proc_dir))
		return 1;
	list_process(getpid());
	RUN(test_link_types);
	RUN(test_other_ethertypes);
	RUN(test_vlan_tags);
	RUN(test_ipv4_options);
	RUN(test_ipv4_fragments);
	RUN(test_ipv6_extension_headers);
	RUN(test_ipv6_fragments);
	RUN(test_transports);
	RUN(test_icmp);
	RUN(test_any_bytes);
	RUN(test_direction);
	RUN(test_record_becomes_owner);
	RUN(test_namespaces);
	RUN(test_cookies_of_flows);
	RUN(test_ends_that_count);
	RUN(test_ends_known_before);
	RUN(test_found_holds_100_ms);
	RUN(test_missed_holds_10_ms);
	RUN(test_found_then_missed);
	RUN(test_new_connection_asks_anew);
	RUN(test_new_connection_cut);
	RUN(test_tuples_are_told_apart);
	RUN(test_owner_by_inode);
	RUN(test_owner_of_others_is_none);
	RUN(test_proc_holds_2_s);
	RUN(test_scan_interval);
	RUN(test_many_sockets);
	RUN(test_what_is_asked_of_sock_diag);
	RUN(test_sock_diag_of_the_namespace);
	RUN(test_free_closes);
	RUN(test_at_most_64_namespaces);
	owners_free(owners);
	rmdir(in_proc_dir(getpid()));
	rmdir(proc_dir);
	return check_status();
}
