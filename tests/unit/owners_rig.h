/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests of capture/owners.c: packets of any headers, maps of our own, and what is asked of them. */
#ifndef OWNERS_RIG_H
#define OWNERS_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pcap/dlt.h>
#include <ptcpdump/owner.h>
#include <stdlib.h>

#include "capture/owners.h"
#include "check.h"
#include "fake.h"

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

static inline void tell_key(const struct flow_key *k)
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

static inline uint32_t add(const char *bytes, uint32_t n)
{
	memcpy(packet + packet_len, bytes, n);
	packet_len += n;
	return packet_len;
}

#define ADD(bytes) add(bytes, sizeof(bytes) - 1)

static inline void add_zeros(uint32_t n)
{
	memset(packet + packet_len, 0, n);
	packet_len += n;
}

static inline void add16(uint16_t n)
{
	packet[packet_len++] = (uint8_t)(n >> 8);
	packet[packet_len++] = (uint8_t)n;
}

static inline void ethernet(uint16_t type)
{
	packet_len = 0;
	ADD("\xff\xff\xff\xff\xff\xff\2\0\0\0\0\1");
	add16(type);
}

/* 10.0.0.1 to 10.0.0.2 with options of so many words. */
static inline void ipv4_with(uint8_t protocol, uint8_t words, uint16_t fragment)
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

static inline void ipv4(uint8_t protocol)
{
	ipv4_with(protocol, 0, 0);
}

/* fd00::1 to fd00::2 */
static inline void ipv6(uint8_t next)
{
	ADD("\x60\0\0\0\0\0");
	packet[packet_len++] = next;
	packet[packet_len++] = 64;
	ADD("\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1");
	ADD("\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2");
}

static inline void extension(uint8_t next, uint8_t more_words)
{
	packet[packet_len++] = next;
	packet[packet_len++] = more_words;
	add_zeros(6 + 8U * more_words);
}

static inline void ipv6_fragment(uint8_t next, uint16_t offset)
{
	packet[packet_len++] = next;
	packet[packet_len++] = 200; /* reserved: no length here */
	add16(offset);
	add_zeros(4);
}

/* Ports 1000 and 80, and of TCP the flags. */
static inline void ports(uint8_t flags)
{
	add16(1000);
	add16(80);
	add_zeros(9);
	packet[packet_len++] = flags;
	add_zeros(6);
}

static inline void icmp(uint8_t type)
{
	packet[packet_len++] = type;
	add_zeros(3);
	add16(77);
	add16(0x0101);
}

static struct owners *owners;

static inline void start(int flows_fd, int cookies_fd)
{
	owners_free(owners);
	if (owners_new(&owners, flows_fd, cookies_fd) != 0)
		abort();
	nflows = ncookies = asked = 0;
	what_was_told();
}

/* At its exact size, that a read beyond it is seen. */
static inline bool ask(int dlt, uint32_t n, struct event_packet *e, uint64_t now)
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

#endif
