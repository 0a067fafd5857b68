/* SPDX-License-Identifier: BSD-3-Clause */
/* The text of the packets that text_direct.c takes. */
#include "output/text_private.h"
#include "util/decimal.h"

#include <extract.h>
#include <ipproto.h>

#include <tcp.h>

/* The longest line: 290 in front of TCP, which takes 200, and at most five bytes for each of its 40 of options. */
enum { LINE_MAX_LEN = 1024 };

static inline char *put(char *d, const char *text, size_t n)
{
	memcpy(d, text, n);
	return d + n;
}

#define PUT(d, literal) put(d, literal, sizeof(literal) - 1)

/* Four digits. */
static char *put_hex_word(char *d, unsigned v)
{
	for (int shift = 12; shift >= 0; shift -= 4)
		*d++ = "0123456789abcdef"[v >> shift & 15];
	return d;
}

/* As few digits as will do, but so many at least. */
static char *put_hex(char *d, unsigned v, unsigned least)
{
	while (least < 8 && v >> 4 * least != 0)
		least++;
	while (least > 0)
		*d++ = "0123456789abcdef"[v >> 4 * --least & 15];
	return d;
}

static uint64_t sum_add(uint64_t sum, uint64_t v)
{
	sum += v;
	return sum + (sum < v);
}

/* The bytes in 16-bit words of this machine's order, eight at once; what carries over comes in again at the other end. */
static uint64_t sum_bytes(uint64_t sum, const u_char *p, size_t n)
{
	uint64_t word;

	for (; n >= sizeof(word); n -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum = sum_add(sum, word);
	}
	word = 0;
	memcpy(&word, p, n);
	return sum_add(sum, word);
}

/* What the library's in_cksum() returns: 0 when right. */
static uint16_t sum_end(uint64_t sum)
{
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)~sum;
}

uint16_t direct_sum(const u_char *p, size_t n)
{
	return (uint16_t)~sum_end(sum_bytes(0, p, n));
}

uint32_t direct_summed(const struct text_config *c, const struct direct_packet *p)
{
	const u_char *udp = p->payload;
	uint32_t len = p->len;

	if (p->protocol == IPPROTO_UDP) {
		if (c->v <= !p->ipv6 || (EXTRACT_BE_U_2(udp + 6) == 0 && !p->ipv6))
			return 0;
		if (EXTRACT_BE_U_2(udp + 4) < len)
			len = EXTRACT_BE_U_2(udp + 4);
	}
	return c->v && !c->K && len <= p->captured ? len : 0;
}

/* Of TCP or UDP with the addresses. */
static uint16_t payload_sum(const struct text *t, const struct direct_packet *p, uint32_t len)
{
	const u_char pseudo[] = { 0, p->protocol, (u_char)(len >> 8), (u_char)len };
	const u_char *end = t->packet->data + t->packet->caplen - t->packet->absent;
	const bool absent = t->packet->absent && p->payload + len > end;
	uint64_t sum = sum_bytes(0, pseudo, sizeof(pseudo));

	sum = p->ipv6 ? sum_bytes(sum, p->ip + 8, 32) : sum_bytes(sum, p->ip + 12, 8);
	sum = sum_bytes(sum, p->payload, absent ? (size_t)(end - p->payload) : len);
	return sum_end(absent ? sum_add(sum, t->packet->absent_sum) : sum);
}

/* -e, else the name of the protocol. */
static char *put_link(const struct text *t, const struct direct_packet *p, char *d)
{
	const u_char *frame = t->packet->data;

	if (!t->config.e)
		return p->ipv6 ? PUT(d, "IP6 ") : PUT(d, "IP ");
	if (t->packet->iface->dlt == DLT_RAW)
		return PUT(d, "ip: ");
	d = names_put_ether(d, frame + 6);
	d = PUT(d, " > ");
	d = names_put_ether(d, frame);
	d = p->ipv6 ? PUT(d, ", ethertype IPv6 (0x86dd), length ") : PUT(d, ", ethertype IPv4 (0x0800), length ");
	d = decimal_put(d, t->packet->len);
	return PUT(d, ": ");
}

static char *put_protocol(const struct direct_packet *p, char *d)
{
	return p->protocol == IPPROTO_TCP ? PUT(d, "TCP (6)") : PUT(d, "UDP (17)");
}

/* -v */
static char *put_ipv4_header(const struct text *t, const struct direct_packet *p, char *d)
{
	static const char ecn[][8] = { "", ",ECT(1)", ",ECT(0)", ",CE" };
	const u_char *ip = p->ip;

	d = PUT(d, "(tos 0x");
	d = put_hex(d, ip[1], 1);
	d = put(d, ecn[ip[1] & 3], strlen(ecn[ip[1] & 3]));
	if (ip[8] > 0) {
		d = PUT(d, ", ttl ");
		d = decimal_put(d, ip[8]);
	}
	d = PUT(d, ", id ");
	d = decimal_put(d, EXTRACT_BE_U_2(ip + 4));
	d = ip[6] ? PUT(d, ", offset 0, flags [DF], proto ") : PUT(d, ", offset 0, flags [none], proto ");
	d = put_protocol(p, d);
	d = PUT(d, ", length ");
	d = decimal_put(d, DIRECT_IPV4_LEN + p->len);
	if (!t->config.K) {
		const uint16_t sum = sum_end(sum_bytes(0, ip, DIRECT_IPV4_LEN)), given = EXTRACT_BE_U_2(ip + 10);

		if (sum != 0) {
			d = PUT(d, ", bad cksum ");
			d = put_hex(d, given, 1);
			d = PUT(d, " (->");
			d = put_hex(d, in_cksum_shouldbe(given, sum), 1);
			d = PUT(d, ")!");
		}
	}
	return t->config.g ? PUT(d, ") ") : PUT(d, ")\n    ");
}

/* -v */
static char *put_ipv6_header(const struct direct_packet *p, char *d)
{
	const uint32_t flow = EXTRACT_BE_U_4(p->ip);

	*d++ = '(';
	if (flow & 0x0ff00000) {
		d = PUT(d, "class 0x");
		d = put_hex(d, flow >> 20 & 0xff, 2);
		d = PUT(d, ", ");
	}
	if (flow & 0x000fffff) {
		d = PUT(d, "flowlabel 0x");
		d = put_hex(d, flow & 0x000fffff, 5);
		d = PUT(d, ", ");
	}
	d = PUT(d, "hlim ");
	d = decimal_put(d, p->ip[7]);
	d = PUT(d, ", next-header ");
	d = put_protocol(p, d);
	d = PUT(d, ", payload length ");
	d = decimal_put(d, p->len);
	return PUT(d, ") ");
}

static char *put_end(const struct text *t, const struct direct_packet *p, char *d, size_t source, const u_char *port)
{
	d = p->ipv6 ? names_put_ipv6(t->names, d, p->ip + 8 + source * 16)
		    : names_put_ipv4(t->names, d, p->ip + 12 + source * 4);
	*d++ = '.';
	return decimal_put(d, EXTRACT_BE_U_2(port));
}

static char *put_ends(const struct text *t, const struct direct_packet *p, char *d)
{
	d = put_end(t, p, d, 0, p->payload);
	d = PUT(d, " > ");
	d = put_end(t, p, d, 1, p->payload + 2);
	return PUT(d, ": ");
}

static char *put_udp(const struct text *t, const struct direct_packet *p, char *d)
{
	const u_char *udp = p->payload;
	const uint32_t said = EXTRACT_BE_U_2(udp + 4), len = direct_summed(&t->config, p);

	if (t->config.v > !p->ipv6 && !t->config.K) {
		const unsigned given = EXTRACT_BE_U_2(udp + 6);

		if (given == 0 && !p->ipv6) {
			d = PUT(d, "[no cksum] ");
		} else if (len > 0) {
			const uint16_t sum = payload_sum(t, p, len);

			if (sum == 0) {
				d = PUT(d, "[udp sum ok] ");
			} else {
				d = PUT(d, "[bad udp cksum 0x");
				d = put_hex_word(d, given);
				d = PUT(d, " -> 0x");
				d = put_hex_word(d, in_cksum_shouldbe((uint16_t)given, sum));
				d = PUT(d, "!] ");
			}
		}
	}
	if (p->dissector)
		return d;
	if (said <= p->len) {
		d = PUT(d, "UDP, length ");
		return decimal_put(d, said - DIRECT_UDP_LEN);
	}
	d = PUT(d, "UDP, bad length ");
	d = decimal_put(d, said - DIRECT_UDP_LEN);
	d = PUT(d, " > ");
	return decimal_put(d, p->len - DIRECT_UDP_LEN);
}

static char *put_tcp_flags(char *d, unsigned flags)
{
	static const char letters[] = "FSRP.UEW";

	d = PUT(d, "Flags [");
	if (flags == 0)
		d = PUT(d, "none");
	for (unsigned i = 0; i < 8; i++) {
		*d = letters[i];
		d += flags >> i & 1;
	}
	*d++ = ']';
	return d;
}

/* -v */
static char *put_tcp_sum(const struct text *t, const struct direct_packet *p, char *d)
{
	const uint16_t given = EXTRACT_BE_U_2(p->payload + 16), sum = payload_sum(t, p, p->len);

	d = PUT(d, ", cksum 0x");
	d = put_hex_word(d, given);
	if (sum == 0)
		return PUT(d, " (correct)");
	d = PUT(d, " (incorrect -> 0x");
	d = put_hex_word(d, in_cksum_shouldbe(given, sum));
	*d++ = ')';
	return d;
}

/* Blocks are told relative to the other side's first number. */
static char *put_sack(char *d, const u_char *option, uint32_t first)
{
	const unsigned blocks = (option[1] - 2U) / 8;

	d = PUT(d, "sack ");
	d = decimal_put(d, blocks);
	*d++ = ' ';
	for (const u_char *p = option + 2; p < option + 2 + blocks * 8; p += 8) {
		*d++ = '{';
		d = decimal_put(d, EXTRACT_BE_U_4(p) - first);
		*d++ = ':';
		d = decimal_put(d, EXTRACT_BE_U_4(p + 4) - first);
		*d++ = '}';
	}
	return d;
}

static char *put_tcp_option(char *d, const u_char *option, uint32_t first)
{
	switch (*option) {
	case TCPOPT_NOP: return PUT(d, "nop");
	case TCPOPT_SACKOK: return PUT(d, "sackOK");
	case TCPOPT_MAXSEG: d = PUT(d, "mss "); return decimal_put(d, EXTRACT_BE_U_2(option + 2));
	case TCPOPT_WSCALE: d = PUT(d, "wscale "); return decimal_put(d, option[2]);
	case TCPOPT_SACK: return put_sack(d, option, first);
	case TCPOPT_TIMESTAMP:
		d = PUT(d, "TS val ");
		d = decimal_put(d, EXTRACT_BE_U_4(option + 2));
		d = PUT(d, " ecr ");
		return decimal_put(d, EXTRACT_BE_U_4(option + 6));
	default: return PUT(d, "eol");
	}
}

static char *put_tcp_options(char *d, const u_char *p, unsigned n, uint32_t first)
{
	const u_char *const end = p + n;

	d = PUT(d, ", options [");
	while (p < end) {
		d = put_tcp_option(d, p, first);
		*d++ = ',';
		if (*p == TCPOPT_EOL)
			break;
		p += *p == TCPOPT_NOP ? 1 : p[1];
	}
	d[-1] = ']';
	return d;
}

/* A number that means something only with its flag, whose name has three letters. */
static inline char *put_flagged(const struct text *t, char *d, bool set, uint32_t n, const char *name, const char *flag)
{
	if (!set && (t->config.v <= 1 || n == 0))
		return d;
	d = set ? PUT(d, ", ") : PUT(d, ", [");
	d = put(d, name, 3);
	*d++ = ' ';
	d = decimal_put(d, n);
	if (set)
		return d;
	d = PUT(d, " != 0 while ");
	d = put(d, flag, 3);
	return PUT(d, " flag not set]");
}

static char *put_tcp_numbers(const struct text *t, char *d, const u_char *tcp, uint32_t seq, uint32_t ack,
			     uint32_t data)
{
	const unsigned flags = tcp[13];

	if (t->config.v > 1 || data > 0 || flags & (TH_SYN | TH_FIN | TH_RST)) {
		d = PUT(d, ", seq ");
		d = decimal_put(d, seq);
		if (data > 0) {
			*d++ = ':';
			d = decimal_put(d, seq + data);
		}
	}
	d = put_flagged(t, d, flags & TH_ACK, ack, "ack", "ACK");
	d = PUT(d, ", win ");
	d = decimal_put(d, EXTRACT_BE_U_2(tcp + 14));
	return put_flagged(t, d, flags & TH_URG, EXTRACT_BE_U_2(tcp + 18), "urg", "URG");
}

static char *put_tcp(struct text *t, const struct direct_packet *p, char *d)
{
	const u_char *tcp = p->payload;
	const unsigned header = (unsigned)(tcp[12] >> 4) * 4, flags = tcp[13];
	uint32_t seq = EXTRACT_BE_U_4(tcp + 4), ack = EXTRACT_BE_U_4(tcp + 8);
	struct conversation c = { 0 };

	t->resets = t->config.color && (flags & TH_RST);
	d = put_tcp_flags(d, flags);
	if (!t->config.S && (flags & TH_ACK) && conversation_find(t, p->ip, tcp, &c)) {
		seq -= c.reversed ? c.ack : c.seq;
		ack -= c.reversed ? c.seq : c.ack;
	}
	if (direct_summed(&t->config, p))
		d = put_tcp_sum(t, p, d);
	d = put_tcp_numbers(t, d, tcp, seq, ack, p->len - header);
	if (header > DIRECT_TCP_LEN)
		d = put_tcp_options(d, tcp + DIRECT_TCP_LEN, header - DIRECT_TCP_LEN, c.reversed ? c.seq : c.ack);
	d = PUT(d, ", length ");
	return decimal_put(d, p->len - header);
}

/* As the library would from inside TCP or UDP. */
static void put_inside(struct text *t, const struct direct_packet *p)
{
	const u_char *const payload = p->payload;
	const bool tcp = p->protocol == IPPROTO_TCP;
	const uint32_t header = tcp ? (unsigned)(payload[12] >> 4) * 4 : DIRECT_UDP_LEN;
	const uint32_t said = tcp ? p->len : EXTRACT_BE_U_2(payload + 4);

	t->ndo.ndo_protocol = tcp ? "tcp" : "udp";
	t->ndo.ndo_snapend = payload + p->captured;
	buf_puts(&t->buf, p->dissector->before);
	p->dissector->print(&t->ndo, payload + header, (said < p->len ? said : p->len) - header);
}

void direct_put(struct text *t, const struct direct_packet *p)
{
	char *d = buf_reserve(&t->buf, LINE_MAX_LEN);

	d = put_link(t, p, d);
	if (t->config.v)
		d = p->ipv6 ? put_ipv6_header(p, d) : put_ipv4_header(t, p, d);
	d = put_ends(t, p, d);
	d = p->protocol == IPPROTO_TCP ? put_tcp(t, p, d) : put_udp(t, p, d);
	t->buf.len = (size_t)(d - t->buf.p);
	if (p->dissector)
		put_inside(t, p);
	/* Dumps begin behind it. */
	t->ndo.ndo_ll_hdr_len = (u_int)(p->ip - t->packet->data);
}
