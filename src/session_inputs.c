/* SPDX-License-Identifier: BSD-3-Clause */
#include "session_inputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/log.h"

/* NAME=FILE, unless a file is called that. A name is no part of a path. */
static int parse(struct session_input *in, const char *word)
{
	const char *equals = strchr(word, '=');
	struct stat st;

	*in = (struct session_input){ .path = word, .file = word, .fd = -1 };
	if (!equals || equals == word || !equals[1] || stat(word, &st) == 0 ||
	    memchr(word, '/', (size_t)(equals - word)))
		return 0;
	in->file = equals + 1;
	in->name = strndup(word, (size_t)(equals - word));
	if (in->name)
		return 0;
	log_error("out of memory");
	return -ENOMEM;
}

int session_inputs_parse(struct session_inputs *in, const struct options *o, bool *merge)
{
	size_t standard = 0;
	int err = 0;

	in->v = calloc(o->read_files.n, sizeof(*in->v));
	if (!in->v) {
		log_error("out of memory");
		return -ENOMEM;
	}
	for (; in->n < o->read_files.n && !err; in->n++) {
		err = parse(&in->v[in->n], o->read_files.v[in->n]);
		standard += strcmp(in->v[in->n].file, "-") == 0;
	}
	*merge = in->n > 1 || in->v[0].name;
	if (err || standard <= 1)
		return err;
	log_error("-r -: standard input is given %zu times, and can be read once", standard);
	return -EINVAL;
}

int session_inputs_open(struct session_inputs *in)
{
	for (size_t i = 0; i < in->n; i++) {
		struct session_input *v = &in->v[i];

		if (v->fd < 0)
			v->fd = reader_input_at_once(v->file);
		if (v->fd < 0)
			return v->fd;
	}
	return 0;
}

void session_inputs_done(struct session_inputs *in)
{
	for (size_t i = 0; i < in->n; i++) {
		if (in->v[i].fd > STDIN_FILENO)
			close(in->v[i].fd);
		free(in->v[i].name);
	}
	free(in->v);
}
