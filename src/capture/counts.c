/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/counts.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "capture/attrib.h"
#include "capture/backend.h"
#include "capture/count_packet.h"
#include "capture/nat.h"
#include "capture/private.h"
#include "ptcpdump.skel.h"
#include "util/clock.h"

#define READ_NS (1000 * NSEC_PER_MSEC)
/* Whoever makes up flows keeps us busy only so far: what finds no room until then is of others. */
#define READ_MIN_NS (50 * NSEC_PER_MSEC)
/* What waits for its owner is looked at again. */
#define AGAIN_NS (50 * NSEC_PER_MSEC)
/* Of one table, that wakes us: the keys that come while we get there find room still. */
#define FILL_SHARE 4
/* Where the kernel cannot say that nobody is in a program any more: it takes some us, and does not lose the CPU. */
#define PROGRAM_NS (20 * NSEC_PER_MSEC)

enum {
	SLOTS_MIN = 16,
	SLOTS_MAX = 65536,
	SEQS = 16384, /* connections whose sequence numbers are known, 128 kB */
	WAITING_MAX = 65536,
};

static uint32_t region(const struct counts *n)
{
	return COUNT_FRONT + n->slots;
}

static size_t slots_all(const struct counts *n)
{
	return (size_t)COUNT_HALVES * n->cpus * region(n);
}

bool counts_plan(struct capture *c, size_t total)
{
	struct counts *n = &c->counts;
	size_t room;

	n->active = c->config.counting && c->handler.sample && c->backend->counts && !c->filter.in_user &&
		    !matches_needed(c);
	if (!n->active)
		return false;
	c->rings.n = 1;
	/* Half as much does, unless it is asked for. */
	if (!c->config.ring_bytes)
		total /= 2;
	n->cpus = (uint32_t)c->programs.ncpus;
	room = total / sizeof(struct count_slot) / COUNT_HALVES / n->cpus;
	for (n->slots = SLOTS_MIN; n->slots < SLOTS_MAX && COUNT_FRONT + 2 * n->slots <= room;)
		n->slots *= 2;
	return true;
}

void counts_prepare(const struct capture *c, struct ptcpdump *skel)
{
	const struct counts *n = &c->counts;

	if (!n->active) {
		bpf_map__set_autocreate(skel->maps.ptcp_counts, false);
		bpf_map__set_autocreate(skel->maps.ptcp_seqs, false);
		return;
	}
	skel->rodata->counting = 1;
	skel->rodata->count_slots = n->slots;
	skel->rodata->count_cpus = n->cpus;
	skel->rodata->count_seqs = SEQS;
	bpf_map__set_max_entries(skel->maps.ptcp_counts, (uint32_t)slots_all(n));
	bpf_map__set_max_entries(skel->maps.ptcp_seqs, SEQS);
}

int counts_open(struct capture *c)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct counts *n = &c->counts;
	void *p;

	if (!n->active)
		return 0;
	n->mapped = (slots_all(n) * sizeof(struct count_slot) + page - 1) / page * page;
	p = mmap(NULL, n->mapped, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(c->programs.skel->maps.ptcp_counts),
		 0);
	if (p == MAP_FAILED)
		return -errno;
	n->map = p;
	c->programs.control->wake_fill = n->slots / FILL_SHARE;
	return 0;
}

/* Packets are added up in the other half from now on, and none in the one that was used up to now: which? */
static unsigned half_take(const struct capture *c)
{
	const struct timespec pause = { .tv_nsec = PROGRAM_NS };
	const unsigned half = c->programs.control->count_half;

	__atomic_store_n(&c->programs.control->count_half, !half, __ATOMIC_SEQ_CST);
	/* Waits for all programs that did not see it. */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		nanosleep(&pause, NULL);
	return half;
}

/* Of a link that was renamed, what it was called then. */
static struct link *link_of(struct capture *c, const struct count_slot *slot)
{
	struct link *link = links_lookup(c, slot->key.flow.netns, slot->key.ifindex);

	while (link && slot->last < link->since)
		link = link->before;
	return link;
}

/* As packet_hand() of deliver.c: whom nobody could tell before, and then to the handler. */
static int hand(struct capture *c, const struct count_slot *slot, bool force)
{
	struct link *link = link_of(c, slot);
	uint8_t headers[COUNT_HEADERS_MAX];
	struct event_packet e = count_event(slot);
	struct flows_sample sample = count_sample(slot, c->delivery.clock_offset);
	struct packet p = { .data = headers, .dir = sample.dir, .event = &e, .record = &e };
	int verdict = CAPTURE_DONE;

	if (!link)
		return CAPTURE_DONE;
	if (netns_awaits_name(c, link->ns, slot->last, force))
		return CAPTURE_WAIT;
	p.len = p.caplen = e.len = e.caplen = count_headers(slot, link->l3, headers);
	p.sec = (int64_t)(sample.first / NSEC_PER_SEC);
	p.nsec = (int64_t)(sample.first % NSEC_PER_SEC);
	p.iface = sample.iface = &link->iface;
	if (!sample.others && (c->owners || (e.dst.flags & OWNER_F_NAT)))
		nat_packet(c, link, &e, headers);
	if (!sample.others && c->owners)
		verdict = owners_ask(c->owners, link->iface.dlt, &e, headers, force);
	if (verdict == CAPTURE_DONE)
		verdict = link_announce(c, link);
	if (verdict == CAPTURE_DONE)
		verdict = c->handler.sample(c->handler.arg, &p, &sample, force);
	if (verdict == CAPTURE_DONE) {
		c->delivery.captured += slot->packets;
		link->shown = true;
	}
	return verdict;
}

/* Without memory, or with too many, they wait no longer. */
static int keep_waiting(struct capture *c, const struct count_slot *slot)
{
	struct counts *n = &c->counts;
	struct count_slot *more;
	size_t room = n->room ? 2 * n->room : 64;

	if (n->nwaiting == n->room) {
		more = room > WAITING_MAX ? NULL : reallocarray(n->waiting, room, sizeof(*more));
		if (!more)
			return hand(c, slot, true);
		n->waiting = more;
		n->room = room;
	}
	n->waiting[n->nwaiting++] = *slot;
	return 0;
}

static int hand_waiting(struct capture *c, bool force)
{
	struct counts *n = &c->counts;
	size_t kept = 0;
	int verdict = 0;

	for (size_t i = 0; i < n->nwaiting; i++) {
		if (verdict >= 0)
			verdict = hand(c, &n->waiting[i], force);
		if (verdict == CAPTURE_WAIT)
			n->waiting[kept++] = n->waiting[i];
	}
	n->nwaiting = kept;
	return verdict < 0 ? verdict : 0;
}

/* Frees the slot, whatever becomes of it. */
static int slot_read(struct capture *c, struct count_slot *slot, bool force)
{
	int verdict = hand(c, slot, force);

	if (verdict == CAPTURE_WAIT)
		verdict = keep_waiting(c, slot);
	slot->packets = 0;
	return verdict < 0 ? verdict : 0;
}

static int region_read(struct capture *c, struct count_slot *first, bool force)
{
	uint64_t used = first->packets;
	int err = 0;

	first->packets = 0;
	for (unsigned i = 1; !err && i < COUNT_FRONT; i++) {
		if (first[i].packets)
			err = slot_read(c, &first[i], force);
	}
	for (uint32_t i = COUNT_FRONT; !err && used && i < region(&c->counts); i++) {
		if (!first[i].packets)
			continue;
		used--;
		err = slot_read(c, &first[i], force);
	}
	return err;
}

int capture_counts(struct capture *c, bool force)
{
	struct counts *n = &c->counts;
	unsigned half;
	int err;

	if (!n->map)
		return 0;
	half = half_take(c);
	/* All that happened before these packets is in the process ring by now. */
	err = attrib_consume(c->attrib);
	if (err >= 0)
		err = hand_waiting(c, force);
	for (uint32_t cpu = 0; err >= 0 && cpu < n->cpus; cpu++)
		err = region_read(c, &n->map[((size_t)half * n->cpus + cpu) * region(n)], force);
	n->last = clock_ns(CLOCK_MONOTONIC);
	n->next = n->last + READ_NS;
	n->again = n->last + AGAIN_NS;
	return err < 0 ? err : 0;
}

/* A table that fills has woken us: see reader_wake() of bpf/maps.bpf.h. */
static bool is_filling(const struct capture *c)
{
	return __atomic_load_n(&c->programs.control->wake, __ATOMIC_RELAXED) == WAKE_NONE;
}

int counts_deliver(struct capture *c)
{
	struct counts *n = &c->counts;
	const uint64_t now = clock_ns(CLOCK_MONOTONIC);
	int err = attrib_consume(c->attrib);

	if (is_filling(c) && n->last + READ_MIN_NS < n->next)
		n->next = n->last + READ_MIN_NS;
	if (err >= 0 && now >= n->next)
		return capture_counts(c, false);
	if (err >= 0 && n->nwaiting && now >= n->again) {
		n->again = now + AGAIN_NS;
		err = hand_waiting(c, false);
	}
	return err < 0 ? err : 0;
}

uint64_t counts_due(const struct capture *c)
{
	const struct counts *n = &c->counts;
	const uint64_t now = clock_ns(CLOCK_MONOTONIC);
	const uint64_t due = n->nwaiting && n->again < n->next ? n->again : n->next;

	return due > now ? due - now : 1;
}

bool capture_counting(const struct capture *c)
{
	return c->counts.active;
}

void counts_free(struct counts *n)
{
	if (n->map)
		munmap(n->map, n->mapped);
	free(n->waiting);
}
