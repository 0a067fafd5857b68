/* SPDX-License-Identifier: BSD-3-Clause */
/* The types that the programs name, out of a kernel and a module of our own making. */
#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/kernel_btf.h"
#include "check.h"
#include "ptcpdump.skel.h"

static char dir[] = "/tmp/test-kernel-btf-subset-XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void put(const char *name, const void *data, size_t n)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		abort();
	close(fd);
}

static void put_btf(const char *name, const struct btf *btf)
{
	uint32_t size;
	const void *raw = btf__raw_data(btf, &size);

	put(name, raw, size);
}

/* One field of each kind that has to come along, and a pointer, behind which nothing is taken. */
static struct btf *make_kernel(void)
{
	struct btf *btf = btf__new_empty();
	const int number = btf__add_int(btf, "int", 4, BTF_INT_SIGNED), other = btf__add_struct(btf, "unrelated", 4);
	int word, words, mode, part, pointer;

	btf__add_field(btf, "x", number, 0, 0);
	word = btf__add_typedef(btf, "word", btf__add_volatile(btf, btf__add_const(btf, number)));
	words = btf__add_array(btf, number, word, 5);
	mode = btf__add_enum(btf, "mode", 4);
	btf__add_enum_value(btf, "MODE_ON", 7);
	part = btf__add_union(btf, "part", 20);
	btf__add_field(btf, "words", words, 0, 0);
	pointer = btf__add_ptr(btf, other);
	btf__add_struct(btf, "task_struct", 40);
	btf__add_field(btf, "part", part, 0, 0);
	btf__add_field(btf, "mode", mode, 160, 0);
	btf__add_field(btf, "other", pointer, 192, 0);
	btf__add_struct(btf, "pid___local", 8);
	btf__add_struct(btf, "pidx", 8);
	return btf;
}

/* struct nf_conn, of the kernel's int; and one that the kernel has itself. */
static void make_module(struct btf *kernel)
{
	struct btf *btf = btf__new_empty_split(kernel);

	btf__add_struct(btf, "nf_conn", 8);
	btf__add_field(btf, "status", btf__find_by_name(kernel, "int"), 32, 0);
	btf__add_struct(btf, "task_struct", 1000);
	put_btf("nf_conntrack", btf);
	btf__free(btf);
}

static int subset(void)
{
	size_t size;
	const void *elf = ptcpdump__elf_bytes(&size);

	return kernel_btf_subset(dir, elf, size, NULL, 0);
}

static struct btf *parse(int fd)
{
	char path[64];
	struct btf *btf;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	btf = btf__parse(path, NULL);
	close(fd);
	return libbpf_get_error(btf) ? NULL : btf;
}

static const struct btf_member *member(const struct btf *btf, const char *type, unsigned i)
{
	const int id = btf__find_by_name(btf, type);

	return id < 0 || btf_vlen(btf__type_by_id(btf, (uint32_t)id)) <= i
		       ? NULL
		       : btf_members(btf__type_by_id(btf, (uint32_t)id)) + i;
}

static void test_kernel(void)
{
	struct btf *kernel = make_kernel(), *btf;
	const struct btf_member *m;
	int fd;

	put_btf("vmlinux", kernel);
	fd = subset();
	CHECK(fd >= 0);
	btf = parse(fd);
	CHECK(btf);
	if (!btf)
		return;
	CHECK(btf__find_by_name(btf, "unrelated") < 0);
	CHECK(btf__find_by_name(btf, "pidx") < 0);
	CHECK(btf__find_by_name(btf, "pid___local") > 0);
	CHECK_INT(btf__resolve_size(btf, (uint32_t)btf__find_by_name(btf, "task_struct")), 40);
	m = member(btf, "task_struct", 1);
	CHECK(m && m->offset == 160);
	CHECK_STR(m ? btf__name_by_offset(btf, m->name_off) : NULL, "mode");
	m = member(btf, "part", 0);
	CHECK_INT(m ? btf__resolve_size(btf, m->type) : 0, 20);
	m = member(btf, "task_struct", 2);
	CHECK(m && btf_is_ptr(btf__type_by_id(btf, m->type)) && !btf__type_by_id(btf, m->type)->type);
	btf__free(btf);
	btf__free(kernel);
}

/* A function and a type may have one name; what only a module has, has no number. */
static void test_numbers(void)
{
	struct kernel_btf_type types[] = { { "word", BTF_KIND_FUNC, 0 },
					   { "word", BTF_KIND_TYPEDEF, 0 },
					   { "nf_conn", BTF_KIND_STRUCT, 0 },
					   { "unrelated", BTF_KIND_STRUCT, 0 } };
	struct btf *kernel = make_kernel();
	const int func = btf__add_func(kernel, "word", BTF_FUNC_GLOBAL, btf__add_func_proto(kernel, 0));
	size_t size;
	const void *elf = ptcpdump__elf_bytes(&size);
	int fd;

	make_module(kernel);
	put_btf("vmlinux", kernel);
	fd = kernel_btf_subset(dir, elf, size, types, sizeof(types) / sizeof(types[0]));
	CHECK(fd >= 0);
	close(fd);
	CHECK_INT(types[0].id, func);
	CHECK_INT(types[1].id, btf__find_by_name_kind(kernel, "word", BTF_KIND_TYPEDEF));
	CHECK_INT(types[2].id, 0);
	CHECK_INT(types[3].id, btf__find_by_name(kernel, "unrelated"));
	/* The same without an object. */
	types[0].id = types[3].id = 0;
	CHECK_INT(kernel_btf_numbers(dir, types, sizeof(types) / sizeof(types[0])), 0);
	CHECK_INT(types[0].id, func);
	CHECK_INT(types[2].id, 0);
	CHECK_INT(types[3].id, btf__find_by_name(kernel, "unrelated"));
	btf__free(kernel);
	unlink(in_dir("nf_conntrack"));
}

static void test_module(void)
{
	struct btf *kernel = make_kernel(), *btf;
	const struct btf_member *m;
	int tasks = 0;

	make_module(kernel);
	put("damaged", "x", 1);
	btf = parse(subset());
	CHECK(btf);
	if (!btf)
		return;
	m = member(btf, "nf_conn", 0);
	CHECK(m && m->offset == 32);
	CHECK_STR(m ? btf__name_by_offset(btf, btf__type_by_id(btf, m->type)->name_off) : NULL, "int");
	for (uint32_t i = 1; i < btf__type_cnt(btf); i++)
		tasks += strcmp(btf__name_by_offset(btf, btf__type_by_id(btf, i)->name_off), "task_struct") == 0;
	CHECK_INT(tasks, 1);
	btf__free(btf);
	btf__free(kernel);
	unlink(in_dir("nf_conntrack"));
	unlink(in_dir("damaged"));
}

/* Whatever is wrong, it ends, and what is made can be read. */
static void test_damaged(void)
{
	struct btf *kernel = make_kernel();
	unsigned char *copy;
	uint32_t size;
	const void *raw = btf__raw_data(kernel, &size);

	copy = malloc(size);
	for (uint32_t n = 0; n < size; n++) {
		put("vmlinux", raw, n);
		CHECK(subset() < 0);
	}
	for (uint32_t i = 0; i < size * 3; i++) {
		static const unsigned char bits[] = { 0xff, 0x01, 0x80 };
		int fd;

		memcpy(copy, raw, size);
		copy[i / 3] ^= bits[i % 3];
		put("vmlinux", copy, size);
		fd = subset();
		if (fd >= 0)
			close(fd);
	}
	free(copy);
	btf__free(kernel);
	unlink(in_dir("vmlinux"));
	CHECK_INT(subset(), -ENOENT);
	CHECK_INT(kernel_btf_subset(dir, "no ELF", 6, NULL, 0), -EBADMSG);
}

/* Files that can be mapped, and those of /proc, which say that they are empty. */
static void test_read(void)
{
	struct kernel_btf_data d;

	put("file", "abc", 3);
	CHECK_INT(kernel_btf_read(&d, in_dir("file")), 0);
	CHECK(d.mapped && d.size == 3 && memcmp(d.p, "abc", 3) == 0);
	kernel_btf_done(&d);
	unlink(in_dir("file"));
	CHECK_INT(kernel_btf_read(&d, "/proc/self/status"), 0);
	CHECK(!d.mapped && d.size > 5 && memcmp(d.p, "Name:", 5) == 0);
	kernel_btf_done(&d);
	CHECK_INT(kernel_btf_read(&d, in_dir("none")), -ENOENT);
	CHECK_INT(kernel_btf_read(&d, dir), -EISDIR);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	RUN(test_kernel);
	RUN(test_module);
	RUN(test_numbers);
	RUN(test_damaged);
	RUN(test_read);
	rmdir(dir);
	return check_status();
}
