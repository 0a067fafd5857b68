/* SPDX-License-Identifier: BSD-3-Clause */
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "output/resolver_serve.h"
#include "sandbox.h"
#include "util/fd.h"
#include "util/log.h"

enum { LOOKS_UP = STDERR_FILENO + 1, WAIT_NS = 200000, WAITS = 500 };

/* They are for who asks, whose end ends us: the terminal's, and those of "pkill ptcpdump". */
static void ignore_signals(void)
{
	static const int ignored[] = { SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGTSTP, SIGPIPE, SIGUSR1, SIGUSR2, SIGXFSZ };

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
}

/* Of all that was open only the socket stays, as the first behind the standard streams: who reads our output must not wait
 * for us. */
static int keep_only(int fd)
{
	const int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(fd, LOOKS_UP) < 0)
		return -errno;
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
		if (dup2(null, i) < 0)
			return -errno;
	}
	return fd_close_range(LOOKS_UP + 1, ~0U);
}

static _Noreturn void look_up(int fd, const struct names_config *config)
{
	static const struct sandbox_config sandbox = { .names = true, .quiet = true, .strict = true };

	ignore_signals();
	prctl(PR_SET_NAME, "ptcpdump-names");
	if (chdir("/") || privileges_drop_all(&config->user) || keep_only(fd))
		_exit(1);
	/* Who asks says why there is no sandbox, since it cannot enter its own. */
	if (config->sandbox && sandbox_enter(&sandbox))
		_exit(1);
	resolver_serve(LOOKS_UP, config->short_names);
}

int names_start(struct resolver **ret, pid_t *pid, const struct names_config *config)
{
	int pair[2], err = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) ? -errno : 0;

	if (!err) {
		*pid = fork();
		if (*pid == 0)
			look_up(pair[1], config);
		err = *pid < 0 ? -errno : 0;
		close(pair[1]);
		if (err)
			close(pair[0]);
	}
	if (!err)
		err = resolver_new(ret, pair[0], config->hurry);
	if (err)
		log_error("can't start the process that looks up names (-n does without): %s", strerror(-err));
	return err;
}

void names_end(pid_t pid)
{
	const struct timespec moment = { .tv_nsec = WAIT_NS };

	for (unsigned waits = 0; waits < WAITS && waitpid(pid, NULL, WNOHANG) == 0; waits++)
		nanosleep(&moment, NULL);
}
