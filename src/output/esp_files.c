/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/esp_files.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "util/buf.h"
#include "util/log.h"

enum {
	FILES_MAX = 16,
	FILE_MAX = 1 << 20,
	LINE = 1023, /* libnetdissect takes lines in pieces of so many bytes */
};

struct esp_file {
	char *name;
	struct buf text;
};

struct esp_files {
	struct esp_file v[FILES_MAX];
	size_t n;
};

static const struct esp_file *find(const struct esp_files *files, const char *name)
{
	for (size_t i = 0; i < files->n; i++) {
		if (strcmp(files->v[i].name, name) == 0)
			return &files->v[i];
	}
	return NULL;
}

static int read_text(const char *name, struct buf *text)
{
	FILE *f = fopen(name, "re");
	int err = 0;
	size_t n;

	if (!f)
		return -errno;
	do {
		n = fread(buf_reserve(text, 4096), 1, 4096, f);
		text->len += n;
	} while (n && text->len <= FILE_MAX);
	if (ferror(f))
		err = errno ? -errno : -EIO;
	else if (text->len > FILE_MAX)
		err = -EFBIG;
	fclose(f);
	buf_putc(text, '\n');
	return err;
}

static int add_file(struct esp_files *files, const char *name)
{
	struct esp_file *file = &files->v[files->n];
	int err;

	if (find(files, name))
		return 0;
	if (files->n == FILES_MAX) {
		err = -EMFILE;
	} else {
		file->name = strdup(name);
		if (!file->name)
			return -ENOMEM;
		files->n++;
		err = read_text(name, &file->text);
	}
	if (err)
		log_error("esp_print_decode_onesecret: can't open %s: %s", name, strerror(-err));
	return err;
}

/* One secret, or "file NAME"; it is cut. */
static int look_at(struct esp_files *files, char *secret)
{
	const char *word = strsep(&secret, " \t");

	return secret && strcasecmp(word, "file") == 0 ? add_file(files, secret) : 0;
}

/* As libnetdissect reads them. */
static int look_into(struct esp_files *files, const struct esp_file *file)
{
	const char *p = file->text.p, *end = p + file->text.len;
	char line[LINE];
	int err = 0;

	while (!err && p < end) {
		const char *line_end = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)(line_end - p);

		if (n > LINE - 1)
			n = LINE - 1;
		memcpy(line, p, n);
		line[n] = '\0';
		p += n + (p[n] == '\n');
		err = *line == '#' ? 0 : look_at(files, line);
	}
	return err;
}

int esp_files_read(struct esp_files **ret, const char *secrets)
{
	struct esp_files *files = calloc(1, sizeof(*files));
	char *copy = strdup(secrets), *rest = copy, *secret;
	int err = files && copy ? 0 : -ENOMEM;

	*ret = NULL;
	while (!err && (secret = strsep(&rest, "\n,")))
		err = look_at(files, secret);
	for (size_t i = 0; !err && i < files->n; i++)
		err = look_into(files, &files->v[i]);
	free(copy);
	if (!err && files->n)
		*ret = files;
	else
		esp_files_free(files);
	return err;
}

const char *esp_files_find(const struct esp_files *files, const char *name, size_t *size)
{
	const struct esp_file *file = files ? find(files, name) : NULL;

	if (!file)
		return NULL;
	*size = file->text.len;
	return file->text.p;
}

void esp_files_free(struct esp_files *files)
{
	for (size_t i = 0; files && i < files->n; i++) {
		free(files->v[i].name);
		buf_done(&files->v[i].text);
	}
	free(files);
}
