/* SPDX-License-Identifier: BSD-3-Clause */
/* tcx_count INTERFACE: prints how many programs are attached to its two tcx hooks (0 on kernels without). */
#include <linux/bpf.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* BPF_PROG_QUERY's part of union bpf_attr as of 6.6. */
struct query {
	uint32_t target_ifindex, attach_type, query_flags, attach_flags;
	uint64_t prog_ids;
	uint32_t count, pad;
	uint64_t prog_attach_flags, link_ids, link_attach_flags, revision;
};

int main(int argc, char **argv)
{
	uint32_t total = 0;

	if (argc != 2 || if_nametoindex(argv[1]) == 0)
		return 2;
	for (uint32_t type = 46; type <= 47; type++) {
		struct query q = { .target_ifindex = if_nametoindex(argv[1]), .attach_type = type };

		if (syscall(SYS_bpf, BPF_PROG_QUERY, &q, sizeof(q)) == 0)
			total += q.count;
	}
	printf("%u\n", total);
	return 0;
}
