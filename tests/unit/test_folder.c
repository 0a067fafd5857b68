/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose folders and links lead to a file, and whose rights count then. Links of others need root. */
#include "util/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

enum { SOMEBODY = 12345 };

static char dir[] = "/tmp/test-folder-XXXXXX";

static void shell(const char *command)
{
	char text[1024];

	snprintf(text, sizeof(text), "cd %s && { %s; }", dir, command);
	if (system(text))
		abort();
}

/* A file by its name below dir, as the first one of its folder or a later one; -errno, else whether it was made. */
static int open_file(const char *name, bool first)
{
	struct folder f = FOLDER_NONE;
	char path[PATH_MAX];
	bool made;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = folder_open(&f, path, strlen(path));
	if (!fd)
		fd = folder_file(&f, path, 0, 0600, first, &made);
	folder_close(&f);
	if (fd < 0)
		return fd;
	close(fd);
	return made;
}

static uint32_t owner(const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return lstat(path, &st) ? UINT32_MAX : st.st_uid;
}

static void test_plain(void)
{
	CHECK_INT(open_file("new", true), 1);
	CHECK_INT(open_file("new", false), 0);
	CHECK_INT(open_file("./../none/x", true), -ENOENT);
	CHECK_INT(open_file("new/x", true), -ENOTDIR);
	CHECK(open_file("sub/", true) < 0);
	CHECK_INT(open_file("sub/../two", true), 1);
	CHECK_INT(open_file(".", true), -EISDIR);
	CHECK_INT(open_file("sub//./x", false), 1);
}

static void test_names(void)
{
	char name[PATH_MAX + 100];

	memset(name, 'x', sizeof(name));
	name[NAME_MAX + 1] = '\0';
	CHECK_INT(open_file(name, true), -ENAMETOOLONG);
}

static void test_where(void)
{
	struct folder f;
	char path[PATH_MAX];

	if (geteuid() != 0)
		return;
	CHECK_INT(folder_open(&f, "/etc/x", 6), 0);
	CHECK(f.roots && f.way && !f.other && !f.uid && f.skip == 5);
	folder_close(&f);
	CHECK_INT(folder_open(&f, "/tmp/x", 6), 0);
	CHECK(!f.roots && f.way);
	folder_close(&f);
	snprintf(path, sizeof(path), "%s/theirs/x", dir);
	CHECK_INT(folder_open(&f, path, strlen(path)), 0);
	CHECK(!f.roots && !f.way && f.other == SOMEBODY && !f.uid);
	folder_close(&f);
	/* Below somebody's folder nothing is certain, whose it may be. */
	snprintf(path, sizeof(path), "%s/theirs/roots/x", dir);
	CHECK_INT(folder_open(&f, path, strlen(path)), 0);
	CHECK(!f.roots && !f.way && f.other == SOMEBODY);
	folder_close(&f);
}

static void test_links(void)
{
	if (geteuid() != 0)
		return;
	/* Root's own are followed by the first file. */
	CHECK_INT(open_file("own/y", true), 1);
	CHECK_INT(open_file("own.file", true), 0);
	CHECK_INT(open_file("own.file", false), -ELOOP);
	/* Somebody's lead where he may go. */
	CHECK_INT(open_file("theirs/to_roots.f", true), -EACCES);
	CHECK_INT(open_file("theirs/to_roots/x", true), -EACCES);
	CHECK_INT(open_file("theirs/to_own/x", true), 1);
	CHECK_INT(owner("theirs/mine/x"), SOMEBODY);
	CHECK_INT(open_file("theirs/to_others", true), -ELOOP);
	CHECK_INT(open_file("theirs/round", true), -ELOOP);
	/* Who can move root's link has put it there. */
	CHECK_INT(open_file("theirs/by_root", true), -EACCES);
	CHECK_INT(geteuid(), 0);
	CHECK_INT(open_file("only", true), 1);
}

static void test_hard_links(void)
{
	if (geteuid() != 0)
		return;
	CHECK_INT(open_file("theirs/hard", true), -EMLINK);
	CHECK_INT(open_file("theirs/hard", false), -EMLINK);
	CHECK_INT(open_file("theirs/hard_own", true), 0);
	CHECK_INT(open_file("theirs/single", true), 0);
}

int main(void)
{
	if (!mkdtemp(dir) || chmod(dir, 0755))
		return 1;
	shell("mkdir sub theirs theirs/mine theirs/roots && mkdir -m 700 roots && touch roots/file theirs/single && "
	      "ln -s \"$PWD/sub\" own && ln -s roots/file own.file && ln -s ../roots/file theirs/to_roots.f && "
	      "ln -s ../roots theirs/to_roots && ln -s \"$PWD/theirs/mine\" theirs/to_own && ln -s by_another theirs/to_others && "
	      "ln -s mine/y theirs/by_another && ln -s round theirs/round && ln -s ../roots/file theirs/by_root && "
	      "ln roots/file theirs/hard && touch theirs/hard_own && ln theirs/hard_own theirs/hard_two");
	if (geteuid() == 0) {
		shell("chown -h 12345 theirs theirs/mine theirs/to_* theirs/round theirs/hard_own && chown -h 12346 theirs/by_another");
	}
	RUN(test_plain);
	RUN(test_names);
	RUN(test_where);
	RUN(test_links);
	RUN(test_hard_links);
	shell("rm -rf \"$PWD\"");
	return check_status();
}
