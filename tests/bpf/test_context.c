/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether the running task is interrupted, on architectures that are not this one: types of the kernel as they have them, in
 * which the preempt count lies where this kernel has a number that is known, the task's pid.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "context_host.skel.h"

enum place { NOWHERE, IN_TASK, IN_LOWCORE, AS_IT_IS };

/* What preempt_count() returns where it can read nothing. */
enum { UNREAD = -1, INTERRUPTED = 0x00ff0100 };

/* In bits; 0: unknown. */
static uint32_t pid_offset(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	const int id = btf ? btf__find_by_name_kind(btf, "task_struct", BTF_KIND_STRUCT) : -1;
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
	uint32_t offset = 0;

	for (uint16_t i = 0; t && i < btf_vlen(t); i++)
		if (strcmp(btf__name_by_offset(btf, btf_members(t)[i].name_off), "pid") == 0)
			offset = btf_member_bit_offset(t, i);
	btf__free(btf);
	return offset;
}

static void struct_of_one(struct btf *btf, const char *name, uint32_t size, const char *member, int type, uint32_t at)
{
	btf__add_struct(btf, name, size);
	btf__add_field(btf, member, type, at, 0);
}

/* size: of the count, in bytes. The number of a file in /proc/self/fd, or -errno. */
static int types_write(enum place place, uint32_t size)
{
	struct btf *btf = btf__new_empty();
	const int fd = memfd_create("types", 0);
	const int count = btf__add_int(btf, size == 4 ? "int" : "long", size, size == 4 ? BTF_INT_SIGNED : 0);
	const uint32_t offset = pid_offset(), task = offset / 8 + size;
	const void *raw;
	uint32_t n;

	if (place == IN_TASK) {
		struct_of_one(btf, "thread_info", size, "preempt_count", count, 0);
		struct_of_one(btf, "task_struct", task, "thread_info", count + 1, offset);
	} else {
		struct_of_one(btf, "task_struct", 8, "something", count, 0);
		if (place == IN_LOWCORE)
			struct_of_one(btf, "lowcore", 0x3b0, "preempt_count", count, 0x3a8 * 8);
	}
	raw = btf__raw_data(btf, &n);
	if (fd < 0 || write(fd, raw, n) != (ssize_t)n)
		return -errno;
	btf__free(btf);
	return fd;
}

struct seen {
	int err;
	uint32_t known, count, in_task;
};

static struct seen look(enum place place, uint32_t size, bool task_btf)
{
	uint8_t packet[60] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof(packet));
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	const int fd = place == AS_IT_IS ? -1 : types_write(place, size);
	struct context_host *host;
	struct seen seen = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (place != AS_IT_IS)
		opts.btf_custom_path = path;
	host = context_host__open_opts(&opts);
	host->rodata->attrib_task_btf = task_btf;
	seen.err = context_host__load(host);
	if (!seen.err)
		seen.err = bpf_prog_test_run_opts(bpf_program__fd(host->progs.host_context), &run);
	if (!seen.err) {
		seen.known = host->bss->known;
		seen.count = host->bss->count;
		seen.in_task = host->bss->in_task;
	}
	context_host__destroy(host);
	if (fd >= 0)
		close(fd);
	return seen;
}

/* A test run is as what a task sends. */
static void test_this_kernel(void)
{
	const struct seen probed = look(AS_IT_IS, 0, false), direct = look(AS_IT_IS, 0, true);

	CHECK_INT(probed.err, 0);
	CHECK_INT(probed.in_task, 1);
	if (direct.err)
		CHECK_SKIP("packet programs of this kernel cannot look into the task");
	CHECK_INT(direct.in_task, 1);
}

static void test_int_in_the_task(void)
{
	const uint32_t pid = (uint32_t)syscall(SYS_gettid);
	const struct seen probed = look(IN_TASK, 4, false), direct = look(IN_TASK, 4, true);

	CHECK_INT(probed.err, 0);
	CHECK_INT(probed.known, 1);
	CHECK_INT(probed.count, pid);
	CHECK_INT(probed.in_task, !(pid & INTERRUPTED));
	if (direct.err)
		CHECK_SKIP("packet programs of this kernel cannot look into the task");
	CHECK_INT(direct.count, pid);
	CHECK_INT(direct.in_task, !(pid & INTERRUPTED));
}

static void test_long_in_the_task(void)
{
	const struct seen seen = look(IN_TASK, 8, false);

	CHECK_INT(seen.err, 0);
	CHECK_INT(seen.known, 1);
	if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) /* behind the pid lies the tgid */
		CHECK_INT(seen.count, syscall(SYS_gettid));
}

/* There is nothing at such an address here. */
static void test_count_in_lowcore(void)
{
	const struct seen seen = look(IN_LOWCORE, 4, false);

	CHECK_INT(seen.err, 0);
	CHECK_INT(seen.known, 1);
	CHECK_INT((int)seen.count, UNREAD);
	CHECK_INT(seen.in_task, 0);
}

/* Nor are there the registers of x86-64: nobody knows. */
static void test_count_nowhere(void)
{
	const struct seen seen = look(NOWHERE, 4, false);

	CHECK_INT(seen.err, 0);
	CHECK_INT(seen.known, 0);
	CHECK_INT(seen.in_task, 0);
}

int main(void)
{
	if (!pid_offset() || geteuid() != 0) {
		printf("skip - context: needs root, and a kernel with BTF\n");
		return 0;
	}
	RUN(test_this_kernel);
	RUN(test_int_in_the_task);
	RUN(test_long_in_the_task);
	RUN(test_count_in_lowcore);
	RUN(test_count_nowhere);
	return check_status();
}
