/* SPDX-License-Identifier: BSD-3-Clause */
/* Which interfaces are captured: finding, attaching, those that come, go and change their name. */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/backend.h"
#include "capture/expedite.h"
#include "capture/private.h"
#include "capture/refusal.h"
#include "capture/rtnl.h"
#include "util/clock.h"
#include "util/escape.h"
#include "util/log.h"

/* How long a device that is down may wait for being attached, and one that we are still attached to elsewhere. */
#define ATTACH_DOWN_NS (200 * NSEC_PER_MSEC)
#define ATTACH_AGAIN_NS (5 * NSEC_PER_MSEC)
#define ATTACH_ATTEMPTS 100

void links_count(const struct capture *c)
{
	for (unsigned i = 0; i < c->links.n; i++) {
		struct link *link = c->links.all[i];
		uint64_t received = 0, dropped = 0;

		/* Those of one that has gone are another's by now, if it was renamed. */
		if (c->programs.skel && link->present && link->ingress.ifindex)
			counters_read(c, link, &received, &dropped);
		link->iface.received = link->gone_received + received - link->mismatched;
		link->iface.dropped = link->gone_dropped + dropped;
	}
}

enum { SHOWN = 4 * IF_NAMESIZE + 1 };

/* Whoever may make devices in some namespace gives them names. */
static const char *shown(const char *name, char to[SHOWN])
{
	return escape_quoted(to, SHOWN, name);
}

static void promisc_set(struct netns *ns, const struct link *link)
{
	char name[SHOWN];
	struct packet_mreq mreq = { .mr_ifindex = (int)link->iface.ifindex, .mr_type = PACKET_MR_PROMISC };

	/* Protocol 0: this socket receives nothing, and its end ends the membership. */
	if (ns->packet_fd < 0)
		ns->packet_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (ns->packet_fd < 0 || setsockopt(ns->packet_fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof(mreq)) != 0)
		log_warn("'%s' does not enter promiscuous mode: %s", shown(link->iface.name, name), strerror(errno));
}

int link_announce(struct capture *c, struct link *link)
{
	if (link->announced)
		return 0;
	link->announced = true;
	link->iface.id = c->links.announced++;
	return c->handler.iface(c->handler.arg, &link->iface);
}

/* In the link's namespace. Errors are returned, not logged. */
static int link_attach(struct capture *c, struct link *link)
{
	int err = link->egress.active ? 0 : counters_start(c, link);

	if (err)
		return err;
	/* Most that come later go without a packet: they are announced with their first. */
	err = c->links.running ? 0 : link_announce(c, link);
	if (err)
		return err;
	if (!link->egress.active)
		link->ingress.ifindex = link->egress.ifindex = link->iface.ifindex;
	if (c->backend->attach_link)
		err = c->backend->attach_link(c, link);
	if (!err && c->config.promiscuous && !c->links.any && !c->backend->raw_ip && link->type == ARPHRD_ETHER)
		promisc_set(link->ns, link);
	return err;
}

static void link_detach(struct capture *c, struct link *link, bool gone)
{
	if (!link->present)
		return;
	/* The side that was attached first made the qdisc, and takes it away last. */
	attach_undo(&link->ingress, gone);
	attach_undo(&link->egress, gone);
}

static void link_gone(struct capture *c, struct link *link)
{
	if (!link->present)
		return;
	link_detach(c, link, true);
	link->present = false;
	if (c->links.attached)
		counters_stop(c, link);
}

/* Of a device that goes on, unseen. */
static void link_leave(struct capture *c, struct link *link)
{
	if (!link)
		return;
	link_detach(c, link, false);
	link->present = false;
	if (c->links.attached)
		counters_stop(c, link);
}

/*
 * An attachment waits for an RCU grace period, some 15 ms, and whoever starts a container makes two devices and moves
 * one away before they are up. So those that are down wait until they are up, or for some time.
 */
static void link_postpone(struct capture *c, struct link *link, uint64_t ns)
{
	link->due = clock_ns(CLOCK_MONOTONIC) + ns;
	c->links.pending = true;
}

static void say_not_attached(const struct link *link, int err)
{
	char name[SHOWN], what[SHOWN + 32];

	snprintf(what, sizeof(what), "cannot capture on '%s'", shown(link->iface.name, name));
	if (!refusal_is(err) || !refusal_say(what, NULL))
		log_error("%s: %s%s", what, strerror(-err),
			  err == -ENOENT ? "; are the modules sch_ingress and cls_bpf there?" : "");
}

/* In the link's namespace. Only what the user asked for by name is an error. */
static int link_attach_try(struct capture *c, struct link *link)
{
	bool named = !c->links.any && link->due == 0;
	char name[SHOWN];
	int err;

	link->due = 0;
	err = link_attach(c, link);
	if (!err)
		return 0;
	if (err == LINK_UNFINISHED) {
		link_postpone(c, link, 0);
		return 0;
	}
	/* It came from another namespace, where we have not heard yet that it left: our program is still there. */
	if (err == -EEXIST && link->attempts++ < ATTACH_ATTEMPTS) {
		link_postpone(c, link, ATTACH_AGAIN_NS);
		return 0;
	}
	if (named && !c->links.running)
		say_not_attached(link, err);
	else if (err != -ENODEV)
		log_warn("cannot capture on '%s': %s", shown(link->iface.name, name), refusal_why(err));
	link_gone(c, link);
	return named && !c->links.running ? err : 0;
}

static int link_appeared(struct capture *c, struct netns *ns, const struct rtnl_link *news, bool l3)
{
	struct link *link;

	links_tidy(c);
	link = link_new(c, ns, news, l3);
	if (!link)
		return -ENOMEM;
	if (!c->links.attached)
		return 0;
	if (link->up)
		return link_attach_try(c, link);
	link_postpone(c, link, ATTACH_DOWN_NS);
	return 0;
}

/*
 * The device is the same, and all that is attached to it stays. What comes from now on is of an interface of the new
 * name, which nobody has heard of yet; packets that were seen before keep the old one.
 */
int link_rename(struct capture *c, struct link *old, const struct rtnl_link *news)
{
	/* What it has seen so far may not have been handed on yet. */
	const int err = old->ingress.ifindex ? link_announce(c, old) : 0;
	struct link *link;
	char *name;

	if (err)
		return err;
	if (!old->announced) {
		name = strdup(news->name);
		if (!name)
			return -ENOMEM;
		free(old->iface.name);
		old->iface.name = name;
		return 0;
	}
	link = link_new(c, old->ns, news, old->l3);
	if (!link)
		return -ENOMEM;
	link->before = old;
	link->since = clock_ns(CLOCK_MONOTONIC);
	link->iface.dlt = old->iface.dlt;
	link->due = old->due;
	link->attempts = old->attempts;
	link->ingress = old->ingress;
	link->egress = old->egress;
	memset(&old->ingress, 0, sizeof(old->ingress));
	memset(&old->egress, 0, sizeof(old->egress));
	old->present = false;
	if (c->backend->renamed)
		c->backend->renamed(c, old, link);
	else
		counters_hand_over(c, old, link);
	return link_announce(c, link);
}

static int link_changed(struct capture *c, struct link *link, const struct rtnl_link *news)
{
	int err = strcmp(link->iface.name, news->name) != 0 ? link_rename(c, link, news) : 0;

	if (err)
		return err;
	link = links_lookup(c, link->iface.netns, link->iface.ifindex);
	link->up = news->flags & IFF_UP;
	link_set_place(link, news);
	if (link->up && c->backend->up)
		c->backend->up(c, link);
	return link->due && link->up ? link_attach_try(c, link) : 0;
}

static int link_news(void *arg, const struct rtnl_link *news)
{
	struct netns *ns = arg;
	struct capture *c = ns->capture;
	struct link *link = links_lookup(c, ns->inode, news->ifindex);
	char name[SHOWN];
	bool l3;

	if (link && !link->present)
		link = NULL;
	if (news->gone) {
		/* libpcap tells that itself, after the last packet. */
		if (link && c->backend->programs)
			link_gone(c, link);
		return 0;
	}
	if (chosen_elsewhere(c, ns, news)) {
		link_leave(c, link);
		return 0;
	}
	if (link)
		return link_changed(c, link, news);
	if (!c->backend->programs || !link_wanted(c, news))
		return 0;
	if (!c->backend->device(news->type, &l3)) {
		if (c->links.any)
			return 0;
		/* Whoever may make devices in some namespace is not to end the capture. */
		if (c->links.running || !ns->own) {
			log_warn("'%s': the backend %s cannot see devices of link type %u", shown(news->name, name),
				 c->backend->name, news->type);
			return 0;
		}
		log_error("'%s': the backend %s cannot see devices of link type %u, use --backend %s",
			  shown(news->name, name), c->backend->name, news->type, c->backend->instead);
		return -EOPNOTSUPP;
	}
	return link_appeared(c, ns, news, l3 || c->backend->raw_ip);
}

/* News were lost. A dump tells of the devices that are there, not of those that have gone; of these libpcap tells itself. */
static int links_missed(struct capture *c, const struct netns *ns)
{
	char name[IF_NAMESIZE];

	for (unsigned i = 0; i < c->links.n && c->backend->programs; i++) {
		struct link *link = c->links.all[i];

		if (link->ns == ns && !if_indextoname(link->iface.ifindex, name) && errno == ENXIO)
			link_gone(c, link);
	}
	return rtnl_dump(ns->rtnl_fd);
}

int links_news(struct capture *c, struct netns *ns)
{
	const struct rtnl_handler handler = { .arg = ns, .link = link_news };
	int err = netns_enter(c, ns);

	if (err)
		return err;
	err = rtnl_read(ns->rtnl_fd, &handler, NULL);
	if (err == -ENOBUFS)
		err = links_missed(c, ns);
	netns_leave(c, ns);
	return err;
}

static int news_ready(struct capture *c, struct watch *watch)
{
	struct netns *ns = (void *)watch;

	_Static_assert(offsetof(struct netns, watch) == 0, "a watch leads back to its namespace");
	return ns->ended ? 0 : links_news(c, ns);
}

int links_watch(struct capture *c, struct netns *ns)
{
	const struct rtnl_handler handler = { .arg = ns, .link = link_news };
	bool done;
	int err;

	if (ns->rtnl_fd >= 0 || ns->before)
		return 0;
	err = wishes_new(c);
	if (!err)
		err = netns_enter(c, ns);
	if (err)
		return err;
	ns->rtnl_fd = rtnl_open();
	err = ns->rtnl_fd < 0 ? ns->rtnl_fd : rtnl_dump(ns->rtnl_fd);
	if (!err)
		err = rtnl_read(ns->rtnl_fd, &handler, &done);
	netns_leave(c, ns);
	ns->watch.ready = news_ready;
	if (!err)
		err = poll_add(c, ns->rtnl_fd, EPOLLIN, &ns->watch);
	if (err && ns->rtnl_fd >= 0)
		close(ns->rtnl_fd);
	if (err)
		ns->rtnl_fd = -1;
	return err;
}

static bool attached_by_link(const struct attachment *a)
{
	return a->active && a->link_fd >= 0;
}

/*
 * While the device lives, closing a tcx link waits for an RCU grace period, when somebody may be starting in the next
 * namespace. It will not live long, so that is left to links_release().
 */
void links_forget(struct capture *c, struct netns *ns)
{
	if (c->backend->forget) {
		c->backend->forget(c, ns);
		return;
	}
	if (netns_enter(c, ns) != 0)
		return;
	for (unsigned i = 0; i < c->links.n; i++) {
		struct link *link = c->links.all[i];

		if (link->ns != ns || !link->present)
			continue;
		if (attached_by_link(&link->ingress) || attached_by_link(&link->egress)) {
			link->present = false;
			link->closing = true;
			counters_stop(c, link);
		} else {
			link_detach(c, link, false);
			link_gone(c, link);
		}
	}
	netns_leave(c, ns);
}

void links_release(struct capture *c)
{
	for (unsigned i = 0; i < c->links.n; i++) {
		struct link *link = c->links.all[i];

		if (!link->closing)
			continue;
		link->closing = false;
		attach_undo(&link->ingress, true);
		attach_undo(&link->egress, true);
	}
}

int links_find(struct capture *c)
{
	for (unsigned i = 0; i < c->namespaces.n; i++) {
		int err = links_watch(c, c->namespaces.all[i]);

		if (err == -EOPNOTSUPP)
			return err;
		if (err) {
			log_error("cannot list the interfaces of '%s': %s", c->namespaces.all[i]->path, strerror(-err));
			return err;
		}
	}
	return c->links.any || c->namespaces.newly || c->namespaces.chosen ? 0 : wishes_check(c);
}

/* Likewise from any namespace. */
static int link_attach_entered(struct capture *c, struct link *link)
{
	int err = netns_enter(c, link->ns);

	if (err)
		return err;
	err = link_attach_try(c, link);
	netns_leave(c, link->ns);
	return err;
}

static unsigned links_present(const struct capture *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->links.n; i++)
		n += c->links.all[i]->present;
	return n;
}

/* Attaches, or detaches, many devices: what waits for RCU is to wait less. */
static void links_hurry(struct capture *c)
{
	if (c->links.expedite.fd >= 0 && links_present(c) >= EXPEDITE_DEVICES)
		expedite_begin(&c->links.expedite);
}

int links_attach(struct capture *c)
{
	unsigned n = c->links.n;
	int err = 0;

	c->links.attached = true;
	if (c->backend->attach_link == tc_attach_link && c->links.mode != ATTACH_CLSACT)
		expedite_open(&c->links.expedite, RCU_EXPEDITED);
	links_hurry(c);
	for (unsigned i = 0; !err && i < n; i++) {
		struct link *link = c->links.all[i];

		if (link->present && c->links.any && !link->up)
			link_postpone(c, link, ATTACH_DOWN_NS);
		else if (link->present)
			err = link_attach_entered(c, link);
		if (!err)
			err = capture_meanwhile(c);
	}
	expedite_end(&c->links.expedite);
	return err;
}

int links_attach_due(struct capture *c)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	c->links.pending = false;
	for (unsigned i = 0; i < c->links.n; i++) {
		struct link *link = c->links.all[i];

		if (!link->due || !link->present)
			continue;
		c->links.pending = true;
		if (link->due <= now)
			return link_attach_entered(c, link);
	}
	return 0;
}

bool links_all_gone(const struct capture *c)
{
	/* Others may come. */
	if (c->backend->programs && (c->links.any || c->namespaces.any || c->namespaces.chosen))
		return false;
	for (unsigned i = 0; i < c->links.n; i++) {
		if (c->links.all[i]->present)
			return false;
	}
	return true;
}

void links_detach(struct capture *c)
{
	links_hurry(c);
	links_release(c);
	for (unsigned i = 0; i < c->links.n; i++) {
		struct link *link = c->links.all[i];

		if (!link->present || netns_enter(c, link->ns) != 0)
			continue;
		link_detach(c, link, false);
		netns_leave(c, link->ns);
	}
	expedite_close(&c->links.expedite);
}
