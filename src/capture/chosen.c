/* SPDX-License-Identifier: BSD-3-Clause */
/* Network namespaces that are captured in, or named, for who is in them, as others tell. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/backend.h"
#include "capture/private.h"
#include "capture/rtnl.h"
#include "util/clock.h"
#include "util/netns_word.h"

/* As long as packets wait for the name of a container. */
#define NAME_WAIT_NS (300 * NSEC_PER_MSEC)

static const char *after(const char *word, const char *prefix)
{
	const size_t n = strlen(prefix);

	return strncmp(word, prefix, n) == 0 ? word + n : NULL;
}

const char *capture_netns_container(const char *word)
{
	return after(word, NETNS_CONTAINER);
}

const char *capture_netns_pod(const char *word)
{
	return after(word, NETNS_POD);
}

bool is_chosen_word(const char *given)
{
	return capture_netns_container(given) || capture_netns_pod(given);
}

/* --- names ---------------------------------------------------------------------- */

/* An interface that nobody has seen a packet of may still be called otherwise. */
static int link_name_netns(struct capture *c, struct link *link, const char *name)
{
	struct rtnl_link same = { .ifindex = link->iface.ifindex, .type = link->type, .flags = link->up ? IFF_UP : 0 };
	struct link *now;
	char *copy;
	int err;

	if (link->shown) {
		memcpy(same.name, link->iface.name, strnlen(link->iface.name, sizeof(same.name) - 1));
		err = link_rename(c, link, &same);
		now = err ? link : links_lookup(c, link->iface.netns, link->iface.ifindex);
		now->iface.paired = link->iface.paired;
		now->iface.bridged = link->iface.bridged;
		return err;
	}
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	free(link->iface.netns_name);
	link->iface.netns_name = copy;
	return 0;
}

int netns_set_name(struct capture *c, struct netns *ns, const char *name, bool own)
{
	const unsigned n = c->links.n;
	char *copy;
	int err = 0;

	if (ns->own || (ns->name_is_own && !own) || (ns->name && strcmp(ns->name, name) == 0))
		return 0;
	copy = strndup(name, NAME_MAX);
	if (!copy)
		return -ENOMEM;
	free(ns->name);
	ns->name = copy;
	ns->name_is_own = own;
	for (unsigned i = 0; !err && i < n; i++) {
		struct link *link = c->links.all[i];

		if (link->ns == ns && link->present)
			err = link_name_netns(c, link, copy);
	}
	return err;
}

void netns_set_docker_name(struct capture *c, struct netns *ns, const char *name)
{
	char *copy = ns->docker_name ? NULL : strndup(name, NAME_MAX);

	if (!copy)
		return;
	ns->docker_name = copy;
	if (!ns->name && ns->name_by == UINT64_MAX)
		netns_set_name(c, ns, copy, false);
}

bool netns_awaits_name(struct capture *c, struct netns *ns, uint64_t ts, bool force)
{
	if (ns->own || ns->name || !c->namespaces.scanning || ns->name_by == UINT64_MAX)
		return false;
	/* From when the packet was seen: those of many namespaces wait together. */
	if (!ns->name_by)
		ns->name_by = ts + NAME_WAIT_NS;
	if (!force && clock_ns(CLOCK_MONOTONIC) < ns->name_by)
		return true;
	ns->name_by = UINT64_MAX;
	if (ns->docker_name)
		netns_set_name(c, ns, ns->docker_name, false);
	return false;
}

/* --- those that are chosen --------------------------------------------------------- */

/* The process may have ended and its number be another's: the inode tells. */
static int chosen_open(struct capture *c, const struct capture_netns *news, struct netns **ret)
{
	char path[64];
	uint32_t inode;
	int fd;

	*ret = NULL;
	snprintf(path, sizeof(path), "/proc/%u/ns/net", news->pid);
	fd = netns_open(path, &inode);
	if (fd < 0)
		return fd == -ENOENT || fd == -ESRCH ? 0 : fd;
	if (inode == news->inode)
		return netns_new(c, path, inode, fd, ret);
	close(fd);
	return 0;
}

/* Our own devices are told of again: the other ends of some may be elsewhere now. */
static int pairs_look(struct capture *c)
{
	struct netns *own = netns_find(c, c->namespaces.own);
	int err;

	if (!c->config.chosen_netns || !c->links.any || !own || own->rtnl_fd < 0)
		return 0;
	err = rtnl_dump(own->rtnl_fd);
	return err ? err : links_news(c, own);
}

static int chosen_add(struct capture *c, const struct capture_netns *news, struct netns *ns)
{
	int err = ns ? 0 : chosen_open(c, news, &ns);

	if (err || !ns || ns->chosen || !c->namespaces.scanning)
		return err;
	ns->before = false;
	ns->pid = news->pid;
	err = news->name ? netns_set_name(c, ns, news->name, false) : 0;
	if (!err)
		err = links_watch(c, ns);
	/* Packets of our ends of pairs would be left out for those of interfaces that are not captured on. */
	if (err && !ns->own)
		links_forget(c, ns);
	ns->chosen = !err;
	return err || ns->own ? err : pairs_look(c);
}

/* For the count of those that could not be captured in. */
static void note_refused(struct namespaces *n, uint32_t inode, bool refused)
{
	unsigned i = 0;

	while (i < n->nrefused && n->refused[i] != inode)
		i++;
	if (i < n->nrefused && !refused)
		n->refused[i] = n->refused[--n->nrefused];
	else if (i == n->nrefused && refused && i < CAPTURE_REFUSED_MAX)
		n->refused[n->nrefused++] = inode;
}

int capture_netns(struct capture *c, const struct capture_netns *news)
{
	struct netns *ns = netns_find(c, news->inode);
	int err = 0;

	if (news->chosen && c->namespaces.chosen && news->inode != 0) {
		err = chosen_add(c, news, ns);
		note_refused(&c->namespaces, news->inode, err);
	}
	if (!err && ns && news->name)
		err = netns_set_name(c, ns, news->name, false);
	return err;
}

/* Whether our namespace has this number for one that is chosen. */
static bool is_chosen_nsid(const struct capture *c, int nsid)
{
	for (unsigned i = 0; i < c->namespaces.n; i++) {
		struct netns *ns = c->namespaces.all[i];

		if (!ns->chosen || ns->ended || ns->own)
			continue;
		/* It gets one with the first device that has its other end there, and keeps it. */
		if (ns->nsid < 0)
			ns->nsid = rtnl_nsid(ns->fd);
		if (ns->nsid == nsid)
			return true;
	}
	return false;
}

bool chosen_elsewhere(struct capture *c, const struct netns *ns, const struct rtnl_link *news)
{
	if (!c->config.chosen_netns || !c->links.any || !ns->own || !news->pair || news->peer_nsid < 0)
		return false;
	for (unsigned i = 0; c->config.ifaces[i]; i++) {
		if (rtnl_link_named(news, c->config.ifaces[i]))
			return false;
	}
	return is_chosen_nsid(c, news->peer_nsid);
}
