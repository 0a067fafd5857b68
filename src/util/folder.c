/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/caps.h"
#include "util/mounts.h"
#include "util/rights.h"

enum {
	LINKS_MAX = 40, /* as the kernel's */
	NOBODY = 65534,
};

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

/* On the way to a file. */
struct walk {
	struct folder at; /* fd is ours; skip is not used */
	bool links;	  /* may be followed */
	unsigned followed;
	bool proc;		 /* the name in it is for the kernel to resolve */
	char name[NAME_MAX + 1]; /* that was looked up last */
	char rest[2 * PATH_MAX]; /* after it */
};

/* As whoever's rights count; cap: which of ours is needed for it. */
static int open_as(const struct folder *f, const char *name, int flags, mode_t mode, unsigned cap)
{
	struct rights rights;
	bool raised;
	int fd, err = rights_take(&rights, f->uid);

	if (err)
		return err;
	raised = !f->uid && caps_raise(cap);
	fd = openat(f->fd, name, flags | O_CLOEXEC, mode);
	err = errno;
	if (raised)
		caps_lower(cap);
	rights_back(&rights);
	return fd < 0 ? -err : fd;
}

static int look_up(const struct folder *f, const char *name, int flags)
{
	return open_as(f, name, O_PATH | flags, 0, CAP_DAC_READ_SEARCH);
}

static bool is_on(int fd, long magic)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (long)fs.f_type == magic;
}

/* Whose a file system of FUSE is: it makes up owners. virtiofs, of the machine's host, counts as root's. */
static uint32_t fuse_user(int fd)
{
	const uint32_t wanted = mounts_id(fd);
	struct mounts all = mounts_open();
	uint32_t user = NOBODY;
	struct mount m;

	while (wanted && mounts_next(&all, &m)) {
		const char *given = strstr(m.options, "user_id=");

		if (m.id != wanted)
			continue;
		if (strcmp(m.type, "virtiofs") == 0)
			user = 0;
		else if (!given || sscanf(given, "user_id=%" SCNu32, &user) != 1)
			user = NOBODY;
		break;
	}
	mounts_close(&all);
	return user;
}

/* Takes fd over. */
static int enter(struct folder *f, int fd)
{
	const uint32_t fuse = is_on(fd, FUSE_SUPER_MAGIC) ? fuse_user(fd) : 0;
	struct stat st;

	if (fstat(fd, &st)) {
		close(fd);
		return -errno;
	}
	if (f->fd >= 0)
		close(f->fd);
	f->fd = fd;
	f->made_up = f->made_up || fuse;
	if (fuse)
		f->other = fuse;
	else if (st.st_uid && !f->made_up)
		f->other = st.st_uid;
	f->way = f->way && !st.st_uid && !f->made_up;
	f->roots = f->way && !(st.st_mode & (S_IWGRP | S_IWOTH));
	/* Where the sticky bit is set, nobody can put something else in the place of what is root's. */
	f->way = f->roots || (f->way && (st.st_mode & S_ISVTX));
	return 0;
}

static int enter_root(struct folder *f)
{
	const int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : enter(f, fd);
}

/* The next name of the way; false: there is none. */
static bool next_name(struct walk *w, int *err)
{
	char *at = w->rest + strspn(w->rest, "/");
	const size_t n = strcspn(at, "/");

	*err = n > NAME_MAX ? -ENAMETOOLONG : 0;
	if (n == 0 || n > NAME_MAX)
		return false;
	memcpy(w->name, at, n);
	w->name[n] = '\0';
	memmove(w->rest, at + n, strlen(at + n) + 1);
	return true;
}

/* False: nobody in our user namespace, as its creator's root mostly is, and shown as some uid. */
static bool is_here(uint32_t uid)
{
	FILE *f = fopen("/proc/self/uid_map", "re");
	unsigned first, outside, n;
	bool here = !f;

	while (f && !here && fscanf(f, "%u %u %u", &first, &outside, &n) == 3)
		here = uid >= first && uid - first < n;
	if (f)
		fclose(f);
	return here;
}

static int follow(struct walk *w, int link, const struct stat *st)
{
	const uint32_t owner = w->at.made_up || !st->st_uid ? w->at.other : st->st_uid;
	/* Where root has no rights over others, the kernel decides as for everybody. */
	const uint32_t whose = owner && is_here(owner) ? owner : 0;
	char target[PATH_MAX], rest[sizeof(w->rest)];
	ssize_t n;

	if (!w->links || ++w->followed > LINKS_MAX || (w->at.uid && whose && whose != w->at.uid))
		return -ELOOP;
	n = readlinkat(link, "", target, sizeof(target) - 1);
	if (n <= 0)
		return n ? -errno : -ENOENT;
	target[n] = '\0';
	if (whose) {
		w->at.uid = whose;
		w->at.way = w->at.roots = false;
	}
	if (snprintf(rest, sizeof(rest), "%s%s", target, w->rest) >= (int)sizeof(rest))
		return -ENAMETOOLONG;
	memcpy(w->rest, rest, sizeof(rest));
	return *target == '/' ? enter_root(&w->at) : 0;
}

/* Nothing is mounted (autofs) for who does not say that a folder is wanted. */
static int look_up_step(const struct folder *f, const char *name, bool last)
{
	const int fd = last ? -ENOTDIR : look_up(f, name, O_NOFOLLOW | O_DIRECTORY);

	return fd == -ENOTDIR ? look_up(f, name, O_NOFOLLOW) : fd;
}

/* What is there, by its name; whether that is the end. */
static int step(struct walk *w, bool last, bool *end)
{
	int fd = look_up_step(&w->at, w->name, last), err;
	struct stat st;

	*end = last;
	if (fd < 0)
		return last && fd == -ENOENT ? 0 : fd;
	if (fstat(fd, &st)) {
		err = -errno;
		goto out;
	}
	err = 0;
	if (S_ISLNK(st.st_mode) && is_on(w->at.fd, PROC_SUPER_MAGIC)) {
		/* A process's descriptors have names that are no paths. */
		w->proc = last;
		if (!w->links)
			err = -ELOOP;
		if (err || last)
			goto out;
		close(fd);
		fd = look_up(&w->at, w->name, O_DIRECTORY);
		return fd < 0 ? fd : enter(&w->at, fd);
	}
	if (S_ISLNK(st.st_mode)) {
		*end = false;
		err = follow(w, fd, &st);
		goto out;
	}
	if (!last)
		return S_ISDIR(st.st_mode) ? enter(&w->at, fd) : (close(fd), -ENOTDIR);
out:
	close(fd);
	return err;
}

/* To the folder whose file the last name is; folder: that is one as well. */
static int walk(struct walk *w, bool folder)
{
	bool end = false;
	int err = 0;

	while (!err && !end && next_name(w, &err)) {
		const bool slash = *w->rest == '/', last = !folder && !w->rest[strspn(w->rest, "/")];

		err = step(w, last, &end);
		if (!err && end && slash)
			err = -EISDIR;
	}
	return err ? err : folder || end ? 0 : -EISDIR;
}

/* From where it is, or from the root by way of where we are, so as to know who could have changed that. */
static int begin(struct walk *w, const char *name, size_t n)
{
	char cwd[PATH_MAX] = "";
	int fd, err = enter_root(&w->at);

	if (!err && *name != '/') {
		/* It may be deleted, or hidden by what is mounted over it. */
		if (getcwd(cwd, sizeof(cwd)))
			strcpy(w->rest, cwd);
		w->links = false;
		if (*cwd != '/' || walk(w, true))
			w->at.way = false;
		w->links = true;
		fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		err = fd < 0 ? -errno : enter(&w->at, fd);
	}
	if (!err && snprintf(w->rest, sizeof(w->rest), "%.*s", (int)n, name) >= (int)sizeof(w->rest))
		err = -ENAMETOOLONG;
	return err;
}

int folder_open(struct folder *f, const char *name, size_t n)
{
	struct walk w = { .at = { .fd = -1, .way = true }, .links = true };
	int err;

	while (n > 0 && name[n - 1] != '/')
		n--;
	if (geteuid() != 0) {
		*f = (struct folder){ .fd = AT_FDCWD };
		return 0;
	}
	err = begin(&w, name, n);
	if (!err)
		err = walk(&w, true);
	if (err) {
		folder_close(&w.at);
		return err;
	}
	*f = w.at;
	f->skip = n;
	return 0;
}

/* The kernel guards files in such folders as /tmp when it might have to make them. */
static int open_existing(const struct walk *w, int flags, mode_t mode)
{
	const int fd = open_as(&w->at, w->name, flags | O_CREAT | (w->proc ? 0 : O_NOFOLLOW), mode,
			       w->at.roots ? CAP_DAC_OVERRIDE : CAP_DAC_READ_SEARCH);
	struct stat st;

	if (fd < 0 || w->at.roots || w->proc || w->at.uid || geteuid() != 0)
		return fd;
	/* Whose folder it is may have linked anything into it. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink > 1 && (!st.st_uid || st.st_uid != w->at.other)) {
		close(fd);
		return -EMLINK;
	}
	return fd;
}

static int open_or_make(const struct walk *w, int flags, mode_t mode, bool *made)
{
	int fd = -EEXIST;

	if (!w->proc)
		fd = open_as(&w->at, w->name, flags | O_CREAT | O_EXCL | O_NOFOLLOW, mode, CAP_DAC_OVERRIDE);
	*made = fd >= 0;
	return fd == -EEXIST ? open_existing(w, flags, mode) : fd;
}

static int open_plain(const char *name, int flags, mode_t mode, bool *made)
{
	int fd = open(name, flags | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	*made = fd >= 0;
	if (fd < 0 && errno == EEXIST)
		fd = open(name, flags | O_CREAT | O_CLOEXEC, mode);
	return fd < 0 ? -errno : fd;
}

int folder_file(const struct folder *f, const char *name, int flags, mode_t mode, bool first, bool *made)
{
	struct walk w = { .at = *f, .links = first };
	int ret;

	*made = false;
	if (f->fd == AT_FDCWD)
		return open_plain(name, flags | O_WRONLY, mode, made);
	if (snprintf(w.rest, sizeof(w.rest), "%s", name + f->skip) >= (int)sizeof(w.rest))
		return -ENAMETOOLONG;
	w.at.fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
	if (w.at.fd < 0)
		return -errno;
	ret = walk(&w, false);
	if (!ret)
		ret = open_or_make(&w, flags | O_WRONLY, mode, made);
	folder_close(&w.at);
	return ret;
}

void folder_close(struct folder *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}
