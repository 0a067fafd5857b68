/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Who makes and uses which socket, in every network namespace: hooks of the root of cgroup v2, BTF tracepoints, and
 * an iterator over the sockets that exist already. Each is optional.
 */
/* All types of programs here have bpf_get_current_uid_gid(). */
#define HAVE_CURRENT_UID
#include "owner.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PROCEED 1

/* unshare() tells nobody, but whoever sends makes a socket first. */
static __always_inline void netns_tell(struct bpf_sock *sk)
{
	struct event_netns e = { .type = EVENT_NETNS };
	struct task_struct *task = (void *)bpf_get_current_task();

	if (!any_netns)
		return;
	e.netns = socket_netns(pointer_value(sk));
	e.tid = task_tid(task, BPF_CORE_READ(task, pid));
	if (netns_is_news(e.netns))
		process_event(&e, sizeof(e), true);
}

/* Several sockets may share the port, and a program choose whose a datagram is. sk: address of a struct sock. */
static __always_inline bool port_is_shared(unsigned long sk)
{
	struct sock *s = (struct sock *)sk;

	return BPF_CORE_READ_BITFIELD_PROBED(s, __sk_common.skc_reuseport);
}

/* What a socket that waits for others makes necessary. sk: its address; family: AF_*. */
static __always_inline void hears_tell(unsigned long sk, __u32 type, __u32 family)
{
	if (!attrib_receivers && type == SOCK_DGRAM && socket_near(sk) && port_is_shared(sk))
		hooks_want(&attrib_receivers);
	if (!attrib_hearers && (type != SOCK_STREAM || (family == AF_INET6 && !attrib_synack6)) && socket_elsewhere(sk))
		hooks_want(&attrib_hearers);
}

/* Nothing will tell who receives: whoever made the socket. */
static __always_inline bool maker_certain(__u32 type, __u32 protocol)
{
	if (!attrib_bind_certain || type == SOCK_STREAM)
		return false;
	return protocol != IPPROTO_UDP || !attrib_reads_told;
}

SEC("cgroup/sock_create")
int ptcp_create(struct bpf_sock *sk)
{
	owner_note(sk, bpf_get_socket_cookie(sk), maker_certain(sk->type, sk->protocol), true);
	if (sk->type == SOCK_RAW)
		hears_tell(pointer_value(sk), SOCK_RAW, sk->family);
	netns_tell(sk);
	return PROCEED;
}

static __always_inline int note_addr(struct bpf_sock_addr *ctx, bool used)
{
	struct bpf_sock *sk = ctx->sk;

	if (sk)
		owner_note(sk, bpf_get_socket_cookie(ctx), used, true);
	return PROCEED;
}

/*
 * As note_addr(), of a socket that nobody has used: it is another's than who made it, or was made by the kernel, as those that MPTCP
 * listens with are.
 */
static __always_inline int note_binder(struct bpf_sock_addr *ctx)
{
	struct task_struct *task = task_current();
	struct owner_rec *rec, new = {};

	if (!ctx->sk)
		return PROCEED;
	new.cookie = bpf_get_socket_cookie(ctx);
	rec = bpf_sk_storage_get(&ptcp_sockets, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (rec && !rec->certain && !task_is_of(task, rec) && owner_current(&new, task))
		owner_publish(rec, &new);
	return PROCEED;
}

static __always_inline int note_bind(struct bpf_sock_addr *ctx)
{
	if (ctx->sk)
		hears_tell(pointer_value(ctx->sk), ctx->type, ctx->family);
	if (!maker_certain(ctx->type, ctx->protocol))
		return note_binder(ctx);
	return note_addr(ctx, true);
}

SEC("cgroup/bind4")
int ptcp_bind4(struct bpf_sock_addr *ctx)
{
	return note_bind(ctx);
}

SEC("cgroup/bind6")
int ptcp_bind6(struct bpf_sock_addr *ctx)
{
	return note_bind(ctx);
}

SEC("cgroup/connect4")
int ptcp_connect4(struct bpf_sock_addr *ctx)
{
	return note_addr(ctx, true);
}

SEC("cgroup/connect6")
int ptcp_connect6(struct bpf_sock_addr *ctx)
{
	return note_addr(ctx, true);
}

SEC("cgroup/sendmsg4")
int ptcp_sendmsg4(struct bpf_sock_addr *ctx)
{
	return note_addr(ctx, true);
}

SEC("cgroup/sendmsg6")
int ptcp_sendmsg6(struct bpf_sock_addr *ctx)
{
	return note_addr(ctx, true);
}

static __always_inline void flow_of_receiver(struct flow_key *k, struct bpf_sock *sk, __u32 port)
{
	k->netns = socket_netns(pointer_value(sk));
	k->proto = IPPROTO_UDP;
	k->lport = bpf_htons(sk->src_port);
	k->rport = port;
}

/*
 * A socket that several processes read, or one of several on a port: which of them got this datagram. rec may be
 * another's again by now.
 */
static __always_inline bool receiver_asked_for(const struct owner_rec *rec, struct bpf_sock *sk)
{
	return (rec && rec->shared && rec->exposed) || (attrib_chosen && socket_is_chosen(sk));
}

static __always_inline void receiver_tell(const struct flow_key *k)
{
	struct owner_rec now = {};

	if (owner_current(&now, task_current()))
		owner_tell(&now, datagram_cookie(k));
}

/* That it reads is noted here where sock_recv_length, which comes after, does not. */
static __always_inline struct owner_rec *receiver_note(struct bpf_sock_addr *ctx, struct bpf_sock *sk)
{
	if (attrib_trace_storage && !attrib_bind_certain)
		return bpf_sk_storage_get(&ptcp_sockets, sk, NULL, 0);
	return owner_note(sk, bpf_get_socket_cookie(ctx), true, true);
}

SEC("cgroup/recvmsg4")
int ptcp_recvmsg4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct flow_key k = {};
	struct owner_rec *rec;

	if (!sk)
		return PROCEED;
	rec = receiver_note(ctx, sk);
	if (receiver_asked_for(rec, sk)) {
		flow_of_receiver(&k, sk, ctx->user_port);
		addr_set_v4(k.r, ctx->user_ip4);
		receiver_tell(&k);
	}
	return PROCEED;
}

SEC("cgroup/recvmsg6")
int ptcp_recvmsg6(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct flow_key k = {};
	struct owner_rec *rec;

	if (!sk)
		return PROCEED;
	rec = receiver_note(ctx, sk);
	if (receiver_asked_for(rec, sk)) {
		flow_of_receiver(&k, sk, ctx->user_port);
		k.r[0] = ctx->user_ip6[0];
		k.r[1] = ctx->user_ip6[1];
		k.r[2] = ctx->user_ip6[2];
		k.r[3] = ctx->user_ip6[3];
		receiver_tell(&k);
	}
	return PROCEED;
}

/* accept() with room for an address asks for it on behalf of whoever accepts. */
SEC("cgroup/getpeername4")
int ptcp_peername4(struct bpf_sock_addr *ctx)
{
	return note_addr(ctx, true);
}

SEC("cgroup/getpeername6")
int ptcp_peername6(struct bpf_sock_addr *ctx)
{
	return note_addr(ctx, true);
}

static __always_inline int note_traced(struct sock *sk)
{
	__u64 cookie;
	__u16 family;

	if (!sk)
		return 0;
	/* The length tracepoints fire for unix sockets too, which are most of the calls. */
	family = sk->__sk_common.skc_family;
	if (family != AF_INET && family != AF_INET6 && family != AF_PACKET)
		return 0;
	if (!attrib_hearers && attrib_forwarded && family != AF_PACKET && !sk->__sk_common.skc_dport &&
	    sk->sk_type != SOCK_STREAM && socket_elsewhere((unsigned long)sk))
		hooks_want(&attrib_hearers);
	cookie = sk->__sk_common.skc_cookie.counter;
	if (attrib_trace_storage)
		owner_note(sk, cookie ? cookie : bpf_get_socket_cookie(sk), true, true);
	else if (cookie)
		owner_note(sk, cookie, true, false);
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(ptcp_send_len, struct sock *sk, int ret, int flags)
{
	return note_traced(sk);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(ptcp_recv_len, struct sock *sk, int ret, int flags)
{
	return note_traced(sk);
}

SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(ptcp_rcv_space, struct sock *sk)
{
	return note_traced(sk);
}

/*
 * Functions that tell on kernels without sock_recv_length: where a datagram that was read is given back, and where a
 * connection that is accepted gets its file. Not the exit of the calls: these sleep, and until 5.12 (later 5.10.y) the
 * trampoline of a program at the exit of a function is freed below who sleeps there.
 */
SEC("fentry/skb_consume_udp")
int BPF_PROG(ptcp_udp_read, struct sock *sk)
{
	return note_traced(sk);
}

SEC("fentry/security_sock_graft")
int BPF_PROG(ptcp_accept, struct sock *sk)
{
	return note_traced(sk);
}

/* As note_traced(), with what every kernel has: programs at kprobes get no socket storage. */
static __always_inline int note_probed(struct sock *sk)
{
	__u64 cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	if (cookie && (family == AF_INET || family == AF_INET6))
		owner_note(sk, cookie, true, false);
	return 0;
}

SEC("kprobe/skb_consume_udp")
int BPF_KPROBE(ptcp_udp_read_probed, struct sock *sk)
{
	return note_probed(sk);
}

SEC("kprobe/security_sock_graft")
int BPF_KPROBE(ptcp_accept_probed, struct sock *sk)
{
	return note_probed(sk);
}

/* One process holds the file, and holds it once: no other can be using the socket. */
static __always_inline bool file_held_once(struct file *file)
{
	/* The iterator holds one more; file_ref_t counts from 0. */
	if (bpf_core_field_exists(file->f_ref))
		return BPF_CORE_READ(file, f_ref.refcnt.counter) == 1;
	return BPF_CORE_READ(file, f_count.counter) == 2;
}

SEC("iter/task_file")
int ptcp_task_file(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct owner_rec *rec, new = { .source = OWNER_SCAN };
	struct socket *socket;
	struct sock *sk;
	__u64 cookie;
	__u16 family;

	/* Threads are shown that have other files than the main one, which may have ended before them. */
	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk)
		return 0;
	family = sk->__sk_common.skc_family;
	if (family != AF_INET && family != AF_INET6 && family != AF_PACKET)
		return 0;
	if (family != AF_PACKET && !sk->__sk_common.skc_dport)
		hears_tell((unsigned long)sk, sk->sk_type, family);
	rec = bpf_sk_storage_get(&ptcp_sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	/* What a hook has told is better; of several holders the first, which is the oldest in practice. */
	if (!rec || rec->tgid)
		return 0;
	if (!attrib_forwarded && socket_elsewhere((unsigned long)sk))
		attrib_forwarded = 1;
	cookie = sk->__sk_common.skc_cookie.counter;
	new.start = task->group_leader->start_boottime;
	new.cookie = bpf_get_socket_cookie(sk);
	new.cgroup = task_cgroup(task);
	new.tgid = task_tgid(task, task->tgid);
	new.uid = BPF_CORE_READ(task, cred, uid.val);
	new.image = EVENT_IMAGE(task->self_exec_id);
	new.certain = file_held_once(file);
	if (!new.certain)
		socket_share(rec, (unsigned long)sk, sk->sk_protocol);
	if (!owner_publish(rec, &new))
		return 0;
	if (!cookie)
		owner_tell(rec, socket_stand_in(sk));
	if (rec->certain)
		owner_tell(rec, rec->cookie);
	return 0;
}
