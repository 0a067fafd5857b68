/* SPDX-License-Identifier: BSD-3-Clause */
#include "session_broker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "output/resolver.h"
#include "reader/reader.h"
#include "sandbox.h"
#include "session_broker_wire.h"
#include "session_inputs.h"
#include "util/caps.h"
#include "util/fd.h"
#include "util/log.h"

enum { ANSWER_MAX = 16 << 20 };

struct broker {
	int socket;
	const struct session *s;
};

/* --- outside -------------------------------------------------------------------------- */

struct outside {
	struct broker_config config;
	int socket;
	struct file_opener *files; /* -w, NULL none */
	bool begun;		   /* the first of them has been asked for */
	bool open;		   /* one is being written */
	struct stat *inputs;	   /* what has been opened for reading */
	size_t ninputs;
};

static int say(const struct outside *out, int err, const void *more, size_t size, int fd)
{
	const struct broker_answer answer = { .err = err, .size = (uint32_t)size, .fd = fd >= 0 };
	size_t done;
	int ret = fd_send(out->socket, &answer, sizeof(answer), fd);

	if (!ret && size)
		ret = fd_write(out->socket, more, size, NULL, &done);
	return ret;
}

bool broker_next_name(FILE *list, char name[PATH_MAX + 2])
{
	if (!list || !fgets(name, PATH_MAX + 2, list))
		return false;
	name[strcspn(name, "\n")] = '\0';
	return true;
}

static bool will_be_read(FILE *list, const struct stat *st)
{
	const long at = list ? ftell(list) : -1;
	char name[PATH_MAX + 2];
	bool found = false;
	struct stat named;

	/* What comes through a pipe cannot be known in advance. */
	if (at < 0)
		return false;
	while (!found && broker_next_name(list, name))
		found = stat(name, &named) == 0 && named.st_dev == st->st_dev && named.st_ino == st->st_ino;
	return fseek(list, at, SEEK_SET) || found;
}

static bool is_input(void *arg, const struct stat *st)
{
	const struct outside *out = arg;

	for (size_t i = 0; i < out->ninputs; i++) {
		const struct stat *in = &out->inputs[i];

		if (S_ISREG(in->st_mode) && in->st_dev == st->st_dev && in->st_ino == st->st_ino)
			return true;
	}
	return will_be_read(out->config.list, st);
}

static int remember_input(struct outside *out, int fd)
{
	struct stat *inputs = reallocarray(out->inputs, out->ninputs + 1, sizeof(*inputs));

	if (!inputs)
		return -ENOMEM;
	out->inputs = inputs;
	return fstat(fd, &inputs[out->ninputs++]) ? -errno : 0;
}

static int remember_inputs(struct outside *out)
{
	const struct session_inputs *in = out->config.inputs;
	int err = in ? 0 : remember_input(out, out->config.input);

	for (size_t i = 0; in && i < in->n && !err; i++)
		err = remember_input(out, in->v[i].fd);
	return err;
}

static int answer_input(struct outside *out)
{
	char name[PATH_MAX + 2];
	int fd, err;

	if (!broker_next_name(out->config.list, name))
		return say(out, -ENODATA, NULL, 0, -1);
	fd = reader_input(name);
	if (fd < 0)
		return say(out, fd, NULL, 0, -1);
	err = remember_input(out, fd);
	err = err ? say(out, err, NULL, 0, -1) : say(out, 0, name, strlen(name), fd);
	if (fd != STDIN_FILENO)
		close(fd);
	return err;
}

static int drop(const struct outside *out)
{
	const struct options *o = out->config.s->o;
	const struct privileges_keep keep = {
		.new_files = !o->user && (o->file.rotate_bytes || o->file.rotate_seconds),
		.folders = !o->user && o->list_file,
		.programs = o->file.command,
		.quiet = true,
	};

	return privileges_drop(&out->config.s->user, &keep);
}

/* One file is all that was needed. */
static bool is_last(const struct outside *out)
{
	const struct options *o = out->config.s->o;

	return !o->file.rotate_bytes && !o->file.rotate_seconds && !o->list_file && !filter_has_names(o->filter->exact);
}

/* Whoever asks for something else than what comes next is no longer what we have started. */
static bool is_next(const struct outside *out, enum file_step step)
{
	switch (step) {
	case FILE_FIRST: return !out->begun;
	case FILE_DONE: return out->open;
	case FILE_PERIOD:
	case FILE_NUMBER: return out->begun && !(out->open && out->config.s->o->file.command);
	default: return false;
	}
}

static int answer_file(struct outside *out, enum file_step step)
{
	const bool first = step == FILE_FIRST;
	char name[PATH_MAX] = "";
	int fd, err = 0;

	if (!out->files || !is_next(out, step))
		return -EINVAL;
	fd = file_opener_step(out->files, step, name);
	out->begun = true;
	out->open = fd > 0;
	/* The first file is opened wherever root may, the others by what is kept. */
	if (first && !out->config.s->o->user && !is_last(out))
		err = drop(out);
	err = err ? err : say(out, fd < 0 ? fd : 0, name, strlen(name), fd > 0 ? fd : -1);
	if (fd > 0)
		close(fd);
	return !err && first && is_last(out) ? -ECANCELED : err;
}

/* Answers from names servers are read without any right but those to ask. */
static __attribute__((noreturn)) void compile(struct outside *out, const struct broker_question *q)
{
	const struct filter_compile_opts opts = {
		.dlt = q->dlt,
		.snaplen = q->snaplen,
		.no_optimize = q->no_optimize,
		.saved = true,
		.swapped = q->swapped,
	};
	const struct sandbox_config sandbox = { .names = true, .quiet = true };
	const struct options *o = out->config.s->o;
	struct filter_code code = { 0 };
	char text[FILTER_ERR_LEN] = "";
	/* Root may be given up already, and what was kept for files not. */
	int err = geteuid() == 0 ? privileges_drop_all(&out->config.s->user) : caps_clear();

	if (!err && !o->no_sandbox)
		err = sandbox_enter(&sandbox);
	if (err)
		_exit(1);
	err = filter_compile(o->filter->exact, &opts, &code, text);
	if (err)
		err = say(out, err, text, strlen(text), -1);
	else
		err = say(out, 0, code.insns, code.n * sizeof(*code.insns), -1);
	_exit(err ? 1 : 0);
}

static int answer_compile(struct outside *out, const struct broker_question *q)
{
	const pid_t pid = fork();
	int status = 1;

	if (pid == 0)
		compile(out, q);
	if (pid < 0)
		return say(out, -errno, NULL, 0, -1);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	/* It may have ended before it said anything: then nobody is told anything. */
	return status ? -EIO : 0;
}

static int answer(struct outside *out, const struct broker_question *q)
{
	switch ((enum broker_question_kind)q->kind) {
	case ASK_FILE: return answer_file(out, (enum file_step)q->step);
	case ASK_INPUT: return answer_input(out);
	case ASK_COMPILE: return answer_compile(out, q);
	}
	return -EINVAL;
}

/* Those inside have ended, while we wait for something else perhaps: whoever opens the other end of a named pipe. */
static void on_io(int sig, siginfo_t *info, void *context)
{
	struct pollfd pfd = { .fd = info->si_fd };

	(void)sig;
	(void)context;
	if (poll(&pfd, 1, 0) == 1)
		_exit(0);
}

/* Signals are for those inside; a terminal sends them to both. */
static int outside_signals(const struct outside *out)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };
	struct sigaction act = { .sa_sigaction = on_io, .sa_flags = SA_SIGINFO | SA_RESTART };

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	fd_ignore_signals();
	sigaction(SIGIO, &act, NULL);
	return fcntl(out->socket, F_SETOWN, getpid()) || fcntl(out->socket, F_SETSIG, SIGIO) ||
			       fcntl(out->socket, F_SETFL, O_ASYNC)
		       ? -errno
		       : 0;
}

bool broker_opens_files(const struct options *o)
{
	return o->write_file && strcmp(o->write_file, "-") != 0;
}

static int outside_open(struct outside *out)
{
	const struct session *s = out->config.s;
	struct file_config files = session_file_config(s);
	int err = remember_inputs(out);

	files.is_input = is_input;
	files.arg = out;
	if (!err && broker_opens_files(s->o))
		err = file_opener_new(&out->files, &files);
	/* Else the first file is waited for. */
	if (!err && (s->o->user || !out->files))
		err = drop(out);
	return err ? err : outside_signals(out);
}

int broker_serve(const struct broker_config *config, int socket)
{
	struct outside out = { .config = *config, .socket = socket };
	struct broker_question q;
	int err;

	/* Who looks up names ends when nobody has its socket any more. */
	resolver_free(config->s->resolver);
	err = outside_open(&out);
	while (!err && !fd_read_all(socket, &q, sizeof(q)))
		err = answer(&out, &q);
	free(out.inputs);
	return err && err != -ECANCELED ? 1 : 0;
}

/* --- inside --------------------------------------------------------------------------- */

bool broker_needed(const struct options *o)
{
	return o->list_file || broker_opens_files(o) || filter_has_names(o->filter->exact);
}

int broker_new(struct broker **ret, const struct broker_config *config)
{
	struct broker *b = calloc(1, sizeof(*b));
	int sockets[2];
	pid_t pid;

	if (!b || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets)) {
		log_error("%s", strerror(b ? errno : ENOMEM));
		free(b);
		return -EIO;
	}
	pid = fork();
	if (pid == 0) {
		close(sockets[0]);
		_exit(broker_serve(config, sockets[1]));
	}
	close(sockets[1]);
	b->socket = sockets[0];
	b->s = config->s;
	if (pid < 0) {
		log_error("can't start a process: %s", strerror(errno));
		close(b->socket);
		free(b);
		return -EAGAIN;
	}
	*ret = b;
	return 0;
}

static bool is_interrupted(const struct broker *b)
{
	return b->s->interrupted && *b->s->interrupted;
}

void broker_free(struct broker *b)
{
	char c;

	if (!b)
		return;
	shutdown(b->socket, SHUT_WR);
	while (!is_interrupted(b) && recv(b->socket, &c, 1, 0) > 0)
		;
	close(b->socket);
	free(b);
}

/* What follows the answer, if anything does: *more, to be freed, with a zero behind it. A descriptor or 0, or -errno. */
static int ask(struct broker *b, const struct broker_question *q, char **more, size_t *size)
{
	struct broker_answer a;
	size_t done;
	int fd = -1, err = fd_write(b->socket, q, sizeof(*q), NULL, &done);

	if (!err)
		err = fd_wait(b->socket, POLLIN, b->s->interrupted);
	if (!err)
		err = fd_receive(b->socket, &a, sizeof(a), &fd);
	if (err && err != -EINTR)
		log_error("the process that opens files for the sandbox has ended");
	if (err)
		return err;
	*size = a.size;
	*more = a.size <= ANSWER_MAX ? calloc(1, a.size + 1) : NULL;
	if (!*more || fd_read_all(b->socket, *more, a.size)) {
		log_error("%s", strerror(ENOMEM));
		free(*more);
		*more = NULL;
		if (fd >= 0)
			close(fd);
		return -ENOMEM;
	}
	return a.err ? a.err : fd >= 0 ? fd : 0;
}

static int ask_name(struct broker *b, const struct broker_question *q, char name[PATH_MAX])
{
	char *more = NULL;
	size_t size;
	const int fd = ask(b, q, &more, &size);

	if (fd > 0)
		snprintf(name, PATH_MAX, "%s", more);
	if (more)
		free(more);
	return fd;
}

int broker_input(struct broker *b, char name[PATH_MAX])
{
	const struct broker_question q = { .kind = ASK_INPUT };

	return ask_name(b, &q, name);
}

int broker_file(void *arg, enum file_step step, char name[PATH_MAX])
{
	const struct broker_question q = { .kind = ASK_FILE, .step = step };
	struct broker *b = arg;
	const int fd = ask_name(b, &q, name);

	if (fd == -EINTR)
		log_error("%s: %s", b->s->o->write_file, strerror(-fd));
	return fd;
}

int broker_compile(struct broker *b, const struct filter_compile_opts *opts, struct filter_code *ret,
		   char err[FILTER_ERR_LEN])
{
	const struct broker_question q = {
		.kind = ASK_COMPILE,
		.dlt = opts->dlt,
		.snaplen = opts->snaplen,
		.no_optimize = opts->no_optimize,
		.swapped = opts->swapped,
	};
	char *more = NULL;
	size_t size;
	int e = ask(b, &q, &more, &size);

	if (!e) {
		e = filter_code_new((const struct filter_insn *)(const void *)more,
				    (uint32_t)(size / sizeof(struct filter_insn)), ret);
		if (!e)
			e = filter_code_set_expr(ret, opts->expr);
		snprintf(err, FILTER_ERR_LEN, "%s", strerror(-e));
	} else if (more) {
		snprintf(err, FILTER_ERR_LEN, "%s", more);
		filter_expr_hint(opts->expr, err);
	}
	free(more);
	return e;
}
