/* SPDX-License-Identifier: BSD-3-Clause */
/* Who prints: we, out of files; a process that may do nothing else, out of the kernel. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "names.h"
#include "output/esp_files.h"
#include "output/json.h"
#include "output/metrics_file.h"
#include "output/relay.h"
#include "sandbox.h"
#include "session_private.h"
#include "util/clock.h"
#include "util/log.h"

static bool is_endless(const struct options *o)
{
	return options_remote(o) || !options_offline(o) || (o->read_files.n && strcmp(o->read_files.v[0], "-") == 0);
}

bool session_wants_text(const struct options *o)
{
	const bool instead = o->write_file || o->summary || o->top || (o->metrics_file && !o->json);

	return !o->count_only && (!instead || o->print);
}

struct printer {
	const struct privileges_user *user;
	unsigned form;		   /* enum json_form */
	struct json_config json;   /* with one */
	struct text_config config; /* without */
};

static int make_output(const struct printer *p, struct output **ret)
{
	switch (p->form) {
	case JSON_PACKET: return output_json_new(ret, &p->json);
	case JSON_FLOW: return output_json_flow_new(ret, &p->json);
	default: return output_text_new(ret, &p->config);
	}
}

/* In the process that prints, as the rest of this part. */
static int drop(const struct privileges_user *user)
{
	int err = privileges_drop_all(user);

	/* After the change of user, which takes it back. Whoever kills us leaves nobody behind who waits for a reader. */
	if (!err && prctl(PR_SET_PDEATHSIG, SIGTERM))
		err = -errno;
	if (err)
		log_error("can't give up the rights of the process that prints: %s", strerror(-err));
	return err;
}

static int prepare(void *arg, const volatile sig_atomic_t *interrupted, size_t *taken, struct output **ret)
{
	static const struct sandbox_config sandbox = { .strict = true };
	struct printer *p = arg;
	int err;

	p->config.interrupted = p->json.interrupted = interrupted;
	p->config.taken = p->json.taken = taken;
	err = make_output(p, ret);
	if (!err)
		err = drop(p->user);
	return err ? err : sandbox_enter(&sandbox);
}

static uint32_t text_needs(void *arg, const struct packet *packet, uint16_t *absent_sum)
{
	return output_text_reach(arg, packet, absent_sum);
}

static uint32_t json_needs(void *arg, const struct packet *packet, uint16_t *absent_sum)
{
	(void)arg;
	*absent_sum = 0;
	return output_json_reach(packet);
}

static struct text_config text_config(const struct session *s)
{
	const struct options *o = s->o;
	struct text_config config = o->text;

	config.fd = STDOUT_FILENO;
	config.color = session_color(o, STDOUT_FILENO);
	config.program = "ptcpdump";
	config.interrupted = s->interrupted;
	/* Live packets reach a terminal when the capture is idle; a file may keep a reader waiting, so by lines. */
	config.line_buffered |= options_offline(o) && isatty(STDOUT_FILENO);
	config.packet_buffered = o->file.packet_buffered;
	config.endless = is_endless(o);
	config.resolver = s->resolver;
	config.esp_files = s->esp_files;
	return config;
}

static struct json_config json_config(const struct session *s)
{
	const struct options *o = s->o;

	return (struct json_config){
		.fd = STDOUT_FILENO,
		.args = !(o->json_omit & OMIT_ARGS),
		.labels = !(o->json_omit & OMIT_LABELS),
		.by_line = o->text.line_buffered || o->file.packet_buffered || isatty(STDOUT_FILENO),
		.live = !options_offline(o),
		.flow_interval = o->flow_interval * NSEC_PER_SEC,
		.interrupted = s->interrupted,
	};
}

static struct printer printer_of(const struct session *s)
{
	return (struct printer){
		.user = &s->user,
		.form = s->o->json,
		.json = json_config(s),
		.config = text_config(s),
	};
}

static void forget_secrets(struct session *s)
{
	esp_files_free(s->esp_files);
	s->esp_files = NULL;
}

static int open_relay(struct session *s)
{
	const bool json = s->o->json != JSON_NONE;
	struct printer printer = printer_of(s);
	const struct text_config *config = &printer.config;
	struct relay_config relay = {
		.prepare = prepare,
		.arg = &printer,
		.needs = json ? json_needs : text_needs,
		.keep_fd = config->resolver ? resolver_fd(config->resolver) : -1,
		.json = json ? printer.json.labels : config->v > 0,
		.prompt = config->line_buffered || config->packet_buffered,
		.tick = s->o->json == JSON_FLOW ? NSEC_PER_SEC : 0,
	};
	int err = json ? 0 : output_text_reach_new(&s->reach, config);

	relay.needs_arg = s->reach;
	if (err)
		log_error("out of memory");
	else
		err = output_relay_new(&s->relay, &relay);
	s->text = s->relay;
	/* The other process has them now. */
	resolver_free(s->resolver);
	s->resolver = NULL;
	forget_secrets(s);
	return err;
}

int session_begin(struct session *s)
{
	const struct options *o = s->o;
	const struct names_config names = {
		.user = s->user,
		.sandbox = !o->no_sandbox,
		.short_names = o->text.N > 0,
		.hurry = is_endless(o),
	};
	int err = o->metrics_file ? metrics_file_new(&s->metrics_file, o->metrics_file) : 0;

	if (!err)
		err = session_top_new(s);
	if (err || !session_wants_text(o))
		return err;
	if (!o->text.n && !o->json)
		err = names_start(&s->resolver, &s->names, &names);
	if (!err && o->text.esp_secret && !o->json)
		err = esp_files_read(&s->esp_files, o->text.esp_secret);
	if (!err && !options_offline(o) && !o->no_sandbox)
		err = open_relay(s);
	return err;
}

int session_text_open(struct session *s)
{
	const struct printer printer = printer_of(s);
	int err = make_output(&printer, &s->text);

	forget_secrets(s);
	return err;
}

void session_text_packed(struct session *s)
{
	if (s->text && !s->o->json)
		output_text_packed(s->text);
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
