/* SPDX-License-Identifier: BSD-3-Clause */
/* Interfaces that come, go, change their name or namespace, and namespaces that end. */
#include "links_rig.h"

/* --- later ------------------------------------------------------------------------------------------ */

static void test_appears_up(void)
{
	run_any();
	is_up(5, "veth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "out 5 l2; ");
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
	CHECK_STR(what_was_told(), "out 5 l2; out 6 l2; ");
	links_attach_due(&rig.c);
	CHECK_STR(what_was_told(), "in 5 l2; ");
	links_attach_due(&rig.c);
	CHECK_STR(what_was_told(), "in 6 l2; ");
}

/* A pair whose other end moves away when it exists already, and which becomes a port of a bridge. */
static void test_pair_is_told_later(void)
{
	run_any();
	is_up(5, "veth0");
	CHECK_INT(hear(), 0);
	CHECK(!lookup(5)->iface.paired && !lookup(5)->iface.bridged);
	is_up(5, "veth0");
	news[nnews - 1].pair = true, news[nnews - 1].peer_nsid = 0;
	news[nnews - 1].master = 3;
	CHECK_INT(hear(), 0);
	CHECK(lookup(5)->iface.paired && lookup(5)->iface.bridged);
	is_up(5, "other");
	news[nnews - 1].pair = true, news[nnews - 1].peer_nsid = 0;
	CHECK_INT(hear(), 0);
	CHECK(lookup(5)->iface.paired && !lookup(5)->iface.bridged);
}

/* One side only: nothing is left to do. */
static void test_one_side_is_finished(void)
{
	run_any();
	rig_config(&rig)->direction = DIR_OUT;
	is_up(5, "veth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "out 5 l2; ");
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
	CHECK_STR(what_was_told(), "out 5 l2; ");
}

static void test_down_comes_up(void)
{
	run_any();
	is_down(5, "veth0"), is_down(5, "veth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "");
	is_up(5, "veth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "out 5 l2; ");
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
	CHECK_STR(what_was_told(), "iface 0 eth1; clean 3; out 3 l2; in 3 l2; ");
	clock_now += 200 * MSEC;
	CHECK_INT(links_attach_due(&rig.c), 0);
	CHECK_STR(what_was_told(), "iface 1 eth0; clean 2; out 2 l2; in 2 l2; ");
	/* who is named is attached whether up or not: in another namespace it is up */
	start();
	rig.ifaces[0] = "eth0";
	is_down(2, "eth0");
	links_watch(&rig.c, own);
	what_was_told();
	CHECK_INT(links_attach(&rig.c), 0);
	CHECK_STR(what_was_told(), "iface 0 eth0; clean 2; out 2 l2; in 2 l2; ");
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
	CHECK_STR(what_was_told(), "undo in 2 gone; undo out 2 gone; out 2 l2; ");
	CHECK(lookup(2) != before && lookup(2)->present && !before->present);
	CHECK_INT(link_announce(&rig.c, lookup(2)), 0);
	CHECK_STR(what_was_told(), "iface 1 eth0; ");
	CHECK_INT(lookup(2)->iface.id, 1);
	CHECK_INT(before->iface.id, 0);
	CHECK(!links_all_gone(&rig.c));
	clock_now += 1;
	CHECK_INT(links_attach_due(&rig.c), 0);
	CHECK_STR(what_was_told(), "in 2 l2; ");
}

/* Of devices that come and go only those stay that have had packets, and those that others have heard of. */
static void test_come_and_go(void)
{
	struct link *heard, *counted;

	run_any();
	is_up(2, "eth0"), is_up(3, "heard"), is_up(4, "counted");
	CHECK_INT(hear(), 0);
	heard = lookup(3), counted = lookup(4);
	CHECK_INT(link_announce(&rig.c, heard), 0);
	counted->gone_received = 7;
	is_gone(3, "heard"), is_gone(4, "counted");
	CHECK_INT(hear(), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		is_up(5 + i, "veth0"), is_gone(5 + i, "veth0");
		is_down(5000 + i, "veth1"), is_gone(5000 + i, "veth1");
		CHECK_INT(hear(), 0);
		what_was_told();
	}
	CHECK(rig_nlinks(&rig) < 150);
	CHECK(lookup(2)->present && lookup(2)->egress.active);
	CHECK(lookup(3) == heard && lookup(4) == counted && lookup(5) == NULL);
	/* their numbers are given again */
	is_up(5, "veth0");
	CHECK_INT(hear(), 0);
	CHECK(lookup(5)->present);
	links_count(&rig.c);
	CHECK_INT(counted->iface.received, 7);
}

/* The same device: what is attached to it stays. */
static void test_renamed(void)
{
	const struct link *before;

	run_eth0();
	before = lookup(2);
	clock_now += MSEC;
	is_up(2, "wan0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "iface 1 wan0; ");
	CHECK(!before->present && lookup(2) != before && lookup(2)->present);
	CHECK_STR(before->iface.name, "eth0");
	CHECK_STR(lookup(2)->iface.name, "wan0");
	CHECK(lookup(2)->before == before && lookup(2)->since == clock_now);
	CHECK(!links_all_gone(&rig.c));
	/* again, and down at the same time, as before Linux 6.2 */
	is_down(2, "wan0"), is_down(2, "wan1"), is_up(2, "wan1");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "iface 2 wan1; ");
	/* another one gets the name that is asked for */
	is_up(3, "eth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "out 3 l2; ");
	/* it is taken off once */
	is_gone(2, "wan1");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "undo in 2 gone; undo out 2 gone; ");
	links_detach(&rig.c);
	CHECK_STR(what_was_told(), "undo out 3; ");
}

static void test_renamed_while_unfinished(void)
{
	run_any();
	is_up(2, "eth0");
	CHECK_INT(hear(), 0);
	is_up(2, "wan0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "out 2 l2; iface 0 eth0; iface 1 wan0; in 2 l2; ");
	CHECK(lookup(2)->ingress.active && lookup(2)->egress.active);
	links_attach_due(&rig.c);
	CHECK_STR(what_was_told(), "");
}

/* Nobody has heard of the old name. */
static void test_renamed_before_it_is_up(void)
{
	run_any();
	is_down(2, "veth123"), is_down(2, "eth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "");
	CHECK_INT(rig_nlinks(&rig), 1);
	is_up(2, "eth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "out 2 l2; ");
}

static void test_gets_the_altname(void)
{
	run_eth0();
	rig.ifaces[0] = "enx02";
	is_up(3, "eth1");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "");
	is_up(3, "eth1"), also_named("enx02\0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "out 3 l2; ");
	links_attach_due(&rig.c);
	what_was_told();
	/* and loses it */
	is_up(3, "eth1");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "");
	CHECK(lookup(3)->present);
}

/* Later devices shift the numbers of the list. */
static void test_numbers_are_those_of_the_start(void)
{
	start();
	rig.ifaces[0] = "1";
	is_up(2, "eth0");
	run();
	is_gone(2, "eth0"), is_up(3, "eth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "undo in 2 gone; undo out 2 gone; ");
}

static struct link *handed[2];

static void hand_over(struct capture *c, struct link *from, struct link *to)
{
	handed[0] = from;
	handed[1] = to;
}

static void told_up(struct capture *c, struct link *link)
{
	told("up %s; ", link->iface.name);
}

/* A backend that opens its devices itself: it only hears of names. */
static void test_renamed_without_programs(void)
{
	struct link *before;

	start();
	rig.backend.programs = false;
	rig.backend.renamed = hand_over;
	rig.backend.up = told_up;
	rig_without_programs(&rig);
	before = links_add(&rig.c, own, "eth0", 2, DLT_IEEE802_11);
	link_announce(&rig.c, before);
	is_up(2, "eth0"), is_up(3, "eth1");
	CHECK_INT(links_watch(&rig.c, own), 0);
	what_was_told();
	CHECK_INT(rig_nlinks(&rig), 1);
	is_down(2, "eth0"), is_down(2, "wlan0"), is_up(2, "wlan0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "iface 1 wlan0; up wlan0; ");
	CHECK(handed[0] == before && handed[1] == lookup(2));
	CHECK_INT(lookup(2)->iface.dlt, DLT_IEEE802_11);
	is_gone(2, "wlan0");
	CHECK_INT(hear(), 0);
	CHECK(lookup(2)->present);
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
	CHECK_STR(what_was_told(), "setns 77; out 2 l2; setns -1; ");
	is_gone(2, "eth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "undo in 2 gone; undo out 2 gone; ");
	CHECK(!lookup(2)->present && links_lookup(&rig.c, OTHER_INODE, 2)->present);
	setns_error = ENOENT;
	CHECK_INT(links_news(&rig.c, other), -ENOENT);
}

/* What a namespace is called becomes known late: who has seen a packet of its interface hears of another one. */
static void test_name_of_namespace(void)
{
	struct netns *other;

	start();
	rig_any(&rig);
	other = rig_netns(&rig, OTHER_INODE, OTHER_FD);
	is_up(2, "eth0"), is_up(3, "lo");
	links_watch(&rig.c, other);
	run();
	links_lookup(&rig.c, OTHER_INODE, 2)->shown = true;
	clock_now += MSEC;
	CHECK_INT(netns_set_name(&rig.c, other, "web", false), 0);
	CHECK_STR(what_was_told(), "iface 2 eth0 other web; ");
	CHECK_STR(links_lookup(&rig.c, OTHER_INODE, 3)->iface.netns_name, "web");
	CHECK(links_lookup(&rig.c, OTHER_INODE, 2)->before && !links_lookup(&rig.c, OTHER_INODE, 3)->before);
	CHECK_INT(netns_set_name(&rig.c, other, "web", false), 0);
	CHECK_INT(netns_set_name(&rig.c, own, "web", false), 0);
	CHECK_STR(what_was_told(), "");
}

/* Our end of a pair is left out where the other end is seen, unless it is asked for. */
static void test_pair_of_a_chosen_namespace(void)
{
	struct netns *other;

	start();
	rig_any(&rig);
	rig.ifaces[0] = "any", rig.ifaces[1] = "veth3";
	rig_config(&rig)->chosen_netns = true;
	other = rig_netns(&rig, OTHER_INODE, OTHER_FD);
	other->nsid = -1;
	run();
	is_pair(2, "veth2", 5), is_pair(3, "veth3", 5), is_up(4, "docker0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "out 2 l2; out 3 l2; out 4 l2; ");
	other->chosen = true;
	nsid_found = 6;
	is_pair(2, "veth2", 5);
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "nsid of 77; in 2 l2; ");
	other->nsid = 5;
	is_pair(2, "veth2", 5), is_pair(3, "veth3", 5), is_pair(5, "veth5", 5), is_pair(6, "veth6", -1);
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "undo in 2; undo out 2; in 3 l2; out 6 l2; ");
	CHECK(!lookup(2)->present && lookup(3)->present && !lookup(5));
	/* in the namespace itself, and where nothing was chosen beside our own */
	is_pair(2, "eth0", 5);
	CHECK_INT(links_news(&rig.c, other), 0);
	CHECK(links_lookup(&rig.c, OTHER_INODE, 2)->present);
	rig_config(&rig)->chosen_netns = false;
	is_pair(5, "veth5", 5);
	CHECK_INT(hear(), 0);
	CHECK(lookup(5)->present);
}

/* It came from where we have not heard yet that it left: our program is still there. */
static void test_still_attached_elsewhere(void)
{
	run_any();
	nattached = 0;
	attach_errors[0] = attach_errors[1] = -EEXIST;
	is_up(2, "eth0");
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "out 2 l2; ");
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

/* Another backend's way, with results of its own. */
static int attach_any_way(struct capture *c, struct link *link)
{
	int err = nattached < 8 ? attach_errors[nattached] : 0;

	nattached++;
	told("attach %u; ", link->iface.ifindex);
	return err;
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
	CHECK_STR(what_was_told(), "warning: cannot capture on 'eth0': File exists; ");
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
	CHECK_STR(what_was_told(), "attach 2; attach 2; ");
	CHECK_INT(lookup(2)->egress.ifindex, 2);
}

static void test_missed_news(void)
{
	struct netns *other;

	start();
	rig_any(&rig);
	other = rig_netns(&rig, OTHER_INODE, OTHER_FD);
	is_up(2, "eth0"), is_up(3, "eth1"), is_up(5, "eth3");
	links_watch(&rig.c, own);
	is_up(4, "eth2");
	links_watch(&rig.c, other);
	run();
	read_error = -ENOBUFS;
	only_ifindex = 3;
	name_error = ENXIO;
	CHECK_INT(hear(), 0);
	CHECK_STR(what_was_told(), "undo in 2 gone; undo out 2 gone; undo in 5 gone; undo out 5 gone; dump; ");
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

int main(void)
{
	RUN(test_appears_up);
	RUN(test_egress_of_all_comes_first);
	RUN(test_pair_is_told_later);
	RUN(test_one_side_is_finished);
	RUN(test_appears_down);
	RUN(test_down_comes_up);
	RUN(test_down_goes_away);
	RUN(test_down_at_first);
	RUN(test_unwanted);
	RUN(test_vanishes);
	RUN(test_never_all_gone);
	RUN(test_comes_back);
	RUN(test_come_and_go);
	RUN(test_renamed);
	RUN(test_renamed_while_unfinished);
	RUN(test_renamed_before_it_is_up);
	RUN(test_name_of_namespace);
	RUN(test_pair_of_a_chosen_namespace);
	RUN(test_gets_the_altname);
	RUN(test_numbers_are_those_of_the_start);
	RUN(test_renamed_without_programs);
	RUN(test_moves_to_another_namespace);
	RUN(test_still_attached_elsewhere);
	RUN(test_still_attached_for_ever);
	RUN(test_other_backends);
	RUN(test_missed_news);
	RUN(test_forget_tcx);
	RUN(test_forget_clsact);
	RUN(test_forget_one_side);
	RUN(test_detach);
	start();
	rig_done(&rig);
	return check_status();
}
