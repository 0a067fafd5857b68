/* SPDX-License-Identifier: BSD-3-Clause */
#include "extcap_install.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/log.h"

#define LINK_NAME "ptcpdump"

static const char *home_folder(void)
{
	const char *home = getenv("HOME");
	const struct passwd *pw;

	if (home && *home)
		return home;
	pw = getpwuid(geteuid());
	return pw ? pw->pw_dir : NULL;
}

static int check_user(void)
{
	if (geteuid() != 0 || !getenv("SUDO_USER"))
		return 0;
	log_error(
		"--install-extcap is for the user who runs Wireshark: without sudo. (\"make install\" does it for all.)");
	return -EPERM;
}

/* Sets errno. */
static bool is_folder(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return false;
	errno = ENOTDIR;
	return S_ISDIR(st.st_mode);
}

/* With the folders that lead to it. */
static int make_folder(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755); /* what is wrong is told of the last */
		*slash = '/';
	}
	if (mkdir(path, 0755) == 0 || (errno == EEXIST && is_folder(path)))
		return 0;
	log_error("can't make the folder '%s': %s", path, strerror(errno));
	return -EINVAL;
}

static bool is_ours(const char *target)
{
	const char *slash = strrchr(target, '/');

	return strcmp(slash ? slash + 1 : target, LINK_NAME) == 0;
}

/* A link to a program of our name, wherever that was, may be replaced; nothing else may. */
static int remove_old(const char *path, const char *program, bool *same)
{
	char target[PATH_MAX];
	const ssize_t n = readlink(path, target, sizeof(target) - 1);

	*same = false;
	if (n < 0 && errno == ENOENT)
		return 0;
	target[n > 0 ? n : 0] = '\0';
	*same = n > 0 && strcmp(target, program) == 0;
	if (*same)
		return 0;
	if (n < 0 || !is_ours(target)) {
		log_error("'%s' is there already, and is no link to a ptcpdump: move it away, and try again", path);
		return -EEXIST;
	}
	if (unlink(path) == 0)
		return 0;
	log_error("can't replace '%s': %s", path, strerror(errno));
	return -EACCES;
}

static int make_link(const char *program, const char *folder, const char *of)
{
	char path[PATH_MAX + sizeof(LINK_NAME) + 1];
	bool same;
	int err;

	snprintf(path, sizeof(path), "%s", folder);
	err = make_folder(path);
	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/" LINK_NAME, folder);
	err = remove_old(path, program, &same);
	if (err)
		return err;
	if (!same && symlink(program, path)) {
		log_error("can't make the link '%s': %s", path, strerror(errno));
		return -EACCES;
	}
	printf("%s -> %s (%s%s)\n", path, program, of, same ? "; it was there already" : "");
	return 0;
}

/* Each Wireshark looks into one of the two; with both, the next version finds it too. */
int extcap_install(void)
{
	const char *home = home_folder(), *config = getenv("XDG_CONFIG_HOME");
	char program[PATH_MAX], new[PATH_MAX], old[PATH_MAX];
	const ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	int err = check_user();
	bool fits;

	if (err)
		return err;
	if (n <= 0 || !home || *home != '/') {
		log_error("--install-extcap: can't tell %s",
			  n <= 0 ? "where this program is: /proc is missing" : "which folder is yours: set HOME");
		return -ENOENT;
	}
	program[n] = '\0';
	fits = snprintf(new, sizeof(new), "%s/.local/lib/wireshark/extcap", home) < PATH_MAX;
	if (config && *config == '/')
		fits &= snprintf(old, sizeof(old), "%s/wireshark/extcap", config) < PATH_MAX;
	else
		fits &= snprintf(old, sizeof(old), "%s/.config/wireshark/extcap", home) < PATH_MAX;
	if (!fits) {
		log_error("--install-extcap: the name of your folder is too long");
		return -ENAMETOOLONG;
	}
	err = make_link(program, new, "Wireshark 4.4 and later");
	if (!err)
		err = make_link(program, old, "Wireshark before 4.4");
	return err;
}
