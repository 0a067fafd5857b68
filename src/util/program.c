/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/program.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int try_file(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -ENOENT;
	return S_ISREG(st.st_mode) && access(path, X_OK) == 0 ? 0 : -EACCES;
}

int program_find(const char *name)
{
	const char *path = getenv("PATH");
	char full[PATH_MAX];
	int err = -ENOENT;

	if (*name == '\0')
		return -ENOENT;
	if (strchr(name, '/'))
		return try_file(name);
	if (!path)
		path = "/bin:/usr/bin"; /* as execvp(3) */
	for (;;) {
		size_t n = strcspn(path, ":");
		int len = snprintf(full, sizeof(full), "%.*s/%s", n ? (int)n : 1, n ? path : ".", name);
		int found = len > 0 && (size_t)len < sizeof(full) ? try_file(full) : -ENOENT;

		if (found == 0)
			return 0;
		if (found == -EACCES)
			err = found;
		if (path[n] == '\0')
			return err;
		path += n + 1;
	}
}
