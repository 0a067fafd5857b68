/* SPDX-License-Identifier: BSD-3-Clause */
/* Which network namespaces there are: those that were asked for, that come, that end. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "capture/backend.h"
#include "capture/private.h"
#include "ptcpdump.skel.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mounts.h"

static const char *const named_dirs[] = { NETNS_DIR, NETNS_DOCKER_DIR };

/*
 * An open namespace and a socket in it keep it from ending. So it is looked after this often: one that neither a
 * process nor a name refers to any more is let go. New ones are mostly known earlier, by process events and inotify.
 */
#define SCAN_SECONDS 1
/* Where nothing has ended, all of /proc is looked at only each so many times, for what nothing has told of. */
#define ROUNDS_ALL 10
/* A name in /run/netns is made first and bound to its namespace a little later, on a busy machine much later. */
#define NAMED_NS (20 * NSEC_PER_MSEC)
#define NAMED_TIMES 50

/* given: the word of the configuration that names it, NULL: it was found otherwise. */
static int netns_add(struct capture *c, const char *path, const char *given)
{
	uint32_t inode;
	struct netns *ns;
	int fd = netns_open(path, &inode), err;

	if (fd < 0)
		return fd;
	err = netns_new(c, path, inode, fd, &ns);
	if (err || !ns)
		return err;
	err = netns_name_by_path(ns, path);
	if (err)
		return err;
	ns->given = given;
	ns->before = c->namespaces.newly && !c->namespaces.started && !given;
	return c->namespaces.scanning && !ns->before ? links_watch(c, ns) : 0;
}

/* One that is there, by any of its names; inode: 0 not known, it is that of the path. */
static void scan_mark(struct capture *c, const char *path, uint32_t inode)
{
	struct netns *ns;
	struct stat st;
	int err;

	if (!inode && stat(path, &st) != 0) {
		c->namespaces.hidden += errno == EACCES || errno == EPERM;
		return;
	}
	if (!inode)
		inode = (uint32_t)st.st_ino;
	ns = netns_find(c, inode);
	if (ns) {
		ns->seen = true;
		sscanf(path, "/proc/%" SCNu32, &ns->pid);
		if (!ns->name_is_own && netns_name(path))
			netns_set_name(c, ns, netns_name(path), true);
		if (netns_docker_name(path))
			netns_set_docker_name(c, ns, netns_docker_name(path));
		return;
	}
	if (!c->namespaces.any)
		return;
	err = netns_add(c, path, NULL);
	c->namespaces.unbound = c->namespaces.unbound || err == -EINVAL;
	if (err && err != -EINVAL && err != -ENOENT)
		log_info("network namespace '%s': %s", path, strerror(-err));
	else if ((ns = netns_find(c, inode)))
		ns->seen = true;
}

/* Calls scan_mark() for the files dir ENTRY tail. */
static void scan_dir(struct capture *c, const char *dir, bool numbers, const char *tail)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	char path[512];

	if (!d)
		return;
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.' || (numbers && (entry->d_name[0] < '0' || entry->d_name[0] > '9')))
			continue;
		snprintf(path, sizeof(path), "%s%s%s", dir, entry->d_name, tail);
		scan_mark(c, path, 0);
	}
	closedir(d);
}

/* The next process seen in it is news again. */
static void netns_forget(const struct capture *c, uint32_t inode)
{
	if (c->programs.skel)
		bpf_map_delete_elem(bpf_map__fd(c->programs.skel->maps.ptcp_netns), &inode);
}

static void scan_names(struct capture *c)
{
	for (size_t i = 0; i < sizeof(named_dirs) / sizeof(named_dirs[0]); i++)
		scan_dir(c, named_dirs[i], false, "");
}

/* One without a process lives on where it is mounted, which may be anywhere. */
static void scan_mounts(struct capture *c)
{
	struct mounts all = mounts_open();
	struct mount m;
	uint32_t inode;

	while (mounts_next(&all, &m)) {
		if (sscanf(m.root, "net:[%" SCNu32 "]", &inode) == 1)
			scan_mark(c, m.point, inode);
	}
	mounts_close(&all);
}

static bool is_netns_word(const char *given)
{
	return strcmp(given, "any") == 0 || strcmp(given, "newly") == 0;
}

/* A name of "ip netns", else of Docker; as the former when there is neither. */
static void given_path(const char *given, char path[PATH_MAX])
{
	const char *const dirs[] = { NETNS_DIR, NETNS_DOCKER_DIR, NETNS_DIR };
	bool there = false;
	struct stat st;

	if (strchr(given, '/')) {
		snprintf(path, PATH_MAX, "%s", given);
		return;
	}
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]) && !there; i++) {
		snprintf(path, PATH_MAX, "%s%s", dirs[i], given);
		there = stat(path, &st) == 0;
	}
}

/*
 * A name may be another namespace's by now. Not so the numbers of processes, which are given to others; and libpcap's
 * devices are opened once.
 */
static void scan_given(struct capture *c)
{
	for (const char *const *given = c->config.netns; given && *given; given++) {
		char path[PATH_MAX];
		struct stat st;

		given_path(*given, path);
		if (is_netns_word(*given) || is_chosen_word(*given) || strncmp(path, "/proc/", 6) == 0 ||
		    !c->backend->programs)
			continue;
		if (netns_may_look(path) && stat(path, &st) == 0 && !netns_find(c, (uint32_t)st.st_ino))
			netns_add(c, path, *given);
	}
}

static bool given_lives(const struct capture *c, const char *given)
{
	for (unsigned i = 0; i < c->namespaces.n; i++) {
		if (!c->namespaces.all[i]->ended && c->namespaces.all[i]->given == given)
			return true;
	}
	return false;
}

static bool is_at(const struct netns *ns, const char *path)
{
	struct stat st;

	return netns_may_look(path) && stat(path, &st) == 0 && (uint32_t)st.st_ino == ns->inode;
}

static void let_go(struct capture *c, struct netns *ns)
{
	links_forget(c, ns);
	netns_end(ns);
	netns_forget(c, ns->inode);
	if (ns->given && !given_lives(c, ns->given))
		log_warn("the network namespace '%s' has ended", ns->given);
}

static void scan_ended(struct capture *c)
{
	for (unsigned i = 0; i < c->namespaces.n; i++) {
		struct netns *ns = c->namespaces.all[i];

		if (ns->ended)
			continue;
		/* Its own path may be anywhere. */
		if (!ns->seen && is_at(ns, ns->path))
			ns->seen = true;
		if (!ns->seen && c->namespaces.hidden <= c->namespaces.hidden_first)
			let_go(c, ns);
	}
}

/* The folders may have been made since. */
static void names_watch(const struct capture *c)
{
	for (size_t i = 0; i < sizeof(named_dirs) / sizeof(named_dirs[0]); i++)
		inotify_add_watch(c->namespaces.inotify_fd, named_dirs[i], IN_CREATE);
}

static void scan_soon(struct capture *c)
{
	const struct itimerspec soon = { .it_value.tv_nsec = (long)NAMED_NS, .it_interval.tv_sec = SCAN_SECONDS };

	c->namespaces.soon--;
	c->namespaces.names_only = true;
	timerfd_settime(c->namespaces.scan_fd, 0, &soon, NULL);
}

void netns_scan(struct capture *c)
{
	scan_given(c);
	/* All of /proc takes some 10 ms, in which the next ones may be coming. */
	if (c->namespaces.names_only) {
		c->namespaces.names_only = c->namespaces.unbound = false;
		scan_names(c);
		if (c->namespaces.unbound && c->namespaces.soon > 0)
			scan_soon(c);
		return;
	}
	links_release(c);
	names_watch(c);
	c->namespaces.hidden = 0;
	for (unsigned i = 0; i < c->namespaces.n; i++)
		c->namespaces.all[i]->seen = c->namespaces.all[i]->own;
	scan_names(c);
	scan_mounts(c);
	scan_dir(c, "/proc/", true, "/ns/net");
	if (!c->namespaces.started)
		c->namespaces.hidden_first = c->namespaces.hidden;
	scan_ended(c);
}

void netns_seen(struct capture *c, uint32_t inode, uint32_t pid)
{
	char path[64];

	/* To who is outside of the pid namespace there is no path: not even later, so it stays known. */
	if (!c->namespaces.any || inode == 0 || netns_find(c, inode) || pid & PID_OUTSIDE)
		return;
	snprintf(path, sizeof(path), "/proc/%u/ns/net", pid);
	if (netns_add(c, path, NULL) != 0)
		netns_forget(c, inode);
}

void netns_named(struct capture *c)
{
	char buf[4096];

	while (read(c->namespaces.inotify_fd, buf, sizeof(buf)) > 0)
		;
	c->namespaces.soon = NAMED_TIMES;
	scan_soon(c);
}

static int netns_add_configured(struct capture *c, const char *given)
{
	char path[PATH_MAX];
	int err;

	if (is_netns_word(given)) {
		/* With both, all of them. */
		c->namespaces.newly = strcmp(given, "newly") == 0 && (c->namespaces.newly || !c->namespaces.any);
		c->namespaces.any = true;
		return c->namespaces.newly ? 0 : netns_add(c, OWN_NETNS, NULL);
	}
	if (is_chosen_word(given)) {
		c->namespaces.chosen = true;
		return 0;
	}
	given_path(given, path);
	err = netns_add(c, path, given);
	if (err == -EINVAL)
		log_error("'%s' is not a network namespace", path);
	else if (err)
		log_error("network namespace '%s': %s", path, strerror(-err));
	return err;
}

/* Whether all still are where they were last seen: then none has ended. */
static bool all_live(const struct capture *c)
{
	for (unsigned i = 0; i < c->namespaces.n; i++) {
		const struct netns *ns = c->namespaces.all[i];
		char path[64];

		snprintf(path, sizeof(path), "/proc/%" PRIu32 "/ns/net", ns->pid);
		if (!ns->ended && !ns->own && !is_at(ns, ns->path) && !is_at(ns, path))
			return false;
	}
	return true;
}

static int scan_ready(struct capture *c, struct watch *watch)
{
	uint64_t times;

	(void)watch;
	/* Reading is what makes a periodic timer run on. */
	if (read(c->namespaces.scan_fd, &times, sizeof(times)) != sizeof(times))
		return 0;
	/* With thousands of processes, a look at all of them costs. */
	if (c->namespaces.names_only || ++c->namespaces.rounds % ROUNDS_ALL == 0 || !all_live(c)) {
		netns_scan(c);
		return 0;
	}
	links_release(c);
	names_watch(c);
	scan_given(c);
	scan_names(c);
	return 0;
}

static int names_ready(struct capture *c, struct watch *watch)
{
	(void)watch;
	netns_named(c);
	return 0;
}

int netns_scan_start(struct capture *c)
{
	int err;

	c->namespaces.scan.ready = scan_ready;
	c->namespaces.names.ready = names_ready;
	err = poll_add(c, c->namespaces.scan_fd, EPOLLIN, &c->namespaces.scan);
	if (!err)
		err = poll_add(c, c->namespaces.inotify_fd, EPOLLIN, &c->namespaces.names);
	if (!err)
		netns_scan(c);
	c->namespaces.started = true;
	return err;
}

static int netns_watch(struct capture *c)
{
	const struct itimerspec often = { .it_value.tv_sec = SCAN_SECONDS, .it_interval.tv_sec = SCAN_SECONDS };

	c->namespaces.scanning = true;
	c->namespaces.scan_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	c->namespaces.inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (c->namespaces.scan_fd < 0 || c->namespaces.inotify_fd < 0)
		return -errno;
	names_watch(c);
	timerfd_settime(c->namespaces.scan_fd, 0, &often, NULL);
	return 0;
}

int netns_init(struct capture *c)
{
	int err;

	c->namespaces.own_fd = netns_open(OWN_NETNS, &c->namespaces.own);
	if (c->namespaces.own_fd < 0) {
		log_error("'%s': %s; is /proc mounted?", OWN_NETNS, strerror(-c->namespaces.own_fd));
		return c->namespaces.own_fd;
	}
	if (!c->config.netns || !c->config.netns[0]) {
		err = netns_add(c, OWN_NETNS, NULL);
		c->namespaces.chosen = c->config.chosen_netns;
		if (!err && c->namespaces.chosen)
			err = netns_watch(c);
	} else {
		err = 0;
		for (const char *const *name = c->config.netns; !err && *name; name++)
			err = netns_add_configured(c, *name);
		/* Those log their errors. */
		if (err)
			return err;
		err = netns_watch(c);
	}
	if (err)
		log_error("cannot watch network namespaces: %s", strerror(-err));
	return err;
}

static void fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

void netns_done(struct capture *c)
{
	for (unsigned i = 0; i < c->namespaces.n; i++)
		netns_free(c->namespaces.all[i]);
	free(c->namespaces.all);
	fd_close(c->namespaces.own_fd);
	fd_close(c->namespaces.scan_fd);
	fd_close(c->namespaces.inotify_fd);
}
