/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/image.h"

#include <stdlib.h>
#include <string.h>

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

void image_texts(struct process *p, const struct image *image)
{
	p->cmd = image && image->cmd.n ? image->cmd : str_of(p->comm);
	p->args = image ? image->args : str_of("");
	p->name = image ? image->name : str_of(p->comm);
}
