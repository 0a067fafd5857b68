/* SPDX-License-Identifier: BSD-3-Clause */
/* Network namespaces: opening, finding and entering them, and coming back. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "capture/private.h"
#include "util/local.h"
#include "util/log.h"

/* Root's folders are root's; elsewhere some user may have put a file system in between that never answers. */
bool netns_may_look(const char *path)
{
	static const char *const folders[] = { "/proc/", NETNS_DIR, NETNS_DOCKER_DIR };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (strncmp(path, folders[i], strlen(folders[i])) == 0)
			return true;
	}
	return !local_is_behind_served(path);
}

int netns_open(const char *path, uint32_t *inode)
{
	struct statfs fs;
	struct stat st;
	int fd, err = -EINVAL;

	if (!netns_may_look(path))
		return -EREMOTE;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC && fstat(fd, &st) == 0) {
		*inode = (uint32_t)st.st_ino;
		return fd;
	}
	close(fd);
	return err;
}

struct netns *netns_find(const struct capture *c, uint32_t inode)
{
	for (unsigned i = 0; i < c->namespaces.n; i++) {
		if (c->namespaces.all[i]->inode == inode && !c->namespaces.all[i]->ended)
			return c->namespaces.all[i];
	}
	return NULL;
}

int netns_new(struct capture *c, const char *path, uint32_t inode, int fd, struct netns **ret)
{
	struct netns *ns = netns_find(c, inode), **p;

	*ret = NULL;
	if (ns) {
		close(fd);
		return 0;
	}
	ns = calloc(1, sizeof(*ns));
	p = reallocarray(c->namespaces.all, c->namespaces.n + 1, sizeof(struct netns *));
	if (p)
		c->namespaces.all = p;
	/* However it is called: files shall not tell of it as of another one. */
	if (!ns || !p || !(ns->path = strdup(inode == c->namespaces.own ? OWN_NETNS : path))) {
		free(ns);
		close(fd);
		return -ENOMEM;
	}
	ns->capture = c;
	ns->inode = inode;
	ns->rtnl_fd = ns->packet_fd = ns->tap_fd = -1;
	ns->conntrack_fd = CONNTRACK_NOT_OPEN;
	ns->nsid = -1;
	ns->fd = fd;
	ns->own = inode == c->namespaces.own;
	if (ns->own) {
		close(fd);
		ns->fd = -1;
	}
	c->namespaces.all[c->namespaces.n++] = ns;
	*ret = ns;
	return 0;
}

/* As container runtimes name them: CNI's cni-UUID, Podman's netns-UUID, CRI-O's UUID. */
static bool ends_in_uuid(const char *name)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	const size_t n = strlen(name), len = sizeof(form) - 1;

	if (n < len)
		return false;
	name += n - len;
	for (size_t i = 0; i < len; i++) {
		if (form[i] == '-' ? name[i] != '-' : !isxdigit((unsigned char)name[i]))
			return false;
	}
	return true;
}

/* The file of the folder, whose name ends in a slash. */
static const char *name_in(const char *path, const char *dir)
{
	const size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && path[n] && !strchr(path + n, '/') ? path + n : NULL;
}

const char *netns_name(const char *path)
{
	const char *name = name_in(path, NETNS_DIR);

	if (!name)
		name = name_in(path, "/var" NETNS_DIR);
	return name && !ends_in_uuid(name) ? name : NULL;
}

const char *netns_docker_name(const char *path)
{
	const char *name = name_in(path, NETNS_DOCKER_DIR);

	return name ? name : name_in(path, "/var" NETNS_DOCKER_DIR);
}

static int name_set(char **field, const char *name)
{
	if (!name)
		return 0;
	free(*field);
	*field = strdup(name);
	return *field ? 0 : -ENOMEM;
}

int netns_name_by_path(struct netns *ns, const char *path)
{
	const char *name = netns_name(path);
	int err;

	if (ns->own)
		return 0;
	err = name_set(&ns->name, name);
	ns->name_is_own = name;
	return err ? err : name_set(&ns->docker_name, netns_docker_name(path));
}

int netns_enter(const struct capture *c, const struct netns *ns)
{
	if (ns->ended)
		return -ENOENT;
	return !ns->own && setns(ns->fd, CLONE_NEWNET) != 0 ? -errno : 0;
}

void netns_leave(const struct capture *c, const struct netns *ns)
{
	if (!ns->own && setns(c->namespaces.own_fd, CLONE_NEWNET) != 0)
		log_error("cannot return to our own network namespace: %s", strerror(errno));
}

void netns_end(struct netns *ns)
{
	ns->ended = true;
	if (ns->fd >= 0)
		close(ns->fd);
	ns->fd = -1;
	if (ns->rtnl_fd >= 0)
		close(ns->rtnl_fd);
	if (ns->packet_fd >= 0)
		close(ns->packet_fd);
	if (ns->tap_fd >= 0)
		close(ns->tap_fd);
	if (ns->conntrack_fd >= 0)
		close(ns->conntrack_fd);
	ns->conntrack_fd = CONNTRACK_NOT_OPEN;
	ns->rtnl_fd = ns->packet_fd = ns->tap_fd = -1;
}

void netns_free(struct netns *ns)
{
	if (!ns)
		return;
	netns_end(ns);
	free(ns->path);
	free(ns->name);
	free(ns->docker_name);
	free(ns);
}
