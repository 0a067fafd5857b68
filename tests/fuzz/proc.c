/* SPDX-License-Identifier: BSD-3-Clause */
/* What /proc says: whatever is opened there holds the input. */
#include <fcntl.h>
#include <mntent.h>
#include <stdarg.h>

#include "capture/tenant.h"
#include "fuzz.h"
#include "meta/cgroup.h"
#include "own_sockets.h"
#include "util/cgroup2.h"
#include "util/cpus.h"
#include "util/pidns.h"
#include "util/procfs.h"

static int file = -1;

int __real_open(const char *path, int flags, ...);

FAKE(int, open, const char *path, int flags, ...)
{
	if (strncmp(path, "/proc/", 6) != 0)
		return __real_open(path, flags, 0600);
	lseek(file, 0, SEEK_SET);
	return dup(file);
}

/* Hierarchies of version 1 are neither mounted nor to be had. */
FAKE(FILE *, setmntent, const char *path, const char *mode)
{
	(void)path;
	(void)mode;
	return NULL;
}

FAKE(long, syscall, long number, ...)
{
	(void)number;
	return -1;
}

static FILE *as_stream(void)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	return fopen(path, "re");
}

static void check_name(const struct cgroup_name *n, const char *path)
{
	FUZZ_CHECK(n->id >= path && n->id + n->id_len <= path + strlen(path));
	FUZZ_CHECK(!n->ns || (n->ns >= path && n->ns + n->ns_len <= path + strlen(path)));
}

/* Each line as a path, and behind its second colon. */
static void try_cgroup(char *text)
{
	struct cgroup_name names[CGROUP_NAMES_MAX];
	size_t n;

	for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
		const char *path = strchr(line, ':');

		path = path ? strchr(path + 1, ':') : NULL;
		path = path ? path + 1 : line;
		n = cgroup_containers(path, names);
		FUZZ_CHECK(n <= CGROUP_NAMES_MAX);
		for (size_t i = 0; i < n; i++)
			check_name(&names[i], path);
		n = cgroup_namespaced(path, names);
		FUZZ_CHECK(n <= CGROUP_NAMES_MAX);
		for (size_t i = 0; i < n; i++)
			check_name(&names[i], path);
	}
}

/* Of version 2 the hierarchy is the folder of the root, which only is looked at. */
static void try_pid(void)
{
	static int root = -1;
	struct cgroup_where where;
	struct cgroup_fs fs;

	if (root < 0)
		root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	fs = (struct cgroup_fs){ .fd = root };
	for (unsigned i = 0; i < 2; i++) {
		if (i ? cgroup_v2_of_pid(&fs, 1, &where) : cgroup_of_pid(&fs, 1, &where))
			continue;
		FUZZ_CHECK(strnlen(where.path, sizeof(where.path)) < sizeof(where.path));
		FUZZ_CHECK(where.hierarchy == (where.v2 ? root : -1));
		FUZZ_CHECK(fs.nhierarchies <= CGROUP_V1_MAX);
	}
}

static void try_tables(void)
{
	const uint32_t v6[4] = { 0x01020304, 0, 0, 1 };
	FILE *f = as_stream();

	if (!f)
		abort();
	tenant_has_v4(f, 0x0100007f);
	rewind(f);
	tenant_has_v6(f, v6);
	fclose(f);
}

static void try_texts(const char *text)
{
	struct own_connection connection;
	uint32_t pid;

	if (procfs_is_pid(text, &pid))
		FUZZ_CHECK(pid > 0 && pid <= INT32_MAX);
	if (pidns_parse(text, &pid))
		FUZZ_CHECK(pid > 0 && pid <= INT32_MAX);
	cpus_list_end(text);
	own_parse(text, &connection);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz whole = { data, size };
	char scratch[4096], *text = fuzz_string(&whole, size);
	struct procfs_stat st;

	file = fuzz_file(file, data, size, NULL);
	if (procfs_stat(1, &st) == 0)
		FUZZ_CHECK(strnlen(st.comm, sizeof(st.comm)) < sizeof(st.comm));
	procfs_uid(1);
	procfs_read(1, "cmdline", scratch, 7);
	FUZZ_CHECK(strlen(scratch) < 7);
	cgroup2_of_pid(0, 1, scratch, sizeof(scratch));
	try_tables();
	try_pid();
	try_texts(text);
	try_cgroup(text);
	free(text);
	return 0;
}
