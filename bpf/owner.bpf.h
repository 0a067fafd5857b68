/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Who owns which socket. Its record is its storage (ptcp_sockets), or where it has none, an entry of ptcp_cookies.
 *
 *	state		how it shows			who gets it there
 *	nobody		tgid 0				owner_of_socket(), for a socket that the scan has not come to
 *	made		its own cookie, not certain	owner_note(): made or bound, but not used
 *	inherited	the cookie of another socket	the kernel: a child of a listener starts with its storage
 *	found		OWNER_SCAN, not certain		the scan: several processes hold it, this is one of them
 *	certain		its own cookie, certain		owner_note(): used (connected, sent, received, accepted with
 *							an address), with attrib_bind_certain also made or bound; the
 *							scan: one process holds it, once
 *
 * All but certain are provisional: owner_provisional(). Every use of a socket leads to certain, of another process
 * from certain to certain. A record never goes back to nobody; the scan leaves alone what has an owner. A listener
 * whose owner only ptcp_cookies knows gets that record as it is: listener_adopt().
 *
 * Beside the state: exposed, a packet was credited while provisional, so that the step to certain has to send
 * EVENT_OWNER; shared, several processes use it or hold it, so that of UDP each datagram is told for itself, and of TCP
 * who writes (owner_share()).
 *
 * What is in ptcp_flows is a copy, replaced as a whole unless it stays the same owner's: made of a provisional record it
 * is not certain; forwarded, it is of another namespace; without tgid it waits, its cookie a stand-in, for whoever answers
 * (datagram_young(), init_wait()), or two namespaces have a flow like it (contested).
 *
 * Only owner_publish() gives a record an owner, and only owner_expose() raises exposed. Packets on other CPUs read it
 * meanwhile, without a lock. So the facts of the owner are written first, then certain, the cookie last: whoever sees
 * what makes the record certain sees whose it is, and until then what was inherited stays provisional, and nobody stays
 * provisional, too. Then the atomic addition, on x86-64 a full barrier as that of owner_expose() is: either the packet
 * sees "certain", or we see "exposed" and tell. (Additions whose value nobody takes order nothing on arm64: there both may
 * miss each other once in a while, and the packet waits in vain, for the time of --settle.) Nothing orders the facts when
 * one certain owner follows another: a packet of that moment may get some of both.
 */
#ifndef OWNER_BPF_H
#define OWNER_BPF_H

#include "flow.bpf.h"
#include "outside.bpf.h"
#include "task.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct owner_rec);
} ptcp_sockets SEC(".maps") __weak;

/* For sockets without storage: TIME_WAIT, requests, and everything that tracing programs tell before 5.11. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct owner_rec);
} ptcp_cookies SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow_key);
	__type(value, struct owner_rec);
} ptcp_flows SEC(".maps") __weak;

/*
 * flow_end_slot(). Global, as of an index that it has followed from the flow the verifier remembers the flow, too, and takes
 * what is the same but for that for something else.
 */
__weak __noinline __u32 flow_slot(__u64 end)
{
	return flow_end_slot(end);
}

static __always_inline __u8 *flow_end(const struct flow_key *k)
{
	return &flow_ends[flow_slot(flow_end_mixed(k)) % FLOW_ENDS];
}

static __always_inline struct owner_rec *flows_find(const struct flow_key *k)
{
	return *flow_end(k) ? bpf_map_lookup_elem(&ptcp_flows, k) : NULL;
}

/* flags: of bpf_map_update_elem(). */
static __always_inline long flows_put(const struct flow_key *k, const struct owner_rec *rec, __u64 flags)
{
	*flow_end(k) = 1;
	return bpf_map_update_elem(&ptcp_flows, k, rec, flags);
}

/* Of a flow that was there a moment ago. */
static __always_inline void flows_replace(const struct flow_key *k, const struct owner_rec *rec)
{
	bpf_map_update_elem(&ptcp_flows, k, rec, BPF_ANY);
}

/* The same program of the same process. */
static __always_inline bool owner_same(const struct owner_rec *a, const struct owner_rec *b)
{
	return a->tgid == b->tgid && a->image == b->image;
}

/* 1 or 0, without a branch: each would have the verifier check once more what follows. */
static __always_inline __u32 differ(__u64 a, __u64 b)
{
	__u64 difference = a ^ b, negative = -difference;

	/* clang knows that this is a comparison. */
	asm volatile("" : "+r"(negative));
	return (difference | negative) >> 63;
}

/* Reads memory of the stack over itself, so that the verifier forgets how it was come by: likewise. */
static __always_inline void verifier_forget(void *memory, __u32 size)
{
	bpf_probe_read_kernel(memory, size, memory);
}

static __always_inline __u32 owner_provisional(const struct owner_rec *rec, __u64 cookie)
{
	return (~rec->certain & 1) | differ(rec->cookie, cookie);
}

/* A packet is credited to a provisional record: asks for EVENT_OWNER. False when it became certain in this moment. */
static __always_inline __u32 owner_expose(struct owner_rec *rec, __u64 cookie)
{
	__sync_fetch_and_add(&rec->exposed, 1);
	return owner_provisional(rec, cookie);
}

/* No load after it passes a store before it, on x86-64: an atomic addition of nothing, to any record. */
static __always_inline void order_stores(struct owner_rec *rec)
{
	__u32 nothing = 0;

	/* Else clang makes it an atomic "or", which came with 5.12. */
	asm volatile("" : "+r"(nothing));
	__sync_fetch_and_add(&rec->exposed, nothing);
}

/* Gives rec its owner. Not 0: a packet was credited before. The order is told at the top. */
static __always_inline __u32 owner_publish(struct owner_rec *rec, const struct owner_rec *owner)
{
	rec->start = owner->start;
	rec->cgroup = owner->cgroup;
	rec->tgid = owner->tgid;
	rec->tid = owner->tid;
	rec->uid = owner->uid;
	rec->image = owner->image;
	rec->source = owner->source;
	asm volatile("" ::: "memory");
	rec->certain = owner->certain;
	asm volatile("" ::: "memory");
	rec->cookie = owner->cookie;
	__sync_fetch_and_add(&rec->changes, 1);
	return rec->exposed;
}

/* The task in rec; false for kernel threads. */
static __always_inline bool owner_current(struct owner_rec *rec, struct task_struct *task)
{
	if (!task_is_user(task))
		return false;
	rec->tgid = task_tgid(task, TASK_READ(task, tgid));
	rec->tid = task_tid(task, TASK_READ(task, pid));
	rec->start = task_start(task);
	rec->uid = BPF_CORE_READ(task, cred, uid.val);
	rec->image = task_image(task);
	rec->cgroup = task_cgroup(task);
	return rec->tgid != 0;
}

/*
 * also: another cookie, or 0. Wakes nobody: as long as a packet waits for its owner the reader comes back after 2 ms, or
 * 20 when it delivered others, and to be woken inside accept() takes the server 20 us.
 */
static __noinline void owner_tell_both(const struct owner_rec *rec, __u64 cookie, __u64 also)
{
	struct event_socket_owner e = { .type = EVENT_OWNER, .also = also };

	e.ts = bpf_ktime_get_ns();
	e.owner.start = rec->start;
	e.owner.cookie = cookie;
	e.owner.tgid = rec->tgid;
	e.owner.tid = rec->tid;
	e.owner.uid = rec->uid;
	e.owner.image = rec->image;
	e.owner.source = rec->source == OWNER_SCAN ? OWNER_SCAN : OWNER_STORAGE;
	process_event(&e, sizeof(e), false);
}

static __always_inline void owner_tell(const struct owner_rec *rec, __u64 cookie)
{
	owner_tell_both(rec, cookie, 0);
}

/*
 * The flow before NAT, namespace 0 -> the same in this namespace, after NAT. The other way round for requests that were
 * refused: nat_refused().
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct flow_key);
	__type(value, struct flow_key);
} ptcp_nat SEC(".maps") __weak;

/*
 * Packets to a flow that NAT changed, seen before its owner was known, carry the stand-in of the tuple that they showed:
 * with our namespace when they came to an address of ours, else with none.
 */
static __noinline void forward_tell_nat(const struct owner_rec *rec, const struct flow_key *nat)
{
	struct flow_key elsewhere = *nat;

	elsewhere.netns = 0;
	owner_tell_both(rec, flow_cookie(nat), flow_cookie(&elsewhere));
}

/* Packets to a forwarded flow that were seen before its owner was known carry its stand-in, before or after NAT. */
static __always_inline void forward_tell(const struct owner_rec *rec, const struct flow_key *k)
{
	const struct flow_key *nat = bpf_map_lookup_elem(&ptcp_nat, k);

	/* First: a packet that still finds the old entry is then older than the events. */
	if (nat) {
		attrib_published = 1;
		flows_put(nat, rec, BPF_ANY);
	}
	owner_tell(rec, flow_cookie(k));
	if (nat)
		forward_tell_nat(rec, nat);
}

/* The same owner knows more of his flow. */
static __always_inline void owner_renew(struct owner_rec *there, const struct owner_rec *now)
{
	there->tid = now->tid;
	there->uid = now->uid;
	there->cgroup = now->cgroup;
	there->cookie = now->cookie;
	there->source = now->source;
	there->forwarded = now->forwarded;
	there->contested = 0;
	there->since = now->since;
	asm volatile("" ::: "memory");
	there->certain = now->certain;
}

/*
 * What forward_store() has put there is settled; to look for others with the same flow is left to it. rec becomes the flow's.
 * False: nothing is there.
 */
static __always_inline bool forward_settled(struct owner_rec *rec, struct flow_key *k)
{
	struct owner_rec *old;
	__u32 netns = k->netns;

	k->netns = 0;
	if (!attrib_forwarded || !flow_forwardable(k))
		return false;
	old = flows_find(k);
	if (!old || old->contested || (old->netns && old->netns != netns))
		return false;
	rec->forwarded = 1;
	rec->netns = old->netns;
	rec->since = old->since;
	if (old->start == rec->start && owner_same(old, rec))
		owner_renew(old, rec);
	else
		flows_replace(k, rec);
	return true;
}

/*
 * Whether sockets share this one's port (SO_REUSEPORT) and a program of theirs chooses whose a datagram is: a look-up
 * by addresses, which has none to show, finds any of them.
 */
static __always_inline bool socket_is_chosen(struct bpf_sock *sk)
{
	struct sock *s = (struct sock *)pointer_value(sk);
	struct sock_reuseport *group = BPF_CORE_READ(s, sk_reuseport_cb);

	return group && BPF_CORE_READ(group, prog);
}

/*
 * A raw socket gets copies of what is meant for the sockets of its protocol, and one of ICMP the answers to the pings of
 * others, and errors: they are not its own. What is, is known from what it sent.
 */
static __always_inline bool hears_all(const struct bpf_sock *sk)
{
	return sk->type == SOCK_RAW && proto_has_ports(sk->protocol);
}

/* sk: address of a struct sock. */
static __always_inline __u32 socket_elsewhere(unsigned long sk)
{
	return only_netns ? differ(socket_netns(sk), only_netns) : 1;
}

/* Whether packets of the socket's namespace may be captured. */
static __always_inline bool socket_near(unsigned long sk)
{
	return !only_netns || socket_netns(sk) == only_netns;
}

/* Sockets of the kernel itself (resets, ICMP errors, ACKs of TIME_WAIT) act for everyone. */
static __always_inline bool socket_is_kernel(struct bpf_sock *sk)
{
	struct sock *s = (struct sock *)pointer_value(sk);

	return BPF_CORE_READ_BITFIELD_PROBED(s, sk_kern_sock);
}

/* Of a stream: a system call works on it. */
static __always_inline bool socket_is_locked(struct bpf_sock *sk)
{
	struct sock *s = (struct sock *)pointer_value(sk);

	return BPF_CORE_READ(s, sk_lock.owned);
}

/* flag: attrib_receivers, attrib_hearers or attrib_senders. */
static __always_inline void hooks_want(__u32 *flag)
{
	void *token;

	if (*flag)
		return;
	*flag = 1;
	if (!attrib_ring)
		return;
	token = bpf_ringbuf_reserve(&ptcp_process, sizeof(__u64), 0);
	if (token)
		bpf_ringbuf_discard(token, BPF_RB_FORCE_WAKEUP);
}

/* A quarter of a second to 2.5, as the kernel counts jiffies. */
static __always_inline __u32 forward_step(void)
{
	return bpf_jiffies64() >> 8;
}

/* A packet waits for an owner in another namespace, and looks once more after it has said so: see forward_asked(). */
static __always_inline void forward_ask(struct owner_rec *rec)
{
	__u32 now = forward_step();

	/* Not to take the cache line from others. */
	if (attrib_asked == now)
		return;
	attrib_asked = now;
	order_stores(rec);
}

/*
 * Whether one may still wait: what is told of sockets that nobody has asked for costs their users 1 us a connection. After what
 * is told has been put where packets look.
 */
static __always_inline bool forward_asked(void)
{
	enum { STEPS = 32 };

	return forward_step() - attrib_asked <= STEPS;
}

/*
 * exposed: a packet was credited to the socket before. Else it is of another namespace: what ptcp_flows has of a connection is
 * made certain, and told where a packet may wait for it.
 */
static __noinline void owner_settled(struct owner_rec *rec, unsigned long sk, __u32 exposed, __u32 elsewhere)
{
	struct sock *s = (struct sock *)sk;
	struct flow_key k = {};
	bool connected, there;
	__u64 cookie;

	if (!exposed && !elsewhere)
		return;
	/* Who connects is told by the SYN itself. */
	if (!exposed && BPF_CORE_READ(s, __sk_common.skc_state) == BPF_TCP_SYN_SENT)
		return;
	if (!exposed && !BPF_CORE_READ(s, __sk_common.skc_dport) && !forward_asked())
		return;
	connected = flow_of_socket(&k, sk) && k.proto == IPPROTO_TCP && k.rport;
	/* what connects has sent nothing yet */
	if (!connected && !exposed && k.proto == IPPROTO_TCP)
		return;
	cookie = connected ? flow_cookie(&k) : 0;
	there = connected && forward_settled(rec, &k);
	order_stores(rec);
	if (!exposed && !forward_asked())
		return;
	owner_tell_both(rec, rec->cookie, cookie);
	if (there)
		forward_tell(rec, &k);
}

/* setuid() tells nobody: the record of a socket that was used before shows it. */
static __noinline void owner_user_changed(const struct owner_rec *now, __u32 before)
{
	struct event_user e = {
		.type = EVENT_USER, .tgid = now->tgid, .start = now->start, .before = before, .uid = now->uid
	};

	e.ts = bpf_ktime_get_ns();
	process_event(&e, sizeof(e), false);
}

/* Whoever reads from the socket, whose address is sk, will not be the only one. */
static __always_inline void socket_share(struct owner_rec *rec, unsigned long sk, __u16 proto)
{
	rec->shared = 1;
	if (!attrib_receivers && proto == IPPROTO_UDP && socket_near(sk))
		hooks_want(&attrib_receivers);
}

/*
 * Another process uses the socket. A server that forks for each connection hands it over once, to what runs the same; others may
 * all write, and what is written while the peer has not acknowledged more is sent in an interrupt.
 */
static __always_inline void owner_share(struct owner_rec *rec, const struct owner_rec *now, unsigned long sk)
{
	struct sock *s = (struct sock *)sk;
	__u16 proto = BPF_CORE_READ(s, sk_protocol);

	if (!attrib_senders && proto == IPPROTO_TCP && (rec->shared || rec->image != now->image))
		hooks_want(&attrib_senders);
	socket_share(rec, sk, proto);
}

/*
 * An insertion takes the LRU map 0.8 us: it is for what outlives the storage, a captured connection in TIME_WAIT, and for
 * copies in ptcp_flows that name another owner than the socket has by now.
 */
static __always_inline bool cookie_wanted(const struct owner_rec *before, const struct owner_rec *now, __u32 near)
{
	if (!before)
		attrib_moved = 1;
	if (!before || attrib_listed)
		return true;
	if (before->tgid && before->cookie == now->cookie && (!owner_same(before, now) || before->uid != now->uid)) {
		attrib_moved = 1;
		return true;
	}
	return now->certain & near;
}

/* The running task in new; rec: what is known of its socket, or NULL. False for kernel threads. */
static __always_inline bool owner_of_task(struct owner_rec *new, const struct owner_rec *rec, struct task_struct *task)
{
	if (!rec || rec->cookie != new->cookie || !task_is_owner(task, rec))
		return owner_current(new, task);
	new->start = rec->start;
	new->cgroup = rec->cgroup;
	new->tgid = rec->tgid;
	new->tid = task_tid_of(task, rec->tgid);
	new->uid = rec->uid;
	new->image = rec->image;
	return true;
}

/*
 * The running task made (!used) or uses the socket. storage: whether this program type may use socket storage here.
 * sk is a struct bpf_sock * or a BTF-typed struct sock *, so its type must survive inlining: void.
 * Returns the socket's record, NULL when there is none.
 */
static __always_inline struct owner_rec *owner_note(void *sk, __u64 cookie, bool used, bool storage)
{
	struct task_struct *task = task_current();
	struct owner_rec *rec, new = { .cookie = cookie, .certain = used };
	__u32 exposed, elsewhere, settled, news;

	if (storage)
		rec = bpf_sk_storage_get(&ptcp_sockets, sk, NULL, 0);
	else
		rec = bpf_map_lookup_elem(&ptcp_cookies, &cookie);
	if (rec && rec->cookie == cookie && rec->certain >= used && task_is_owner(task, rec))
		return rec;
	if (!owner_of_task(&new, rec, task))
		return rec;
	if (shown_pidns && new.tgid & PID_OUTSIDE)
		outside_tell((unsigned long)BPF_CORE_READ(task, group_leader), new.tgid);
	if (rec && rec->cookie == cookie && owner_same(rec, &new) && rec->uid != new.uid)
		owner_user_changed(&new, rec->uid);
	elsewhere = socket_elsewhere(pointer_value(sk));
	/* Without the verifier learning what elsewhere is, and writing what others read only once. */
	news = elsewhere & ~attrib_forwarded;
	asm volatile("" : "+r"(news));
	if (news)
		attrib_forwarded = 1;
	if (!storage) {
		settled = used && (!rec || owner_provisional(rec, cookie));
		attrib_moved = 1;
		bpf_map_update_elem(&ptcp_cookies, &cookie, &new, BPF_ANY);
		/* Whether a packet was credited meanwhile is known to the storage only. */
		if (settled)
			owner_settled(&new, pointer_value(sk), 1, elsewhere);
		return NULL;
	}
	rec = bpf_sk_storage_get(&ptcp_sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (cookie_wanted(rec, &new, only_netns ? elsewhere ^ 1 : 1))
		bpf_map_update_elem(&ptcp_cookies, &cookie, &new, BPF_ANY);
	if (!rec)
		return NULL;
	settled = used & ~(rec->certain & ~differ(rec->cookie, cookie));
	/* Of a listener that several accept from, it has inherited that. */
	if (rec->cookie != cookie)
		rec->shared = 0;
	/* Not by who made it, or by another than before: any of its holders may be the next. */
	if (used && rec->tgid && rec->tgid != new.tgid && rec->cookie == cookie)
		owner_share(rec, &new, pointer_value(sk));
	exposed = owner_publish(rec, &new);
	if (settled)
		owner_settled(&new, pointer_value(sk), exposed, elsewhere);
	return rec;
}

/*
 * The children of a listener inherit its storage, but the scan of /proc has put its owner, known, into ptcp_cookies only.
 * Returns the storage, NULL also when nobody is known. Its children are waited for: the caller has to owner_expose() it.
 */
static __always_inline struct owner_rec *listener_adopt(struct bpf_sock *listener, const struct owner_rec *known)
{
	struct owner_rec *rec = NULL;

	if (known)
		rec = bpf_sk_storage_get(&ptcp_sockets, listener, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (rec)
		owner_publish(rec, known);
	return rec;
}

#endif
