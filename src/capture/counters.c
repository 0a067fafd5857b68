/* SPDX-License-Identifier: BSD-3-Clause */
/* What the programs count of an interface: in a slot of its own, or where another has that, in a hash map. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/private.h"
#include "ptcpdump.skel.h"

/* Reads the slot that an interface wants into n, one value per CPU; false: it is free, or another's. */
static bool slot_taken(const struct capture *c, const struct iface_key *key, struct iface_slot *n)
{
	uint32_t i = key->ifindex % IFACE_SLOTS;

	return bpf_map_lookup_elem(bpf_map__fd(c->programs.skel->maps.ptcp_iface_slots), &i, n) == 0 &&
	       n->key.ifindex == key->ifindex && n->key.netns == key->netns;
}

static int slot_write(const struct capture *c, uint32_t ifindex, const struct iface_slot *n)
{
	uint32_t i = ifindex % IFACE_SLOTS;

	return bpf_map_update_elem(bpf_map__fd(c->programs.skel->maps.ptcp_iface_slots), &i, n, BPF_ANY);
}

void counters_read(const struct capture *c, const struct link *link, uint64_t *received, uint64_t *dropped)
{
	struct iface_key key = { .netns = link->iface.netns, .ifindex = link->iface.ifindex };
	const int ncpus = libbpf_num_possible_cpus();
	struct iface_slot *n = c->links.counts;

	*received = *dropped = 0;
	if (!n || (!slot_taken(c, &key, n) &&
		   bpf_map_lookup_elem(bpf_map__fd(c->programs.skel->maps.ptcp_ifaces), &key, n) != 0))
		return;
	for (int i = 0; i < ncpus; i++) {
		*received += n[i].n.received;
		for (int k = 0; k < DROP_CAUSES; k++)
			*dropped += n[i].n.dropped[k];
	}
}

int counters_start(struct capture *c, const struct link *link)
{
	struct iface_key key = { .netns = link->iface.netns, .ifindex = link->iface.ifindex };
	const int ncpus = libbpf_num_possible_cpus();
	struct iface_slot *n = c->links.counts;

	if (ncpus <= 0)
		return ncpus;
	if (!n)
		n = c->links.counts = calloc((size_t)ncpus, sizeof(*n));
	if (!n)
		return -ENOMEM;
	if (!slot_taken(c, &key, n) && n->key.ifindex != 0) {
		memset(n, 0, (size_t)ncpus * sizeof(*n));
		return bpf_map_update_elem(bpf_map__fd(c->programs.skel->maps.ptcp_ifaces), &key, n, BPF_ANY);
	}
	memset(n, 0, (size_t)ncpus * sizeof(*n));
	for (int i = 0; i < ncpus; i++)
		n[i].key = key;
	return slot_write(c, key.ifindex, n);
}

void counters_stop(const struct capture *c, struct link *link)
{
	struct iface_key key = { .netns = link->iface.netns, .ifindex = link->iface.ifindex };
	struct iface_slot *n = c->links.counts;
	uint64_t received, dropped;

	counters_read(c, link, &received, &dropped);
	link->gone_received += received;
	link->gone_dropped += dropped;
	bpf_map_delete_elem(bpf_map__fd(c->programs.skel->maps.ptcp_ifaces), &key);
	if (n && slot_taken(c, &key, n)) {
		memset(n, 0, (size_t)libbpf_num_possible_cpus() * sizeof(*n));
		slot_write(c, key.ifindex, n);
	}
}

/* What the kernel goes on counting was the old one's up to now. */
void counters_hand_over(const struct capture *c, struct link *from, struct link *to)
{
	uint64_t received, dropped;

	counters_read(c, from, &received, &dropped);
	from->gone_received += received;
	from->gone_dropped += dropped;
	to->gone_received -= received;
	to->gone_dropped -= dropped;
}
