/* SPDX-License-Identifier: BSD-3-Clause */
/* What mountinfo says, of which users choose a part. */
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "fake.h"
#include "util/mounts.h"

static const char *text; /* of mountinfo; NULL: the kernel's own */

FILE *__real_fopen(const char *path, const char *mode);

FAKE(FILE *, fopen, const char *path, const char *mode)
{
	if (!text || strcmp(path, "/proc/self/mountinfo") != 0)
		return __real_fopen(path, mode);
	return fmemopen((void *)(uintptr_t)text, strlen(text), "r");
}

static const char *all(void)
{
	struct mounts mounts = mounts_open();
	struct mount m;

	while (mounts_next(&mounts, &m))
		told("%u %s %s %s %s; ", m.id, m.root, m.point, m.type, m.options);
	mounts_close(&mounts);
	return what_was_told();
}

static void test_fields(void)
{
	text = "22 1 8:1 / / rw,relatime shared:1 master:2 - ext4 /dev/sda1 rw,errors=remount-ro\n"
	       "340 22 0:4 net:[4026532276] /run/netns/a\\040b rw - nsfs nsfs rw\n"
	       "57 22 0:50 / /home/a\\134b\\012 rw - fuse.x a\\040-\\040fuse rw,user_id=1000\n";
	CHECK_STR(all(), "22 / / ext4 rw,errors=remount-ro; 340 net:[4026532276] /run/netns/a b nsfs rw; "
			 "57 / /home/a\\b\n fuse.x rw,user_id=1000; ");
}

static void test_damaged(void)
{
	text = "x\n\n22\n22 1 8:1\n22 1 8:1 / /\n22 1 8:1 / / rw ext4\n22 1 8:1 / / rw - ext4\n22 1 8:1 / / rw - ext4 x\n"
	       "5 1 8:1 / \\04 rw -  x y";
	CHECK_STR(all(), "5 / \\04  y; ");
}

/* A path of 4095 bytes, of which each is written as four: where it goes on, nothing begins. */
static void test_long(void)
{
	char *line = malloc(20000), *end = line + sprintf(line, "57 22 0:50 / /");
	struct mounts mounts;
	struct mount m;

	while (end < line + 16000)
		end += sprintf(end, "\\040%s", end - line == 12286 - 4 ? "58" : "");
	strcpy(end, " rw - fuse x rw,user_id=1000\n58 22 0:51 / /y rw - ext4 x rw\n");
	text = line;
	mounts = mounts_open();
	CHECK(mounts_next(&mounts, &m) && m.id == 57 && strlen(m.point) > 3990);
	CHECK_STR(m.type, "fuse");
	CHECK(mounts_next(&mounts, &m) && m.id == 58);
	CHECK_STR(m.point, "/y");
	CHECK(!mounts_next(&mounts, &m));
	mounts_close(&mounts);
	free(line);
	text = NULL;
}

static void test_kernel(void)
{
	const uint32_t id = mounts_id(STDERR_FILENO);
	struct mounts mounts = mounts_open();
	bool root = false;
	struct mount m;

	while (mounts_next(&mounts, &m))
		root = root || (m.id && strcmp(m.point, "/") == 0 && *m.type && *m.options);
	mounts_close(&mounts);
	CHECK(root && id);
	CHECK_INT(mounts_id(-1), 0);
}

int main(void)
{
	RUN(test_fields);
	RUN(test_damaged);
	RUN(test_long);
	RUN(test_kernel);
	return check_status();
}
