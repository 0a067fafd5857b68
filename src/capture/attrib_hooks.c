/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/attrib_hooks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cgroup2.h"

#define KERNEL_BTF "/sys/kernel/btf/vmlinux"

const struct hook hooks[] = {
	{ "ptcp_exec", HOOK_RAW_TP, "sched_process_exec", NULL,
	  "names of new programs come from /proc, if still there" },
	{ "ptcp_fork", HOOK_RAW_TP, "sched_process_fork", NULL, "forked processes are looked up in /proc; no -f" },
	{ "ptcp_exit", HOOK_RAW_TP, "sched_process_exit", NULL, "dead processes are kept until they are crowded out" },
	{ "ptcp_cgmove", HOOK_RAW_TP, "cgroup_attach_task", NULL, "a process that moves keeps its first container" },
	{ "ptcp_create", HOOK_CGROUP, "sock_create", NULL, "sockets are unknown until first used" },
	{ "ptcp_bind4", HOOK_CGROUP, "bind4", NULL, "sockets are unknown until first used" },
	{ "ptcp_bind6", HOOK_CGROUP, "bind6", NULL, "sockets are unknown until first used" },
	{ "ptcp_connect4", HOOK_CGROUP, "connect4", NULL, "forwarded first packets of connections" },
	{ "ptcp_connect6", HOOK_CGROUP, "connect6", NULL, "forwarded first packets of connections" },
	{ "ptcp_sendmsg4", HOOK_CGROUP, "sendmsg4", NULL, "forwarded first datagrams" },
	{ "ptcp_sendmsg6", HOOK_CGROUP, "sendmsg6", NULL, "forwarded first datagrams" },
	{ "ptcp_recvmsg4", HOOK_CGROUP, "recvmsg4", NULL, "receivers of datagrams that another process's socket got" },
	{ "ptcp_recvmsg6", HOOK_CGROUP, "recvmsg6", NULL, "receivers of datagrams that another process's socket got" },
	{ "ptcp_peername4", HOOK_CGROUP, "getpeername4", NULL, "the worker that accepts, until it reads or writes" },
	{ "ptcp_peername6", HOOK_CGROUP, "getpeername6", NULL, "the worker that accepts, until it reads or writes" },
	{ "ptcp_skb_out", HOOK_CGROUP, "inet_egress", NULL, "owners in other namespaces behind bridges and NAT" },
	{ "ptcp_skb_in", HOOK_CGROUP, "inet_ingress", NULL, "owners in other namespaces behind bridges and NAT" },
	{ "ptcp_flow_out", HOOK_FLOW, "inet_egress", NULL, "senders of packets, with backends other than tc" },
	{ "ptcp_flow_in", HOOK_FLOW, "inet_ingress", NULL, "receivers of packets, with backends other than tc" },
	{ "ptcp_send_len", HOOK_TP_BTF, "sock_send_length", "btf_trace_sock_send_length",
	  "senders in other namespaces over inherited sockets" },
	{ "ptcp_recv_len", HOOK_TP_BTF, "sock_recv_length", "btf_trace_sock_recv_length",
	  "the last reader of a shared socket" },
	{ "ptcp_rcv_space", HOOK_TP_BTF, "tcp_rcv_space_adjust", "btf_trace_tcp_rcv_space_adjust",
	  "workers that only read from an accepted connection" },
	{ "ptcp_task_file", HOOK_ITER, "task_file", "bpf_sock_from_file",
	  "existing sockets are read from /proc and sock_diag instead" },
};
const size_t hooks_count = sizeof(hooks) / sizeof(hooks[0]);
_Static_assert(sizeof(hooks) / sizeof(hooks[0]) <= HOOKS_MAX, "HOOKS_MAX");

/* All of a sysfs file, whose stat size is right for BTF but need not be. NULL: errno tells. */
static char *read_file(const char *path, size_t *ret_size)
{
	size_t size = 0, cap = 8 << 20;
	char *p, *more;
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	p = malloc(cap);
	while (p && (n = read(fd, p + size, cap - size)) > 0) {
		size += (size_t)n;
		if (size < cap)
			continue;
		cap *= 2;
		more = realloc(p, cap);
		if (!more) {
			free(p);
			p = NULL;
		} else {
			p = more;
		}
	}
	close(fd);
	*ret_size = size;
	return p;
}

/*
 * Which of the names are in the string section of the kernel's BTF. A type of one of these names has no other reason
 * to exist, so parsing all types, which costs ten times more, would tell nothing else.
 */
static void find_names(const char *data, size_t size, const char *const *names, bool *found, size_t n)
{
	const struct btf_header *h = (const void *)data;
	const char *s, *end, *nul;
	size_t i;

	if (size < sizeof(*h) || h->magic != BTF_MAGIC || h->hdr_len > size || h->str_off > size - h->hdr_len ||
	    h->str_len > size - h->hdr_len - h->str_off)
		return;
	s = data + h->hdr_len + h->str_off;
	end = s + h->str_len;
	for (; s < end; s = nul + 1) {
		nul = memchr(s, '\0', (size_t)(end - s));
		if (!nul)
			break;
		if (s[0] != 'b' || nul - s < 8)
			continue;
		for (i = 0; i < n; i++)
			if (names[i] && strcmp(s, names[i]) == 0)
				found[i] = true;
	}
}

/* Whether the kernel takes programs of a kind at all; a locked-down one may not. Tracing shows in the BTF. */
static bool kind_usable(enum hook_kind kind)
{
	switch (kind) {
	case HOOK_RAW_TP: return libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL) == 1;
	case HOOK_CGROUP:
		return libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_CGROUP_SOCK, NULL) == 1 &&
		       libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, NULL) == 1;
	default: return true;
	}
}

/* Some helpers came to tracing programs first. */
static bool task_btf_usable(void)
{
	static const enum bpf_prog_type types[] = { BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_CGROUP_SKB };
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (libbpf_probe_bpf_helper(types[i], BPF_FUNC_get_current_task_btf, NULL) != 1 ||
		    libbpf_probe_bpf_helper(types[i], BPF_FUNC_task_pt_regs, NULL) != 1)
			return false;
	return true;
}

int hooks_probe(struct hook_support *ret)
{
	enum { STORAGE = HOOKS_MAX, COOKIE, ITER, NAMES };
	const char *names[NAMES] = { [STORAGE] = "bpf_sk_storage_get_tracing",
				     [COOKIE] = "bpf_get_socket_ptr_cookie",
				     [ITER] = "bpf_iter_task_file" };
	const bool raw_tp = kind_usable(HOOK_RAW_TP), cgroup = kind_usable(HOOK_CGROUP);
	bool found[NAMES] = { false };
	size_t i, size;
	char *btf;
	int fd;

	memset(ret, 0, sizeof(*ret));
	fd = cgroup2_open();
	ret->cgroup = fd >= 0;
	if (fd >= 0)
		close(fd);
	for (i = 0; i < hooks_count; i++)
		names[i] = hooks[i].btf;
	btf = read_file(KERNEL_BTF, &size);
	if (!btf && errno == ENOMEM)
		return -ENOMEM;
	if (btf) {
		ret->kernel_btf = true;
		find_names(btf, size, names, found, NAMES);
		free(btf);
	}
	ret->trace_storage = found[STORAGE] && found[COOKIE];
	ret->task_btf = ret->kernel_btf && task_btf_usable();
	for (i = 0; i < hooks_count; i++) {
		if (hooks[i].kind == HOOK_CGROUP && !ret->cgroup)
			ret->why[i] = "cgroup v2 is not mounted";
		else if ((hooks[i].kind == HOOK_CGROUP && !cgroup) || (hooks[i].kind == HOOK_RAW_TP && !raw_tp))
			ret->why[i] = "the kernel refuses such programs";
		else if (hooks[i].btf && !ret->kernel_btf)
			ret->why[i] = "the kernel has no BTF";
		else if (hooks[i].btf && !found[i])
			ret->why[i] = "this kernel lacks it";
		else if (hooks[i].kind == HOOK_ITER && !(found[ITER] && ret->trace_storage))
			ret->why[i] = "this kernel's iterators cannot tell sockets";
		ret->usable[i] = !ret->why[i];
	}
	return 0;
}
