/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/json_names.h"

#include <netinet/in.h>

#include "output/json_put.h"

enum {
	DNS_PORT = 53,
	MDNS_PORT = 5353,
	LLMNR_PORT = 5355,
	DNS_HEADER = 12,
	DNS_NAME_MAX = 255,
	TLS_RECORD = 5,
	TLS_HANDSHAKE = 22,
	TLS_CLIENT_HELLO = 1,
	TLS_SERVER_NAME = 0,
	HOST_NAME_MAX_LEN = 255,
};

struct bytes {
	const uint8_t *p;
	uint32_t n;
};

static bool take(struct bytes *b, uint32_t n, const uint8_t **ret)
{
	if (b->n < n)
		return false;
	*ret = b->p;
	b->p += n;
	b->n -= n;
	return true;
}

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* --- DNS: RFC 1035 -------------------------------------------------------------------- */

static bool is_dns_port(uint16_t port)
{
	return port == DNS_PORT || port == MDNS_PORT || port == LLMNR_PORT;
}

enum json_names json_names_kind(const struct headers *h)
{
	const uint8_t *p = h->payload;

	if (!p)
		return NAMES_NONE;
	if (is_dns_port(h->tuple.dport) || is_dns_port(h->tuple.sport))
		return NAMES_DNS;
	if (h->has_tcp && h->payload_caplen >= NAMES_BEGIN && p[0] == TLS_HANDSHAKE && p[1] == 3 &&
	    p[5] == TLS_CLIENT_HELLO)
		return NAMES_TLS;
	return NAMES_NONE;
}

/* https://www.iana.org/assignments/dns-parameters */
static const char *type_name(uint16_t type)
{
	static const char *const low[] = {
		[1] = "A",	 [2] = "NS",	 [5] = "CNAME",	      [6] = "SOA",    [12] = "PTR",   [13] = "HINFO",
		[15] = "MX",	 [16] = "TXT",	 [28] = "AAAA",	      [29] = "LOC",   [33] = "SRV",   [35] = "NAPTR",
		[39] = "DNAME",	 [41] = "OPT",	 [43] = "DS",	      [44] = "SSHFP", [46] = "RRSIG", [47] = "NSEC",
		[48] = "DNSKEY", [50] = "NSEC3", [51] = "NSEC3PARAM", [52] = "TLSA",  [64] = "SVCB",  [65] = "HTTPS",
	};

	switch (type) {
	case 251: return "IXFR";
	case 252: return "AXFR";
	case 255: return "ANY";
	case 257: return "CAA";
	default: return type < sizeof(low) / sizeof(low[0]) ? low[type] : NULL;
	}
}

static const char *class_name(uint16_t class)
{
	switch (class) {
	case 1: return "IN";
	case 3: return "CH";
	case 4: return "HS";
	case 254: return "NONE";
	case 255: return "ANY";
	default: return NULL;
	}
}

static const char *rcode_name(unsigned rcode)
{
	static const char *const names[] = { "NOERROR",	 "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
					     "YXDOMAIN", "YXRRSET", "NXRRSET",	"NOTAUTH",  "NOTZONE" };

	return rcode < sizeof(names) / sizeof(names[0]) ? names[rcode] : NULL;
}

/* RFC 3597 for those without a name. */
static void put_named(struct buf *b, const char *name, const char *other, unsigned number)
{
	if (name)
		json_put_word(b, name);
	else
		buf_printf(b, "\"%s%u\"", other, number);
}

/* As files of zones have it (RFC 1035, 5.1): all of it is ASCII. */
static void put_label(struct buf *b, const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (p[i] <= ' ' || p[i] >= 0x7f)
			buf_printf(b, "\\\\%03u", p[i]);
		else if (p[i] == '.')
			JSON_PUT(b, "\\\\.");
		else if (p[i] == '\\')
			JSON_PUT(b, "\\\\\\\\");
		else if (p[i] == '"')
			JSON_PUT(b, "\\\\\\\"");
		else
			buf_putc(b, (char)p[i]);
	}
}

/* A first question has nothing to point to. */
static bool put_name(struct buf *b, struct bytes *m)
{
	const uint8_t *p, *label;
	uint32_t total = 0;

	buf_putc(b, '"');
	for (;;) {
		if (!take(m, 1, &p) || *p > 63)
			return false;
		total += 1U + *p;
		if (total > DNS_NAME_MAX)
			return false;
		if (*p == 0)
			break;
		if (total > 1U + *p)
			buf_putc(b, '.');
		if (!take(m, *p, &label))
			return false;
		put_label(b, label, *p);
	}
	if (total == 1)
		buf_putc(b, '.');
	buf_putc(b, '"');
	return true;
}

static bool put_question(struct buf *b, struct bytes *m, bool multicast)
{
	const uint8_t *p;
	uint16_t class;

	JSON_PUT(b, ",\"question\":{\"name\":");
	if (!put_name(b, m) || !take(m, 4, &p))
		return false;
	class = be16(p + 2);
	/* Its first bit asks for an answer to the sender alone (RFC 6762, 5.4). */
	if (multicast)
		class &= 0x7fff;
	JSON_PUT(b, ",\"type\":");
	put_named(b, type_name(be16(p)), "TYPE", be16(p));
	JSON_PUT(b, ",\"class\":");
	put_named(b, class_name(class), "CLASS", class);
	buf_putc(b, '}');
	return true;
}

static bool put_dns(struct buf *b, const struct headers *h, struct bytes m)
{
	const bool multicast = h->tuple.dport == MDNS_PORT || h->tuple.sport == MDNS_PORT;
	const uint8_t *p;
	bool answer;

	/* RFC 1035, 4.2.2: over TCP the length comes first. */
	if ((h->has_tcp && !take(&m, 2, &p)) || !take(&m, DNS_HEADER, &p) || be16(p + 4) == 0)
		return false;
	answer = p[2] & 0x80;
	JSON_PUT(b, ",\"dns\":{\"id\":");
	json_put_id(b, be16(p));
	JSON_PUT(b, ",\"type\":");
	json_put_word(b, answer ? "answer" : "query");
	if (answer) {
		JSON_PUT(b, ",\"response_code\":");
		put_named(b, rcode_name(p[3] & 15), "RCODE", p[3] & 15);
	}
	if (!put_question(b, &m, multicast))
		return false;
	buf_putc(b, '}');
	return true;
}

/* --- TLS: RFC 8446, 4.1.2; RFC 6066, 3 -------------------------------------------------- */

/* What has its length in front, in so many bytes; of a hello that is cut, what there is. */
static bool take_vector(struct bytes *m, unsigned size, struct bytes *ret)
{
	const uint8_t *p;
	uint32_t n = 0;

	if (!take(m, size, &p))
		return false;
	for (unsigned i = 0; i < size; i++)
		n = n << 8 | p[i];
	*ret = (struct bytes){ m->p, n < m->n ? n : m->n };
	m->p += ret->n;
	m->n -= ret->n;
	return true;
}

static bool take_whole_vector(struct bytes *m, struct bytes *ret)
{
	return m->n >= 2 && be16(m->p) <= m->n - 2 && take_vector(m, 2, ret);
}

static bool server_name(struct bytes extension, struct str *ret)
{
	struct bytes list, name;
	const uint8_t *type;

	if (!take_whole_vector(&extension, &list) || !take(&list, 1, &type) || *type != TLS_SERVER_NAME ||
	    !take_whole_vector(&list, &name) || name.n == 0 || name.n > HOST_NAME_MAX_LEN)
		return false;
	*ret = (struct str){ (const char *)name.p, name.n };
	return true;
}

static bool find_server_name(struct bytes m, struct str *ret)
{
	struct bytes hello, skipped, extensions, extension;
	const uint8_t *p;

	/* Record and handshake type; version and random. */
	if (!take(&m, TLS_RECORD + 1, &p) || !take_vector(&m, 3, &hello) || !take(&hello, 2 + 32, &p))
		return false;
	/* Session, cipher suites, compression methods. */
	if (!take_vector(&hello, 1, &skipped) || !take_vector(&hello, 2, &skipped) ||
	    !take_vector(&hello, 1, &skipped) || !take_vector(&hello, 2, &extensions))
		return false;
	while (take(&extensions, 2, &p)) {
		if (!take_vector(&extensions, 2, &extension))
			return false;
		if (be16(p) == 0)
			return server_name(extension, ret);
	}
	return false;
}

static bool put_tls(struct buf *b, struct bytes m)
{
	struct str name;

	if (!find_server_name(m, &name))
		return false;
	JSON_PUT(b, ",\"tls\":{\"client\":{\"server_name\":");
	json_put_string(b, name);
	JSON_PUT(b, "}}");
	return true;
}

bool json_names_put(struct buf *b, const struct headers *h, enum json_names kind)
{
	const struct bytes m = { h->payload, h->payload_caplen };
	const size_t start = b->len;
	const bool ok = kind == NAMES_DNS ? put_dns(b, h, m) : put_tls(b, m);

	if (!ok)
		b->len = start;
	return ok;
}
