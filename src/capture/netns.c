/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/private.h"
#include "util/log.h"

#define OWN_NETNS "/proc/self/ns/net"

static int netns_open(struct netns *ns, const char *path, bool own)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return -errno;
	ns->inode = (uint32_t)st.st_ino;
	ns->path = strdup(path);
	if (!ns->path)
		return -ENOMEM;
	if (own)
		return 0;
	ns->fd = open(path, O_RDONLY | O_CLOEXEC);
	return ns->fd < 0 ? -errno : 0;
}

/* Adds the namespace to those captured; name NULL: our own. One that is there already is not added again. */
int netns_add(struct capture *c, const char *name)
{
	struct netns *ns = calloc(1, sizeof(*ns)), **p;
	char path[4096];
	int err;

	if (!ns)
		return -ENOMEM;
	ns->capture = c;
	ns->fd = ns->rtnl_fd = ns->packet_fd = -1;
	if (!name)
		strcpy(path, OWN_NETNS);
	else
		snprintf(path, sizeof(path), "%s%s", strchr(name, '/') ? "" : "/run/netns/", name);
	err = netns_open(ns, path, !name);
	if (err != 0) {
		log_error("network namespace '%s': %s", name ? name : path, strerror(-err));
		goto out;
	}
	for (unsigned i = 0; i < c->nnetns; i++) {
		if (c->netns[i]->inode == ns->inode)
			goto out;
	}
	err = -ENOMEM;
	p = reallocarray(c->netns, c->nnetns + 1, sizeof(*p));
	if (!p)
		goto out;
	c->netns = p;
	c->netns[c->nnetns++] = ns;
	return 0;
out:
	netns_free(ns);
	return err;
}

int netns_enter(const struct capture *c, const struct netns *ns)
{
	return ns->fd >= 0 && setns(ns->fd, CLONE_NEWNET) != 0 ? -errno : 0;
}

void netns_leave(const struct capture *c, const struct netns *ns)
{
	if (ns->fd >= 0 && setns(c->own_netns_fd, CLONE_NEWNET) != 0)
		log_error("cannot return to our own network namespace: %s", strerror(errno));
}

void netns_free(struct netns *ns)
{
	if (!ns)
		return;
	if (ns->fd >= 0)
		close(ns->fd);
	if (ns->rtnl_fd >= 0)
		close(ns->rtnl_fd);
	if (ns->packet_fd >= 0)
		close(ns->packet_fd);
	free(ns->path);
	free(ns);
}
