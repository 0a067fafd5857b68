/* SPDX-License-Identifier: BSD-3-Clause */
/* What is loaded on Linux 5.4 fits its types, and needs no helper that came later. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/attrib_events.h"
#include "capture/attrib_hooks.h"
#include "capture/pruner.h"
#include "capture/sections.h"
#include "check.h"
#include "linux_5_4.skel.h"
#include "ptcpdump.skel.h"

/*
 * tracing_func_proto() and raw_tp_prog_func_proto() of kernel/trace/bpf_trace.c in 5.4, of what we have any use for. libbpf makes
 * bpf_probe_read() of the probe_read_kernel() and probe_read_user() that came with 5.5.
 */
static const uint32_t helpers[] = {
	BPF_FUNC_map_lookup_elem,     BPF_FUNC_map_update_elem,	      BPF_FUNC_map_delete_elem,
	BPF_FUNC_map_push_elem,	      BPF_FUNC_ktime_get_ns,	      BPF_FUNC_get_current_task,
	BPF_FUNC_get_current_uid_gid, BPF_FUNC_get_smp_processor_id,  BPF_FUNC_probe_read_kernel,
	BPF_FUNC_probe_read_user,     BPF_FUNC_probe_read_kernel_str, BPF_FUNC_probe_read_str,
};

static bool is_known(int32_t helper)
{
	for (size_t i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++) {
		if ((int32_t)helpers[i] == helper)
			return true;
	}
	return false;
}

static const char *unknown(const struct bpf_program *prog)
{
	static char text[128];
	const struct bpf_insn *insn = bpf_program__insns(prog);

	for (size_t i = 0; i < bpf_program__insn_cnt(prog); i++) {
		if (insn[i].code != (BPF_JMP | BPF_CALL) || insn[i].src_reg || is_known(insn[i].imm))
			continue;
		snprintf(text, sizeof(text), "%s calls %d", bpf_program__name(prog), insn[i].imm);
		return text;
	}
	return "";
}

/* Where libbpf takes it for the kernel's. */
static int types_put(char *path, size_t size)
{
	size_t n;
	const void *elf = linux_5_4__elf_bytes(&n);
	const int fd = memfd_create("linux-5.4", MFD_CLOEXEC);

	if (fd < 0 || write(fd, elf, n) != (ssize_t)n)
		return -1;
	snprintf(path, size, "/proc/self/fd/%d", fd);
	return fd;
}

static bool is_raw(const struct hook *hook)
{
	return hook->kind == HOOK_RAW_TP || hook->kind == HOOK_RAW_FLOW;
}

static void choose(struct ptcpdump *skel)
{
	struct bpf_program *prog;
	struct bpf_map *map;

	bpf_object__for_each_program(prog, skel->obj)
	{
		bpf_program__set_autoload(prog, false);
	}
	for (size_t i = 0; i < hooks_count; i++) {
		if (is_raw(&hooks[i]))
			bpf_program__set_autoload(hook_program(&hooks[i], skel), true);
	}
	bpf_object__for_each_map(map, skel->obj)
	{
		if (bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF)
			bpf_map__set_autocreate(map, false);
	}
	events_prepare(skel, false);
	skel->rodata->attrib_ring = 0;
	skel->rodata->flows_told = 1;
}

static void test_fits(void)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	static struct sections sections;
	static struct pruner pruner;
	struct ptcpdump *skel;
	char path[32];
	int fd;

	if (geteuid())
		CHECK_SKIP("needs root");
	fd = types_put(path, sizeof(path));
	CHECK(fd >= 0);
	opts.btf_custom_path = path;
	/* A verifier before 5.5 does not know that settings are constant. */
	sections.pruner = &pruner;
	CHECK_INT(sections_use(&sections), 0);
	skel = ptcpdump__open_opts(&opts);
	CHECK(skel);
	choose(skel);
	pruner.settings = skel->maps.rodata;
	CHECK_INT(ptcpdump__load(skel), 0);
	for (size_t i = 0; i < hooks_count; i++) {
		if (is_raw(&hooks[i]))
			CHECK_STR(unknown(hook_program(&hooks[i], skel)), "");
	}
	ptcpdump__destroy(skel);
	sections_done(&sections);
	pruner_done(&pruner);
	close(fd);
}

int main(void)
{
	RUN(test_fits);
	return check_status();
}
