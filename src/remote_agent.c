/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote_agent.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "remote_protocol.h"
#include "util/caps.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/thread.h"
#include "version.h"

enum { STACK_BYTES = 64 << 10, LINE_MAX_BYTES = 64 };

static bool may_capture(void)
{
	struct caps caps;

	/* Less than this no backend takes. */
	return caps_get(&caps) == 0 && (caps.effective & caps_bit(CAP_NET_RAW));
}

/* By single bytes: what comes behind it is for the shell that has started us. False at the end. */
static bool read_line(char line[LINE_MAX_BYTES])
{
	size_t n = 0;

	for (;;) {
		const ssize_t got = read(STDIN_FILENO, &line[n], 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got != 1)
			return false;
		if (line[n] == '\n')
			break;
		if (n + 1 < LINE_MAX_BYTES)
			n++;
	}
	line[n] = '\0';
	return true;
}

int remote_hello(void)
{
	char line[LINE_MAX_BYTES];

	printf(REMOTE_MARK "hello %d %d %s\n", REMOTE_PROTOCOL, may_capture(), PTCPDUMP_VERSION);
	while (!fflush(stdout) && read_line(line) && strcmp(line, "clock") == 0)
		printf(REMOTE_MARK "clock %" PRIu64 "\n", clock_ns(CLOCK_REALTIME));
	return 0;
}

/* False: nobody is there any more. */
static bool hears_something(int timeout_ms)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char bytes[256];
	const int n = poll(&in, 1, timeout_ms);

	if (n < 0)
		return errno == EINTR;
	return n > 0 && read(STDIN_FILENO, bytes, sizeof(bytes)) > 0;
}

/* A thread, because the capture may wait for a reader that is as silent: a signal ends that, too. */
static void *listen_for_life(void *arg)
{
	const int timeout_ms = (int)(uintptr_t)arg * 1000;

	caps_clear();
	while (hears_something(timeout_ms))
		;
	for (;;) {
		kill(getpid(), SIGINT);
		poll(NULL, 0, 1000);
	}
	return NULL;
}

int remote_until_silence(uint32_t seconds)
{
	int err = thread_detach(STACK_BYTES, listen_for_life, (void *)(uintptr_t)seconds);

	if (err)
		log_error("can't start a thread: %s", strerror(-err));
	return err;
}
