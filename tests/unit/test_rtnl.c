/* SPDX-License-Identifier: BSD-3-Clause */
/* News of links and lists of filters, from messages of our own: many, cut, with lengths that lie. */
#include "capture/rtnl.h"

#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "fake.h"

/* --- the kernel's side ------------------------------------------------------------- */

static struct {
	uint8_t data[4096];
	size_t n;
	int error; /* instead of it */
	uint32_t from;
} datagrams[64];
static unsigned ndatagrams, next_datagram;
static bool faked; /* else the kernel answers */
static uint8_t sent[256];
static size_t nsent;
static int send_error, socket_error, bind_error, force_error;

ssize_t __real_recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *from, socklen_t *fromlen);
ssize_t __real_send(int fd, const void *buf, size_t n, int flags);
int __real_socket(int family, int type, int protocol);
int __real_bind(int fd, const struct sockaddr *addr, socklen_t n);

static struct nlmsghdr *stale_message(void *at);
static void error_message(int error);

/* What lies behind the datagram in the buffer looks like a message, too. */
static ssize_t datagram_take(void *buf, size_t size, uint32_t *from)
{
	const size_t stale = stale_message(buf)->nlmsg_len;
	unsigned i = next_datagram;

	if (i == ndatagrams) {
		errno = EAGAIN;
		return -1;
	}
	next_datagram++;
	if (datagrams[i].error) {
		errno = datagrams[i].error;
		return -1;
	}
	for (size_t at = NLMSG_ALIGN(datagrams[i].n); at + stale <= size; at += stale)
		stale_message((uint8_t *)buf + at);
	memcpy(buf, datagrams[i].data, datagrams[i].n);
	*from = datagrams[i].from;
	return (ssize_t)datagrams[i].n;
}

FAKE(ssize_t, recvfrom, int fd, void *buf, size_t size, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	struct sockaddr_nl *nl = (void *)from;

	if (!faked)
		return __real_recvfrom(fd, buf, size, flags, from, fromlen);
	return datagram_take(buf, size, &nl->nl_pid);
}

FAKE(ssize_t, recv, int fd, void *buf, size_t size, int flags)
{
	uint32_t from;
	ssize_t n = datagram_take(buf, size, &from);

	/* It waits for ever where there is nothing to come. */
	if (n < 0 && errno == EAGAIN)
		abort();
	return n;
}

FAKE(ssize_t, send, int fd, const void *buf, size_t n, int flags)
{
	if (!faked)
		return __real_send(fd, buf, n, flags);
	if (send_error) {
		errno = send_error;
		return -1;
	}
	nsent = n < sizeof(sent) ? n : sizeof(sent);
	memcpy(sent, buf, nsent);
	return (ssize_t)n;
}

FAKE(int, socket, int family, int type, int protocol)
{
	if (socket_error) {
		errno = socket_error;
		return -1;
	}
	return __real_socket(family, type, protocol);
}

FAKE(int, bind, int fd, const struct sockaddr *addr, socklen_t n)
{
	if (bind_error) {
		errno = bind_error;
		return -1;
	}
	return __real_bind(fd, addr, n);
}

FAKE(int, setsockopt, int fd, int level, int name, const void *value, socklen_t n)
{
	told("%s %d ", name == SO_RCVBUFFORCE ? "force" : "ask", *(const int *)value);
	errno = name == SO_RCVBUFFORCE ? force_error : 0;
	return errno ? -1 : 0;
}

/* --- messages ------------------------------------------------------------------------- */

static uint8_t message[4096] __attribute__((aligned(8)));
static struct nlmsghdr *const header = (struct nlmsghdr *)message;

static void put_attribute_at(void *msg, uint16_t type, const void *data, size_t n)
{
	struct nlmsghdr *h = msg;
	struct rtattr *a = (void *)((uint8_t *)msg + NLMSG_ALIGN(h->nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(n);
	memcpy(RTA_DATA(a), data, n);
	h->nlmsg_len = (uint32_t)(NLMSG_ALIGN(h->nlmsg_len) + RTA_ALIGN(a->rta_len));
}

static void put_attribute(uint16_t type, const void *data, size_t n)
{
	put_attribute_at(message, type, data, n);
}

static void begin(uint16_t type, size_t payload)
{
	memset(message, 0, sizeof(message));
	header->nlmsg_type = type;
	header->nlmsg_len = (uint32_t)NLMSG_LENGTH(payload);
}

static struct ifinfomsg *begin_link(uint16_t type, int ifindex)
{
	struct ifinfomsg *info = NLMSG_DATA(header);

	begin(type, sizeof(*info));
	info->ifi_index = ifindex;
	info->ifi_type = ARPHRD_ETHER;
	return info;
}

static void link_message(uint16_t type, int ifindex, const char *name)
{
	begin_link(type, ifindex);
	put_attribute(IFLA_IFNAME, name, strlen(name) + 1);
}

static struct nlmsghdr *stale_message(void *at)
{
	struct nlmsghdr *h = at;
	struct ifinfomsg *info = NLMSG_DATA(h);

	memset(at, 0, NLMSG_LENGTH(sizeof(*info)));
	h->nlmsg_type = RTM_NEWLINK;
	h->nlmsg_len = NLMSG_LENGTH(sizeof(*info));
	info->ifi_index = 666;
	put_attribute_at(at, IFLA_IFNAME, "stale", 6);
	return h;
}

/* One datagram more, of n bytes of the message. */
static void datagram(size_t n)
{
	memcpy(datagrams[ndatagrams].data, message, n);
	datagrams[ndatagrams++].n = n;
}

/* The message goes into the same datagram as the one before. */
static void append(void)
{
	const unsigned i = ndatagrams - 1;

	memcpy(datagrams[i].data + datagrams[i].n, message, header->nlmsg_len);
	datagrams[i].n += NLMSG_ALIGN(header->nlmsg_len);
}

static void datagram_error(int error)
{
	datagrams[ndatagrams++].error = error;
}

static void start(void)
{
	memset(datagrams, 0, sizeof(datagrams));
	memset(sent, 0, sizeof(sent));
	ndatagrams = next_datagram = 0;
	nsent = 0;
	faked = true;
	send_error = socket_error = bind_error = force_error = 0;
	what_was_told();
}

static int refuse_ifindex, refuse_with;

static int link_seen(void *arg, const struct rtnl_link *link)
{
	told("%s%u %s ", link->gone ? "-" : "", link->ifindex, link->name);
	*(struct rtnl_link *)arg = *link;
	return (int)link->ifindex == refuse_ifindex ? refuse_with : 0;
}

static struct rtnl_link last;
static const struct rtnl_handler handler = { .arg = &last, .link = link_seen };

static int read_all(bool *done)
{
	memset(&last, 0, sizeof(last));
	return rtnl_read(3, &handler, done);
}

/* --- links ------------------------------------------------------------------------------- */

static void test_link(void)
{
	struct ifinfomsg *info;

	start();
	info = begin_link(RTM_NEWLINK, 7);
	info->ifi_type = ARPHRD_NONE;
	info->ifi_flags = IFF_UP | IFF_RUNNING;
	put_attribute(IFLA_MTU, "\0\0\0", 4);
	put_attribute(IFLA_IFNAME, "wg0", 4);
	put_attribute(IFLA_IFALIAS, "other", 6);
	datagram(header->nlmsg_len);
	CHECK_INT(read_all(NULL), 0);
	CHECK_STR(what_was_told(), "7 wg0 ");
	CHECK_INT(last.type, ARPHRD_NONE);
	CHECK_INT(last.flags, IFF_UP | IFF_RUNNING);
	CHECK_INT(last.gone, false);
}

static const char *all_names(const struct rtnl_link *link)
{
	static char text[4096];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s", link->name);

	for (const char *alt = link->altnames; alt && *alt; alt += strlen(alt) + 1)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s", alt);
	return text;
}

static int names_seen(void *arg, const struct rtnl_link *link)
{
	told("%s; ", all_names(link));
	return 0;
}

static const struct rtnl_handler names_handler = { .link = names_seen };

/* Attributes within the list of properties. */
static uint8_t list[512] __attribute__((aligned(8)));
static size_t nlist;

static void property(uint16_t type, const char *value, size_t n)
{
	struct rtattr *a = (void *)(list + nlist);

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(n);
	memcpy(RTA_DATA(a), value, n);
	nlist += RTA_ALIGN(a->rta_len);
}

/* Which devices come in pairs, and where the other end is. */
static void test_altnames(void)
{
	static char longest[128];

	start();
	nlist = 0;
	memset(longest, 'x', 127);
	property(IFLA_ALT_IFNAME, "enp0s3", 7), property(IFLA_ALT_IFNAME, longest, 128),
		property(IFLA_ALT_IFNAME, "a", 2);
	link_message(RTM_NEWLINK, 2, "eth0"), put_attribute(IFLA_PROP_LIST | NLA_F_NESTED, list, nlist);
	put_attribute(IFLA_MTU, "\0\0\0", 4);
	datagram(header->nlmsg_len);
	link_message(RTM_NEWLINK, 3, "eth1"), append();
	CHECK_INT(rtnl_read(3, &names_handler, NULL), 0);
	CHECK(strncmp(what_was_told(), "eth0 enp0s3 xxx", 15) == 0);
	CHECK(strstr(told_taken, "x a; eth1; "));
}

/* Names without an end, of no length, other properties, lengths that lie. */
static void test_odd_altnames(void)
{
	start();
	nlist = 0;
	property(IFLA_ALT_IFNAME, "abcd", 4), property(IFLA_ALT_IFNAME, "", 0), property(IFLA_ALT_IFNAME, "\0x", 3);
	property(IFLA_ALT_IFNAME + 1, "no", 3), property(IFLA_ALT_IFNAME, "efgh", 4);
	link_message(RTM_NEWLINK, 2, "eth0"), put_attribute(IFLA_PROP_LIST | NLA_F_NESTED, list, nlist);
	datagram(header->nlmsg_len);
	nlist = 0;
	property(IFLA_ALT_IFNAME, "ok", 3), property(IFLA_ALT_IFNAME, "cut", 4);
	((struct rtattr *)(void *)(list + 8))->rta_len = 60;
	link_message(RTM_NEWLINK, 3, "eth1"), put_attribute(IFLA_PROP_LIST | NLA_F_NESTED, list, nlist), append();
	link_message(RTM_NEWLINK, 4, "eth2"), put_attribute(IFLA_PROP_LIST | NLA_F_NESTED, list, 0), append();
	CHECK_INT(rtnl_read(3, &names_handler, NULL), 0);
	CHECK_STR(what_was_told(), "eth0 abcd efgh; eth1 ok; eth2; ");
}

static void test_pairs(void)
{
	static const struct {
		const char *kind;
		size_t n, nsid; /* bytes */
		bool pair;
	} links[] = {
		{ "veth", 5, 4, true },	    { "veth", 4, 4, true }, { "netkit", 7, 4, true },
		{ "veth", 5, 0, true },	    { "veth", 5, 2, true }, { "vethx", 6, 4, false },
		{ "macvlan", 8, 4, false }, { "vet", 3, 4, false }, { "", 0, 4, false },
	};
	const uint32_t master = 9;
	const int nsid = 3;

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		start();
		nlist = 0;
		property(IFLA_INFO_DATA, "veth", 5), property(IFLA_INFO_KIND, links[i].kind, links[i].n);
		link_message(RTM_NEWLINK, 2, "v0"), put_attribute(IFLA_LINKINFO | NLA_F_NESTED, list, nlist);
		if (links[i].nsid)
			put_attribute(IFLA_LINK_NETNSID, (const char *)&nsid, links[i].nsid);
		if (i == 0)
			put_attribute(IFLA_MASTER, (const char *)&master, sizeof(master));
		datagram(header->nlmsg_len);
		CHECK_INT(read_all(NULL), 0);
		what_was_told();
		CHECK_INT(last.pair, links[i].pair);
		CHECK_INT(last.peer_nsid, links[i].nsid == 4 ? nsid : -1);
		CHECK_INT(last.master, i == 0 ? master : 0);
	}
}

static void test_named(void)
{
	const struct rtnl_link link = { .name = "eth0", .altnames = "enp0s3\0enx02\0" }, plain = { .name = "lo" };

	CHECK(rtnl_link_named(&link, "eth0") && rtnl_link_named(&link, "enp0s3") && rtnl_link_named(&link, "enx02"));
	CHECK(!rtnl_link_named(&link, "") && !rtnl_link_named(&link, "enx0") && !rtnl_link_named(&link, "enx022"));
	CHECK(rtnl_link_named(&plain, "lo") && !rtnl_link_named(&plain, ""));
}

/* By a name that is short, the kernel is asked for one of either kind, else for the other one. */
static void test_find(void)
{
	static const struct {
		const char *name;
		uint16_t type;
	} names[] = { { "lo", IFLA_IFNAME },
		      { "name-of-15-byte", IFLA_IFNAME },
		      { "name-of-16-bytes", IFLA_ALT_IFNAME } };
	const struct rtattr *attr = (void *)(sent + NLMSG_LENGTH(sizeof(struct ifinfomsg)));
	char longest[129];

	for (size_t i = 0; i < 3; i++) {
		start();
		link_message(RTM_NEWLINK, 2, "eth0"), datagram(header->nlmsg_len);
		CHECK_INT(rtnl_find(names[i].name, &names_handler), 0);
		CHECK_STR(what_was_told(), "eth0; ");
		CHECK_INT(((struct nlmsghdr *)(void *)sent)->nlmsg_type, RTM_GETLINK);
		CHECK_INT(((struct nlmsghdr *)(void *)sent)->nlmsg_flags, NLM_F_REQUEST);
		CHECK_INT(attr->rta_type, names[i].type);
		CHECK_STR((const char *)RTA_DATA(attr), names[i].name);
	}
	memset(longest, 'x', sizeof(longest));
	longest[128] = '\0';
	start();
	CHECK_INT(rtnl_find(longest, &names_handler), -ENODEV);
	CHECK_INT(nsent, 0);
	longest[127] = '\0';
	error_message(-ENODEV), datagram(header->nlmsg_len);
	CHECK_INT(rtnl_find(longest, &names_handler), -ENODEV);
	start();
	datagram_error(EINTR), datagram_error(ENOBUFS);
	CHECK_INT(rtnl_find("eth0", &names_handler), -ENOBUFS);
	start();
	datagram(0);
	CHECK_INT(rtnl_find("eth0", &names_handler), -EBADMSG);
	send_error = EPERM;
	CHECK_INT(rtnl_find("eth0", &names_handler), -EPERM);
	socket_error = EMFILE;
	CHECK_INT(rtnl_find("eth0", &names_handler), -EMFILE);
}

static void test_link_gone(void)
{
	start();
	link_message(RTM_DELLINK, 7, "eth0");
	datagram(header->nlmsg_len);
	CHECK_INT(read_all(NULL), 0);
	CHECK_STR(what_was_told(), "-7 eth0 ");
}

/* "Port gone" of a bridge is not "device gone". */
static void test_bridge_ports(void)
{
	start();
	link_message(RTM_DELLINK, 7, "eth0");
	((struct ifinfomsg *)NLMSG_DATA(header))->ifi_family = AF_BRIDGE;
	datagram(header->nlmsg_len);
	CHECK_INT(read_all(NULL), 0);
	CHECK_STR(what_was_told(), "");
}

static void test_many_in_a_buffer(void)
{
	bool done = true;

	start();
	link_message(RTM_NEWLINK, 1, "lo"), datagram(header->nlmsg_len);
	link_message(RTM_NEWLINK, 2, "eth0"), append();
	begin(RTM_NEWADDR, 40), append();
	link_message(RTM_DELLINK, 3, "name-of-15-byte"), append();
	link_message(RTM_NEWLINK, 4, "d"), datagram(header->nlmsg_len);
	CHECK_INT(read_all(&done), 0);
	CHECK_STR(what_was_told(), "1 lo 2 eth0 -3 name-of-15-byte 4 d ");
	CHECK_INT(done, false);
}

/* Up to the end of a dump; what comes later is left. */
static void test_dump_ends(void)
{
	bool done = false;

	start();
	link_message(RTM_NEWLINK, 1, "lo"), datagram(header->nlmsg_len);
	begin(NLMSG_DONE, 4), append();
	link_message(RTM_NEWLINK, 2, "eth0"), datagram(header->nlmsg_len);
	CHECK_INT(read_all(&done), 0);
	CHECK_INT(done, true);
	CHECK_STR(what_was_told(), "1 lo ");
	CHECK_INT(read_all(&done), 0);
	CHECK_INT(done, false);
	CHECK_STR(what_was_told(), "2 eth0 ");
}

static void error_message(int error)
{
	begin(NLMSG_ERROR, sizeof(struct nlmsgerr));
	((struct nlmsgerr *)NLMSG_DATA(header))->error = error;
}

static void test_error(void)
{
	bool done = false;

	start();
	error_message(-EPERM);
	datagram(header->nlmsg_len);
	CHECK_INT(read_all(&done), -EPERM);
	CHECK_INT(done, true);
	/* none: an acknowledgement */
	done = false;
	error_message(0);
	datagram(header->nlmsg_len);
	link_message(RTM_NEWLINK, 2, "eth0"), datagram(header->nlmsg_len);
	CHECK_INT(read_all(&done), 0);
	CHECK_INT(done, true);
	CHECK_STR(what_was_told(), "");
}

static void test_error_of_the_handler(void)
{
	start();
	refuse_ifindex = 2;
	refuse_with = -ENOMEM;
	link_message(RTM_NEWLINK, 1, "lo"), datagram(header->nlmsg_len);
	link_message(RTM_NEWLINK, 2, "eth0"), append();
	link_message(RTM_NEWLINK, 3, "eth1"), append();
	CHECK_INT(read_all(NULL), -ENOMEM);
	CHECK_STR(what_was_told(), "1 lo 2 eth0 ");
	refuse_ifindex = 0;
}

/* Not the kernel: any process may send to us. */
static void test_from_somebody(void)
{
	start();
	link_message(RTM_DELLINK, 1, "lo"), datagram(header->nlmsg_len);
	datagrams[0].from = 4711;
	link_message(RTM_NEWLINK, 2, "eth0"), datagram(header->nlmsg_len);
	CHECK_INT(read_all(NULL), 0);
	CHECK_STR(what_was_told(), "2 eth0 ");
}

static void test_errors_of_reading(void)
{
	start();
	datagram_error(EINTR);
	link_message(RTM_NEWLINK, 2, "eth0"), datagram(header->nlmsg_len);
	datagram(0);
	link_message(RTM_NEWLINK, 3, "eth1"), datagram(header->nlmsg_len);
	datagram_error(ENOBUFS);
	datagram_error(EBADF);
	CHECK_INT(read_all(NULL), -ENOBUFS);
	CHECK_STR(what_was_told(), "2 eth0 3 eth1 ");
	CHECK_INT(read_all(NULL), -EBADF);
	CHECK_INT(read_all(NULL), 0);
}

/* --- cut, and lengths that lie ---------------------------------------------------------------- */

static void test_cut_messages(void)
{
	link_message(RTM_NEWLINK, 5, "eth0");
	for (size_t n = 0; n < header->nlmsg_len; n++) {
		start();
		datagram(n);
		CHECK_INT(read_all(NULL), 0);
		CHECK_STR(what_was_told(), "");
	}
}

/* Its length says that it is shorter: less is told, or it is refused. */
static void test_short_messages(void)
{
	uint32_t whole;

	link_message(RTM_NEWLINK, 5, "eth0");
	whole = header->nlmsg_len;
	for (uint32_t n = 0; n < whole; n++) {
		start();
		link_message(RTM_NEWLINK, 5, "eth0");
		header->nlmsg_len = n;
		datagram(n);
		/* less than a header is no message */
		CHECK_INT(read_all(NULL),
			  n >= NLMSG_HDRLEN && n < NLMSG_LENGTH(sizeof(struct ifinfomsg)) ? -EBADMSG : 0);
		CHECK_STR(what_was_told(), n < NLMSG_LENGTH(sizeof(struct ifinfomsg)) ? ""
					   : n < whole - 3			      ? "5  "
										      : "5 eth0 ");
	}
	for (uint32_t n = NLMSG_HDRLEN; n <= NLMSG_LENGTH(sizeof(struct nlmsgerr)); n++) {
		start();
		error_message(-EPERM);
		header->nlmsg_len = n;
		datagram(n);
		CHECK_INT(read_all(NULL), n < NLMSG_LENGTH(sizeof(struct nlmsgerr)) ? -EBADMSG : -EPERM);
	}
}

/* Names are not longer than the kernel makes them, whatever is sent. */
static void test_names(void)
{
	start();
	link_message(RTM_NEWLINK, 1, "name-of-16-bytes"), datagram(header->nlmsg_len);
	link_message(RTM_NEWLINK, 2, "a-name-that-is-far-too-long-for-any-device"), append();
	begin_link(RTM_NEWLINK, 3), put_attribute(IFLA_IFNAME, "name-of-16-bytes", 16), append();
	begin_link(RTM_NEWLINK, 4), put_attribute(IFLA_IFNAME, "no-end", 6), append();
	begin_link(RTM_NEWLINK, 5), put_attribute(IFLA_IFNAME, "", 0), append();
	begin_link(RTM_NEWLINK, 6), append();
	CHECK_INT(read_all(NULL), 0);
	CHECK_STR(what_was_told(), "1 name-of-16-byte 2 a-name-that-is- 3 name-of-16-byte 4 no-end 5  6  ");
}

/* The first attribute's length is any number. */
static void test_attribute_lengths(void)
{
	static const uint16_t lengths[] = { 0, 1, 3, 8, 9, 255, 65535 };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		start();
		link_message(RTM_NEWLINK, 5, "eth0");
		((struct rtattr *)IFLA_RTA(NLMSG_DATA(header)))->rta_len = lengths[i];
		datagram(header->nlmsg_len);
		CHECK_INT(read_all(NULL), 0);
		CHECK_STR(what_was_told(), lengths[i] == 8 ? "5 eth0 " : lengths[i] == 9 ? "5 eth0 " : "5  ");
	}
}

/* A message that ends where the padding would be: nothing of what lies behind in the buffer is read. */
static void test_message_without_padding(void)
{
	for (uint32_t n = 0; n < 4; n++) {
		start();
		begin(RTM_NEWADDR, 16 + n);
		datagram(header->nlmsg_len);
		CHECK_INT(read_all(NULL), 0);
		CHECK_STR(what_was_told(), "");
	}
}

/* --- opening and asking ------------------------------------------------------------------------ */

static void test_open(void)
{
	struct sockaddr_nl addr = { 0 };
	socklen_t n = sizeof(addr);
	int fd;

	start();
	fd = rtnl_open();
	CHECK(fd >= 0);
	getsockname(fd, (struct sockaddr *)&addr, &n);
	close(fd);
	CHECK_INT(addr.nl_groups, RTMGRP_LINK);
	CHECK_STR(what_was_told(), "force 1048576 ");
	force_error = EPERM;
	CHECK_INT(rtnl_open(), fd);
	close(fd);
	CHECK_STR(what_was_told(), "force 1048576 ask 1048576 ");
	bind_error = EADDRINUSE;
	CHECK_INT(rtnl_open(), -EADDRINUSE);
	bind_error = 0;
	CHECK_INT(rtnl_open(), fd); /* the one before was closed */
	close(fd);
	socket_error = EMFILE;
	CHECK_INT(rtnl_open(), -EMFILE);
}

static void test_dump_request(void)
{
	struct nlmsghdr h;

	start();
	CHECK_INT(rtnl_dump(3), 0);
	memcpy(&h, sent, sizeof(h));
	CHECK_INT(nsent, 32);
	CHECK_INT(h.nlmsg_len, 32);
	CHECK_INT(h.nlmsg_type, RTM_GETLINK);
	CHECK_INT(h.nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
	send_error = ENETDOWN;
	CHECK_INT(rtnl_dump(3), -ENETDOWN);
}

/* As the kernel does it: there is a loopback device everywhere. */
static void test_real_dump(void)
{
	bool done = false;
	int fd;

	start();
	faked = false;
	fd = rtnl_open();
	CHECK(fd >= 0);
	CHECK_INT(rtnl_dump(fd), 0);
	what_was_told();
	CHECK_INT(rtnl_read(fd, &handler, &done), 0);
	close(fd);
	CHECK_INT(done, true);
	CHECK(strstr(what_was_told(), "1 lo "));
}

/* --- filters --------------------------------------------------------------------------------------- */

static int filter_verdict;

static int filter_seen(void *arg, const struct rtnl_filter *filter)
{
	told("%u %x %u ", filter->priority, filter->handle, filter->prog_id);
	return filter_verdict;
}

static int list_filters(void)
{
	return rtnl_filters(9, true, filter_seen, NULL);
}

static void begin_filter(uint32_t priority, uint32_t handle)
{
	struct tcmsg *tc = NLMSG_DATA(header);

	begin(RTM_NEWTFILTER, sizeof(*tc));
	tc->tcm_handle = handle;
	tc->tcm_info = TC_H_MAKE(priority << 16, 0x0300);
}

/* The option with the program's number, in n bytes. */
static void put_options(uint16_t type, uint32_t id, size_t n)
{
	uint8_t options[64] __attribute__((aligned(4))) = { 0 };
	struct rtattr *first = (void *)options, *a = (void *)(options + 8);

	first->rta_type = TCA_BPF_FD;
	first->rta_len = 8;
	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(n);
	memcpy(RTA_DATA(a), &id, sizeof(id));
	put_attribute(TCA_OPTIONS, options, 8 + RTA_LENGTH(n));
}

static void bpf_filter(uint32_t priority, uint32_t handle, uint32_t id)
{
	begin_filter(priority, handle);
	put_attribute(TCA_KIND, "bpf", 4);
	put_options(TCA_BPF_ID, id, 4);
}

static void end_of_list(void)
{
	begin(NLMSG_DONE, 4);
	datagram(header->nlmsg_len);
}

static void test_filters(void)
{
	start();
	bpf_filter(1, 0x70740001, 33), datagram(header->nlmsg_len);
	begin_filter(2, 5), put_options(TCA_BPF_ID, 44, 4), put_attribute(TCA_KIND, "bpf", 4), append();
	begin_filter(3, 6), put_attribute(TCA_KIND, "u32", 4), put_options(TCA_BPF_ID, 55, 4), append();
	begin_filter(4, 7), put_attribute(TCA_KIND, "bpf", 3), put_options(TCA_BPF_ID, 55, 4), append();
	begin_filter(5, 8), put_attribute(TCA_KIND, "bpf", 4), append();
	begin_filter(6, 9), put_attribute(TCA_KIND, "bpf", 4), put_options(TCA_BPF_ID, 55, 3), append();
	begin_filter(7, 10), put_attribute(TCA_KIND, "bpf", 4), put_options(TCA_BPF_TAG, 55, 4), append();
	begin(RTM_DELTFILTER, sizeof(struct tcmsg)), append();
	begin_filter(8, 11), put_options(TCA_BPF_ID, 55, 4), append();
	datagram_error(EINTR);
	end_of_list();
	CHECK_INT(list_filters(), 0);
	CHECK_STR(what_was_told(), "1 70740001 33 2 5 44 3 6 0 4 7 0 5 8 0 6 9 0 7 a 0 8 b 0 ");
}

static void test_filters_end(void)
{
	start();
	bpf_filter(1, 1, 33), datagram(header->nlmsg_len);
	begin(NLMSG_DONE, 4), append();
	bpf_filter(2, 2, 44), append();
	CHECK_INT(list_filters(), 0);
	CHECK_STR(what_was_told(), "1 1 33 ");
	/* no such qdisc */
	start();
	error_message(-EINVAL), datagram(header->nlmsg_len);
	CHECK_INT(list_filters(), 0);
	start();
	bpf_filter(1, 1, 33), datagram(header->nlmsg_len), append();
	filter_verdict = 1;
	CHECK_INT(list_filters(), 1);
	filter_verdict = 0;
	CHECK_STR(what_was_told(), "1 1 33 ");
}

static void test_filters_fail(void)
{
	start();
	datagram_error(ENOBUFS);
	CHECK_INT(list_filters(), -ENOBUFS);
	start();
	begin(RTM_NEWTFILTER, sizeof(struct tcmsg) - 1), datagram(header->nlmsg_len);
	CHECK_INT(list_filters(), -EBADMSG);
	start();
	send_error = EPERM;
	CHECK_INT(list_filters(), -EPERM);
	start();
	socket_error = EMFILE;
	CHECK_INT(list_filters(), -EMFILE);
}

static void test_filters_cut(void)
{
	size_t whole;

	bpf_filter(1, 1, 33);
	whole = header->nlmsg_len;
	for (size_t n = 0; n < whole; n++) {
		start();
		bpf_filter(1, 1, 33), datagram(n);
		end_of_list();
		CHECK_INT(list_filters(), 0);
		CHECK_STR(what_was_told(), "");
	}
	for (uint32_t n = NLMSG_LENGTH(sizeof(struct tcmsg)); n < whole; n++) {
		start();
		bpf_filter(1, 1, 33);
		header->nlmsg_len = n;
		datagram(n);
		end_of_list();
		CHECK_INT(list_filters(), 0);
		CHECK_STR(what_was_told(), "1 1 0 ");
	}
}

static void test_filters_request(void)
{
	struct {
		struct nlmsghdr h;
		struct tcmsg tc;
	} q;
	const int fd = dup(0);

	close(fd);

	for (int ingress = 0; ingress < 2; ingress++) {
		start();
		end_of_list();
		CHECK_INT(rtnl_filters(9, ingress, filter_seen, NULL), 0);
		CHECK_INT(nsent, sizeof(q));
		memcpy(&q, sent, sizeof(q));
		CHECK_INT(q.h.nlmsg_len, sizeof(q));
		CHECK_INT(q.h.nlmsg_type, RTM_GETTFILTER);
		CHECK_INT(q.h.nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
		CHECK_INT(q.tc.tcm_ifindex, 9);
		CHECK_INT(q.tc.tcm_parent, ingress ? 0xfffffff2 : 0xfffffff3);
	}
	/* no socket stays open */
	CHECK_INT(dup(0), fd);
	close(fd);
}

int main(void)
{
	RUN(test_link);
	RUN(test_pairs);
	RUN(test_altnames);
	RUN(test_odd_altnames);
	RUN(test_named);
	RUN(test_find);
	RUN(test_link_gone);
	RUN(test_bridge_ports);
	RUN(test_many_in_a_buffer);
	RUN(test_dump_ends);
	RUN(test_error);
	RUN(test_error_of_the_handler);
	RUN(test_from_somebody);
	RUN(test_errors_of_reading);
	RUN(test_cut_messages);
	RUN(test_short_messages);
	RUN(test_names);
	RUN(test_attribute_lengths);
	RUN(test_message_without_padding);
	RUN(test_open);
	RUN(test_dump_request);
	RUN(test_real_dump);
	RUN(test_filters);
	RUN(test_filters_end);
	RUN(test_filters_fail);
	RUN(test_filters_cut);
	RUN(test_filters_request);
	return check_status();
}
