/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/local.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util/mounts.h"

enum { LINKS_MAX = 40 }; /* as the kernel follows */

/* DONT_SYNC: what it knows already. */
int local_look(int fd, struct local_file *ret)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_UID, &st) < 0)
		return -errno;
	*ret = (struct local_file){
		.type = st.stx_mode & S_IFMT,
		.uid = st.stx_uid,
		.dev = makedev(st.stx_dev_major, st.stx_dev_minor),
	};
	return 0;
}

static bool is_served(const struct mount *m)
{
	return strncmp(m->type, "fuse", 4) == 0;
}

/* statfs() would ask it. */
bool local_is_served(int fd)
{
	const uint32_t wanted = mounts_id(fd);
	struct mounts all = mounts_open();
	bool served = true;
	struct mount m;

	while (wanted && mounts_next(&all, &m)) {
		if (m.id != wanted)
			continue;
		served = is_served(&m);
		break;
	}
	mounts_close(&all);
	return served;
}

bool local_is_behind_served(const char *path)
{
	struct mounts all = mounts_open();
	bool served = false;
	struct mount m;

	while (!served && mounts_next(&all, &m)) {
		const size_t n = strlen(m.point);

		served = is_served(&m) && strncmp(path, m.point, n) == 0 && path[n] == '/';
	}
	mounts_close(&all);
	return served;
}

struct walk {
	int at; /* the folder */
	dev_t dev;
	unsigned links;
	char left[PATH_MAX];
};

static int step_into(struct walk *w, int fd)
{
	if (w->at >= 0)
		close(w->at);
	w->at = fd;
	return 0;
}

/* What the link says takes its place in front of what is left. */
static int follow(struct walk *w, int link)
{
	char target[PATH_MAX], left[PATH_MAX];
	const ssize_t n = readlinkat(link, "", target, sizeof(target) - 1);
	int root;

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	strcpy(left, w->left);
	if (snprintf(w->left, sizeof(w->left), "%s/%s", target, left) >= (int)sizeof(w->left))
		return -ENAMETOOLONG;
	if (target[0] != '/')
		return 0;
	root = open("/", O_PATH | O_CLOEXEC);
	return root < 0 ? -errno : step_into(w, root);
}

/* The part is taken off what is left. */
static void take_part(struct walk *w, char part[NAME_MAX + 1])
{
	const char *from = w->left + strspn(w->left, "/");
	const size_t n = strcspn(from, "/");

	snprintf(part, NAME_MAX + 1, "%.*s", (int)n, from);
	memmove(w->left, from + n, strlen(from + n) + 1);
}

static int step(struct walk *w)
{
	char part[NAME_MAX + 1];
	struct local_file file;
	int fd, err;

	take_part(w, part);
	if (!*part)
		return 0;
	fd = openat(w->at, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = local_look(fd, &file);
	if (!err && file.type == S_IFLNK) {
		err = follow(w, fd);
		close(fd);
		return err;
	}
	if (!err && file.dev != w->dev && local_is_served(fd))
		err = -EREMOTE;
	if (err) {
		close(fd);
		return err;
	}
	w->dev = file.dev;
	return step_into(w, fd);
}

int local_open(const char *path)
{
	struct walk w = { .at = open(*path == '/' ? "/" : ".", O_PATH | O_CLOEXEC) };
	struct local_file start = { 0 };
	int err = w.at < 0 ? -errno : local_look(w.at, &start);

	if (!err)
		w.dev = start.dev;
	if (!err && snprintf(w.left, sizeof(w.left), "%s", path) >= (int)sizeof(w.left))
		err = -ENAMETOOLONG;
	while (!err && w.left[strspn(w.left, "/")])
		err = step(&w);
	if (!err)
		return w.at;
	if (w.at >= 0)
		close(w.at);
	return err;
}
