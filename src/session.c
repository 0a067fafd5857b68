/* SPDX-License-Identifier: BSD-3-Clause */
#include "session_private.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "flows/flows.h"
#include "names.h"
#include "output/esp_files.h"
#include "output/metrics.h"
#include "output/resolver.h"
#include "output/summary.h"
#include "util/clock.h"
#include "util/log.h"
#include "version.h"

/* Does an operation of all outputs that have it, until one fails, which is told: 0, or its error. */
#define OUTPUTS_DO(s, op, ...)                                                                                         \
	({                                                                                                             \
		int err_ = 0;                                                                                          \
		for (size_t i_ = 0; i_ < SESSION_OUTPUTS && (s)->outputs[i_] && !err_; i_++) {                         \
			struct output *output_ = (s)->outputs[i_];                                                     \
			if (output_->ops->op)                                                                          \
				err_ = output_->ops->op(output_, ##__VA_ARGS__);                                       \
			if (err_)                                                                                      \
				session_output_failed(s, output_, err_);                                               \
		}                                                                                                      \
		err_;                                                                                                  \
	})

int session_output_failed(struct session *s, struct output *output, int err)
{
	const char *name = output == s->file ? output_file_name(output) : "standard output";

	s->stop = true;
	s->unwritten |= err != -ECANCELED;
	if (err == -EPIPE)
		log_info("'%s' is closed by its reader", name);
	else if (err == -ENOTRECOVERABLE)
		s->failed = true;
	else if (err == -EINTR)
		log_warn("'%s': its reader takes nothing more, the rest is not written", name);
	else if (err != -ECANCELED && !s->failed) {
		log_error("can't write to '%s': %s", name, strerror(-err));
		s->failed = true;
	}
	return err;
}

bool session_color(const struct options *o, int fd)
{
	const char *no_color = getenv("NO_COLOR"); /* https://no-color.org */

	return o->color == COLOR_ALWAYS || (o->color == COLOR_AUTO && isatty(fd) && !(no_color && *no_color));
}

struct file_config session_file_config(const struct session *s)
{
	const struct options *o = s->o;
	struct file_config config = o->file;

	config.path = o->write_file;
	config.pcap = options_pcap(o);
	config.nano = o->text.nano;
	/* -s is for captures. In a list of files each has its own length. */
	config.snaplen = o->read_files.n ? 0 : o->capture.snaplen;
	config.context = o->context;
	if (!(o->context & ANNOT_PROCESS))
		config.process_blocks = PROCESS_BLOCKS_NONE;
	else if (!config.process_blocks && !options_offline(o))
		config.process_blocks = PROCESS_BLOCKS_APPLE;
	config.uid = s->user.uid;
	config.gid = s->user.gid;
	config.set_owner = s->user.drop;
	config.ask = s->ask_file;
	config.arg = s->ask_arg;
	config.interrupted = s->interrupted;
	/* Text may have to wait for its reader, and the file with it. */
	config.in_turns = !options_offline(o) && !session_wants_text(o);
	return config;
}

static int open_file(struct session *s, int dlt)
{
	const struct options *o = s->o;
	struct file_config config = session_file_config(s);
	int err;

	config.dlt = dlt < 0 ? DLT_EN10MB : dlt;
	err = output_file_new(&s->file, &config);
	s->pcap = config.pcap;
	/* Of a file that is being read, only its packets tell. */
	if (!err && s->pcap && o->context && !options_offline(o))
		session_warn_pcap(s);
	return err;
}

void session_warn_pcap(struct session *s)
{
	if (!s->said_pcap)
		log_warn("%s: a pcap file keeps no processes; name it *.pcapng to keep them", s->o->write_file);
	s->said_pcap = true;
}

int session_match(struct match **ret, const struct options *o)
{
	const struct match_config config = {
		.pids = o->pids.v,
		.npids = o->pids.n,
		.pnames = (const char *const *)o->pnames.v,
		.uids = o->uids.v,
		.nuids = o->uids.n,
		.users = o->saved_users,
		.nusers = o->saved_users ? o->users.n : 0,
		.containers = options_containers(o),
		.expr = o->filter->n ? o->filter : NULL,
		.term_users = o->term_users,
		.follow_forks = o->follow_forks || o->command,
	};
	const int err = match_new(ret, &config);

	if (err == -E2BIG)
		log_error("the expression asks for more than %d different processes, users or containers",
			  MATCH_TERMS_MAX);
	else if (err)
		log_error("can't set up the process filter: %s", strerror(-err));
	return err;
}

static void add_output(struct session *s, struct output *output)
{
	size_t n = 0;

	while (s->outputs[n])
		n++;
	s->outputs[n] = output;
}

static int open_summary(struct session *s)
{
	const struct summary_config config = {
		.by = s->o->summary,
		.fd = STDOUT_FILENO,
		.utc = s->o->text.utc,
		.interrupted = s->interrupted,
	};
	struct output *output;
	const int err = output_summary_new(&output, &config);

	if (err)
		log_error("out of memory");
	else
		add_output(s, output);
	return err;
}

static int open_metrics(struct session *s)
{
	const struct metrics_config config = {
		.file = s->metrics_file,
		.interval = s->o->metrics_interval * NSEC_PER_SEC,
		.version = PTCPDUMP_VERSION,
	};
	struct output *output;
	const int err = output_metrics_new(&output, &config);

	if (err)
		log_error("out of memory");
	else
		add_output(s, output);
	return err;
}

/* Text comes before the table: it is finished first. */
static int open_outputs(struct session *s, int dlt)
{
	const struct options *o = s->o;
	int err = o->write_file ? open_file(s, dlt) : 0;

	if (s->file)
		add_output(s, s->file);
	if (!err && session_wants_text(o) && !s->text)
		err = session_text_open(s);
	if (s->text)
		add_output(s, s->text);
	if (!err && o->summary)
		err = open_summary(s);
	if (!err && o->metrics_file)
		err = open_metrics(s);
	if (s->top)
		add_output(s, s->top);
	s->counting = options_count(o);
	s->tick = o->top || o->metrics_file || (s->text && o->json == JSON_FLOW) ? 0 : UINT64_MAX;
	return err;
}

int session_open(struct session *s, const struct options *o, int dlt)
{
	int err = session_match(&s->match, o);

	s->limit = o->count;
	return err ? err : open_outputs(s, dlt);
}

int session_iface(struct session *s, const struct iface *iface)
{
	return OUTPUTS_DO(s, iface, iface);
}

static int put_packet(struct session *s, const struct packet *packet)
{
	const int err = OUTPUTS_DO(s, packet, packet);

	if (err)
		return err;
	s->dirty = true;
	if (++s->captured == s->limit)
		s->stop = true;
	return 0;
}

/* --context takes the same bits from every annotation, so a serial still names one content. */
static __attribute__((cold)) int put_context(struct session *s, const struct packet *packet)
{
	struct annotation shown = *packet->annot;
	struct packet copy = *packet;

	shown.has &= s->o->context;
	copy.annot = &shown;
	return put_packet(s, &copy);
}

int session_packet(struct session *s, const struct packet *packet)
{
	if (packet->annot && (packet->annot->has & ~s->o->context))
		return put_context(s, packet);
	return put_packet(s, packet);
}

static int put_sample(struct session *s, const struct flows_sample *sample)
{
	const int err = OUTPUTS_DO(s, sample, sample);

	if (err)
		return err;
	s->dirty = true;
	s->captured += sample->packets;
	return 0;
}

int session_sample(struct session *s, const struct flows_sample *sample)
{
	struct flows_sample copy = *sample;
	struct annotation shown;

	if (!sample->annot)
		return put_sample(s, sample);
	shown = *sample->annot;
	shown.has &= s->o->context;
	copy.annot = &shown;
	return put_sample(s, &copy);
}

int session_block(struct session *s, const struct pcapng_block *block)
{
	return OUTPUTS_DO(s, block, block);
}

static int tell_counts(struct session *s)
{
	struct output_counts counts = { .captured = s->captured, .received = s->captured };

	if (s->counts)
		s->counts(s->counts_arg, &counts);
	return OUTPUTS_DO(s, counts, &counts);
}

int session_tick(struct session *s, uint64_t now)
{
	const int err = tell_counts(s);

	s->tick = UINT64_MAX;
	return err ? err : OUTPUTS_DO(s, tick, now, &s->tick);
}

int session_report(struct session *s)
{
	return OUTPUTS_DO(s, report);
}

int session_batch(struct session *s)
{
	return OUTPUTS_DO(s, batch);
}

int session_flush(struct session *s)
{
	s->dirty = false;
	return OUTPUTS_DO(s, flush);
}

int session_rotate(struct session *s)
{
	int err = s->file ? output_file_rotate(s->file) : 0;

	return err ? session_output_failed(s, s->file, err) : 0;
}

/* Packets that were handed to an output may not have reached it. */
static void say_held(const struct session *s)
{
	struct file_held held;

	if (!s->unwritten || !s->file)
		return;
	held = output_file_held(s->file);
	if (held.begun)
		log_warn("'%s' holds %s%llu packet%s", output_file_name(s->file), held.unsure ? "at most " : "",
			 (unsigned long long)held.last, held.last == 1 ? "" : "s");
	if (held.before && !held.overwritten)
		log_warn("the files before it hold %llu packet%s", (unsigned long long)held.before,
			 held.before == 1 ? "" : "s");
}

void session_finish(struct session *s)
{
	tell_counts(s);
	for (size_t i = 0; i < SESSION_OUTPUTS && s->outputs[i]; i++) {
		int err = s->outputs[i]->ops->finish(s->outputs[i]);

		if (err)
			session_output_failed(s, s->outputs[i], err);
	}
	s->dirty = false;
	say_held(s);
}

void session_close(struct session *s)
{
	/* Nothing came to it. */
	if (!s->outputs[0]) {
		add_output(s, s->top);
		add_output(s, s->text);
	}
	for (size_t i = 0; i < SESSION_OUTPUTS && s->outputs[i]; i++) {
		s->outputs[i]->ops->free(s->outputs[i]);
		s->outputs[i] = NULL;
	}
	s->text = s->file = s->relay = s->top = NULL;
	output_text_reach_free(s->reach);
	s->reach = NULL;
	resolver_free(s->resolver);
	s->resolver = NULL;
	if (s->names > 0)
		names_end(s->names);
	s->names = 0;
	esp_files_free(s->esp_files);
	s->esp_files = NULL;
	match_free(s->match);
	s->match = NULL;
	metrics_file_free(s->metrics_file);
	s->metrics_file = NULL;
}

void session_name_dlt(int dlt, char *text, size_t size)
{
	const char *name = pcap_datalink_val_to_name(dlt);

	if (name)
		snprintf(text, size, "%s (%s)", name, pcap_datalink_val_to_description(dlt));
	else
		snprintf(text, size, "%u", (unsigned)dlt);
}

int session_run(const struct options *o)
{
	if (options_remote(o))
		return session_run_remote(o);
	return options_offline(o) ? session_run_offline(o) : session_run_live(o);
}
