/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/kernel_btf.h"

/* Linux 6.16 has it for vmlinux: to read 5 MB of sysfs, a page at a time, takes 3 ms. */
static bool map_file(int fd, struct kernel_btf_data *ret)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) || st.st_size <= 0)
		return false;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return false;
	*ret = (struct kernel_btf_data){ .p = p, .size = (size_t)st.st_size, .mapped = true };
	return true;
}

/* A sysfs file's size is right for BTF but need not be. */
static int read_file(int fd, struct kernel_btf_data *ret)
{
	size_t cap = 8 << 20;
	ssize_t n;

	*ret = (struct kernel_btf_data){ .p = malloc(cap) };
	while (ret->p && (n = read(fd, ret->p + ret->size, cap - ret->size)) != 0) {
		char *more;

		if (n < 0) {
			n = -errno;
			kernel_btf_done(ret);
			return (int)n;
		}
		ret->size += (size_t)n;
		if (ret->size < cap)
			continue;
		cap *= 2;
		more = realloc(ret->p, cap);
		if (!more)
			free(ret->p);
		ret->p = more;
	}
	return ret->p ? 0 : -ENOMEM;
}

int kernel_btf_read(struct kernel_btf_data *ret, const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (!map_file(fd, ret))
		err = read_file(fd, ret);
	close(fd);
	return err;
}

void kernel_btf_done(struct kernel_btf_data *d)
{
	if (d->mapped)
		munmap(d->p, d->size);
	else
		free(d->p);
	*d = (struct kernel_btf_data){ 0 };
}
