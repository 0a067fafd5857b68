/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets of strangers on their way from the rings to the handler: any headers, for whose owners the maps and conntrack are
 * asked, which answer from the input; and records that are not as they should be.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pcap/dlt.h>

#include "../unit/capture_rig.h"
#include "capture/conntrack.h"
#include "capture/nat.h"
#include "capture/owners.h"
#include "capture/tenant.h"
#include "fuzz.h"
#include "util/clock.h"

enum { RINGS = 2, RING_SIZE = 16384, STEPS = 256, DATA_MAX = 512 };

static struct fuzz input;
static struct rig rig;
static void *fronts[RINGS]; /* copies of exactly their size */
static uint64_t last_ns;    /* of what was delivered */

/* --- what is asked ---------------------------------------------------------------------- */

FAKE(int, bpf_map_lookup_elem, int fd, const void *key, void *value)
{
	const size_t size = fd == NETNS_MAP ? sizeof(struct flow_key) : sizeof(struct owner_rec);
	const uint8_t how = fuzz_u8(&input);

	(void)key;
	if (how & 1)
		return -ENOENT;
	for (size_t i = 0; i < size; i++)
		((uint8_t *)value)[i] = how & 2 ? fuzz_u8(&input) : (uint8_t)(i + how);
	return 0;
}

FAKE(int, bpf_map_update_elem, int fd, const void *key, const void *value, uint64_t flags)
{
	(void)fd;
	(void)key;
	(void)value;
	(void)flags;
	return 0;
}

FAKE(int, conntrack_ask, int fd, const struct flow_key *k, struct flow_key *ret)
{
	size_t n = fuzz_u8(&input);
	uint8_t *answer;
	int err;

	(void)fd;
	/* As it was, sent on, or what the kernel may have said. */
	*ret = *k;
	if (n < 8)
		return n & 1 ? -ENOENT : 0;
	ret->lport ^= (uint16_t)n;
	ret->l[3] ^= n & 0x40;
	if (n < 128)
		return n & 1;
	answer = fuzz_bytes(&input, &n);
	err = conntrack_parse(answer, n, k, ret);
	free(answer);
	return err;
}

FAKE(struct tenant, tenants_find, struct tenants *t, const uint32_t address[4], uint32_t netns, uint64_t now)
{
	(void)t;
	(void)address;
	(void)netns;
	(void)now;
	return (struct tenant){ .pid = fuzz_u8(&input) };
}

FAKE(int, clock_nanosleep, clockid_t clock, int flags, const struct timespec *until, struct timespec *left)
{
	const uint64_t ns = (uint64_t)until->tv_sec * NSEC_PER_SEC + (uint64_t)until->tv_nsec;

	(void)clock;
	(void)flags;
	(void)left;
	if (ns > clock_now)
		clock_now = ns;
	return 0;
}

FAKE(bool, filter_match_live, const struct filter_code *code, const uint8_t *data, uint32_t caplen, uint32_t len,
     const struct filter_meta *meta, const struct filter_truth *truth)
{
	volatile uint8_t sum = 0;

	for (uint32_t i = 0; i < caplen; i++)
		sum ^= data[i];
	(void)code;
	(void)len;
	(void)meta;
	(void)truth;
	return fuzz_u8(&input) != 1;
}

int __real_ring_peek(struct ring *r, const void **ret, size_t *len);

/* What is read behind a record is seen. */
FAKE(int, ring_peek, struct ring *r, const void **ret, size_t *len)
{
	const int n = __real_ring_peek(r, ret, len);
	void **front = &fronts[rig_ring_of(&rig, r)];

	if (n == 1) {
		free(*front);
		*front = malloc(*len + !*len);
		memcpy(*front, *ret, *len);
		*ret = *front;
	}
	return n;
}

/* --- what comes of it ----------------------------------------------------------------------- */

/* Of a device, ahead of its first packet. */
static int iface_seen(void *arg, const struct iface *iface)
{
	(void)arg;
	FUZZ_CHECK(iface->name);
	return 0;
}

static int packet_seen(void *arg, struct packet *p, bool force)
{
	const uint64_t ns = (uint64_t)p->sec * NSEC_PER_SEC + (uint64_t)p->nsec;
	const uint8_t how = fuzz_u8(&input);
	volatile uint8_t sum = 0;

	(void)arg;
	for (uint32_t i = 0; i < p->caplen; i++)
		sum ^= p->data[i];
	FUZZ_CHECK(p->caplen <= SNAPLEN && p->iface && p->event && p->event->type == EVENT_PACKET);
	FUZZ_CHECK(ns >= last_ns && p->nsec < (int64_t)NSEC_PER_SEC);
	if (how == 1 && !force)
		return CAPTURE_WAIT;
	last_ns = ns;
	return CAPTURE_DONE;
}

static struct event_owner some_owner(uint8_t how)
{
	return (struct event_owner){
		.tgid = how & 3 ? 0 : how,
		.cookie = how & 12 ? 0 : how,
		.start = how,
		.source = how % (OWNER_SCAN + 1U),
		.flags = how >> 5,
	};
}

/* A packet whose record is as our programs make them, but for its lengths perhaps. */
static void put_packet(uint8_t how)
{
	static const uint32_t devices[] = { 1, 2, 3, 4 };
	size_t n = fuzz_u16(&input) % DATA_MAX;
	struct event_packet e = { .type = EVENT_PACKET, .ts = clock_now - fuzz_u8(&input) * NSEC_PER_MSEC / 8 };
	const uint8_t what = fuzz_u8(&input), lie = fuzz_u8(&input);
	uint8_t *data = fuzz_bytes(&input, &n), *record = malloc(sizeof(e) + n);
	uint32_t *header;

	e.ifindex = devices[what & 3];
	e.netns = what & 4 ? OWN_INODE + 1 : OWN_INODE;
	e.dir = what >> 3 & 3;
	e.flags = what >> 5;
	e.caplen = (uint32_t)n + (lie & 0x80 ? lie : 0);
	e.len = (uint32_t)n + (lie & 15);
	e.vlan_tci = e.vlan_proto = lie;
	e.src = some_owner(fuzz_u8(&input));
	e.dst = some_owner(fuzz_u8(&input));
	memcpy(record, &e, sizeof(e));
	memcpy(record + sizeof(e), data, n);
	header = rig_put_record(&rig, how & 1, record, sizeof(e) + n);
	if (header && how & 0x20)
		*header |= how & 0x10 ? BPF_RINGBUF_BUSY_BIT : BPF_RINGBUF_DISCARD_BIT;
	free(data);
	free(record);
}

static void put_bytes(uint8_t how)
{
	size_t n = fuzz_u8(&input);
	uint8_t *record = fuzz_bytes(&input, &n);

	rig_put_record(&rig, how & 1, record, n);
	free(record);
}

static void step(void)
{
	const uint8_t how = fuzz_u8(&input);

	switch (how >> 1 & 7) {
	case 0: put_bytes(how); break;
	case 1: clock_now += (uint64_t)fuzz_u8(&input) * NSEC_PER_MSEC * (how & 1 ? 100 : 1); break;
	case 2: deliver(&rig.c, clock_now - fuzz_u8(&input) * NSEC_PER_MSEC, 1U + (how >> 4), how & 1); break;
	default: put_packet(how);
	}
}

/* Two devices of our own namespace, and two of another one. */
static void open_world(void)
{
	struct netns *own, *other;

	rig_init(&rig);
	rig_without_programs(&rig);
	rig_handler(&rig)->iface = iface_seen;
	rig_handler(&rig)->packet = packet_seen;
	own = rig_netns(&rig, OWN_INODE, -1);
	other = rig_netns(&rig, OWN_INODE + 1, -1);
	other->own = true; /* nothing is entered */
	if (rig_rings(&rig, RINGS, RING_SIZE) || !links_add(&rig.c, own, "lo", 1, DLT_EN10MB) ||
	    !links_add(&rig.c, own, "tun0", 2, DLT_RAW) || !links_add(&rig.c, other, "eth0", 3, DLT_LINUX_SLL2) ||
	    !links_add(&rig.c, other, "any", 4, DLT_LINUX_SLL))
		abort();
	links_lookup(&rig.c, OWN_INODE, 2)->l3 = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool opened;
	/* By their descriptors the maps of owners and of keys are told apart. */
	const struct nat_maps maps = {
		.flows = IFACES_MAP, .cookies = IFACES_MAP, .nat = NETNS_MAP, .plain = SLOTS_MAP
	};
	struct owners *owners;
	struct nat *nat;
	uint8_t how;

	if (!opened)
		open_world();
	opened = true;
	rig_rewind(&rig);
	last_ns = 0;
	clock_now = 1000 * NSEC_PER_SEC;
	input = (struct fuzz){ data, size };
	how = fuzz_u8(&input);
	if (owners_new(&owners, IFACES_MAP, IFACES_MAP) || nat_new(&nat, &maps))
		abort();
	rig_ask(&rig, how & 1 ? owners : NULL, how & 2 ? nat : NULL);
	rig_filter(&rig, how & 4);
	for (unsigned i = 0; i < STEPS && input.n; i++)
		step();
	clock_now += 10 * NSEC_PER_SEC;
	deliver(&rig.c, UINT64_MAX, UINT32_MAX, true);
	owners_free(owners);
	nat_free(nat);
	for (unsigned i = 0; i < RINGS; i++) {
		free(fronts[i]);
		fronts[i] = NULL;
	}
	return 0;
}
