/* SPDX-License-Identifier: BSD-3-Clause */
/* What is counted of an interface, from the first packet until after it has gone. */
#include "links_rig.h"

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
	run_eth0();
	rig.ifaces[1] = "eth1";
	count_at(slots[2], 10);
	is_up(2 + IFACE_SLOTS, "eth1");
	CHECK_INT(hear(), 0);
	check_counted(2 + IFACE_SLOTS, 0, 0);
	CHECK_INT(slots[2][0].key.ifindex, 2);
	CHECK_INT(nhash, 1);
	CHECK_INT(hash[0].key.ifindex, 2 + IFACE_SLOTS);
	CHECK_INT(hash[0].key.netns, OWN_INODE);
	count_at(hash[0].n, 20);
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

int main(void)
{
	RUN(test_counters);
	RUN(test_counters_start);
	RUN(test_counters_in_the_hash);
	RUN(test_counters_of_namespaces);
	RUN(test_counters_when_gone);
	RUN(test_counters_when_renamed);
	RUN(test_counters_when_forgotten);
	RUN(test_counters_while_unfinished);
	RUN(test_counters_before);
	start();
	rig_done(&rig);
	return check_status();
}
