/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/mounts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct mounts mounts_open(void)
{
	return (struct mounts){ .file = fopen("/proc/self/mountinfo", "re") };
}

/* In place, what the kernel writes as \040 and the like. */
static char *unescape(char *s)
{
	char *from = s, *to = s;

	for (; *from; from++) {
		if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
			*to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 3;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
	return s;
}

/* The next words are passed over. */
static void skip(char **rest, unsigned n)
{
	while (n-- && *rest)
		strsep(rest, " ");
}

/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG[:VALUE]]... - TYPE SOURCE OPTIONS */
static bool parse(char *line, struct mount *ret)
{
	char *rest = line, *root, *point, *word;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%" SCNu32 " ", &ret->id) != 1)
		return false;
	skip(&rest, 3);
	root = strsep(&rest, " ");
	point = strsep(&rest, " ");
	skip(&rest, 1);
	do
		word = strsep(&rest, " ");
	while (word && strcmp(word, "-") != 0);
	ret->type = strsep(&rest, " ");
	skip(&rest, 1);
	ret->options = rest;
	if (!root || !point || !rest)
		return false;
	ret->root = unescape(root);
	ret->point = unescape(point);
	return true;
}

bool mounts_next(struct mounts *m, struct mount *ret)
{
	while (m->file && getline(&m->line, &m->size, m->file) > 0) {
		if (parse(m->line, ret))
			return true;
	}
	return false;
}

void mounts_close(struct mounts *m)
{
	if (m->file)
		fclose(m->file);
	free(m->line);
	*m = (struct mounts){ 0 };
}

uint32_t mounts_id(int fd)
{
	char path[64], line[128];
	uint32_t id = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && !id && fgets(line, sizeof(line), f))
		sscanf(line, "mnt_id: %" SCNu32, &id);
	if (f)
		fclose(f);
	return id;
}
