/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cgroup_fill FOLDER: attaches programs that let all pass to what a cgroup sends, as many as the kernel takes. They are gone
 * with the cgroup.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST = 64 }; /* BPF_CGROUP_MAX_PROGS, include/linux/bpf-cgroup.h */

/* return 1 */
static int load(void)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_SKB,
		.insn_cnt = sizeof(code) / sizeof(code[0]),
		.insns = (uintptr_t)code,
		.license = (uintptr_t) "BSD",
		.expected_attach_type = BPF_CGROUP_INET_EGRESS,
	};

	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

int main(int argc, char **argv)
{
	union bpf_attr attr = { .attach_type = BPF_CGROUP_INET_EGRESS, .attach_flags = BPF_F_ALLOW_MULTI };
	int cgroup = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;
	int prog, attached = 0, tries = 1000;

	if (cgroup < 0)
		return 2;
	attr.target_fd = (uint32_t)cgroup;
	/* Those of a capture that has ended go a moment later, and would leave room. */
	while (attached < MOST && tries-- > 0) {
		prog = load();
		attr.attach_bpf_fd = (uint32_t)prog;
		if (prog >= 0 && syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) == 0) {
			attached++;
		} else if (errno == E2BIG) {
			usleep(10000);
		} else {
			perror("cgroup_fill");
			return 1;
		}
		close(prog);
	}
	return attached == MOST ? 0 : 1;
}
