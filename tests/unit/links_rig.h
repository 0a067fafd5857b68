/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of capture/links.c: news of devices of our own, maps of counters, and all that is done to the kernel told
 * in a line.
 */
#ifndef LINKS_RIG_H
#define LINKS_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <pcap/dlt.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "capture_rig.h"
#include "capture/rtnl.h"
#include "util/log.h"

#define MSEC UINT64_C(1000000)
enum { OTHER_INODE = 2000, OTHER_FD = 77, RTNL_FD = 5000, PACKET_FD, CPUS = 3 };

static struct rig rig;
static struct netns *own;

/* --- fakes --------------------------------------------------------------------------- */

static struct rtnl_link news[300];
static unsigned nnews;
static int open_error, dump_error, read_error, epoll_error, setns_error, promisc_error;

/* What the next attachments end with, one after the other. */
static int attach_errors[8];
static unsigned nattached, nmeanwhile;
static enum attach_mode mode_found;

FAKE(int, rtnl_open, void)
{
	told("open; ");
	return open_error ? open_error : RTNL_FD;
}

FAKE(int, rtnl_dump, int fd)
{
	told("dump; ");
	return dump_error;
}

FAKE(int, rtnl_read, int fd, const struct rtnl_handler *handler, bool *done)
{
	const unsigned n = nnews;
	int err = 0;

	nnews = 0;
	for (unsigned i = 0; i < n && !err; i++)
		err = handler->link(handler->arg, &news[i]);
	return err ? err : read_error;
}

FAKE(int, epoll_ctl, int fd, int op, int of, struct epoll_event *event)
{
	if (op != EPOLL_CTL_ADD || of != RTNL_FD || event->events != EPOLLIN || !event->data.ptr)
		told("bad epoll; ");
	errno = epoll_error ? epoll_error : EBADF;
	return epoll_error ? -1 : 0;
}

FAKE(int, setns, int fd, int type)
{
	told("setns %d; ", fd);
	errno = setns_error ? setns_error : EBADF; /* which means nothing when it returns 0 */
	return setns_error ? -1 : 0;
}

FAKE(int, capture_meanwhile, struct capture *c)
{
	(void)c;
	nmeanwhile++;
	return 0;
}

FAKE(void, log_msg, enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	told("%s: ", level == LOG_ERROR ? "error" : "warning");
	told_args(fmt, args);
	told("; ");
	va_end(args);
}

static unsigned nexpedited; /* how often it was begun */
static bool expedited;	    /* it is just now */

FAKE(void, expedite_open, struct expedite *e, const char *path)
{
	(void)path;
	e->fd = OTHER_FD;
}

FAKE(void, expedite_begin, struct expedite *e)
{
	(void)e;
	nexpedited++;
	expedited = true;
}

FAKE(void, expedite_end, struct expedite *e)
{
	(void)e;
	expedited = false;
}

FAKE(void, expedite_close, struct expedite *e)
{
	(void)e;
	expedited = false;
}

static int nsid_found = -1; /* what our own namespace has for any other */

FAKE(int, rtnl_nsid, int fd)
{
	told("nsid of %d; ", fd);
	return nsid_found;
}

/* libpcap's list */
FAKE(int, iface_list_name, unsigned n, char *name)
{
	static const char *const names[] = {
		"eth0", "7", "lo", "ib0", "ib0", "ib0", "ib0", "ib0", "ib0", "eth0", "ib0"
	};

	if (n < 1 || n > sizeof(names) / sizeof(names[0]))
		return -ENODEV;
	strcpy(name, names[n - 1]);
	return 0;
}

FAKE(void, iface_list_refuse, const char *number)
{
	told("refuse %s; ", number);
}

static const char *const resolved[][2] = {
	{ "any", "any" }, { "eth0", "eth0" }, { "7", "7" },	{ "ib0", "ib0" },      { "net0", "net0" },
	{ "1", "eth0" },  { "4", "ib0" },     { "10", "eth0" }, { "infinity", "ib0" }, { "nflog", "nflog" },
};

FAKE(int, iface_resolve, const char *given, char *name)
{
	for (size_t i = 0; i < sizeof(resolved) / sizeof(resolved[0]); i++) {
		if (strcmp(resolved[i][0], given) == 0) {
			strcpy(name, resolved[i][1]);
			return 0;
		}
	}
	return -ENODEV;
}

FAKE(int, device_type, const char *name)
{
	static const struct {
		const char *name;
		int type;
	} devices[] = { { "eth0", ARPHRD_ETHER }, { "7", ARPHRD_ETHER }, { "ib0", ARPHRD_INFINIBAND }, { "net0", 0 } };

	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		if (strcmp(devices[i].name, name) == 0)
			return devices[i].type;
	}
	return -ENODEV;
}

FAKE(unsigned, if_nametoindex, const char *name)
{
	return strcmp(name, "7") == 0 ? 3 : 0;
}

static uint32_t only_ifindex; /* that there is, after news were lost */
static int name_error;

FAKE(char *, if_indextoname, unsigned ifindex, char *name)
{
	if (ifindex == only_ifindex)
		return strcpy(name, "name");
	errno = name_error;
	return NULL;
}

FAKE(int, attach_program, struct attachment *a, enum attach_mode *mode, uint32_t ifindex, bool ingress, int prog_fd)
{
	int err = nattached < 8 ? attach_errors[nattached] : 0;

	nattached++;
	told("%s %u %s; ", ingress ? "in" : "out", ifindex, prog_fd == L3_PROG ? "l3" : "l2");
	*a = (struct attachment){ .ifindex = ifindex, .ingress = ingress, .link_fd = -1, .active = !err };
	if (mode_found == ATTACH_TCX)
		a->link_fd = 9;
	*mode = mode_found;
	return err;
}

FAKE(void, attach_clean, uint32_t ifindex)
{
	told("clean %u; ", ifindex);
}

FAKE(void, attach_undo, struct attachment *a, bool gone)
{
	if (a->active)
		told("undo %s %u%s; ", a->ingress ? "in" : "out", a->ifindex, gone ? " gone" : "");
	a->active = false;
}

FAKE(int, socket, int family, int type, int protocol)
{
	if (family != AF_PACKET || protocol)
		told("bad socket; ");
	errno = promisc_error == EMFILE ? EMFILE : 0;
	return errno ? -1 : PACKET_FD;
}

FAKE(int, setsockopt, int fd, int level, int name, const void *value, socklen_t n)
{
	const struct packet_mreq *m = value;

	told("promisc %d%s; ", m->mr_ifindex,
	     fd != PACKET_FD || name != PACKET_ADD_MEMBERSHIP || m->mr_type != PACKET_MR_PROMISC ? " bad" : "");
	errno = promisc_error;
	return errno ? -1 : 0;
}

/* Counters: slots by ifindex % 256, and a hash, of one value per CPU. */
static struct iface_slot slots[IFACE_SLOTS][CPUS];
static struct {
	struct iface_key key;
	struct iface_slot n[CPUS];
} hash[8];
static unsigned nhash;
static int map_error;

FAKE(int, libbpf_num_possible_cpus, void)
{
	return CPUS;
}

static inline struct iface_slot *hash_find(const struct iface_key *key)
{
	for (unsigned i = 0; i < nhash; i++) {
		if (memcmp(&hash[i].key, key, sizeof(*key)) == 0)
			return hash[i].n;
	}
	return NULL;
}

FAKE(int, bpf_map_lookup_elem, int fd, const void *key, void *value)
{
	const struct iface_slot *n = fd == SLOTS_MAP ? slots[*(const uint32_t *)key] : hash_find(key);

	if (!n)
		return -ENOENT;
	memcpy(value, n, sizeof(slots[0]));
	return 0;
}

FAKE(int, bpf_map_update_elem, int fd, const void *key, const void *value, uint64_t flags)
{
	struct iface_slot *n = fd == SLOTS_MAP ? slots[*(const uint32_t *)key] : hash_find(key);

	if (map_error)
		return map_error;
	if (!n) {
		memcpy(&hash[nhash].key, key, sizeof(hash[0].key));
		n = hash[nhash++].n;
	}
	memcpy(n, value, sizeof(slots[0]));
	return 0;
}

FAKE(int, bpf_map_delete_elem, int fd, const void *key)
{
	struct iface_slot *n = hash_find(key);

	if (!n)
		return -ENOENT;
	nhash--;
	memmove((char *)n - sizeof(hash[0].key), &hash[nhash], sizeof(hash[0]));
	return 0;
}

static int iface_error;

static inline int iface_seen(void *arg, const struct iface *iface)
{
	told("iface %u %s%s%s%s; ", iface->id, iface->name, iface->other_netns ? " other" : "",
	     iface->netns_name ? " " : "", iface->netns_name ? iface->netns_name : "");
	return iface_error;
}

/* --- the beginning ------------------------------------------------------------------------ */

static inline void start(void)
{
	/* These are nobody's descriptors: not to be closed. */
	for (unsigned i = 0; i < rig_nnetns(&rig); i++)
		rig_netns_at(&rig, i)->rtnl_fd = rig_netns_at(&rig, i)->packet_fd = -1;
	rig_init(&rig);
	rig.c.links.expedite.fd = -1;
	rig.backend.name = "tc";
	rig.backend.attach_link = tc_attach_link;
	rig_handler(&rig)->iface = iface_seen;
	memset(slots, 0, sizeof(slots));
	memset(hash, 0, sizeof(hash));
	memset(attach_errors, 0, sizeof(attach_errors));
	nnews = nhash = nattached = nmeanwhile = nexpedited = 0;
	mode_found = ATTACH_TCX;
	open_error = dump_error = read_error = epoll_error = setns_error = promisc_error = map_error = iface_error = 0;
	own = rig_netns(&rig, OWN_INODE, -1);
}

static inline void add_news(uint32_t ifindex, const char *name, unsigned flags, uint16_t type)
{
	news[nnews] = (struct rtnl_link){ .ifindex = ifindex, .type = type, .flags = flags, .peer_nsid = -1 };
	snprintf(news[nnews++].name, sizeof(news[0].name), "%s", name);
}

/* The last that was told of has these names, too: each ended by a NUL, and an empty one. */
static inline void also_named(const char *altnames)
{
	news[nnews - 1].altnames = altnames;
}

static inline void is_up(uint32_t ifindex, const char *name)
{
	add_news(ifindex, name, IFF_UP, ARPHRD_ETHER);
}

static inline void is_down(uint32_t ifindex, const char *name)
{
	add_news(ifindex, name, 0, ARPHRD_ETHER);
}

static inline void is_gone(uint32_t ifindex, const char *name)
{
	is_down(ifindex, name);
	news[nnews - 1].gone = true;
}

/* One end of a pair, whose other end is in a namespace with that number. */
static inline void is_pair(uint32_t ifindex, const char *name, int nsid)
{
	is_up(ifindex, name);
	news[nnews - 1].pair = true;
	news[nnews - 1].peer_nsid = nsid;
}

static inline int hear(void)
{
	return links_news(&rig.c, own);
}

/* Capturing, after what has been told of is attached. */
static inline void run(void)
{
	if (links_find(&rig.c) || links_attach(&rig.c))
		abort();
	rig_running(&rig);
	what_was_told();
}

/* eth0 is 2, up, and captured by its name. */
static inline void run_eth0(void)
{
	start();
	rig.ifaces[0] = "eth0";
	is_up(2, "eth0");
	run();
}

static inline void run_any(void)
{
	start();
	rig_any(&rig);
	run();
}

static inline struct link *lookup(uint32_t ifindex)
{
	return links_lookup(&rig.c, OWN_INODE, ifindex);
}

static inline struct netns *run_two_namespaces(enum attach_mode mode)
{
	struct netns *other;

	start();
	rig_any(&rig);
	mode_found = mode;
	other = rig_netns(&rig, OTHER_INODE, OTHER_FD);
	is_up(2, "eth0");
	links_watch(&rig.c, own);
	is_up(3, "eth1"), is_up(4, "eth2");
	links_watch(&rig.c, other);
	run();
	is_gone(4, "eth2");
	links_news(&rig.c, other);
	what_was_told();
	return other;
}

#endif
