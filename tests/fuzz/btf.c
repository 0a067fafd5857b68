/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as the BTF of the kernel and of a module: what is copied of them, libbpf reads. */
#include <bpf/btf.h>
#include <dirent.h>
#include <errno.h>

#include "capture/kernel_btf.h"
#include "fuzz.h"
#include "ptcpdump.skel.h"

static struct fuzz kernel, module;
static struct dirent entry = { .d_name = "module" };
static unsigned entries; /* to come */

/* Of exactly that size. */
FAKE(int, kernel_btf_read, struct kernel_btf_data *ret, const char *path)
{
	const struct fuzz *f = strcmp(path, "x/vmlinux") == 0 ? &kernel : &module;

	if (!f->n)
		return -ENOENT;
	*ret = (struct kernel_btf_data){ .p = malloc(f->n), .size = f->n };
	memcpy(ret->p, f->p, f->n);
	return 0;
}

/* A folder with one file; others are libFuzzer's. */
DIR *__real_opendir(const char *path);
struct dirent *__real_readdir(DIR *dir);
int __real_closedir(DIR *dir);

FAKE(DIR *, opendir, const char *path)
{
	entries = 1;
	return strcmp(path, "x") == 0 ? (DIR *)&entries : __real_opendir(path);
}

FAKE(struct dirent *, readdir, DIR *dir)
{
	if (dir != (DIR *)&entries)
		return __real_readdir(dir);
	return entries-- ? &entry : NULL;
}

FAKE(int, closedir, DIR *dir)
{
	return dir == (DIR *)&entries ? 0 : __real_closedir(dir);
}

static void check(int fd, const struct kernel_btf_type *types, size_t n)
{
	char path[32];
	struct btf *btf;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	btf = btf__parse(path, NULL);
	FUZZ_CHECK(btf && !libbpf_get_error(btf));
	btf__free(btf);
	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK(types[i].id < kernel.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kernel_btf_type types[] = { { "task_newtask", BTF_KIND_FUNC, 0 }, { "sock", BTF_KIND_STRUCT, 0 } };
	struct fuzz f = { data, size };
	size_t n, elf_size;
	const void *elf = ptcpdump__elf_bytes(&elf_size);
	int fd;

	n = fuzz_u16(&f);
	if (n > f.n)
		n = f.n;
	kernel = (struct fuzz){ f.p, n };
	module = (struct fuzz){ f.p + n, f.n - n };
	fd = kernel_btf_subset("x", elf, elf_size, types, sizeof(types) / sizeof(types[0]));
	if (fd < 0)
		return 0;
	check(fd, types, sizeof(types) / sizeof(types[0]));
	close(fd);
	return 0;
}
