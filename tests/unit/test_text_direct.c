/* SPDX-License-Identifier: BSD-3-Clause */
/* The lines that are printed without the library, against the library's own, by packets made up at random. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "fake.h"
#include "output/output.h"

enum { DLT_EN10MB = 1, DLT_RAW = 12, TCP = 6, UDP = 17, ACK = 0x10, PACKETS = 6000 };

struct direct;
struct direct_packet;

bool __real_direct_take(const struct direct *direct, const struct packet *packet, struct direct_packet *ret);

static bool allowed, taken;

FAKE(bool, direct_take, const struct direct *direct, const struct packet *packet, struct direct_packet *ret)
{
	taken = allowed && __real_direct_take(direct, packet, ret);
	return taken;
}

static uint64_t state;

static uint32_t chance(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) * n >> 32);
}

struct frame {
	uint8_t data[512];
	uint32_t len;
};

static void put8(struct frame *f, unsigned v)
{
	f->data[f->len++] = (uint8_t)v;
}

static void put16(struct frame *f, uint32_t v)
{
	put8(f, v >> 8);
	put8(f, v);
}

static void put32(struct frame *f, uint32_t v)
{
	put16(f, v >> 16);
	put16(f, v);
}

static void put_random(struct frame *f, unsigned n)
{
	while (n-- > 0)
		put8(f, chance(256));
}

/* Few addresses and ports, so that conversations meet again. */
static void put_address(struct frame *f, bool ipv6)
{
	static const uint16_t words[] = { 0, 0, 0, 1, 0xffff, 0x20, 0xdb8, 0xabcd };

	if (!ipv6) {
		put32(f, chance(8) ? 0x0a000000 + chance(4) : chance(UINT32_MAX));
		return;
	}
	put16(f, 0x2001);
	for (unsigned i = 0; i < 6; i++)
		put16(f, chance(3) ? 0 : words[chance(8)]);
	put16(f, chance(3));
}

static uint32_t any_port(void)
{
	static const uint16_t dissected[] = { 22, 53, 80, 6379, 8080 };

	if (chance(4) == 0)
		return dissected[chance(5)];
	return chance(5) ? 9000 + chance(4) : chance(3) ? chance(1024) : chance(65536);
}

/* Of A records; the zeros behind are part of them. */
static const char dns_query[64] = "\1\2\1\0\0\1\0\0\0\0\0\0\3www\7example\3com\0\0\1\0\1";
static const char dns_answer[64] = "\1\2\x81\x80\0\1\0\1\0\0\0\0\1a\0\0\1\0\1\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\1";

/* Of what is dissected, in part or whole. */
static void put_payload(struct frame *f, unsigned most)
{
	static const char *const known[] = {
		"GET /index.html HTTP/1.1\r\nHost: a\r\n\r\n",
		"HTTP/1.1 200 OK\r\nServer: \x01\xff\r\n\r\nbody",
		"SSH-2.0-OpenSSH_9.2\r\n",
		"*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
		dns_query,
		dns_answer,
	};
	const unsigned n = chance(most), i = chance(sizeof(known) / sizeof(known[0]) + 2);

	if (i >= sizeof(known) / sizeof(known[0])) {
		put_random(f, n);
		return;
	}
	for (unsigned j = 0; j < n && (known[i][j] || *known[i] == 1); j++)
		put8(f, (uint8_t)known[i][j]);
}

static void put_option(struct frame *f)
{
	static const uint8_t lengths[] = { 1, 1, 4, 3, 2, 10, 6, 6, 10 };
	const unsigned kind = chance(40) ? 1 + chance(8) : chance(36);
	unsigned len = kind < sizeof(lengths) ? lengths[kind] : 2 + chance(8);

	if (kind == 5)
		len = 2 + 8 * chance(4);
	if (!chance(60))
		len = chance(12);
	put8(f, kind);
	if (kind > 1) {
		put8(f, len);
		put_random(f, len > 2 ? len - 2 : 0);
	}
}

static void put_tcp(struct frame *f)
{
	static const uint8_t usual[] = { ACK, ACK, ACK, ACK | 8, ACK | 8, 2, 2 | ACK, 1 | ACK, 4, 4 | ACK };
	const uint32_t start = f->len;

	put16(f, any_port());
	put16(f, any_port());
	put32(f, chance(4) ? chance(1000) : chance(UINT32_MAX));
	put32(f, chance(4) ? chance(1000) : chance(UINT32_MAX));
	put8(f, 0);
	put8(f, chance(4) ? usual[chance(sizeof(usual))] : chance(256));
	put16(f, chance(65536));
	put16(f, 0);
	put16(f, chance(3) ? 0 : chance(65536));
	while (f->len - start < 50 && chance(3))
		put_option(f);
	while ((f->len - start) % 4)
		put8(f, chance(20) ? 1 : 0);
	f->data[start + 12] = (uint8_t)((f->len - start) / 4 << 4);
	if (!chance(50))
		f->data[start + 12] = (uint8_t)chance(256);
	if (chance(2))
		put_payload(f, 60);
}

static void put_udp(struct frame *f)
{
	uint32_t start = f->len;

	put16(f, any_port());
	put16(f, any_port());
	put32(f, 0);
	put_payload(f, 60);
	f->data[start + 5] = (uint8_t)(chance(20) ? f->len - start : chance(100));
}

static uint32_t sum_words(const uint8_t *p, uint32_t n, uint32_t sum)
{
	for (uint32_t i = 0; i < n; i++)
		sum += (uint32_t)p[i] << (i % 2 ? 0 : 8);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void set_sum(uint8_t *p, uint32_t sum)
{
	sum = ~sum & 0xffff;
	p[0] = (uint8_t)(sum >> 8);
	p[1] = (uint8_t)sum;
}

/* IP at ip with its payload behind header bytes, of which some have lengths and sums that are right. */
static void finish_ip(struct frame *f, uint32_t ip, uint32_t header)
{
	const bool ipv6 = header == 40;
	uint8_t *const h = f->data + ip, *const payload = h + header;
	const uint32_t n = f->len - ip - header, len = ipv6 ? n : n + header;
	const unsigned protocol = h[ipv6 ? 6 : 9];
	const uint32_t pseudo = sum_words(ipv6 ? h + 8 : h + 12, ipv6 ? 32 : 8, protocol + n);

	h[ipv6 ? 4 : 2] = (uint8_t)(len >> 8);
	h[ipv6 ? 5 : 3] = (uint8_t)len;
	if (chance(2) && !ipv6)
		set_sum(h + 10, sum_words(h, 20, 0));
	if (chance(3) && n >= 20)
		set_sum(payload + (protocol == TCP ? 16 : 6), sum_words(payload, n, pseudo));
}

static void make_frame(struct frame *f, int dlt)
{
	const bool ipv6 = chance(3) == 0;
	const unsigned protocol = chance(50) ? chance(3) ? TCP : UDP : chance(256);
	uint32_t ip;

	f->len = 0;
	if (dlt == DLT_EN10MB) {
		put_random(f, 12);
		put16(f, chance(40) ? ipv6 ? 0x86dd : 0x0800 : chance(2) ? 0x8100 : 0x0806);
	}
	ip = f->len;
	if (ipv6) {
		put32(f, 0x60000000 | (chance(2) ? 0 : chance(1 << 28)));
		put16(f, 0);
		put8(f, protocol);
		put8(f, chance(256));
	} else {
		put8(f, chance(40) ? 0x45 : chance(256));
		put8(f, chance(2) ? 0 : chance(256));
		put16(f, 0);
		put16(f, chance(65536));
		put16(f, chance(20) ? chance(2) * 0x4000 : chance(65536));
		put8(f, chance(4) ? 64 : chance(3));
		put8(f, protocol);
		put16(f, 0);
	}
	put_address(f, ipv6);
	put_address(f, ipv6);
	if (protocol == UDP)
		put_udp(f);
	else
		put_tcp(f);
	finish_ip(f, ip, ipv6 ? 40 : 20);
	/* Padding, wrong bytes. */
	if (chance(10) == 0)
		put_random(f, chance(20));
	if (chance(20) == 0)
		f->data[chance(f->len)] = (uint8_t)chance(256);
}

struct printer {
	struct output *o;
	int fd;
	char text[8192];
	size_t n;
};

static struct iface ethernet = { .id = 0, .dlt = DLT_EN10MB, .name = (char[]){ "eth0" } };
static struct iface raw = { .id = 1, .dlt = DLT_RAW, .name = (char[]){ "tun0" } };
static struct printer direct, library;
static unsigned long taken_count;
static bool numbers = true; /* -n */

static int open_printer(struct printer *p, const struct text_config *given)
{
	struct text_config config = *given;

	p->fd = config.fd = memfd_create("text", MFD_CLOEXEC);
	config.program = "test";
	config.n = numbers;
	config.utc = true;
	config.packet_buffered = true;
	return output_text_new(&p->o, &config);
}

static void close_printer(struct printer *p)
{
	p->o->ops->free(p->o);
	close(p->fd);
}

static int print(struct printer *p, const struct packet *packet)
{
	int err;

	lseek(p->fd, 0, SEEK_SET);
	err = p->o->ops->packet(p->o, packet);
	p->n = (size_t)lseek(p->fd, 0, SEEK_CUR);
	if (p->n >= sizeof(p->text) || pread(p->fd, p->text, p->n, 0) != (ssize_t)p->n)
		return -1;
	p->text[p->n] = '\0';
	return err;
}

/* Both ways of printing a packet, the bytes of which lie where none may be read behind. */
static bool same(const struct packet *given)
{
	struct packet packet = *given;
	uint8_t *copy = malloc(packet.caplen ? packet.caplen : 1);

	if (packet.caplen > 0)
		memcpy(copy, given->data, packet.caplen);
	packet.data = copy;
	allowed = true;
	if (print(&direct, &packet) != 0)
		direct.n = 0;
	taken_count += taken;
	allowed = false;
	if (print(&library, &packet) != 0)
		library.n = 0;
	free(copy);
	if (direct.n > 0 && direct.n == library.n && memcmp(direct.text, library.text, direct.n) == 0)
		return true;
	snprintf(check_why, sizeof(check_why), "\"%.400s\", not \"%.400s\"", direct.text, library.text);
	return false;
}

static const struct annotation curl = {
	.serial = 1,
	.has = ANNOT_PROCESS,
	.process = { .pid = 1234, .cmd = { "/usr/bin/curl", 13 }, .args = { "curl -v", 7 } },
};

static bool same_by_chance(unsigned packets)
{
	for (unsigned i = 0; i < packets; i++) {
		const struct iface *iface = chance(3) ? &ethernet : &raw;
		struct packet packet = { .sec = 1700000000 + i / 100, .nsec = i % 100 * 1000, .iface = iface };
		struct frame f;

		make_frame(&f, iface->dlt);
		packet.data = f.data;
		packet.len = f.len;
		packet.caplen = chance(8) ? f.len : chance(f.len + 1);
		if (!chance(50))
			packet.len = chance(2000);
		packet.annot = chance(3) ? NULL : &curl;
		packet.dir = packet.annot ? DIR_OUT : DIR_NONE;
		if (!same(&packet))
			return false;
	}
	return true;
}

static void test_random(void)
{
	/* Not -ttt: the library remembers the time of one packet before, whoever printed it. */
	static const struct {
		struct text_config config;
		bool library; /* prints every line */
	} rows[] = {
		{ .config = { 0 } },
		{ .config = { .v = 1 } },
		{ .config = { .v = 2 } },
		{ .config = { .v = 3, .e = 1 } },
		{ .config = { .e = 1 } },
		{ .config = { .S = 1, .v = 1 } },
		{ .config = { .K = 1, .v = 2 } },
		{ .config = { .g = 1, .v = 1 } },
		{ .config = { .color = true } },
		{ .config = { .oneline = true, .v = 1 } },
		{ .config = { .t = 1 } },
		{ .config = { .t = 2, .nano = true } },
		{ .config = { .t = 4 } },
		{ .config = { .t = 5 } },
		{ .config = { .x = 1 } },
		{ .config = { .X = 2, .e = 1 } },
		{ .config = { .A = 1, .oneline = true } },
		{ .config = { .number = 1 } },
		{ .config = { .q = 1 }, .library = true },
		{ .config = { .q = 1, .v = 1 }, .library = true },
		{ .config = { .type = "domain" }, .library = true },
		{ .config = { .brief = true }, .library = true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const bool none = rows[i].library;

		state = 88172645463325252ULL + i;
		taken_count = 0;
		CHECK_INT(open_printer(&direct, &rows[i].config), 0);
		CHECK_INT(open_printer(&library, &rows[i].config), 0);
		if (!same_by_chance(none ? PACKETS / 20 : PACKETS))
			return;
		CHECK(none ? taken_count == 0 : taken_count > PACKETS / 4);
		close_printer(&direct);
		close_printer(&library);
	}
}

static const uint8_t tcp_frame[] = {
	0x45, 0,    0, 64, 0, 0, 0x40, 0, 64,  6,   0,	  0,	10,  0,	  0,   1,   10,	 0,   0,   2,  0x13, 0x88,
	0x17, 0x70, 0, 0,  0, 1, 0,    0, 0,   1,   0x80, 0x18, 0,   9,	  0,   0,   0,	 0,   1,   1,  8,    10,
	0,    0,    0, 5,  0, 0, 0,    6, 'd', 'a', 2,	  'a',	't', 'a', 't', 'a', 'd', 'a', 't', 'a'
};

/* What must not fall to the library unseen. */
static void test_taken(void)
{
	struct packet packet = {
		.data = tcp_frame, .caplen = sizeof(tcp_frame), .len = sizeof(tcp_frame), .iface = &raw
	};

	CHECK_INT(open_printer(&direct, &(struct text_config){ .t = 1 }), 0);
	allowed = true;
	CHECK_INT(print(&direct, &packet), 0);
	CHECK(taken);
	CHECK_STR(direct.text, "IP 10.0.0.1.5000 > 10.0.0.2.6000: Flags [P.], seq 1:13, ack 1, win 9, "
			       "options [nop,nop,TS val 5 ecr 6], length 12\n");
	packet.caplen = 52;
	CHECK_INT(print(&direct, &packet), 0);
	CHECK(taken);
	packet.caplen = 51;
	CHECK_INT(print(&direct, &packet), 0);
	CHECK(!taken);
	close_printer(&direct);
}

/* Every port at either end, over both protocols: a new dissector of the library would show. */
static void test_ports(void)
{
	struct packet packet = { .caplen = sizeof(tcp_frame), .len = sizeof(tcp_frame), .iface = &raw };
	uint8_t data[sizeof(tcp_frame)];

	memcpy(data, tcp_frame, sizeof(data));
	packet.data = data;
	CHECK_INT(open_printer(&direct, &(struct text_config){ .t = 1, .S = 1 }), 0);
	CHECK_INT(open_printer(&library, &(struct text_config){ .t = 1, .S = 1 }), 0);
	taken_count = 0;
	for (unsigned i = 0; i < 4 * 65536; i++) {
		const bool udp = i & 1;
		uint8_t *const ports = data + 20, *const port = i & 2 ? ports : ports + 2;

		data[9] = udp ? UDP : TCP;
		memcpy(ports, tcp_frame + 20, 4);
		port[0] = (uint8_t)(i >> 10);
		port[1] = (uint8_t)(i >> 2);
		/* The length of UDP, and the type of AppleTalk. */
		data[24] = 0;
		data[25] = udp ? 44 : 1;
		data[30] = udp ? 2 : 0;
		if (!same(&packet))
			return;
	}
	CHECK(taken_count > 4 * 65536 / 100 * 98);
	close_printer(&direct);
	close_printer(&library);
}

/* What lies behind a packet's reach is something else to the one and to the other. */
static bool same_by_reach(const struct text_reach *reach, bool by_library, unsigned long *shorter)
{
	for (unsigned i = 0; i < PACKETS; i++) {
		const struct iface *iface = chance(3) ? &ethernet : &raw;
		struct packet packet = { .sec = 1700000000 + i / 100, .iface = iface };
		struct frame f, other;
		uint16_t sum = 0;
		uint32_t n;

		make_frame(&f, iface->dlt);
		packet.data = f.data;
		packet.len = f.len;
		packet.caplen = chance(8) ? f.len : chance(f.len + 1);
		n = output_text_reach(reach, &packet, &sum);
		*shorter += n < packet.caplen;
		other = f;
		for (uint32_t k = n; k < packet.caplen; k++)
			other.data[k] = (uint8_t)chance(256);
		allowed = !by_library;
		if (n > packet.caplen || print(&direct, &packet) != 0)
			return false;
		packet.data = other.data;
		packet.absent = packet.caplen - n;
		packet.absent_sum = sum;
		if (print(&library, &packet) != 0)
			return false;
		if (direct.n != library.n || memcmp(direct.text, library.text, direct.n) != 0) {
			snprintf(check_why, sizeof(check_why), "\"%.400s\", not \"%.400s\"", direct.text, library.text);
			return false;
		}
	}
	return true;
}

/* The library's names of protocols are made anew for each printer, and never freed. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:init_protoidarray";
}

static void test_reach(void)
{
	static const struct {
		struct text_config config;
		bool names, whole, direct;
	} rows[] = {
		{ .config = { 0 } },
		{ .config = { 0 }, .names = true },
		{ .config = { .e = 1 }, .names = true },
		{ .config = { .S = 1, .number = 1 } },
		{ .config = { .q = 1 } },
		{ .config = { .q = 2 }, .names = true },
		{ .config = { .brief = true } },
		{ .config = { .color = true } },
		{ .config = { .lengths = true, .H = 1, .u = 1, .b = 1 } },
		{ .config = { .oneline = true, .K = 1 } },
		{ .config = { .v = 1 }, .direct = true },
		{ .config = { .v = 2 }, .direct = true },
		{ .config = { .v = 3, .K = 1, .e = 1 }, .direct = true },
		{ .config = { .v = 1 }, .names = true, .whole = true },
		{ .config = { .v = 1, .q = 1 }, .whole = true },
		{ .config = { .x = 1 }, .whole = true },
		{ .config = { .X = 1 }, .whole = true },
		{ .config = { .A = 1 }, .whole = true },
		{ .config = { .type = "domain" }, .whole = true },
	};

	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		const size_t row = i / 2;
		unsigned long shorter = 0;
		struct text_config config;
		struct text_reach *reach;

		/* With these, the library is not asked. */
		if (rows[row].direct && i % 2)
			continue;
		state = 88172645463325252ULL + i;
		numbers = !rows[row].names;
		config = rows[row].config;
		config.n = numbers;
		CHECK_INT(output_text_reach_new(&reach, &config), 0);
		CHECK_INT(open_printer(&direct, &config), 0);
		CHECK_INT(open_printer(&library, &config), 0);
		if (!same_by_reach(reach, i % 2, &shorter))
			return;
		CHECK(rows[row].whole ? shorter == 0 : shorter > PACKETS / 8);
		close_printer(&direct);
		close_printer(&library);
		output_text_reach_free(reach);
	}
	numbers = true;
}

int main(void)
{
	RUN(test_reach);
	RUN(test_taken);
	RUN(test_ports);
	RUN(test_random);
	return check_status();
}
