/* SPDX-License-Identifier: BSD-3-Clause */
/* Which interfaces are captured: finding them and attaching to them. */
#include "links_rig.h"

/* --- finding ---------------------------------------------------------------------------------- */

static void test_find_by_name(void)
{
	static const struct filter_expr filter = { .text = "tcp", .exact = "tcp" };
	const struct link *link;

	start();
	rig.ifaces[0] = "eth0";
	rig_config(&rig)->filter = &filter;
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
	start();
	rig.ifaces[0] = "10";
	is_up(2, "eth0"), add_news(3, "ib0", IFF_UP, ARPHRD_INFINIBAND);
	CHECK_INT(links_find(&rig.c), 0);
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

static void test_find_by_altname(void)
{
	start();
	rig.ifaces[0] = "enp0s31f6-and-112-bytes-more", rig.ifaces[1] = "enx02";
	is_up(2, "eth0"), also_named("enp0s31f6-and-112-bytes-more\0"), is_up(3, "eth1"), also_named("a\0enx02\0");
	is_up(4, "eth2"), also_named("enp0s31f6\0enx0\0enx020\0");
	CHECK_INT(links_find(&rig.c), 0);
	CHECK(lookup(2) && lookup(3) && !lookup(4));
	/* what is printed is its name */
	CHECK_STR(lookup(2)->iface.name, "eth0");
	CHECK_STR(capture_iface_name(&rig.c, 0), "eth0");
	CHECK_STR(capture_iface_name(&rig.c, 1), "eth1");
	start();
	rig.ifaces[0] = "enx02";
	is_down(2, "eth0"), also_named("enx02\0");
	links_watch(&rig.c, own);
	what_was_told();
	CHECK_INT(links_find(&rig.c), -ENETDOWN);
	CHECK_STR(what_was_told(), "error: enx02: That device is not up; \"ip link set eth0 up\" changes that; ");
}

/* What a word stands for, for who says what is listened on. */
static void test_names_of_words(void)
{
	start();
	rig.ifaces[0] = "1", rig.ifaces[1] = "any", rig.ifaces[2] = "eth7";
	CHECK_STR(capture_iface_name(&rig.c, 0), "1");
	is_up(2, "eth0"), is_up(3, "eth1");
	links_watch(&rig.c, own);
	CHECK_STR(capture_iface_name(&rig.c, 0), "eth0");
	CHECK_STR(capture_iface_name(&rig.c, 1), "any");
	CHECK_STR(capture_iface_name(&rig.c, 2), "eth7");
}

/* Those to come may have what is missing. */
static void test_find_newly(void)
{
	struct netns *other;

	start();
	rig.ifaces[0] = "eth0";
	rig_netns_before(own);
	rig_newly(&rig);
	is_up(2, "eth0");
	CHECK_INT(links_find(&rig.c), 0);
	CHECK_STR(what_was_told(), "");
	CHECK_INT(rig_nlinks(&rig), 0);
	other = rig_netns(&rig, OTHER_INODE, OTHER_FD);
	CHECK_INT(links_watch(&rig.c, other), 0);
	CHECK(links_lookup(&rig.c, OTHER_INODE, 2) != NULL);
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
		CHECK_INT(own->rtnl_fd, -1);
	}
	start();
	epoll_error = ENOSPC;
	CHECK_INT(links_find(&rig.c), -ENOSPC);
	CHECK_INT(own->rtnl_fd, -1);
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

static void test_served_by_default(void)
{
	static const struct {
		const char *name;
		bool served;
	} names[] = {
		{ "any", true },	  { "eth0", true }, { "ib0", false },  { "nflog", false },    { "gone", true },
		{ "/dev/x", true },	  { "99", true },   { "1", true },     { "4", false },	      { "10", true },
		{ "7", true } /* name */, { "4x", true },   { "net0", false }, { "infinity", false },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *const ifaces[] = { names[i].name, NULL };
		const struct capture_config wanted = { .ifaces = ifaces, .dlt = -1 };
		const struct backend *chosen = NULL;

		CHECK_INT(capture_choose_backend(NULL, &wanted, &chosen), 0);
		if ((chosen == backend_default()) != names[i].served)
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
	CHECK_STR(what_was_told(),
		  "iface 0 eth0; clean 2; out 2 l2; in 2 l2; iface 1 wg0; clean 3; out 3 l3; in 3 l3; ");
	CHECK(lookup(2)->announced && lookup(2)->ingress.active && lookup(2)->egress.active);
	CHECK(!rig_pending(&rig));
	/* Nothing else waits for more than one device. */
	CHECK_INT((int)nmeanwhile, 2);
	CHECK_INT((int)nexpedited, 0);
}

static void test_attach_many(void)
{
	start();
	rig_any(&rig);
	for (uint32_t i = 1; i <= 20; i++) {
		char name[IF_NAMESIZE];

		snprintf(name, sizeof(name), "d%u", i);
		is_up(i, name);
	}
	CHECK_INT(links_find(&rig.c), 0);
	CHECK_INT(links_attach(&rig.c), 0);
	CHECK(nexpedited == 1 && !expedited);
	CHECK(lookup(20)->egress.active);
	links_detach(&rig.c);
	CHECK(nexpedited == 2 && !expedited);
	/* Filters of clsact wait for nothing. */
	start();
	rig_any(&rig);
	rig.c.links.mode = ATTACH_CLSACT;
	for (uint32_t i = 1; i <= 20; i++)
		is_up(i, "d");
	CHECK_INT(links_find(&rig.c), 0);
	CHECK_INT(links_attach(&rig.c), 0);
	links_detach(&rig.c);
	CHECK_INT((int)nexpedited, 0);
}

/* A packet on lo passes both sides. */
static void test_sides(void)
{
	static const struct {
		uint16_t type;
		enum direction direction;
		const char *want;
	} cases[] = {
		{ ARPHRD_ETHER, DIR_NONE, "iface 0 dev; clean 2; out 2 l2; in 2 l2; " },
		{ ARPHRD_ETHER, DIR_IN, "iface 0 dev; clean 2; in 2 l2; " },
		{ ARPHRD_ETHER, DIR_OUT, "iface 0 dev; clean 2; out 2 l2; " },
		{ ARPHRD_LOOPBACK, DIR_NONE, "iface 0 dev; clean 2; out 2 l2; " },
		{ ARPHRD_LOOPBACK, DIR_IN, "iface 0 dev; clean 2; in 2 l2; " },
		{ ARPHRD_LOOPBACK, DIR_OUT, "iface 0 dev; clean 2; out 2 l2; " },
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
	CHECK_STR(what_was_told(), "setns 77; iface 0 eth0 other; clean 2; out 2 l2; in 2 l2; setns -1; ");
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
	CHECK_STR(what_was_told(), "iface 0 eth0; clean 2; out 2 l2; in 2 l2; promisc 2; "
				   "iface 1 eth1; clean 3; out 3 l2; in 3 l2; promisc 3; "
				   "iface 2 wg0; clean 4; out 4 l3; in 4 l3; ");
}

/* Not where everything is captured, nor where no frames are; that it fails is told and ends nothing. */
static void test_promiscuous_or_not(void)
{
	for (int i = 0; i < 4; i++) {
		static const char *const want[] = {
			"iface 0 eth0; clean 2; out 2 l2; in 2 l2; ",
			"iface 0 eth0; clean 2; out 2 l3; in 2 l3; ",
			"iface 0 eth0; clean 2; out 2 l2; in 2 l2; promisc 2; "
			"warning: 'eth0' does not enter promiscuous mode: Operation not permitted; ",
			"iface 0 eth0; clean 2; out 2 l2; in 2 l2; "
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
		{ -EPERM,
		  "iface 0 eth0; clean 2; out 2 l2; error: cannot capture on 'eth0': Operation not permitted; " },
		{ -ENODEV, "iface 0 eth0; clean 2; out 2 l2; error: cannot capture on 'eth0': No such device; " },
		{ -ENOENT,
		  "iface 0 eth0; clean 2; out 2 l2; error: cannot capture on 'eth0': No such file or directory; "
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
	CHECK_STR(what_was_told(), "out 3 l2; warning: cannot capture on 'eth0': Cannot allocate memory; ");
	CHECK(!lookup(3)->present);
}

/* The name of a device ends where its quote does. */
static void test_name_with_quotes(void)
{
	run_any();
	attach_errors[nattached] = -EPERM;
	is_up(3, "x': ok; 'y");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(),
		  "out 3 l2; warning: cannot capture on 'x\\x27:\\x20ok;\\x20\\x27y': Operation not permitted; ");
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
	CHECK_STR(what_was_told(),
		  "iface 0 eth0; clean 2; out 2 l2; warning: cannot capture on 'eth0': Cannot allocate memory; "
		  "iface 1 eth1; clean 3; out 3 l2; iface 2 eth2; clean 4; out 4 l2; in 4 l2; ");
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
	CHECK_STR(
		what_was_told(),
		"iface 0 eth0; clean 2; out 2 l2; in 2 l2; undo out 2; error: cannot capture on 'eth0': Device or resource busy; ");
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
	CHECK_STR(what_was_told(), "undo in 2 gone; undo out 2 gone; clean 3; out 3 l2; in 3 l2; ");
	CHECK(!rig_pending(&rig));
}

/* --- many of them ---------------------------------------------------------------------------------------------- */

/* Some follow each other, some have one place in the table. */
static uint32_t many_ifindex(uint32_t i)
{
	return i % 2 ? 10000 + 64 * i : i;
}

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
			is_up(many_ifindex(i), name);
		}
		links_watch(&rig.c, round ? other : own);
	}
	CHECK_INT(rig_nlinks(&rig), 500);
	for (uint32_t i = 1; i <= 250; i++) {
		const uint32_t ifindex = many_ifindex(i);
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
	CHECK(link && link->present && link->up && !link->l3);
	CHECK_STR(link->iface.name, "nflog");
	CHECK_INT(link->iface.dlt, DLT_NFLOG);
	CHECK(lookup(0) == link);
}

int main(void)
{
	RUN(test_find_by_name);
	RUN(test_find_by_number);
	RUN(test_find_by_altname);
	RUN(test_names_of_words);
	RUN(test_find_newly);
	RUN(test_find_nothing);
	RUN(test_find_down);
	RUN(test_find_any);
	RUN(test_find_unsupported);
	RUN(test_find_fails);
	RUN(test_device_types);
	RUN(test_served_by_default);
	RUN(test_attach);
	RUN(test_attach_many);
	RUN(test_sides);
	RUN(test_attach_in_its_namespace);
	RUN(test_promiscuous);
	RUN(test_promiscuous_or_not);
	RUN(test_named_fails_at_first);
	RUN(test_named_fails_later);
	RUN(test_name_with_quotes);
	RUN(test_any_fails);
	RUN(test_second_side_fails);
	RUN(test_other_failures);
	RUN(test_clean_before_clsact);
	RUN(test_many);
	RUN(test_add);
	start();
	rig_done(&rig);
	return check_status();
}
