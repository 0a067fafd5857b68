/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote_protocol.h"
#include "util/log.h"

enum { CONNECT_S = 10, TERM_MS = 1000 };

void remote_child_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Forwardings of ~/.ssh/config are for logins, and could fail. A master that others share would outlive us. */
static _Noreturn void run_ssh(const char *host, bool alone)
{
	char interval[40], count[40], connect[40];
	const char *const argv[] = {
		"ssh",
		"-T",
		"-x",
		"-a",
		"-oClearAllForwardings=yes",
		"-oControlMaster=no",
		"-oRemoteCommand=none",
		interval,
		count,
		connect,
		alone ? "-oBatchMode=no" : "-oBatchMode=yes",
		"--",
		host,
		"sh",
		NULL,
	};

	snprintf(interval, sizeof(interval), "-oServerAliveInterval=%d", REMOTE_ALIVE_S);
	snprintf(count, sizeof(count), "-oServerAliveCountMax=%d", REMOTE_ALIVE_COUNT);
	snprintf(connect, sizeof(connect), "-oConnectTimeout=%d", CONNECT_S);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	log_error("%s: can't run ssh: %s", host, strerror(errno));
	_exit(127);
}

static _Noreturn void run_shell(const char *command)
{
	char *line;

	if (asprintf(&line, "%s sh", command) >= 0)
		execl("/bin/sh", "sh", "-c", line, (char *)NULL);
	log_error("can't run /bin/sh: %s", strerror(errno));
	_exit(127);
}

/* Where it may ask somebody for something, it has to be of the terminal's group. */
static bool is_in_front(void)
{
	const int tty = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	const bool ret = tty >= 0 && tcgetpgrp(tty) == getpgrp();

	if (tty >= 0)
		close(tty);
	return ret;
}

/* timeout(1), "kill %1" and systemd end all of a group or unit at once, and the last packets are still to come. */
static void set_signals(void)
{
	static const int ignored[] = { SIGINT, SIGQUIT, SIGHUP };
	sigset_t none;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGTERM, is_in_front() ? SIG_IGN : SIG_DFL);
	if (!is_in_front())
		setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Like pipe(), for each of the standard streams: the child's end is streams[i][0]. */
static int make_pipes(int streams[3][2])
{
	for (int i = 0; i < 3; i++) {
		int fds[2];

		if (pipe2(fds, O_CLOEXEC))
			return -errno;
		streams[i][0] = fds[i == 0 ? 0 : 1];
		streams[i][1] = fds[i == 0 ? 1 : 0];
	}
	return 0;
}

static void close_side(int streams[3][2], int side)
{
	for (int i = 0; i < 3; i++)
		remote_child_close(&streams[i][side]);
}

static _Noreturn void child(int streams[3][2], const char *host, const char *command, bool alone)
{
	for (int i = 0; i < 3; i++) {
		if (dup2(streams[i][0], i) < 0)
			_exit(127);
	}
	set_signals();
	if (host)
		run_ssh(host, alone);
	run_shell(command);
}

int remote_child_start(struct remote_child *c, const char *host, const char *command, bool alone)
{
	int streams[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	int err = make_pipes(streams);

	*c = (struct remote_child){ .pid = -1, .pid_fd = -1, .in = -1, .out = -1, .err = -1 };
	if (!err) {
		c->pid = fork();
		if (c->pid == 0)
			child(streams, host, command, alone);
		err = c->pid < 0 ? -errno : 0;
	}
	close_side(streams, 0);
	if (!err) {
		c->pid_fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
		err = c->pid_fd < 0 || fcntl(streams[0][1], F_SETFL, O_NONBLOCK) ? -errno : 0;
	}
	if (err) {
		close_side(streams, 1);
		log_error("can't run %s: %s", host ? "ssh" : "sh", strerror(-err));
		return err;
	}
	c->in = streams[0][1];
	c->out = streams[1][1];
	c->err = streams[2][1];
	return 0;
}

int remote_child_status(struct remote_child *c)
{
	siginfo_t info = { 0 };

	/* Left as a zombie, so that it can be asked again. */
	if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid == 0)
		return -1;
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

/* With those that it has started, where it has a group of its own. */
static void send_signal(const struct remote_child *c, int sig)
{
	kill(getpgid(c->pid) == c->pid ? -c->pid : c->pid, sig);
}

void remote_child_end(struct remote_child *c)
{
	struct pollfd ended = { .fd = c->pid_fd, .events = POLLIN };

	remote_child_close(&c->in);
	if (remote_child_status(c) < 0) {
		send_signal(c, SIGTERM);
		if (poll(&ended, 1, TERM_MS) == 0)
			send_signal(c, SIGKILL);
	}
	waitpid(c->pid, NULL, 0);
	remote_child_close(&c->pid_fd);
	remote_child_close(&c->out);
	remote_child_close(&c->err);
}
