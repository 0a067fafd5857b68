/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A struct capture for tests of its parts: with rings in our own memory, no programs, a clock that stands still and a
 * handler that tells what it is given. The fields of struct capture are set and read here only.
 */
#ifndef CAPTURE_RIG_H
#define CAPTURE_RIG_H

#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "capture/backend.h"
#include "capture/private.h"
#include "check.h"
#include "fake.h"
#include "ptcpdump.skel.h"

enum { OWN_INODE = 1000, SNAPLEN = 256 };
/* Descriptors of maps and programs */
enum { NETNS_MAP = 2001, IFACES_MAP, SLOTS_MAP, L2_PROG, L3_PROG };

struct rig {
	struct capture c;
	struct capture_control control;
	struct backend backend;
	struct ptcpdump skel;
	const char *ifaces[9];
	const char *netns[9];
};

static uint64_t clock_now = UINT64_C(1000000000);

FAKE(int, clock_gettime, clockid_t clock, struct timespec *ts)
{
	ts->tv_sec = (time_t)(clock_now / 1000000000);
	ts->tv_nsec = (long)(clock_now % 1000000000);
	return 0;
}

FAKE(int, bpf_map__fd, const struct bpf_map *map)
{
	return (int)(uintptr_t)map;
}

FAKE(int, bpf_program__fd, const struct bpf_program *prog)
{
	return (int)(uintptr_t)prog;
}

/* What is all zero has nothing to be freed. */
static inline void rig_done(struct rig *r)
{
	for (unsigned i = 0; i < r->c.rings.n; i++)
		ring_close(&r->c.rings.ring[i]);
	links_free(&r->c);
	/* Not of a rig that was never set up: its descriptors are 0. */
	if (r->c.delivery.vlan_buf) {
		netns_done(&r->c);
		if (r->c.poll.epoll_fd >= 0)
			close(r->c.poll.epoll_fd);
	}
	free(r->c.delivery.vlan_buf);
	memset(r, 0, sizeof(*r));
}

/* Anew: what an earlier test left is freed. r: all zero at first. */
static inline void rig_init(struct rig *r)
{
	rig_done(r);
	r->control.wake_fill = UINT64_MAX;
	r->backend.name = "test";
	r->backend.device = ether_or_ip_device;
	r->backend.instead = "pcap";
	r->backend.programs = true;
	r->c.backend = &r->backend;
	r->c.programs.control = &r->control;
	r->c.config.ifaces = r->ifaces;
	r->c.config.netns = r->netns;
	r->c.config.snaplen = r->c.copylen = SNAPLEN;
	/* The exact size: a tag that does not fit is seen by the sanitizer. */
	r->c.delivery.vlan_buf = malloc(SNAPLEN + 4);
	r->c.poll.epoll_fd = r->c.poll.timer_fd = r->c.namespaces.own_fd = r->c.namespaces.scan_fd =
		r->c.namespaces.inotify_fd = -1;
	r->c.namespaces.own = OWN_INODE;
	r->c.programs.skel = &r->skel;
	r->skel.maps.ptcp_netns = (struct bpf_map *)NETNS_MAP;
	r->skel.maps.ptcp_ifaces = (struct bpf_map *)IFACES_MAP;
	r->skel.maps.ptcp_iface_slots = (struct bpf_map *)SLOTS_MAP;
	r->skel.progs.ptcp_l2 = (struct bpf_program *)L2_PROG;
	r->skel.progs.ptcp_l3 = (struct bpf_program *)L3_PROG;
	clock_now = UINT64_C(1000000000);
	what_was_told();
}

/* --- namespaces and interfaces -------------------------------------------------- */

/* One more namespace; without descriptors, unless it is not our own: then fd is the one to enter it by. */
static inline struct netns *rig_netns(struct rig *r, uint32_t inode, int fd)
{
	struct netns *ns = calloc(1, sizeof(*ns)), **p;

	p = reallocarray(r->c.namespaces.all, r->c.namespaces.n + 1, sizeof(struct netns *));
	if (!ns || !p)
		abort();
	ns->capture = &r->c;
	ns->inode = inode;
	ns->own = inode == OWN_INODE;
	ns->fd = fd;
	ns->rtnl_fd = ns->packet_fd = ns->tap_fd = -1;
	ns->path = strdup(ns->own ? "/proc/self/ns/net" : "/run/netns/other");
	r->c.namespaces.all = p;
	p[r->c.namespaces.n++] = ns;
	return ns;
}

/* Those that there are, in order of appearance. */
static inline unsigned rig_nnetns(const struct rig *r)
{
	return r->c.namespaces.n;
}

static inline struct netns *rig_netns_at(const struct rig *r, unsigned i)
{
	return r->c.namespaces.all[i];
}

static inline uint32_t rig_own_inode(const struct rig *r)
{
	return r->c.namespaces.own;
}

static inline int rig_own_fd(const struct rig *r)
{
	return r->c.namespaces.own_fd;
}

static inline bool rig_any_netns(const struct rig *r)
{
	return r->c.namespaces.any;
}

static inline int rig_scan_fd(const struct rig *r)
{
	return r->c.namespaces.scan_fd;
}

/* What is done when it is readable. */
static inline int rig_scan_ready(struct rig *r)
{
	return r->c.namespaces.scan.ready(&r->c, &r->c.namespaces.scan);
}

static inline int rig_inotify_fd(const struct rig *r)
{
	return r->c.namespaces.inotify_fd;
}

static inline bool rig_names_only(const struct rig *r)
{
	return r->c.namespaces.names_only;
}

/* No list of namespaces at all, instead of an empty one. */
static inline void rig_netns_config_none(struct rig *r)
{
	r->c.config.netns = NULL;
}

/* What -i and its likes say; the rest is in the arrays ifaces and netns. */
static inline struct capture_config *rig_config(struct rig *r)
{
	return &r->c.config;
}

static inline struct capture_handler *rig_handler(struct rig *r)
{
	return &r->c.handler;
}

static inline void rig_any(struct rig *r)
{
	r->c.links.any = true;
}

/* Past capture_attach(). */
static inline void rig_running(struct rig *r)
{
	r->c.links.running = true;
}

static inline void rig_mode(struct rig *r, enum attach_mode mode)
{
	r->c.links.mode = mode;
}

static inline bool rig_pending(const struct rig *r)
{
	return r->c.links.pending;
}

static inline unsigned rig_nlinks(const struct rig *r)
{
	return r->c.links.n;
}

static inline struct link *rig_link(const struct rig *r, unsigned i)
{
	return r->c.links.all[i];
}

static inline void rig_epoll(struct rig *r)
{
	r->c.poll.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
}

/* As if it had been there before, with --netns newly. */
static inline void rig_netns_before(struct netns *ns)
{
	ns->before = true;
}

static inline void rig_newly(struct rig *r)
{
	r->c.namespaces.any = r->c.namespaces.newly = true;
}

static inline void rig_set_any_netns(struct rig *r)
{
	r->c.namespaces.any = true;
}

static inline void rig_scanning(struct rig *r)
{
	r->c.namespaces.scanning = true;
}

static inline void rig_without_programs(struct rig *r)
{
	r->c.programs.skel = NULL;
}

/* --- rings and packets ------------------------------------------------------------ */

static inline int rig_rings(struct rig *r, unsigned n, size_t size)
{
	int err = 0;

	r->c.rings.size = size;
	for (unsigned i = 0; i < n && !err; i++) {
		err = ring_open_local(&r->c.rings.ring[i], size);
		if (!err)
			r->c.rings.n++;
	}
	return err;
}

/* Appends any record; returns where its header is, whose bits say whether it is being written or was discarded. */
static inline uint32_t *rig_put_record(struct rig *r, unsigned ring, const void *record, size_t size)
{
	struct ring *to = &r->c.rings.ring[ring];
	const unsigned long at = *to->producer & (to->size - 1);
	const struct iovec part = { (void *)(uintptr_t)record, size };

	if (ring_put(to, &part, 1) != 0)
		return NULL;
	return (uint32_t *)(uintptr_t)(to->data + at);
}

/* Bytes that the consumer has not given back. */
static inline size_t rig_held(const struct rig *r, unsigned ring)
{
	return *r->c.rings.ring[ring].producer - *r->c.rings.ring[ring].consumer;
}

/* Packets that the handler was done with. */
static inline uint64_t rig_captured(const struct rig *r)
{
	return r->c.delivery.captured;
}

static inline void rig_filter(struct rig *r, bool in_user)
{
	r->c.filter.in_user = in_user;
}

static inline bool rig_is_l3_filter(const struct rig *r, const struct filter_code *code)
{
	return code == &r->c.filter.l3;
}

/* owners_find(), a fake, is asked whose packets they are. */
static inline void rig_ask_owners(struct rig *r)
{
	r->c.owners = (struct owners *)r;
}

/* The real ones; both may be NULL. */
static inline void rig_ask(struct rig *r, struct owners *owners, struct nat *nat)
{
	r->c.owners = owners;
	r->c.nat = nat;
}

/* Which one it is. */
static inline unsigned rig_ring_of(const struct rig *r, const struct ring *ring)
{
	return (unsigned)(ring - r->c.rings.ring);
}

/* Empty, as at the beginning; no packet was delivered. */
static inline void rig_rewind(struct rig *r)
{
	for (unsigned i = 0; i < r->c.rings.n; i++) {
		struct ring *ring = &r->c.rings.ring[i];

		*(unsigned long *)(uintptr_t)ring->producer = *ring->consumer = ring->pos = ring->limit = 0;
		r->c.rings.ts[i] = 0;
	}
	r->c.delivery.last_ts = r->c.delivery.captured = 0;
}

static inline void rig_clock_offset(struct rig *r, int64_t ns)
{
	r->c.delivery.clock_offset = ns;
}

#endif
