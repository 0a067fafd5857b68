/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "output/relay_private.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t mapped_size(void)
{
	return page_size() + RELAY_SIZE + RELAY_RECORD_MAX;
}

int relay_map(struct relay_memory *m, int fd, int prot)
{
	const size_t page = page_size(), all = mapped_size();
	uint8_t *p = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*m = (struct relay_memory){ 0 };
	if (p == MAP_FAILED)
		return -errno;
	m->head = (void *)p;
	m->data = p + page;
	if (mmap(p, page + RELAY_SIZE, prot, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
	    mmap(p + page + RELAY_SIZE, RELAY_RECORD_MAX, prot, MAP_SHARED | MAP_FIXED, fd, (off_t)page) ==
		    MAP_FAILED) {
		int err = -errno;

		relay_unmap(m);
		return err;
	}
	return 0;
}

void relay_unmap(struct relay_memory *m)
{
	if (m->head)
		munmap(m->head, mapped_size());
	*m = (struct relay_memory){ 0 };
}

int relay_memory_new(struct relay_memory *m, int *fd)
{
	int err;

	*fd = memfd_create("ptcpdump-text", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return -errno;
	err = ftruncate(*fd, (off_t)page_size() + RELAY_SIZE) ? -errno : relay_map(m, *fd, PROT_READ | PROT_WRITE);
	/* What others map from now on cannot be made writable, and they cannot take memory away that we use. */
	if (!err && fcntl(*fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		err = -errno;
	return err;
}
