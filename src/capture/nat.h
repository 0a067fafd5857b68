/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where NAT sends what comes for an address of ours: our programs see a packet before that is decided, and another
 * socket of the same port (docker-proxy) never gets it. conntrack is asked when the packet is delivered, at least a
 * millisecond later: of each flow once, and of ends that NAT is not concerned with about once a second.
 */
#ifndef CAPTURE_NAT_H
#define CAPTURE_NAT_H

#include <ptcpdump/owner.h>
#include <stdbool.h>
#include <stdint.h>

struct nat;
struct capture;
struct link;

/* Descriptors of maps; -1: there is none. */
struct nat_maps {
	int flows, cookies, nat, plain;
	uint8_t *ends;	     /* flow_ends of the programs, NULL without flows */
	uint32_t *published; /* attrib_published, likewise */
};

int nat_new(struct nat **ret, const struct nat_maps *maps);
/* What is asked about: a packet that came for k. */
struct nat_question {
	struct flow_key k; /* the receiver's end before NAT */
	uint32_t ifindex;
	bool request; /* a TCP SYN: the tuple may have been another connection's */
	uint64_t ts;  /* of the packet */
};
/*
 * Corrects whose that end is. fd: of conntrack_open(), negative: it cannot be asked. now: CLOCK_MONOTONIC ns. What keeps
 * OWNER_F_NAT is known to be elsewhere, and of no socket of ours.
 */
void nat_settle(struct nat *n, int fd, const struct nat_question *q, uint64_t now, struct event_owner *end);
/* The same of a packet; nothing where NAT cannot be. */
void nat_packet(struct capture *c, const struct link *link, struct event_packet *e, const uint8_t *data);
void nat_free(struct nat *n);

#endif
