/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mkpcap PACKETS ADDRESSES [CONVERSATIONS [IPV6_PERCENT]] >FILE
 *
 * A pcap file for measurements and comparisons, the same each time: three quarters TCP in conversations that open, carry
 * data both ways, close and open again, one quarter UDP (DNS queries among it), in Ethernet frames with right checksums
 * left out. Conversations default to twice the addresses.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TH_FIN = 1, TH_SYN = 2, TH_RST = 4, TH_PSH = 8, TH_ACK = 16 };

struct conversation {
	uint32_t seq[2]; /* of the next byte of either side */
	uint32_t a, b;	 /* numbers of the addresses */
	uint16_t sport, dport;
	uint8_t step;
	uint8_t ipv6;
};

static uint64_t state = 88172645463325252ULL;

static uint32_t chance(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) * n >> 32);
}

static uint8_t *put16(uint8_t *p, uint32_t v)
{
	*p++ = (uint8_t)(v >> 8);
	*p++ = (uint8_t)v;
	return p;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	return put16(put16(p, v >> 16), v);
}

static uint8_t *put_ethernet(uint8_t *p, int ipv6)
{
	static const uint8_t macs[] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };

	memcpy(p, macs, sizeof(macs));
	return put16(p + sizeof(macs), ipv6 ? 0x86dd : 0x0800);
}

static uint8_t *put_ip(uint8_t *p, const struct conversation *c, int back, unsigned protocol, unsigned payload)
{
	const uint32_t src = back ? c->b : c->a, dst = back ? c->a : c->b;

	if (c->ipv6) {
		p = put32(p, 0x60000000);
		p = put16(p, payload);
		*p++ = (uint8_t)protocol;
		*p++ = 64;
		for (int i = 0; i < 2; i++) {
			p = put32(p, 0x20010db8);
			p = put32(p, 0);
			p = put32(p, 0);
			p = put32(p, i == 0 ? src : dst);
		}
		return p;
	}
	p = put16(p, 0x4500);
	p = put16(p, 20 + payload);
	p = put32(p, chance(65536) << 16 | 0x4000);
	*p++ = 64;
	*p++ = (uint8_t)protocol;
	p = put16(p, 0);
	p = put32(p, 0x0a000000 + src);
	return put32(p, 0x0a000000 + dst);
}

static uint8_t *put_data(uint8_t *p, unsigned n)
{
	static const char text[] = "GET /index.html HTTP/1.1\r\nHost: www.example.com\r\nAccept: */*\r\n\r\n";

	for (unsigned i = 0; i < n; i++)
		*p++ = (uint8_t)text[i % (sizeof(text) - 1)];
	return p;
}

static uint8_t *put_tcp(uint8_t *p, struct conversation *c)
{
	const int last = 12 + (c->sport & 7);
	const int back = c->step % 2 == 1 && c->step < last;
	unsigned flags = TH_ACK, data = 0, used;

	if (c->step == 0 || c->step == 1)
		flags = c->step == 0 ? TH_SYN : TH_SYN | TH_ACK;
	else if (c->step >= last)
		flags = chance(4) ? TH_FIN | TH_ACK : TH_RST | TH_ACK;
	else if (c->step > 2 && chance(3))
		data = 1 + chance(300);
	if (data > 0)
		flags |= TH_PSH;
	p = put_ethernet(p, c->ipv6);
	p = put_ip(p, c, back, 6, 32 + data);
	p = put16(p, back ? c->dport : c->sport);
	p = put16(p, back ? c->sport : c->dport);
	p = put32(p, c->seq[back]);
	p = put32(p, flags & TH_ACK ? c->seq[!back] : 0);
	p = put16(p, 0x8000 | flags);
	p = put16(p, 501);
	p = put32(p, 0xabcd0000);
	p = put32(p, 0x0101080a);
	p = put32(p, (uint32_t)(state >> 40));
	p = put32(p, (uint32_t)(state >> 42));
	p = put_data(p, data);
	used = data + (flags & (TH_SYN | TH_FIN) ? 1 : 0);
	c->seq[back] += used;
	if (c->step++ >= last) {
		c->step = 0;
		c->seq[0] += chance(1 << 30);
		c->seq[1] += chance(1 << 30);
	}
	return p;
}

static uint8_t *put_udp(uint8_t *p, const struct conversation *c)
{
	const int back = (int)chance(2), dns = chance(4) == 0;
	const unsigned data = dns ? 33 : 1 + chance(400);

	p = put_ethernet(p, c->ipv6);
	p = put_ip(p, c, back, 17, 8 + data);
	p = put16(p, back && !dns ? c->dport : c->sport);
	p = put16(p, dns ? 53 : back ? c->sport : c->dport);
	p = put16(p, 8 + data);
	p = put16(p, 0);
	if (!dns)
		return put_data(p, data);
	p = put32(p, chance(65536) << 16 | 0x0100);
	p = put32(p, 0x00010000);
	p = put32(p, 0);
	memcpy(p, "\3www\7example\3com", 17);
	p = put32(p + 17, 0x00010001);
	return p;
}

static void conversation_init(struct conversation *c, uint32_t addresses, unsigned ipv6_percent)
{
	static const uint16_t ports[] = { 80, 443, 8080, 22, 5432, 6379 + 1, 9092, 3306 };

	c->a = chance(addresses);
	c->b = chance(addresses);
	c->sport = (uint16_t)(32768 + chance(28000));
	c->dport = ports[chance(8)];
	c->seq[0] = chance(UINT32_MAX);
	c->seq[1] = chance(UINT32_MAX);
	c->step = (uint8_t)chance(12);
	c->ipv6 = chance(100) < ipv6_percent;
}

int main(int argc, char **argv)
{
	const unsigned long packets = argc > 2 ? strtoul(argv[1], NULL, 0) : 0;
	const uint32_t addresses = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : 0;
	const uint32_t conversations = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 0) : addresses * 2;
	const unsigned ipv6_percent = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 0) : 0;
	const uint32_t header[] = { 0xa1b2c3d4, 2 | 4 << 16, 0, 0, 262144, 1 };
	struct conversation *c;
	uint64_t usec = 0;

	if (packets == 0 || addresses == 0 || conversations == 0) {
		fprintf(stderr, "usage: mkpcap PACKETS ADDRESSES [CONVERSATIONS [IPV6_PERCENT]] >FILE\n");
		return 1;
	}
	c = calloc(conversations, sizeof(*c));
	if (!c)
		return 1;
	for (uint32_t i = 0; i < conversations; i++)
		conversation_init(&c[i], addresses, ipv6_percent);
	fwrite(header, sizeof(header), 1, stdout);
	for (unsigned long i = 0; i < packets; i++) {
		struct conversation *one = &c[chance(conversations)];
		uint8_t packet[1024];
		const uint8_t *end = chance(4) ? put_tcp(packet, one) : put_udp(packet, one);
		const uint32_t len = (uint32_t)(end - packet);
		const uint32_t record[] = { (uint32_t)(1700000000 + usec / 1000000), (uint32_t)(usec % 1000000), len,
					    len };

		fwrite(record, sizeof(record), 1, stdout);
		fwrite(packet, len, 1, stdout);
		usec += 1 + chance(40);
	}
	free(c);
	return fflush(stdout) != 0 || ferror(stdout);
}
