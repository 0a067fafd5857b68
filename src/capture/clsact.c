/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/clsact.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/rtnl.h"

enum { MESSAGES = 2, SIZE = 512 };

/* Messages one after the other, each numbered from 1. */
struct request {
	_Alignas(struct nlmsghdr) char data[SIZE];
	size_t len;
	unsigned n;
	struct nlmsghdr *last;
};

static struct tcmsg *begin(struct request *q, uint16_t type, uint16_t flags, uint32_t ifindex)
{
	struct tcmsg *tc;

	q->last = (struct nlmsghdr *)(void *)(q->data + q->len);
	*q->last = (struct nlmsghdr){ .nlmsg_len = NLMSG_LENGTH(sizeof(*tc)),
				      .nlmsg_type = type,
				      .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags),
				      .nlmsg_seq = ++q->n };
	tc = NLMSG_DATA(q->last);
	*tc = (struct tcmsg){ .tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex };
	q->len += NLMSG_ALIGN(q->last->nlmsg_len);
	return tc;
}

/* What it says, with all that is put until it is ended, is within the last message. */
static struct rtattr *put(struct request *q, uint16_t type, const void *p, size_t n)
{
	struct rtattr *attr = (struct rtattr *)(void *)(q->data + q->len);

	attr->rta_type = type;
	attr->rta_len = (uint16_t)RTA_LENGTH(n);
	if (n)
		memcpy(RTA_DATA(attr), p, n);
	q->len += RTA_ALIGN(attr->rta_len);
	q->last->nlmsg_len = (uint32_t)(q->data + q->len - (char *)q->last);
	return attr;
}

/* "NAME:[ID]", by which tc and bpftool know it, as libbpf would name it. */
static int program_name(int prog_fd, char *name, size_t size)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	const int err = bpf_obj_get_info_by_fd(prog_fd, &info, &len);

	snprintf(name, size, "%s:[%u]", info.name, info.id);
	return err;
}

static void put_qdisc(struct request *q, uint32_t ifindex)
{
	struct tcmsg *tc = begin(q, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ifindex);

	tc->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	tc->tcm_parent = TC_H_CLSACT;
	put(q, TCA_KIND, "clsact", sizeof("clsact"));
}

static void put_filter(struct request *q, uint16_t type, uint16_t flags, const struct clsact_filter *filter)
{
	struct tcmsg *tc = begin(q, type, flags, filter->ifindex);

	tc->tcm_handle = filter->handle;
	tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, filter->ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
	tc->tcm_info = TC_H_MAKE(filter->priority << 16, htons(ETH_P_ALL));
	put(q, TCA_KIND, "bpf", sizeof("bpf"));
}

static void put_program(struct request *q, int prog_fd, const char *name)
{
	const uint32_t flags = TCA_BPF_FLAG_ACT_DIRECT;
	struct rtattr *options = put(q, TCA_OPTIONS, NULL, 0);

	put(q, TCA_BPF_FD, &prog_fd, sizeof(prog_fd));
	put(q, TCA_BPF_NAME, name, strlen(name) + 1);
	put(q, TCA_BPF_FLAGS, &flags, sizeof(flags));
	options->rta_len = (uint16_t)(q->data + q->len - (char *)options);
}

/* What became of each message, in the order of their numbers. -errno: that is not known. */
static int answers(int fd, const struct request *q, int *errors)
{
	_Alignas(struct nlmsghdr) char buf[8192];

	for (unsigned n = 0; n < q->n;) {
		struct nlmsghdr *msg = (struct nlmsghdr *)(void *)buf;
		const ssize_t got = recv(fd, buf, sizeof(buf), 0);
		int len = (int)got; /* signed: NLMSG_NEXT takes the padding away, too, which may be missing */

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		for (; NLMSG_OK(msg, len); msg = NLMSG_NEXT(msg, len)) {
			if (msg->nlmsg_type != NLMSG_ERROR || msg->nlmsg_seq != n + 1 || n == q->n ||
			    msg->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
				return -EBADMSG;
			errors[n++] = ((struct nlmsgerr *)NLMSG_DATA(msg))->error;
		}
	}
	return 0;
}

static int ask(const struct request *q, int errors[MESSAGES])
{
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (send(fd, q->data, q->len, 0) != (ssize_t)q->len)
		err = -errno;
	if (!err)
		err = answers(fd, q, errors);
	close(fd);
	return err;
}

/*
 * Whether the place of the qdisc is free. To ask for one of the kind that the kernel itself puts there when it takes another
 * away tells so by its error, and nobody is notified, as of one that is found.
 */
static int check_free(uint32_t ifindex)
{
	struct request q = { .len = 0 };
	int errors[MESSAGES] = { 0 }, err;

	begin(&q, RTM_GETQDISC, 0, ifindex)->tcm_parent = TC_H_CLSACT;
	put(&q, TCA_KIND, "noop", sizeof("noop"));
	err = ask(&q, errors);
	if (err)
		return err;
	return errors[0] == -EINVAL ? -EEXIST : errors[0] == -ENOENT ? 0 : errors[0];
}

static void delete_filter(const struct clsact_filter *filter)
{
	struct request q = { .len = 0 };
	int errors[MESSAGES];

	put_filter(&q, RTM_DELTFILTER, 0, filter);
	ask(&q, errors);
}

static int delete_qdisc(uint32_t ifindex)
{
	struct request q = { .len = 0 };
	int errors[MESSAGES] = { 0 }, err;
	struct tcmsg *tc = begin(&q, RTM_DELQDISC, 0, ifindex);

	tc->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	tc->tcm_parent = TC_H_CLSACT;
	put(&q, TCA_KIND, "clsact", sizeof("clsact"));
	err = ask(&q, errors);
	return err ? err : errors[0];
}

int clsact_create(const struct clsact_filter *filter, int prog_fd)
{
	struct request q = { .len = 0 };
	int errors[MESSAGES] = { 0 }, err;
	char name[BPF_OBJ_NAME_LEN + 16];

	err = program_name(prog_fd, name, sizeof(name));
	if (!err)
		err = check_free(filter->ifindex);
	if (err)
		return err;
	put_qdisc(&q, filter->ifindex);
	put_filter(&q, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, filter);
	put_program(&q, prog_fd, name);
	err = ask(&q, errors);
	if (err)
		return err;
	/* Somebody has made one since: the filter would say that it is ours. */
	if (errors[0] && !errors[1])
		delete_filter(filter);
	if (!errors[0] && errors[1])
		delete_qdisc(filter->ifindex);
	return errors[0] ? errors[0] : errors[1];
}

static int filter_of_others(void *arg, const struct rtnl_filter *f)
{
	const struct clsact_filter *ours = arg;

	/* Each priority is listed before its filters, without a handle. */
	return !(ours && f->priority == ours->priority && (f->handle == ours->handle || !f->handle));
}

bool clsact_remove(const struct clsact_filter *filter)
{
	struct clsact_filter ours = *filter;

	return rtnl_filters(ours.ifindex, ours.ingress, filter_of_others, &ours) == 0 &&
	       rtnl_filters(ours.ifindex, !ours.ingress, filter_of_others, NULL) == 0 &&
	       delete_qdisc(ours.ifindex) == 0;
}
