/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of SHA-1 itself. Those that version 3 has in their place load providers and read openssl.cnf first. */
#define OPENSSL_API_COMPAT 0x10101000L

#include "output/community.h"

#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

/* What answers a message; of those that nothing answers, the code stands in its place, and ends are not put in order. */
static const struct answer {
	uint8_t proto, type, answer;
} answers[] = {
	{ IPPROTO_ICMP, 8, 0 },	      { IPPROTO_ICMP, 0, 8 },	    { IPPROTO_ICMP, 13, 14 },
	{ IPPROTO_ICMP, 14, 13 },     { IPPROTO_ICMP, 15, 16 },	    { IPPROTO_ICMP, 16, 15 },
	{ IPPROTO_ICMP, 10, 9 },      { IPPROTO_ICMP, 9, 10 },	    { IPPROTO_ICMP, 17, 18 },
	{ IPPROTO_ICMP, 18, 17 },     { IPPROTO_ICMPV6, 128, 129 }, { IPPROTO_ICMPV6, 129, 128 },
	{ IPPROTO_ICMPV6, 133, 134 }, { IPPROTO_ICMPV6, 134, 133 }, { IPPROTO_ICMPV6, 135, 136 },
	{ IPPROTO_ICMPV6, 136, 135 }, { IPPROTO_ICMPV6, 130, 131 }, { IPPROTO_ICMPV6, 131, 130 },
	{ IPPROTO_ICMPV6, 144, 145 }, { IPPROTO_ICMPV6, 145, 144 }, { IPPROTO_ICMPV6, 139, 140 },
	{ IPPROTO_ICMPV6, 140, 139 },
};

struct ports {
	bool any, one_way;
	uint16_t source, destination;
};

static struct ports icmp_ports(const struct headers *h)
{
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		const struct answer *a = &answers[i];

		if (a->proto == h->tuple.proto && a->type == h->icmp_type)
			return (struct ports){ true, false, a->type, a->answer };
	}
	return (struct ports){ true, true, h->icmp_type, h->icmp_code };
}

static bool ports_of(const struct headers *h, struct ports *ret)
{
	*ret = (struct ports){ 0 };
	switch (h->tuple.proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP: *ret = (struct ports){ true, false, h->tuple.sport, h->tuple.dport }; return h->has_ports;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6: *ret = icmp_ports(h); return h->has_icmp;
	default: return true;
	}
}

static uint8_t *put_u16(uint8_t *d, uint16_t v)
{
	*d++ = (uint8_t)(v >> 8);
	*d++ = (uint8_t)v;
	return d;
}

bool community_id(const struct headers *h, char text[COMMUNITY_LEN])
{
	const struct headers_tuple *t = &h->tuple;
	const size_t size = t->family == 4 ? 4 : 16;
	const int order = memcmp(t->src, t->dst, size);
	uint8_t bytes[2 + 16 + 16 + 2 + 4] = { 0 }, *d = bytes + 2, sum[SHA_DIGEST_LENGTH];
	unsigned char base64[COMMUNITY_LEN];
	struct ports p;
	SHA_CTX sha;
	bool turn;

	if (!t->family || h->fragment || !ports_of(h, &p))
		return false;
	turn = !p.one_way && (order > 0 || (order == 0 && p.source > p.destination));
	d = mempcpy(d, turn ? t->dst : t->src, size);
	d = mempcpy(d, turn ? t->src : t->dst, size);
	*d++ = t->proto;
	*d++ = 0;
	if (p.any) {
		d = put_u16(d, turn ? p.destination : p.source);
		d = put_u16(d, turn ? p.source : p.destination);
	}
	SHA1_Init(&sha);
	SHA1_Update(&sha, bytes, (size_t)(d - bytes));
	SHA1_Final(sum, &sha);
	/* With a NUL behind it. */
	EVP_EncodeBlock(base64, sum, sizeof(sum));
	memcpy(text, "1:", 2);
	memcpy(text + 2, base64, COMMUNITY_LEN - 2);
	return true;
}
