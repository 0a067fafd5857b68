/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
	struct nlmsghdr h;
	struct inet_diag_req_v2 req;
};

int diag_open(void)
{
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	return fd < 0 ? -errno : fd;
}

const char *diag_refused(int err)
{
	switch (-err) {
	case ENOENT: return "no tcp_diag or udp_diag: \"modprobe -a tcp_diag udp_diag\" may load them";
	case EPROTONOSUPPORT: return "the kernel has none";
	case EPERM:
	case EACCES:
	case ENOSYS: return "a filter of system calls or a security module refuses it";
	default: return strerror(-err);
	}
}

int diag_dump_status(const struct nlmsghdr *h)
{
	int err = 0;

	/* struct nlmsgerr begins with it, too. */
	if ((h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE) && h->nlmsg_len >= NLMSG_LENGTH(sizeof(err)))
		memcpy(&err, NLMSG_DATA(h), sizeof(err));
	return err < 0 ? err : 0;
}

/* A dump of the sockets in no state ends at once, or with what is wrong. */
int diag_serves(int fd, uint8_t proto)
{
	const struct request q = {
		.h = { .nlmsg_len = sizeof(q),
		       .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.req = { .sdiag_family = AF_INET, .sdiag_protocol = proto },
	};
	struct {
		struct nlmsghdr h;
		struct nlmsgerr error;
		uint8_t attributes[512];
	} a;
	ssize_t n;

	if (send(fd, &q, sizeof(q), 0) < 0)
		return -errno;
	n = recv(fd, &a, sizeof(a), 0);
	if (n < 0)
		return -errno;
	return n < (ssize_t)sizeof(a.h) || a.h.nlmsg_len > n ? -EBADMSG : diag_dump_status(&a.h);
}

bool diag_is_v4(const uint32_t *a)
{
	return a[0] == 0 && a[1] == 0 && a[2] == htonl(0xffff);
}

static void fill_id(struct inet_diag_sockid *id, const struct flow_key *k, bool v4, bool swap)
{
	const uint32_t *l = swap ? k->r : k->l, *r = swap ? k->l : k->r;

	id->idiag_sport = swap ? k->rport : k->lport;
	id->idiag_dport = swap ? k->lport : k->rport;
	memcpy(id->idiag_src, v4 ? &l[3] : l, v4 ? 4 : 16);
	memcpy(id->idiag_dst, v4 ? &r[3] : r, v4 ? 4 : 16);
	id->idiag_cookie[0] = id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
}

bool diag_find(int fd, const struct flow_key *k, struct diag_socket *ret)
{
	const bool v4 = diag_is_v4(k->l);
	struct request q = {
		.h = { .nlmsg_len = sizeof(q), .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST },
		.req = { .sdiag_family = v4 ? AF_INET : AF_INET6, .sdiag_protocol = k->proto, .idiag_states = ~0U },
	};
	struct {
		struct nlmsghdr h;
		struct inet_diag_msg msg;
		uint8_t attributes[512];
	} a;
	ssize_t n;

	/* For UDP the kernel takes source and destination for those of a packet that arrives (net/ipv4/udp_diag.c). */
	fill_id(&q.req.id, k, v4, k->proto != IPPROTO_TCP);
	if (send(fd, &q, sizeof(q), 0) < 0)
		return false;
	n = recv(fd, &a, sizeof(a), 0);
	if (n < (ssize_t)(sizeof(a.h) + sizeof(a.msg)) || a.h.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return false;
	*ret = (struct diag_socket){
		.inode = a.msg.idiag_inode,
		.uid = a.msg.idiag_uid,
		.connected = a.msg.id.idiag_dport == k->rport,
	};
	return true;
}
