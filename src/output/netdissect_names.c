/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of addresses and ports. The library keeps every address it ever saw, and finds IPv4 ones by the first 12 bits:
 * all of 10.0.0.0/12 is one linear list. Here a string lives until its packet is printed, and nothing else is kept.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output/ethers.h"
#include "output/resolver.h"
#include "output/text_private.h"
#include "util/decimal.h"

#include <addrtoname.h>
#include <oui.h>

enum {
	CHUNK = 1 << 16, /* strings of nearly every packet fit into one */
	STRING_MAX = CHUNK / 2,
	ETHER_SLOTS = 1024,
	NSAP_MAX = 20,
};

struct chunk {
	struct chunk *next;
	size_t used;
	char text[CHUNK];
};

struct ether_name {
	u_char address[MAC_ADDR_LEN];
	char name[BUFSIZE]; /* "": empty slot */
};

struct names {
	struct chunk *chunks; /* the first one stays */
	char octets[256][4];  /* "255." */
	uint8_t octet_len[256];
	const char *ports[2][65536];	/* TCP, UDP; without -n */
	struct ether_name *ether_names; /* without -n */
	struct ethers *ethers;		/* without -n */
	struct resolver *resolver;	/* NULL: none are asked for */
};

/* Replaced functions and the originals, by the linker's naming. */
const char *__wrap_ipaddr_string(netdissect_options *ndo, const u_char *ap);
const char *__wrap_ip6addr_string(netdissect_options *ndo, const u_char *ap);
const char *__wrap_tcpport_string(netdissect_options *ndo, u_short port);
const char *__wrap_udpport_string(netdissect_options *ndo, u_short port);
const char *__wrap_etheraddr_string(netdissect_options *ndo, const uint8_t *ep);
const char *__wrap_le64addr_string(netdissect_options *ndo, const uint8_t *ep);
const char *__wrap_linkaddr_string(netdissect_options *ndo, const uint8_t *ep, unsigned type, unsigned len);
const char *__wrap_isonsap_string(netdissect_options *ndo, const uint8_t *nsap, u_int len);
const char *__real_tcpport_string(netdissect_options *ndo, u_short port);
const char *__real_udpport_string(netdissect_options *ndo, u_short port);
const char *__real_linkaddr_string(netdissect_options *ndo, const uint8_t *ep, unsigned type, unsigned len);
const char *__real_isonsap_string(netdissect_options *ndo, const uint8_t *nsap, u_int len);

/* Room for a string of up to size bytes; string_end() says how much of it was used. size <= STRING_MAX. */
static char *string_begin(netdissect_options *ndo, size_t size)
{
	struct names *names = text_of(ndo)->names;
	struct chunk *c = names->chunks;

	if (CHUNK - c->used < size) {
		c = malloc(sizeof(*c));
		if (!c)
			ndo->ndo_error(ndo, S_ERR_ND_MEM_ALLOC, "no memory for names");
		c->next = names->chunks;
		c->used = 0;
		names->chunks = c;
	}
	return c->text + c->used;
}

static const char *string_end(netdissect_options *ndo, char *start, char *end)
{
	*end = '\0';
	text_of(ndo)->names->chunks->used += (size_t)(end + 1 - start);
	return start;
}

static char *put_hex(char *d, uint8_t octet)
{
	static const char digits[] = "0123456789abcdef";

	*d++ = digits[octet >> 4];
	*d++ = digits[octet & 15];
	return d;
}

static char *put_hex_word(char *d, unsigned word)
{
	static const char digits[] = "0123456789abcdef";

	for (int shift = word > 0xfff ? 12 : word > 0xff ? 8 : word > 0xf ? 4 : 0; shift >= 0; shift -= 4)
		*d++ = digits[word >> shift & 15];
	return d;
}

char *names_put_ipv4(const struct names *names, char *d, const u_char *ap)
{
	for (int i = 0; i < 4; i++) {
		memcpy(d, names->octets[ap[i]], 4);
		d += names->octet_len[ap[i]];
	}
	return d - 1;
}

/* As inet_ntop(): the first longest run of two or more zero words becomes "::"; IPv4 in the last two words of ::a.b.c.d
 * and ::ffff:a.b.c.d. */
char *names_put_ipv6(const struct names *names, char *d, const u_char *ap)
{
	unsigned words[8], zeros = 0, best = 8, best_len = 1;

	for (unsigned i = 0; i < 8; i++) {
		words[i] = (unsigned)ap[2 * i] << 8 | ap[2 * i + 1];
		zeros = words[i] == 0 ? zeros + 1 : 0;
		if (zeros > best_len) {
			best_len = zeros;
			best = i + 1 - zeros;
		}
	}
	for (unsigned i = 0; i < 8; i++) {
		if (i == best) {
			*d++ = ':';
			i += best_len - 1;
			if (i == 7)
				*d++ = ':';
			continue;
		}
		if (i > 0)
			*d++ = ':';
		if (i == 6 && best == 0 && (best_len == 6 || (best_len == 5 && words[5] == 0xffff)))
			return names_put_ipv4(names, d, ap + 12);
		d = put_hex_word(d, words[i]);
	}
	return d;
}

static const char *host_string(netdissect_options *ndo, int family, const u_char *ap)
{
	struct names *names = text_of(ndo)->names;
	const char *name = names->resolver ? resolver_find(names->resolver, family, ap) : NULL;
	char *s;

	if (name && strlen(name) < STRING_MAX) {
		s = string_begin(ndo, strlen(name) + 1);
		return string_end(ndo, s, stpcpy(s, name));
	}
	s = string_begin(ndo, INET6_ADDRSTRLEN + 4);
	return string_end(ndo, s, family == AF_INET ? names_put_ipv4(names, s, ap) : names_put_ipv6(names, s, ap));
}

const char *__wrap_ipaddr_string(netdissect_options *ndo, const u_char *ap)
{
	return host_string(ndo, AF_INET, ap);
}

const char *__wrap_ip6addr_string(netdissect_options *ndo, const u_char *ap)
{
	return host_string(ndo, AF_INET6, ap);
}

static const char *port_string(netdissect_options *ndo, u_short port, const char **known,
			       const char *(*real)(netdissect_options *, u_short))
{
	char *s;

	if (!ndo->ndo_nflag) {
		if (!known[port])
			known[port] = real(ndo, port);
		return known[port];
	}
	s = string_begin(ndo, DECIMAL_ROOM + 1);
	return string_end(ndo, s, decimal_put(s, port));
}

const char *__wrap_tcpport_string(netdissect_options *ndo, u_short port)
{
	return port_string(ndo, port, text_of(ndo)->names->ports[0], __real_tcpport_string);
}

const char *__wrap_udpport_string(netdissect_options *ndo, u_short port)
{
	return port_string(ndo, port, text_of(ndo)->names->ports[1], __real_udpport_string);
}

static char *put_hex_bytes(char *d, const uint8_t *ep, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			*d++ = ':';
		d = put_hex(d, ep[i]);
	}
	return d;
}

char *names_put_ether(char *d, const u_char *ep)
{
	return put_hex_bytes(d, ep, MAC_ADDR_LEN);
}

/* The name in /etc/ethers, else the address with its vendor; NULL when there is no table (-n). */
static const struct ether_name *ether_name_find(struct names *names, const uint8_t *ep)
{
	static const u_char broadcast[MAC_ADDR_LEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct ether_name *e = &names->ether_names[(ep[2] * 31U + ep[3] * 17U + (ep[4] << 8 | ep[5])) % ETHER_SLOTS];
	const char *host;
	char *d;

	if (e->name[0] != '\0' && memcmp(e->address, ep, MAC_ADDR_LEN) == 0)
		return e;
	memcpy(e->address, ep, MAC_ADDR_LEN);
	host = ethers_find(names->ethers, ep);
	if (host) {
		snprintf(e->name, sizeof(e->name), "%s", host);
		return e;
	}
	if (memcmp(ep, broadcast, MAC_ADDR_LEN) == 0) {
		strcpy(e->name, "Broadcast");
		return e;
	}
	d = put_hex_bytes(e->name, ep, MAC_ADDR_LEN);
	snprintf(d, (size_t)(e->name + sizeof(e->name) - d), " (oui %s)",
		 tok2str(oui_values, "Unknown", (u_int)(ep[0] << 16 | ep[1] << 8 | ep[2])));
	return e;
}

const char *__wrap_etheraddr_string(netdissect_options *ndo, const uint8_t *ep)
{
	char *s = string_begin(ndo, BUFSIZE);
	const struct ether_name *e;

	if (ndo->ndo_nflag)
		return string_end(ndo, s, names_put_ether(s, ep));
	e = ether_name_find(text_of(ndo)->names, ep);
	return string_end(ndo, s, stpcpy(s, e->name));
}

const char *__wrap_le64addr_string(netdissect_options *ndo, const uint8_t *ep)
{
	char *const s = string_begin(ndo, 32);
	uint8_t reversed[8];

	for (size_t i = 0; i < sizeof(reversed); i++)
		reversed[i] = ep[sizeof(reversed) - 1 - i];
	return string_end(ndo, s, put_hex_bytes(s, reversed, sizeof(reversed)));
}

const char *__wrap_linkaddr_string(netdissect_options *ndo, const uint8_t *ep, unsigned type, unsigned len)
{
	char *s;

	if (type == LINKADDR_ETHER && len == MAC_ADDR_LEN)
		return __wrap_etheraddr_string(ndo, ep);
	/* Longer than any link-layer address can be: leave it to the library. */
	if (len == 0 || type == LINKADDR_FRELAY || len > STRING_MAX / 3)
		return __real_linkaddr_string(ndo, ep, type, len);
	s = string_begin(ndo, len * 3);
	return string_end(ndo, s, put_hex_bytes(s, ep, len));
}

const char *__wrap_isonsap_string(netdissect_options *ndo, const uint8_t *nsap, u_int len)
{
	char *s, *d;

	if (len < 1 || len > NSAP_MAX)
		return __real_isonsap_string(ndo, nsap, len);
	s = d = string_begin(ndo, (size_t)NSAP_MAX * 3 + 1);
	for (u_int i = 0; i < len; i++) {
		d = put_hex(d, nsap[i]);
		if (i % 2 == 0 && i + 1 < len)
			*d++ = '.';
	}
	return string_end(ndo, s, d);
}

void names_next_packet(struct names *names)
{
	while (names->chunks->next) {
		struct chunk *c = names->chunks;

		names->chunks = c->next;
		free(c);
	}
	names->chunks->used = 0;
}

void names_free(struct names *names)
{
	if (!names)
		return;
	while (names->chunks) {
		struct chunk *c = names->chunks;

		names->chunks = c->next;
		free(c);
	}
	ethers_free(names->ethers);
	free(names->ether_names);
	free(names);
}

static int read_ethers(struct names *names)
{
	FILE *f = fopen("/etc/ethers", "re");
	int err = ethers_new(&names->ethers, f);

	if (f)
		fclose(f);
	names->ether_names = calloc(ETHER_SLOTS, sizeof(*names->ether_names));
	return names->ether_names ? err : -ENOMEM;
}

int names_new(struct names **ret, const struct text_config *config)
{
	struct names *names = calloc(1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	names->resolver = config->resolver;
	names->chunks = calloc(1, sizeof(*names->chunks));
	if (!names->chunks || (config->n == 0 && read_ethers(names))) {
		names_free(names);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < 256; i++) {
		char digits[12];

		names->octet_len[i] = (uint8_t)snprintf(digits, sizeof(digits), "%u.", i);
		memcpy(names->octets[i], digits, 4);
	}
	*ret = names;
	return 0;
}
