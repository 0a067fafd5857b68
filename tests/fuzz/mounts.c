/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as mountinfo, and what follows from it: whose a file system is, and whether a path leads through a user's. */
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "fuzz.h"
#include "util/folder.h"
#include "util/local.h"
#include "util/mounts.h"

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

static struct fuzz input;
static uint32_t id; /* of what every file is in */

FILE *__real_fopen(const char *path, const char *mode);

FAKE(FILE *, fopen, const char *path, const char *mode)
{
	static char fdinfo[64];

	if (strcmp(path, "/proc/self/mountinfo") == 0)
		return fmemopen((void *)(uintptr_t)input.p, input.n, "r");
	if (strncmp(path, "/proc/self/fdinfo/", 18) != 0)
		return __real_fopen(path, mode);
	snprintf(fdinfo, sizeof(fdinfo), "pos:\t0\nflags:\t02\nmnt_id:\t%u\nino:\t1\n", id);
	return fmemopen(fdinfo, strlen(fdinfo), "r");
}

FAKE(uid_t, geteuid, void)
{
	return 0;
}

FAKE(int, fstatfs, int fd, struct statfs *ret)
{
	(void)fd;
	*ret = (struct statfs){ .f_type = FUSE_SUPER_MAGIC };
	return 0;
}

static void ask(const char *path)
{
	const bool behind = local_is_behind_served(path), served = local_is_served(STDIN_FILENO);
	struct folder f = FOLDER_NONE;

	FUZZ_CHECK(!behind || strchr(path, '/'));
	FUZZ_CHECK(id || served);
	if (folder_open(&f, "/", 1))
		abort();
	/* Made up by root alone is not made up. */
	FUZZ_CHECK(f.made_up == (f.other != 0));
	folder_close(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t n = size ? data[0] : 0;
	struct mounts all;
	struct mount m;
	char *path;

	input = (struct fuzz){ data, size };
	fuzz_u8(&input);
	id = fuzz_u8(&input);
	path = fuzz_string(&input, n);
	all = mounts_open();
	while (mounts_next(&all, &m))
		FUZZ_CHECK(strlen(m.root) + strlen(m.point) + strlen(m.type) + strlen(m.options) < input.n);
	mounts_close(&all);
	ask(path);
	free(path);
	return 0;
}
