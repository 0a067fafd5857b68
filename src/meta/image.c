/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/image.h"

#include <stdlib.h>
#include <string.h>

#include "meta/name.h"
#include "util/procfs.h"

struct image {
	unsigned refs;
	struct str cmd, args, name;
	char text[];
};

struct image *image_get(struct image *image)
{
	if (image)
		image->refs++;
	return image;
}

void image_put(struct image *image)
{
	if (image && --image->refs == 0)
		free(image);
}

struct image *image_new(struct str cmd, bool cmd_cut, struct str args, bool args_cut, struct str name)
{
	static const char dots[] = "...";
	const size_t ndots = sizeof(dots) - 1;
	struct image *image = malloc(sizeof(*image) + cmd.n + args.n + name.n + 2 * ndots);
	char *p;

	if (!image)
		return NULL;
	image->refs = 1;
	image->name = (struct str){ image->text, name.n };
	p = mempcpy(image->text, name.p, name.n);
	/* A path that is too deep lacks its first directories. */
	image->cmd = (struct str){ p, cmd.n + (cmd_cut ? (uint32_t)ndots : 0) };
	if (cmd_cut)
		p = mempcpy(p, dots, ndots);
	if (cmd.n)
		p = mempcpy(p, cmd.p, cmd.n);
	while (!args_cut && args.n && args.p[args.n - 1] == '\0')
		args.n--;
	image->args = (struct str){ p, args.n };
	for (size_t i = 0; i < args.n; i++)
		*p++ = args.p[i] ? args.p[i] : ' ';
	if (args_cut) {
		memcpy(p, dots, ndots);
		image->args.n += (uint32_t)ndots;
	}
	return image;
}

struct image *image_read(const struct process *p, uint64_t tick)
{
	char exe[EVENT_FILENAME_MAX * 8], cmdline[EVENT_ARGS_MAX + 2];
	struct str cmd, args, name;
	struct procfs_stat st;
	int len, n;

	len = procfs_exe(p->tgid, exe, sizeof(exe));
	n = procfs_read(p->tgid, "cmdline", cmdline, sizeof(cmdline));
	/* Another process may have got the pid while we read. */
	if (procfs_stat(p->tgid, &st) || !procfs_same_start(tick, st.start, p->start))
		len = n = 0;
	cmd = (struct str){ exe, len < 0 ? 0 : (uint32_t)len };
	args = (struct str){ cmdline, n < 0 ? 0 : n > EVENT_ARGS_MAX ? EVENT_ARGS_MAX : (uint32_t)n };
	name = name_later(&(struct name_facts){ p->comm, cmd, args });
	return cmd.n || args.n ? image_new(cmd, false, args, n > EVENT_ARGS_MAX, name) : NULL;
}

void image_texts(struct process *p, const struct image *image)
{
	p->cmd = image && image->cmd.n ? image->cmd : str_of(p->comm);
	p->args = image ? image->args : str_of("");
	p->name = image ? image->name : str_of(p->comm);
}

struct process_desc process_describe(const struct process *p)
{
	struct process_desc d = { .pid = p->tgid, .cmd = p->cmd, .args = p->args };

	process_desc_set_names(&d, p->name, str_of(p->comm));
	return d;
}
