/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which namespaces there are: as configured, new ones, and those that end. Others than our own are played by namespaces
 * of other kinds, whose files look alike; /run and the processes of /proc are in a folder of our own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "capture_rig.h"
#include "util/clock.h"
#include "util/log.h"

#define BLUE "/proc/self/ns/uts"
#define RED "/proc/self/ns/ipc"
#define OWN "/proc/self/ns/net"

static struct rig rig;
static char dir[] = "/tmp/test-netns-XXXXXX";
static int watch_error, setns_error;

/* --- fakes -------------------------------------------------------------------------- */

/* /run, and /proc but for our own process. */
static const char *moved(const char *path)
{
	static char text[2][4096];
	static unsigned n;

	if (strncmp(path, "/run/", 5) != 0 && strcmp(path, "/proc") != 0 &&
	    (strncmp(path, "/proc/", 6) != 0 || strncmp(path, "/proc/self/", 11) == 0))
		return path;
	n = !n;
	snprintf(text[n], sizeof(text[n]), "%s%s", dir, path);
	return text[n];
}

int __real_open(const char *path, int flags, ...);
FAKE(int, open, const char *path, int flags, ...)
{
	return __real_open(moved(path), flags);
}

DIR *__real_opendir(const char *path);
FAKE(DIR *, opendir, const char *path)
{
	return __real_opendir(moved(path));
}

static const char *hidden; /* begins what we may not look at */

int __real_stat(const char *path, struct stat *st);
FAKE(int, stat, const char *path, struct stat *st)
{
	if (hidden && strncmp(path, hidden, strlen(hidden)) == 0) {
		errno = EACCES;
		return -1;
	}
	return __real_stat(moved(path), st);
}

static const char *mounts; /* what mountinfo says */

FAKE(FILE *, fopen, const char *path, const char *mode)
{
	if (strcmp(path, "/proc/self/mountinfo") != 0 || !mounts)
		return NULL;
	return fmemopen((void *)(uintptr_t)mounts, strlen(mounts), "r");
}

int __real_inotify_add_watch(int fd, const char *path, uint32_t mask);
FAKE(int, inotify_add_watch, int fd, const char *path, uint32_t mask)
{
	return __real_inotify_add_watch(fd, moved(path), mask);
}

FAKE(int, setns, int fd, int type)
{
	told("setns %d%s; ", fd, type == CLONE_NEWNET ? "" : " of another type");
	errno = setns_error ? setns_error : EBADF; /* which means nothing when it returns 0 */
	return setns_error ? -1 : 0;
}

FAKE(void, log_msg, enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	told("%s: ", level == LOG_ERROR ? "error" : level == LOG_WARN ? "warning" : "info");
	told_args(fmt, args);
	told("; ");
	va_end(args);
}

FAKE(int, links_watch, struct capture *c, struct netns *ns)
{
	told("watch %s; ", ns->path);
	return watch_error;
}

FAKE(void, links_forget, struct capture *c, struct netns *ns)
{
	told("forget %s%s; ", ns->path, ns->fd < 0 ? ", closed" : "");
}

FAKE(void, links_release, struct capture *c)
{
	told("release; ");
}

FAKE(int, bpf_map_delete_elem, int fd, const void *key)
{
	told("no %u in %s; ", *(const uint32_t *)key, fd == NETNS_MAP ? "ptcp_netns" : "another map");
	return 0;
}

/* --- files ------------------------------------------------------------------------------ */

static const char *in_dir(const char *path)
{
	static char text[4096];

	snprintf(text, sizeof(text), "%s%s", dir, path);
	return text;
}

static void make_dirs(const char *path)
{
	char text[4096];

	snprintf(text, sizeof(text), "%s", in_dir(path));
	for (char *p = text + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		mkdir(text, 0755);
	}
}

/* A file of a namespace at the path. */
static void put(const char *path, const char *namespace)
{
	make_dirs(path);
	if (symlink(namespace, in_dir(path)) != 0)
		abort();
}

static void drop(const char *path)
{
	if (unlink(in_dir(path)) != 0)
		abort();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return ftw->level ? remove(path) : 0;
}

static uint32_t inode_of(const char *path)
{
	struct stat st;

	return __real_stat(path, &st) == 0 ? (uint32_t)st.st_ino : 0;
}

static void start(const char *const *names)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	make_dirs("/run/netns/");
	make_dirs("/run/docker/netns/");
	make_dirs("/proc/");
	watch_error = setns_error = 0;
	mounts = hidden = NULL;
	rig_init(&rig);
	for (unsigned i = 0; names && names[i]; i++)
		rig.netns[i] = names[i];
}

#define START(...) start((const char *const[]){ __VA_ARGS__, NULL })

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* --- as configured ------------------------------------------------------------------------ */

static void test_own_only(void)
{
	struct netns *ns;

	start(NULL);
	CHECK_INT(netns_init(&rig.c), 0);
	CHECK_STR(what_was_told(), "");
	CHECK_INT(rig_nnetns(&rig), 1);
	ns = rig_netns_at(&rig, 0);
	CHECK_INT(ns->inode, inode_of(OWN));
	CHECK_INT(rig_own_inode(&rig), inode_of(OWN));
	CHECK(is_open(rig_own_fd(&rig)));
	CHECK(ns->own && !ns->ended && ns->capture == &rig.c);
	CHECK_INT(ns->fd, -1);
	CHECK_INT(ns->rtnl_fd, -1);
	CHECK_INT(ns->packet_fd, -1);
	CHECK_INT(ns->tap_fd, -1);
	CHECK_STR(ns->path, OWN);
	/* nothing to look after */
	CHECK_INT(rig_scan_fd(&rig), -1);
	CHECK_INT(rig_inotify_fd(&rig), -1);
	start(NULL);
	rig_netns_config_none(&rig);
	CHECK_INT(netns_init(&rig.c), 0);
	CHECK_INT(rig_nnetns(&rig), 1);
}

static void test_named(void)
{
	struct itimerspec t;

	START("blue", OWN, RED);
	put("/run/netns/blue", BLUE);
	CHECK_INT(netns_init(&rig.c), 0);
	CHECK_STR(what_was_told(), "");
	CHECK_INT(rig_nnetns(&rig), 3);
	CHECK_STR(rig_netns_at(&rig, 0)->path, "/run/netns/blue");
	CHECK_INT(rig_netns_at(&rig, 0)->inode, inode_of(BLUE));
	CHECK(!rig_netns_at(&rig, 0)->own && is_open(rig_netns_at(&rig, 0)->fd));
	CHECK(rig_netns_at(&rig, 1)->own);
	CHECK_STR(rig_netns_at(&rig, 2)->path, RED);
	CHECK(!rig_any_netns(&rig));
	CHECK(is_open(rig_inotify_fd(&rig)));
	CHECK_INT(timerfd_gettime(rig_scan_fd(&rig), &t), 0);
	CHECK_INT(t.it_interval.tv_sec, 1);
	CHECK_INT(t.it_interval.tv_nsec, 0);
	CHECK(t.it_value.tv_sec == 1 || (t.it_value.tv_sec == 0 && t.it_value.tv_nsec > 0));
	CHECK(read(rig_scan_fd(&rig), &(uint64_t){ 0 }, 8) < 0 && errno == EAGAIN);
}

static void test_named_twice(void)
{
	int fd, next;

	START("blue", "azure", BLUE, OWN, OWN);
	put("/run/netns/blue", BLUE);
	put("/run/netns/azure", BLUE);
	CHECK_INT(netns_init(&rig.c), 0);
	CHECK_INT(rig_nnetns(&rig), 2);
	CHECK_STR(rig_netns_at(&rig, 0)->path, "/run/netns/blue");
	/* what is not needed was closed */
	fd = rig_scan_fd(&rig);
	next = rig_netns_at(&rig, 0)->fd;
	CHECK_INT(fd, next + 1);
}

static void test_unknown_names(void)
{
	int fd;

	START("blue", "green");
	put("/run/netns/blue", BLUE);
	CHECK_INT(netns_init(&rig.c), -ENOENT);
	CHECK_STR(what_was_told(), "error: network namespace '/run/netns/green': No such file or directory; ");
	START("/dev/null", "blue");
	fd = dup(0);
	close(fd);
	CHECK_INT(netns_init(&rig.c), -EINVAL);
	CHECK_INT(rig_own_fd(&rig), fd);
	CHECK(!is_open(fd + 1));
	CHECK_STR(what_was_told(), "error: '/dev/null' is not a network namespace; ");
	CHECK_INT(rig_nnetns(&rig), 0);
}

static void test_any(void)
{
	START("any");
	put("/run/netns/blue", BLUE);
	CHECK_INT(netns_init(&rig.c), 0);
	CHECK_INT(rig_nnetns(&rig), 1);
	CHECK(rig_any_netns(&rig) && rig_netns_at(&rig, 0)->own);
	CHECK(rig_scan_fd(&rig) >= 0);
}

/* --- scanning --------------------------------------------------------------------------------- */

static void start_any(void)
{
	START("any");
	if (netns_init(&rig.c) != 0)
		abort();
}

static void test_scan_finds(void)
{
	start_any();
	put("/run/netns/blue", BLUE);
	put("/run/docker/netns/1-abc", RED);
	put("/proc/17/ns/net", "/proc/self/ns/pid");
	put("/proc/18/ns/net", OWN);
	netns_scan(&rig.c);
	CHECK_STR(what_was_told(),
		  "release; watch /run/netns/blue; watch /run/docker/netns/1-abc; watch /proc/17/ns/net; ");
	CHECK_INT(rig_nnetns(&rig), 4);
	netns_scan(&rig.c);
	CHECK_STR(what_was_told(), "release; ");
	CHECK_INT(rig_nnetns(&rig), 4);
}

/* Files that are no namespaces, processes that end, folders that are no processes, hidden names. */
static void test_scan_passes_over(void)
{
	start_any();
	put("/run/netns/just-made", "/dev/null");
	put("/run/netns/gone", "/nowhere");
	put("/run/netns/.hidden", BLUE);
	put("/proc/tty/ns/net", BLUE);
	put("/proc/:1/ns/net", BLUE);
	put("/proc/-1/ns/net", BLUE);
	put("/proc/9/ns/net", "/nowhere");
	netns_scan(&rig.c);
	CHECK_STR(what_was_told(), "release; ");
	CHECK_INT(rig_nnetns(&rig), 1);
	put("/proc/0/ns/net", RED);
	put("/proc/90/ns/net", BLUE);
	netns_scan(&rig.c);
	CHECK_INT(rig_nnetns(&rig), 3);
}

/* Those not asked for are none of our business. */
static void test_scan_of_named(void)
{
	START("blue");
	put("/run/netns/blue", BLUE);
	put("/run/netns/red", RED);
	CHECK_INT(netns_init(&rig.c), 0);
	netns_scan(&rig.c);
	CHECK_STR(what_was_told(), "release; ");
	CHECK_INT(rig_nnetns(&rig), 1);
}

static void test_scan_tells_errors(void)
{
	start_any();
	put("/run/netns/blue", BLUE);
	watch_error = -ENOMEM;
	netns_scan(&rig.c);
	CHECK_STR(what_was_told(), "release; watch /run/netns/blue; "
				   "info: network namespace '/run/netns/blue': Cannot allocate memory; ");
	/* it ended while we looked */
	start_any();
	put("/run/netns/blue", BLUE);
	watch_error = -ENOENT;
	netns_scan(&rig.c);
	CHECK_STR(what_was_told(), "release; watch /run/netns/blue; ");
}

/* After news from inotify only the names are looked at; nothing ends by that. */
static void test_scan_of_names_only(void)
{
	start_any();
	put("/run/netns/blue", BLUE);
	netns_scan(&rig.c);
	what_was_told();
	drop("/run/netns/blue");
	put("/run/docker/netns/red", RED);
	put("/proc/17/ns/net", "/proc/self/ns/pid");
	netns_named(&rig.c);
	CHECK(rig_names_only(&rig));
	netns_scan(&rig.c);
	CHECK_STR(what_was_told(), "watch /run/docker/netns/red; ");
	CHECK(!rig_names_only(&rig));
	netns_scan(&rig.c);
	CHECK(strstr(what_was_told(), "watch /proc/17/ns/net; forget /run/netns/blue; "));
}

static void test_named_is_told_soon(void)
{
	struct itimerspec t;
	char c;

	start_any();
	CHECK(read(rig_inotify_fd(&rig), &c, 1) < 0 && errno == EAGAIN);
	netns_named(&rig.c);
	/* more than is read at once */
	for (int i = 0; i < 300; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/run/netns/a-long-name-of-blue-%d", i);
		put(path, BLUE);
	}
	netns_named(&rig.c);
	CHECK(read(rig_inotify_fd(&rig), &c, 1) < 0 && errno == EAGAIN);
	CHECK_INT(timerfd_gettime(rig_scan_fd(&rig), &t), 0);
	CHECK(t.it_value.tv_sec == 0 && t.it_value.tv_nsec <= 20 * 1000000);
	CHECK_INT(t.it_interval.tv_sec, 1);
}

/* A name in either folder is heard of. */
static void test_names_are_heard_of(void)
{
	static const char *const names[] = { "/run/netns/blue", "/run/docker/netns/red" };
	char buf[4096];

	start_any();
	for (int i = 0; i < 2; i++) {
		put(names[i], BLUE);
		CHECK(read(rig_inotify_fd(&rig), buf, sizeof(buf)) > 0);
	}
	drop(names[0]);
	CHECK(read(rig_inotify_fd(&rig), buf, sizeof(buf)) < 0);
}

/* --- the end ------------------------------------------------------------------------------------ */

static int some_fd(void)
{
	return __real_open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void test_end(void)
{
	struct netns *ns;
	char want[256];
	int fds[4];

	start_any();
	put("/run/netns/blue", BLUE);
	netns_scan(&rig.c);
	ns = rig_netns_at(&rig, 1);
	fds[0] = ns->fd;
	fds[1] = ns->rtnl_fd = some_fd();
	fds[2] = ns->packet_fd = some_fd();
	fds[3] = ns->tap_fd = some_fd();
	what_was_told();
	drop("/run/netns/blue");
	netns_scan(&rig.c);
	snprintf(want, sizeof(want), "release; forget /run/netns/blue; no %u in ptcp_netns; ", inode_of(BLUE));
	CHECK_STR(what_was_told(), want);
	CHECK(ns->ended && ns->fd == -1 && ns->rtnl_fd == -1 && ns->packet_fd == -1 && ns->tap_fd == -1);
	for (int i = 0; i < 4; i++)
		CHECK(!is_open(fds[i]));
	netns_scan(&rig.c);
	CHECK_STR(what_was_told(), "release; ");
	CHECK_INT(netns_enter(&rig.c, ns), -ENOENT);
	/* its number is given to a new one; interfaces still point to the old */
	put("/run/netns/azure", BLUE);
	netns_scan(&rig.c);
	CHECK_STR(what_was_told(), "release; watch /run/netns/azure; ");
	CHECK_INT(rig_nnetns(&rig), 3);
	drop("/run/netns/azure");
	netns_scan(&rig.c);
	CHECK(rig_netns_at(&rig, 2)->ended);
}

/* By a process or a name it lives, or by the path that it was given by. */
static void test_end_of_the_last_user(void)
{
	start_any();
	put("/run/netns/blue", BLUE);
	put("/proc/17/ns/net", BLUE);
	netns_scan(&rig.c);
	drop("/run/netns/blue");
	netns_scan(&rig.c);
	CHECK(!rig_netns_at(&rig, 1)->ended);
	drop("/proc/17/ns/net");
	netns_scan(&rig.c);
	CHECK(rig_netns_at(&rig, 1)->ended);
	CHECK(!rig_netns_at(&rig, 0)->ended);
	/* likewise one that was asked for */
	START("blue");
	put("/run/netns/blue", BLUE);
	put("/proc/17/ns/net", BLUE);
	CHECK_INT(netns_init(&rig.c), 0);
	drop("/run/netns/blue");
	netns_scan(&rig.c);
	CHECK(!rig_netns_at(&rig, 0)->ended);
	drop("/proc/17/ns/net");
	netns_scan(&rig.c);
	CHECK(rig_netns_at(&rig, 0)->ended);
}

static void test_free_closes(void)
{
	int fd;

	START(BLUE);
	CHECK_INT(netns_init(&rig.c), 0);
	fd = rig_netns_at(&rig, 0)->fd;
	rig_done(&rig);
	CHECK(!is_open(fd));
}

static void test_end_of_a_path(void)
{
	START("/run/somewhere/blue");
	put("/run/somewhere/blue", BLUE);
	CHECK_INT(netns_init(&rig.c), 0);
	netns_scan(&rig.c);
	CHECK(!rig_netns_at(&rig, 0)->ended);
	/* the path is another's */
	drop("/run/somewhere/blue");
	put("/run/somewhere/blue", RED);
	rig_without_programs(&rig);
	netns_scan(&rig.c);
	CHECK(rig_netns_at(&rig, 0)->ended);
	CHECK_STR(what_was_told(), "release; watch /run/somewhere/blue; release; forget /run/somewhere/blue; ");
	CHECK(!rig_netns_at(&rig, 1)->ended);
}

/* The timer is read, so that it fires again. */
static void test_timer_fires_again(void)
{
	struct pollfd p;

	start_any();
	rig_epoll(&rig);
	CHECK_INT(netns_scan_start(&rig.c), 0);
	what_was_told();
	p = (struct pollfd){ .fd = rig_scan_fd(&rig), .events = POLLIN };
	for (int i = 0; i < 2; i++) {
		const struct itimerspec soon = { .it_value.tv_nsec = 1 };

		timerfd_settime(p.fd, 0, &soon, NULL);
		CHECK_INT(poll(&p, 1, 5000), 1);
		CHECK_INT(rig_scan_ready(&rig), 0);
		CHECK_STR(what_was_told(), "release; ");
		CHECK_INT(poll(&p, 1, 0), 0);
	}
}

static void fire(void)
{
	const struct itimerspec soon = { .it_value.tv_nsec = 1 };
	struct pollfd p = { .fd = rig_scan_fd(&rig), .events = POLLIN };

	timerfd_settime(p.fd, 0, &soon, NULL);
	poll(&p, 1, 5000);
	CHECK_INT(rig_scan_ready(&rig), 0);
}

/* All processes are looked at when one is not where it was, and now and then. */
static void test_looks_at_all_when_needed(void)
{
	start_any();
	rig_epoll(&rig);
	put("/proc/17/ns/net", BLUE);
	put("/proc/18/ns/net", BLUE);
	netns_scan_start(&rig.c);
	what_was_told();
	put("/proc/20/ns/net", RED);
	put("/run/netns/pid", "/proc/self/ns/pid");
	fire();
	CHECK_STR(what_was_told(), "release; watch /run/netns/pid; ");
	/* the one by which it was found, and then the last one */
	drop("/proc/17/ns/net");
	drop("/proc/18/ns/net");
	put("/proc/19/ns/net", BLUE);
	fire();
	CHECK_STR(what_was_told(), "release; watch /proc/20/ns/net; ");
	CHECK(!rig_netns_at(&rig, 1)->ended);
	drop("/proc/19/ns/net");
	fire();
	CHECK(rig_netns_at(&rig, 1)->ended);
	what_was_told();
	put("/proc/22/ns/net", "/proc/self/ns/cgroup");
	for (int i = 0; i < 10; i++)
		fire();
	CHECK(strstr(what_was_told(), "watch /proc/22/ns/net; "));
}

/* Without a process it lives where it is mounted, whatever the place is called. */
static void test_mounts(void)
{
	char text[512];

	start_any();
	put("/run/some where", BLUE);
	put("/proc/17/ns/net", BLUE);
	netns_scan(&rig.c);
	snprintf(text, sizeof(text),
		 "22 27 0:21 / /proc rw - proc proc rw\n"
		 "30 27 0:4 net:[%u] /run/some\\040where rw shared:9 - nsfs nsfs rw\n"
		 "31 27 0:4 net:[1] /run/nothing rw - nsfs nsfs rw\nnonsense\n",
		 inode_of(BLUE));
	mounts = text;
	drop("/proc/17/ns/net");
	netns_scan(&rig.c);
	CHECK(!rig_netns_at(&rig, 1)->ended);
	mounts = NULL;
	netns_scan(&rig.c);
	CHECK(rig_netns_at(&rig, 1)->ended);
	/* it is found by that as well */
	what_was_told();
	mounts = text;
	netns_scan(&rig.c);
	CHECK_STR(what_was_told(), "release; watch /run/some where; ");
}

/* Among those that we may not look at there may be one that lives in it; those that were so at first say nothing. */
static void test_hidden_processes(void)
{
	start_any();
	rig_epoll(&rig);
	put("/proc/1/ns/net", RED);
	put("/proc/17/ns/net", BLUE);
	hidden = "/proc/1/";
	netns_scan_start(&rig.c);
	CHECK_INT(rig_nnetns(&rig), 2);
	put("/proc/18/ns/net", BLUE);
	drop("/proc/17/ns/net");
	hidden = "/proc/1";
	netns_scan(&rig.c);
	CHECK(!rig_netns_at(&rig, 1)->ended);
	hidden = "/proc/1/";
	drop("/proc/18/ns/net");
	netns_scan(&rig.c);
	CHECK(rig_netns_at(&rig, 1)->ended);
}

/* --- only those to come --------------------------------------------------------------------------- */

static void test_newly(void)
{
	START("newly");
	rig_epoll(&rig);
	put("/run/netns/blue", BLUE);
	put("/proc/17/ns/net", OWN);
	CHECK_INT(netns_init(&rig.c), 0);
	CHECK_INT(rig_nnetns(&rig), 0);
	CHECK_INT(netns_scan_start(&rig.c), 0);
	CHECK_STR(what_was_told(), "release; ");
	/* held, so that nobody gets its number while we take it for it */
	CHECK_INT(rig_nnetns(&rig), 2);
	CHECK(is_open(rig_netns_at(&rig, 0)->fd));
	CHECK(rig_netns_at(&rig, 0)->before && rig_netns_at(&rig, 1)->before && rig_netns_at(&rig, 1)->own);
	netns_seen(&rig.c, inode_of(BLUE), 17);
	CHECK_STR(what_was_told(), "");
	put("/run/netns/red", RED);
	netns_scan(&rig.c);
	CHECK_STR(what_was_told(), "release; watch /run/netns/red; ");
	CHECK(!rig_netns_at(&rig, 2)->before);
	/* one that was there ends, and comes again */
	drop("/run/netns/blue");
	netns_scan(&rig.c);
	CHECK(rig_netns_at(&rig, 0)->ended);
	what_was_told();
	put("/run/netns/blue", BLUE);
	netns_scan(&rig.c);
	CHECK_STR(what_was_told(), "release; watch /run/netns/blue; ");
}

static void test_newly_and_named(void)
{
	START("newly", "blue");
	rig_epoll(&rig);
	put("/run/netns/blue", BLUE);
	put("/run/netns/red", RED);
	CHECK_INT(netns_init(&rig.c), 0);
	CHECK_INT(netns_scan_start(&rig.c), 0);
	CHECK(!rig_netns_at(&rig, 0)->before && rig_netns_at(&rig, 1)->before);
	/* any is more */
	for (int i = 0; i < 2; i++) {
		START(i ? "any" : "newly", i ? "newly" : "any");
		rig_epoll(&rig);
		put("/run/netns/red", RED);
		CHECK_INT(netns_init(&rig.c), 0);
		CHECK_INT(netns_scan_start(&rig.c), 0);
		CHECK(rig_netns_at(&rig, 0)->own && !rig_netns_at(&rig, 0)->before);
		CHECK(!rig_netns_at(&rig, 1)->before);
	}
}

/* --- names ------------------------------------------------------------------------------------------ */

static void test_names(void)
{
	static const struct {
		const char *path, *name, *docker;
	} cases[] = {
		{ "/run/netns/blue", "blue", NULL },
		{ "/var/run/netns/blue", "blue", NULL },
		{ "/run/netns/", NULL, NULL },
		{ "/run/netns/blue/x", NULL, NULL },
		{ "/run/blue", NULL, NULL },
		{ "/proc/17/ns/net", NULL, NULL },
		{ "/run/docker/netns/b5d8791bb575", NULL, "b5d8791bb575" },
		{ "/var/run/docker/netns/b5d8791bb575", NULL, "b5d8791bb575" },
		{ "/run/docker/netns/", NULL, NULL },
		/* as runtimes name them */
		{ "/run/netns/cni-01234567-89ab-cdef-0123-456789abcdef", NULL, NULL },
		{ "/run/netns/netns-01234567-89AB-cdef-0123-456789abcdef", NULL, NULL },
		{ "/run/netns/01234567-89ab-cdef-0123-456789abcdef", NULL, NULL },
		{ "/run/netns/01234567-89ab-cdef-0123-456789abcdeg", "01234567-89ab-cdef-0123-456789abcdeg", NULL },
		{ "/run/netns/01234567-89ab-cdef-0123-456789abcde", "01234567-89ab-cdef-0123-456789abcde", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct netns ns = { 0 };
		char names[128], wanted[128];

		CHECK_INT(netns_name_by_path(&ns, cases[i].path), 0);
		snprintf(names, sizeof(names), "%s %s", ns.name ? ns.name : "none",
			 ns.docker_name ? ns.docker_name : "none");
		free(ns.name);
		free(ns.docker_name);
		snprintf(wanted, sizeof(wanted), "%s %s", cases[i].name ? cases[i].name : "none",
			 cases[i].docker ? cases[i].docker : "none");
		CHECK_STR(names, wanted);
	}
	/* our own is not shown as another's */
	START("blue");
	put("/run/netns/blue", OWN);
	CHECK_INT(netns_init(&rig.c), 0);
	CHECK(rig_netns_at(&rig, 0)->own && !rig_netns_at(&rig, 0)->name);
	CHECK_STR(rig_netns_at(&rig, 0)->path, OWN);
}

/* --- those that are chosen --------------------------------------------------------------------------- */

static int tell(uint32_t inode, uint32_t pid, const char *name)
{
	const struct capture_netns news = { .inode = inode, .pid = pid, .name = name, .chosen = true };

	return capture_netns(&rig.c, &news);
}

static void test_chosen(void)
{
	START("container:web", "pod:web-0.prod");
	put("/proc/17/ns/net", BLUE);
	put("/proc/18/ns/net", RED);
	CHECK_INT(netns_init(&rig.c), 0);
	CHECK_INT(rig_nnetns(&rig), 0);
	CHECK_INT(tell(inode_of(BLUE), 17, "web"), 0);
	CHECK_STR(what_was_told(), "watch /proc/17/ns/net; ");
	CHECK_STR(rig_netns_at(&rig, 0)->name, "web");
	/* again, under another name; by a process that has ended, or whose number is another's by now */
	CHECK_INT(tell(inode_of(BLUE), 17, "shop"), 0);
	CHECK_STR(rig_netns_at(&rig, 0)->name, "shop");
	CHECK_INT(tell(inode_of(RED), 19, "red"), 0);
	CHECK_INT(tell(4711, 18, "red"), 0);
	CHECK_INT(tell(0, 18, "red"), 0);
	CHECK_STR(what_was_told(), "");
	CHECK_INT(rig_nnetns(&rig), 1);
}

/* Beside our own, which is not captured twice. */
static void test_chosen_too(void)
{
	START(NULL);
	rig_config(&rig)->chosen_netns = true;
	put("/proc/17/ns/net", BLUE);
	put("/proc/18/ns/net", OWN);
	CHECK_INT(netns_init(&rig.c), 0);
	CHECK_INT(rig_nnetns(&rig), 1);
	what_was_told();
	CHECK_INT(tell(rig_own_inode(&rig), 18, "agent"), 0);
	CHECK_INT(tell(inode_of(BLUE), 17, "web"), 0);
	CHECK_INT(rig_nnetns(&rig), 2);
	CHECK(rig_netns_at(&rig, 0)->own && !rig_netns_at(&rig, 0)->name);
	CHECK_STR(rig_netns_at(&rig, 1)->name, "web");
	/* nor one that was there when only new ones were asked for */
	START("newly", "container:web");
	rig_epoll(&rig);
	put("/proc/17/ns/net", BLUE);
	CHECK_INT(netns_init(&rig.c), 0);
	CHECK_INT(netns_scan_start(&rig.c), 0);
	what_was_told();
	CHECK_INT(tell(inode_of(BLUE), 17, "web"), 0);
	CHECK_STR(what_was_told(), "watch /proc/17/ns/net; ");
}

static unsigned nrefused(void)
{
	return rig.c.namespaces.nrefused;
}

/* What cannot be captured in is not chosen, so that our ends of its pairs are captured on; later it may go better. */
static void test_refused(void)
{
	START(NULL);
	rig_config(&rig)->chosen_netns = true;
	put("/proc/17/ns/net", BLUE);
	CHECK_INT(netns_init(&rig.c), 0);
	what_was_told();
	watch_error = -EMFILE;
	CHECK_INT(tell(inode_of(BLUE), 17, "web"), -EMFILE);
	CHECK_INT(tell(inode_of(BLUE), 17, "web"), -EMFILE);
	CHECK_STR(what_was_told(),
		  "watch /proc/17/ns/net; forget /proc/17/ns/net; watch /proc/17/ns/net; forget /proc/17/ns/net; ");
	CHECK(!rig_netns_at(&rig, 1)->chosen && nrefused() == 1);
	watch_error = 0;
	CHECK_INT(tell(inode_of(BLUE), 17, "web"), 0);
	CHECK_STR(what_was_told(), "watch /proc/17/ns/net; ");
	CHECK(rig_netns_at(&rig, 1)->chosen && nrefused() == 0);
}

static void test_nobody_chooses(void)
{
	START(NULL);
	put("/proc/17/ns/net", BLUE);
	CHECK_INT(netns_init(&rig.c), 0);
	CHECK_INT(tell(inode_of(BLUE), 17, "web"), 0);
	CHECK_INT(rig_nnetns(&rig), 1);
}

/* What "ip netns" calls it is better than who is in it, and is found late, too. */
static void test_whose_name(void)
{
	START("any");
	put("/proc/17/ns/net", BLUE);
	put("/run/netns/cni-01234567-89ab-cdef-0123-456789abcdef", BLUE);
	CHECK_INT(netns_init(&rig.c), 0);
	netns_scan(&rig.c);
	CHECK(!rig_netns_at(&rig, 1)->name);
	CHECK_INT(tell(inode_of(BLUE), 17, "web"), 0);
	CHECK_STR(rig_netns_at(&rig, 1)->name, "web");
	put("/run/netns/blue", BLUE);
	netns_scan(&rig.c);
	CHECK_STR(rig_netns_at(&rig, 1)->name, "blue");
	CHECK_INT(tell(inode_of(BLUE), 17, "web"), 0);
	CHECK_STR(rig_netns_at(&rig, 1)->name, "blue");
}

/* Where nobody tells of a container, what Docker calls it; found late, as well. */
static void test_name_of_docker(void)
{
	struct netns *blue;

	START("any");
	put("/run/docker/netns/b5d8791bb575", BLUE);
	put("/proc/17/ns/net", RED);
	CHECK_INT(netns_init(&rig.c), 0);
	netns_scan(&rig.c);
	blue = netns_find(&rig.c, inode_of(BLUE));
	CHECK(blue && !blue->name && netns_awaits_name(&rig.c, blue, clock_ns(CLOCK_MONOTONIC), false));
	CHECK(!netns_awaits_name(&rig.c, blue, 0, true));
	CHECK_STR(blue->name, "b5d8791bb575");
	CHECK_INT(tell(inode_of(BLUE), 17, "web"), 0);
	CHECK_STR(blue->name, "web");
	CHECK(!netns_awaits_name(&rig.c, rig_netns_at(&rig, 2), 0, true) && !rig_netns_at(&rig, 2)->name);
	put("/run/docker/netns/1-abcdef", RED);
	netns_scan(&rig.c);
	CHECK_STR(rig_netns_at(&rig, 2)->name, "1-abcdef");
	put("/run/netns/red", RED);
	netns_scan(&rig.c);
	CHECK_STR(rig_netns_at(&rig, 2)->name, "red");
}

/* "ip netns" comes first. */
static void test_given_by_docker(void)
{
	START("b5d8791bb575");
	put("/run/docker/netns/b5d8791bb575", BLUE);
	CHECK_INT(netns_init(&rig.c), 0);
	CHECK_INT(rig_nnetns(&rig), 1);
	CHECK_STR(rig_netns_at(&rig, 0)->path, "/run/docker/netns/b5d8791bb575");
	START("b5d8791bb575");
	put("/run/docker/netns/b5d8791bb575", BLUE);
	put("/run/netns/b5d8791bb575", RED);
	CHECK_INT(netns_init(&rig.c), 0);
	CHECK_STR(rig_netns_at(&rig, 0)->path, "/run/netns/b5d8791bb575");
}

/* Made again, it is another namespace of that name; that it has ended is told where none takes its place. */
static void test_made_again(void)
{
	START("blue");
	put("/run/netns/blue", BLUE);
	CHECK_INT(netns_init(&rig.c), 0);
	drop("/run/netns/blue");
	put("/run/netns/blue", RED);
	netns_named(&rig.c);
	netns_scan(&rig.c);
	CHECK_STR(what_was_told(), "watch /run/netns/blue; ");
	CHECK_STR(rig_netns_at(&rig, 1)->name, "blue");
	netns_scan(&rig.c);
	CHECK(strstr(what_was_told(), "release; forget /run/netns/blue; "));
	CHECK(!strstr(told_taken, "warning"));
	drop("/run/netns/blue");
	netns_scan(&rig.c);
	CHECK(strstr(what_was_told(), "warning: the network namespace 'blue' has ended; "));
	netns_scan(&rig.c);
	CHECK_STR(what_was_told(), "release; ");
	put("/run/netns/blue", BLUE);
	netns_scan(&rig.c);
	CHECK_STR(what_was_told(), "watch /run/netns/blue; release; ");
}

/* Numbers of processes are given to others, and libpcap's devices are not opened again. */
static void test_not_made_again(void)
{
	START("/proc/17/ns/net", "blue");
	put("/run/netns/blue", "/proc/self/ns/pid");
	put("/proc/17/ns/net", BLUE);
	CHECK_INT(netns_init(&rig.c), 0);
	drop("/proc/17/ns/net");
	put("/proc/17/ns/net", RED);
	netns_scan(&rig.c);
	CHECK(rig_netns_at(&rig, 0)->ended);
	CHECK_INT(rig_nnetns(&rig), 2);
	rig.backend.programs = false;
	drop("/run/netns/blue");
	put("/run/netns/blue", BLUE);
	netns_scan(&rig.c);
	CHECK_INT(rig_nnetns(&rig), 2);
}

/* --- processes that are seen ---------------------------------------------------------------------- */

static void test_seen(void)
{
	start_any();
	put("/proc/17/ns/net", BLUE);
	netns_seen(&rig.c, inode_of(BLUE), 17);
	CHECK_STR(what_was_told(), "watch /proc/17/ns/net; ");
	CHECK_INT(rig_nnetns(&rig), 2);
	netns_seen(&rig.c, inode_of(BLUE), 17);
	netns_seen(&rig.c, inode_of(BLUE), 18);
	netns_seen(&rig.c, 0, 19);
	CHECK_STR(what_was_told(), "");
}

/* It has ended already, or watching fails: the next process in there is news again. */
static void test_seen_too_late(void)
{
	char want[256];

	start_any();
	netns_seen(&rig.c, 4711, 17);
	CHECK_STR(what_was_told(), "no 4711 in ptcp_netns; ");
	put("/proc/17/ns/net", BLUE);
	watch_error = -EMFILE;
	netns_seen(&rig.c, inode_of(BLUE), 17);
	snprintf(want, sizeof(want), "watch /proc/17/ns/net; no %u in ptcp_netns; ", inode_of(BLUE));
	CHECK_STR(what_was_told(), want);
}

static void test_seen_unasked(void)
{
	START("blue");
	put("/run/netns/blue", BLUE);
	put("/proc/17/ns/net", RED);
	CHECK_INT(netns_init(&rig.c), 0);
	netns_seen(&rig.c, inode_of(RED), 17);
	CHECK_STR(what_was_told(), "");
	CHECK_INT(rig_nnetns(&rig), 1);
}

/* --- entering ----------------------------------------------------------------------------------------- */

static void test_enter_and_leave(void)
{
	const struct netns *own, *blue;
	char want[256];

	START(OWN, BLUE);
	CHECK_INT(netns_init(&rig.c), 0);
	own = rig_netns_at(&rig, 0);
	blue = rig_netns_at(&rig, 1);
	CHECK_INT(netns_enter(&rig.c, own), 0);
	netns_leave(&rig.c, own);
	CHECK_STR(what_was_told(), "");
	CHECK_INT(netns_enter(&rig.c, blue), 0);
	netns_leave(&rig.c, blue);
	snprintf(want, sizeof(want), "setns %d; setns %d; ", blue->fd, rig_own_fd(&rig));
	CHECK_STR(what_was_told(), want);
	setns_error = EPERM;
	CHECK_INT(netns_enter(&rig.c, blue), -EPERM);
	CHECK_INT(netns_enter(&rig.c, own), 0);
	what_was_told();
	netns_leave(&rig.c, blue);
	snprintf(want, sizeof(want),
		 "setns %d; error: cannot return to our own network namespace: Operation not permitted; ",
		 rig_own_fd(&rig));
	CHECK_STR(what_was_told(), want);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	RUN(test_own_only);
	RUN(test_named);
	RUN(test_named_twice);
	RUN(test_unknown_names);
	RUN(test_any);
	RUN(test_scan_finds);
	RUN(test_scan_passes_over);
	RUN(test_scan_of_named);
	RUN(test_scan_tells_errors);
	RUN(test_scan_of_names_only);
	RUN(test_named_is_told_soon);
	RUN(test_names_are_heard_of);
	RUN(test_end);
	RUN(test_end_of_the_last_user);
	RUN(test_end_of_a_path);
	RUN(test_free_closes);
	RUN(test_timer_fires_again);
	RUN(test_looks_at_all_when_needed);
	RUN(test_mounts);
	RUN(test_hidden_processes);
	RUN(test_newly);
	RUN(test_newly_and_named);
	RUN(test_names);
	RUN(test_chosen);
	RUN(test_chosen_too);
	RUN(test_refused);
	RUN(test_nobody_chooses);
	RUN(test_whose_name);
	RUN(test_name_of_docker);
	RUN(test_given_by_docker);
	RUN(test_made_again);
	RUN(test_not_made_again);
	RUN(test_seen);
	RUN(test_seen_too_late);
	RUN(test_seen_unasked);
	RUN(test_enter_and_leave);
	start(NULL);
	rig_done(&rig);
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	rmdir(dir);
	return check_status();
}
