/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/metrics_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/folder.h"
#include "util/log.h"

enum {
	TEXT_MAX = 64 << 20,
	END_MS = 2000,
};

struct metrics_file {
	pid_t pid;
	int fd;
	struct buf rest; /* not taken yet: the length of a text, 32 bits, and the text */
};

struct writer {
	const char *path;
	struct folder folder;
	char *temporary; /* in the same folder; nothing reads a name without .prom */
	bool failing;
};

/* --- the process that writes --------------------------------------------------- */

/* What is there: nothing, or counters of ours. A wrong name must not cost a file, or a device that many need. -errno, logged. */
static int check_old(const struct writer *w)
{
	char begin[sizeof(METRICS_FIRST) - 1];
	const int fd = openat(w->folder.fd, w->path + w->folder.skip, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	const int err = fd < 0 && errno != ENOENT ? -errno : 0;
	struct stat st;
	bool ours = fd < 0 && !err;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		ours = st.st_size == 0 || (read(fd, begin, sizeof(begin)) == (ssize_t)sizeof(begin) &&
					   memcmp(begin, METRICS_FIRST, sizeof(begin)) == 0);
	if (fd >= 0)
		close(fd);
	if (ours)
		return 0;
	if (err && err != -ELOOP && err != -ENXIO)
		log_error("can't read '%s': %s", w->path, strerror(-err));
	else
		log_error("'%s' is not a file of --metrics: it is left alone, give another name", w->path);
	return err ? err : -EEXIST;
}

static int write_temporary(const struct writer *w, const char *text, size_t n)
{
	size_t done = 0;
	bool made;
	int fd, err;

	if (unlinkat(w->folder.fd, w->temporary + w->folder.skip, 0) && errno != ENOENT)
		return -errno;
	fd = folder_file(&w->folder, w->temporary, O_TRUNC, 0644, false, &made);
	if (fd < 0)
		return fd;
	if (!made) {
		close(fd);
		return -EEXIST;
	}
	/* Whatever the umask: another user's collector reads it. */
	err = fchmod(fd, 0644) ? -errno : fd_write(fd, text, n, NULL, &done);
	return close(fd) && !err ? -errno : err;
}

/* Half a file is never seen: readers have the old one, or the new one. */
static int replace(const struct writer *w, const char *text, size_t n)
{
	int err = write_temporary(w, text, n);

	if (!err && renameat(w->folder.fd, w->temporary + w->folder.skip, w->folder.fd, w->path + w->folder.skip))
		err = -errno;
	if (err)
		unlinkat(w->folder.fd, w->temporary + w->folder.skip, 0);
	return err;
}

/* Whether that can be done, before there is anything to write. */
static int try_writing(const struct writer *w)
{
	const int err = write_temporary(w, METRICS_FIRST, sizeof(METRICS_FIRST) - 1);

	unlinkat(w->folder.fd, w->temporary + w->folder.skip, 0);
	return err;
}

/* Said when it begins, and again when it begins again. */
static void say(struct writer *w, int err)
{
	if (err && !w->failing)
		log_warn("can't write to '%s': %s; it is tried again", w->path, strerror(-err));
	w->failing = err;
}

static _Noreturn void serve(struct writer *w)
{
	struct buf text = { 0 };
	uint32_t n;

	while (!fd_read_all(FD_SERVED, &n, sizeof(n)) && n <= TEXT_MAX &&
	       !fd_read_all(FD_SERVED, buf_reserve(&text, n + 1), n)) {
		say(w, replace(w, text.p, n));
		/* That it is written is answered by a byte, so that at the end somebody may wait for it. */
		if (send(FD_SERVED, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EPIPE)
			break;
	}
	_exit(0);
}

static _Noreturn void write_files(int fd, const char *path)
{
	struct writer w = { .path = path, .folder = FOLDER_NONE };
	int err;

	prctl(PR_SET_NAME, "ptcpdump-metric");
	err = fd_serve_only(fd, true);
	if (!err && asprintf(&w.temporary, "%s.tmp", path) < 0)
		err = -ENOMEM;
	if (!err)
		err = folder_open(&w.folder, path, strlen(path));
	/* There, names are removed and replaced with the rights that we have, not with theirs. */
	if (!err && w.folder.uid)
		err = -ELOOP;
	if (!err && check_old(&w))
		_exit(1);
	if (!err)
		err = try_writing(&w);
	if (err) {
		log_error("can't write to '%s': %s", path, strerror(-err));
		_exit(1);
	}
	send(FD_SERVED, "", 1, MSG_NOSIGNAL);
	serve(&w);
}

/* --- who gives it texts ----------------------------------------------------------- */

/* A file system that hangs keeps it, not us: it ends when it can. */
static void end_process(struct metrics_file *f)
{
	struct pollfd fd = { .fd = f->fd, .events = POLLIN };
	bool ended = false;
	char bytes[16];

	shutdown(f->fd, SHUT_WR);
	while (!ended && poll(&fd, 1, END_MS) > 0) {
		const ssize_t n = recv(f->fd, bytes, sizeof(bytes), 0);

		ended = n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN);
	}
	close(f->fd);
	while (f->pid > 0 && waitpid(f->pid, NULL, ended ? 0 : WNOHANG) < 0 && errno == EINTR)
		;
}

int metrics_file_new(struct metrics_file **ret, const char *path)
{
	struct metrics_file *f = calloc(1, sizeof(*f));
	int pair[2], err = f ? 0 : -ENOMEM;
	char ready;

	if (!err && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		err = -errno;
	if (err) {
		log_error("%s: %s", path, strerror(-err));
		free(f);
		return err;
	}
	f->pid = fork();
	if (f->pid == 0)
		write_files(pair[1], path);
	err = f->pid < 0 ? -errno : 0;
	close(pair[1]);
	f->fd = pair[0];
	if (err)
		log_error("%s: %s", path, strerror(-err));
	else if (fd_read_all(f->fd, &ready, 1))
		err = -EIO; /* it has said why */
	else if (fcntl(f->fd, F_SETFL, O_NONBLOCK))
		err = -errno;
	if (err) {
		end_process(f);
		free(f);
		return err;
	}
	*ret = f;
	return 0;
}

static int push(struct metrics_file *f)
{
	size_t done = 0;
	int err = 0;

	while (done < f->rest.len && !err) {
		const ssize_t n = send(f->fd, f->rest.p + done, f->rest.len - done, MSG_NOSIGNAL);

		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			err = errno == EAGAIN ? 1 : -errno;
	}
	memmove(f->rest.p, f->rest.p + done, f->rest.len - done);
	f->rest.len -= done;
	return err < 0 ? err : 0;
}

bool metrics_file_idle(struct metrics_file *f)
{
	char bytes[16];

	if (f->rest.len)
		push(f);
	while (recv(f->fd, bytes, sizeof(bytes), 0) > 0)
		;
	return f->rest.len == 0;
}

int metrics_file_put(struct metrics_file *f, struct buf *text)
{
	const uint32_t n = text->len < TEXT_MAX ? (uint32_t)text->len : TEXT_MAX;

	buf_put(&f->rest, &n, sizeof(n));
	buf_put(&f->rest, text->p, n);
	text->len = 0;
	return push(f);
}

void metrics_file_wait(struct metrics_file *f)
{
	struct pollfd fd = { .fd = f->fd, .events = POLLOUT };

	while (f->rest.len && poll(&fd, 1, END_MS) > 0 && !push(f))
		;
}

void metrics_file_free(struct metrics_file *f)
{
	if (!f)
		return;
	metrics_file_wait(f);
	/* Behind the last text is the end: it writes the one and then ends. */
	end_process(f);
	buf_done(&f->rest);
	free(f);
}
