/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/attrib_hooks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "capture/attrib.h"
#include "ptcpdump.skel.h"

const char hook_refused[] = "such programs are refused";

#define HOOK(name) .program = offsetof(struct ptcpdump, progs.name)
#define INSTEAD(name) .instead = offsetof(struct ptcpdump, progs.name)

const struct hook hooks[] = {
	{ HOOK(ptcp_exec), .kind = HOOK_RAW_TP, .target = "sched_process_exec",
	  .lost = "names of new programs come from /proc, if still there" },
	{ HOOK(ptcp_fork), .kind = HOOK_RAW_TP, .target = "sched_process_fork",
	  .lost = "forked processes are looked up in /proc; no -f" },
	{ HOOK(ptcp_exit), .kind = HOOK_RAW_TP, .target = "sched_process_exit",
	  .lost = "dead processes are kept until they are crowded out" },
	{ HOOK(ptcp_rename), .kind = HOOK_RAW_TP, .target = "task_rename",
	  .lost = "a process or thread that renames itself keeps its first name" },
	{ HOOK(ptcp_cgmove), .kind = HOOK_RAW_TP, .target = "cgroup_attach_task",
	  .lost = "a process that moves keeps its first container" },
	{ HOOK(ptcp_create), .kind = HOOK_CGROUP, .target = "sock_create",
	  .lost = "sockets are unknown until first used" },
	{ HOOK(ptcp_bind4), .kind = HOOK_CGROUP, .target = "bind4", .lost = "sockets are unknown until first used" },
	{ HOOK(ptcp_bind6), .kind = HOOK_CGROUP, .target = "bind6", .lost = "sockets are unknown until first used" },
	{ HOOK(ptcp_connect4), .kind = HOOK_CGROUP, .target = "connect4", INSTEAD(ptcp_skb),
	  .lost = "forwarded first packets of connections" },
	{ HOOK(ptcp_connect6), .kind = HOOK_CGROUP, .target = "connect6", INSTEAD(ptcp_skb),
	  .lost = "forwarded first packets of connections" },
	{ HOOK(ptcp_sendmsg4), .kind = HOOK_CGROUP, .target = "sendmsg4", INSTEAD(ptcp_skb),
	  .lost = "forwarded first datagrams" },
	{ HOOK(ptcp_sendmsg6), .kind = HOOK_CGROUP, .target = "sendmsg6", INSTEAD(ptcp_skb),
	  .lost = "forwarded first datagrams" },
	{ HOOK(ptcp_recvmsg4), .kind = HOOK_CGROUP, .target = "recvmsg4", .demand = DEMAND_RECEIVERS,
	  .lost = "receivers of datagrams that another process's socket got" },
	{ HOOK(ptcp_recvmsg6), .kind = HOOK_CGROUP, .target = "recvmsg6", .demand = DEMAND_RECEIVERS,
	  .lost = "receivers of datagrams that another process's socket got" },
	{ HOOK(ptcp_peername4), .kind = HOOK_CGROUP, .target = "getpeername4",
	  .lost = "the worker that accepts, until it reads or writes" },
	{ HOOK(ptcp_peername6), .kind = HOOK_CGROUP, .target = "getpeername6",
	  .lost = "the worker that accepts, until it reads or writes" },
	{ HOOK(ptcp_skb), .kind = HOOK_CGROUP, .target = "inet_egress",
	  .lost = "owners in other namespaces behind bridges and NAT" },
	{ HOOK(ptcp_skb), .kind = HOOK_CGROUP, .target = "inet_ingress", .shared = true,
	  .attach = BPF_CGROUP_INET_INGRESS, .demand = DEMAND_HEARERS,
	  .lost = "owners in other namespaces behind bridges and NAT" },
	{ HOOK(ptcp_flow_out), .kind = HOOK_FLOW, .target = "inet_egress",
	  .lost = "senders of packets, with backends other than tc" },
	{ HOOK(ptcp_flow_in), .kind = HOOK_FLOW, .target = "inet_ingress",
	  .lost = "receivers of packets, with backends other than tc" },
	{ HOOK(ptcp_flow_queue), .kind = HOOK_RAW_FLOW, .target = "net_dev_queue", INSTEAD(ptcp_flow_out),
	  .lost = "senders of packets that are gone when they are looked for in /proc" },
	{ HOOK(ptcp_flow_read), .kind = HOOK_RAW_FLOW, .target = "tcp_rcv_space_adjust", INSTEAD(ptcp_flow_out),
	  .lost = "readers of connections that are gone when they are looked for in /proc" },
	{ HOOK(ptcp_send_len), .kind = HOOK_TP_BTF, .target = "sock_send_length", .btf = "btf_trace_sock_send_length",
	  .demand = DEMAND_SENDERS, .lost = "the last writer of a shared connection" },
	{ HOOK(ptcp_recv_len), .kind = HOOK_TP_BTF, .target = "sock_recv_length", .btf = "btf_trace_sock_recv_length",
	  .lost = "the last reader of a shared socket" },
	{ HOOK(ptcp_rcv_space), .kind = HOOK_TP_BTF, .target = "tcp_rcv_space_adjust",
	  .btf = "btf_trace_tcp_rcv_space_adjust", INSTEAD(ptcp_recv_len),
	  .lost = "workers that only read from an accepted connection" },
	{ HOOK(ptcp_udp_read), .kind = HOOK_FENTRY, .target = "skb_consume_udp", .btf = "skb_consume_udp",
	  INSTEAD(ptcp_recv_len), .lost = "the first reader of a datagram socket that another process made" },
	{ HOOK(ptcp_udp_read_probed), .kind = HOOK_KPROBE, .target = "skb_consume_udp", INSTEAD(ptcp_udp_read),
	  .lost = "the first reader of a datagram socket that another process made" },
	{ HOOK(ptcp_accept), .kind = HOOK_FENTRY, .target = "security_sock_graft", .btf = "security_sock_graft",
	  INSTEAD(ptcp_recv_len), .lost = "the worker that accepts without an address, until it reads or writes" },
	{ HOOK(ptcp_accept_probed), .kind = HOOK_KPROBE, .target = "security_sock_graft", INSTEAD(ptcp_accept),
	  .lost = "the worker that accepts without an address, until it reads or writes" },
	{ HOOK(ptcp_task_file), .kind = HOOK_ITER, .target = "task_file", .btf = "bpf_sock_from_file",
	  .lost = "existing sockets are read from /proc and sock_diag instead" },
};
const size_t hooks_count = sizeof(hooks) / sizeof(hooks[0]);
_Static_assert(sizeof(hooks) / sizeof(hooks[0]) <= HOOKS_MAX, "HOOKS_MAX");

const char hook_too_old[] = "before Linux 5.8 only raw tracepoints can tell who runs";

size_t hook_row(size_t program)
{
	for (size_t i = 0; i < hooks_count; i++) {
		if (hooks[i].program == program)
			return i;
	}
	return hooks_count;
}

bool hook_replaced(const struct hook_support *s, size_t i)
{
	const size_t other = hooks[i].instead ? hook_row(hooks[i].instead) : hooks_count;

	return other < hooks_count && (s->usable[other] || hook_replaced(s, other));
}

bool hook_stood_in(const struct hook_support *s, size_t i)
{
	for (size_t j = 0; hooks[i].kind == HOOK_FENTRY && j < hooks_count; j++) {
		if (hooks[j].instead == hooks[i].program && s->usable[j])
			return true;
	}
	return false;
}

static bool at_function(const struct hook *hook)
{
	return hook->kind == HOOK_FENTRY || hook->kind == HOOK_KPROBE;
}

/* Why this kernel cannot take a hook; NULL: it can. found: its name in the BTF. */
static const char *hook_missing(const struct hook *hook, const struct hook_support *s, bool found)
{
	const bool cgroup = hook->kind == HOOK_CGROUP || hook->kind == HOOK_FLOW;
	const bool raw = hook->kind == HOOK_RAW_TP || hook->kind == HOOK_RAW_FLOW;

	if (!s->has[KERNEL_PROGRAMS])
		return "before Linux 5.3 programs may have no loops";
	if (!raw && !s->packet_programs)
		return hook_too_old;
	if (hook->program == offsetof(struct ptcpdump, progs.ptcp_create) && !s->has[KERNEL_CREATE_STORAGE])
		return "no socket storage there";
	if ((cgroup || hook->kind == HOOK_ITER) && !s->has[KERNEL_LINKS])
		return "what is attached would stay when we are killed";
	if (cgroup && !s->has[KERNEL_CGROUP2])
		return "cgroup v2 is not mounted";
	if ((cgroup && !s->has[KERNEL_CGROUP_SOCK]) || (raw && !s->has[KERNEL_RAW_TRACEPOINT]))
		return "the kernel takes no such programs";
	if (at_function(hook) && hook_replaced(s, (size_t)(hook - hooks)))
		return "not used beside a hook that is here";
	if (hook->kind == HOOK_KPROBE && !s->has[KERNEL_KPROBE])
		return "the kernel takes no such programs";
	if (hook->btf && !s->has[KERNEL_BTF])
		return "the kernel has no BTF";
	if (hook->btf && !found)
		return hook->kind == HOOK_FENTRY ? "the kernel lacks it, or refuses such programs"
						 : "this kernel lacks it";
	if (hook->kind == HOOK_ITER && !(s->has[KERNEL_SOCKET_ITERATOR] && s->has[KERNEL_TRACE_STORAGE]))
		return "this kernel's iterators cannot tell sockets";
	return NULL;
}

/* What hooks of a kind need that may be refused, besides reading the kernel's memory: their programs, and attaching them. */
static void hook_takes(const struct hook *hook, enum kernel_feature *program, enum kernel_feature *attach)
{
	*program = hook->kind == HOOK_ITER ? KERNEL_ITERATOR : KERNEL_TRACING;
	*attach = KERNEL_TRACEPOINT_ATTACH;
	if (hook->kind == HOOK_RAW_TP || hook->kind == HOOK_RAW_FLOW)
		*program = KERNEL_RAW_TRACEPOINT;
	if (hook->kind == HOOK_FENTRY)
		*program = KERNEL_FENTRY;
	if (hook->kind == HOOK_KPROBE)
		*program = *attach = KERNEL_KPROBE;
	if (hook->kind != HOOK_CGROUP && hook->kind != HOOK_FLOW)
		return;
	*program = strncmp(hook->target, "inet_", 5) == 0 ? KERNEL_CGROUP_SKB : KERNEL_CGROUP_SOCK;
	*attach = KERNEL_CGROUP_ATTACH;
}

/* Asking takes a ms or two, for what newer kernels need not. */
static void functions_probe(struct hook_support *ret, bool found[HOOKS_MAX])
{
	const char *names[HOOKS_MAX] = { NULL };

	if (found[hook_row(offsetof(struct ptcpdump, progs.ptcp_recv_len))])
		return;
	for (size_t i = 0; i < hooks_count; i++)
		names[i] = hooks[i].kind == HOOK_FENTRY ? hooks[i].btf : NULL;
	kernel_functions(names, found, hooks_count);
	ret->has[KERNEL_KPROBE] = kernel_has(KERNEL_KPROBE);
}

/* Of the kinds that has[] is known of. */
static bool take_refused(struct hook_support *s, const bool has[KERNEL_FEATURES])
{
	enum kernel_feature program, attach;
	bool any = false;

	for (size_t i = 0; i < hooks_count; i++) {
		hook_takes(&hooks[i], &program, &attach);
		if (!s->usable[i] || (has[KERNEL_MEMORY] && has[program] && has[attach]))
			continue;
		s->usable[i] = false;
		s->why[i] = hook_refused;
		any = true;
	}
	return any;
}

/* Those that were needless beside one that is refused. */
static void functions_again(struct hook_support *s)
{
	bool found[HOOKS_MAX] = { false };

	if (s->usable[hook_row(offsetof(struct ptcpdump, progs.ptcp_recv_len))])
		return;
	functions_probe(s, found);
	for (size_t i = 0; i < hooks_count; i++) {
		if (!at_function(&hooks[i]))
			continue;
		s->why[i] = hook_missing(&hooks[i], s, found[i]);
		s->usable[i] = !s->why[i];
	}
}

bool hooks_try(struct hook_support *s)
{
	bool has[KERNEL_FEATURES], any;

	for (size_t i = KERNEL_CGROUP2; i < KERNEL_FEATURES; i++)
		has[i] = kernel_has((enum kernel_feature)i);
	any = take_refused(s, has);
	if (any) {
		functions_again(s);
		take_refused(s, has);
	}
	return any;
}

int hooks_probe(struct hook_support *ret)
{
	static const enum kernel_feature asked[] = {
		KERNEL_CGROUP2,	 KERNEL_CGROUP_SOCK,	KERNEL_RAW_TRACEPOINT,
		KERNEL_PROGRAMS, KERNEL_CREATE_STORAGE, KERNEL_LINKS,
	};
	const char *names[HOOKS_MAX] = { NULL };
	bool found[HOOKS_MAX];
	int err;

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < hooks_count; i++)
		names[i] = hooks[i].kind == HOOK_FENTRY ? NULL : hooks[i].btf;
	err = kernel_look(ret->has, names, found, hooks_count);
	if (err)
		return err;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
		ret->has[asked[i]] = kernel_has(asked[i]);
	functions_probe(ret, found);
	ret->packet_programs = kernel_takes_packet_programs();
	for (size_t i = 0; i < hooks_count; i++) {
		ret->why[i] = hook_missing(&hooks[i], ret, found[i]);
		ret->usable[i] = !ret->why[i];
	}
	return 0;
}

struct bpf_link *hook_attach(size_t i, const struct ptcpdump *skel)
{
	struct bpf_program *prog = hook_program(&hooks[i], skel);

	if (hooks[i].kind == HOOK_RAW_TP || hooks[i].kind == HOOK_RAW_FLOW)
		return bpf_program__attach_raw_tracepoint(prog, hooks[i].target);
	if (hooks[i].kind == HOOK_KPROBE)
		return bpf_program__attach_kprobe(prog, false, hooks[i].target);
	return bpf_program__attach_trace(prog);
}

static const char *hook_kind_name(enum hook_kind kind)
{
	static const char *const names[] = {
		[HOOK_RAW_TP] = "raw tracepoint", [HOOK_CGROUP] = "cgroup",	      [HOOK_TP_BTF] = "BTF tracepoint",
		[HOOK_FENTRY] = "function entry", [HOOK_KPROBE] = "kprobe",	      [HOOK_ITER] = "iterator",
		[HOOK_FLOW] = "cgroup",		  [HOOK_RAW_FLOW] = "raw tracepoint",
	};

	return names[kind];
}

int attrib_probe(FILE *out)
{
	struct hook_support s;
	int err = kernel_hide_check();

	if (!err)
		err = hooks_probe(&s);
	if (err)
		return err;
	hooks_try(&s);
	fprintf(out, KERNEL_PROBE_FORMAT "\n", "kind", "hook", "here", "lost without it");
	for (size_t i = 0; i < hooks_count; i++)
		fprintf(out, KERNEL_PROBE_FORMAT "%s%s%s\n", hook_kind_name(hooks[i].kind), hooks[i].target,
			s.usable[i] ? "yes" : "no", hooks[i].lost, s.why[i] ? " (" : "", s.why[i] ? s.why[i] : "",
			s.why[i] ? ")" : "");
	err = kernel_probe(out);
	return !err && ferror(out) ? -EIO : err;
}
