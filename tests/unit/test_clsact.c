/* SPDX-License-Identifier: BSD-3-Clause */
/* A clsact qdisc comes and goes with its filter, in one request; what others have is not touched. */
#include "capture/clsact.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "tc_rig.h"

enum { PROG_ID = 77, HANDLE = 0x70740001 };

static const struct clsact_filter filter = { .ifindex = IFINDEX, .handle = HANDLE, .priority = 3 };

/* --- the kernel ---------------------------------------------------------------------- */

static struct {
	int place;	   /* the error for who asks what is in the qdisc's place */
	int qdisc, filter; /* of making it */
	int delete;
	int send, info;
	bool lies; /* answers are of another request */
	_Alignas(struct nlmsghdr) uint8_t answer[4096];
	size_t nanswer;
} world;

static void start(void)
{
	memset(&world, 0, sizeof(world));
	memset(&listed, 0, sizeof(listed));
	world.place = -ENOENT;
	what_was_told();
}

static const struct rtattr *attr_of(const struct nlmsghdr *msg, unsigned type)
{
	int left = (int)msg->nlmsg_len - (int)NLMSG_LENGTH(sizeof(struct tcmsg));

	for (struct rtattr *a = TCA_RTA(NLMSG_DATA(msg)); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == type)
			return a;
	}
	return NULL;
}

static void tell_program(const struct rtattr *options)
{
	int left = (int)RTA_PAYLOAD(options);

	for (struct rtattr *a = RTA_DATA(options); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == TCA_BPF_NAME)
			told(" '%s'", (const char *)RTA_DATA(a));
		else
			told(" %u=%u", a->rta_type, *(const uint32_t *)RTA_DATA(a));
	}
}

static int message(const struct nlmsghdr *msg)
{
	const struct tcmsg *tc = NLMSG_DATA(msg);
	const struct rtattr *options = attr_of(msg, TCA_OPTIONS);

	if (!(msg->nlmsg_flags & NLM_F_ACK) || tc->tcm_ifindex != IFINDEX)
		abort();
	told("%s", (const char *)RTA_DATA(attr_of(msg, TCA_KIND)));
	if (tc->tcm_info)
		told(" prio %u proto %x handle %x parent %x", tc->tcm_info >> 16, ntohs(tc->tcm_info & 0xffff),
		     tc->tcm_handle, tc->tcm_parent);
	else if (tc->tcm_parent != TC_H_CLSACT)
		abort();
	if (options)
		tell_program(options);
	switch (msg->nlmsg_type) {
	case RTM_GETQDISC: told(" there?; "); return world.place;
	case RTM_NEWQDISC:
	case RTM_NEWTFILTER:
		told("%s; ", msg->nlmsg_flags & NLM_F_EXCL && msg->nlmsg_flags & NLM_F_CREATE ? " new" : " bad");
		return msg->nlmsg_type == RTM_NEWQDISC ? world.qdisc : world.filter;
	case RTM_DELQDISC:
	case RTM_DELTFILTER: told(" del; "); return world.delete;
	default: abort();
	}
}

static void put_answer(const struct nlmsghdr *to, int error)
{
	struct nlmsghdr *answer = (void *)(world.answer + world.nanswer);
	struct nlmsgerr *err = NLMSG_DATA(answer);

	*answer = (struct nlmsghdr){ .nlmsg_len = NLMSG_LENGTH(sizeof(*err)),
				     .nlmsg_type = NLMSG_ERROR,
				     .nlmsg_seq = to->nlmsg_seq + world.lies };
	*err = (struct nlmsgerr){ .error = error, .msg = *to };
	world.nanswer += NLMSG_ALIGN(answer->nlmsg_len);
}

FAKE(ssize_t, send, int fd, const void *buf, size_t n, int flags)
{
	const uint8_t *p = buf, *const end = p + n;

	if (fd < 0 || flags)
		abort();
	if (world.send) {
		errno = world.send;
		return -1;
	}
	told("[");
	while (p < end) {
		const struct nlmsghdr *msg = (const void *)p;

		put_answer(msg, message(msg));
		p += NLMSG_ALIGN(msg->nlmsg_len);
	}
	told("] ");
	return (ssize_t)n;
}

FAKE(ssize_t, recv, int fd, void *buf, size_t size, int flags)
{
	const size_t n = world.nanswer;

	/* It waits for ever where nothing is to come. */
	if (fd < 0 || flags || !n || n > size)
		abort();
	memcpy(buf, world.answer, n);
	world.nanswer = 0;
	return (ssize_t)n;
}

FAKE(int, bpf_obj_get_info_by_fd, int fd, void *info, uint32_t *len)
{
	struct bpf_prog_info *p = info;

	if (fd != PROG_FD || *len != sizeof(*p))
		abort();
	p->id = PROG_ID;
	snprintf(p->name, sizeof(p->name), "ptcp_l2");
	return world.info;
}

/* --- making it ------------------------------------------------------------------------ */

#define THERE "[noop there?; ] "
#define BOTH(parent) "[clsact new; bpf prio 3 proto 3 handle 70740001 parent " parent " 6=50 'ptcp_l2:[77]' 8=1 new; ] "

static void test_both_at_once(void)
{
	struct clsact_filter ingress = filter;

	start();
	CHECK_INT(clsact_create(&filter, PROG_FD), 0);
	CHECK_STR(what_was_told(), THERE BOTH("fffffff3"));
	/* the kernel has taken one away before */
	start();
	world.place = 0;
	ingress.ingress = true;
	CHECK_INT(clsact_create(&ingress, PROG_FD), 0);
	CHECK_STR(what_was_told(), THERE BOTH("fffffff2"));
}

static void test_there_is_one(void)
{
	start();
	world.place = -EINVAL;
	CHECK_INT(clsact_create(&filter, PROG_FD), -EEXIST);
	CHECK_STR(what_was_told(), THERE);
}

/* Somebody makes one meanwhile: a filter of ours that says that the qdisc is ours does not stay. */
static void test_there_is_one_now(void)
{
	start();
	world.qdisc = -EEXIST;
	CHECK_INT(clsact_create(&filter, PROG_FD), -EEXIST);
	CHECK_STR(what_was_told(),
		  THERE BOTH("fffffff3") "[bpf prio 3 proto 3 handle 70740001 parent fffffff3 del; ] ");
	start();
	world.qdisc = -EEXIST;
	world.filter = -EEXIST;
	CHECK_INT(clsact_create(&filter, PROG_FD), -EEXIST);
	CHECK_STR(what_was_told(), THERE BOTH("fffffff3"));
}

static void test_no_filter(void)
{
	start();
	world.filter = -ENOENT; /* no cls_bpf */
	CHECK_INT(clsact_create(&filter, PROG_FD), -ENOENT);
	CHECK_STR(what_was_told(), THERE BOTH("fffffff3") "[clsact del; ] ");
}

static void test_errors(void)
{
	start();
	world.place = -ENODEV;
	CHECK_INT(clsact_create(&filter, PROG_FD), -ENODEV);
	start();
	world.send = EPERM;
	CHECK_INT(clsact_create(&filter, PROG_FD), -EPERM);
	start();
	world.info = -EBADF;
	CHECK_INT(clsact_create(&filter, PROG_FD), -EBADF);
	start();
	world.lies = true;
	CHECK_INT(clsact_create(&filter, PROG_FD), -EBADMSG);
}

/* --- taking it away --------------------------------------------------------------------- */

static void test_remove(void)
{
	start();
	put_filter(false, 0, 3, PROG_ID), put_filter(false, HANDLE, 3, PROG_ID);
	CHECK(clsact_remove(&filter));
	CHECK_STR(what_was_told(), "[clsact del; ] ");
	start();
	world.delete = -EPERM;
	put_filter(false, HANDLE, 3, PROG_ID);
	CHECK(!clsact_remove(&filter));
}

static void test_others_use_it(void)
{
	static const struct clsact_filter others[] = {
		{ .ingress = true, .handle = HANDLE, .priority = 3 },
		{ .ingress = true, .handle = 0, .priority = 49152 },
		{ .handle = HANDLE, .priority = 4 },
		{ .handle = HANDLE - 1, .priority = 3 },
		{ .handle = 0, .priority = 2 },
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		start();
		put_filter(false, HANDLE, 3, PROG_ID);
		put_filter(others[i].ingress, others[i].handle, others[i].priority, PROG_ID);
		CHECK(!clsact_remove(&filter));
		CHECK_STR(what_was_told(), "");
	}
}

static void test_descriptors(void)
{
	const int fd = dup(0);

	close(fd);
	start();
	clsact_create(&filter, PROG_FD);
	world.send = EPERM;
	clsact_create(&filter, PROG_FD);
	CHECK_INT(dup(0), fd);
	close(fd);
}

int main(void)
{
	RUN(test_both_at_once);
	RUN(test_there_is_one);
	RUN(test_there_is_one_now);
	RUN(test_no_filter);
	RUN(test_errors);
	RUN(test_remove);
	RUN(test_others_use_it);
	RUN(test_descriptors);
	return check_status();
}
