/* SPDX-License-Identifier: BSD-3-Clause */
#include "keylog.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "keylog_holder.h"
#include "util/folder.h"
#include "util/log.h"

enum {
	READ_SIZE = 64 * 1024,
	READ_MAX = 1024 * 1024, /* of one call, secrets or not */
	/* The longest that is defined has 32 + 1 + 64 + 1 + 96 bytes; digests of 64 bytes have room. */
	LINE_MAX_BYTES = 512,
};

#define FILE_NAME "keys"
#define FOLDER_PREFIX "ptcpdump-"
#define FOLDER_MODE 0711

struct keylog {
	struct keylog_holder holder; /* fd -1: the user has a file */
	char *path;		     /* of that, else the holder's */
	int fd, notify_fd;	     /* fd -1: the user's is not there yet */
	uint32_t uid;		     /* of the command */
	const char *copy;	     /* NULL none */
	int copy_fd;
	off_t at;
	struct buf pending; /* read, but its line is not whole yet */
};

static size_t hex_digits(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && ((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f') || (p[i] >= 'A' && p[i] <= 'F')))
		i++;
	return i;
}

static size_t label(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && ((p[i] >= 'A' && p[i] <= 'Z') || (p[i] >= '0' && p[i] <= '9') || p[i] == '_'))
		i++;
	return i;
}

/* LABEL hex hex */
static bool is_secret(const char *p, size_t n)
{
	size_t at = label(p, n);

	if (at == 0 || n > LINE_MAX_BYTES)
		return false;
	for (int i = 0; i < 2; i++) {
		size_t digits;

		if (at == n || p[at] != ' ')
			return false;
		digits = hex_digits(p + at + 1, n - at - 1);
		if (digits == 0 || digits % 2)
			return false;
		at += 1 + digits;
	}
	return at == n;
}

/* Moves the whole lines of what is pending. */
static void take_lines(struct keylog *k, struct buf *lines)
{
	const char *p = k->pending.p, *const end = p + k->pending.len, *newline;
	size_t rest;

	while (p < end && (newline = memchr(p, '\n', (size_t)(end - p)))) {
		size_t n = (size_t)(newline - p);

		if (n > 0 && p[n - 1] == '\r')
			n--;
		if (is_secret(p, n)) {
			buf_put(lines, p, n);
			buf_putc(lines, '\n');
		}
		p = newline + 1;
	}
	rest = (size_t)(end - p);
	/* A longer line is no secret; enough of it stays to know that. */
	if (rest > LINE_MAX_BYTES + 2)
		rest = LINE_MAX_BYTES + 2;
	if (rest)
		memmove(k->pending.p, end - rest, rest);
	k->pending.len = rest;
}

static int copy_lines(struct keylog *k, const char *p, size_t n)
{
	struct buf b = { 0 };
	int err;

	buf_put(&b, p, n);
	err = buf_flush(&b, k->copy_fd, NULL, NULL);
	buf_done(&b);
	if (err)
		log_error("can't write TLS secrets to '%s': %s", k->copy, strerror(-err));
	return err;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whose secrets they are is known by the owner, whatever led to the file: we may be allowed to read more than the user. */
static int open_user_file(struct keylog *k, struct stat *st)
{
	const int fd = open(k->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat copy;
	char name[32];
	int err = 0;

	if (fd < 0 || fstat(fd, st))
		err = -errno;
	else if (!S_ISREG(st->st_mode))
		err = -EINVAL;
	else if (k->uid && st->st_uid != k->uid)
		err = -EACCES;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	if (!err && inotify_add_watch(k->notify_fd, name, IN_MODIFY) < 0)
		err = -errno;
	if (err) {
		if (fd >= 0)
			close(fd);
		return err;
	}
	k->fd = fd;
	/* Its lines are where they should be. */
	if (k->copy && fstat(k->copy_fd, &copy) == 0 && same_file(st, &copy))
		k->copy = NULL;
	return 0;
}

int keylog_read(struct keylog *k, struct buf *lines)
{
	const size_t start = lines->len;
	char events[4096];
	struct stat st;
	ssize_t n = 0, got = 0;

	while (read(k->notify_fd, events, sizeof(events)) > 0)
		;
	if (k->fd < 0 && open_user_file(k, &st))
		return 0;
	/* Some programs empty the file first. */
	if (fstat(k->fd, &st) == 0 && st.st_size < k->at) {
		k->at = 0;
		k->pending.len = 0;
	}
	while (got < READ_MAX && (n = pread(k->fd, buf_reserve(&k->pending, READ_SIZE), READ_SIZE, k->at)) > 0) {
		got += n;
		k->at += n;
		k->pending.len += (size_t)n;
		take_lines(k, lines);
	}
	if (n < 0) {
		log_error("can't read the TLS secrets in '%s': %s", k->path, strerror(errno));
		return -errno;
	}
	return k->copy && lines->len > start ? copy_lines(k, lines->p + start, lines->len - start) : 0;
}

/* What was there before us is taken only if nobody else gets to read the secrets by it. */
static int check_copy(const struct keylog_config *config, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_uid != geteuid() && st.st_uid != config->uid)
		return -EEXIST;
	if (!S_ISREG(st.st_mode))
		return 0;
	if (st.st_nlink > 1)
		return -EMLINK;
	if (st.st_mode & (S_IRGRP | S_IROTH))
		log_warn("--write-keylog-file '%s': others may read it, and decrypt with it: chmod 600 it",
			 config->copy);
	return 0;
}

/* A new file is the command's user's, since these are his secrets. */
static int open_copy(struct keylog *k, const struct keylog_config *config)
{
	struct folder folder = FOLDER_NONE;
	bool made = false;
	int err = folder_open(&folder, config->copy, strlen(config->copy));

	if (!err) {
		k->copy_fd = folder_file(&folder, config->copy, O_APPEND | O_NOCTTY, 0600, true, &made);
		err = k->copy_fd < 0 ? k->copy_fd : 0;
	}
	folder_close(&folder);
	if (!err && !made)
		err = check_copy(config, k->copy_fd);
	else if (!err && geteuid() == 0 && fchown(k->copy_fd, config->uid, config->gid))
		err = -errno;
	return err;
}

static const char *why_no_copy(int err)
{
	switch (err) {
	case -EEXIST: return "belongs to somebody else: name a new file";
	case -EMLINK: return "has other names (hard links): name a new file";
	case -ELOOP: return "is behind links that root has not made: name the file where it is";
	default: return strerror(-err);
	}
}

/* What a killed ptcpdump before this one left behind: its lock is gone. Young ones may just be about to be locked. */
static bool remove_stale_folder(int tmp_fd, const char *name)
{
	enum { YOUNG = 60 };
	const int fd = openat(tmp_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool removed = false;
	struct stat st;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && (st.st_mode & 07777) == FOLDER_MODE && st.st_mtime + YOUNG < time(NULL) &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0) {
		/* A folder that holds more than this file is not ours and stays, as does one of another user's. */
		unlinkat(fd, FILE_NAME, 0);
		removed = unlinkat(tmp_fd, name, AT_REMOVEDIR) == 0;
	}
	close(fd);
	return removed;
}

static unsigned remove_stale_folders(const char *tmp, FILE *out)
{
	DIR *dir = opendir(tmp);
	struct dirent *entry;
	unsigned n = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		if (fnmatch(FOLDER_PREFIX "??????", entry->d_name, 0) != 0 ||
		    !remove_stale_folder(dirfd(dir), entry->d_name))
			continue;
		n++;
		if (out)
			fprintf(out, "%s/%s: removed\n", tmp, entry->d_name);
	}
	closedir(dir);
	return n;
}

unsigned keylog_clean(FILE *out)
{
	const char *tmp = getenv("TMPDIR");

	return remove_stale_folders(tmp && *tmp == '/' ? tmp : "/tmp", out);
}

static int make_private_file(struct keylog *k, const struct keylog_config *config)
{
	char name[32];
	int err;

	keylog_clean(NULL);
	err = keylog_holder_start(&k->holder, config->uid, config->gid);
	if (err)
		return err;
	k->fd = k->holder.fd;
	k->path = strdup(k->holder.path);
	if (!k->path)
		return -ENOMEM;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", k->fd);
	k->notify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return k->notify_fd < 0 || inotify_add_watch(k->notify_fd, name, IN_MODIFY) < 0 ? -errno : 0;
}

/* What is in it already belongs to others. -ENOENT: it cannot come into being either. */
static int follow_user_file(struct keylog *k, const char *path)
{
	char *folder = NULL;
	struct stat st = { 0 };
	int err;

	k->path = strdup(path);
	k->notify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (!k->path || k->notify_fd < 0)
		return k->path ? -errno : -ENOMEM;
	err = open_user_file(k, &st);
	if (!err)
		k->at = st.st_size;
	if (err != -ENOENT)
		return err;
	folder = strdup(path);
	err = folder ? 0 : -ENOMEM;
	if (folder && inotify_add_watch(k->notify_fd, dirname(folder), IN_CREATE | IN_MOVED_TO) < 0)
		err = -errno;
	free(folder);
	return err;
}

static int open_source(struct keylog *k, const struct keylog_config *config)
{
	int err = -ENOENT;

	if (config->user_file && *config->user_file) {
		err = follow_user_file(k, config->user_file);
		if (err && err != -ENOENT)
			log_error(
				"can't read the TLS secrets of the command in SSLKEYLOGFILE, '%s': %s: unset it, or set it "
				"to a file of the command's user",
				config->user_file, err == -EINVAL ? "not a regular file" : strerror(-err));
	}
	if (err != -ENOENT)
		return err;
	if (k->notify_fd >= 0)
		close(k->notify_fd);
	k->notify_fd = -1;
	free(k->path);
	k->path = NULL;
	err = make_private_file(k, config);
	if (err)
		log_error("can't make a file for the TLS secrets of the command: %s", strerror(-err));
	return err;
}

int keylog_new(struct keylog **ret, const struct keylog_config *config)
{
	struct keylog *k = calloc(1, sizeof(*k));
	int err;

	if (!k) {
		log_error("out of memory");
		return -ENOMEM;
	}
	*k = (struct keylog){
		.holder = { .fd = -1, .alive = -1 },
		.fd = -1,
		.notify_fd = -1,
		.copy_fd = -1,
		.uid = config->uid,
		.copy = config->copy,
	};
	if (k->copy) {
		err = open_copy(k, config);
		if (err) {
			log_error("--write-keylog-file '%s': %s", k->copy, why_no_copy(err));
			goto out;
		}
	}
	err = open_source(k, config);
out:
	if (err) {
		keylog_free(k);
		return err;
	}
	*ret = k;
	return 0;
}

const char *keylog_path(const struct keylog *k)
{
	return k->holder.fd >= 0 ? k->path : NULL;
}

bool keylog_waits(const struct keylog *k)
{
	return k && k->fd < 0;
}

int keylog_fd(const struct keylog *k)
{
	return k->notify_fd;
}

void keylog_free(struct keylog *k)
{
	if (!k)
		return;
	if (k->fd == k->holder.fd)
		k->fd = -1;
	keylog_holder_end(&k->holder);
	for (size_t i = 0; i < 3; i++) {
		const int fd = (const int[]){ k->fd, k->notify_fd, k->copy_fd }[i];

		if (fd >= 0)
			close(fd);
	}
	buf_done(&k->pending);
	free(k->path);
	free(k);
}
