/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that wait until they are needed, and what tracing programs attach to. */
#include "capture/sections.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "check.h"
#include "sections_host.skel.h"

static struct sections sections;
static struct sections_host *host;

/* Bytes of a program's instructions in the kernel. */
static uint32_t size_of(const struct bpf_program *prog)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len) ? 0 : info.xlated_prog_len;
}

static bool kernel_has_btf(void)
{
	struct kernel_btf_data d;

	if (kernel_btf_read(&d, "/sys/kernel/btf/vmlinux"))
		return false;
	kernel_btf_done(&d);
	return true;
}

/* As the capture does: numbers by the pass over the kernel's BTF. */
static int load(void)
{
	size_t size;
	const void *elf = sections_host__elf_bytes(&size);
	int fd, err = sections_add(&sections, SECTION_TRACEPOINT, "task_rename", false);

	if (!err)
		err = sections_add(&sections, SECTION_TRACEPOINT, "task_newtask", true);
	fd = kernel_btf_subset("/sys/kernel/btf", elf, size, sections.types, sections.n);
	if (fd >= 0)
		close(fd);
	if (!err)
		err = sections_use(&sections);
	host = sections_host__open();
	return err || !host ? -EINVAL : sections_host__load(host);
}

static void test_waits(void)
{
	uint32_t kept;

	if (geteuid() || !kernel_has_btf())
		CHECK_SKIP("needs root and a kernel with BTF");
	CHECK_INT(load(), 0);
	kept = size_of(host->progs.host_waits);
	CHECK_INT(kept, 2 * sizeof(struct bpf_insn));
	CHECK_INT(sections_load(&sections, host->progs.host_waits), 0);
	CHECK(size_of(host->progs.host_waits) > kept);
	/* Once is enough. */
	CHECK_INT(sections_load(&sections, host->progs.host_waits), 0);
}

static void test_refused(void)
{
	if (!host)
		CHECK_SKIP("not loaded");
	CHECK(sections_load(&sections, host->progs.host_refused) < 0);
	CHECK_INT(size_of(host->progs.host_refused), 2 * sizeof(struct bpf_insn));
}

static void test_traces(void)
{
	struct bpf_link *link;
	uint64_t before;

	if (!host)
		CHECK_SKIP("not loaded");
	CHECK(sections.types[0].id && sections.types[1].id && sections.types[0].id != sections.types[1].id);
	CHECK_INT(size_of(host->progs.host_traces_later), 2 * sizeof(struct bpf_insn));
	CHECK(size_of(host->progs.host_traces) > 2 * sizeof(struct bpf_insn));
	link = bpf_program__attach_trace(host->progs.host_traces);
	CHECK(link);
	before = host->bss->calls;
	CHECK_INT(prctl(PR_SET_NAME, "renamed"), 0);
	CHECK(host->bss->calls > before);
	bpf_link__destroy(link);
	CHECK_INT(sections_load(&sections, host->progs.host_traces_later), 0);
	link = bpf_program__attach_trace(host->progs.host_traces_later);
	CHECK(link);
	bpf_link__destroy(link);
}

int main(void)
{
	RUN(test_waits);
	RUN(test_refused);
	RUN(test_traces);
	sections_host__destroy(host);
	sections_done(&sections);
	return check_status();
}
