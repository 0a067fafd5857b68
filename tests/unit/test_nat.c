/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose a packet is that NAT may send elsewhere: what is asked, for how long answers hold, what is credited. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "capture/conntrack.h"
#include "capture/nat.h"
#include "capture/tenant.h"
#include "check.h"
#include "fake.h"

enum { FLOWS = 100, COOKIES, TIES, PLAIN, CONNTRACK = 5, PROXY = 77, INSIDE = 88 };
#define SEC UINT64_C(1000000000)
#define MSEC UINT64_C(1000000)
#define T0 (1000 * SEC)

static struct nat *nat;
static struct nat_question q;

/* --- the world around ------------------------------------------------------------ */

static int answer;		 /* of conntrack */
static bool on_its_way;		 /* the packet has not passed NAT; it will have after the wait */
static uint64_t waited;		 /* until then */
static struct flow_key receiver; /* where it sends the flow */
static unsigned asked;
static struct owner_rec inside; /* of that flow, tgid 0: not known */
static bool refused;		/* where it was sent */
static struct tenant tenant;	/* at any address */
static struct flow_key known_as;

FAKE(int, conntrack_ask, int fd, const struct flow_key *k, struct flow_key *ret)
{
	asked++;
	if (on_its_way)
		return -ENOENT;
	*ret = answer < 0 ? *k : receiver;
	return answer;
}

FAKE(int, clock_nanosleep, clockid_t clock, int flags, const struct timespec *until, struct timespec *left)
{
	on_its_way = false;
	waited = (uint64_t)until->tv_sec * SEC + (uint64_t)until->tv_nsec;
	return 0;
}

FAKE(int, bpf_map_lookup_elem, int fd, const void *key, void *value)
{
	if (fd == TIES && refused && memcmp(key, &q.k, sizeof(q.k)) == 0) {
		memcpy(value, &known_as, sizeof(known_as));
		return 0;
	}
	if (fd != FLOWS || !inside.tgid || memcmp(key, &known_as, sizeof(known_as)) != 0)
		return -ENOENT;
	memcpy(value, &inside, sizeof(inside));
	return 0;
}

FAKE(struct tenant, tenants_find, struct tenants *t, const uint32_t address[4], uint32_t netns, uint64_t now)
{
	char text[2][INET_ADDRSTRLEN];

	if (tenant.pid)
		told("%s: %s ", inet_ntop(AF_INET, &q.k.l[3], text[0], sizeof(text[0])),
		     inet_ntop(AF_INET, &address[3], text[1], sizeof(text[1])));
	return tenant;
}

FAKE(int, bpf_map_update_elem, int fd, const void *key, const void *value, uint64_t flags)
{
	const struct owner_rec *rec = value;

	if (fd == FLOWS)
		told("flow %u %s", rec->tgid, rec->forwarded ? "forwarded " : "");
	else
		told(fd == PLAIN ? "plain " : fd == TIES ? "tie " : "? ");
	return 0;
}

static uint8_t ends[FLOW_ENDS];
static uint32_t published;

static void start(void)
{
	const struct nat_maps maps = { FLOWS, COOKIES, TIES, PLAIN, ends, &published };

	nat_free(nat);
	memset(ends, 0, sizeof(ends));
	published = 0;
	if (nat_new(&nat, &maps) != 0)
		abort();
	q = (struct nat_question){ .ifindex = 2, .ts = T0 };
	q.k = (struct flow_key){ .l = { 0, 0, htonl(0xffff), htonl(0x0a000001) },
				 .r = { 0, 0, htonl(0xffff), htonl(0x0a000002) },
				 .netns = 7,
				 .lport = 53,
				 .rport = 1000,
				 .proto = IPPROTO_UDP };
	receiver = q.k;
	answer = 0;
	asked = 0;
	on_its_way = false;
	waited = 0;
	inside = (struct owner_rec){ 0 };
	refused = false;
	tenant = (struct tenant){ 0 };
	what_was_told();
}

static void sent_inside(void)
{
	receiver.l[3] = htonl(0xac110002);
	known_as = receiver;
	known_as.netns = 0;
}

static struct event_owner settle_at(uint64_t ts)
{
	struct event_owner end = { .tgid = PROXY, .cookie = 3, .flags = OWNER_F_NAT };

	q.ts = ts;
	nat_settle(nat, CONNTRACK, &q, ts + MSEC, &end);
	return end;
}

/* --- tests ----------------------------------------------------------------------- */

static void test_not_translated(void)
{
	struct event_owner end;

	start();
	end = settle_at(T0);
	CHECK_INT(end.tgid, PROXY);
	CHECK_INT(end.flags, 0);
	CHECK_STR(what_was_told(), "plain ");
	/* Others that come for this port are not asked about, for about a second. */
	q.k.rport++;
	settle_at(T0 + MSEC);
	CHECK_INT(asked, 1);
	settle_at(T0 + 4 * SEC);
	CHECK_INT(asked, 2);
	/* Rules may tell interfaces apart. */
	q.ifindex++;
	q.k.rport++;
	settle_at(T0 + 4 * SEC);
	CHECK_INT(asked, 3);
}

static void test_receiver_known(void)
{
	struct event_owner end;

	start();
	sent_inside();
	inside = (struct owner_rec){ .tgid = INSIDE, .cookie = 9, .certain = 1 };
	end = settle_at(T0);
	CHECK_INT(end.tgid, INSIDE);
	CHECK_INT(end.cookie, 9);
	CHECK_INT(end.source, OWNER_CONNTRACK);
	CHECK_INT(end.flags, OWNER_F_NAT | OWNER_F_LATER);
	CHECK_STR(what_was_told(), "flow 88 forwarded tie ");
	CHECK_INT(ends[flow_end_slot(flow_end_mixed(&q.k))], 1);
	CHECK_INT(published, 1);
}

static void test_receiver_not_known(void)
{
	struct event_owner end;

	start();
	sent_inside();
	end = settle_at(T0);
	CHECK_INT(end.tgid, 0);
	CHECK_INT(end.cookie, flow_cookie(&known_as));
	CHECK_INT(end.flags, OWNER_F_NAT | OWNER_F_PROVISIONAL);
	/* Nobody is waited for again and again. */
	end = settle_at(T0 + SEC);
	CHECK_INT(end.tgid, 0);
	CHECK_INT(end.flags, OWNER_F_NAT);
	CHECK_STR(what_was_told(), "");
	CHECK_INT(asked, 2);
}

/* What is known of the tuple of a request is of an earlier connection. */
static void test_request(void)
{
	struct event_owner end;

	start();
	sent_inside();
	inside = (struct owner_rec){ .tgid = INSIDE, .cookie = 9, .certain = 1 };
	q.k.proto = receiver.proto = known_as.proto = IPPROTO_TCP;
	q.request = true;
	end = settle_at(T0);
	CHECK_INT(end.tgid, 0);
	CHECK_INT(end.cookie, flow_cookie(&known_as));
	CHECK_INT(end.flags, OWNER_F_NAT | OWNER_F_PROVISIONAL);
	/* The same packet again, and then the next one. */
	settle_at(T0);
	CHECK_INT(asked, 1);
	settle_at(T0 + MSEC);
	CHECK_INT(asked, 2);
}

static void test_another_port_of_ours(void)
{
	struct event_owner end;

	start();
	receiver.lport++;
	end = settle_at(T0);
	CHECK_INT(end.tgid, 0);
	CHECK_INT(end.cookie, flow_cookie(&receiver));
}

static void test_not_tracked(void)
{
	struct event_owner end;

	start();
	answer = -ENOENT;
	end = settle_at(T0);
	CHECK_INT(end.tgid, PROXY);
	CHECK_INT(end.flags, 0);
	/* It may be on its way, and so the next ones. */
	CHECK_STR(what_was_told(), "");
	q.k.rport++;
	settle_at(T0 + 200 * MSEC);
	CHECK_STR(what_was_told(), "plain ");
	settle_at(T0 + 200 * SEC);
	CHECK_STR(what_was_told(), "");
	/* One that is known says that others were late. */
	answer = 0;
	settle_at(T0 + 201 * SEC);
	CHECK_STR(what_was_told(), "plain ");
	answer = -ENOENT;
	q.k.rport++;
	settle_at(T0 + 204 * SEC);
	CHECK_STR(what_was_told(), "");
}

/* We may ask before the packet has come to NAT. */
static void test_asked_too_early(void)
{
	struct event_owner end;

	start();
	sent_inside();
	inside = (struct owner_rec){ .tgid = 500, .certain = 1 };
	on_its_way = true;
	CHECK_INT(settle_at(T0).tgid, 500);
	CHECK(waited > T0 + MSEC && waited < T0 + 10 * MSEC);
	/* One that we come to late has got there long ago. */
	start();
	answer = -ENOENT;
	q.ts = T0;
	end = (struct event_owner){ .tgid = PROXY, .flags = OWNER_F_NAT };
	nat_settle(nat, CONNTRACK, &q, T0 + 10 * MSEC, &end);
	CHECK_INT(end.tgid, PROXY);
	CHECK_INT(waited, 0);
}

/* Refused where it was sent: conntrack has forgotten it, and our programs tell. Nobody will have it. */
static void test_refused(void)
{
	struct event_owner end;

	start();
	sent_inside();
	answer = -ENOENT;
	q.request = true;
	refused = true;
	end = settle_at(T0);
	CHECK_INT(end.tgid, 0);
	CHECK_INT(end.flags, OWNER_F_NAT);
	CHECK_STR(what_was_told(), "");
}

/* Nobody has it, but somebody lives at that address, and stands for his container. */
static void test_tenant(void)
{
	struct event_owner end;

	start();
	sent_inside();
	tenant = (struct tenant){ 5, 500 };
	end = settle_at(T0);
	CHECK_INT(end.tgid, 500);
	CHECK_INT(end.start, 5);
	CHECK_INT(end.tid, OWNER_TID_NOBODY);
	CHECK_INT(end.flags, OWNER_F_NAT | OWNER_F_PROVISIONAL);
	CHECK_STR(what_was_told(), "10.0.0.1: 172.17.0.2 ");
	/* An address of ours has none. */
	start();
	receiver.lport++;
	tenant = (struct tenant){ 5, 500 };
	CHECK_INT(settle_at(T0).tgid, 0);
}

/* To who was sent on: of another namespace, if it is known there, else whom the look-up has found; no port is published. */
static void test_what_comes_back(void)
{
	struct event_owner end;

	start();
	sent_inside();
	answer = CONNTRACK_ANSWER;
	end = settle_at(T0);
	CHECK_INT(end.tgid, PROXY);
	CHECK_INT(end.flags, 0);
	CHECK_STR(what_was_told(), "");
	inside = (struct owner_rec){ .tgid = INSIDE, .cookie = 9, .certain = 1 };
	end = settle_at(T0 + MSEC);
	CHECK_INT(end.tgid, INSIDE);
	CHECK_INT(end.source, OWNER_CONNTRACK);
	CHECK_STR(what_was_told(), "flow 88 forwarded tie ");
	/* Not translated at all. */
	start();
	answer = CONNTRACK_ANSWER;
	CHECK_INT(settle_at(T0).tgid, PROXY);
	CHECK_STR(what_was_told(), "plain ");
}

/* A port that NAT takes is never plain, and what is dropped on its way is nobody's. */
static void test_port_that_nat_takes(void)
{
	struct event_owner end;

	start();
	sent_inside();
	settle_at(T0);
	q.k.rport++;
	answer = -ENOENT;
	/* It may only be late. */
	end = settle_at(T0 + MSEC);
	CHECK_INT(end.tgid, 0);
	CHECK_INT(end.flags, OWNER_F_NAT | OWNER_F_PROVISIONAL);
	CHECK(end.cookie == flow_cookie(&q.k));
	end = settle_at(T0 + SEC);
	CHECK_INT(end.tgid, 0);
	CHECK_INT(end.flags, OWNER_F_NAT);
	q.k.rport++;
	answer = 0;
	receiver = q.k;
	end = settle_at(T0 + MSEC);
	CHECK_INT(end.tgid, PROXY);
	CHECK_INT(end.flags, 0);
	CHECK_STR(what_was_told(), "");
	/* Until its rule is gone for a while. */
	end = settle_at(T0 + 100 * SEC);
	CHECK_STR(what_was_told(), "plain ");
}

static void test_conntrack_cannot_be_asked(void)
{
	struct event_owner end = { .tgid = PROXY, .flags = OWNER_F_NAT };

	start();
	nat_settle(nat, -1, &q, T0, &end);
	CHECK_INT(end.tgid, PROXY);
	CHECK_INT(end.flags, 0);
	CHECK_INT(asked, 0);
}

int main(void)
{
	RUN(test_not_translated);
	RUN(test_receiver_known);
	RUN(test_receiver_not_known);
	RUN(test_what_comes_back);
	RUN(test_request);
	RUN(test_another_port_of_ours);
	RUN(test_not_tracked);
	RUN(test_asked_too_early);
	RUN(test_refused);
	RUN(test_tenant);
	RUN(test_port_that_nat_takes);
	RUN(test_conntrack_cannot_be_asked);
	nat_free(nat);
	return check_status();
}
