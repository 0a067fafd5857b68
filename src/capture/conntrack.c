/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX 4096

/* Where a message is put together; all that we ask fits. */
struct request {
	struct nlmsghdr h;
	struct nfgenmsg msg;
	uint8_t attributes[160];
};

/* The part of attributes that is still to be read. */
struct span {
	const uint8_t *p;
	size_t n;
};

int conntrack_open(void)
{
	int fd;

	/* In a namespace without it, to ask would load the kernel's modules. */
	if (access("/proc/sys/net/netfilter/nf_conntrack_max", F_OK) != 0)
		return -ENOENT;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	return fd < 0 ? -errno : fd;
}

static bool is_v4(const uint32_t *a)
{
	return a[0] == 0 && a[1] == 0 && a[2] == htonl(0xffff);
}

static struct nlattr *put(struct request *q, uint16_t type, const void *data, uint16_t size)
{
	struct nlattr *a = (void *)((uint8_t *)q + q->h.nlmsg_len);

	a->nla_type = type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + size);
	if (size)
		memcpy((uint8_t *)a + NLA_HDRLEN, data, size);
	q->h.nlmsg_len += (uint32_t)NLA_ALIGN(a->nla_len);
	return a;
}

static struct nlattr *put_nested(struct request *q, uint16_t type)
{
	return put(q, type | NLA_F_NESTED, NULL, 0);
}

static void put_end(const struct request *q, struct nlattr *nested)
{
	nested->nla_len = (uint16_t)((const uint8_t *)q + q->h.nlmsg_len - (const uint8_t *)nested);
}

/* The sender's tuple: k is seen from the other end. */
static void put_tuple(struct request *q, const struct flow_key *k)
{
	const bool v4 = is_v4(k->l);
	struct nlattr *tuple = put_nested(q, CTA_TUPLE_ORIG), *part = put_nested(q, CTA_TUPLE_IP);

	if (v4) {
		put(q, CTA_IP_V4_SRC, &k->r[3], 4);
		put(q, CTA_IP_V4_DST, &k->l[3], 4);
	} else {
		put(q, CTA_IP_V6_SRC, k->r, 16);
		put(q, CTA_IP_V6_DST, k->l, 16);
	}
	put_end(q, part);
	part = put_nested(q, CTA_TUPLE_PROTO);
	put(q, CTA_PROTO_NUM, &k->proto, 1);
	put(q, CTA_PROTO_SRC_PORT, &k->rport, 2);
	put(q, CTA_PROTO_DST_PORT, &k->lport, 2);
	put_end(q, part);
	put_end(q, tuple);
}

/* The next attribute's type and value; 0: there is none. */
static uint16_t next(struct span *s, struct span *value)
{
	struct nlattr a;
	size_t taken;

	if (s->n < NLA_HDRLEN)
		return 0;
	memcpy(&a, s->p, sizeof(a));
	if (a.nla_len < NLA_HDRLEN || a.nla_len > s->n)
		return 0;
	*value = (struct span){ s->p + NLA_HDRLEN, a.nla_len - NLA_HDRLEN };
	taken = (size_t)NLA_ALIGN(a.nla_len);
	s->p += taken < s->n ? taken : s->n;
	s->n -= taken < s->n ? taken : s->n;
	return a.nla_type & NLA_TYPE_MASK;
}

static bool find(struct span in, uint16_t type, struct span *value)
{
	uint16_t is;

	while ((is = next(&in, value))) {
		if (is == type)
			return true;
	}
	return false;
}

static bool get(struct span in, uint16_t type, void *to, size_t size)
{
	struct span value;

	if (!find(in, type, &value) || value.n != size)
		return false;
	memcpy(to, value.p, size);
	return true;
}

/* The end that sends it. */
static bool get_tuple(struct span tuple, bool v4, struct flow_key *ret)
{
	struct span ip, proto;

	if (!find(tuple, CTA_TUPLE_IP, &ip) || !find(tuple, CTA_TUPLE_PROTO, &proto))
		return false;
	if (v4 && (!get(ip, CTA_IP_V4_SRC, &ret->l[3], 4) || !get(ip, CTA_IP_V4_DST, &ret->r[3], 4)))
		return false;
	if (!v4 && (!get(ip, CTA_IP_V6_SRC, ret->l, 16) || !get(ip, CTA_IP_V6_DST, ret->r, 16)))
		return false;
	return get(proto, CTA_PROTO_SRC_PORT, &ret->lport, 2) && get(proto, CTA_PROTO_DST_PORT, &ret->rport, 2);
}

/* The kernel finds a flow by either of its tuples. A reply comes from the end that receives: its source is that end's own. */
static int parse_tuples(struct span attributes, const struct flow_key *k, struct flow_key *ret)
{
	const bool v4 = is_v4(k->l);
	struct flow_key end = *k;
	struct span tuple;

	if (!find(attributes, CTA_TUPLE_REPLY, &tuple) || !get_tuple(tuple, v4, &end))
		return -EBADMSG;
	*ret = end;
	if (end.lport != k->rport || end.rport != k->lport || memcmp(end.l, k->r, sizeof(end.l)) != 0 ||
	    memcmp(end.r, k->l, sizeof(end.r)) != 0)
		return 0;
	return find(attributes, CTA_TUPLE_ORIG, &tuple) && get_tuple(tuple, v4, ret) ? CONNTRACK_ANSWER : -EBADMSG;
}

int conntrack_parse(const void *answer, size_t n, const struct flow_key *k, struct flow_key *ret)
{
	struct span attributes;
	struct nlmsghdr h;
	struct nlmsgerr e;

	if (n < sizeof(h))
		return -EBADMSG;
	memcpy(&h, answer, sizeof(h));
	if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > n)
		return -EBADMSG;
	n = h.nlmsg_len - sizeof(h);
	if (h.nlmsg_type == NLMSG_ERROR && n >= sizeof(e)) {
		memcpy(&e, (const uint8_t *)answer + sizeof(h), sizeof(e));
		return e.error < 0 ? e.error : -EBADMSG;
	}
	if (h.nlmsg_type >> 8 != NFNL_SUBSYS_CTNETLINK || n < sizeof(struct nfgenmsg))
		return -EBADMSG;
	attributes = (struct span){ (const uint8_t *)answer + sizeof(h) + sizeof(struct nfgenmsg),
				    n - sizeof(struct nfgenmsg) };
	return parse_tuples(attributes, k, ret);
}

/* The kernel has answered before send() returns; whoever may send to our socket is not it. */
static ssize_t receive(int fd, void *answer, size_t size)
{
	struct sockaddr_nl from;
	socklen_t len;
	ssize_t n;

	do {
		len = sizeof(from);
		n = recvfrom(fd, answer, size, MSG_DONTWAIT, (struct sockaddr *)&from, &len);
	} while (n >= 0 && (len != sizeof(from) || from.nl_pid != 0));
	return n < 0 ? -errno : n;
}

int conntrack_ask(int fd, const struct flow_key *k, struct flow_key *ret)
{
	struct request q = {
		.h = { .nlmsg_len = offsetof(struct request, attributes),
		       .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
		       .nlmsg_flags = NLM_F_REQUEST },
		.msg = { .nfgen_family = is_v4(k->l) ? AF_INET : AF_INET6, .version = NFNETLINK_V0 },
	};
	uint8_t answer[ANSWER_MAX];
	ssize_t n;

	put_tuple(&q, k);
	if (send(fd, &q, q.h.nlmsg_len, 0) < 0)
		return -errno;
	n = receive(fd, answer, sizeof(answer));
	return n < 0 ? (int)n : conntrack_parse(answer, (size_t)n, k, ret);
}
