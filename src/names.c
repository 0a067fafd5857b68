/* SPDX-License-Identifier: BSD-3-Clause */
#include "names.h"

#include <errno.h>
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

enum { WAIT_NS = 200000, WAITS = 500 };

static _Noreturn void look_up(int fd, const struct names_config *config)
{
	static const struct sandbox_config sandbox = { .names = true, .quiet = true, .strict = true };

	prctl(PR_SET_NAME, "ptcpdump-names");
	if (chdir("/") || privileges_drop_all(&config->user) || fd_serve_only(fd, false))
		_exit(1);
	/* Who asks says why there is no sandbox, since it cannot enter its own. */
	if (config->sandbox && sandbox_enter(&sandbox))
		_exit(1);
	resolver_serve(FD_SERVED, config->short_names);
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
