/* SPDX-License-Identifier: BSD-3-Clause */
/* A BTF file that is damaged where programs look is refused: each field that they read, in turn. */
#include "capture/kernel_btf_check.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/kernel_btf.h"
#include "check.h"
#include <ptcpdump/btf_check.h>
#include "btf_check.skel.h"
#include "ptcpdump.skel.h"

static struct btf *kernel; /* of the running kernel, what the programs that try a file name of it */
static struct ptcpdump *programs;
static char path[32], why[KERNEL_BTF_WHY];
static int file = -1;

/* Read only by programs that need the kernel's own BTF anyway. */
static const char *const unread[] = {
	"sk_buff.data_len",
	"sk_buff.head",
	"sk_buff.data",
	"sk_buff.len",
	"sk_buff.tail",
	"sk_buff.skb_iif",
	"sk_buff.protocol",
	"sk_buff.vlan_proto",
	"sk_buff.vlan_tci",
	"sk_buff.mac_header",
	"sk_buff.pkt_type",
	"sk_buff.vlan_present",
	"file.f_count",
	"file.f_ref",
	"net_device.ifindex",
	"nsproxy.pid_ns_for_children",
	"sock.sk_type",
	"task_struct.fs",
	"pid_namespace.level",
	"pt_regs.orig_ax",
	"socket.sk",
#ifdef __x86_64__
	"task_struct.thread_info",
#endif
};

/* Nothing else tells these (docs/capture.md), or what is next to them is the same: that of a debugger's child is not, or of
 * a kernel thread. */
static const char *const untold[] = {
	"task_struct.self_exec_id", "task_struct.in_execve", "sk_buff._nfct",	  "sock_reuseport.prog",
	"task_struct.real_parent",  "task_struct.mm",	     "mm_struct.arg_end",
};

static bool is_in(const char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i], name) == 0)
			return true;
	}
	return false;
}

static void write_file(void)
{
	uint32_t size;
	const void *data = btf__raw_data(kernel, &size);

	if (ftruncate(file, 0) || pwrite(file, data, size, 0) != (ssize_t)size)
		abort();
}

static int tried(void)
{
	write_file();
	why[0] = '\0';
	return kernel_btf_check(path, why);
}

static bool prepare(void)
{
	size_t size;
	const void *elf = btf_check__elf_bytes(&size);
	const int subset = kernel_btf_subset("/sys/kernel/btf", elf, size, NULL, 0);
	char name[32];

	if (subset < 0)
		return false;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", subset);
	kernel = btf__parse_raw(name);
	close(subset);
	programs = ptcpdump__open();
	file = memfd_create("btf", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	return kernel && programs && file >= 0;
}

static void test_right(void)
{
	if (geteuid() || access("/sys/kernel/btf/vmlinux", R_OK))
		CHECK_SKIP("needs root and a kernel with BTF");
	CHECK(prepare());
	if (tried())
		CHECK_FAIL("%s", why);
	CHECK_INT(kernel_btf_check("/sys/kernel/btf/vmlinux", why), 0);
}

/* The member of the kernel's structure, also in what has no name in it. */
static struct btf_member *find_member(const struct btf_type *t, const char *name, const struct btf_type **holder)
{
	struct btf_member *m = btf_members(t), *found = NULL;

	for (int i = 0; i < btf_vlen(t) && !found; i++, m++) {
		const struct btf_type *inner = btf__type_by_id(kernel, m->type);

		*holder = t;
		if (m->name_off && strcmp(btf__name_by_offset(kernel, m->name_off), name) == 0)
			return m;
		if (!m->name_off && btf_is_composite(inner))
			found = find_member(inner, name, holder);
	}
	return found;
}

/* Of the same size, next to it: laid out like that, the structure is as sound as before. */
static struct btf_member *find_twin(const struct btf_type *t, const struct btf_member *m)
{
	const int at = (int)(m - btf_members(t));
	const uint32_t bits = btf_member_bitfield_size(t, (uint32_t)at);

	for (int i = at + 1; btf_is_struct(t) && i < btf_vlen(t); i++) {
		struct btf_member *other = btf_members(t) + i;

		if (btf_member_bitfield_size(t, (uint32_t)i) == bits &&
		    (bits || btf__resolve_size(kernel, other->type) == btf__resolve_size(kernel, m->type)))
			return other;
	}
	return NULL;
}

static void exchange(struct btf_member *a, struct btf_member *b)
{
	const uint32_t offset = a->offset;

	a->offset = b->offset;
	b->offset = offset;
}

enum { FIELDS_MIN = 60 }; /* none is missed because of its name */
static int damaged, believed;

static void damage(const struct btf_type *kernel_type, const char *type, const char *member)
{
	const struct btf_type *holder;
	struct btf_member *m = find_member(kernel_type, member, &holder), *twin;
	char name[160];

	snprintf(name, sizeof(name), "%.70s.%.70s", type, member);
	if (!m || strncmp(name, "bpf_iter__", 10) == 0 || is_in(unread, sizeof(unread) / sizeof(unread[0]), name))
		return;
	damaged++;
	m->offset += 64;
	/* There is padding, whose bytes are right by chance. */
	if (strcmp(name, "pid.level") != 0 && tried() != -EINVAL && ++believed)
		fprintf(stderr, "# %s is believed 8 bytes further\n", name);
	m->offset -= 64;
	twin = find_twin(holder, m);
	if (!twin || is_in(untold, sizeof(untold) / sizeof(untold[0]), name))
		return;
	exchange(m, twin);
	if (tried() != -EINVAL && ++believed)
		fprintf(stderr, "# %s is believed where %s is\n", name, btf__name_by_offset(kernel, twin->name_off));
	exchange(m, twin);
}

/* A structure of the programs, and of the kernel's those that are called so, without the flavour. */
static void damage_type(const struct btf *btf, const struct btf_type *t)
{
	char name[64];
	const char *end;
	int id;

	snprintf(name, sizeof(name), "%s", btf__name_by_offset(btf, t->name_off));
	end = strstr(name, "___");
	if (end)
		name[end - name] = '\0';
	id = *name ? btf__find_by_name_kind(kernel, name, BTF_KIND_STRUCT) : -1;
	for (int i = 0; id > 0 && i < btf_vlen(t); i++)
		damage(btf__type_by_id(kernel, (uint32_t)id), name,
		       btf__name_by_offset(btf, btf_members(t)[i].name_off));
}

static void test_damaged(void)
{
	const struct btf *btf = programs ? bpf_object__btf(programs->obj) : NULL;

	if (!btf)
		CHECK_SKIP("nothing to damage");
	for (uint32_t i = 1; i < btf__type_cnt(btf); i++) {
		if (btf_is_struct(btf__type_by_id(btf, i)))
			damage_type(btf, btf__type_by_id(btf, i));
	}
	CHECK(damaged >= FIELDS_MIN);
	CHECK_INT(believed, 0);
	CHECK_INT(tried(), 0);
}

int main(void)
{
	RUN(test_right);
	RUN(test_damaged);
	ptcpdump__destroy(programs);
	btf__free(kernel);
	return check_status();
}
