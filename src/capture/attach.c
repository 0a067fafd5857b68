/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From linux/bpf.h of 6.6; the headers that we build with may be older. */
#define TCX_INGRESS 46
#define TCX_EGRESS 47
#define TCX_BEFORE (1U << 3)

/* A filter handle of ours: "pt", and whether the qdisc is ours too. */
#define HANDLE_BASE 0x70740000U
#define HANDLE_OWN_QDISC 1U
#define PRIORITY_ATTEMPTS 16

/* struct link_create of union bpf_attr, with what 6.6 added. */
struct tcx_link_create {
	uint32_t prog_fd;
	uint32_t target_ifindex;
	uint32_t attach_type;
	uint32_t flags;
	uint32_t relative_fd;
	uint32_t pad;
	uint64_t expected_revision;
};

/*
 * First in line on both sides: a program that decides ends the line, and packets that it takes or drops would never
 * be seen by those behind it. So egress shows what the stack sent, before other programs rewrite it.
 */
static int tcx_attach(struct attachment *a, int prog_fd)
{
	struct tcx_link_create attr = {
		.prog_fd = (uint32_t)prog_fd,
		.target_ifindex = a->ifindex,
		.attach_type = a->ingress ? TCX_INGRESS : TCX_EGRESS,
		.flags = TCX_BEFORE,
	};
	long fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	if (fd < 0)
		return -errno;
	a->link_fd = (int)fd;
	return 0;
}

static enum bpf_tc_attach_point attach_point(const struct attachment *a)
{
	return a->ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

static int clsact_attach(struct attachment *a, int prog_fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)a->ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err = bpf_tc_hook_create(&hook);

	if (err != 0 && err != -EEXIST)
		return err;
	a->own_qdisc = err == 0;
	hook.attach_point = attach_point(a);
	/* The lowest number is asked first; one that belongs to a filter of another kind or protocol is refused. */
	for (uint32_t priority = 1; priority <= PRIORITY_ATTEMPTS; priority++) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .priority = priority,
			    .handle = HANDLE_BASE | (a->own_qdisc ? HANDLE_OWN_QDISC : 0));

		err = bpf_tc_attach(&hook, &opts);
		if (err == 0) {
			a->handle = opts.handle;
			a->priority = opts.priority;
			return 0;
		}
		if (err != -EINVAL && err != -EEXIST)
			break;
	}
	return err;
}

int attach_program(struct attachment *a, enum attach_mode *mode, uint32_t ifindex, bool ingress, int prog_fd)
{
	int err;

	memset(a, 0, sizeof(*a));
	a->ifindex = ifindex;
	a->ingress = ingress;
	a->link_fd = -1;
	if (*mode != ATTACH_CLSACT) {
		err = tcx_attach(a, prog_fd);
		/* Kernels without tcx do not know the attach type. */
		if (err != -EINVAL && err != -EOPNOTSUPP) {
			if (err == 0)
				*mode = ATTACH_TCX;
			a->active = err == 0;
			return err;
		}
		if (*mode == ATTACH_TCX)
			return err;
		*mode = ATTACH_CLSACT;
	}
	err = clsact_attach(a, prog_fd);
	a->active = err == 0;
	return err;
}

void attach_undo(struct attachment *a, bool gone)
{
	if (!a->active)
		return;
	a->active = false;
	if (a->link_fd >= 0) {
		close(a->link_fd);
		return;
	}
	if (gone)
		return;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)a->ifindex, .attach_point = attach_point(a));
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = a->handle, .priority = a->priority);
	bpf_tc_detach(&hook, &opts);
}
