/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Flows as keys: both ends of a packet or of a socket, and what stands for a socket that has no cookie. */
#ifndef FLOW_BPF_H
#define FLOW_BPF_H

#include "task.bpf.h"
#include "wire.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <ptcpdump/owner.h>

/* Whether it is an IPv4 address, as addr_set_v4() makes it. */
static __always_inline bool addr_is_v4(const __u32 *a)
{
	return a[0] == 0 && a[1] == 0 && a[2] == bpf_htonl(0xffff);
}

static __always_inline bool addr_is_loopback(const __u32 *a)
{
	if (addr_is_v4(a))
		return (bpf_ntohl(a[3]) >> 24) == IN_LOOPBACKNET;
	return !(a[0] | a[1] | a[2] | (a[3] ^ bpf_htonl(1)));
}

static __always_inline void addr_set_v4(__u32 *to, __u32 addr)
{
	to[0] = to[1] = 0;
	to[2] = bpf_htonl(0xffff);
	to[3] = addr;
}

static __always_inline void flow_flip(struct flow_key *to, const struct flow_key *from)
{
	*to = *from;
	__builtin_memcpy(to->l, from->r, sizeof(to->l));
	__builtin_memcpy(to->r, from->l, sizeof(to->r));
	to->lport = from->rport;
	to->rport = from->lport;
}

static __always_inline bool flow_same_ends(const struct flow_key *a, const struct flow_key *b)
{
	const __u64 *l = (const void *)a->l, *m = (const void *)b->l, *r = (const void *)a->r, *s = (const void *)b->r;

	return a->lport == b->lport && a->rport == b->rport &&
	       ((l[0] ^ m[0]) | (l[1] ^ m[1]) | (r[0] ^ s[0]) | (r[1] ^ s[1])) == 0;
}

/* For what need not be exact; not 0. */
static __always_inline __u32 flow_short(const struct flow_key *k)
{
	return (__u32)flow_hash(k) | 1;
}

/*
 * Of a datagram to a socket that several processes read: all but the address of our end, which the socket need not
 * be bound to.
 */
static __always_inline __u64 datagram_cookie(const struct flow_key *k)
{
	struct flow_key any = *k;

	__builtin_memset(any.l, 0, sizeof(any.l));
	return flow_cookie(&any);
}

/* Of a socket without a cookie, for as long as the scan may tell whose it is: made of its address. */
static __always_inline __u64 socket_stand_in(const void *sk)
{
	return (pointer_value(sk) * 0x9e3779b97f4a7c15) | 1ULL << 63;
}

/* sk: address of a struct sock, or of what all kinds of sockets begin with. */
static __always_inline __u32 socket_netns(unsigned long sk)
{
	struct sock *s = (struct sock *)sk;

	return BPF_CORE_READ(s, __sk_common.skc_net.net, ns.inum);
}

/* The tuple of a socket as its packets show it. sk: address of a struct sock that is not a request or TIME_WAIT. */
static __always_inline bool flow_of_socket(struct flow_key *k, unsigned long sk)
{
	struct sock *s = (struct sock *)sk;
	__u16 family = BPF_CORE_READ(s, __sk_common.skc_family);

	k->netns = socket_netns(sk);
	k->proto = BPF_CORE_READ(s, sk_protocol);
	k->lport = bpf_htons(BPF_CORE_READ(s, __sk_common.skc_num));
	k->rport = BPF_CORE_READ(s, __sk_common.skc_dport);
	if (family == AF_INET) {
		addr_set_v4(k->l, BPF_CORE_READ(s, __sk_common.skc_rcv_saddr));
		addr_set_v4(k->r, BPF_CORE_READ(s, __sk_common.skc_daddr));
		return true;
	}
	if (family != AF_INET6)
		return false;
	BPF_CORE_READ_INTO(&k->l, s, __sk_common.skc_v6_rcv_saddr);
	BPF_CORE_READ_INTO(&k->r, s, __sk_common.skc_v6_daddr);
	return true;
}

/*
 * Packets that other namespaces send through this one carry no socket. Their flows are in ptcp_flows with 0 for the
 * namespace, as their own end sees them. Loopback and link-local addresses never leave theirs.
 */
static __always_inline bool flow_forwardable(const struct flow_key *k)
{
	enum { LINK_LOCAL = 0xfe800000, LINK_LOCAL_MASK = 0xffc00000 };

	return !addr_is_loopback(k->l) && (k->l[0] & bpf_htonl(LINK_LOCAL_MASK)) != bpf_htonl(LINK_LOCAL);
}

#endif
