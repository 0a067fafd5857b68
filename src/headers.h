/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the headers of a packet say, for those who count packets and describe them as data; text is libnetdissect's. The packet is
 * hostile: nothing outside of its caplen bytes is looked at, and no header is followed without a bound.
 */
#ifndef HEADERS_H
#define HEADERS_H

#include <stdbool.h>
#include <stdint.h>

#include "packet.h"

/* RFC 9293, 3.1; of struct headers, tcp_flags. */
enum { HEADERS_FIN = 1, HEADERS_SYN = 2, HEADERS_RST = 4, HEADERS_ACK = 16 };

/* A flow's key: addresses and ports as they are in the packet. Bytes without a meaning are 0, so that memcmp() compares. */
struct headers_tuple {
	uint8_t src[16], dst[16]; /* network byte order; IPv4: the first 4 bytes */
	uint16_t sport, dport;	  /* host byte order; 0: no ports, or not in this packet */
	uint8_t family;		  /* 4, 6; 0: neither IP nor IPv6, and nothing of this is set */
	uint8_t proto;		  /* IPPROTO_*, behind the extension headers of IPv6 */
	uint8_t pad[2];
};

struct headers {
	struct headers_tuple tuple;
	uint16_t ethertype; /* host byte order, behind VLAN tags; 0: unknown */
	int vlan;	    /* the outermost tag's VID, -1 none */
	bool has_mac;
	uint8_t smac[6], dmac[6];
	bool fragment; /* not the first one: there are no ports */
	bool has_ports;
	bool has_icmp; /* ICMP or ICMPv6 */
	uint8_t icmp_type, icmp_code;
	bool has_tcp;	   /* the following up to tcp_ack are set */
	uint8_t tcp_flags; /* HEADERS_*, PSH 8, URG 32, ECE 64, CWR 128 */
	uint32_t tcp_seq, tcp_ack;
	/* Behind the header of TCP or UDP, by the lengths of the headers: on the wire, and of it captured. */
	uint32_t payload_len;
	const uint8_t *payload; /* NULL: not known, or not captured */
	uint32_t payload_caplen;
};

/* As the answer has it. */
struct headers_tuple headers_turned(const struct headers_tuple *t);
/* Looks at the link layer by packet->iface->dlt; of what it does not know, all is 0 (vlan -1). */
void headers_parse(struct headers *h, const struct packet *packet);

#endif
