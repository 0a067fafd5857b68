/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"

static struct file_output *file_of(struct output *o)
{
	return (struct file_output *)o;
}

static int result_keep(struct file_output *f, int ret)
{
	if (ret)
		f->failed = ret;
	return ret;
}

static int file_iface(struct output *o, const struct iface *iface)
{
	struct file_output *f = file_of(o);

	return f->failed ? f->failed : result_keep(f, f->format->iface(f, iface));
}

static int file_packet(struct output *o, const struct packet *packet)
{
	struct file_output *f = file_of(o);
	struct packet framed;
	int ret = f->failed;

	if (!ret && (f->config.rotate_bytes | f->config.rotate_seconds))
		ret = file_rotate_if_due(f);
	if (f->config.add_ethernet && file_is_raw(packet->iface->dlt)) {
		framed = file_add_ethernet(&f->framed, packet);
		packet = &framed;
	}
	if (!ret)
		ret = f->format->packet(f, packet);
	f->packets++;
	if (!ret && f->config.packet_buffered)
		ret = sink_flush(&f->sink);
	return result_keep(f, ret);
}

static int file_block(struct output *o, const struct pcapng_block *block)
{
	struct file_output *f = file_of(o);

	if (f->failed || !f->format->block)
		return f->failed;
	return result_keep(f, f->format->block(f, block));
}

static int file_flush(struct output *o)
{
	struct file_output *f = file_of(o);
	int ret = f->failed;

	if (!ret)
		ret = f->format->headers(f);
	if (!ret)
		ret = sink_flush(&f->sink);
	if (f->nchildren)
		file_reap_children(f);
	return result_keep(f, ret);
}

static int file_finish(struct output *o)
{
	struct file_output *f = file_of(o);
	int ret = 0, closed;

	if (!f->failed)
		ret = f->format->end(f);
	/* After an error the sink is empty, and closing it writes nothing. */
	closed = sink_close(&f->sink);
	file_reap_children(f);
	return result_keep(f, ret ? ret : f->failed ? 0 : closed);
}

static void file_free(struct output *o)
{
	struct file_output *f = file_of(o);

	if (!f)
		return;
	sink_done(&f->sink);
	if (f->state)
		f->format->free(f);
	file_reap_children(f);
	folder_close(&f->folder);
	buf_done(&f->framed);
	free(f->children);
	free(f->name);
	free((char *)f->config.path);
	free((char *)f->config.command);
	free(f);
}

static const struct output_ops file_ops = {
	.name = "file",
	.iface = file_iface,
	.packet = file_packet,
	.block = file_block,
	.flush = file_flush,
	.finish = file_finish,
	.free = file_free,
};

static int check_config(const struct file_config *c)
{
	if (!*c->path) {
		log_error("-w: an empty string is not a valid file name");
		return -EINVAL;
	}
	if (strcmp(c->path, "-") == 0 && (c->rotate_bytes || c->rotate_seconds)) {
		log_error("-w -: standard output cannot be rotated: name a file, or leave out -C and -G");
		return -EINVAL;
	}
	return 0;
}

static int file_new(struct file_output **ret, const struct file_config *config)
{
	struct file_output *f = calloc(1, sizeof(*f));

	if (!f)
		goto nomem;
	f->base.ops = &file_ops;
	f->config = *config;
	f->config.path = strdup(config->path);
	f->config.command = config->command ? strdup(config->command) : NULL;
	f->format = config->pcap ? &file_format_pcap : &file_format_pcapng;
	f->sink.fd = -1;
	f->folder = FOLDER_NONE;
	f->sink.whole = f->format->whole;
	if (!f->config.path || (config->command && !f->config.command))
		goto nomem;
	*ret = f;
	return 0;
nomem:
	log_error("%s: out of memory", config->path);
	file_free(f ? &f->base : NULL);
	return -ENOMEM;
}

int output_file_new(struct output **ret, const struct file_config *config)
{
	struct file_output *f;
	int err = check_config(config);

	if (!err)
		err = file_new(&f, config);
	if (err)
		return err;
	err = file_open_first(f);
	if (err)
		file_free(&f->base);
	else
		*ret = &f->base;
	return err;
}

int file_opener_new(struct file_opener **ret, const struct file_config *config)
{
	struct file_output *f;
	int err = file_new(&f, config);

	*ret = err ? NULL : (struct file_opener *)f;
	return err;
}

int file_opener_step(struct file_opener *opener, enum file_step step, char name[PATH_MAX])
{
	struct file_output *f = (struct file_output *)opener;
	const int ret = file_step_elsewhere(f, step);

	if (ret > 0)
		snprintf(name, PATH_MAX, "%s", f->name);
	return ret;
}

int output_file_rotate(struct output *o)
{
	struct file_output *f = file_of(o);

	return f->failed ? f->failed : result_keep(f, file_rotate_now(f));
}

bool output_file_torn(const struct output *o)
{
	return sink_is_torn(&((const struct file_output *)o)->sink);
}

struct file_held output_file_held(const struct output *o)
{
	const struct file_output *f = (const struct file_output *)o;
	struct file_held ret = f->held;

	ret.last = f->sink.packets;
	ret.unsure = f->sink.unsure;
	return ret;
}

const char *output_file_name(const struct output *o)
{
	return ((const struct file_output *)o)->name;
}

int output_file_pipe(const struct output *o)
{
	const int fd = ((const struct file_output *)o)->sink.fd;
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)) ? fd : -1;
}
