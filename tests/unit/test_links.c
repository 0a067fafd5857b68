/* SPDX-License-Identifier: BSD-3-Clause */
/* Which interfaces are captured: those that are there, come, go, and change their name or namespace. */
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
static unsigned nattached;
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
	errno = epoll_error;
	return errno ? -1 : 0;
}

FAKE(int, setns, int fd, int type)
{
	told("setns %d; ", fd);
	errno = setns_error;
	return errno ? -1 : 0;
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

/* libpcap's list */
FAKE(int, iface_list_name, unsigned n, char *name)
{
	static const char *const names[] = { "eth0", "7", "lo", "ib0", "ib0", "ib0", "ib0", "ib0", "ib0", "eth0", "ib0" };

	if (n < 1 || n > sizeof(names) / sizeof(names[0]))
		return -ENODEV;
	strcpy(name, names[n - 1]);
	return 0;
}

FAKE(void, iface_list_refuse, const char *number)
{
	told("refuse %s; ", number);
}

FAKE(bool, iface_list_has, const char *name)
{
	return strcmp(name, "nflog") == 0 || strcmp(name, "any") == 0 || strchr(name, '/');
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

static struct iface_slot *hash_find(const struct iface_key *key)
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

static int iface_seen(void *arg, const struct iface *iface)
{
	told("iface %u %s%s; ", iface->id, iface->name, iface->other_netns ? " other" : "");
	return iface_error;
}

/* Another backend's way, with results of its own. */
static int attach_any_way(struct capture *c, struct link *link)
{
	int err = nattached < 8 ? attach_errors[nattached] : 0;

	nattached++;
	told("attach %u; ", link->iface.ifindex);
	return err;
}

/* --- the beginning ------------------------------------------------------------------------ */

static void start(void)
{
	for (unsigned i = 0; i < rig_nnetns(&rig); i++)
		rig_netns_at(&rig, i)->rtnl_fd = rig_netns_at(&rig, i)->packet_fd = -1;
	rig_init(&rig);
	rig.backend.name = "tc";
	rig.backend.attach_link = tc_attach_link;
	rig_handler(&rig)->iface = iface_seen;
	memset(slots, 0, sizeof(slots));
	memset(hash, 0, sizeof(hash));
	memset(attach_errors, 0, sizeof(attach_errors));
	nnews = nhash = nattached = 0;
	mode_found = ATTACH_TCX;
	open_error = dump_error = read_error = epoll_error = setns_error = promisc_error = map_error = iface_error = 0;
	own = rig_netns(&rig, OWN_INODE, -1);
}

static void add_news(uint32_t ifindex, const char *name, unsigned flags, uint16_t type)
{
	news[nnews] = (struct rtnl_link){ .ifindex = ifindex, .type = type, .flags = flags };
	snprintf(news[nnews++].name, sizeof(news[0].name), "%s", name);
}

static void is_up(uint32_t ifindex, const char *name)
{
	add_news(ifindex, name, IFF_UP, ARPHRD_ETHER);
}

static void is_down(uint32_t ifindex, const char *name)
{
	add_news(ifindex, name, 0, ARPHRD_ETHER);
}

static void is_gone(uint32_t ifindex, const char *name)
{
	is_down(ifindex, name);
	news[nnews - 1].gone = true;
}

static int hear(void)
{
	return links_news(&rig.c, own);
}

/* Capturing, after what has been told of is attached. */
static void run(void)
{
	if (links_find(&rig.c) || links_attach(&rig.c))
		abort();
	rig_running(&rig);
	what_was_told();
}

/* eth0 is 2, up, and captured by its name. */
static void run_eth0(void)
{
	start();
	rig.ifaces[0] = "eth0";
	is_up(2, "eth0");
	run();
}

static void run_any(void)
{
	start();
	rig_any(&rig);
	run();
}

static struct link *lookup(uint32_t ifindex)
{
	return links_lookup(&rig.c, OWN_INODE, ifindex);
}

/* --- finding ---------------------------------------------------------------------------------- */

static void test_find_by_name(void)
{
	const struct link *link;

	start();
	rig.ifaces[0] = "eth0";
	rig_config(&rig)->filter = "tcp";
	add_news(1, "lo", IFF_UP, ARPHRD_LOOPBACK), is_up(2, "eth0"), is_up(3, "eth01"), is_up(4, "eth");
	CHECK_INT(links_find(&rig.c), 0);
	CHECK_STR(what_was_told(), "open; dump; ");
	CHECK_INT(rig_nlinks(&rig), 1);
	CHECK(!lookup(1) && !lookup(3) && !lookup(4));
	link = lookup(2);
	CHECK(link == rig_link(&rig, 0) && link->present && link->up && !link->l3 && link->ns == own);
	CHECK_STR(link->iface.name, "eth0");
	CHECK_STR(link->iface.filter, "tcp");
	CHECK_STR(link->iface.netns_path, own->path);
	CHECK_INT(link->iface.ifindex, 2);
	CHECK_INT(link->iface.netns, OWN_INODE);
	CHECK_INT(link->iface.snaplen, SNAPLEN);
	CHECK_INT(link->iface.dlt, DLT_EN10MB);
	CHECK(!link->iface.other_netns);
	/* once is enough */
	CHECK_INT(links_watch(&rig.c, own), 0);
	CHECK_STR(what_was_told(), "");
}

static void test_find_by_number(void)
{
	start();
	rig.ifaces[0] = "1";
	is_up(2, "eth0"), is_up(3, "eth1");
	CHECK_INT(links_find(&rig.c), 0);
	CHECK(lookup(2) && !lookup(3));
	/* a name that looks like a number is a name first */
	start();
	rig.ifaces[0] = "7";
	is_up(3, "7");
	CHECK_INT(links_find(&rig.c), 0);
	CHECK(lookup(3) != NULL);
	start();
	rig.ifaces[0] = "1x";
	is_up(2, "eth0");
	CHECK_INT(links_find(&rig.c), -ENODEV);
}

static void test_find_nothing(void)
{
	static const struct {
		const char *name, *want;
	} names[] = {
		{ "eth9", "error: eth9: No such device exists; -D lists those that do; " },
		{ "99", "refuse 99; " },
		{ "-1", "refuse -1; " },
		{ "1x", "error: 1x: No such device exists; -D lists those that do; " },
		{ "3", "refuse 3; " }, /* on the list, but not in the namespace */
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		start();
		rig.ifaces[0] = "eth0";
		rig.ifaces[1] = names[i].name;
		is_up(2, "eth0");
		links_watch(&rig.c, own);
		what_was_told();
		CHECK_INT(links_find(&rig.c), -ENODEV);
		CHECK_STR(what_was_told(), names[i].want);
	}
}

static void test_find_down(void)
{
	struct netns *other;

	start();
	rig.ifaces[0] = "eth0";
	is_down(2, "eth0");
	links_watch(&rig.c, own);
	what_was_told();
	CHECK_INT(links_find(&rig.c), -ENETDOWN);
	CHECK_STR(what_was_told(), "error: eth0: That device is not up; \"ip link set eth0 up\" changes that; ");
	/* one of several that is up is enough */
	other = rig_netns(&rig, OTHER_INODE, OTHER_FD);
	is_up(2, "eth0");
	links_watch(&rig.c, other);
	CHECK_INT(links_find(&rig.c), 0);
	CHECK(links_lookup(&rig.c, OTHER_INODE, 2)->iface.other_netns);
	CHECK_STR(links_lookup(&rig.c, OTHER_INODE, 2)->iface.netns_path, other->path);
	CHECK(lookup(2) != links_lookup(&rig.c, OTHER_INODE, 2));
}

static void test_find_any(void)
{
	start();
	rig_any(&rig);
	CHECK_INT(links_find(&rig.c), 0);
	start();
	rig_any(&rig);
	rig.ifaces[0] = "any";
	is_up(2, "eth0"), is_down(3, "eth1"), add_news(4, "ib0", IFF_UP, ARPHRD_INFINIBAND);
	CHECK_INT(links_find(&rig.c), 0);
	CHECK_INT(rig_nlinks(&rig), 2);
	CHECK(lookup(2) && lookup(3));
	CHECK_STR(what_was_told(), "open; dump; ");
}

static void test_find_unsupported(void)
{
	start();
	rig.ifaces[0] = "ib0";
	add_news(4, "ib0", IFF_UP, ARPHRD_INFINIBAND);
	CHECK_INT(links_find(&rig.c), -EOPNOTSUPP);
	CHECK_STR(what_was_told(), "open; dump; error: 'ib0': the backend tc cannot see devices of link type 32, "
				   "use --backend pcap; ");
}

static void test_find_fails(void)
{
	static int *const errors[] = { &open_error, &dump_error, &read_error };

	for (int i = 0; i < 3; i++) {
		start();
		*errors[i] = -ENOMEM;
		CHECK_INT(links_find(&rig.c), -ENOMEM);
		CHECK(strstr(what_was_told(),
			     "error: cannot list the interfaces of '/proc/self/ns/net': Cannot allocate memory; "));
	}
	start();
	epoll_error = ENOSPC;
	CHECK_INT(links_find(&rig.c), -ENOSPC);
	start();
	rig_netns(&rig, OTHER_INODE, OTHER_FD);
	setns_error = EPERM;
	CHECK_INT(links_find(&rig.c), -EPERM);
}

static void test_device_types(void)
{
	static const struct {
		uint16_t type;
		int dlt;
	} types[] = {
		{ ARPHRD_ETHER, DLT_EN10MB }, { ARPHRD_LOOPBACK, DLT_EN10MB },
		{ ARPHRD_NONE, DLT_RAW },     { ARPHRD_TUNNEL, DLT_RAW },
		{ ARPHRD_TUNNEL6, DLT_RAW },  { ARPHRD_SIT, DLT_RAW },
		{ ARPHRD_IPGRE, DLT_RAW },    { 823, DLT_RAW },
		{ ARPHRD_RAWIP, DLT_RAW },    { ARPHRD_PPP, DLT_RAW },
	};

	for (int raw = 0; raw < 2; raw++) {
		start();
		rig_any(&rig);
		rig.backend.raw_ip = raw;
		for (uint32_t i = 0; i < 10; i++)
			add_news(i + 1, "dev", IFF_UP, types[i].type);
		CHECK_INT(links_find(&rig.c), 0);
		CHECK_INT(rig_nlinks(&rig), 10);
		for (uint32_t i = 0; i < 10; i++) {
			CHECK_INT(lookup(i + 1)->iface.dlt, raw ? DLT_RAW : types[i].dlt);
			CHECK_INT(lookup(i + 1)->l3, raw || types[i].dlt == DLT_RAW);
			CHECK_INT(lookup(i + 1)->type, types[i].type);
			CHECK(!lookup(i + 1)->iface.filter);
		}
	}
}

static void test_served_by_tc(void)
{
	static const struct {
		const char *name;
		bool served;
	} names[] = {
		{ "any", true },	 { "eth0", true }, { "ib0", false }, { "nflog", false }, { "gone", true },
		{ "/dev/x", true },	 { "99", true },   { "1", true },    { "4", false },	 { "10", true },
		{ "7", true } /* name */, { "4x", true }, { "net0", false },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (capture_tc_serves(names[i].name) != names[i].served)
			CHECK_FAIL("%s", names[i].name);
	}
}

/* --- attaching ------------------------------------------------------------------------------- */

static void test_attach(void)
{
	start();
	rig.ifaces[0] = "eth0";
	rig.ifaces[1] = "wg0";
	is_up(2, "eth0"), add_news(3, "wg0", IFF_UP, ARPHRD_NONE);
	CHECK_INT(links_find(&rig.c), 0);
	what_was_told();
	CHECK_INT(links_attach(&rig.c), 0);
	CHECK_STR(what_was_told(), "iface 0 eth0; out 2 l2; in 2 l2; iface 1 wg0; out 3 l3; in 3 l3; ");
	CHECK(lookup(2)->announced && lookup(2)->ingress.active && lookup(2)->egress.active);
	CHECK(!rig_pending(&rig));
}

/* A packet on lo passes both sides. */
static void test_sides(void)
{
	static const struct {
		uint16_t type;
		enum direction direction;
		const char *want;
	} cases[] = {
		{ ARPHRD_ETHER, DIR_NONE, "iface 0 dev; out 2 l2; in 2 l2; " },
		{ ARPHRD_ETHER, DIR_IN, "iface 0 dev; in 2 l2; " },
		{ ARPHRD_ETHER, DIR_OUT, "iface 0 dev; out 2 l2; " },
		{ ARPHRD_LOOPBACK, DIR_NONE, "iface 0 dev; out 2 l2; " },
		{ ARPHRD_LOOPBACK, DIR_IN, "iface 0 dev; in 2 l2; " },
		{ ARPHRD_LOOPBACK, DIR_OUT, "iface 0 dev; out 2 l2; " },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start();
		rig.ifaces[0] = "dev";
		rig_config(&rig)->direction = cases[i].direction;
		add_news(2, "dev", IFF_UP, cases[i].type);
		CHECK_INT(links_find(&rig.c), 0);
		what_was_told();
		CHECK_INT(links_attach(&rig.c), 0);
		CHECK_STR(what_was_told(), cases[i].want);
	}
}

static void test_attach_in_its_namespace(void)
{
	start();
	rig.ifaces[0] = "eth0";
	rig_netns(&rig, OTHER_INODE, OTHER_FD);
	links_watch(&rig.c, own);
	is_up(2, "eth0");
	CHECK_INT(links_find(&rig.c), 0);
	CHECK_STR(what_was_told(), "open; dump; setns 77; open; dump; setns -1; ");
	CHECK_INT(links_attach(&rig.c), 0);
	CHECK_STR(what_was_told(), "setns 77; iface 0 eth0 other; out 2 l2; in 2 l2; setns -1; ");
	links_detach(&rig.c);
	CHECK_STR(what_was_told(), "setns 77; undo in 2; undo out 2; setns -1; ");
	setns_error = ENOENT;
	CHECK_INT(links_attach(&rig.c), -ENOENT);
}

static void test_promiscuous(void)
{
	start();
	rig.ifaces[0] = "eth0", rig.ifaces[1] = "eth1", rig.ifaces[2] = "wg0";
	rig_config(&rig)->promiscuous = true;
	is_up(2, "eth0"), is_up(3, "eth1"), add_news(4, "wg0", IFF_UP, ARPHRD_NONE);
	CHECK_INT(links_find(&rig.c), 0);
	what_was_told();
	CHECK_INT(links_attach(&rig.c), 0);
	CHECK_STR(what_was_told(), "iface 0 eth0; out 2 l2; in 2 l2; promisc 2; iface 1 eth1; out 3 l2; in 3 l2; "
				   "promisc 3; iface 2 wg0; out 4 l3; in 4 l3; ");
}

/* Not where everything is captured, nor where no frames are; that it fails is told and ends nothing. */
static void test_promiscuous_or_not(void)
{
	for (int i = 0; i < 4; i++) {
		static const char *const want[] = {
			"iface 0 eth0; out 2 l2; in 2 l2; ",
			"iface 0 eth0; out 2 l3; in 2 l3; ",
			"iface 0 eth0; out 2 l2; in 2 l2; promisc 2; "
			"warning: 'eth0' does not enter promiscuous mode: Operation not permitted; ",
			"iface 0 eth0; out 2 l2; in 2 l2; "
			"warning: 'eth0' does not enter promiscuous mode: Too many open files; ",
		};

		start();
		rig.ifaces[0] = "eth0";
		rig_config(&rig)->promiscuous = true;
		if (i == 0)
			rig_any(&rig);
		rig.backend.raw_ip = i == 1;
		promisc_error = i == 2 ? EPERM : i == 3 ? EMFILE : 0;
		is_up(2, "eth0");
		CHECK_INT(links_find(&rig.c), 0);
		what_was_told();
		CHECK_INT(links_attach(&rig.c), 0);
		CHECK_STR(what_was_told(), want[i]);
	}
}

/* What the user named and cannot be had is an error, as long as nothing runs. */
static void test_named_fails_at_first(void)
{
	static const struct {
		int err;
		const char *want;
	} cases[] = {
		{ -EPERM, "iface 0 eth0; out 2 l2; error: cannot capture on 'eth0': Operation not permitted; " },
		{ -ENODEV, "iface 0 eth0; out 2 l2; error: cannot capture on 'eth0': No such device; " },
		{ -ENOENT, "iface 0 eth0; out 2 l2; error: cannot capture on 'eth0': No such file or directory; "
			   "are the modules sch_ingress and cls_bpf there?; " },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start();
		rig.ifaces[0] = "eth0", rig.ifaces[1] = "eth1";
		is_up(2, "eth0"), is_up(3, "eth1");
		CHECK_INT(links_find(&rig.c), 0);
		what_was_told();
		attach_errors[0] = cases[i].err;
		CHECK_INT(links_attach(&rig.c), cases[i].err);
		CHECK_STR(what_was_told(), cases[i].want);
		CHECK(!lookup(2)->present && lookup(3)->present);
	}
}

static void test_named_fails_later(void)
{
	run_eth0();
	is_gone(2, "eth0");
	CHECK_INT(hear(), 0);
	what_was_told();
	nattached = 0;
	attach_errors[0] = -ENOMEM;
	is_up(3, "eth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(),
		  "iface 1 eth0; out 3 l2; warning: cannot capture on 'eth0': Cannot allocate memory; ");
	CHECK(!lookup(3)->present);
}

static void test_any_fails(void)
{
	start();
	rig_any(&rig);
	is_up(2, "eth0"), is_up(3, "eth1"), is_up(4, "eth2");
	CHECK_INT(links_find(&rig.c), 0);
	what_was_told();
	attach_errors[0] = -ENOMEM;
	attach_errors[1] = -ENODEV; /* gone since: nothing to tell */
	CHECK_INT(links_attach(&rig.c), 0);
	CHECK_STR(what_was_told(), "iface 0 eth0; out 2 l2; warning: cannot capture on 'eth0': Cannot allocate memory; "
				   "iface 1 eth1; out 3 l2; iface 2 eth2; out 4 l2; in 4 l2; ");
	CHECK(!lookup(2)->present && !lookup(3)->present && lookup(4)->present);
}

/* One side alone is nothing. */
static void test_second_side_fails(void)
{
	start();
	rig.ifaces[0] = "eth0";
	is_up(2, "eth0");
	CHECK_INT(links_find(&rig.c), 0);
	what_was_told();
	attach_errors[1] = -EBUSY;
	CHECK_INT(links_attach(&rig.c), -EBUSY);
	CHECK_STR(what_was_told(), "iface 0 eth0; out 2 l2; in 2 l2; undo out 2; "
				   "error: cannot capture on 'eth0': Device or resource busy; ");
}

static void test_other_failures(void)
{
	start();
	rig.ifaces[0] = "eth0";
	is_up(2, "eth0");
	CHECK_INT(links_find(&rig.c), 0);
	what_was_told();
	map_error = -E2BIG;
	CHECK_INT(links_attach(&rig.c), -E2BIG);
	CHECK_STR(what_was_told(), "error: cannot capture on 'eth0': Argument list too long; ");
	start();
	rig.ifaces[0] = "eth0";
	is_up(2, "eth0");
	CHECK_INT(links_find(&rig.c), 0);
	what_was_told();
	iface_error = -EPIPE;
	CHECK_INT(links_attach(&rig.c), -EPIPE);
	CHECK_STR(what_was_told(), "iface 0 eth0; error: cannot capture on 'eth0': Broken pipe; ");
}

/* What a killed process left goes before our own first filter, where that does not end with its process. */
static void test_clean_before_clsact(void)
{
	start();
	rig.ifaces[0] = "eth0";
	rig_mode(&rig, ATTACH_CLSACT);
	mode_found = ATTACH_CLSACT;
	is_up(2, "eth0");
	run();
	rig_running(&rig);
	is_gone(2, "eth0"), is_up(3, "eth0");
	CHECK_INT(hear(), 0);
	/* both sides at once: nothing waits for a grace period here */
	CHECK_STR(what_was_told(), "undo in 2 gone; undo out 2 gone; iface 1 eth0; clean 3; out 3 l2; in 3 l2; ");
	CHECK(!rig_pending(&rig));
}

/* --- later ------------------------------------------------------------------------------------------ */

static void test_appears_up(void)
{
	run_any();
	is_up(5, "veth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "iface 0 veth0; out 5 l2; ");
	/* the other side when all others have had their turn */
	CHECK(rig_pending(&rig));
	CHECK_INT(links_attach_due(&rig.c), 0);
	CHECK_STR(what_was_told(), "in 5 l2; ");
	CHECK(rig_pending(&rig));
	CHECK_INT(links_attach_due(&rig.c), 0);
	CHECK(!rig_pending(&rig));
	CHECK_STR(what_was_told(), "");
}

static void test_egress_of_all_comes_first(void)
{
	run_any();
	is_up(5, "veth0"), is_up(6, "veth1");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "iface 0 veth0; out 5 l2; iface 1 veth1; out 6 l2; ");
	links_attach_due(&rig.c);
	CHECK_STR(what_was_told(), "in 5 l2; ");
	links_attach_due(&rig.c);
	CHECK_STR(what_was_told(), "in 6 l2; ");
}

/* One side only: nothing is left to do. */
static void test_one_side_is_finished(void)
{
	run_any();
	rig_config(&rig)->direction = DIR_OUT;
	is_up(5, "veth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "iface 0 veth0; out 5 l2; ");
	CHECK(!rig_pending(&rig));
}

static void test_appears_down(void)
{
	run_any();
	is_down(5, "veth0");
	CHECK_INT(hear(), 0);
	CHECK(rig_pending(&rig));
	clock_now += 200 * MSEC - 1;
	CHECK_INT(links_attach_due(&rig.c), 0);
	CHECK_STR(what_was_told(), "");
	CHECK(rig_pending(&rig));
	clock_now++;
	CHECK_INT(links_attach_due(&rig.c), 0);
	CHECK_STR(what_was_told(), "iface 0 veth0; out 5 l2; ");
}

static void test_down_comes_up(void)
{
	run_any();
	is_down(5, "veth0"), is_down(5, "veth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "");
	is_up(5, "veth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "iface 0 veth0; out 5 l2; ");
	CHECK_INT(rig_nlinks(&rig), 1);
	/* up or down is nothing to one that is attached */
	links_attach_due(&rig.c);
	what_was_told();
	is_down(5, "veth0");
	CHECK_INT(hear(), 0);
	CHECK(!lookup(5)->up);
	is_up(5, "veth0");
	CHECK_INT(hear(), 0);
	CHECK(lookup(5)->up);
	CHECK_STR(what_was_told(), "");
}

/* What was moved into another namespace before that is never announced. */
static void test_down_goes_away(void)
{
	run_any();
	is_down(5, "veth0"), is_gone(5, "veth0");
	CHECK_INT(hear(), 0);
	clock_now += 300 * MSEC;
	CHECK_INT(links_attach_due(&rig.c), 0);
	CHECK(!rig_pending(&rig));
	CHECK_STR(what_was_told(), "");
}

static void test_down_at_first(void)
{
	start();
	rig_any(&rig);
	is_down(2, "eth0"), is_up(3, "eth1");
	CHECK_INT(links_find(&rig.c), 0);
	what_was_told();
	CHECK_INT(links_attach(&rig.c), 0);
	CHECK_STR(what_was_told(), "iface 0 eth1; out 3 l2; in 3 l2; ");
	clock_now += 200 * MSEC;
	CHECK_INT(links_attach_due(&rig.c), 0);
	CHECK_STR(what_was_told(), "iface 1 eth0; out 2 l2; in 2 l2; ");
	/* who is named is attached whether up or not: in another namespace it is up */
	start();
	rig.ifaces[0] = "eth0";
	is_down(2, "eth0");
	links_watch(&rig.c, own);
	what_was_told();
	CHECK_INT(links_attach(&rig.c), 0);
	CHECK_STR(what_was_told(), "iface 0 eth0; out 2 l2; in 2 l2; ");
}

static void test_unwanted(void)
{
	run_eth0();
	is_up(3, "eth1"), is_gone(4, "eth4"), add_news(5, "ib0", IFF_UP, ARPHRD_INFINIBAND);
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "");
	CHECK_INT(rig_nlinks(&rig), 1);
	rig_any(&rig);
	add_news(5, "ib0", IFF_UP, ARPHRD_INFINIBAND);
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "");
}

static void test_vanishes(void)
{
	run_eth0();
	CHECK(!links_all_gone(&rig.c));
	is_gone(2, "eth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "undo in 2 gone; undo out 2 gone; ");
	CHECK(!lookup(2)->present);
	CHECK(links_all_gone(&rig.c));
	is_gone(2, "eth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "");
	links_detach(&rig.c);
	CHECK_STR(what_was_told(), "");
}

/* There may always be another one. */
static void test_never_all_gone(void)
{
	run_eth0();
	is_gone(2, "eth0");
	hear();
	rig_set_any_netns(&rig);
	CHECK(!links_all_gone(&rig.c));
	run_any();
	CHECK(!links_all_gone(&rig.c));
}

/* A new interface, even if number and name are the same. */
static void test_comes_back(void)
{
	const struct link *before;

	run_eth0();
	before = lookup(2);
	is_gone(2, "eth0"), is_up(2, "eth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "undo in 2 gone; undo out 2 gone; iface 1 eth0; out 2 l2; ");
	CHECK(lookup(2) != before && lookup(2)->present && !before->present);
	CHECK_INT(lookup(2)->iface.id, 1);
	CHECK_INT(before->iface.id, 0);
	CHECK(!links_all_gone(&rig.c));
	clock_now += 1;
	CHECK_INT(links_attach_due(&rig.c), 0);
	CHECK_STR(what_was_told(), "in 2 l2; ");
}

static void test_renamed(void)
{
	const struct link *before;

	/* away from the name */
	run_eth0();
	before = lookup(2);
	is_up(2, "wan0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "undo in 2; undo out 2; ");
	CHECK(!before->present);
	CHECK_STR(before->iface.name, "eth0");
	CHECK(links_all_gone(&rig.c));
	/* and to it */
	is_up(3, "eth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "iface 1 eth0; out 3 l2; ");
	CHECK_STR(lookup(3)->iface.name, "eth0");
	/* all names are wanted */
	run_any();
	is_up(2, "eth0");
	CHECK_INT(hear(), 0);
	before = lookup(2);
	is_up(2, "wan0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "iface 0 eth0; out 2 l2; undo out 2; iface 1 wan0; out 2 l2; ");
	CHECK_STR(lookup(2)->iface.name, "wan0");
	CHECK_STR(before->iface.name, "eth0");
	CHECK(!before->present && lookup(2)->present);
}

static void test_moves_to_another_namespace(void)
{
	struct netns *other;

	start();
	rig_any(&rig);
	other = rig_netns(&rig, OTHER_INODE, OTHER_FD);
	is_up(2, "eth0");
	run();
	is_up(2, "eth0");
	CHECK_INT(links_news(&rig.c, other), 0);
	CHECK_STR(what_was_told(), "setns 77; iface 1 eth0 other; out 2 l2; setns -1; ");
	is_gone(2, "eth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "undo in 2 gone; undo out 2 gone; ");
	CHECK(!lookup(2)->present && links_lookup(&rig.c, OTHER_INODE, 2)->present);
	setns_error = ENOENT;
	CHECK_INT(links_news(&rig.c, other), -ENOENT);
}

/* It came from where we have not heard yet that it left: our program is still there. */
static void test_still_attached_elsewhere(void)
{
	run_any();
	nattached = 0;
	attach_errors[0] = attach_errors[1] = -EEXIST;
	is_up(2, "eth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "iface 0 eth0; out 2 l2; ");
	CHECK(rig_pending(&rig) && lookup(2)->present);
	clock_now += 5 * MSEC - 1;
	CHECK_INT(links_attach_due(&rig.c), 0);
	CHECK_STR(what_was_told(), "");
	clock_now++;
	CHECK_INT(links_attach_due(&rig.c), 0);
	CHECK_STR(what_was_told(), "out 2 l2; ");
	clock_now += 5 * MSEC;
	CHECK_INT(links_attach_due(&rig.c), 0);
	CHECK_STR(what_was_told(), "out 2 l2; ");
	CHECK(lookup(2)->egress.active);
}

static int always_there(struct capture *c, struct link *link)
{
	nattached++;
	return -EEXIST;
}

static void test_still_attached_for_ever(void)
{
	run_any();
	rig.backend.attach_link = always_there;
	is_up(2, "eth0");
	CHECK_INT(hear(), 0);
	for (int i = 0; i < 200; i++) {
		clock_now += 5 * MSEC;
		CHECK_INT(links_attach_due(&rig.c), 0);
	}
	CHECK_INT(nattached, 101);
	CHECK_STR(what_was_told(), "iface 0 eth0; warning: cannot capture on 'eth0': File exists; ");
	CHECK(!lookup(2)->present);
}

/* A backend without anything to do for one device, and one that is not finished. */
static void test_other_backends(void)
{
	start();
	rig.backend.attach_link = NULL;
	rig.ifaces[0] = "eth0";
	is_up(2, "eth0");
	run();
	CHECK(lookup(2)->announced);
	CHECK_INT(lookup(2)->ingress.ifindex, 2);
	run_any();
	nattached = 0;
	attach_errors[0] = LINK_UNFINISHED;
	rig.backend.attach_link = attach_any_way;
	is_up(2, "eth0");
	CHECK_INT(hear(), 0);
	CHECK_INT(links_attach_due(&rig.c), 0);
	CHECK_STR(what_was_told(), "iface 0 eth0; attach 2; attach 2; ");
	CHECK_INT(lookup(2)->egress.ifindex, 2);
}

static void test_missed_news(void)
{
	struct netns *other;

	start();
	rig_any(&rig);
	other = rig_netns(&rig, OTHER_INODE, OTHER_FD);
	is_up(2, "eth0"), is_up(3, "eth1");
	links_watch(&rig.c, own);
	is_up(4, "eth2");
	links_watch(&rig.c, other);
	run();
	read_error = -ENOBUFS;
	only_ifindex = 3;
	name_error = ENXIO;
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "undo in 2 gone; undo out 2 gone; dump; ");
	CHECK(!lookup(2)->present && lookup(3)->present && links_lookup(&rig.c, OTHER_INODE, 4)->present);
	/* not to be asked is not to be gone */
	only_ifindex = 0;
	name_error = EMFILE;
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "dump; ");
	CHECK(lookup(3)->present);
	dump_error = -ENETDOWN;
	CHECK_INT(hear(), -ENETDOWN);
	read_error = -EBADMSG;
	CHECK_INT(hear(), -EBADMSG);
}

/* --- a namespace ends --------------------------------------------------------------------------------- */

static struct netns *run_two_namespaces(enum attach_mode mode)
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

/* Closing a tcx link waits for a grace period, so that is done later. */
static void test_forget_tcx(void)
{
	struct netns *other = run_two_namespaces(ATTACH_TCX);

	links_forget(&rig.c, other);
	CHECK_STR(what_was_told(), "setns 77; setns -1; ");
	CHECK(!links_lookup(&rig.c, OTHER_INODE, 3)->present && lookup(2)->present);
	links_release(&rig.c);
	CHECK_STR(what_was_told(), "undo in 3 gone; undo out 3 gone; ");
	links_release(&rig.c);
	CHECK_STR(what_was_told(), "");
}

static void test_forget_clsact(void)
{
	struct netns *other = run_two_namespaces(ATTACH_CLSACT);

	links_forget(&rig.c, other);
	CHECK_STR(what_was_told(), "setns 77; undo in 3; undo out 3; setns -1; ");
	CHECK(!links_lookup(&rig.c, OTHER_INODE, 3)->present && lookup(2)->present);
	links_release(&rig.c);
	CHECK_STR(what_was_told(), "");
	setns_error = ENOENT;
	links_forget(&rig.c, other);
	CHECK_STR(what_was_told(), "setns 77; ");
}

/* One side is enough. */
static void test_forget_one_side(void)
{
	for (int in = 0; in < 2; in++) {
		start();
		rig_any(&rig);
		rig_config(&rig)->direction = in ? DIR_IN : DIR_OUT;
		is_up(2, "eth0");
		run();
		links_forget(&rig.c, own);
		CHECK_STR(what_was_told(), "");
		links_detach(&rig.c);
		CHECK_STR(what_was_told(), in ? "undo in 2 gone; " : "undo out 2 gone; ");
	}
}

static void test_detach(void)
{
	struct netns *other = run_two_namespaces(ATTACH_TCX);

	links_forget(&rig.c, other);
	is_up(5, "eth5");
	hear();
	what_was_told();
	links_detach(&rig.c);
	CHECK_STR(what_was_told(), "undo in 3 gone; undo out 3 gone; undo in 2; undo out 2; undo out 5; ");
}

/* --- counters ---------------------------------------------------------------------------------------------- */

static void count_at(struct iface_slot *n, uint64_t received)
{
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		n[cpu].n.received += received + cpu;
		for (unsigned k = 0; k < DROP_CAUSES; k++)
			n[cpu].n.dropped[k] += k + 1;
	}
}

static void check_counted(uint32_t ifindex, uint64_t received, uint64_t dropped)
{
	links_count(&rig.c);
	CHECK_INT(lookup(ifindex)->iface.received, received);
	CHECK_INT(lookup(ifindex)->iface.dropped, dropped);
}

static void test_counters(void)
{
	run_eth0();
	CHECK_INT(slots[2][CPUS - 1].key.ifindex, 2);
	CHECK_INT(slots[2][0].key.netns, OWN_INODE);
	CHECK_INT(nhash, 0);
	count_at(slots[2], 10);
	check_counted(2, 33, 18);
	lookup(2)->mismatched = 3;
	check_counted(2, 30, 18);
	rig_without_programs(&rig);
	lookup(2)->mismatched = 0;
	check_counted(2, 0, 0);
}

/* They start at zero, whatever an interface before left there. */
static void test_counters_start(void)
{
	start();
	rig.ifaces[0] = "eth0";
	count_at(slots[2], 1000);
	is_up(2, "eth0");
	run();
	check_counted(2, 0, 0);
}

/* The slot is another's: the hash has them. */
static void test_counters_in_the_hash(void)
{
	start();
	rig.ifaces[0] = "eth0", rig.ifaces[1] = "eth1";
	is_up(2, "eth0"), is_up(2 + IFACE_SLOTS, "eth1");
	run();
	CHECK_INT(slots[2][0].key.ifindex, 2);
	CHECK_INT(nhash, 1);
	CHECK_INT(hash[0].key.ifindex, 2 + IFACE_SLOTS);
	CHECK_INT(hash[0].key.netns, OWN_INODE);
	count_at(slots[2], 10), count_at(hash[0].n, 20);
	check_counted(2, 33, 18);
	check_counted(2 + IFACE_SLOTS, 63, 18);
	/* only its own goes with it */
	is_gone(2 + IFACE_SLOTS, "eth1");
	hear();
	CHECK_INT(nhash, 0);
	CHECK_INT(slots[2][0].key.ifindex, 2);
	check_counted(2 + IFACE_SLOTS, 63, 18);
	check_counted(2, 33, 18);
}

/* Two of one number in different namespaces are two. */
static void test_counters_of_namespaces(void)
{
	start();
	rig_any(&rig);
	rig_netns(&rig, OTHER_INODE, OTHER_FD);
	is_up(2, "eth0");
	links_watch(&rig.c, own);
	is_up(2, "eth0");
	run();
	CHECK_INT(slots[2][0].key.netns, OWN_INODE);
	CHECK_INT(hash[0].key.netns, OTHER_INODE);
	count_at(hash[0].n, 20);
	check_counted(2, 0, 0);
	CHECK_INT(links_lookup(&rig.c, OTHER_INODE, 2)->iface.received, 63);
}

/* What it had counted stays, and is not counted twice; the slot is free. */
static void test_counters_when_gone(void)
{
	run_eth0();
	count_at(slots[2], 10);
	is_gone(2, "eth0");
	hear();
	CHECK_INT(slots[2][0].key.ifindex, 0);
	CHECK_INT(slots[2][CPUS - 1].n.received, 0);
	check_counted(2, 33, 18);
	lookup(2)->mismatched = 1;
	check_counted(2, 32, 18);
	links_detach(&rig.c);
	check_counted(2, 32, 18);
}

static void test_counters_when_renamed(void)
{
	const struct link *before;

	run_any();
	is_up(2, "eth0");
	hear();
	before = lookup(2);
	count_at(slots[2], 10);
	is_up(2, "wan0");
	hear();
	count_at(slots[2], 100);
	check_counted(2, 303, 18);
	CHECK_INT(before->iface.received, 33);
}

static void test_counters_when_forgotten(void)
{
	struct netns *other = run_two_namespaces(ATTACH_TCX);

	count_at(slots[3], 10);
	links_forget(&rig.c, other);
	CHECK_INT(slots[3][0].key.ifindex, 0);
	links_count(&rig.c);
	CHECK_INT(links_lookup(&rig.c, OTHER_INODE, 3)->iface.received, 33);
}

/* The second half of attaching does not count anew, and waiting for it counts already. */
static void test_counters_while_unfinished(void)
{
	run_any();
	is_up(2, "eth0");
	hear();
	count_at(slots[2], 10);
	check_counted(2, 33, 18);
	links_attach_due(&rig.c);
	check_counted(2, 33, 18);
}

/* Before it is attached, what is in its slot is not its own. */
static void test_counters_before(void)
{
	run_any();
	is_down(2, "eth0");
	hear();
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		slots[2][cpu].key = (struct iface_key){ .netns = OWN_INODE, .ifindex = 2 };
	count_at(slots[2], 10);
	check_counted(2, 0, 0);
}

/* --- many of them ---------------------------------------------------------------------------------------------- */

static void test_many(void)
{
	struct netns *other;

	start();
	rig_any(&rig);
	other = rig_netns(&rig, OTHER_INODE, OTHER_FD);
	CHECK(!lookup(1));
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 1; i <= 250; i++) {
			char name[IF_NAMESIZE];

			snprintf(name, sizeof(name), "d%u", i);
			is_up(i * (1 + 63 * (i % 2)), name);
		}
		links_watch(&rig.c, round ? other : own);
	}
	CHECK_INT(rig_nlinks(&rig), 500);
	for (uint32_t i = 1; i <= 250; i++) {
		const uint32_t ifindex = i * (1 + 63 * (i % 2));
		struct link *a = lookup(ifindex), *b = links_lookup(&rig.c, OTHER_INODE, ifindex);

		CHECK(a && b && a != b);
		CHECK(a->iface.ifindex == ifindex && a->iface.netns == OWN_INODE);
		CHECK(b->iface.ifindex == ifindex && b->iface.netns == OTHER_INODE);
		CHECK(lookup(ifindex) == a && lookup(ifindex) == a);
	}
	CHECK(!lookup(100001) && !links_lookup(&rig.c, 5, 1) && !links_lookup(&rig.c, 5, 2));
}

static void test_add(void)
{
	const struct link *link;

	start();
	link = links_add(&rig.c, own, "nflog", 0, DLT_NFLOG);
	CHECK(link && link->present && link->up);
	CHECK_STR(link->iface.name, "nflog");
	CHECK_INT(link->iface.dlt, DLT_NFLOG);
	CHECK(lookup(0) == link);
}

int main(void)
{
	RUN(test_find_by_name);
	RUN(test_find_by_number);
	RUN(test_find_nothing);
	RUN(test_find_down);
	RUN(test_find_any);
	RUN(test_find_unsupported);
	RUN(test_find_fails);
	RUN(test_device_types);
	RUN(test_served_by_tc);
	RUN(test_attach);
	RUN(test_sides);
	RUN(test_attach_in_its_namespace);
	RUN(test_promiscuous);
	RUN(test_promiscuous_or_not);
	RUN(test_named_fails_at_first);
	RUN(test_named_fails_later);
	RUN(test_any_fails);
	RUN(test_second_side_fails);
	RUN(test_other_failures);
	RUN(test_clean_before_clsact);
	RUN(test_appears_up);
	RUN(test_egress_of_all_comes_first);
	RUN(test_one_side_is_finished);
	RUN(test_appears_down);
	RUN(test_down_comes_up);
	RUN(test_down_goes_away);
	RUN(test_down_at_first);
	RUN(test_unwanted);
	RUN(test_vanishes);
	RUN(test_never_all_gone);
	RUN(test_comes_back);
	RUN(test_renamed);
	RUN(test_moves_to_another_namespace);
	RUN(test_still_attached_elsewhere);
	RUN(test_still_attached_for_ever);
	RUN(test_other_backends);
	RUN(test_missed_news);
	RUN(test_forget_tcx);
	RUN(test_forget_clsact);
	RUN(test_forget_one_side);
	RUN(test_detach);
	RUN(test_counters);
	RUN(test_counters_start);
	RUN(test_counters_in_the_hash);
	RUN(test_counters_of_namespaces);
	RUN(test_counters_when_gone);
	RUN(test_counters_when_renamed);
	RUN(test_counters_when_forgotten);
	RUN(test_counters_while_unfinished);
	RUN(test_counters_before);
	RUN(test_many);
	RUN(test_add);
	start();
	rig_done(&rig);
	return check_status();
}
