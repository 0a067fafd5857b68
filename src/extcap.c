/* SPDX-License-Identifier: BSD-3-Clause */
#include "extcap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "extcap_call.h"
#include "extcap_config.h"
#include "options.h"
#include "session.h"
#include "util/clock.h"
#include "util/log.h"

enum { OWN_WORDS = 8 }; /* around the call's options */

/* The ordinary command line that says the same. argv has room for the call's options and OWN_WORDS more. */
static int make_line(char **argv, const struct extcap_call *call, const char *const *before, const char *const *after)
{
	int n = 0;

	argv[n++] = (char *)"ptcpdump";
	for (; *before; before++)
		argv[n++] = (char *)*before;
	for (size_t i = 0; i < call->options.n; i++)
		argv[n++] = call->options.v[i];
	for (; *after; after++)
		argv[n++] = (char *)*after;
	argv[n] = NULL;
	return n;
}

static int run_line(const struct extcap_call *call, const char *const *before, const char *const *after,
		    int (*run)(struct options *o, const struct extcap_call *call))
{
	char **argv = calloc(call->options.n + OWN_WORDS, sizeof(*argv));
	struct options o;
	int status = 1;

	if (!argv) {
		log_error("out of memory");
		return 1;
	}
	if (options_parse(&o, make_line(argv, call, before, after), argv) == 0)
		status = run(&o, call);
	options_done(&o);
	free(argv);
	return status;
}

/* A word of its own that getopt does not take for an option: what begins with "-" is arithmetic. */
static const char *filter_word(const struct extcap_call *call, char **ret)
{
	if (call->filter && *call->filter == '-' && asprintf(ret, " %s", call->filter) > 0)
		return *ret;
	return call->filter ? call->filter : "";
}

/* --- is this filter valid? ------------------------------------------------------------ */

static int dump(struct options *o, const struct extcap_call *call)
{
	return session_run(o);
}

/* Nothing on standard output says yes, any text is what is wrong. So -d's program goes nowhere, and its messages go there. */
static int verify(const struct extcap_call *call)
{
	static const char *const before[] = { "-d", "--linktype=EN10MB", "--log-level=error", NULL };
	const struct extcap_call bare = { 0 };
	char *allocated = NULL;
	const char *const after[] = { filter_word(call, &allocated), NULL };
	const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null < 0 || dup2(STDOUT_FILENO, STDERR_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0) {
		log_error("can't answer: %s", strerror(errno));
		return 1;
	}
	run_line(&bare, before, after, dump);
	free(allocated);
	return 0;
}

/* --- capture --------------------------------------------------------------------------- */

static int open_refused(const char *path, const char *why)
{
	log_error("--fifo '%s': %s", path, why);
	return -EINVAL;
}

/*
 * Becomes standard output once somebody reads it. Who called us makes the fifo, starts us, and then the reader: when it is
 * killed in between, there will be none.
 */
static int open_fifo(const char *path, pid_t caller)
{
	const struct timespec pause = { .tv_nsec = 10 * NSEC_PER_MSEC };
	struct stat st;
	int fd;

	while ((fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) < 0 && errno == ENXIO &&
	       getppid() == caller)
		nanosleep(&pause, NULL);
	if (fd < 0)
		return open_refused(path, strerror(errno));
	if (fstat(fd, &st) || !S_ISFIFO(st.st_mode)) {
		close(fd);
		return open_refused(path, "that is no fifo");
	}
	if (fcntl(fd, F_SETFL, 0) || dup2(fd, STDOUT_FILENO) < 0) {
		close(fd);
		return open_refused(path, strerror(errno));
	}
	close(fd);
	return 0;
}

static int capture(struct options *o, const struct extcap_call *call)
{
	if (o->action != ACTION_NONE) {
		log_error("--capture: one of the options asks for something else than a capture");
		return 1;
	}
	o->extcap = true;
	o->caller = call->caller;
	return session_run(o);
}

static int run_capture(const struct extcap_call *call)
{
	static const char *const before[] = { "--log-level=error", NULL };
	char *allocated = NULL;
	const char *const after[] = { "-U", "-w", "-", filter_word(call, &allocated), NULL };
	int status;

	if (!call->fifo) {
		log_error("--capture needs --fifo PATH, where packets are written to");
		return 1;
	}
	/* Before anything is refused: one that was never opened is an error to its reader, which is shown ahead of ours. */
	status = open_fifo(call->fifo, call->caller) ? 1 : run_line(call, before, after, capture);
	free(allocated);
	return status;
}

/* --- the call -------------------------------------------------------------------------- */

static int answer(struct buf *b)
{
	const int err = buf_flush(b, STDOUT_FILENO, NULL, NULL);

	buf_done(b);
	return err ? 1 : 0;
}

static int check_interface(const struct extcap_call *call)
{
	if (call->interface && strcmp(call->interface, EXTCAP_INTERFACE) == 0)
		return 0;
	if (call->interface)
		log_error("--extcap-interface '%s': the only one is " EXTCAP_INTERFACE, call->interface);
	else
		log_error("--extcap-interface " EXTCAP_INTERFACE " is missing");
	return -EINVAL;
}

static int do_call(const struct extcap_call *call)
{
	struct buf b = { 0 };

	if (call->interfaces) {
		extcap_put_interfaces(&b);
		return answer(&b);
	}
	if (check_interface(call))
		return 1;
	if (call->capture)
		return run_capture(call);
	if (call->config)
		extcap_put_config(&b, call->reload_option);
	else if (call->dlts)
		extcap_put_dlts(&b);
	else if (call->filter)
		return verify(call);
	/* A capture that was killed left nothing that this could remove: what was attached went with it. */
	else if (!call->cleanup)
		log_error("--extcap-interface " EXTCAP_INTERFACE ": say what of it: --extcap-config, --extcap-dlts, "
			  "--extcap-capture-filter or --capture");
	return answer(&b);
}

int extcap_run(int argc, char **argv)
{
	const pid_t caller = getppid(); /* while it is there for sure */
	struct extcap_call call;
	int status = 1;

	if (extcap_call_parse(&call, argc, argv) == 0) {
		call.caller = caller;
		status = do_call(&call);
	}
	extcap_call_done(&call);
	return status;
}
