/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/owner_lives.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/pidns.h"
#include "util/procfs.h"

/* "NSpid: 4711 12 1": the number that is asked for is one of those in the namespaces further in. */
static bool has_inner_pid(const char *status, uint32_t pid)
{
	const char *p = strstr(status, "\nNSpid:");
	uint32_t found;
	int n;

	if (!p || sscanf(p + 7, "%" SCNu32 "%n", &found, &n) != 1)
		return false;
	for (p += 7 + n; sscanf(p, "%" SCNu32 "%n", &found, &n) == 1; p += n) {
		if (found == pid)
			return true;
	}
	return false;
}

/* Times in another time namespace are not comparable: the number has to do. */
static bool has_started_then(uint32_t pid, const struct capture_control *control)
{
	const uint64_t start = procfs_start(pid);
	const uint32_t ns = procfs_namespace(pid, "time");

	return start == control->owner_start || (start && ns && ns != procfs_namespace(0, "time"));
}

static bool may_be(uint32_t pid, const struct capture_control *control)
{
	char status[8192];

	return procfs_read(pid, "status", status, sizeof(status)) > 0 && has_inner_pid(status, control->owner_pid) &&
	       has_started_then(pid, control);
}

/* The first pid namespace has everybody. */
static bool lives_inside(const struct capture_control *control)
{
	DIR *dir = opendir("/proc");
	bool lives = !dir;
	struct dirent *d;
	uint32_t pid;

	while (!lives && (d = readdir(dir)))
		lives = procfs_is_pid(d->d_name, &pid) && may_be(pid, control);
	if (dir)
		closedir(dir);
	return lives;
}

bool owner_lives(const struct capture_control *control)
{
	const struct pidns ns = pidns_of_proc();

	if (ns.inode && ns.inode == control->owner_pidns)
		return has_started_then(control->owner_pid, control);
	return !ns.inode || !ns.initial || lives_inside(control);
}
