/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/ends.h"

#include <netinet/in.h>
#include <ptcpdump/config.h>

#include "headers.h"

static bool in_container(const struct join_config *c, const struct process *p, struct ends *ends)
{
	const struct container *container;
	const enum container_answer answer = containers_find(c->containers, p, &container);

	ends->passing |= answer == CONTAINER_PENDING;
	return answer != CONTAINER_NONE;
}

static struct event_owner settle(const struct join_config *c, struct settle_table *settled,
				 const struct event_owner *owner, uint64_t ts, bool expired, bool *waiting)
{
	const struct event_owner *certain;

	*waiting = false;
	if (!(owner->flags & OWNER_F_PROVISIONAL) || !owner->cookie)
		return *owner;
	certain = settle_table_find(settled, owner->cookie, ts);
	if (certain)
		return *certain;
	if (expired && c->settle_ns)
		settle_table_expire(settled, owner, ts);
	*waiting = !expired;
	return *owner;
}

static const struct process *owner_at(const struct join_config *c, const struct event_owner *owner, struct ends *ends)
{
	const struct process_id id = { owner->start, owner->tgid, owner->image, owner->flags & OWNER_F_LATER };
	const struct process *p = process_at(c->processes, &id, &ends->when);

	/* /proc is asked again after a while. */
	ends->passing |= !p;
	return p;
}

/* Of an owner that stands for its container: there is one. */
static bool stands_for_container(const struct join_config *c, const struct event_owner *owner, struct ends *ends)
{
	const struct process *p = owner_at(c, owner, ends);

	return p && c->containers && in_container(c, p, ends);
}

/*
 * The outer end of a pair whose inner one is in the network namespace of a container. In a namespace that is not ours, what
 * is no port of a bridge is its own way out.
 */
static bool is_cable(const struct iface *iface)
{
	return iface && iface->paired && (iface->bridged || !iface->other_netns);
}

/*
 * A device that only forwards, such as a bridge or the host's side of a veth pair, has neither process in its namespace.
 * When one end is in a container and the other is not, the container is what the device is looked at for; when both are,
 * a container's cable is looked at for the one that it leads to: that has sent what comes in. Whether it leads out of a
 * container that we run in ourselves, is not known of one without a bridge: there our namespace's own end comes first.
 */
static bool other_first(const struct join_config *c, const struct packet *packet, struct ends *ends)
{
	const struct event_packet *e = packet->event;
	const struct iface *iface = packet->iface;
	const bool cable = is_cable(iface) && e->dir != EVENT_DIR_NONE;
	const struct process *p;
	bool ours, contained;

	if (!c->containers || !e->netns || !ends->other.tgid)
		return false;
	p = owner_at(c, &ends->shown, ends);
	ours = p && p->netns == e->netns;
	if (!p || !p->netns || (ours && !(cable && iface->bridged)))
		return false;
	contained = in_container(c, p, ends);
	if (contained ? !cable : ours)
		return false;
	p = owner_at(c, &ends->other, ends);
	return p && p->netns && p->netns != e->netns && in_container(c, p, ends);
}

static void swap(struct ends *ends)
{
	const struct event_owner owner = ends->shown;
	const bool waiting = ends->waiting_shown;

	ends->shown = ends->other;
	ends->other = owner;
	ends->waiting_shown = ends->waiting_other;
	ends->waiting_other = waiting;
	ends->shown_sends = !ends->shown_sends;
}

/*
 * On loopback both ends of a connection, and who sends a datagram, are processes of this machine: when one of them is not known, it is
 * certainly not the other one. A reset may be the kernel's own answer to whom it goes to.
 */
static bool has_own_process(const struct packet *packet, bool in)
{
	struct headers h;

	if (packet->event->ifindex != LOOPBACK_IFINDEX || !packet->iface)
		return false;
	headers_parse(&h, packet);
	if (h.has_tcp)
		return !(h.tcp_flags & HEADERS_RST);
	return !in && h.tuple.proto == IPPROTO_UDP;
}

struct ends ends_find(const struct join_config *config, struct settle_table *settled, const struct packet *packet,
		      bool expired)
{
	const struct event_packet *e = packet->event;
	const bool in = e->dir == EVENT_DIR_IN;
	struct ends ends = { .shown_sends = !in, .when = period_at(e->ts) };

	ends.passing = (e->src.flags | e->dst.flags) & OWNER_F_PROVISIONAL;
	ends.shown = settle(config, settled, in ? &e->dst : &e->src, e->ts, expired, &ends.waiting_shown);
	ends.other = settle(config, settled, in ? &e->src : &e->dst, e->ts, expired, &ends.waiting_other);
	if (ends.shown.tid == OWNER_TID_NOBODY && !stands_for_container(config, &ends.shown, &ends))
		ends.shown.tgid = 0;
	if (ends.other.tid == OWNER_TID_NOBODY && !stands_for_container(config, &ends.other, &ends))
		ends.other.tgid = 0;
	if (ends.shown.tgid) {
		if (other_first(config, packet, &ends))
			swap(&ends);
		return ends;
	}
	/* Nobody known at the right end: the other one is shown, and then there is no peer. */
	ends.passing |= packet->event->ifindex == LOOPBACK_IFINDEX;
	if (config->reverse_match && (!ends.other.tgid || !has_own_process(packet, in))) {
		ends.waiting_shown |= ends.waiting_other;
		ends.shown = ends.other;
		ends.shown_sends = in;
	}
	ends.other = (struct event_owner){ 0 };
	return ends;
}
