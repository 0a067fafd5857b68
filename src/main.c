/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "capture/capture.h"
#include "clean.h"
#include "extcap.h"
#include "extcap_install.h"
#include "hints.h"
#include "licenses.h"
#include "list.h"
#include "options.h"
#include "remote_agent.h"
#include "session.h"

/* A number in a float, computed from its bits, for test suites that ask how floats are printed. */
static void print_fp_type(void)
{
	const uint32_t bits = 0x4e93312d;
	float f;

	memcpy(&f, &bits, sizeof(f));
	printf("%.3f\n", (double)(f * 8 / 1000000));
}

static int act(const struct options *o)
{
	/* As with tcpdump, these ask about an interface, and a file has none. */
	if (options_offline(o) && (o->action == ACTION_LIST_LINK_TYPES || o->action == ACTION_LIST_TSTAMP_TYPES))
		return session_run(o);
	switch (o->action) {
	case ACTION_NONE: return session_run(o);
	case ACTION_LIST_IFACES: return list_ifaces(o) ? 1 : 0;
	case ACTION_LIST_LINK_TYPES: return list_link_types(o) ? 1 : 0;
	case ACTION_LIST_TSTAMP_TYPES: return list_tstamp_types(o) ? 1 : 0;
	case ACTION_LIST_BACKENDS: return capture_list_backends(stdout) ? 1 : 0;
	case ACTION_CLEAN: return clean_leftovers(stdout) ? 1 : 0;
	case ACTION_PROBE: return capture_probe(stdout) ? 1 : 0;
	case ACTION_INSTALL_EXTCAP: return extcap_install() ? 1 : 0;
	case ACTION_HELP: options_print_help(); break;
	case ACTION_HELP_ALL: options_print_help_all(); break;
	case ACTION_VERSION: options_print_version(); break;
	case ACTION_LICENSES: return licenses_print() ? 1 : 0;
	case ACTION_FP_TYPE: print_fp_type(); break;
	case ACTION_TIME_T_SIZE: printf("%zu\n", sizeof(time_t) * 8); break;
	case ACTION_COMPLETION: options_print_completion(o->shell); break;
	case ACTION_REMOTE_HELLO: return remote_hello();
	}
	return 0;
}

/*
 * Where a standard stream is closed, the next file would get its number and with it what is meant for the stream.
 * Nothing can be read from or written to what takes the place, and a command does not see it.
 */
static int guard_streams(void)
{
	static const int modes[] = { O_WRONLY, O_RDONLY, O_RDONLY };

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd] | O_CLOEXEC) != fd)
			return -EBADF;
	return 0;
}

/* They ask for something while we run: whoever is too early must not end us. A session lets them in. */
static void hold_user_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int run(int argc, char **argv)
{
	const char *first = argc > 1 ? argv[1] : "-"; /* before they are permuted */
	struct options o;
	int status = 1;

	if (options_parse(&o, argc, argv) == 0)
		status = act(&o);
	else if (*first != '-' && !o.command)
		/* Then the options were the program's. */
		hint_command(first);
	options_done(&o);
	return status;
}

int main(int argc, char **argv)
{
	int status;

	hold_user_signals();
	/* Where whoever started us ignores it, nobody learns how a child has ended. */
	signal(SIGCHLD, SIG_DFL);

	if (guard_streams())
		return 1;
	/* Once, and before anything could change the root or the user. */
	tzset();
	status = extcap_called(argc, argv) ? extcap_run(argc, argv) : run(argc, argv);
	if (fflush(stdout) && status == 0)
		status = 1;
	return status;
}
