/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <ptcpdump/config.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/owner_lives.h"
#include "capture/rtnl.h"

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

/* Kernels without tcx do not know the attach type. */
static bool tcx_lacks(int err)
{
	return err == -EINVAL || err == -EOPNOTSUPP;
}

bool attach_has_tcx(int prog_fd)
{
	struct attachment nowhere = { .link_fd = -1 };

	return !tcx_lacks(tcx_attach(&nowhere, prog_fd));
}

static enum bpf_tc_attach_point attach_point(const struct attachment *a)
{
	return a->ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

static int filter_seen(void *arg, const struct rtnl_filter *filter)
{
	(void)arg, (void)filter;
	return 1;
}

/* Removes a qdisc that we made, unless somebody else has put filters there since. */
static void qdisc_remove(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	if (rtnl_filters(ifindex, true, filter_seen, NULL) == 0 && rtnl_filters(ifindex, false, filter_seen, NULL) == 0)
		bpf_tc_hook_destroy(&hook);
}

/* Reads the control map of a program; -errno when it has none. */
static int control_of(uint32_t prog_id, struct capture_control *ret)
{
	uint32_t ids[64], len = sizeof(struct bpf_prog_info), zero = 0;
	struct bpf_prog_info prog = { .nr_map_ids = 64, .map_ids = (uint64_t)(uintptr_t)ids };
	int fd = bpf_prog_get_fd_by_id(prog_id), err;

	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, &prog, &len);
	close(fd);
	if (err)
		return err;
	err = -ENOENT;
	for (uint32_t i = 0; err && i < prog.nr_map_ids && i < 64; i++) {
		struct bpf_map_info map = { 0 };

		len = sizeof(map);
		fd = bpf_map_get_fd_by_id(ids[i]);
		if (fd < 0)
			continue;
		if (bpf_obj_get_info_by_fd(fd, &map, &len) == 0 && strcmp(map.name, "ptcp_control") == 0 &&
		    map.value_size == sizeof(*ret))
			err = bpf_map_lookup_elem(fd, &zero, ret);
		close(fd);
	}
	return err;
}

struct stale {
	uint32_t handle, priority;
};

static int filter_stale(void *arg, const struct rtnl_filter *filter)
{
	struct capture_control control;
	struct stale *stale = arg;

	if ((filter->handle & ~HANDLE_OWN_QDISC) != HANDLE_BASE || !filter->prog_id ||
	    control_of(filter->prog_id, &control) != 0 || owner_lives(&control))
		return 0;
	stale->handle = filter->handle;
	stale->priority = filter->priority;
	return 1;
}

unsigned attach_clean(uint32_t ifindex)
{
	bool own_qdisc = false;
	unsigned n = 0;

	for (int ingress = 0; ingress < 2; ingress++) {
		struct stale stale;

		while (rtnl_filters(ifindex, ingress, filter_stale, &stale) == 1) {
			LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
				    .attach_point = ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS);
			LIBBPF_OPTS(bpf_tc_opts, opts, .handle = stale.handle, .priority = stale.priority);

			if (bpf_tc_detach(&hook, &opts) != 0)
				break;
			n++;
			own_qdisc |= stale.handle & HANDLE_OWN_QDISC;
		}
	}
	if (own_qdisc)
		qdisc_remove(ifindex);
	return n;
}

static int clsact_attach(struct attachment *a, int prog_fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)a->ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err = bpf_tc_hook_create(&hook);

	if (err && err != -EEXIST)
		return err;
	a->own_qdisc = !err;
	hook.attach_point = attach_point(a);
	/* The lowest number is asked first; one that belongs to a filter of another kind or protocol is refused. */
	for (uint32_t priority = 1; priority <= PRIORITY_ATTEMPTS; priority++) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .priority = priority,
			    .handle = HANDLE_BASE | (a->own_qdisc ? HANDLE_OWN_QDISC : 0));

		err = bpf_tc_attach(&hook, &opts);
		if (!err) {
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
		if (!tcx_lacks(err)) {
			if (!err)
				*mode = ATTACH_TCX;
			a->active = !err;
			return err;
		}
		if (*mode == ATTACH_TCX)
			return err;
		*mode = ATTACH_CLSACT;
	}
	err = clsact_attach(a, prog_fd);
	a->active = !err;
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
	if (a->own_qdisc)
		qdisc_remove(a->ifindex);
}
