/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Flows of sockets in other network namespaces, for the packets that are forwarded for them: on a bridge, on the
 * host's end of a veth pair, or behind NAT, no socket is on the packet. Sockets of the namespace that is captured in
 * are passed over after their first packet, but for those that cannot be looked up: own_note().
 */
#include "contest.bpf.h"
#include "parse.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PROCEED 1

static __always_inline __u32 forward_hash(const struct flow_key *k, const struct owner_rec *rec)
{
	return flow_short(k) ^ rec->tgid << 1 ^ (__u32)rec->image << 16;
}

/* What was told last, and not long ago: an LRU map forgets what nobody asks for. */
static __always_inline bool forward_again(const struct owner_rec *rec, const struct flow_key *k)
{
	enum { JIFFIES = 64 };

	return rec && rec->certain && rec->forward_told == forward_hash(k, rec) &&
	       (__u32)bpf_jiffies64() - rec->forward_time < JIFFIES;
}

/* NULL: nobody is known. rec: of the socket, or NULL. */
static __always_inline struct owner_rec *forward_owner(struct owner_rec *rec, __u64 cookie)
{
	struct owner_rec *known = rec, *other;

	if (!known || owner_provisional(known, cookie)) {
		other = bpf_map_lookup_elem(&ptcp_cookies, &cookie);
		if (other && (other->certain || !known))
			known = other;
	}
	return known && known->tgid ? known : NULL;
}

/* several: others may get the same packet. */
static __always_inline void forward_store(struct bpf_sock *sk, struct owner_rec *rec, __u64 cookie,
					  const struct flow_key *k, bool egress, bool several)
{
	struct owner_rec *known = forward_owner(rec, cookie), *other, new;
	bool listens = sk->state == BPF_TCP_LISTEN, alone = true;

	if (!known)
		return;
	new = *known;
	new.certain = !listens && !owner_provisional(known, cookie);
	new.cookie = listens ? flow_cookie(k) : cookie;
	new.forwarded = 1;
	if (listens && !rec)
		rec = listener_adopt(sk, known);
	other = bpf_map_lookup_elem(&ptcp_flows, k);
	if (!other || other->cookie != new.cookie || other->certain != new.certain || !owner_same(other, &new)) {
		alone = flow_put(&new, other, k, several ? 0 : socket_netns(pointer_value(sk)));
		if (alone && !egress && k->proto != IPPROTO_TCP && forward_asked())
			forward_tell(&new, k);
	}
	if (rec == known && new.certain && k->proto == IPPROTO_UDP) {
		rec->forward_told = forward_hash(k, &new);
		rec->forward_time = (__u32)bpf_jiffies64();
	}
	/* Whose it is later, ptcp_cookies tells. */
	if (rec && alone && sk->protocol == IPPROTO_TCP && !listens)
		rec->forward_done = 1;
}

/*
 * Protocol and ports, 0: not parsed. A global function: its many ways are verified once. It returns a number, as on
 * 5.10 it takes no pointer to put them to, and no scratch of a CPU is safe where a task can be taken off it.
 */
__weak __noinline __u64 forward_ports(struct __sk_buff *skb)
{
	struct packet_head head = {};
	struct flow_key k = {};

	/* A later fragment has no ports, and is told by its first one. */
	if (!parse_network(skb, &head, &k, 0, bpf_ntohs(skb->protocol)) || head.later_frag)
		return 0;
	return 1ULL << 40 | (__u64)k.proto << 32 | (__u32)k.rport << 16 | k.lport;
}

static __always_inline bool forward_parse(struct __sk_buff *skb, struct flow_key *k, __u16 protocol)
{
	__u64 ports = forward_ports(skb);

	k->proto = ports >> 32;
	k->rport = ports >> 16;
	k->lport = ports;
	return ports && parse_addresses(skb, k, protocol);
}

/* The flow as our end sees it. */
static __always_inline void forward_end(struct flow_key *k, const struct flow_key *sent, bool egress)
{
	if (egress)
		*k = *sent;
	else
		flow_flip(k, sent);
}

static __always_inline bool has_syn(struct __sk_buff *skb, __u16 protocol)
{
	enum { V6_HEADER = 40, FLAGS = 13 };
	__u32 off = V6_HEADER;
	__u8 b;

	if (protocol == ETH_P_IP) {
		if (bpf_skb_load_bytes(skb, 0, &b, 1))
			return false;
		off = (b & 15) * 4;
	}
	return !bpf_skb_load_bytes(skb, off + FLAGS, &b, 1) && (b & TCPHDR_SYN);
}

/* As flow_remember(), from what a socket sends; what was inherited may not go in. */
static __always_inline void own_store(struct owner_rec *rec, __u64 cookie, const struct flow_key *k)
{
	struct owner_rec *known = forward_owner(rec, cookie), *old, new;

	if (!known || known->cookie != cookie)
		return;
	old = bpf_map_lookup_elem(&ptcp_flows, k);
	if (old && old->cookie == cookie && old->certain >= known->certain && owner_same(old, known))
		return;
	new = *known;
	/* An INIT waits for it: see init_tell(). */
	if (old && !old->tgid)
		owner_tell(&new, flow_cookie(k));
	bpf_map_update_elem(&ptcp_flows, k, &new, BPF_ANY);
}

/*
 * A socket of the captured namespace. What comes for one that cannot be looked up by tuple is known by its flow alone.
 * The program at the device tells that, too, but not where it is left out (-Q in), or where requests leave by another.
 */
static __always_inline void own_note(struct __sk_buff *skb, struct bpf_sock *sk, struct owner_rec *rec, bool egress)
{
	struct flow_key k = { .netns = only_netns };

	if (sk->protocol == IPPROTO_TCP || sk->protocol == IPPROTO_UDP) {
		if (rec)
			rec->forward_done = 1;
		return;
	}
	if (egress && forward_parse(skb, &k, bpf_ntohs(skb->protocol)))
		own_store(rec, bpf_get_socket_cookie(skb), &k);
}

/*
 * What a listener gets is not its own yet, and other answers of it than SYN-ACKs (resets) are for connections whose sockets are
 * gone: see answers_for_another(). Before 6.12 SYN-ACKs of IPv6 do not pass here: the SYN has to do.
 */
static __always_inline bool of_nobody(struct __sk_buff *skb, const struct bpf_sock *sk, __u16 protocol, bool egress)
{
	if (sk->state != BPF_TCP_LISTEN)
		return false;
	if (sk->protocol != IPPROTO_TCP)
		return !egress;
	return (!egress && protocol != ETH_P_IPV6) || !has_syn(skb, protocol);
}

static __always_inline int forward_note(struct __sk_buff *skb, bool egress)
{
	struct bpf_sock *sk = skb->sk;
	struct flow_key sent = {}, k;
	__u16 protocol = bpf_ntohs(skb->protocol);
	struct owner_rec *rec;
	bool parsed;

	if (!sk)
		return PROCEED;
	rec = bpf_sk_storage_get(&ptcp_sockets, sk, NULL, 0);
	if (rec && rec->forward_done)
		return PROCEED;
	parsed = parse_direct(skb, NULL, &sent, 0, protocol);
	if (parsed)
		forward_end(&k, &sent, egress);
	if (parsed && forward_again(rec, &k))
		return PROCEED;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return PROCEED;
	if (!egress && hears_all(sk))
		return PROCEED;
	if (!socket_elsewhere(pointer_value(sk))) {
		own_note(skb, sk, rec, egress);
		return PROCEED;
	}
	attrib_forwarded = 1;
	if (of_nobody(skb, sk, protocol, egress))
		return PROCEED;
	if (!parsed) {
		if (!forward_parse(skb, &sent, protocol))
			return PROCEED;
		forward_end(&k, &sent, egress);
	}
	if (flow_forwardable(&k))
		forward_store(sk, rec, bpf_get_socket_cookie(skb), &k, egress, !egress && skb->pkt_type != PACKET_HOST);
	return PROCEED;
}

SEC("cgroup_skb/egress")
int ptcp_skb_out(struct __sk_buff *skb)
{
	return forward_note(skb, true);
}

SEC("cgroup_skb/ingress")
int ptcp_skb_in(struct __sk_buff *skb)
{
	return forward_note(skb, false);
}
