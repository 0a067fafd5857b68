/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ALTIFNAMSIZ of linux/if.h, which cannot stand beside net/if.h. */
#define ALTNAME_SIZE 128

int rtnl_open(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int size = 1 << 20, err;

	if (fd < 0)
		return -errno;
	/* Hundreds of containers starting at once: news that do not fit cost a new dump. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int rtnl_dump(int fd)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg info;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			    .nlmsg_seq = 1 },
		.info = { .ifi_family = AF_UNSPEC },
	};

	if (send(fd, &request, sizeof(request), 0) != (ssize_t)sizeof(request))
		return -errno;
	return 0;
}

/*
 * The names are moved together within the attribute that they came in: each had a header in front of it, so that there is
 * room for the empty one at the end.
 */
static const char *altnames_parse(struct rtattr *list)
{
	char *const start = RTA_DATA(list);
	char *to = start;
	int left = (int)RTA_PAYLOAD(list);

	for (struct rtattr *attr = RTA_DATA(list), *next; RTA_OK(attr, left); attr = next) {
		const char *name = RTA_DATA(attr);
		const size_t n = strnlen(name, RTA_PAYLOAD(attr));
		const bool is_name = (attr->rta_type & NLA_TYPE_MASK) == IFLA_ALT_IFNAME && n > 0;

		/* The header is overwritten. */
		next = RTA_NEXT(attr, left);
		if (!is_name)
			continue;
		memmove(to, name, n);
		to[n] = '\0';
		to += n + 1;
	}
	if (to == start)
		return NULL;
	*to = '\0';
	return start;
}

/* Its kind makes pairs. */
static bool makes_pairs(struct rtattr *info)
{
	static const char *const kinds[] = { "veth", "netkit" };
	int left = (int)RTA_PAYLOAD(info);

	for (struct rtattr *attr = RTA_DATA(info); RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if (attr->rta_type != IFLA_INFO_KIND)
			continue;
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
			const size_t n = strlen(kinds[i]);

			if (RTA_PAYLOAD(attr) >= n && strncmp(RTA_DATA(attr), kinds[i], RTA_PAYLOAD(attr)) == 0)
				return true;
		}
	}
	return false;
}

static uint32_t attr_u32(struct rtattr *attr)
{
	uint32_t v = 0;

	if (RTA_PAYLOAD(attr) >= sizeof(v))
		memcpy(&v, RTA_DATA(attr), sizeof(v));
	return v;
}

static void attr_parse(struct rtattr *attr, struct rtnl_link *ret)
{
	const size_t n = RTA_PAYLOAD(attr);

	switch (attr->rta_type & NLA_TYPE_MASK) {
	case IFLA_IFNAME:
		if (n > 0)
			memcpy(ret->name, RTA_DATA(attr), n < sizeof(ret->name) ? n : sizeof(ret->name) - 1);
		break;
	case IFLA_PROP_LIST: ret->altnames = altnames_parse(attr); break;
	case IFLA_LINKINFO: ret->pair = makes_pairs(attr); break;
	case IFLA_LINK_NETNSID:
		if (n >= sizeof(ret->peer_nsid))
			memcpy(&ret->peer_nsid, RTA_DATA(attr), sizeof(ret->peer_nsid));
		break;
	case IFLA_MASTER: ret->master = attr_u32(attr); break;
	default: break;
	}
}

static int link_parse(struct nlmsghdr *msg, struct rtnl_link *ret)
{
	struct ifinfomsg *info = NLMSG_DATA(msg);
	int left;

	if (msg->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return -EBADMSG;
	memset(ret, 0, sizeof(*ret));
	ret->ifindex = (uint32_t)info->ifi_index;
	ret->type = info->ifi_type;
	ret->flags = info->ifi_flags;
	ret->gone = msg->nlmsg_type == RTM_DELLINK;
	ret->peer_nsid = -1;
	left = (int)IFLA_PAYLOAD(msg);
	for (struct rtattr *attr = IFLA_RTA(info); RTA_OK(attr, left); attr = RTA_NEXT(attr, left))
		attr_parse(attr, ret);
	return 0;
}

static int message_handle(struct nlmsghdr *msg, const struct rtnl_handler *handler, bool *done)
{
	struct rtnl_link link;
	int err;

	switch (msg->nlmsg_type) {
	case NLMSG_DONE: *done = true; return 0;
	case NLMSG_ERROR:
		if (msg->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
			return -EBADMSG;
		err = ((struct nlmsgerr *)NLMSG_DATA(msg))->error;
		*done = true;
		return err;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		err = link_parse(msg, &link);
		/* Bridges tell of their ports with the family AF_BRIDGE, and "port gone" is not "device gone". */
		if (err || ((struct ifinfomsg *)NLMSG_DATA(msg))->ifi_family != AF_UNSPEC)
			return err;
		return handler->link(handler->arg, &link);
	}
	return 0;
}

int rtnl_read(int fd, const struct rtnl_handler *handler, bool *done)
{
	_Alignas(struct nlmsghdr) char buf[32768];
	bool dummy, *end = done ? done : &dummy;

	for (*end = false; !*end;) {
		struct nlmsghdr *msg = (struct nlmsghdr *)(void *)buf;
		struct sockaddr_nl from = { 0 };
		socklen_t fromlen = sizeof(from);
		/* A dump's answers are produced by the recv calls themselves: they never have to be waited for. */
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &fromlen);
		int len; /* signed: the padding of the last message may be missing, and NLMSG_NEXT takes it away */

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (from.nl_pid != 0)
			continue;
		for (len = (int)n; NLMSG_OK(msg, len); msg = NLMSG_NEXT(msg, len)) {
			int err = message_handle(msg, handler, end);

			if (err)
				return err;
		}
	}
	return 0;
}

bool rtnl_link_named(const struct rtnl_link *link, const char *name)
{
	if (strcmp(link->name, name) == 0)
		return true;
	for (const char *alt = link->altnames; alt && *alt; alt += strlen(alt) + 1) {
		if (strcmp(alt, name) == 0)
			return true;
	}
	return false;
}

static int find_request(int fd, const char *name)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg info;
		struct rtattr attr;
		char name[ALTNAME_SIZE];
	} request = {
		.header = { .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST, .nlmsg_seq = 1 },
		.info = { .ifi_family = AF_UNSPEC },
		/* The kernel looks among both kinds, but takes only so many bytes for the first. */
		.attr = { .rta_type = strlen(name) < IF_NAMESIZE ? IFLA_IFNAME : IFLA_ALT_IFNAME },
	};
	const size_t n = strlen(name) + 1;

	if (n > sizeof(request.name))
		return -ENODEV;
	memcpy(request.name, name, n);
	request.attr.rta_len = (unsigned short)RTA_LENGTH(n);
	request.header.nlmsg_len = NLMSG_LENGTH(sizeof(request.info)) + RTA_SPACE(n);
	return send(fd, &request, request.header.nlmsg_len, 0) < 0 ? -errno : 0;
}

int rtnl_find(const char *name, const struct rtnl_handler *handler)
{
	_Alignas(struct nlmsghdr) char buf[32768];
	struct nlmsghdr *msg = (struct nlmsghdr *)(void *)buf;
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	bool done;
	ssize_t n;
	int err;

	if (fd < 0)
		return -errno;
	err = find_request(fd, name);
	if (!err) {
		do
			n = recv(fd, buf, sizeof(buf), 0);
		while (n < 0 && errno == EINTR);
		err = n < 0 ? -errno : -EBADMSG;
		if (n > 0 && NLMSG_OK(msg, (int)n))
			err = message_handle(msg, handler, &done);
	}
	close(fd);
	return err;
}

static int nsid_request(int fd, int ns)
{
	struct {
		struct nlmsghdr header;
		struct rtgenmsg any;
		_Alignas(NLMSG_ALIGNTO) struct rtattr attr;
		int ns;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETNSID,
			    .nlmsg_flags = NLM_F_REQUEST,
			    .nlmsg_seq = 1 },
		.any = { .rtgen_family = AF_UNSPEC },
		.attr = { .rta_len = RTA_LENGTH(sizeof(ns)), .rta_type = NETNSA_FD },
		.ns = ns,
	};

	_Static_assert(offsetof(__typeof__(request), attr) == NLMSG_LENGTH(NLMSG_ALIGN(sizeof(struct rtgenmsg))),
		       "the attribute follows the aligned header");
	return send(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request) ? 0 : -errno;
}

static int nsid_parse(struct nlmsghdr *msg)
{
	int left = (int)(msg->nlmsg_len - NLMSG_LENGTH(NLMSG_ALIGN(sizeof(struct rtgenmsg)))), nsid = -1;
	struct rtattr *attr = (void *)((char *)NLMSG_DATA(msg) + NLMSG_ALIGN(sizeof(struct rtgenmsg)));

	for (; msg->nlmsg_type == RTM_NEWNSID && RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if (attr->rta_type == NETNSA_NSID && RTA_PAYLOAD(attr) >= sizeof(nsid))
			memcpy(&nsid, RTA_DATA(attr), sizeof(nsid));
	}
	return nsid;
}

int rtnl_nsid(int ns)
{
	_Alignas(struct nlmsghdr) char buf[4096];
	struct nlmsghdr *msg = (struct nlmsghdr *)(void *)buf;
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int nsid = -1;
	ssize_t n = -1;

	if (fd < 0)
		return nsid;
	if (!nsid_request(fd, ns)) {
		do
			n = recv(fd, buf, sizeof(buf), 0);
		while (n < 0 && errno == EINTR);
	}
	if (n > 0 && NLMSG_OK(msg, (int)n))
		nsid = nsid_parse(msg);
	close(fd);
	return nsid;
}

static void filter_options_parse(struct rtattr *options, struct rtnl_filter *ret)
{
	int left = (int)RTA_PAYLOAD(options);

	for (struct rtattr *attr = RTA_DATA(options); RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if (attr->rta_type == TCA_BPF_ID && RTA_PAYLOAD(attr) >= sizeof(ret->prog_id))
			memcpy(&ret->prog_id, RTA_DATA(attr), sizeof(ret->prog_id));
	}
}

static int filter_parse(struct nlmsghdr *msg, struct rtnl_filter *ret)
{
	struct tcmsg *tc = NLMSG_DATA(msg);
	struct rtattr *options = NULL;
	bool bpf = false;
	int left;

	if (msg->nlmsg_len < NLMSG_LENGTH(sizeof(*tc)))
		return -EBADMSG;
	*ret = (struct rtnl_filter){ .handle = tc->tcm_handle, .priority = TC_H_MAJ(tc->tcm_info) >> 16 };
	left = (int)TCA_PAYLOAD(msg);
	for (struct rtattr *attr = TCA_RTA(tc); RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if (attr->rta_type == TCA_KIND)
			bpf = RTA_PAYLOAD(attr) >= 4 && memcmp(RTA_DATA(attr), "bpf", 4) == 0;
		else if (attr->rta_type == TCA_OPTIONS)
			options = attr;
	}
	if (bpf && options)
		filter_options_parse(options, ret);
	return 0;
}

static int filters_request(int fd, uint32_t ifindex, bool ingress)
{
	struct {
		struct nlmsghdr header;
		struct tcmsg tc;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETTFILTER,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			    .nlmsg_seq = 1 },
		.tc = { .tcm_family = AF_UNSPEC,
			.tcm_ifindex = (int)ifindex,
			.tcm_parent = TC_H_MAKE(TC_H_CLSACT, ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS) },
	};

	return send(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request) ? 0 : -errno;
}

int rtnl_filters(uint32_t ifindex, bool ingress, int (*found)(void *arg, const struct rtnl_filter *filter), void *arg)
{
	_Alignas(struct nlmsghdr) char buf[32768];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), err;
	bool done = false;

	if (fd < 0)
		return -errno;
	err = filters_request(fd, ifindex, ingress);
	while (!err && !done) {
		struct nlmsghdr *msg = (struct nlmsghdr *)(void *)buf;
		ssize_t n = recv(fd, buf, sizeof(buf), 0);
		int len = n > 0 ? (int)n : 0; /* signed, as above */

		if (n < 0 && errno != EINTR)
			err = -errno;
		for (; !err && !done && NLMSG_OK(msg, len); msg = NLMSG_NEXT(msg, len)) {
			struct rtnl_filter filter;

			/* An error here is "no such qdisc" or "no such device". */
			done = msg->nlmsg_type == NLMSG_DONE || msg->nlmsg_type == NLMSG_ERROR;
			if (msg->nlmsg_type != RTM_NEWTFILTER)
				continue;
			err = filter_parse(msg, &filter);
			if (!err)
				err = found(arg, &filter);
		}
	}
	close(fd);
	return err;
}

int rtnl_ask_open(void)
{
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? -errno : fd;
}

bool rtnl_is_local(int fd, const uint32_t address[4])
{
	const bool v4 = address[0] == 0 && address[1] == 0 && address[2] == htonl(0xffff);
	struct {
		struct nlmsghdr header;
		struct rtmsg route;
		struct rtattr attr;
		uint32_t address[4];
	} request = {
		.header = { .nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST },
		.route = { .rtm_family = v4 ? AF_INET : AF_INET6, .rtm_dst_len = v4 ? 32 : 128 },
		.attr = { .rta_type = RTA_DST, .rta_len = (uint16_t)RTA_LENGTH(v4 ? 4 : 16) },
	};
	struct {
		struct nlmsghdr header;
		struct rtmsg route;
		uint8_t attributes[1024];
	} answer;
	ssize_t n;

	request.header.nlmsg_len = (uint32_t)(offsetof(__typeof__(request), address) + (v4 ? 4 : 16));
	memcpy(request.address, v4 ? &address[3] : address, v4 ? 4 : 16);
	if (send(fd, &request, request.header.nlmsg_len, 0) < 0)
		return false;
	n = recv(fd, &answer, sizeof(answer), 0);
	return n >= (ssize_t)(sizeof(answer.header) + sizeof(answer.route)) &&
	       answer.header.nlmsg_type == RTM_NEWROUTE && answer.route.rtm_type == RTN_LOCAL;
}
