/* SPDX-License-Identifier: BSD-3-Clause */
/* From the rings to the handler: merging in time order, checking, VLAN tags, user space filter. */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>

#include "capture/backend.h"
#include "capture/nat.h"
#include "capture/owners.h"
#include "capture/private.h"
#include "util/clock.h"

/* A packet whose owner is not known waits this long for one who uses its socket. */
#define OWNER_WAIT_NS (100 * NSEC_PER_MSEC)
#define VLAN_OFFSET (2 * ETH_ALEN)
/* A local ring of the least size then still has room for the longest record. */
#define CROWDED_PERCENT 75

/* What waits at the front of a ring. */
struct head {
	const struct event_packet *packet; /* NULL: nothing, or nothing yet */
	size_t size;
};

static bool packet_valid(const struct capture *c, const void *record, size_t size)
{
	const struct event_packet *p = record;

	return size >= sizeof(*p) && p->type == EVENT_PACKET && p->caplen <= size - sizeof(*p) &&
	       p->caplen <= c->copylen;
}

/* Loads a ring's front. Nothing later than *limit may be delivered, which a record being written lowers. */
static void head_load(struct capture *c, unsigned i, struct head *head, uint64_t *limit)
{
	const void *record;
	int n;

	head->packet = NULL;
	while ((n = ring_peek(&c->rings.ring[i], &record, &head->size)) == 1) {
		if (packet_valid(c, record, head->size)) {
			head->packet = record;
			return;
		}
		ring_skip(&c->rings.ring[i], head->size);
	}
	/* Its time is not known yet, but it is not before that of the record in front of it. */
	if (n == -EAGAIN && c->rings.ts[i] < *limit)
		*limit = c->rings.ts[i];
}

/* Puts the tag that was taken out of the frame back, as libpcap does. */
static void vlan_restore(struct capture *c, const struct event_packet *e, struct packet *p)
{
	uint8_t *b = c->delivery.vlan_buf;

	if (p->caplen < VLAN_OFFSET)
		return;
	memcpy(b, p->data, VLAN_OFFSET);
	b[12] = (uint8_t)(e->vlan_proto >> 8);
	b[13] = (uint8_t)e->vlan_proto;
	b[14] = (uint8_t)(e->vlan_tci >> 8);
	b[15] = (uint8_t)e->vlan_tci;
	memcpy(b + VLAN_OFFSET + VLAN_LEN, p->data + VLAN_OFFSET, p->caplen - VLAN_OFFSET);
	p->data = b;
	p->len += VLAN_LEN;
	p->caplen += VLAN_LEN;
}

static bool filter_matches(const struct capture *c, const struct link *link, const struct event_packet *e)
{
	const struct filter_meta meta = {
		.ifindex = e->ifindex,
		.vlan_present = e->flags & EVENT_PKT_VLAN,
		.vlan_tci = e->vlan_tci,
		.vlan_proto = e->vlan_proto,
		.pkt_type = e->dir == EVENT_DIR_OUT ? PACKET_OUTGOING : e->pkt_type,
	};

	return filter_match_live(link->l3 ? &c->filter.l3 : &c->filter.l2, e->data, e->caplen, e->len, &meta, NULL);
}

/* Whose packet it is, and its own time, where no program of ours has told. */
static int packet_finish(struct capture *c, const struct event_packet *e, struct packet *p, bool force)
{
	int64_t ns;
	/* These rings are our own memory. */
	int verdict = c->backend->finish(c, (struct event_packet *)(uintptr_t)e, force, &ns);

	p->sec = ns / (int64_t)NSEC_PER_SEC;
	p->nsec = ns % (int64_t)NSEC_PER_SEC;
	return verdict;
}

int owners_ask(struct owners *o, int dlt, struct event_packet *e, const uint8_t *data, bool force)
{
	const uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (owners_find(o, dlt, e, data, now) || force || now >= e->ts + OWNER_WAIT_NS)
		return CAPTURE_DONE;
	return CAPTURE_WAIT;
}

static int packet_hand(struct capture *c, const struct event_packet *e, bool force)
{
	struct link *link = links_lookup(c, e->netns, e->ifindex);
	struct event_packet facts; /* a copy, since rings of programs are read-only */
	struct packet p;
	uint64_t ts;
	int verdict = CAPTURE_DONE;

	if (!link)
		return CAPTURE_DONE;
	if (netns_awaits_name(c, link->ns, e->ts, force))
		return CAPTURE_WAIT;
	while (e->ts < link->since)
		link = link->before;
	/* More CPUs than rings, or a CPU taken away between clock and ring: never go back, however little. */
	ts = e->ts < c->delivery.last_ts ? c->delivery.last_ts : e->ts;
	p = (struct packet){
		.data = e->data,
		.len = e->len,
		.caplen = e->caplen,
		.iface = &link->iface,
		.dir = (enum direction)e->dir,
		.event = e,
		.record = e,
	};
	if (c->filter.in_user && !filter_matches(c, link, e)) {
		link->mismatched++;
		return CAPTURE_DONE;
	}
	if ((e->flags & (EVENT_PKT_VLAN | EVENT_PKT_L3)) == EVENT_PKT_VLAN)
		vlan_restore(c, e, &p);
	if (p.caplen > c->config.snaplen)
		p.caplen = c->config.snaplen;
	ts += (uint64_t)c->delivery.clock_offset;
	p.sec = (int64_t)(ts / NSEC_PER_SEC);
	p.nsec = (uint32_t)(ts % NSEC_PER_SEC);
	if (c->backend->finish)
		verdict = packet_finish(c, e, &p, force);
	if (c->owners || (e->dst.flags & OWNER_F_NAT)) {
		facts = *e;
		p.event = &facts;
		nat_packet(c, link, &facts, e->data);
	}
	if (c->owners)
		verdict = owners_ask(c->owners, link->iface.dlt, &facts, e->data, force);
	if (verdict == CAPTURE_DONE)
		verdict = link_announce(c, link);
	if (verdict == CAPTURE_DONE)
		verdict = c->handler.packet(c->handler.arg, &p, force);
	if (verdict == CAPTURE_DONE) {
		c->delivery.captured++;
		link->shown = true;
		if (e->ts > c->delivery.last_ts)
			c->delivery.last_ts = e->ts;
	}
	return verdict;
}

/* Bytes that wait in the fullest ring. */
static size_t fullest(const struct capture *c)
{
	size_t most = 0;

	for (unsigned i = 0; i < c->rings.n; i++) {
		size_t used = ring_used(&c->rings.ring[i]);

		if (used > most)
			most = used;
	}
	return most;
}

/*
 * A ring is so full that packets no longer wait for who owns them, lest others find no room. Asked of each packet that would
 * wait: those behind it need not.
 */
static bool rings_crowded(struct capture *c)
{
	for (unsigned i = 0; i < c->rings.n; i++)
		ring_release(&c->rings.ring[i]);
	return fullest(c) >= c->rings.size / 100 * CROWDED_PERCENT;
}

/* The ring with the oldest front; *second: the time up to which it stays the oldest. */
static int head_oldest(const struct head *heads, unsigned n, uint64_t *second)
{
	int oldest = -1;

	*second = UINT64_MAX;
	for (unsigned i = 0; i < n; i++) {
		if (!heads[i].packet)
			continue;
		if (oldest < 0 || heads[i].packet->ts < heads[oldest].packet->ts) {
			if (oldest >= 0)
				*second = heads[oldest].packet->ts;
			oldest = (int)i;
		} else if (heads[i].packet->ts < *second) {
			*second = heads[i].packet->ts;
		}
	}
	return oldest;
}

int deliver(struct capture *c, uint64_t limit, unsigned max, bool force)
{
	struct head heads[RINGS_MAX];
	unsigned n = 0;
	uint64_t second;
	int verdict = CAPTURE_DONE, i;

	for (unsigned k = 0; k < c->rings.n; k++)
		ring_refresh(&c->rings.ring[k]);
	for (unsigned k = 0; k < c->rings.n; k++)
		head_load(c, k, &heads[k], &limit);
	while (verdict == CAPTURE_DONE && n < max && (i = head_oldest(heads, c->rings.n, &second)) >= 0) {
		struct head *head = &heads[i];

		if (head->packet->ts > limit)
			break;
		do {
			verdict = packet_hand(c, head->packet, force);
			if (verdict == CAPTURE_WAIT && !force && rings_crowded(c))
				verdict = packet_hand(c, head->packet, true);
			if (verdict != CAPTURE_DONE)
				break;
			n++;
			c->rings.ts[i] = head->packet->ts;
			ring_skip(&c->rings.ring[i], head->size);
			head_load(c, (unsigned)i, head, &limit);
		} while (n < max && head->packet && head->packet->ts <= second && head->packet->ts <= limit);
	}
	for (unsigned k = 0; k < c->rings.n; k++)
		ring_release(&c->rings.ring[k]);
	return verdict < 0 ? verdict : (int)n;
}
