/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/kernel_btf.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "capture/kernel.h"
#include "util/log.h"

#define KERNEL_BTF_KEPT "/var/lib/ptcpdump/btf"
#define NEW_PREFIX ".new-"

enum {
	WHY = 256,
	RAW_MAX = 64 << 20,	/* a kernel's has 5 to 15 MB */
	ARCHIVE_MAX = 16 << 20, /* packed, one to three */
};

static bool holds_btf(const char *path)
{
	struct btf *btf = btf__parse(path, NULL);
	bool ret;

	if (!btf || libbpf_get_error(btf))
		return false;
	ret = btf__find_by_name_kind(btf, "task_struct", BTF_KIND_STRUCT) >= 0;
	btf__free(btf);
	return ret;
}

static int use_given(const char *given, char path[PATH_MAX])
{
	int err = strlen(given) >= PATH_MAX ? -ENAMETOOLONG : access(given, R_OK) ? -errno : 0;

	if (err) {
		log_error("--kernel-btf '%s': %s", given, strerror(-err));
		return err;
	}
	if (!holds_btf(given)) {
		log_error("--kernel-btf '%s': does not hold the BTF of a kernel (a copy of /sys/kernel/btf/vmlinux, or "
			  "vmlinux with a section .BTF)",
			  given);
		return -EINVAL;
	}
	strcpy(path, given);
	return 0;
}

static bool libbpf_finds_it(void)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf || libbpf_get_error(btf))
		return false;
	btf__free(btf);
	return true;
}

static bool find_local(const struct kernel_btf_places *p, char path[PATH_MAX])
{
	static const char *const names[] = { "vmlinux", "vmlinux-%s", "%s.btf" };
	char name[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), names[i], p->release);
		if (snprintf(path, PATH_MAX, "%s/%s", p->folder, name) >= PATH_MAX || access(path, F_OK))
			continue;
		if (holds_btf(path)) {
			log_info("the kernel has no BTF, that of '%s' is used", path);
			return true;
		}
		log_warn("'%s' does not hold the BTF of a kernel: remove it", path);
	}
	path[0] = '\0';
	return false;
}

static int make_folder(const char *folder)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s", folder) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			return -errno;
		if (!slash)
			return 0;
		*slash = '/';
	}
}

static int write_all(int fd, struct str data)
{
	while (data.n) {
		const ssize_t n = write(fd, data.p, data.n);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data.p += n;
			data.n -= (uint32_t)n;
		}
	}
	return fsync(fd) ? -errno : 0;
}

/* Nobody ever sees half a file under its name, nor one that holds no BTF. */
static int save(const char *folder, const char *name, struct str data, char path[PATH_MAX])
{
	char tmp[PATH_MAX];
	int fd, err = make_folder(folder);

	if (err)
		return err;
	if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX ||
	    snprintf(tmp, sizeof(tmp), "%s/" NEW_PREFIX "XXXXXX", folder) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = write_all(fd, data);
	if (!err && fchmod(fd, 0644))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	if (!err && !holds_btf(tmp))
		err = -EBADMSG;
	if (!err && rename(tmp, path))
		err = -errno;
	if (err)
		unlink(tmp);
	return err;
}

unsigned kernel_btf_clean(FILE *out)
{
	enum { YOUNG = 60 };
	DIR *dir = opendir(KERNEL_BTF_KEPT);
	struct dirent *entry;
	unsigned n = 0;
	struct stat st;

	while (dir && (entry = readdir(dir))) {
		if (fnmatch(NEW_PREFIX "??????", entry->d_name, 0) != 0 ||
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode) ||
		    st.st_mtime + YOUNG >= time(NULL) || unlinkat(dirfd(dir), entry->d_name, 0))
			continue;
		n++;
		fprintf(out, "%s/%s: removed\n", KERNEL_BTF_KEPT, entry->d_name);
	}
	if (dir)
		closedir(dir);
	return n;
}

static int save_fetched(const struct kernel_btf_places *p, const char *name, const char *url, struct str data,
			char path[PATH_MAX], char why[WHY])
{
	const int err = save(p->folder, name, data, path);

	if (err == -EBADMSG)
		snprintf(why, WHY, "what '%.180s' gives is no BTF of a kernel", url);
	else if (err)
		snprintf(why, WHY, "can't save it in '%.100s': %s", p->folder, strerror(-err));
	return err;
}

/* What can stand in a path and an address as it is. */
static bool is_plain(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+~-";

	return *s && *s != '.' && strlen(s) < 65 && s[strspn(s, plain)] == '\0';
}

/* KEY=value, KEY='value', KEY="value" (os-release(5)). */
static bool os_value(const char *line, const char *key, char *ret, size_t size)
{
	const size_t n = strlen(key);
	const char *value = line + n + 1, quote = strncmp(line, key, n) == 0 && line[n] == '=' ? *value : '\n';
	size_t len;

	if (quote == '\n')
		return false;
	if (quote == '"' || quote == '\'')
		value++;
	len = strcspn(value, "\"'\n");
	if (len >= size)
		return false;
	memcpy(ret, value, len);
	ret[len] = '\0';
	return true;
}

static bool read_os(const struct kernel_btf_places *p, char id[65], char version[65])
{
	FILE *f = fopen(p->os_release[0], "re");
	char line[512];

	if (!f)
		f = fopen(p->os_release[1], "re");
	if (!f)
		return false;
	id[0] = version[0] = '\0';
	while (fgets(line, sizeof(line), f)) {
		if (!os_value(line, "ID", id, 65))
			os_value(line, "VERSION_ID", version, 65);
	}
	fclose(f);
	return is_plain(id) && is_plain(version);
}

static int fetch_raw(const struct kernel_btf_places *p, char path[PATH_MAX], char why[WHY])
{
	struct buf b = { 0 };
	char url[512], name[128];
	int err;

	snprintf(url, sizeof(url), "%s%s/vmlinux-%s", p->raw_url, p->machine, p->release);
	err = kernel_btf_fetch(p, url, RAW_MAX, &b, why);
	if (!err) {
		snprintf(name, sizeof(name), "vmlinux-%s", p->release);
		err = save_fetched(p, name, url, (struct str){ b.p, (uint32_t)b.len }, path, why);
	}
	buf_done(&b);
	return err;
}

static int fetch_archive(const struct kernel_btf_places *p, char path[PATH_MAX], char why[WHY])
{
	const char *machine = strcmp(p->machine, "aarch64") == 0 ? "arm64" : p->machine, *reason = NULL;
	struct buf b = { 0 }, unpacked = { 0 };
	char url[512], name[128], id[65], version[65];
	struct str btf = { 0 };
	int err;

	if (!read_os(p, id, version)) {
		snprintf(why, WHY, "%s does not name the distribution", p->os_release[0]);
		return -ENOENT;
	}
	snprintf(url, sizeof(url), "%s%s/%s/%s/%s.btf.tar.xz", p->archive_url, id, version, machine, p->release);
	err = kernel_btf_fetch(p, url, ARCHIVE_MAX, &b, why);
	if (!err) {
		err = kernel_btf_unpack(&b, &unpacked, &btf, &reason);
		if (err)
			snprintf(why, WHY, "%s", reason);
	}
	if (!err) {
		snprintf(name, sizeof(name), "%s.btf", p->release);
		err = save_fetched(p, name, url, btf, path, why);
	}
	buf_done(&unpacked);
	buf_done(&b);
	return err;
}

static int fetch(const struct kernel_btf_places *p, char path[PATH_MAX])
{
	int (*const sources[])(const struct kernel_btf_places *, char *, char *) = { fetch_raw, fetch_archive };
	char why[WHY] = "";
	bool known = strcmp(p->machine, "x86_64") == 0 || strcmp(p->machine, "aarch64") == 0;

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]) && known && is_plain(p->release); i++) {
		const int err = sources[i](p, path, why);

		if (!err) {
			log_info("saved as '%s'", path);
			return 0;
		}
		if (err == -ELIBACC)
			break;
		log_info("%s", why);
	}
	path[0] = '\0';
	log_error(
		"this kernel has no BTF ('%s'), there is none in '%s', and none could be fetched%s%s: name the BTF of "
		"kernel %s with --kernel-btf",
		p->kernel, p->folder, *why ? ": " : "", why, p->release);
	return -ENOENT;
}

int kernel_btf_find_in(const struct kernel_btf_places *p, const char *given, char path[PATH_MAX])
{
	path[0] = '\0';
	if (given)
		return use_given(given, path);
	if (access(p->kernel, R_OK) == 0 || find_local(p, path) || (p->libbpf && libbpf_finds_it()))
		return 0;
	return fetch(p, path);
}

int kernel_btf_find(const char *given, char path[PATH_MAX])
{
	struct utsname u;
	struct kernel_btf_places places = {
		.kernel = KERNEL_BTF_PATH,
		.libbpf = true,
		.folder = KERNEL_BTF_KEPT,
		.os_release = { "/etc/os-release", "/usr/lib/os-release" },
		.raw_url = "https://mirrors.openanolis.cn/coolbpf/btf/",
		.archive_url = "https://github.com/aquasecurity/btfhub-archive/raw/main/",
		.connect_timeout = 5,
		.timeout = 60,
	};

	if (uname(&u))
		return -errno;
	places.release = u.release;
	places.machine = u.machine;
	return kernel_btf_find_in(&places, given, path);
}
