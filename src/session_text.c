/* SPDX-License-Identifier: BSD-3-Clause */
/* Who prints: we, out of files; a process that may do nothing else, out of the kernel. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "output/relay.h"
#include "session_private.h"
#include "util/log.h"

struct printer {
	const struct privileges_user *user;
	struct text_config config;
};

/* In the process that prints. */
static int prepare(void *arg, const volatile sig_atomic_t *interrupted, struct output **ret)
{
	struct printer *p = arg;
	int err;

	p->config.interrupted = interrupted;
	err = output_text_new(ret, &p->config);
	if (!err)
		err = privileges_drop_all(p->user);
	/* After the change of user, which takes it back. Whoever kills us leaves nobody behind who waits for a reader. */
	if (!err && prctl(PR_SET_PDEATHSIG, SIGTERM))
		err = -errno;
	return err;
}

static uint32_t needs(void *arg, const struct packet *packet)
{
	return output_text_reach(arg, packet);
}

static int open_relay(struct session *s, const struct text_config *config)
{
	struct printer printer = { .user = &s->user, .config = *config };
	struct relay_config relay = {
		.prepare = prepare,
		.arg = &printer,
		.needs = needs,
		.json = config->v > 0,
		.prompt = config->line_buffered || config->packet_buffered,
	};
	int err = output_text_reach_new(&s->reach, config);

	relay.needs_arg = s->reach;
	if (!err)
		err = output_relay_new(&s->relay, &relay);
	s->text = s->relay;
	return err;
}

int session_text_open(struct session *s)
{
	const struct options *o = s->o;
	struct text_config config = o->text;
	int err;

	config.fd = STDOUT_FILENO;
	config.color = session_color(o, STDOUT_FILENO);
	config.program = "ptcpdump";
	config.interrupted = s->interrupted;
	/* Live packets reach a terminal when the capture is idle; a file may keep a reader waiting, so by lines. */
	config.line_buffered |= options_offline(o) && isatty(STDOUT_FILENO);
	config.packet_buffered = o->file.packet_buffered;
	config.endless = !options_offline(o) || (o->read_file && strcmp(o->read_file, "-") == 0);
	err = options_offline(o) ? output_text_new(&s->text, &config) : open_relay(s, &config);
	if (!err)
		s->outputs[s->outputs[0] ? 1 : 0] = s->text;
	return err;
}

int session_text_ready(struct session *s)
{
	return s->relay ? output_relay_ready(s->relay) : 0;
}

int session_text_fd(const struct session *s)
{
	return s->relay ? output_relay_fd(s->relay) : -1;
}

void session_text_check(struct session *s)
{
	int err = output_relay_check(s->relay);

	if (err)
		session_output_failed(s, s->relay, err);
}

void session_text_interrupt(struct session *s)
{
	if (s->relay)
		output_relay_interrupt(s->relay);
}
