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

#include "capture/clsact.h"
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
int attach_link(uint32_t ifindex, bool ingress, int prog_fd)
{
	struct tcx_link_create attr = {
		.prog_fd = (uint32_t)prog_fd,
		.target_ifindex = ifindex,
		.attach_type = ingress ? TCX_INGRESS : TCX_EGRESS,
		.flags = TCX_BEFORE,
	};
	long fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : (int)fd;
}

/* Kernels without tcx do not know the attach type. */
static bool tcx_lacks(int err)
{
	return err == -EINVAL || err == -EOPNOTSUPP;
}

bool attach_has_tcx(int prog_fd)
{
	return !tcx_lacks(attach_link(0, false, prog_fd));
}

static enum bpf_tc_attach_point attach_point(const struct attachment *a)
{
	return a->ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
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
	bool own_qdisc; /* which ones are looked for */
	uint32_t handle, priority;
};

static int filter_stale(void *arg, const struct rtnl_filter *filter)
{
	struct capture_control control;
	struct stale *stale = arg;

	if (filter->handle != (HANDLE_BASE | (stale->own_qdisc ? HANDLE_OWN_QDISC : 0)) || !filter->prog_id ||
	    control_of(filter->prog_id, &control) != 0 || owner_lives(&control))
		return 0;
	stale->handle = filter->handle;
	stale->priority = filter->priority;
	return 1;
}

/* own_qdisc: the qdisc came with it, and goes with it unless others use it. */
static int filter_remove(const struct clsact_filter *f, bool own_qdisc)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)f->ifindex,
		    .attach_point = f->ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = f->handle, .priority = f->priority);

	return own_qdisc && clsact_remove(f) ? 0 : bpf_tc_detach(&hook, &opts);
}

static unsigned clean_side(uint32_t ifindex, bool ingress, bool own_qdisc)
{
	struct stale stale = { .own_qdisc = own_qdisc };
	unsigned n = 0;

	while (rtnl_filters(ifindex, ingress, filter_stale, &stale) == 1) {
		const struct clsact_filter f = { ifindex, ingress, stale.handle, stale.priority };

		if (filter_remove(&f, own_qdisc) != 0)
			break;
		n++;
	}
	return n;
}

/* The one that the qdisc goes with is the last. */
unsigned attach_clean(uint32_t ifindex)
{
	return clean_side(ifindex, false, false) + clean_side(ifindex, true, false) + clean_side(ifindex, false, true) +
	       clean_side(ifindex, true, true);
}

/* With a qdisc of our own, which is not made before its filter: it alone would not tell whose it is. */
static int clsact_attach_new(struct attachment *a, int prog_fd)
{
	const struct clsact_filter f = { a->ifindex, a->ingress, HANDLE_BASE | HANDLE_OWN_QDISC, 1 };
	const int err = clsact_create(&f, prog_fd);

	if (err)
		return err;
	a->own_qdisc = true;
	a->handle = f.handle;
	a->priority = f.priority;
	return 0;
}

static int clsact_attach(struct attachment *a, int prog_fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)a->ifindex, .attach_point = attach_point(a));
	int err = clsact_attach_new(a, prog_fd);

	if (err != -EEXIST)
		return err;
	/* The lowest number is asked first; one that belongs to a filter of another kind or protocol is refused. */
	for (uint32_t priority = 1; priority <= PRIORITY_ATTEMPTS; priority++) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .priority = priority, .handle = HANDLE_BASE);

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

static void attachment_begin(struct attachment *a, uint32_t ifindex, bool ingress)
{
	*a = (struct attachment){ .ifindex = ifindex, .ingress = ingress, .link_fd = -1 };
}

int attach_to_link(struct attachment *a, enum attach_mode *mode, uint32_t ifindex, bool ingress, int link_fd,
		   int prog_fd)
{
	const int err = bpf_link_update(link_fd, prog_fd, NULL);

	attachment_begin(a, ifindex, ingress);
	if (err) {
		close(link_fd);
		return err;
	}
	*mode = ATTACH_TCX;
	a->link_fd = link_fd;
	a->active = true;
	return 0;
}

int attach_program(struct attachment *a, enum attach_mode *mode, uint32_t ifindex, bool ingress, int prog_fd)
{
	int err;

	attachment_begin(a, ifindex, ingress);
	if (*mode != ATTACH_CLSACT) {
		err = attach_link(ifindex, ingress, prog_fd);
		if (err >= 0) {
			*mode = ATTACH_TCX;
			a->link_fd = err;
			a->active = true;
			return 0;
		}
		if (!tcx_lacks(err))
			return err;
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
	filter_remove(&(struct clsact_filter){ a->ifindex, a->ingress, a->handle, a->priority }, a->own_qdisc);
}
