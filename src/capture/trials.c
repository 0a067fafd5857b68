/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/trials.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/attach.h"
#include "capture/clsact.h"
#include "capture/diag.h"
#include "capture/kernel.h"
#include "capture/permissions.h"
#include "util/procfs.h"

/* PROC_USER_INIT_INO, include/linux/proc_ns.h */
#define FIRST_USER_NAMESPACE 0xeffffffdU

/*
 * A size that the kernel's bpf(2) refuses before it looks at anything else; what says something else is not the kernel, unless
 * CAP_BPF is missing, which older kernels look at first.
 */
static bool call_passes(int command)
{
	const long page = sysconf(_SC_PAGESIZE);

	return syscall(SYS_bpf, command, NULL, page + 1) >= 0 || errno == E2BIG ||
	       (errno == EPERM && permissions_lack_programs());
}

bool trial_bpf_calls(void)
{
	static const int commands[] = {
		BPF_PROG_LOAD, BPF_MAP_CREATE,	BPF_MAP_UPDATE_ELEM,	BPF_MAP_LOOKUP_ELEM,
		BPF_BTF_LOAD,  BPF_LINK_CREATE, BPF_OBJ_GET_INFO_BY_FD, BPF_RAW_TRACEPOINT_OPEN
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!call_passes(commands[i]))
			return false;
	}
	return true;
}

bool trial_first_user_namespace(void)
{
	const uint32_t own = procfs_namespace(0, "user");

	return !own || own == FIRST_USER_NAMESPACE;
}

static const struct bpf_insn nothing[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
	{ .code = BPF_JMP | BPF_EXIT },
};
enum { NOTHING_LEN = sizeof(nothing) / sizeof(nothing[0]) };

int trial_load(enum bpf_prog_type type, enum bpf_attach_type attach, uint32_t btf_id)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach, .attach_btf_id = btf_id);

	return bpf_prog_load(type, NULL, "GPL", nothing, NOTHING_LEN, &opts);
}

/* libbpf's own trial knows the words of some kernels only, by which the verifier refuses a helper. */
bool trial_kernel_memory(void)
{
	/* f470378c75c9, 5.8: before that, tracing programs only. */
	const bool all = kernel_has(KERNEL_PACKET_TASK);
	const enum bpf_prog_type type = all ? BPF_PROG_TYPE_SOCKET_FILTER : BPF_PROG_TYPE_RAW_TRACEPOINT;
	const struct bpf_insn reads[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_1, .imm = -8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3 },
		{ .code = BPF_JMP | BPF_CALL, .imm = all ? BPF_FUNC_probe_read_kernel : BPF_FUNC_probe_read },
		nothing[0],
		nothing[1],
	};
	const int without = trial_load(type, 0, 0);
	const int with = bpf_prog_load(type, NULL, "GPL", reads, sizeof(reads) / sizeof(reads[0]), NULL);
	const bool taken = with >= 0 || without < 0;

	if (without >= 0)
		close(without);
	if (with >= 0)
		close(with);
	return taken;
}

static bool tracing_taken(const char *target, enum bpf_attach_type type)
{
	const int id = libbpf_find_vmlinux_btf_id(target, type);
	const int fd = id > 0 ? trial_load(BPF_PROG_TYPE_TRACING, type, (uint32_t)id) : -1;

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool trial_tracing(void)
{
	return tracing_taken("netif_receive_skb", BPF_TRACE_RAW_TP);
}

bool trial_iterator(void)
{
	return tracing_taken("task_file", BPF_TRACE_ITER);
}

/* Where what would be attached to is missing, the kernel says other things. */
static bool is_refusal(int err)
{
	return err == EPERM || err == EACCES || err == ENOSYS;
}

bool trial_device_attach(void)
{
	const int fd = trial_load(BPF_PROG_TYPE_SCHED_CLS, 0, 0);
	int err;

	if (fd < 0)
		return false;
	if (attach_has_tcx(fd))
		err = attach_link(0, false, fd);
	else
		err = clsact_create(&(struct clsact_filter){ .handle = 1, .priority = 1 }, fd);
	close(fd);
	return !is_refusal(-err);
}

bool trial_cgroup_attach(void)
{
	const int fd = trial_load(BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, 0);
	int err;

	if (fd < 0)
		return false;
	err = bpf_link_create(fd, -1, BPF_CGROUP_INET_EGRESS, NULL);
	if (err >= 0)
		close(err);
	close(fd);
	return !is_refusal(-err);
}

bool trial_tracepoint_attach(void)
{
	const int fd = trial_load(BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0);
	int err;

	if (fd < 0)
		return false;
	err = bpf_raw_tracepoint_open("ptcpdump_none", fd);
	if (err >= 0)
		close(err);
	close(fd);
	return !is_refusal(-err);
}

bool trial_socket_attach(void)
{
	const int fd = trial_load(BPF_PROG_TYPE_SOCKET_FILTER, 0, 0), s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const bool done = fd >= 0 && s >= 0 && setsockopt(s, SOL_SOCKET, SO_ATTACH_BPF, &fd, sizeof(fd)) == 0;

	if (s >= 0)
		close(s);
	if (fd >= 0)
		close(fd);
	return done;
}

bool trial_sock_diag(void)
{
	const int fd = diag_open();
	bool serves;

	if (fd < 0)
		return false;
	serves = diag_serves(fd, IPPROTO_TCP) == 0 && diag_serves(fd, IPPROTO_UDP) == 0;
	close(fd);
	return serves;
}
