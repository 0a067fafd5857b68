/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/kernel_since.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

bool kernel_since(unsigned major, unsigned minor)
{
	unsigned has_major = 0, has_minor = 0;
	struct utsname u;

	return uname(&u) == 0 && sscanf(u.release, "%u.%u", &has_major, &has_minor) == 2 &&
	       (has_major > major || (has_major == major && has_minor >= minor));
}

/* 457f44363a88, 5.8. */
bool kernel_ringbuf_there(void)
{
	return kernel_since(5, 8) || libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL) == 1;
}

/* f470378c75c9, 5.8: before that only tracing programs may ask for the running task and read kernel memory. */
bool kernel_packet_task_there(void)
{
	return kernel_since(5, 8) ||
	       libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_get_current_task, NULL) == 1;
}

/* f7c6cb1d9728, 5.9. */
bool kernel_create_storage_there(void)
{
	return kernel_since(5, 9) ||
	       libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK, BPF_FUNC_sk_storage_get, NULL) == 1;
}

/* af6eea57437a, 5.7. A kernel that has them looks for the program first. */
bool kernel_links_there(void)
{
	return kernel_since(5, 7) || (bpf_link_create(-1, -1, BPF_CGROUP_INET_EGRESS, NULL) < 0 && errno == EBADF);
}

/* 51c39bb1d5d1, 5.6. */
bool kernel_globals_there(void)
{
	return kernel_since(5, 6);
}

/* fc9702273e2e, 5.5. */
bool kernel_mmap_there(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd;

	if (kernel_since(5, 5))
		return true;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, sizeof(uint32_t), sizeof(uint32_t), 1, &opts);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Loops that end: 2589726d12a1, 5.3; settings: d8eca5bbb2be, 5.2. */
bool kernel_programs_there(void)
{
	const struct bpf_insn loop[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_JLT | BPF_K, .dst_reg = BPF_REG_0, .imm = 4, .off = -2 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd;

	if (kernel_since(5, 3))
		return true;
	fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL, "GPL", loop, sizeof(loop) / sizeof(loop[0]), NULL);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}
