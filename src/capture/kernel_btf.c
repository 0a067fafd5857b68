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
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "capture/kernel.h"
#include "capture/kernel_btf_check.h"
#include "util/apart.h"
#include "util/fd.h"
#include "util/log.h"

#define KERNEL_BTF_KEPT "/var/lib/ptcpdump/btf"
#define NEW_PREFIX ".new-"

enum {
	WHY = KERNEL_BTF_WHY,
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

static int check(const struct kernel_btf_places *p, const char *path, char why[WHY])
{
	return p->check ? p->check(path, why) : 0;
}

static int use_given(const struct kernel_btf_places *p, const char *given, char path[PATH_MAX])
{
	char why[WHY];

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
	err = check(p, given, why);
	if (err)
		log_error("--kernel-btf '%s': is not the BTF of this kernel, %s: %s; leave the option out to have it "
			  "looked for",
			  given, p->release, why);
	if (!err)
		strcpy(path, given);
	return err;
}

static bool libbpf_finds_it(const struct kernel_btf_places *p)
{
	struct btf *btf = btf__load_vmlinux_btf();
	char why[WHY];
	int err;

	if (!btf || libbpf_get_error(btf))
		return false;
	btf__free(btf);
	err = check(p, "", why);
	if (err)
		log_warn(
			"the BTF of a vmlinux in /boot, /lib/modules or /usr/lib/debug is not that of this kernel, %s: %s: "
			"remove it",
			p->release, why);
	return !err;
}

static bool find_local(const struct kernel_btf_places *p, char path[PATH_MAX])
{
	static const char *const names[] = { "vmlinux", "vmlinux-%s", "%s.btf" };
	char name[128], why[WHY];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), names[i], p->release);
		if (snprintf(path, PATH_MAX, "%s/%s", p->folder, name) >= PATH_MAX || access(path, F_OK))
			continue;
		if (!holds_btf(path)) {
			log_warn("'%s' does not hold the BTF of a kernel: remove it", path);
		} else if (check(p, path, why)) {
			log_warn("'%s' is not the BTF of this kernel, %s: %s: remove it", path, p->release, why);
		} else {
			log_info("the kernel has no BTF, that of '%s' is used", path);
			return true;
		}
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

static int copy_all(int from, int to)
{
	off_t at = 0;
	ssize_t n;

	while ((n = sendfile(to, from, &at, RAW_MAX)) != 0) {
		if (n < 0 && errno != EINTR)
			return -errno;
	}
	return fsync(to) ? -errno : 0;
}

/* Nobody ever sees half a file under its name. */
static int save(const char *folder, const char *name, int from, char path[PATH_MAX])
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
	err = copy_all(from, fd);
	if (!err && fchmod(fd, 0644))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
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

/* Of what others have made, nothing is looked at where we have rights: in this process, which has none. */
struct fetched {
	int err;
	unsigned source;
	char why[WHY];
};

static int keep(struct str data, int fd, const char *url, char why[WHY])
{
	char path[32];
	size_t done;
	const int err = fd_write(fd, data.p, data.n, NULL, &done);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!err && holds_btf(path))
		return 0;
	if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET) || err)
		snprintf(why, WHY, "no memory for it");
	else
		snprintf(why, WHY, "what '%.180s' gives is no BTF of a kernel", url);
	return -EBADMSG;
}

static int fetch_raw(const struct kernel_btf_places *p, int fd, char why[WHY])
{
	struct buf b = { 0 };
	char url[512];
	int err;

	snprintf(url, sizeof(url), "%s%s/vmlinux-%s", p->raw_url, p->machine, p->release);
	err = kernel_btf_fetch(p, url, RAW_MAX, &b, why);
	if (!err)
		err = keep((struct str){ b.p, (uint32_t)b.len }, fd, url, why);
	buf_done(&b);
	return err;
}

static int fetch_archive(const struct kernel_btf_places *p, int fd, char why[WHY])
{
	const char *machine = strcmp(p->machine, "aarch64") == 0 ? "arm64" : p->machine, *reason = NULL;
	struct buf b = { 0 }, unpacked = { 0 };
	char url[512], id[65], version[65];
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
	if (!err)
		err = keep(btf, fd, url, why);
	buf_done(&unpacked);
	buf_done(&b);
	return err;
}

static const struct {
	int (*fetch)(const struct kernel_btf_places *p, int fd, char why[WHY]);
	const char *name; /* of the file that is kept */
} sources[] = { { fetch_raw, "vmlinux-%s" }, { fetch_archive, "%s.btf" } };
enum { SOURCES = sizeof(sources) / sizeof(sources[0]) };

static void fetch_apart(const void *arg, int fd, void *result)
{
	struct fetched *f = result;

	for (f->source = 0; f->source < SOURCES; f->source++) {
		f->err = sources[f->source].fetch(arg, fd, f->why);
		if (!f->err || f->err == -ELIBACC)
			return;
		log_info("%s", f->why);
	}
}

/* What it says is no more to be trusted than what it has read. */
static void check_fetched(struct fetched *f)
{
	f->why[WHY - 1] = '\0';
	for (char *c = f->why; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	if (!f->err && f->source >= SOURCES)
		f->err = -EBADMSG;
}

/* Before it is kept. */
static int check_kernel(const struct kernel_btf_places *p, int fd, struct fetched *f)
{
	char path[32], why[WHY];
	int err;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = check(p, path, why);
	if (err)
		snprintf(f->why, WHY, "what was fetched is not the BTF of this kernel: %.200s", why);
	return err;
}

static int fetch_and_save(const struct kernel_btf_places *p, char path[PATH_MAX], struct fetched *f)
{
	const int fd = memfd_create("ptcpdump-btf", MFD_CLOEXEC);
	char name[128];
	int err = fd < 0 ? -errno : apart_run(fd, RAW_MAX, fetch_apart, p, f, sizeof(*f));

	if (err)
		snprintf(f->why, WHY, "%s", strerror(-err));
	else
		check_fetched(f);
	err = err ? err : f->err;
	if (!err)
		err = check_kernel(p, fd, f);
	if (!err) {
		snprintf(name, sizeof(name), sources[f->source].name, p->release);
		err = save(p->folder, name, fd, path);
		if (err)
			snprintf(f->why, WHY, "can't save it in '%.100s': %s", p->folder, strerror(-err));
	}
	if (fd >= 0)
		close(fd);
	return err;
}

/* "https://HOST/..." */
static struct str host_of(const char *url)
{
	const char *host = strstr(url, "://") + 3;

	return (struct str){ host, (uint32_t)strcspn(host, "/") };
}

static int fetch(const struct kernel_btf_places *p, char path[PATH_MAX])
{
	const bool known = strcmp(p->machine, "x86_64") == 0 || strcmp(p->machine, "aarch64") == 0;
	const struct str raw = host_of(p->raw_url), archive = host_of(p->archive_url);
	struct fetched f = { .err = -ENOENT };

	if (!p->no_download && known && is_plain(p->release)) {
		log_warn("this kernel has no BTF: asking %.*s, then %.*s for that of %s, to keep it in '%s'; "
			 "--no-btf-download asks nobody",
			 (int)raw.n, raw.p, (int)archive.n, archive.p, p->release, p->folder);
		if (!fetch_and_save(p, path, &f)) {
			log_info("saved as '%s'", path);
			return 0;
		}
	}
	path[0] = '\0';
	log_error(
		"this kernel has no BTF ('%s'), there is none in '%s', and none %s%s%s: name the BTF of kernel %s with "
		"--kernel-btf",
		p->kernel, p->folder, p->no_download ? "is fetched, by --no-btf-download" : "could be fetched",
		*f.why ? ": " : "", f.why, p->release);
	return -ENOENT;
}

int kernel_btf_find_in(const struct kernel_btf_places *p, const char *given, char path[PATH_MAX])
{
	path[0] = '\0';
	if (given)
		return use_given(p, given, path);
	if (access(p->kernel, R_OK) == 0 || find_local(p, path) || (p->libbpf && libbpf_finds_it(p)))
		return 0;
	return fetch(p, path);
}

int kernel_btf_find(const char *given, bool no_download, char path[PATH_MAX])
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
		.no_download = no_download,
		.check = kernel_btf_check,
	};

	if (uname(&u))
		return -errno;
	places.release = u.release;
	places.machine = u.machine;
	return kernel_btf_find_in(&places, given, path);
}
