/* SPDX-License-Identifier: BSD-3-Clause */
/* From the rings to the handler: order, waiting, checks. */
#include <errno.h>
#include <linux/if_packet.h>
#include <pcap/dlt.h>

#include "capture/owners.h"
#include "capture_rig.h"

enum { ETH = 2, TUN = 3, NOBODYS = 9 }; /* interfaces */
#define ALL UINT32_MAX
#define EVER UINT64_MAX
#define MSEC UINT64_C(1000000)
#define FRAME "\1\2\3\4\5\6\7\10\11\12\13\14\x08\0ip" /* two addresses, a type, two bytes */

static struct rig rig;

/* --- the world around ------------------------------------------------------------ */

static int handler_verdict, finish_verdict;
static uint64_t wait_for; /* the handler is not done with the packet of this time */
static bool owner_known, filter_passes;
static struct filter_meta filter_asked;

/* "TIME" and what is not as usual. */
static int packet_seen(void *arg, struct packet *p, bool force)
{
	const uint64_t t = (uint64_t)p->sec * 1000000000 + (uint64_t)p->nsec;

	if (p->event->ts == wait_for && !force) {
		told("wait ");
		return CAPTURE_WAIT;
	}
	told("%llu%s ", (unsigned long long)t, force ? "!" : "");
	return handler_verdict;
}

static int finish_seen(struct capture *c, struct event_packet *e, bool force, int64_t *ns)
{
	told("finish%s ", force ? "!" : "");
	*ns = INT64_C(7000000005);
	return finish_verdict;
}

FAKE(bool, owners_find, struct owners *o, int dlt, struct event_packet *e, const uint8_t *data, uint64_t now)
{
	told("owner dlt %d data %.2s ", dlt, (const char *)data);
	e->src.tgid = 42;
	return owner_known;
}

FAKE(bool, filter_match_live, const struct filter_code *code, const uint8_t *data, uint32_t caplen, uint32_t len,
     const struct filter_meta *meta, const struct filter_truth *truth)
{
	(void)truth;
	filter_asked = *meta;
	told("%s %u/%u ", rig_is_l3_filter(&rig, code) ? "l3" : "l2", caplen, len);
	return filter_passes;
}

static int iface_error;

static int iface_heard(void *arg, const struct iface *iface)
{
	(void)arg;
	told("iface %u %s ", iface->id, iface->name);
	return iface_error;
}

static void start(unsigned nrings)
{
	struct netns *ns;

	rig_init(&rig);
	rig_handler(&rig)->packet = packet_seen;
	handler_verdict = finish_verdict = CAPTURE_DONE;
	wait_for = EVER;
	owner_known = filter_passes = true;
	ns = rig_netns(&rig, OWN_INODE, -1);
	if (rig_rings(&rig, nrings, 65536) != 0 || !links_add(&rig.c, ns, "eth0", ETH, DLT_EN10MB) ||
	    !links_add(&rig.c, ns, "tun0", TUN, DLT_RAW))
		abort();
	links_lookup(&rig.c, OWN_INODE, TUN)->l3 = true;
	rig_handler(&rig)->iface = iface_heard;
	links_lookup(&rig.c, OWN_INODE, ETH)->announced = links_lookup(&rig.c, OWN_INODE, TUN)->announced = true;
}

static int run(uint64_t limit)
{
	return deliver(&rig.c, limit, ALL, false);
}

static struct event_packet usual(uint64_t ts)
{
	return (struct event_packet){ .type = EVENT_PACKET, .ifindex = ETH, .netns = OWN_INODE, .ts = ts };
}

static uint32_t *put_packet(unsigned ring, struct event_packet e, const char *data, uint32_t caplen)
{
	uint8_t record[2048] __attribute__((aligned(8)));

	e.caplen = caplen;
	if (!e.len)
		e.len = caplen;
	memcpy(record, &e, sizeof(e));
	memcpy(record + sizeof(e), data, caplen);
	return rig_put_record(&rig, ring, record, sizeof(e) + caplen);
}

static uint32_t *put(unsigned ring, uint64_t ts)
{
	return put_packet(ring, usual(ts), FRAME, 16);
}

static uint32_t *put_busy(unsigned ring, uint64_t ts)
{
	uint32_t *header = put(ring, ts);

	*header |= BPF_RINGBUF_BUSY_BIT;
	return header;
}

/* Writing ends. */
static void commit(uint32_t *header)
{
	*header &= ~BPF_RINGBUF_BUSY_BIT;
}

static void discard(uint32_t *header)
{
	*header = (*header & ~BPF_RINGBUF_BUSY_BIT) | BPF_RINGBUF_DISCARD_BIT;
}

/* --- names ------------------------------------------------------------------------- */

/* What its namespace is called may become known in a moment: once, and for so long. */
static void test_awaits_name(void)
{
	struct event_packet e = usual(10);
	struct netns *ns;

	start(1);
	clock_now = 10;
	ns = rig_netns(&rig, 2000, -1);
	rig_scanning(&rig);
	links_add(&rig.c, ns, "eth0", ETH, DLT_EN10MB);
	e.netns = 2000;
	put_packet(0, e, FRAME, 16);
	put(0, 11);
	CHECK_INT(run(EVER), 0);
	CHECK_STR(what_was_told(), "");
	clock_now += 299 * MSEC;
	CHECK_INT(run(EVER), 0);
	clock_now += 1 * MSEC;
	CHECK_INT(run(EVER), 2);
	CHECK_STR(what_was_told(), "iface 0 eth0 10 11 ");
	put_packet(0, e, FRAME, 16);
	CHECK_INT(run(EVER), 1);
	/* there is one */
	what_was_told();
	ns->name_by = 0;
	CHECK_INT(netns_set_name(&rig.c, ns, "web", false), 0);
	put_packet(0, e, FRAME, 16);
	CHECK_INT(run(EVER), 1);
	free(ns->name);
	ns->name = NULL;
}

static int name_seen(void *arg, struct packet *p, bool force)
{
	told("%llu %s ", (unsigned long long)p->event->ts, p->iface->name);
	return CAPTURE_DONE;
}

/* What was seen under an earlier name keeps it. */
static void test_renamed_between(void)
{
	struct link *old, *now;

	start(1);
	rig_handler(&rig)->packet = name_seen;
	old = links_lookup(&rig.c, OWN_INODE, ETH);
	now = links_add(&rig.c, rig_netns_at(&rig, 0), "wan0", ETH, DLT_EN10MB);
	now->before = old, now->since = 20;
	old = now;
	now = links_add(&rig.c, rig_netns_at(&rig, 0), "wan1", ETH, DLT_EN10MB);
	now->before = old, now->since = 30;
	put(0, 19), put(0, 20), put(0, 29), put(0, 30);
	CHECK_INT(run(EVER), 4);
	CHECK_STR(what_was_told(), "19 eth0 iface 0 wan0 20 wan0 29 wan0 iface 1 wan1 30 wan1 ");
}

/* --- order -------------------------------------------------------------------------- */

static void test_order_over_rings(void)
{
	start(3);
	put(0, 10), put(0, 40), put(0, 70);
	put(1, 20), put(1, 30), put(1, 80);
	put(2, 5), put(2, 60), put(2, 90);
	CHECK_INT(run(EVER), 9);
	CHECK_STR(what_was_told(), "5 10 20 30 40 60 70 80 90 ");
	CHECK_INT(rig_captured(&rig), 9);
	CHECK_INT(run(EVER), 0);
}

/* Whichever ring the oldest, the second and the third are in. */
static void test_order_of_all_permutations(void)
{
	static const unsigned orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
					      { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (unsigned i = 0; i < 6; i++) {
		start(3);
		for (unsigned k = 0; k < 3; k++)
			put(orders[i][k], 10 + k), put(orders[i][k], 13 + k);
		CHECK_INT(run(EVER), 6);
		CHECK_STR(what_was_told(), "10 11 12 13 14 15 ");
	}
}

/* Of equal times the ring with the lower number is first, but a ring is not left for an equal time. */
static void test_order_of_equal_times(void)
{
	struct event_packet e = usual(10);

	start(2);
	e.ifindex = TUN;
	rig_filter(&rig, true); /* it tells the length, by which they are told apart */
	put_packet(0, e, FRAME, 1), put_packet(0, e, FRAME, 2);
	put_packet(1, e, FRAME, 3), put_packet(1, e, FRAME, 4);
	CHECK_INT(run(EVER), 4);
	CHECK_STR(what_was_told(), "l3 1/1 10 l3 2/2 10 l3 3/3 10 l3 4/4 10 ");
	e.ts = 5;
	put_packet(1, e, FRAME, 5);
	e.ts = 20;
	put_packet(1, e, FRAME, 6), put_packet(0, e, FRAME, 7);
	CHECK_INT(run(EVER), 3);
	CHECK_STR(what_was_told(), "l3 5/5 10 l3 6/6 20 l3 7/7 20 ");
}

static void test_limit(void)
{
	start(2);
	put(0, 10), put(0, 21), put(1, 20), put(1, 30);
	CHECK_INT(run(9), 0);
	CHECK_STR(what_was_told(), "");
	CHECK_INT(run(20), 2);
	CHECK_STR(what_was_told(), "10 20 ");
	CHECK_INT(run(21), 1);
	CHECK_STR(what_was_told(), "21 ");
	CHECK_INT(run(29), 0);
	CHECK_INT(run(30), 1);
}

/* One ring alone obeys the limit, too, in the midst of its records. */
static void test_limit_within_a_ring(void)
{
	start(1);
	put(0, 10), put(0, 20), put(0, 21);
	CHECK_INT(run(20), 2);
	CHECK_STR(what_was_told(), "10 20 ");
}

static void test_at_most(void)
{
	start(2);
	put(0, 10), put(0, 20), put(1, 15), put(0, 30);
	CHECK_INT(deliver(&rig.c, EVER, 0, false), 0);
	CHECK_INT(deliver(&rig.c, EVER, 2, false), 2);
	CHECK_STR(what_was_told(), "10 15 ");
	CHECK_INT(deliver(&rig.c, EVER, 1, false), 1);
	CHECK_STR(what_was_told(), "20 ");
	CHECK_INT(deliver(&rig.c, EVER, 2, false), 1);
	CHECK_STR(what_was_told(), "30 ");
}

static void test_at_most_within_a_ring(void)
{
	start(1);
	put(0, 10), put(0, 20), put(0, 30);
	CHECK_INT(deliver(&rig.c, EVER, 2, false), 2);
	CHECK_STR(what_was_told(), "10 20 ");
}

/* More CPUs than rings: their records may be in the wrong order by a little. */
static void test_time_never_goes_back(void)
{
	start(1);
	put(0, 100), put(0, 90), put(0, 95), put(0, 101);
	CHECK_INT(run(EVER), 4);
	CHECK_STR(what_was_told(), "100 100 100 101 ");
	put(0, 99);
	CHECK_INT(run(EVER), 1);
	CHECK_STR(what_was_told(), "101 ");
}

static void test_clock_offset(void)
{
	start(1);
	rig_clock_offset(&rig, INT64_C(3000000000));
	put(0, 5);
	run(EVER);
	rig_clock_offset(&rig, -4);
	put(0, 7000000010);
	run(EVER);
	CHECK_STR(what_was_told(), "3000000005 7000000006 ");
}

/* --- records that are being written ------------------------------------------------ */

/* Its time is unknown, but not before that of the record in front of it. */
static void test_busy_holds_back_later_ones(void)
{
	uint32_t *busy;

	start(2);
	put(0, 10);
	busy = put_busy(0, 15);
	put(1, 9), put(1, 10), put(1, 11), put(1, 20);
	CHECK_INT(run(EVER), 3);
	CHECK_STR(what_was_told(), "9 10 10 ");
	CHECK_INT(run(EVER), 0);
	commit(busy);
	CHECK_INT(run(EVER), 3);
	CHECK_STR(what_was_told(), "11 15 20 ");
}

static void test_busy_first_holds_back_all(void)
{
	uint32_t *busy;

	start(2);
	busy = put_busy(1, 10);
	put(0, 5);
	CHECK_INT(run(EVER), 0);
	commit(busy);
	CHECK_INT(run(EVER), 2);
	CHECK_STR(what_was_told(), "5 10 ");
}

/* Others of the same time as that record are not held back, in this call or a later one. */
static void test_busy_holds_back_no_equal_ones(void)
{
	start(2);
	put(0, 10), put_busy(0, 15);
	put(1, 10), put(1, 11);
	CHECK_INT(run(EVER), 2);
	CHECK_STR(what_was_told(), "10 10 ");
	start(3);
	put(0, 10), put_busy(0, 15);
	put(1, 11);
	CHECK_INT(run(EVER), 1);
	put(2, 10);
	CHECK_INT(run(EVER), 1);
	CHECK_STR(what_was_told(), "10 10 ");
}

/* What is behind a busy record is not looked at, even when it is complete. */
static void test_busy_holds_back_its_ring(void)
{
	uint32_t *busy;

	start(1);
	put(0, 10);
	busy = put_busy(0, 11);
	put(0, 12);
	CHECK_INT(run(EVER), 1);
	discard(busy);
	CHECK_INT(run(EVER), 1);
	CHECK_STR(what_was_told(), "10 12 ");
}

/* The earliest of several counts, and the limit that was given if it is earlier. */
static void test_busy_in_several_rings(void)
{
	uint32_t *a, *b;

	start(3);
	put(0, 10), put(1, 20), put(2, 12), put(2, 15), put(2, 25);
	a = put_busy(0, 13), b = put_busy(1, 21);
	CHECK_INT(run(EVER), 1);
	CHECK_STR(what_was_told(), "10 ");
	commit(a);
	CHECK_INT(run(13), 2);
	CHECK_STR(what_was_told(), "12 13 ");
	CHECK_INT(run(EVER), 2);
	CHECK_STR(what_was_told(), "15 20 ");
	commit(b);
	CHECK_INT(run(EVER), 2);
	CHECK_STR(what_was_told(), "21 25 ");
}

/* A record produced after the call began is left for the next. */
static uint64_t put_at;

static int packet_produces(void *arg, struct packet *p, bool force)
{
	if (put_at)
		put(0, put_at);
	put_at = 0;
	return packet_seen(arg, p, force);
}

static void test_one_look_per_call(void)
{
	start(1);
	rig_handler(&rig)->packet = packet_produces;
	put_at = 11;
	put(0, 10);
	CHECK_INT(run(EVER), 1);
	CHECK_INT(run(EVER), 1);
	CHECK_STR(what_was_told(), "10 11 ");
}

/* --- records that are no packets ------------------------------------------------------ */

static void test_discarded(void)
{
	start(2);
	discard(put(0, 1)), discard(put(0, 2)), put(0, 3), discard(put(0, 4)), put(0, 5), discard(put(0, 6));
	discard(put(1, 1));
	CHECK_INT(run(EVER), 2);
	CHECK_STR(what_was_told(), "3 5 ");
	CHECK_INT(rig_held(&rig, 0), 0);
	CHECK_INT(rig_held(&rig, 1), 0);
}

static void put_claiming(uint32_t type, uint32_t caplen, uint32_t held)
{
	struct {
		struct event_packet e;
		uint8_t data[2 * SNAPLEN];
	} record = { .e = usual(10) };

	record.e.type = type;
	record.e.caplen = caplen;
	rig_put_record(&rig, 0, &record, sizeof(record.e) + held);
}

static void test_invalid(void)
{
	start(2);
	rig_put_record(&rig, 0, &(struct event_packet){ .type = EVENT_PACKET }, sizeof(struct event_packet) - 1);
	put_claiming(EVENT_EXEC, 10, 10);
	put_claiming(EVENT_PACKET, 11, 10);
	put_claiming(EVENT_PACKET, SNAPLEN + 1, SNAPLEN + 1);
	put_claiming(EVENT_PACKET, UINT32_MAX, 10);
	put(1, 20);
	CHECK_INT(run(EVER), 1);
	CHECK_STR(what_was_told(), "20 ");
	CHECK_INT(rig_held(&rig, 0), 0);
	put_claiming(EVENT_PACKET, 0, 0);
	put_claiming(EVENT_PACKET, 10, 10);
	put_claiming(EVENT_PACKET, 10, 11);
	put_claiming(EVENT_PACKET, SNAPLEN, SNAPLEN);
	CHECK_INT(run(EVER), 4);
}

/* It tells no time either. */
static void test_invalid_before_busy(void)
{
	uint32_t *busy;

	start(2);
	put(0, 10);
	put_claiming(EVENT_NONE, 0, 0);
	busy = put_busy(0, 30);
	put(1, 20);
	CHECK_INT(run(EVER), 1);
	commit(busy);
	CHECK_INT(run(EVER), 2);
	CHECK_STR(what_was_told(), "10 20 30 ");
}

static void test_interface_unknown(void)
{
	struct event_packet e = usual(10);

	start(1);
	e.ifindex = NOBODYS;
	put_packet(0, e, FRAME, 16);
	e = usual(11);
	e.netns++;
	put_packet(0, e, FRAME, 16);
	put(0, 12);
	CHECK_INT(run(EVER), 3);
	CHECK_STR(what_was_told(), "12 ");
	CHECK_INT(rig_captured(&rig), 1);
}

/* --- verdicts ----------------------------------------------------------------------------- */

static void test_wait_leaves_all_that_follows(void)
{
	start(2);
	put(0, 10), put(0, 20), put(1, 11), put(1, 15), put(1, 30);
	wait_for = 11;
	CHECK_INT(run(EVER), 1);
	CHECK_STR(what_was_told(), "10 wait ");
	CHECK_INT(rig_captured(&rig), 1);
	CHECK_INT(run(EVER), 0);
	CHECK_STR(what_was_told(), "wait ");
	wait_for = EVER;
	CHECK_INT(run(EVER), 4);
	CHECK_STR(what_was_told(), "11 15 20 30 ");
	CHECK_INT(rig_captured(&rig), 5);
}

/* One that waits has not been shown: it sets no time that others must not go behind. */
static void test_wait_sets_no_time(void)
{
	start(2);
	put(0, 50);
	wait_for = 50;
	run(EVER);
	put(1, 40);
	wait_for = EVER;
	CHECK_INT(run(EVER), 2);
	CHECK_STR(what_was_told(), "wait 40 50 ");
}

/* An interface that came later is told of with its first packet, once, also when that waits. */
static void test_first_packet(void)
{
	start(1);
	links_lookup(&rig.c, OWN_INODE, ETH)->announced = false;
	put(0, 10), put(0, 20);
	wait_for = 10;
	CHECK_INT(run(EVER), 0);
	CHECK_STR(what_was_told(), "iface 0 eth0 wait ");
	wait_for = EVER;
	CHECK_INT(run(EVER), 2);
	CHECK_STR(what_was_told(), "10 20 ");
	start(1);
	links_lookup(&rig.c, OWN_INODE, ETH)->announced = false;
	put(0, 10);
	iface_error = -ENOSPC;
	CHECK_INT(run(EVER), -ENOSPC);
	CHECK_STR(what_was_told(), "iface 0 eth0 ");
	iface_error = 0;
}

static void test_error_of_the_handler(void)
{
	start(1);
	put(0, 10), put(0, 20);
	handler_verdict = -EPIPE;
	CHECK_INT(run(EVER), -EPIPE);
	CHECK_STR(what_was_told(), "10 ");
	CHECK_INT(rig_captured(&rig), 0);
	handler_verdict = CAPTURE_DONE;
	CHECK_INT(run(EVER), 2);
	CHECK_STR(what_was_told(), "10 20 ");
}

static void test_forced(void)
{
	start(1);
	put(0, 10);
	CHECK_INT(deliver(&rig.c, EVER, ALL, true), 1);
	put(0, 20);
	CHECK_INT(deliver(&rig.c, EVER, ALL, false), 1);
	CHECK_STR(what_was_told(), "10! 20 ");
}

/* A packet that would wait does not while a ring is that full; others are none the wiser. */
static void test_forced_by_a_full_ring(void)
{
	size_t held;

	start(1);
	wait_for = 1;
	put(0, 1), put(0, 2);
	rig.c.rings.size = rig_held(&rig, 0) * 4 / 3;
	CHECK_INT(deliver(&rig.c, EVER, 2, false), 2);
	CHECK_STR(what_was_told(), "wait 1! 2 ");
	start(3);
	wait_for = 2;
	put(0, 1), put(1, 2), put(1, 3), put(2, 4);
	held = rig_held(&rig, 1);
	rig.c.rings.size = held * 2;
	CHECK_INT(deliver(&rig.c, EVER, 2, false), 1);
	CHECK_STR(what_was_told(), "1 wait ");
	rig.c.rings.size = held * 4 / 3;
	CHECK_INT(deliver(&rig.c, EVER, 2, false), 2);
	CHECK_STR(what_was_told(), "wait 2! 3 ");
	CHECK_INT(deliver(&rig.c, EVER, 1, false), 1);
	CHECK_STR(what_was_told(), "4 ");
}

/* --- what is done to a packet ------------------------------------------------------------ */

static void test_filter_in_user_space(void)
{
	struct event_packet e = usual(10);

	start(1);
	rig_filter(&rig, true);
	e.len = 99;
	e.pkt_type = PACKET_MULTICAST;
	e.vlan_tci = 0x2345;
	e.vlan_proto = 0x88a8;
	filter_passes = false;
	put_packet(0, e, FRAME, 16), put(0, 11), put(0, 12);
	CHECK_INT(deliver(&rig.c, EVER, 1, false), 1);
	CHECK_INT(filter_asked.ifindex, ETH);
	CHECK_INT(filter_asked.vlan_present, false);
	CHECK_INT(filter_asked.vlan_tci, 0x2345);
	CHECK_INT(filter_asked.vlan_proto, 0x88a8);
	CHECK_INT(filter_asked.pkt_type, PACKET_MULTICAST);
	CHECK_STR(what_was_told(), "l2 16/99 ");
	CHECK_INT(run(EVER), 2);
	CHECK_INT(rig_captured(&rig), 0);
	CHECK_INT(rig_held(&rig, 0), 0);
	CHECK_INT(links_lookup(&rig.c, OWN_INODE, ETH)->mismatched, 3);
	CHECK_INT(links_lookup(&rig.c, OWN_INODE, TUN)->mismatched, 0);
}

static void test_filter_of_outgoing(void)
{
	struct event_packet e = usual(10);

	start(1);
	rig_filter(&rig, true);
	e.ifindex = TUN;
	e.dir = EVENT_DIR_OUT;
	e.flags = EVENT_PKT_VLAN | EVENT_PKT_L3;
	put_packet(0, e, FRAME, 16);
	CHECK_INT(run(EVER), 1);
	CHECK_STR(what_was_told(), "l3 16/16 10 ");
	CHECK_INT(filter_asked.vlan_present, true);
	CHECK_INT(filter_asked.pkt_type, PACKET_OUTGOING);
	CHECK_INT(rig_captured(&rig), 1);
	CHECK_INT(links_lookup(&rig.c, OWN_INODE, TUN)->mismatched, 0);
}

static struct packet got;
static struct event_packet got_event;
static uint8_t got_data[SNAPLEN + 4];

static int packet_kept(void *arg, struct packet *p, bool force)
{
	got = *p;
	got_event = *p->event;
	memcpy(got_data, p->data, p->caplen);
	return CAPTURE_DONE;
}

static void deliver_one(struct event_packet e, const char *data, uint32_t caplen)
{
	start(1);
	rig_handler(&rig)->packet = packet_kept;
	put_packet(0, e, data, caplen);
	run(EVER);
}

static void test_packet_as_it_is(void)
{
	struct event_packet e = usual(5000000010);

	e.len = 1500;
	e.dir = EVENT_DIR_OUT;
	deliver_one(e, FRAME, 16);
	CHECK_INT(got.caplen, 16);
	CHECK_INT(got.len, 1500);
	CHECK_INT(got.dir, DIR_OUT);
	CHECK_INT(got.sec, 5);
	CHECK_INT(got.nsec, 10);
	CHECK_STR(got.iface->name, "eth0");
	CHECK(!got.annot && !got.options);
	CHECK_MEM(got_data, FRAME, 16);
}

static struct event_packet tagged(void)
{
	struct event_packet e = usual(10);

	e.flags = EVENT_PKT_VLAN;
	e.vlan_proto = 0x88a8;
	e.vlan_tci = 0x6123;
	return e;
}

static void test_vlan_tag_restored(void)
{
	deliver_one(tagged(), FRAME, 16);
	CHECK_INT(got.caplen, 20);
	CHECK_INT(got.len, 20);
	CHECK_MEM(got_data, "\1\2\3\4\5\6\7\10\11\12\13\14\x88\xa8\x61\x23\x08\0ip", 20);
	deliver_one(tagged(), FRAME, 12);
	CHECK_INT(got.caplen, 16);
	CHECK_MEM(got_data, "\1\2\3\4\5\6\7\10\11\12\13\14\x88\xa8\x61\x23", 16);
}

static void test_vlan_tag_where_there_is_none(void)
{
	struct event_packet e = tagged();

	deliver_one(e, FRAME, 11);
	CHECK_INT(got.caplen, 11);
	CHECK_INT(got.len, 11);
	e.flags = EVENT_PKT_VLAN | EVENT_PKT_L3;
	deliver_one(e, FRAME, 16);
	CHECK_INT(got.caplen, 16);
	CHECK_MEM(got_data, FRAME, 16);
	e.flags = EVENT_PKT_MAYBE;
	deliver_one(e, FRAME, 16);
	CHECK_INT(got.caplen, 16);
}

static void test_vlan_tag_and_snaplen(void)
{
	char frame[SNAPLEN];

	for (unsigned i = 0; i < SNAPLEN; i++)
		frame[i] = (char)i;
	for (uint32_t n = SNAPLEN - 5; n <= SNAPLEN; n++) {
		deliver_one(tagged(), frame, n);
		CHECK_INT(got.caplen, n + 4 < SNAPLEN ? n + 4 : SNAPLEN);
		CHECK_INT(got.len, n + 4);
		CHECK_INT(got_data[got.caplen - 1], (uint8_t)(got.caplen - 5));
	}
}

/* --- who else is asked --------------------------------------------------------------------- */

static void test_backend_finishes(void)
{
	start(1);
	rig.backend.finish = finish_seen;
	put(0, 10);
	finish_verdict = CAPTURE_WAIT;
	CHECK_INT(run(EVER), 0);
	CHECK_STR(what_was_told(), "finish ");
	finish_verdict = CAPTURE_DONE;
	CHECK_INT(deliver(&rig.c, EVER, ALL, true), 1);
	CHECK_STR(what_was_told(), "finish! 7000000005! ");
}

static void test_owners_are_asked(void)
{
	start(1);
	rig_ask_owners(&rig);
	rig_handler(&rig)->packet = packet_kept;
	put(0, clock_now);
	CHECK_INT(run(EVER), 1);
	CHECK_STR(what_was_told(), "owner dlt 1 data \1\2 ");
	CHECK_INT(got_event.src.tgid, 42);
	CHECK_INT(got_event.ts, clock_now);
}

/* An owner who may become known is waited for, but not longer than 100 ms, and not when the ring fills up. */
static void test_owners_are_waited_for(void)
{
	start(1);
	rig_ask_owners(&rig);
	owner_known = false;
	put(0, clock_now);
	CHECK_INT(run(EVER), 0);
	clock_now += 100 * MSEC - 1;
	CHECK_INT(run(EVER), 0);
	what_was_told();
	clock_now++;
	CHECK_INT(run(EVER), 1);
	CHECK_STR(what_was_told(), "owner dlt 1 data \1\2 1000000000 ");
	put(0, clock_now);
	CHECK_INT(run(EVER), 0);
	CHECK_INT(deliver(&rig.c, EVER, ALL, true), 1);
}

/* --- space ------------------------------------------------------------------------------------ */

static void test_space_is_given_back(void)
{
	size_t one;

	start(2);
	put(1, 1);
	one = rig_held(&rig, 1);
	put(0, 2), put(0, 3), put(1, 4);
	deliver(&rig.c, EVER, 2, false);
	CHECK_INT(rig_held(&rig, 0), one);
	CHECK_INT(rig_held(&rig, 1), one);
	wait_for = 4;
	run(EVER);
	CHECK_INT(rig_held(&rig, 0), 0);
	CHECK_INT(rig_held(&rig, 1), one);
}

/* Many times the size of the ring passes through it. */
static void test_space_over_the_end(void)
{
	start(1);
	for (uint64_t ts = 1; ts < 5000; ts++) {
		CHECK(put(0, ts));
		if (ts % 300 == 0)
			CHECK_INT(run(ts), 300);
		what_was_told();
	}
}

/* --- any interleaving ---------------------------------------------------------------------------- */

enum { PRODUCED = 400, LAG = 50 };

static struct model {
	uint32_t *busy[RINGS_MAX][8]; /* records being written, in order of reservation */
	unsigned nbusy[RINGS_MAX];
	uint64_t last[RINGS_MAX]; /* time of the newest record of each ring */
	uint64_t delivered_ts, delivered_time;
	unsigned delivered, unordered, went_back, seen[PRODUCED];
} model;
static uint32_t seed;

static uint32_t any_below(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static int model_packet(void *arg, struct packet *p, bool force)
{
	const uint64_t t = (uint64_t)p->sec * 1000000000 + (uint64_t)p->nsec;
	uint32_t id;

	memcpy(&id, p->data, sizeof(id));
	if (any_below(8) == 0)
		return CAPTURE_WAIT;
	model.unordered += p->event->ts < model.delivered_ts;
	model.went_back += t < model.delivered_time || t < p->event->ts;
	model.delivered_ts = p->event->ts;
	model.delivered_time = t;
	model.seen[id]++;
	model.delivered++;
	return CAPTURE_DONE;
}

/* A CPU looks at the clock, and up to late ns after that it has its place in the ring, and fills it some time later. */
static void model_produce(unsigned ring, uint64_t now, uint32_t id, uint32_t late)
{
	uint64_t ts = now - any_below(late + 1);
	uint32_t *header;

	if (ts < model.last[ring])
		ts = model.last[ring];
	model.last[ring] = ts;
	header = put_packet(ring, usual(ts), (const char *)&id, sizeof(id));
	if (model.nbusy[ring] < 8 && any_below(3) == 0) {
		*header |= BPF_RINGBUF_BUSY_BIT;
		model.busy[ring][model.nbusy[ring]++] = header;
	}
}

/* In any order: each CPU that shares a ring takes its own time. */
static void model_commit(unsigned ring)
{
	unsigned n = model.nbusy[ring], i;

	if (!n)
		return;
	i = any_below(n);
	commit(model.busy[ring][i]);
	model.busy[ring][i] = model.busy[ring][n - 1];
	model.nbusy[ring]--;
}

static void model_run(unsigned nrings, uint32_t late)
{
	uint64_t now = 1000;

	model = (struct model){ 0 };
	start(nrings);
	rig_handler(&rig)->packet = model_packet;
	for (uint32_t id = 0; id < PRODUCED;) {
		now += any_below(20);
		switch (any_below(4)) {
		case 0: deliver(&rig.c, now - LAG, 1 + any_below(20), false); break;
		case 1: model_commit(any_below(nrings)); break;
		default: model_produce(any_below(nrings), now, id++, late);
		}
	}
	for (unsigned i = 0; i < nrings; i++)
		while (model.nbusy[i])
			model_commit(i);
	for (unsigned i = 0; model.delivered < PRODUCED && i < 100000; i++)
		deliver(&rig.c, EVER, ALL, false);
}

static void model_check(unsigned nrings, uint32_t late)
{
	model_run(nrings, late);
	CHECK_INT(model.delivered, PRODUCED);
	for (unsigned i = 0; i < PRODUCED; i++)
		CHECK_INT(model.seen[i], 1);
	CHECK_INT(model.went_back, 0);
	CHECK_INT(rig_captured(&rig), PRODUCED);
	for (unsigned i = 0; i < nrings; i++)
		CHECK_INT(rig_held(&rig, i), 0);
	if (late <= LAG)
		CHECK_INT(model.unordered, 0);
}

/* Who is not later than the limit given to deliver() is in order; who is, is shown once and moves no time back. */
static void test_any_interleaving(void)
{
	for (seed = 1; seed < 0x7fffffff && check_why[0] == '\0'; seed += 0x2000000) {
		const uint32_t began = seed;
		const unsigned nrings = 1 + began / 0x2000000 % RINGS_MAX;

		model_check(nrings, 0);
		model_check(nrings, LAG);
		model_check(nrings, 10 * LAG);
		seed = began;
	}
}

int main(void)
{
	RUN(test_awaits_name);
	RUN(test_renamed_between);
	RUN(test_order_over_rings);
	RUN(test_order_of_all_permutations);
	RUN(test_order_of_equal_times);
	RUN(test_limit);
	RUN(test_limit_within_a_ring);
	RUN(test_at_most);
	RUN(test_at_most_within_a_ring);
	RUN(test_time_never_goes_back);
	RUN(test_clock_offset);
	RUN(test_busy_holds_back_later_ones);
	RUN(test_busy_first_holds_back_all);
	RUN(test_busy_holds_back_no_equal_ones);
	RUN(test_busy_holds_back_its_ring);
	RUN(test_busy_in_several_rings);
	RUN(test_one_look_per_call);
	RUN(test_discarded);
	RUN(test_invalid);
	RUN(test_invalid_before_busy);
	RUN(test_interface_unknown);
	RUN(test_wait_leaves_all_that_follows);
	RUN(test_wait_sets_no_time);
	RUN(test_first_packet);
	RUN(test_error_of_the_handler);
	RUN(test_forced);
	RUN(test_forced_by_a_full_ring);
	RUN(test_filter_in_user_space);
	RUN(test_filter_of_outgoing);
	RUN(test_packet_as_it_is);
	RUN(test_vlan_tag_restored);
	RUN(test_vlan_tag_where_there_is_none);
	RUN(test_vlan_tag_and_snaplen);
	RUN(test_backend_finishes);
	RUN(test_owners_are_asked);
	RUN(test_owners_are_waited_for);
	RUN(test_space_is_given_back);
	RUN(test_space_over_the_end);
	RUN(test_any_interleaving);
	rig_done(&rig);
	return check_status();
}
