/* SPDX-License-Identifier: BSD-3-Clause */
/* -C, -G, -W and -z, with the names and the order that tcpdump's users know. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "output/file.h"
#include "util/fd.h"
#include "util/log.h"

extern char **environ;

/* Digits of the highest number, so that names sort; 0 without -W: numbers are not padded then, and the first file has
 * none. The only file of -W 1 has none either. */
static int number_width(unsigned files)
{
	int width = 0;

	for (unsigned n = files ? files - 1 : 0; n; n /= 10)
		width++;
	return width;
}

static int make_name(const struct file_output *o, char *name, size_t size)
{
	const int width = o->config.rotate_bytes ? number_width(o->config.rotate_files) : 0;
	size_t len;
	int n = 0;

	if (o->config.rotate_seconds) {
		struct tm tm;

		if (!localtime_r(&o->period_start, &tm))
			return -EOVERFLOW;
		len = strftime(name, size, o->config.path, &tm);
		if (len == 0)
			return -ENAMETOOLONG;
	} else {
		len = strlen(o->config.path);
		if (len >= size)
			return -ENAMETOOLONG;
		memcpy(name, o->config.path, len + 1);
	}
	if (o->config.rotate_bytes && (o->number || width))
		n = snprintf(name + len, size - len, "%0*u", width, o->number);
	return n < 0 || (size_t)n >= size - len ? -ENAMETOOLONG : 0;
}

static const char *cure(int err, const char *name, bool first)
{
	const char *slash = strrchr(name, '/');
	char folder[PATH_MAX];

	switch (err) {
	case -ENOENT:
		if (!slash)
			return "";
		snprintf(folder, sizeof(folder), "%.*s", slash == name ? 1 : (int)(slash - name), name);
		return access(folder, F_OK) ? ": create the folder first" : "";
	case -ELOOP:
		return first ? ": others than root have made links on the way, and not all of the same user: name the "
			       "folder where they lead"
			     : ": only the first file's name may be a link: remove it";
	case -EMLINK: return ": it has another name, in another folder perhaps, and others may write here: remove it";
	case -EACCES:
		if (!first)
			return ": a file that exists is opened with the rights of this user only, unless none but root may "
			       "put it there: remove it";
		return ": choose a place that this user may write to";
	case -EPERM:
	case -EROFS: return ": choose a place that this user may write to";
	case -EISDIR: return ": -w wants the name of a file";
	default: return "";
	}
}

/* Names of -G change from their first conversion on. */
static int open_folder(struct file_output *o)
{
	const char *path = o->config.path;
	const size_t n = o->config.rotate_seconds ? strcspn(path, "%") : strlen(path);

	return strcmp(path, "-") == 0 ? 0 : folder_open(&o->folder, path, n);
}

static int out_of_memory(const struct file_output *o)
{
	log_error("%s: out of memory", o->config.path);
	return -ENOMEM;
}

static int set_name(struct file_output *o, const char *name)
{
	o->held.overwritten |= o->name && strcmp(o->name, name) == 0;
	free(o->name);
	o->name = strdup(name);
	return o->name ? 0 : out_of_memory(o);
}

static int open_named(struct file_output *o)
{
	const bool first = !o->name;
	char name[PATH_MAX];
	int ret = make_name(o, name, sizeof(name));

	if (ret) {
		log_error("-w \"%s\": %s", o->config.path, strerror(-ret));
		return ret;
	}
	ret = set_name(o, name);
	if (ret)
		return ret;
	ret = first ? open_folder(o) : 0;
	if (!ret)
		ret = sink_open(&o->sink, &(struct sink_place){ &o->folder, name, first }, &o->config);
	if (ret) {
		if (ret == -EDEADLK)
			log_error("%s: is the file that is being read: give -w another name", name);
		else
			log_error("%s: %s%s", name, strerror(-ret), cure(ret, name, first));
		return ret;
	}
	/* It may have been one of ours, when names come again. */
	o->held.overwritten |= !first && o->sink.existed;
	return fstat(o->sink.fd, &o->opened) ? -errno : 0;
}

/* The same by somebody else. */
static int open_asked(struct file_output *o, enum file_step step)
{
	char name[PATH_MAX];
	const int fd = o->config.ask(o->config.arg, step, name);
	int ret;

	if (fd < 0)
		return fd;
	ret = sink_take(&o->sink, fd, &o->config);
	return ret ? ret : set_name(o, name);
}

static int open_step(struct file_output *o, enum file_step step)
{
	int ret;

	o->held.before += o->sink.packets;
	o->held.begun = false;
	o->sink.packets = 0;
	ret = o->config.ask ? open_asked(o, step) : open_named(o);
	if (ret)
		return ret;
	o->held.begun = true;
	o->packets = 0;
	ret = o->format->begin(o);
	return ret == -ENOMEM ? out_of_memory(o) : ret;
}

int file_open_first(struct file_output *o)
{
	o->period_start = time(NULL);
	return open_step(o, FILE_FIRST);
}

void file_reap_children(struct file_output *o)
{
	size_t n = 0;

	for (size_t i = 0; i < o->nchildren; i++) {
		if (waitpid(o->children[i], NULL, WNOHANG) == 0)
			o->children[n++] = o->children[i];
	}
	o->nchildren = n;
}

static bool still_named(const struct file_output *o)
{
	struct stat named;

	return stat(o->name, &named) == 0 && named.st_dev == o->opened.st_dev && named.st_ino == o->opened.st_ino;
}

/* Root's program is not sent to a file that somebody has put in the place of ours. */
static bool may_run(const struct file_output *o)
{
	if (geteuid() != 0 || !S_ISREG(o->opened.st_mode) || still_named(o))
		return true;
	log_error("-z: \"%s\" is no longer the file that was written: \"%s\" is not run on it", o->name,
		  o->config.command);
	return false;
}

/* The finished file's name is its only argument; no shell sees it. Signals are as in a fresh process. */
static void run_command(struct file_output *o)
{
	char *argv[] = { (char *)o->config.command, o->name, NULL };
	posix_spawnattr_t attr;
	sigset_t none, all;
	pid_t pid, *p;
	int err;

	if (!o->config.command || !may_run(o))
		return;
	p = realloc(o->children, (o->nchildren + 1) * sizeof(*p));
	if (!p)
		return;
	o->children = p;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	fd_close_in_programs();
	err = posix_spawnp(&pid, o->config.command, NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	if (err) {
		log_error("-z: cannot run \"%s\" on \"%s\": %s", o->config.command, o->name, strerror(err));
		return;
	}
	/* It must not take time from the capture. */
	setpriority(PRIO_PROCESS, (id_t)pid, 19);
	o->children[o->nchildren++] = pid;
}

static void file_done(struct file_output *o)
{
	char name[PATH_MAX];

	if (o->config.ask && o->config.command)
		o->config.ask(o->config.arg, FILE_DONE, name);
	if (o->config.ask)
		return;
	file_reap_children(o);
	run_command(o);
}

static int close_file(struct file_output *o)
{
	const int end = o->format->end(o);
	const int closed = sink_close(&o->sink);

	return end ? end : closed;
}

static int next_file(struct file_output *o)
{
	int ret = close_file(o);

	if (ret)
		return ret;
	file_done(o);
	return 0;
}

static int reopen(struct file_output *o, enum file_step step)
{
	return open_step(o, step) ? -ENOTRECOVERABLE : 0;
}

static void count_period(struct file_output *o, time_t now)
{
	o->period_start = now;
	o->period_count++;
	o->number = 0;
}

/* True: round to the first again. */
static bool count_number(struct file_output *o)
{
	const bool round = ++o->number >= o->config.rotate_files && o->config.rotate_files;

	if (round)
		o->number = 0;
	return round;
}

static int rotate_period(struct file_output *o, time_t now)
{
	int ret = next_file(o);

	if (ret)
		return ret;
	count_period(o, now);
	if (!o->config.rotate_bytes && o->config.rotate_files && o->period_count >= o->config.rotate_files) {
		fprintf(stderr, "Maximum file limit reached: %u\n", o->config.rotate_files);
		return -ECANCELED;
	}
	return reopen(o, FILE_PERIOD);
}

static int rotate_number(struct file_output *o)
{
	int ret = next_file(o);

	if (ret)
		return ret;
	if (count_number(o))
		o->held.overwritten = true;
	return reopen(o, FILE_NUMBER);
}

int file_rotate_if_due(struct file_output *o)
{
	const struct file_config *c = &o->config;

	if (c->rotate_seconds) {
		const time_t now = time(NULL);

		if (now - o->period_start >= (time_t)c->rotate_seconds)
			return rotate_period(o, now);
	}
	/* One packet at least, however small the limit: headers alone may exceed it. */
	if (c->rotate_bytes && o->packets && sink_size(&o->sink) > c->rotate_bytes)
		return rotate_number(o);
	return 0;
}

int file_rotate_now(struct file_output *o)
{
	int ret;

	if (o->config.rotate_bytes)
		return rotate_number(o);
	if (o->config.rotate_seconds)
		return rotate_period(o, time(NULL));
	ret = o->format->headers(o);
	if (!ret)
		ret = sink_flush(&o->sink);
	/* Opening it again under its name would empty it. */
	if (ret || !o->sink.regular || o->sink.keep_open || still_named(o))
		return ret;
	ret = close_file(o);
	return ret ? ret : reopen(o, FILE_FIRST);
}

int file_step_elsewhere(struct file_output *o, enum file_step step)
{
	int err;

	switch (step) {
	case FILE_PERIOD: count_period(o, time(NULL)); break;
	case FILE_NUMBER: count_number(o); break;
	case FILE_DONE: file_done(o); return 0;
	default: o->period_start = time(NULL);
	}
	err = open_named(o);
	if (err)
		return err;
	return sink_give(&o->sink);
}
