/* SPDX-License-Identifier: BSD-3-Clause */
/* What ctnetlink is asked, and what its answers tell, whatever is in them. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "capture/conntrack.h"
#include "check.h"
#include "fake.h"

static uint8_t sent[512], answer[512];
static size_t sent_len, answer_len;

FAKE(ssize_t, send, int fd, const void *p, size_t n, int flags)
{
	memcpy(sent, p, n);
	sent_len = n;
	return (ssize_t)n;
}

static unsigned forged; /* so many messages of another process come first */

FAKE(ssize_t, recvfrom, int fd, void *p, size_t n, int flags, struct sockaddr *from, socklen_t *len)
{
	const struct sockaddr_nl sender = { .nl_family = AF_NETLINK, .nl_pid = forged ? 4321 : 0 };

	memcpy(from, &sender, sizeof(sender));
	*len = sizeof(sender);
	if (forged) {
		forged--;
		memset(p, 0x5a, 64);
		return 64;
	}
	if (!answer_len) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(p, answer, answer_len < n ? answer_len : n);
	return (ssize_t)answer_len;
}

static const struct flow_key v4 = { .l = { 0, 0, 0, 0x0100000a },
				    .r = { 0, 0, 0, 0x0200000a },
				    .netns = 7,
				    .lport = 53,
				    .rport = 1000,
				    .proto = IPPROTO_UDP };

static struct flow_key key(bool ipv6)
{
	struct flow_key k = v4;

	k.l[2] = k.r[2] = htonl(0xffff);
	if (ipv6)
		k.l[0] = k.r[0] = htonl(0xfd000000);
	return k;
}

static void attribute(uint16_t type, const void *data, uint16_t n)
{
	const struct nlattr a = { .nla_len = (uint16_t)(sizeof(a) + n), .nla_type = type };

	memcpy(answer + answer_len, &a, sizeof(a));
	if (data)
		memcpy(answer + answer_len + sizeof(a), data, n);
	answer_len += sizeof(a) + (data ? (size_t)NLA_ALIGN(n) : 0);
}

static void header(uint16_t type)
{
	const struct nlmsghdr h = { .nlmsg_type = type };

	memset(answer, 0, sizeof(answer));
	memcpy(answer, &h, sizeof(h));
	answer_len = sizeof(h);
}

static void finish(void)
{
	const uint32_t n = (uint32_t)answer_len;

	memcpy(answer, &n, sizeof(n));
}

static void tuple(uint16_t type, bool ipv6, const uint32_t *src, const uint32_t *dst, uint16_t sport, uint16_t dport)
{
	const uint16_t size = ipv6 ? 16 : 4;
	const uint8_t proto = IPPROTO_UDP;

	attribute(type | NLA_F_NESTED, NULL, (uint16_t)(2 * 4 + 2 * (4 + size) + 8 + 2 * 8));
	attribute(CTA_TUPLE_IP | NLA_F_NESTED, NULL, (uint16_t)(2 * (4 + size)));
	attribute(ipv6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, src, size);
	attribute(ipv6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, dst, size);
	attribute(CTA_TUPLE_PROTO | NLA_F_NESTED, NULL, 3 * 8);
	attribute(CTA_PROTO_NUM, &proto, 1);
	attribute(CTA_PROTO_SRC_PORT, &sport, 2);
	attribute(CTA_PROTO_DST_PORT, &dport, 2);
}

/* The receiver's own addresses and ports are 9 where those of the question are not. */
static void found(bool ipv6)
{
	const uint32_t src[4] = { 9, 9, 9, 9 }, dst[4] = { 2, 2, 2, 2 };

	header(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW);
	answer_len += sizeof(struct nfgenmsg);
	attribute(CTA_STATUS, src, 4);
	tuple(CTA_TUPLE_REPLY, ipv6, src, dst, 8053, 1000);
	finish();
}

/* The question's tuple is that of answers. */
static void found_by_answer(bool ipv6)
{
	const struct flow_key k = key(ipv6);
	const uint32_t src[4] = { 9, 9, 9, 9 }, dst[4] = { 8, 8, 8, 8 };

	header(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW);
	answer_len += sizeof(struct nfgenmsg);
	tuple(CTA_TUPLE_ORIG, ipv6, src, dst, 9053, 8000);
	tuple(CTA_TUPLE_REPLY, ipv6, ipv6 ? k.r : &k.r[3], ipv6 ? k.l : &k.l[3], k.rport, k.lport);
	finish();
}

/* Whoever owns the namespace may send to our socket. */
static void test_forged(void)
{
	const struct flow_key k = key(false);
	struct flow_key to;

	forged = 2;
	found(false);
	CHECK_INT(conntrack_ask(7, &k, &to), 0);
	CHECK_INT(to.l[3], 9);
	CHECK_INT((int)forged, 0);
}

static void test_receiver_after_nat(void)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		const struct flow_key k = key(ipv6);
		struct flow_key to;

		found(ipv6);
		CHECK_INT(conntrack_ask(3, &k, &to), 0);
		CHECK_INT(to.l[3], 9);
		CHECK_INT(to.r[3], 2);
		CHECK_INT(to.l[0], ipv6 ? 9 : 0);
		CHECK_INT(to.lport, 8053);
		CHECK_INT(to.rport, 1000);
		CHECK_INT(to.netns, 7);
		CHECK_INT(to.proto, IPPROTO_UDP);
	}
}

static void test_receiver_of_answers(void)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		const struct flow_key k = key(ipv6);
		struct flow_key to;

		found_by_answer(ipv6);
		CHECK_INT(conntrack_ask(3, &k, &to), CONNTRACK_ANSWER);
		CHECK_INT(to.l[3], 9);
		CHECK_INT(to.r[3], 8);
		CHECK_INT(to.lport, 9053);
		CHECK_INT(to.rport, 8000);
		CHECK_INT(to.netns, 7);
	}
}

static bool was_sent(uint16_t type, const void *bytes, uint16_t n)
{
	const struct nlattr a = { .nla_len = (uint16_t)(NLA_HDRLEN + n), .nla_type = type };
	const uint8_t *found = memmem(sent, sent_len, &a, sizeof(a));

	return found && memcmp(found + NLA_HDRLEN, bytes, n) == 0;
}

/* The tuple is the sender's: its source is the other end. */
static void test_question(void)
{
	const struct flow_key k = key(false);
	struct nlmsghdr h;
	struct flow_key to;

	found(false);
	conntrack_ask(3, &k, &to);
	memcpy(&h, sent, sizeof(h));
	CHECK_INT(h.nlmsg_len, sent_len);
	CHECK_INT(h.nlmsg_type, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET);
	CHECK(was_sent(CTA_IP_V4_SRC, &k.r[3], sizeof(k.r[3])));
	CHECK(was_sent(CTA_IP_V4_DST, &k.l[3], sizeof(k.l[3])));
	CHECK(was_sent(CTA_PROTO_SRC_PORT, &k.rport, sizeof(k.rport)));
	CHECK(was_sent(CTA_PROTO_DST_PORT, &k.lport, sizeof(k.lport)));
}

static void test_no_such_flow(void)
{
	const struct nlmsgerr e = { .error = -ENOENT };
	const struct flow_key k = key(false);
	struct flow_key to;

	header(NLMSG_ERROR);
	memcpy(answer + answer_len, &e, sizeof(e));
	answer_len += sizeof(e);
	finish();
	CHECK_INT(conntrack_ask(3, &k, &to), -ENOENT);
	answer_len = 0;
	CHECK_INT(conntrack_ask(3, &k, &to), -EAGAIN);
}

/* At its exact size, that a read beyond it is seen. */
static int parse_exact(const uint8_t *p, size_t n)
{
	const struct flow_key k = key(false);
	uint8_t *exact = malloc(n ? n : 1);
	struct flow_key to;
	int err;

	memcpy(exact, p, n);
	err = conntrack_parse(exact, n, &k, &to);
	free(exact);
	return err;
}

static void broken_answers(int whole)
{
	uint8_t broken[sizeof(answer)];

	for (size_t n = 0; n < answer_len; n++) {
		CHECK(parse_exact(answer, n) < 0);
		/* A length that fits, of less than there should be. */
		memcpy(broken, answer, n);
		if (n >= 4) {
			memcpy(broken, &(uint32_t){ (uint32_t)n }, 4);
			parse_exact(broken, n);
		}
	}
	for (size_t i = 0; i < answer_len; i++) {
		for (unsigned value = 0; value < 256; value += 5) {
			memcpy(broken, answer, answer_len);
			broken[i] = (uint8_t)value;
			parse_exact(broken, answer_len);
		}
	}
	CHECK_INT(parse_exact(answer, answer_len), whole);
}

static void test_broken_answers(void)
{
	found(false);
	broken_answers(0);
	found_by_answer(false);
	broken_answers(CONNTRACK_ANSWER);
}

int main(void)
{
	RUN(test_receiver_after_nat);
	RUN(test_forged);
	RUN(test_receiver_of_answers);
	RUN(test_question);
	RUN(test_no_such_flow);
	RUN(test_broken_answers);
	return check_status();
}
