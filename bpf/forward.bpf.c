/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Flows of sockets in other network namespaces, for the packets that are forwarded for them: on a bridge, on the
 * host's end of a veth pair, or behind NAT, no socket is on the packet. Sockets of the namespace that is captured in
 * are passed over after their first packet, but for those that cannot be looked up: own_note(). Of every packet that is
 * sent it is asked who sends it: sender_note().
 */
#include "contest.bpf.h"
#include "parse.bpf.h"
#include "sender.bpf.h"

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

/* Asked where it matters, as to the verifier each way that a known answer was come by is another one. */
static __always_inline bool is_egress(const struct __sk_buff *skb)
{
	return !skb->ingress_ifindex;
}

/* What is told of the socket's flow k; false: nobody is known. */
static __always_inline bool forward_known(struct owner_rec *to, struct bpf_sock *sk, __u64 cookie,
					  const struct flow_key *k)
{
	struct owner_rec *known = forward_owner(bpf_sk_storage_get(&ptcp_sockets, sk, NULL, 0), cookie);
	__u8 certain;

	if (!known)
		return false;
	certain = known->certain & ~differ(known->cookie, cookie);
	/* Before the facts: see owner_publish(). */
	asm volatile("" ::: "memory");
	*to = *known;
	to->certain = certain;
	to->cookie = cookie;
	to->forwarded = 1;
	if (sk->state != BPF_TCP_LISTEN)
		return true;
	if (!bpf_sk_storage_get(&ptcp_sockets, sk, NULL, 0))
		listener_adopt(sk, to);
	to->certain = 0;
	to->cookie = flow_cookie(k);
	return true;
}

/* So that its next packets need not be looked at. alone: see flow_put(). */
static __always_inline void forward_passed(struct bpf_sock *sk, const struct owner_rec *told, const struct flow_key *k,
					   bool alone)
{
	struct owner_rec *rec = bpf_sk_storage_get(&ptcp_sockets, sk, NULL, 0);

	if (!rec || rec->cookie != told->cookie)
		return;
	if (k->proto == IPPROTO_UDP && told->certain) {
		rec->forward_told = forward_hash(k, told);
		rec->forward_time = (__u32)bpf_jiffies64();
	}
	/* Whose it is later, ptcp_cookies tells; who accepts it, the flow has to. */
	if (alone && told->certain && k->proto == IPPROTO_TCP)
		rec->forward_done = 1;
}

/* Whether told, which is stored by now, has become certain meanwhile: owner_settled() may have looked before it was stored. */
static __always_inline bool forward_became_certain(struct owner_rec *told, struct bpf_sock *sk)
{
	struct owner_rec *rec;

	order_stores(told);
	rec = bpf_sk_storage_get(&ptcp_sockets, sk, NULL, 0);
	if (!rec || owner_provisional(rec, told->cookie))
		return false;
	owner_publish(told, rec);
	return true;
}

/* netns: of the socket, 0: others may get the same packet. */
static __always_inline void forward_store(struct __sk_buff *skb, struct bpf_sock *sk, const struct flow_key *k,
					  __u32 netns)
{
	struct owner_rec *other, new;
	bool alone = true, tell;

	if (!forward_known(&new, sk, bpf_get_socket_cookie(skb), k))
		return;
	other = flows_find(k);
	if (!other || other->cookie != new.cookie || other->certain != new.certain || !owner_same(other, &new)) {
		alone = flow_put(&new, other, k, netns);
		tell = k->proto != IPPROTO_TCP && !is_egress(skb);
		if (alone && !new.certain && forward_became_certain(&new, sk)) {
			flows_replace(k, &new);
			owner_tell(&new, new.cookie);
			tell = true;
		}
		if (alone && tell && forward_asked())
			forward_tell(&new, k);
	}
	forward_passed(sk, &new, k, alone);
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
static __always_inline void forward_end(struct flow_key *k, struct flow_key *sent, const struct __sk_buff *skb)
{
	if (is_egress(skb))
		*k = *sent;
	else
		flow_flip(k, sent);
	verifier_forget(k, sizeof(*k));
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
static __always_inline void own_store(struct bpf_sock *sk, __u64 cookie, const struct flow_key *k)
{
	struct owner_rec *known, *old, new;

	known = forward_owner(bpf_sk_storage_get(&ptcp_sockets, sk, NULL, 0), cookie);
	if (!known || known->cookie != cookie)
		return;
	old = flows_find(k);
	if (old && old->cookie == cookie && old->certain >= known->certain && owner_same(old, known))
		return;
	new = *known;
	/* An INIT waits for it: see init_tell(). */
	if (old && !old->tgid)
		owner_tell(&new, flow_cookie(k));
	flows_put(k, &new, BPF_ANY);
}

/*
 * A socket of the captured namespace. What comes for one that cannot be looked up by tuple is known by its flow alone.
 * The program at the device tells that, too, but not where it is left out (-Q in), or where requests leave by another.
 * Global, as forward_ports().
 */
__weak __noinline int own_note(struct __sk_buff *skb)
{
	struct flow_key k = { .netns = only_netns };
	struct bpf_sock *sk = skb->sk;

	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (!sk || !forward_parse(skb, &k, bpf_ntohs(skb->protocol)))
		return 0;
	verifier_forget(&k, sizeof(k));
	own_store(sk, bpf_get_socket_cookie(skb), &k);
	return 0;
}

/*
 * What a listener gets is not its own yet, and other answers of it than SYN-ACKs (resets) are for connections whose sockets
 * are gone: see answers_for_another(). Before 6.12 SYN-ACKs of IPv6 do not pass here: the SYN has to do.
 */
static __always_inline bool of_nobody(struct __sk_buff *skb, const struct bpf_sock *sk, __u16 protocol)
{
	if (sk->state != BPF_TCP_LISTEN)
		return false;
	if (sk->protocol != IPPROTO_TCP)
		return !is_egress(skb);
	return (protocol != ETH_P_IPV6 && !is_egress(skb)) || !has_syn(skb, protocol);
}

static __always_inline bool sender_is_news(struct __sk_buff *skb, const struct owner_rec *rec)
{
	struct task_struct *task = task_current();

	if (rec && !owner_provisional(rec, bpf_get_socket_cookie(skb)) && task_is_owner_again(task, rec))
		return false;
	return task_context(task) && task_is_user(task);
}

/* netns: see forward_store(). Global, as forward_ports(). */
__weak __noinline int forward_flow(struct __sk_buff *skb, __u32 netns)
{
	struct bpf_sock *sk = skb->sk;
	struct flow_key sent = {}, k;

	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (!sk || !forward_parse(skb, &sent, bpf_ntohs(skb->protocol)))
		return 0;
	forward_end(&k, &sent, skb);
	if (flow_forwardable(&k))
		forward_store(skb, sk, &k, netns);
	return 0;
}

/* A packet of the captured namespace's own socket. */
static __always_inline void own_news(struct __sk_buff *skb, struct bpf_sock *sk)
{
	struct owner_rec *rec;

	if (sk->protocol == IPPROTO_TCP || sk->protocol == IPPROTO_UDP) {
		rec = bpf_sk_storage_get(&ptcp_sockets, sk, NULL, 0);
		if (rec)
			rec->forward_done = 1;
	} else if (is_egress(skb)) {
		own_note(skb);
	}
}

/* A flow that was not told a moment ago. */
static __always_inline void forward_news(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	__u32 netns;

	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (!sk || (hears_all(sk) && !is_egress(skb)))
		return;
	netns = socket_netns(pointer_value(sk));
	if (netns == only_netns) {
		own_news(skb, sk);
		return;
	}
	attrib_forwarded = 1;
	/* Others may answer than are asked. */
	if (!sk->dst_port && sk->type != SOCK_STREAM && is_egress(skb))
		hooks_want(&attrib_hearers);
	if (!of_nobody(skb, sk, bpf_ntohs(skb->protocol)))
		forward_flow(skb, is_egress(skb) || skb->pkt_type == PACKET_HOST ? netns : 0);
}

/* rec: of the socket, or NULL. */
static __always_inline bool forward_is_told(struct __sk_buff *skb, const struct owner_rec *rec)
{
	struct flow_key sent = {}, k;

	if (!rec || !rec->forward_told || !parse_direct(skb, NULL, &sent, 0, bpf_ntohs(skb->protocol)))
		return false;
	forward_end(&k, &sent, skb);
	return forward_again(rec, &k);
}

/* A connection is told by what its end sends, and by its SYN: what else comes for it need not be looked at. */
static __always_inline bool is_connected(struct bpf_sock *sk)
{
	sk = bpf_sk_fullsock(sk);
	return sk && sk->protocol == IPPROTO_TCP && sk->state != BPF_TCP_LISTEN;
}

/*
 * One program serves both directions, as it takes long to verify: what a socket sends has come in by no device.
 */
SEC("cgroup_skb/egress")
int ptcp_skb(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct owner_rec *rec;
	bool look;

	if (!sk || (!is_egress(skb) && is_connected(sk)))
		return PROCEED;
	rec = bpf_sk_storage_get(&ptcp_sockets, sk, NULL, 0);
	look = !rec || (!rec->forward_done && !forward_is_told(skb, rec));
	if (is_egress(skb) && sender_is_news(skb, rec))
		sender_note(skb);
	if (look)
		forward_news(skb);
	return PROCEED;
}
