/* SPDX-License-Identifier: BSD-3-Clause */
/* Any words as a command line, one a line. What would be looked up outside answers without looking. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "options.h"

enum { WORDS_MAX = 64 };

FAKE(int, user_find, const char *name, uint32_t *uid, char **usual)
{
	*uid = (uint32_t)strlen(name);
	if (usual)
		*usual = strdup(name);
	return *uid % 2 ? 0 : -ENOENT;
}

FAKE(struct passwd *, getpwnam, const char *name)
{
	static char text[] = "x";
	static struct passwd pw = { .pw_name = text, .pw_uid = 1, .pw_gid = 1 };

	return strlen(name) % 2 ? &pw : NULL;
}

/* The file of -F. */
FAKE(int, open, const char *path, int flags, ...)
{
	static int file = -1;

	(void)flags;
	file = fuzz_file(file, path, strlen(path), NULL);
	return dup(file);
}

FAKE(int, program_find, const char *name)
{
	return strlen(name) % 2 ? 0 : -ENOENT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, size };
	char *text = fuzz_string(&f, size), *rest = text, *argv[WORDS_MAX + 1] = { 0 };
	struct options o;
	int argc = 0;

	argv[argc++] = (char *)(uintptr_t) "ptcpdump";
	while (argc < WORDS_MAX && rest)
		argv[argc++] = strsep(&rest, "\n");
	/* Without an action there is an expression, be it empty. */
	if (options_parse(&o, argc, argv) == 0 && o.action < ACTION_PROBE)
		FUZZ_CHECK(o.expr && (options_select_process(&o) || !options_select_container(&o)));
	options_done(&o);
	free(text);
	return 0;
}
