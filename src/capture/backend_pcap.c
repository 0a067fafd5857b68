/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets from libpcap, made into the records that our programs write: from there on, everything is the same. Each
 * source, which is a device and where possible one of its directions, has a ring of its own, so that they are merged by
 * time.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <pcap/dlt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <time.h>

#include "capture/attrib.h"
#include "capture/backend.h"
#include "capture/nat.h"
#include "capture/owners.h"
#include "capture/pcap_live.h"
#include "capture/private.h"
#include "ptcpdump.skel.h"
#include "util/clock.h"
#include "util/device.h"
#include "util/log.h"

#define RING_MIN (1U << 20)
/* Blocks that are not full reach us 10 to 20 ms late (TIMEOUT_MS); none of them may be overtaken. */
#define LAG_NS (30 * NSEC_PER_MSEC)
/* A clock by which a packet came so long before we had read all is not the one that we merge by. */
#define CLOCK_SKEW_NS (2 * NSEC_PER_SEC)
/* After the stop, how long packets are waited for that the kernel has counted but not handed on. */
#define STOP_NS (200 * NSEC_PER_MSEC)

struct source {
	struct capture *capture;
	struct pcap_live *live; /* NULL: gone, or to be opened again when the device is up */
	struct link *link;
	struct ring *ring;
	enum direction dir;
	enum direction asked, hidden; /* of libpcap */
	bool gone;
	uint64_t emptied;	    /* CLOCK_MONOTONIC, ns: nothing had been left to be read */
	uint64_t received, dropped; /* as of the last count */
};

struct pcap_backend {
	uint64_t started; /* older packets do not count */
	struct source sources[RINGS_MAX];
	unsigned nsources;
	struct owners *owners; /* NULL: nobody is asked for */
	bool judge;	       /* user space decides about processes */
	uint64_t end;	       /* CLOCK_MONOTONIC, ns: what the kernel has not handed on by then is given up */
};

static bool judges(const struct capture_config *c)
{
	return c->npids || (c->pnames && c->pnames[0]) || c->nuids || c->container_filter;
}

const char *pcap_backend_missing(void)
{
	if (kernel_has(KERNEL_PACKET_SOCKET))
		return NULL;
	return errno == EPERM ? "CAP_NET_RAW is needed" : "the kernel has no packet sockets";
}

/* again: what libpcap warns of is known. */
static int source_connect(const struct capture *c, struct source *s, const char *name, bool again)
{
	const struct pcap_live_config config = {
		.device = name,
		.filter = c->config.filter,
		.tstamp_type = c->config.tstamp_type,
		.dlt_name = c->config.dlt_name,
		.dlt = c->config.dlt,
		.snaplen = c->copylen,
		.buffer_bytes = c->config.ring_bytes > INT32_MAX ? INT32_MAX : (int)c->config.ring_bytes,
		.promiscuous = c->config.promiscuous,
		.monitor = c->config.monitor,
		.immediate = c->config.immediate,
		.no_optimize = c->config.no_optimize,
		.direction = s->asked,
		.hidden_direction = s->hidden,
		.again = again,
	};

	return pcap_live_open(&s->live, &config);
}

static int source_open(struct capture *c, const char *name, enum direction dir, enum direction hidden)
{
	struct pcap_backend *p = c->pcap;
	struct source *s = &p->sources[p->nsources];
	int err;

	if (p->nsources == RINGS_MAX) {
		log_error("too many interfaces for the pcap backend: at most %u", RINGS_MAX / 2);
		return -E2BIG;
	}
	s->asked = dir;
	s->hidden = hidden;
	err = source_connect(c, s, name, dir == DIR_OUT && c->config.direction == DIR_NONE);
	if (err)
		return err;
	s->capture = c;
	s->dir = dir;
	s->ring = &c->rings.ring[p->nsources++];
	return 0;
}

/* Loopback devices show each packet twice; libpcap drops the first, which leaves. We call it Out, as with tc. */
static int loopback_open(struct capture *c, const char *name)
{
	int err = source_open(c, name, DIR_IN, DIR_NONE);

	if (!err && c->config.direction != DIR_IN)
		c->pcap->sources[c->pcap->nsources - 1].dir = DIR_OUT;
	return err;
}

/* One source for each direction, so that it is known; -EOPNOTSUPP: that cannot be had here. */
static int directions_open(struct capture *c, const char *name)
{
	const unsigned before = c->pcap->nsources;
	int err = 0;

	if (device_type(name) == ARPHRD_LOOPBACK)
		return loopback_open(c, name);
	if (c->config.direction != DIR_OUT)
		err = source_open(c, name, DIR_IN, DIR_NONE);
	if (!err && c->config.direction != DIR_IN)
		err = source_open(c, name, DIR_OUT, DIR_NONE);
	while (err && c->pcap->nsources > before) {
		pcap_live_close(c->pcap->sources[--c->pcap->nsources].live);
		c->pcap->sources[c->pcap->nsources].live = NULL;
	}
	return err;
}

static int device_open(struct capture *c, struct netns *ns, const char *name)
{
	const unsigned before = c->pcap->nsources, ifindex = if_nametoindex(name);
	struct link *link;
	int err = -EOPNOTSUPP;

	if (ifindex && !c->config.monitor)
		err = directions_open(c, name);
	if (err == -EOPNOTSUPP)
		err = source_open(c, name, DIR_NONE, c->config.direction);
	if (err)
		return err == -EOPNOTSUPP ? -EINVAL : err;
	link = links_add(c, ns, name, ifindex, pcap_live_dlt(c->pcap->sources[before].live));
	if (!link)
		return -ENOMEM;
	for (unsigned i = before; i < c->pcap->nsources; i++)
		c->pcap->sources[i].link = link;
	return matches_compile(c, link->iface.dlt);
}

static bool is_open(struct capture *c, const struct netns *ns, const char *name)
{
	const unsigned ifindex = if_nametoindex(name);

	return ifindex && links_lookup(c, ns->inode, ifindex);
}

/* A word of -i, by its place. */
static int given_open(struct capture *c, struct netns *ns, unsigned i)
{
	const char *given = c->config.ifaces[i];
	char name[IF_NAMESIZE];
	bool found = iface_resolve(given, name) == 0;
	int err;

	/* With several namespaces, a name need not exist in each. */
	if (!found && c->namespaces.n > 1)
		return 0;
	if (!found && iface_is_number(given)) {
		iface_list_refuse(given);
		return -ENODEV;
	}
	/* By another of its names it may be open already. */
	err = found && is_open(c, ns, name) ? 0 : device_open(c, ns, found ? name : given);
	if (!err && found)
		wish_note(c, i, name, true);
	return err;
}

static int netns_open_all(struct capture *c, struct netns *ns)
{
	int err = netns_enter(c, ns);

	if (err)
		return err;
	for (unsigned i = 0; !err && c->config.ifaces[i]; i++)
		err = given_open(c, ns, i);
	netns_leave(c, ns);
	return err;
}

int pcap_backend_open(struct capture *c)
{
	int err = 0;

	if (c->namespaces.any) {
		log_error("the pcap backend cannot follow all network namespaces: name them%s",
			  kernel_takes_packet_programs() ? ", or use --backend tc" : " (others can from Linux 5.8 on)");
		return -EINVAL;
	}
	/* The filter is compiled for each device when it is open, and is as long as it is then. */
	if (matches_needed(c))
		c->copylen = SNAPLEN_MAX;
	c->pcap = calloc(1, sizeof(*c->pcap));
	if (!c->pcap)
		return -ENOMEM;
	err = wishes_new(c);
	c->pcap->judge = judges(&c->config);
	c->delivery.lag_ns = c->config.immediate ? NSEC_PER_MSEC : LAG_NS;
	for (unsigned i = 0; !err && i < c->namespaces.n; i++)
		err = netns_open_all(c, c->namespaces.all[i]);
	if (!err && c->pcap->nsources == 0) {
		log_error("%s: no such interface in these network namespaces", c->config.ifaces[0]);
		err = -ENODEV;
	}
	c->rings.n = c->pcap->nsources;
	/* Devices may get another name. */
	for (unsigned i = 0; !err && i < c->namespaces.n; i++)
		err = links_watch(c, c->namespaces.all[i]);
	return err;
}

static int owners_open(struct capture *c)
{
	int err;

	if (c->programs.skel)
		err = owners_new(&c->pcap->owners, bpf_map__fd(c->programs.skel->maps.ptcp_flows),
				 bpf_map__fd(c->programs.skel->maps.ptcp_cookies));
	else
		err = owners_new(&c->pcap->owners, -1, -1);
	if (c->programs.skel && attrib_tells_flows(c->attrib))
		return err;
	for (unsigned i = 0; !err && i < c->namespaces.n; i++) {
		if (netns_enter(c, c->namespaces.all[i]) != 0)
			continue;
		err = owners_add_netns(c->pcap->owners, c->namespaces.all[i]->inode);
		netns_leave(c, c->namespaces.all[i]);
	}
	return err;
}

static int source_start(struct capture *c, struct source *s)
{
	const int fd = pcap_live_fd(s->live);
	struct link *link = s->link;
	int err;

	err = link_announce(c, link);
	if (err)
		return err;
	err = ring_open_local(s->ring, c->rings.size);
	if (err)
		log_error("can't make a buffer of %zu KiB: %s: ask for less with -B", c->rings.size / 1024,
			  strerror(-err));
	if (!err && fd >= 0)
		err = poll_add(c, fd, EPOLLIN, NULL);
	/* Without a descriptor the timer of links that are due makes us ask. */
	c->links.pending |= fd < 0;
	if (err)
		return err;
	pcap_live_count(s->live, &s->received, &s->dropped);
	return pcap_live_start(s->live);
}

int pcap_backend_attach(struct capture *c)
{
	int err = 0;

	c->rings.size = RING_MIN;
	while (c->rings.size < 4 * ((size_t)c->copylen + sizeof(struct event_packet)))
		c->rings.size *= 2;
	if (c->config.attribution)
		err = owners_open(c);
	c->pcap->started = clock_ns(CLOCK_MONOTONIC);
	for (unsigned i = 0; !err && i < c->pcap->nsources; i++)
		err = source_start(c, &c->pcap->sources[i]);
	return !err && c->namespaces.scanning ? netns_scan_start(c) : err;
}

/* Whether that may be a time of our clock: a packet waits long only where we do not read. */
static bool time_is_ours(const struct source *s, int64_t at, uint64_t now)
{
	const uint64_t since = s->emptied ? s->emptied : s->capture->pcap->started;

	return at > 0 && (uint64_t)at <= now && (uint64_t)at + CLOCK_SKEW_NS > since;
}

static void on_packet(void *arg, const struct pcap_live_packet *p)
{
	const struct source *s = arg;
	struct capture *c = s->capture;
	const uint64_t now = clock_ns(CLOCK_MONOTONIC);
	const int64_t at = p->ns - c->delivery.clock_offset;
	struct event_packet e = {
		.type = EVENT_PACKET,
		.ifindex = s->link->iface.ifindex,
		.netns = s->link->iface.netns,
		.len = p->len,
		.caplen = p->caplen < c->copylen ? p->caplen : c->copylen,
		.dir = (uint8_t)s->dir,
		.pkt_type = s->asked == DIR_OUT ? PACKET_OUTGOING : PACKET_HOST,
		.flags = c->pcap->judge ? EVENT_PKT_MAYBE : 0,
	};
	const struct iovec parts[] = {
		{ &e, sizeof(e) },
		{ (void *)(uintptr_t)p->data, e.caplen },
		{ (void *)(uintptr_t)&p->ns, sizeof(p->ns) },
	};

	if (s->dir == DIR_NONE)
		e.dir = owners_direction(s->link->iface.dlt, p->data, p->caplen);
	if (s->dir == DIR_NONE && e.dir == DIR_OUT)
		e.pkt_type = PACKET_OUTGOING;
	/* The time to be shown follows the packet; this one orders it, and tells how long it waits. */
	e.ts = time_is_ours(s, at, now) ? (uint64_t)at : now;
	/* libpcap received it while it opened the device: nobody watched yet, nor is its direction known. */
	if (e.ts < c->pcap->started)
		return;
	ring_put(s->ring, parts, sizeof(parts) / sizeof(parts[0]));
}

/* For the longest packet. */
static bool source_room(const struct source *s)
{
	ring_refresh(s->ring);
	return s->ring->size - ring_used(s->ring) >= s->capture->copylen + sizeof(struct event_packet) + 64;
}

/* What it has counted since the last time is put to the account of its link. */
static void source_count(struct source *s)
{
	uint64_t received, dropped;

	pcap_live_count(s->live, &received, &dropped);
	s->link->gone_received += received - s->received;
	s->link->gone_dropped += dropped - s->dropped;
	s->received = received;
	s->dropped = dropped;
}

/* What came before the device went may be in a block that is not full. */
static void source_drain(struct source *s)
{
	const struct timespec lag = { .tv_nsec = LAG_NS };

	nanosleep(&lag, NULL);
	while (source_room(s) && pcap_live_read(s->live, 1, on_packet, s) > 0)
		;
}

static void source_close(struct source *s)
{
	source_count(s);
	pcap_live_close(s->live);
	s->live = NULL;
}

static void source_gone(struct source *s)
{
	s->gone = true;
	s->link->present = false;
}

/* Under which name the device is there; false: it is not. */
static bool source_device(const struct source *s, char name[IF_NAMESIZE])
{
	bool found;

	if (!s->link->iface.ifindex || netns_enter(s->capture, s->link->ns) != 0)
		return false;
	found = if_indextoname(s->link->iface.ifindex, name) != NULL;
	netns_leave(s->capture, s->link->ns);
	return found;
}

/* Errors are logged, and end nothing: it may be up again. */
static void source_reopen(struct source *s)
{
	struct capture *c = s->capture;
	int err;

	if (netns_enter(c, s->link->ns) != 0)
		return;
	err = source_connect(c, s, s->link->iface.name, true);
	netns_leave(c, s->link->ns);
	if (err)
		return;
	s->received = s->dropped = 0;
	err = poll_add(c, pcap_live_fd(s->live), EPOLLIN, NULL);
	if (!err)
		err = pcap_live_start(s->live);
	if (err)
		source_close(s);
}

/*
 * libpcap takes a device for gone that is down and has another name, which is how it gets one before Linux 6.2. If we have
 * not heard of that yet, pcap_backend_up() is called when we do.
 */
static void source_lost(struct source *s)
{
	char name[IF_NAMESIZE];

	source_drain(s);
	source_close(s);
	if (!source_device(s, name))
		source_gone(s);
	else if (s->link->up && strcmp(name, s->link->iface.name) == 0)
		source_reopen(s);
}

void pcap_backend_up(struct capture *c, struct link *link)
{
	for (unsigned i = 0; i < c->pcap->nsources; i++) {
		struct source *s = &c->pcap->sources[i];

		if (s->link == link && !s->live && !s->gone)
			source_reopen(s);
	}
}

static int source_read(struct source *s)
{
	char name[IF_NAMESIZE];
	int n = 1;

	if (!s->live) {
		if (!source_device(s, name))
			source_gone(s);
		return 0;
	}
	while (n > 0 && source_room(s))
		n = pcap_live_read(s->live, 1, on_packet, s);
	if (n > 0)
		return 0;
	if (n == 0)
		s->emptied = clock_ns(CLOCK_MONOTONIC);
	if (n != -ENODEV)
		return n;
	source_lost(s);
	return 0;
}

int pcap_backend_collect(struct capture *c)
{
	int err = 0;

	for (unsigned i = 0; !err && i < c->pcap->nsources; i++) {
		if (!c->pcap->sources[i].gone)
			err = source_read(&c->pcap->sources[i]);
	}
	return err;
}

int pcap_backend_finish(struct capture *c, struct event_packet *e, bool force, int64_t *ns)
{
	const struct link *link = links_lookup(c, e->netns, e->ifindex);

	memcpy(ns, e->data + e->caplen, sizeof(*ns));
	if (!c->pcap->owners || !link)
		return CAPTURE_DONE;
	nat_packet(c, link, e, e->data);
	/* Without programs nobody will tell more of the owner than /proc does now. */
	return owners_ask(c->pcap->owners, link->iface.dlt, e, e->data, force || !c->programs.skel);
}

void pcap_backend_stop(struct capture *c)
{
	for (unsigned i = 0; i < c->pcap->nsources; i++) {
		if (c->pcap->sources[i].live)
			pcap_live_stop(c->pcap->sources[i].live);
	}
	c->pcap->end = clock_ns(CLOCK_MONOTONIC) + STOP_NS;
}

/* What is in a block that is not full yet comes with a time-out, which a busy machine delays. */
bool pcap_backend_wait(struct capture *c)
{
	const struct timespec pause = { .tv_nsec = 5 * (long)NSEC_PER_MSEC };
	bool waits = false;

	for (unsigned i = 0; i < c->pcap->nsources; i++)
		waits |= c->pcap->sources[i].live && pcap_live_waits(c->pcap->sources[i].live);
	if (!waits || clock_ns(CLOCK_MONOTONIC) >= c->pcap->end)
		return false;
	nanosleep(&pause, NULL);
	return true;
}

void pcap_backend_renamed(struct capture *c, struct link *from, struct link *to)
{
	for (unsigned i = 0; i < c->pcap->nsources; i++) {
		struct source *s = &c->pcap->sources[i];

		if (s->link != from)
			continue;
		if (s->live)
			source_count(s);
		s->link = to;
	}
}

void pcap_backend_flow_was(struct capture *c, const struct event_flow *e)
{
	if (c->pcap && c->pcap->owners)
		owners_flow_was(c->pcap->owners, e);
}

/* Sockets in a namespace keep it from ending. */
void pcap_backend_forget(struct capture *c, struct netns *ns)
{
	for (unsigned i = 0; i < c->pcap->nsources; i++) {
		struct source *s = &c->pcap->sources[i];

		if (s->link->ns != ns)
			continue;
		if (s->live)
			source_close(s);
		source_gone(s);
	}
	if (c->pcap->owners)
		owners_forget_netns(c->pcap->owners, ns->inode);
}

void pcap_backend_count(const struct capture *c)
{
	struct pcap_backend *p = c->pcap;

	for (unsigned i = 0; i < p->nsources; i++) {
		if (p->sources[i].live)
			source_count(&p->sources[i]);
	}
	for (unsigned i = 0; i < c->links.n; i++) {
		struct link *link = c->links.all[i];

		link->iface.received = link->gone_received;
		link->iface.dropped = link->gone_dropped;
	}
}

void pcap_backend_close(struct capture *c)
{
	if (!c->pcap)
		return;
	for (unsigned i = 0; i < c->pcap->nsources; i++)
		pcap_live_close(c->pcap->sources[i].live);
	owners_free(c->pcap->owners);
	free(c->pcap);
	c->pcap = NULL;
}
