/* SPDX-License-Identifier: BSD-3-Clause */
/* Headers of packets as data: link types, tags, extension headers, lengths that lie, and packets that are cut anywhere. */
#include <netinet/in.h>
#include <pcap/dlt.h>
#include <stdlib.h>

#include "check.h"
#include "headers.h"

static const uint8_t macs[] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
static const uint8_t ipv4_tcp[] = {
	0x45, 0,    0, 44, 0, 0, 0x40, 0, 64, 6, 0, 0, 10,   0,	   0, 1, 10, 0, 0, 2, /* 4 bytes behind TCP */
	0x12, 0x34, 0, 80, 1, 2, 3,    4, 5,  6, 7, 8, 0x50, 0x18, 0, 0, 0,  0, 0, 0, 'G', 'E', 'T', ' ',
};
static const uint8_t
	ipv6_udp
		[] = {
			0x60, 0, 0, 0, 0,    28,   0, 64, 0xfe, 0x80, 0, 0,  0, 0,  0, 0, 0,   0,   0,	 0,
			0,    0, 0, 1, 0xfe, 0x80, 0, 0,  0,	0,    0, 0,  0, 0,  0, 0, 0,   0,   0,	 2,
			60,   0, 0, 0, 0,    0,	   0, 0, /* hop-by-hop, options */
			17,   0, 1, 4, 0,    0,	   0, 0,  0x80, 1,    0, 53, 0, 12, 0, 0, 'a', 'b', 'c', 'd',
		};

struct bytes {
	uint8_t p[256];
	uint32_t n;
};

static void put(struct bytes *b, const void *p, size_t n)
{
	memcpy(b->p + b->n, p, n);
	b->n += (uint32_t)n;
}

/* In memory of exactly that size, so that ASan sees a byte too many. */
static struct headers parse(const void *p, uint32_t caplen, uint32_t len, int dlt)
{
	const struct iface iface = { .dlt = dlt };
	uint8_t *copy = malloc(caplen + !caplen);
	const struct packet packet = { .caplen = caplen, .len = len, .data = copy, .iface = &iface };
	struct headers h;

	memcpy(copy, p, caplen);
	headers_parse(&h, &packet);
	if (h.payload)
		h.payload = (const uint8_t *)p + (h.payload - copy);
	free(copy);
	return h;
}

static struct bytes ethernet(uint16_t type, const uint8_t *p, size_t n)
{
	struct bytes b = { .n = 0 };
	const uint8_t types[] = { (uint8_t)(type >> 8), (uint8_t)type };

	put(&b, macs, sizeof(macs));
	put(&b, types, 2);
	put(&b, p, n);
	return b;
}

static void test_tcp(void)
{
	struct bytes b = ethernet(0x0800, ipv4_tcp, sizeof(ipv4_tcp));
	struct headers h;

	put(&b, "\0\0\0\0\0\0", 6); /* padding */
	h = parse(b.p, b.n, b.n, DLT_EN10MB);
	CHECK(h.has_mac && h.dmac[5] == 1 && h.smac[5] == 2);
	CHECK_INT(h.vlan, -1);
	CHECK_INT(h.tuple.family, 4);
	CHECK_INT(h.tuple.proto, IPPROTO_TCP);
	CHECK_INT(h.tuple.src[3], 1);
	CHECK_INT(h.tuple.src[4], 0);
	CHECK(h.has_ports && h.has_tcp && !h.has_icmp && !h.fragment);
	CHECK_INT(h.tuple.sport, 0x1234);
	CHECK_INT(h.tuple.dport, 80);
	CHECK_INT(h.tcp_seq, 0x01020304);
	CHECK_INT(h.tcp_ack, 0x05060708);
	CHECK_INT(h.tcp_flags, 0x18);
	CHECK_INT(h.payload_len, 4);
	CHECK(h.payload_caplen == 4 && memcmp(h.payload, "GET ", 4) == 0);
}

static void test_ipv6_extensions(void)
{
	const struct headers h = parse(ipv6_udp, sizeof(ipv6_udp), sizeof(ipv6_udp), DLT_RAW);

	CHECK_INT(h.ethertype, 0x86dd);
	CHECK_INT(h.tuple.family, 6);
	CHECK_INT(h.tuple.proto, IPPROTO_UDP);
	CHECK_INT(h.tuple.dst[15], 2);
	CHECK_INT(h.tuple.sport, 0x8001);
	CHECK_INT(h.tuple.dport, 53);
	CHECK_INT(h.payload_len, 4);
	CHECK(!h.has_mac && h.payload && h.payload[0] == 'a');
}

static void test_udplite(void)
{
	uint8_t packet[sizeof(ipv6_udp)];
	struct headers h;

	memcpy(packet, ipv6_udp, sizeof(packet));
	packet[48] = IPPROTO_UDPLITE;
	packet[61] = 8; /* what the checksum covers */
	h = parse(packet, sizeof(packet), sizeof(packet), DLT_RAW);
	CHECK_INT(h.tuple.proto, IPPROTO_UDPLITE);
	CHECK_INT(h.payload_len, 4);
}

static void test_link_types(void)
{
	struct bytes b = { .n = 0 }, sll = { .n = 0 }, sll2 = { .n = 0 }, null = { .n = 0 };
	struct headers h;

	put(&b, macs, sizeof(macs));
	put(&b, "\x88\xa8\0\x05\x81\0\0\x06\x08\0", 10);
	put(&b, ipv4_tcp, sizeof(ipv4_tcp));
	h = parse(b.p, b.n, b.n, DLT_EN10MB);
	CHECK_INT(h.vlan, 5);
	CHECK_INT(h.tuple.dport, 80);
	put(&sll, "\0\0\0\1\0\6\0\0\0\0\0\0\0\0\x08\0", 16);
	put(&sll, ipv4_tcp, sizeof(ipv4_tcp));
	CHECK_INT(parse(sll.p, sll.n, sll.n, DLT_LINUX_SLL).tuple.dport, 80);
	put(&sll2, "\x08\0\0\0\0\0\0\1\0\1\0\6\0\0\0\0\0\0\0\0", 20);
	put(&sll2, ipv4_tcp, sizeof(ipv4_tcp));
	CHECK_INT(parse(sll2.p, sll2.n, sll2.n, DLT_LINUX_SLL2).tuple.dport, 80);
	put(&null, "\2\0\0\0", 4);
	put(&null, ipv4_tcp, sizeof(ipv4_tcp));
	CHECK_INT(parse(null.p, null.n, null.n, DLT_NULL).tuple.dport, 80);
	CHECK_INT(parse(null.p, null.n, null.n, DLT_LOOP).tuple.dport, 80);
	CHECK_INT(parse(null.p, null.n, null.n, DLT_IEEE802_11).tuple.family, 0);
}

static void test_icmp_and_fragments(void)
{
	uint8_t p[28] = { 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 3, 1 };
	struct headers h = parse(p, sizeof(p), sizeof(p), DLT_RAW);

	CHECK(h.has_icmp && h.icmp_type == 3 && h.icmp_code == 1 && !h.has_ports);
	p[7] = 1;
	p[9] = IPPROTO_UDP;
	h = parse(p, sizeof(p), sizeof(p), DLT_RAW);
	CHECK(h.fragment && !h.has_ports && h.tuple.sport == 0 && h.tuple.family == 4);
}

/* Headers that say they are larger than the packet. */
static void test_lies(void)
{
	uint8_t p[sizeof(ipv4_tcp)];
	struct headers h;

	memcpy(p, ipv4_tcp, sizeof(p));
	p[0] = 0x4f; /* a header of 60 bytes */
	CHECK(!parse(p, sizeof(p), sizeof(p), DLT_RAW).has_ports);
	p[0] = 0x44;
	CHECK_INT(parse(p, sizeof(p), sizeof(p), DLT_RAW).tuple.family, 0);
	p[0] = 0x45;
	p[32] = 0xf0; /* TCP, too */
	h = parse(p, sizeof(p), sizeof(p), DLT_RAW);
	CHECK(h.has_tcp && !h.payload && h.payload_len == 0);
	p[32] = 0x50;
	p[3] = 0; /* TSO */
	CHECK_INT(parse(p, sizeof(p), sizeof(p), DLT_RAW).payload_len, 4);
	p[3] = 40;
	CHECK_INT(parse(p, sizeof(p), sizeof(p), DLT_RAW).payload_len, 0);
}

/* What is told of a packet that is cut is the same as of the whole one, or nothing. */
static void test_cut(void)
{
	const struct bytes b = ethernet(0x0800, ipv4_tcp, sizeof(ipv4_tcp));
	const struct headers whole = parse(b.p, b.n, b.n, DLT_EN10MB);

	for (uint32_t n = 0; n < b.n; n++) {
		const struct headers h = parse(b.p, n, b.n, DLT_EN10MB);

		CHECK(!h.tuple.family || memcmp(h.tuple.src, whole.tuple.src, 16) == 0);
		CHECK(!h.has_ports || h.tuple.sport == whole.tuple.sport);
		CHECK(!h.has_tcp || (h.tcp_flags == whole.tcp_flags && h.payload_len == whole.payload_len));
		CHECK(h.payload_caplen <= 4);
	}
	for (uint32_t n = 0; n < sizeof(ipv6_udp); n++)
		CHECK(parse(ipv6_udp, n, sizeof(ipv6_udp), DLT_RAW).payload_caplen <= 4);
}

int main(void)
{
	RUN(test_tcp);
	RUN(test_ipv6_extensions);
	RUN(test_udplite);
	RUN(test_link_types);
	RUN(test_icmp_and_fragments);
	RUN(test_lies);
	RUN(test_cut);
	return check_status();
}
