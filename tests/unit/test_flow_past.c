/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose a flow was when a packet came that is looked at later. */
#include "capture/flow_past.h"

#include "owners_rig.h"
#include "util/clock.h"

enum { KEPT = 4096, FLOW = 77 };

static struct flow_past *past;

static void was(uint64_t flow, uint64_t until, uint32_t tgid)
{
	const struct event_owner owner = { .tgid = tgid };

	flow_past_add(past, flow, until, &owner);
}

/* 0: nobody. */
static uint32_t at(uint64_t flow, uint64_t ts)
{
	const struct event_owner *owner = flow_past_find(past, flow, ts);

	return owner ? owner->tgid : 0;
}

static void begin(void)
{
	flow_past_free(past);
	past = flow_past_new();
	if (!past)
		abort();
}

static void test_each_has_its_time(void)
{
	begin();
	CHECK_INT(at(FLOW, 0), 0);
	was(FLOW, 10 * MSEC, 1);
	was(FLOW + 1024, 15 * MSEC, 9); /* the same slot */
	was(FLOW, 20 * MSEC, 2);
	CHECK_INT(at(FLOW, 5 * MSEC), 1);
	CHECK_INT(at(FLOW, 12 * MSEC), 2);
	CHECK_INT(at(FLOW, 20 * MSEC), 0);
	CHECK_INT(at(FLOW, 25 * MSEC), 0);
	CHECK_INT(at(FLOW + 1024, 12 * MSEC), 9);
	CHECK_INT(at(FLOW + 1, 5 * MSEC), 0);
}

/* The clocks of packets and of what is told differ a little: who begins is not taken for who was before. */
static void test_clocks_differ(void)
{
	begin();
	was(FLOW, 10 * MSEC, 1);
	CHECK_INT(at(FLOW, 10 * MSEC - 10 * NSEC_PER_USEC), 0);
	CHECK_INT(at(FLOW, 10 * MSEC - 30 * NSEC_PER_USEC), 1);
}

static void test_bounded(void)
{
	begin();
	was(FLOW, 10 * MSEC, 1);
	for (uint32_t i = 1; i < KEPT; i++)
		was(i % 2 ? FLOW : FLOW + i, 10 * MSEC + i, 2);
	CHECK_INT(at(FLOW, 5 * MSEC), 1);
	was(FLOW, 20 * MSEC, 3);
	CHECK_INT(at(FLOW, 5 * MSEC), 2);
	for (uint32_t i = 0; i < 3 * KEPT; i++)
		was(FLOW + 1 + i % 5000, 30 * MSEC, 4);
	CHECK_INT(at(FLOW, 5 * MSEC), 0);
}

static struct flow_key key(uint32_t netns)
{
	return (struct flow_key){
		.l = { 0, 0, htonl(0xffff), htonl(0x0a000001) },
		.r = { 0, 0, htonl(0xffff), htonl(0x0a000002) },
		.netns = netns,
		.lport = htons(1000),
		.rport = htons(80),
		.proto = IPPROTO_UDP,
	};
}

static uint32_t sender_at(uint64_t ts)
{
	struct event_packet e = { .ifindex = ETH0, .ts = ts };

	packet_len = 0;
	ipv4(IPPROTO_UDP);
	ports(0);
	ask(DLT_RAW, packet_len, &e, T0 + MSEC);
	return e.src.flags & OWNER_F_LATER ? e.src.tgid : 0;
}

static void flow_was(uint32_t netns, uint64_t cookie)
{
	const struct flow_key k = key(netns);
	const struct event_flow e = {
		.type = EVENT_FLOW, .ts = T0, .flow = flow_hash(&k), .before = { .tgid = 10, .cookie = cookie }
	};

	owners_flow_was(owners, &e);
}

static void flow_is(uint32_t netns, uint32_t tgid)
{
	flows[nflows].key = key(netns);
	flows[nflows++].rec = (struct owner_rec){ .tgid = tgid };
}

static void test_owner_of_then(void)
{
	start(FLOWS, COOKIES);
	flow_is(NETNS, 20);
	CHECK_INT(sender_at(T0 - MSEC), 20);
	flow_was(NETNS, 0);
	/* What is cached is of now. */
	CHECK_INT(sender_at(T0 - MSEC), 10);
	CHECK_INT(sender_at(T0), 20);
}

static void test_owner_from_elsewhere(void)
{
	start(FLOWS, COOKIES);
	flow_is(0, 20);
	flow_was(0, 0);
	CHECK_INT(sender_at(T0 - MSEC), 10);
	CHECK_INT(sender_at(T0), 20);
}

/* Its socket had been made by another than used it. */
static void test_owner_by_socket(void)
{
	start(FLOWS, COOKIES);
	flow_is(NETNS, 20);
	cookies[ncookies].cookie = 5;
	cookies[ncookies++].rec = (struct owner_rec){ .tgid = 11, .cookie = 5 };
	flow_was(NETNS, 5);
	CHECK_INT(sender_at(T0 - MSEC), 11);
	flow_was(NETNS, 6);
	CHECK_INT(sender_at(T0 - MSEC), 11);
}

int main(void)
{
	RUN(test_each_has_its_time);
	RUN(test_clocks_differ);
	RUN(test_bounded);
	RUN(test_owner_of_then);
	RUN(test_owner_from_elsewhere);
	RUN(test_owner_by_socket);
	flow_past_free(past);
	owners_free(owners);
	return check_status();
}
