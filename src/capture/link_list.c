/* SPDX-License-Identifier: BSD-3-Clause */
/* The interfaces that a capture knows of: found by namespace and index, made, and forgotten where they left nothing. */
#include <errno.h>
#include <net/if.h>
#include <pcap/dlt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/backend.h"
#include "capture/private.h"
#include "capture/rtnl.h"

/* After so many new ones those that left nothing are forgotten. */
enum { TIDY_EVERY = 64 };

static unsigned table_slot(const struct capture *c, uint32_t netns, uint32_t ifindex)
{
	/* Who makes an interface may choose its number. */
	return hash_number(&c->links.key, (uint64_t)netns << 32 | ifindex) >> 32 & (c->links.table_size - 1);
}

static struct link **table_find(const struct capture *c, uint32_t netns, uint32_t ifindex)
{
	unsigned i = table_slot(c, netns, ifindex);

	while (c->links.table[i] &&
	       (c->links.table[i]->iface.ifindex != ifindex || c->links.table[i]->iface.netns != netns))
		i = (i + 1) & (c->links.table_size - 1);
	return &c->links.table[i];
}

/* The older of two links with one key gives way to the newer. */
static void table_fill(struct capture *c)
{
	memset(c->links.table, 0, c->links.table_size * sizeof(struct link *));
	for (unsigned i = 0; i < c->links.n; i++)
		*table_find(c, c->links.all[i]->iface.netns, c->links.all[i]->iface.ifindex) = c->links.all[i];
}

/* Room for one more. */
static int table_grow(struct capture *c)
{
	unsigned size = c->links.table_size ? c->links.table_size : 64;
	struct link **table;

	if (!c->links.table_size)
		c->links.key = hash_key();
	if (c->links.table_size && c->links.n * 2 < c->links.table_size)
		return 0;
	while (c->links.n * 2 >= size)
		size *= 2;
	table = calloc(size, sizeof(struct link *));
	if (!table)
		return -ENOMEM;
	free(c->links.table);
	c->links.table = table;
	c->links.table_size = size;
	table_fill(c);
	return 0;
}

static void link_free(struct link *link)
{
	if (!link)
		return;
	free(link->iface.name);
	free(link->iface.netns_name);
	free(link);
}

struct link *links_lookup(struct capture *c, uint32_t netns, uint32_t ifindex)
{
	struct link *link = c->links.last;

	if (link && link->iface.ifindex == ifindex && link->iface.netns == netns)
		return link;
	link = c->links.table_size ? *table_find(c, netns, ifindex) : NULL;
	if (link)
		c->links.last = link;
	return link;
}

/* Nobody has heard of it, and what it counted, nothing, is not missed. */
static bool link_is_spare(const struct link *link)
{
	return !link->present && !link->closing && !link->announced && !link->gone_received && !link->gone_dropped &&
	       !link->mismatched;
}

/*
 * Devices that came and went without a packet are forgotten, from time to time: others may have been handed on, and whoever got
 * their packets may keep the interface. Not while anybody goes through all of them.
 */
void links_tidy(struct capture *c)
{
	unsigned n = 0;

	if (!c->links.running || !c->backend->programs || ++c->links.since_tidy < TIDY_EVERY)
		return;
	c->links.since_tidy = 0;
	for (unsigned i = 0; i < c->links.n; i++) {
		struct link *link = c->links.all[i];

		if (link_is_spare(link))
			link_free(link);
		else
			c->links.all[n++] = link;
	}
	c->links.n = n;
	c->links.last = NULL;
	table_fill(c);
}

void link_set_place(struct link *link, const struct rtnl_link *news)
{
	link->iface.paired = news->pair && news->peer_nsid >= 0;
	link->iface.bridged = news->master != 0;
}

struct link *link_new(struct capture *c, struct netns *ns, const struct rtnl_link *news, bool l3)
{
	struct link *link = calloc(1, sizeof(*link)), **p;

	if (!link || table_grow(c) != 0)
		goto fail;
	/* Twice as many at a time: pieces that grow by one leave holes that nothing fills. */
	if ((c->links.n & (c->links.n - 1)) == 0) {
		p = reallocarray(c->links.all, c->links.n ? 2 * (size_t)c->links.n : 1, sizeof(struct link *));
		if (!p)
			goto fail;
		c->links.all = p;
	}
	link->ns = ns;
	link->type = news->type;
	link->l3 = l3;
	link->present = true;
	link->up = news->flags & IFF_UP;
	link->iface.ifindex = news->ifindex;
	link->iface.netns = ns->inode;
	link_set_place(link, news);
	link->iface.other_netns = !ns->own;
	link->iface.dlt = l3 ? DLT_RAW : DLT_EN10MB;
	link->iface.snaplen = c->config.snaplen;
	link->iface.name = strdup(news->name);
	link->iface.netns_path = ns->path;
	link->iface.netns_name = ns->name ? strdup(ns->name) : NULL;
	link->iface.filter = c->config.filter && *c->config.filter->text ? (char *)(uintptr_t)c->config.filter->text
									 : NULL;
	if (!link->iface.name || (ns->name && !link->iface.netns_name))
		goto fail;
	c->links.all[c->links.n++] = link;
	*table_find(c, ns->inode, news->ifindex) = link;
	c->links.last = NULL;
	return link;
fail:
	link_free(link);
	return NULL;
}

struct link *links_add(struct capture *c, struct netns *ns, const char *name, uint32_t ifindex, int dlt)
{
	struct rtnl_link device = { .ifindex = ifindex, .flags = IFF_UP };
	struct link *link;

	snprintf(device.name, sizeof(device.name), "%s", name);
	link = link_new(c, ns, &device, false);
	if (link)
		link->iface.dlt = dlt;
	return link;
}

void links_free(struct capture *c)
{
	for (unsigned i = 0; i < c->links.n; i++)
		link_free(c->links.all[i]);
	free(c->links.counts);
	free(c->links.all);
	free(c->links.table);
	free(c->links.wishes);
}
