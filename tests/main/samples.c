/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program, which tells on standard output all that it counts, a line each: of samples, and of single packets the same (with -w
 * /dev/null: then nothing is counted in the kernel):
 *
 *	@ IFACE DIR FAMILY.PROTO SRC SPORT DST DPORT OWNER PEER PACKETS BYTES FLAGS SYNS RESETS FINS RETRANSMITS FIRST LAST
 *
 * OWNER and PEER: PID/NAME, "-" of nobody, "*" of others. RETRANSMITS are not told of packets (0), of times neither (0).
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>

#include "flows/flows.h"
#include "headers.h"
#include "session_private.h"

int __wrap_session_sample(struct session *s, const struct flows_sample *sample);
int __real_session_sample(struct session *s, const struct flows_sample *sample);
int __wrap_session_packet(struct session *s, const struct packet *packet);
int __real_session_packet(struct session *s, const struct packet *packet);

static void put_process(const struct process_desc *p, bool known)
{
	const struct str name = process_desc_name(p);

	if (known)
		printf("%u/%.*s ", p->pid, (int)name.n, name.p);
	else
		printf("- ");
}

static void put_owners(const struct flows_sample *s)
{
	const struct annotation *a = s->annot;

	if (s->others)
		printf("* * ");
	if (s->others)
		return;
	if (!a)
		printf("- - ");
	if (!a)
		return;
	put_process(&a->process, a->has & ANNOT_PROCESS);
	put_process(&a->peer, a->has & ANNOT_PEER);
}

static void put_sample(const struct flows_sample *s)
{
	const int family = s->tuple.family == 4 ? AF_INET : AF_INET6;
	char src[INET6_ADDRSTRLEN] = "-", dst[INET6_ADDRSTRLEN] = "-";

	if (s->tuple.family) {
		inet_ntop(family, s->tuple.src, src, sizeof(src));
		inet_ntop(family, s->tuple.dst, dst, sizeof(dst));
	}
	printf("@ %s %u %u.%u %s %u %s %u ", s->iface->name, s->dir, s->tuple.family, s->tuple.proto, src,
	       s->tuple.sport, dst, s->tuple.dport);
	put_owners(s);
	printf("%" PRIu64 " %" PRIu64 " %x %u %u %u %u %" PRIu64 " %" PRIu64 "\n", s->packets, s->bytes, s->tcp_flags,
	       s->syns, s->resets, s->fins, s->retransmits, s->first, s->last);
	fflush(stdout);
}

int __wrap_session_sample(struct session *s, const struct flows_sample *sample)
{
	put_sample(sample);
	return __real_session_sample(s, sample);
}

int __wrap_session_packet(struct session *s, const struct packet *packet)
{
	struct flows_sample sample = {
		.iface = packet->iface,
		.annot = packet->annot,
		.dir = packet->dir,
		.packets = 1,
		.bytes = packet->len,
	};
	struct headers h;

	headers_parse(&h, packet);
	sample.tuple = h.tuple;
	sample.tcp_flags = h.tcp_flags;
	sample.syns = (h.tcp_flags & 0x12) == 2;
	sample.resets = (h.tcp_flags & 4) != 0;
	sample.fins = h.tcp_flags & 1;
	put_sample(&sample);
	return __real_session_packet(s, packet);
}
