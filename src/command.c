/* SPDX-License-Identifier: BSD-3-Clause */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "options_value.h"
#include "util/log.h"
#include "util/pidns.h"
#include "util/program.h"

struct command {
	char *const *argv;
	pid_t pid;
	uint32_t shown_pid;
	int pid_fd;
	int go_fd;    /* a byte lets the child go on; closed without: it ends */
	int error_fd; /* the child's errno when it could not run the command */
	bool released, ended;
	int status;
};

static int env_id(const char *name, uint32_t *ret)
{
	const char *text = getenv(name);
	int64_t n;

	if (!text || parse_int(text, 0, UINT32_MAX - 1, &n))
		return -EINVAL;
	*ret = (uint32_t)n;
	return 0;
}

/* False when sudo has no part in this. */
static bool invoking_user(uint32_t *uid, uint32_t *gid)
{
	return geteuid() == 0 && !env_id("SUDO_UID", uid) && !env_id("SUDO_GID", gid) && *uid != 0;
}

void command_user(uint32_t *uid, uint32_t *gid)
{
	if (invoking_user(uid, gid))
		return;
	*uid = geteuid();
	*gid = getegid();
}

/* sudo gave us root for the capture; the command is the user's own business. */
static int become_invoking_user(void)
{
	static const char *const sudo[] = { "SUDO_UID", "SUDO_GID", "SUDO_USER", "SUDO_COMMAND", "MAIL" };
	uint32_t uid, gid;
	const struct passwd *pw;

	if (!invoking_user(&uid, &gid))
		return 0;
	pw = getpwuid(uid);
	if (pw ? initgroups(pw->pw_name, gid) : setgroups(0, NULL))
		return -errno;
	if (setgid(gid) || setuid(uid))
		return -errno;
	for (size_t i = 0; i < sizeof(sudo) / sizeof(sudo[0]); i++)
		unsetenv(sudo[i]);
	if (!pw)
		return 0;
	if (setenv("HOME", pw->pw_dir, 1) || setenv("USER", pw->pw_name, 1) || setenv("LOGNAME", pw->pw_name, 1) ||
	    (*pw->pw_shell && setenv("SHELL", pw->pw_shell, 1)))
		return -errno;
	return 0;
}

static _Noreturn void child(char *const argv[], const char *keylog, int go_fd, int error_fd)
{
	sigset_t none;
	ssize_t n;
	char byte;
	int err;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	do
		n = read(go_fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(COMMAND_NOT_FOUND);
	err = become_invoking_user();
	if (!err && keylog && setenv("SSLKEYLOGFILE", keylog, 1))
		err = -errno;
	if (!err) {
		execvp(argv[0], argv);
		err = -errno;
	}
	if (write(error_fd, &err, sizeof(err)) < 0)
		_exit(COMMAND_NOT_EXECUTABLE);
	_exit(COMMAND_NOT_FOUND);
}

static int refuse(const char *name, int err)
{
	if (err == -ENOENT)
		log_error("command '%s' not found", name);
	else
		log_error("can't run the command '%s': %s", name, strerror(-err));
	return err;
}

int command_start(struct command **ret, char *const argv[], const char *keylog)
{
	struct command *c = NULL;
	int go[2] = { -1, -1 }, error[2] = { -1, -1 };
	int err = program_find(argv[0]);

	if (err)
		return refuse(argv[0], err);
	c = calloc(1, sizeof(*c));
	if (!c || pipe2(go, O_CLOEXEC) || pipe2(error, O_CLOEXEC)) {
		err = -errno;
		goto out;
	}
	*c = (struct command){ .argv = argv, .pid_fd = -1, .go_fd = go[1], .error_fd = error[0] };
	c->pid = fork();
	if (c->pid == 0) {
		close(go[1]); /* else it would keep its own pipe open when we die */
		child(argv, keylog, go[0], error[1]);
	}
	if (c->pid < 0) {
		err = -errno;
		goto out;
	}
	go[1] = error[0] = -1;
	c->pid_fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (c->pid_fd < 0)
		err = -errno;
	c->shown_pid = pidns_shown(c->pid);
out:
	for (int i = 0; i < 2; i++) {
		if (go[i] >= 0)
			close(go[i]);
		if (error[i] >= 0)
			close(error[i]);
	}
	if (err) {
		refuse(argv[0], err);
		if (c && c->pid > 0)
			command_free(c);
		else
			free(c);
		return err;
	}
	*ret = c;
	return 0;
}

uint32_t command_pid(const struct command *c)
{
	return c->shown_pid;
}

int command_release(struct command *c)
{
	ssize_t n;
	int err = 0;

	if (write(c->go_fd, "", 1) != 1)
		return refuse(c->argv[0], -errno);
	c->released = true;
	/* Ends without data when the exec succeeds, since it closes the pipe. */
	do
		n = read(c->error_fd, &err, sizeof(err));
	while (n < 0 && errno == EINTR);
	return n == sizeof(err) ? refuse(c->argv[0], err) : 0;
}

int command_fd(const struct command *c)
{
	return c->pid_fd;
}

bool command_ended(struct command *c, int *status)
{
	int wait_status;

	if (!c->ended && waitpid(c->pid, &wait_status, WNOHANG) == c->pid) {
		c->ended = true;
		c->status = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
	}
	*status = c->status;
	return c->ended;
}

void command_kill(struct command *c, int signal)
{
	if (!c->ended)
		syscall(SYS_pidfd_send_signal, c->pid_fd, signal, NULL, 0);
}

void command_free(struct command *c)
{
	int status;

	if (!c)
		return;
	close(c->go_fd);
	/* One that still waits sees the end of its pipe; one that runs is not ours to wait for. */
	if (!c->released)
		waitpid(c->pid, &status, 0);
	close(c->error_fd);
	if (c->pid_fd >= 0)
		close(c->pid_fd);
	free(c);
}
