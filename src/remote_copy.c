/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote_copy.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "util/log.h"

enum { SEGMENTS_MAX = 64 };

/* It needs no other program to be loaded: none is named in it. A file that is too short is no program. */
static bool is_static(int fd)
{
	Elf64_Ehdr header;
	Elf64_Phdr segment;

	if (pread(fd, &header, sizeof(header), 0) != sizeof(header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(segment))
		return false;
	for (unsigned i = 0; i < header.e_phnum; i++) {
		const off_t at = (off_t)(header.e_phoff + i * sizeof(segment));

		if (i == SEGMENTS_MAX || pread(fd, &segment, sizeof(segment), at) != sizeof(segment) ||
		    segment.p_type == PT_INTERP)
			return false;
	}
	return header.e_phnum > 0;
}

static int open_static(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && is_static(fd))
		return fd;
	if (fd >= 0)
		close(fd);
	return -ENOENT;
}

static int find(void)
{
	static const char *const beside[] = { "ptcpdump-static", "static/ptcpdump" };
	char self[PATH_MAX], path[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int fd = open_static("/proc/self/exe");

	if (n < 0)
		return fd;
	while (n > 0 && self[n - 1] != '/')
		n--;
	for (size_t i = 0; fd < 0 && i < sizeof(beside) / sizeof(beside[0]); i++) {
		snprintf(path, sizeof(path), "%.*s%s", (int)n, self, beside[i]);
		fd = open_static(path);
	}
	return fd;
}

int remote_copy_open(const char *host, const char *machine, uint64_t *size)
{
	struct utsname here;
	struct stat st;
	int fd;

	if (uname(&here) || strcmp(here.machine, machine) != 0) {
		log_error("%s: --remote-copy: its processor is a %s, this program is for %s: install ptcpdump there",
			  host, machine, here.machine);
		return -ENOEXEC;
	}
	fd = find();
	if (fd < 0 || fstat(fd, &st)) {
		log_error(
			"%s: --remote-copy: only the static program (\"make static\") runs on any host; call that, or put it into "
			"the folder of this one as ptcpdump-static",
			host);
		if (fd >= 0)
			close(fd);
		return -ENOENT;
	}
	*size = (uint64_t)st.st_size;
	return fd;
}
