/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the kernel's BTF comes from, with folders and a web server of our own. */
#include <arpa/inet.h>
#include <bpf/btf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/kernel_btf.h"
#include "check.h"
#include "fake.h"
#include "util/caps.h"
#include "util/libcurl.h"
#include "util/log.h"

static char dir[] = "/tmp/test-kernel-btf-XXXXXX";
static char base[64]; /* http://127.0.0.1:PORT/ */
static pid_t server;

static bool no_libcurl;

/* What the process that fetches has, which is not this one. */
static struct fetcher {
	unsigned asked; /* for libcurl */
	uid_t uid;
	uint64_t caps;
	bool reads; /* our file */
	int descriptors;
} * fetcher;

static char *in_dir(const char *name)
{
	static char paths[8][512];
	static unsigned n;
	char *p = paths[n++ % 8];

	snprintf(p, 512, "%s/%s", dir, name);
	return p;
}

int __real_libcurl_open(struct libcurl **ret, char why[LIBCURL_WHY]);

FAKE(int, libcurl_open, struct libcurl **ret, char why[LIBCURL_WHY])
{
	struct caps caps;
	DIR *d = opendir("/proc/self/fd");

	fetcher->asked++;
	fetcher->uid = geteuid();
	fetcher->caps = caps_get(&caps) ? UINT64_MAX : caps.permitted | caps.effective;
	fetcher->reads = access(in_dir("secret"), R_OK) == 0;
	for (fetcher->descriptors = -2; d && readdir(d); fetcher->descriptors++)
		;
	closedir(d);
	if (!no_libcurl)
		return __real_libcurl_open(ret, why);
	snprintf(why, LIBCURL_WHY, "install it");
	return -ELIBACC;
}

FAKE(void, log_msg, enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (level == LOG_WARN)
		told("warning; ");
	if (level == LOG_ERROR)
		told_args(fmt, args);
	va_end(args);
}

static void put(const char *name, const void *data, size_t n)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		abort();
	close(fd);
}

static void put_btf(const char *name, const char *type)
{
	struct btf *btf = btf__new_empty();
	uint32_t size;
	const void *raw;

	btf__add_struct(btf, type, 8);
	raw = btf__raw_data(btf, &size);
	put(name, raw, size);
	btf__free(btf);
}

static void shell(const char *command)
{
	char text[1024];

	snprintf(text, sizeof(text), "cd %s && { %s; }", dir, command);
	if (system(text))
		abort();
}

/* Serves the folder "web"; a file that is not there: 404; the folder "silent": never an answer. "cut": half of it. */
static void answer(int fd)
{
	static char request[4096], data[1 << 20];
	char path[512], header[128];
	ssize_t n = read(fd, request, sizeof(request) - 1), size = -1;
	int file;

	if (n <= 0)
		return;
	request[n] = '\0';
	if (sscanf(request, "GET /%400s", path) != 1)
		return;
	if (strncmp(path, "silent", 6) == 0)
		sleep(20);
	file = open(in_dir(strcat(strcpy(header, "web/"), path)), O_RDONLY | O_CLOEXEC);
	if (file >= 0) {
		size = read(file, data, sizeof(data));
		close(file);
	}
	n = snprintf(header, sizeof(header), "HTTP/1.1 %s\r\nContent-Length: %zd\r\nConnection: close\r\n\r\n",
		     size < 0 ? "404 Not Found" : "200 OK", size < 0 ? 0 : size);
	if (write(fd, header, (size_t)n) != n || size < 0)
		return;
	if (strncmp(path, "cut", 3) == 0)
		size /= 2;
	if (write(fd, data, (size_t)size) != size)
		return;
}

static void start_server(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&sa, len) || listen(fd, 8) || getsockname(fd, (struct sockaddr *)&sa, &len))
		abort();
	snprintf(base, sizeof(base), "http://127.0.0.1:%u/", ntohs(sa.sin_port));
	server = fork();
	if (server > 0) {
		close(fd);
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		const int client = accept(fd, NULL, NULL);

		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			answer(client);
			_exit(0);
		}
		close(client);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

static char url[2][128];

static struct kernel_btf_places places(const char *raw, const char *archive)
{
	snprintf(url[0], sizeof(url[0]), "%s%s/", base, raw);
	snprintf(url[1], sizeof(url[1]), "%s%s/", base, archive);
	return (struct kernel_btf_places){
		.kernel = in_dir("none"),
		.folder = in_dir("lib/btf"),
		.os_release = { in_dir("none"), in_dir("os-release") },
		.release = "5.4.0-zz",
		.machine = "x86_64",
		.raw_url = url[0],
		.archive_url = url[1],
		.connect_timeout = 1,
		.timeout = 1,
	};
}

/* Files in the folder, hidden ones too. */
static int saved(void)
{
	DIR *d = opendir(in_dir("lib/btf"));
	int n = -2;

	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int find(const struct kernel_btf_places *p, char path[PATH_MAX])
{
	strcpy(path, "?");
	return kernel_btf_find_in(p, NULL, path);
}

static void test_given(void)
{
	const struct kernel_btf_places p = places("raw", "archive");
	char path[PATH_MAX];

	put_btf("good", "task_struct");
	put_btf("other", "zz");
	put("text", "no BTF", 6);
	CHECK_INT(kernel_btf_find_in(&p, in_dir("good"), path), 0);
	CHECK_STR(path, in_dir("good"));
	CHECK_INT(kernel_btf_find_in(&p, in_dir("none"), path), -ENOENT);
	CHECK_INT(kernel_btf_find_in(&p, in_dir("text"), path), -EINVAL);
	CHECK_INT(kernel_btf_find_in(&p, in_dir("other"), path), -EINVAL);
	CHECK_INT(kernel_btf_find_in(&p, "/bin/ls", path), -EINVAL);
	CHECK_INT(kernel_btf_find_in(&p, dir, path), -EINVAL);
	CHECK_STR(path, "");
}

static void test_own(void)
{
	struct kernel_btf_places p = places("raw", "archive");
	char path[PATH_MAX];

	p.kernel = in_dir("good");
	CHECK_INT(find(&p, path), 0);
	CHECK_STR(path, "");
}

static void test_folder(void)
{
	const struct kernel_btf_places p = places("none", "none");
	char path[PATH_MAX];

	shell("mkdir -p lib/btf && cp good lib/btf/5.4.0-zz.btf");
	CHECK_INT(find(&p, path), 0);
	CHECK_STR(path, in_dir("lib/btf/5.4.0-zz.btf"));
	shell("cp good lib/btf/vmlinux-5.4.0-zz");
	CHECK_INT(find(&p, path), 0);
	CHECK_STR(path, in_dir("lib/btf/vmlinux-5.4.0-zz"));
	shell("cp text lib/btf/vmlinux");
	CHECK_INT(find(&p, path), 0);
	CHECK_STR(path, in_dir("lib/btf/vmlinux-5.4.0-zz"));
	shell("cp good lib/btf/vmlinux");
	CHECK_INT(find(&p, path), 0);
	CHECK_STR(path, in_dir("lib/btf/vmlinux"));
	shell("rm -r lib");
}

static void test_fetch_raw(void)
{
	struct kernel_btf_places p = places("raw", "none");
	char path[PATH_MAX];
	struct stat st;

	shell("mkdir -p web/raw/x86_64 && cp good web/raw/x86_64/vmlinux-5.4.0-zz");
	CHECK_INT(find(&p, path), 0);
	CHECK_STR(path, in_dir("lib/btf/vmlinux-5.4.0-zz"));
	CHECK_INT(saved(), 1);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0644);
	/* The copy is used from now on. */
	p.raw_url = p.archive_url;
	CHECK_INT(find(&p, path), 0);
	CHECK_STR(path, in_dir("lib/btf/vmlinux-5.4.0-zz"));
	shell("rm -r lib");
}

static char asked_for[PATH_MAX];

/* Of another kernel, but for what is called so in the folder. */
static int other_kernel(const char *path, char *why)
{
	snprintf(asked_for, sizeof(asked_for), "%s", path);
	strcpy(why, "a field differs");
	return strstr(path, ".btf") ? 0 : -EINVAL;
}

static void test_other_kernel(void)
{
	struct kernel_btf_places p = places("raw", "none");
	char path[PATH_MAX];

	p.check = other_kernel;
	what_was_told();
	CHECK_INT(kernel_btf_find_in(&p, in_dir("good"), path), -EINVAL);
	CHECK_STR(path, "");
	CHECK_STR(asked_for, in_dir("good"));
	CHECK(strstr(what_was_told(), "is not the BTF of this kernel, 5.4.0-zz: a field differs"));
	/* Fetched: it is not kept. */
	CHECK_INT(find(&p, path), -ENOENT);
	CHECK_STR(path, "");
	CHECK_INT(saved(), 0);
	CHECK(strstr(what_was_told(), "what was fetched is not the BTF of this kernel: a field differs"));
	/* In the folder: the next one may be right. */
	shell("mkdir -p lib/btf && cp good lib/btf/vmlinux && cp good lib/btf/5.4.0-zz.btf");
	CHECK_INT(find(&p, path), 0);
	CHECK_STR(path, in_dir("lib/btf/5.4.0-zz.btf"));
	CHECK(strstr(what_was_told(), "warning; "));
	/* The kernel's own needs no word for it. */
	asked_for[0] = '\0';
	p.kernel = in_dir("good");
	CHECK_INT(find(&p, path), 0);
	CHECK_STR(asked_for, "");
	shell("rm -r lib");
}

/* Neither rights nor files of ours. */
static void test_fetched_apart(void)
{
	const struct kernel_btf_places p = places("raw", "none");
	const int fd = open(in_dir("secret"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char path[PATH_MAX];

	what_was_told();
	CHECK_INT(find(&p, path), 0);
	CHECK_STR(what_was_told(), "warning; ");
	CHECK_INT(fetcher->caps, 0);
	CHECK(geteuid() != 0 || (fetcher->uid == 65534 && !fetcher->reads));
	/* The standard streams, the file, the pipe, the folder that lists them. */
	CHECK_INT(fetcher->descriptors, 6);
	close(fd);
	shell("rm -r lib");
}

static void test_fetch_archive(void)
{
	struct kernel_btf_places p = places("none", "archive");
	char path[PATH_MAX];

	shell("printf 'NAME=\"Zz OS\"\\nVERSION_ID=\"9.1\"\\nID=zz\\n' >os-release; mkdir -p web/archive/zz/9.1/x86_64 t/x.btf");
	shell("cd t && cp ../text a.txt && cp ../good 5.4.0-zz.btf && tar -cJf ../web/archive/zz/9.1/x86_64/5.4.0-zz.btf.tar.xz "
	      "a.txt x.btf 5.4.0-zz.btf");
	CHECK_INT(find(&p, path), 0);
	CHECK_STR(path, in_dir("lib/btf/5.4.0-zz.btf"));
	CHECK_INT(saved(), 1);
	shell("cmp good lib/btf/5.4.0-zz.btf && rm -r lib; cp -r web/archive/zz/9.1/x86_64 web/archive/zz/9.1/arm64");
	p.machine = "aarch64";
	shell("printf \"ID='zz'\\nVERSION_ID='9.1'\" >os-release");
	CHECK_INT(find(&p, path), 0);
	CHECK_STR(path, in_dir("lib/btf/5.4.0-zz.btf"));
	shell("rm -r lib; printf 'ID=../..\\nVERSION_ID=9.1' >os-release");
	CHECK_INT(find(&p, path), -ENOENT);
	CHECK_STR(path, "");
}

static void test_fetch_fails(void)
{
	static const char *const raw[] = { "none", "garbage", "other", "cut", "silent" };
	struct kernel_btf_places p;
	char path[PATH_MAX];
	const char *words;
	unsigned asked;

	shell("mkdir -p web/garbage/x86_64 web/other/x86_64 web/cut/x86_64; cp text web/garbage/x86_64/vmlinux-5.4.0-zz; "
	      "cp other web/other/x86_64/vmlinux-5.4.0-zz; cp good web/cut/x86_64/vmlinux-5.4.0-zz");
	for (size_t i = 0; i < sizeof(raw) / sizeof(raw[0]); i++) {
		p = places(raw[i], "none");
		CHECK_INT(find(&p, path), -ENOENT);
		CHECK_STR(path, "");
		CHECK_INT(saved(), 0);
	}
	p.raw_url = "http://127.0.0.1:1/";
	CHECK_INT(find(&p, path), -ENOENT);
	p = places("raw", "none");
	p.release = "../../etc";
	CHECK_INT(find(&p, path), -ENOENT);
	p = places("raw", "none");
	p.machine = "riscv64";
	CHECK_INT(find(&p, path), -ENOENT);
	/* What is missing for the one is missing for the other. */
	p = places("none", "none");
	no_libcurl = true;
	asked = fetcher->asked;
	what_was_told();
	CHECK_INT(find(&p, path), -ENOENT);
	no_libcurl = false;
	words = what_was_told();
	CHECK(strncmp(words, "warning; this kernel has no BTF", 31) == 0);
	CHECK_INT(fetcher->asked, asked + 1);
	CHECK(strstr(words, "none could be fetched: install it: name the BTF"));
	/* Nobody is asked. */
	p = places("raw", "archive");
	p.no_download = true;
	asked = fetcher->asked;
	what_was_told();
	CHECK_INT(find(&p, path), -ENOENT);
	CHECK(strstr(what_was_told(), "none is fetched, by --no-btf-download: name the BTF"));
	CHECK_INT(fetcher->asked, asked);
	/* Where nothing can be saved. */
	p = places("raw", "none");
	p.folder = in_dir("text/btf");
	CHECK_INT(find(&p, path), -ENOENT);
}

static void test_too_large(void)
{
	const struct kernel_btf_places p = places("raw", "none");
	struct buf b = { 0 };
	char why[256], address[160];
	int err;

	snprintf(address, sizeof(address), "%sraw/x86_64/vmlinux-5.4.0-zz", base);
	err = kernel_btf_fetch(&p, address, 16, &b, why);
	CHECK_INT(err, -EIO);
	CHECK(b.len <= 16);
	buf_done(&b);
}

static int unpack(const char *name, struct str *ret, struct buf *unpacked, const char **why)
{
	static char data[1 << 20];
	int fd = open(in_dir(name), O_RDONLY | O_CLOEXEC);
	const ssize_t n = read(fd, data, sizeof(data));
	const struct buf archive = { .p = data, .len = (size_t)n, .cap = sizeof(data) };

	close(fd);
	unpacked->len = 0;
	return kernel_btf_unpack(&archive, unpacked, ret, why);
}

static void test_bad_archives(void)
{
	struct buf unpacked = { 0 };
	const char *why = "";
	struct str btf;

	shell("cd t && tar -cf ../a.tar 5.4.0-zz.btf && tar -cJf ../no.tar.xz a.txt && cd .. && "
	      "xz -k a.tar && head -c 100 a.tar.xz >cut.tar.xz && "
	      "head -c 520 a.tar | xz >short.tar.xz && head -c 300 a.tar | xz >header.tar.xz && "
	      "{ head -c 124 a.tar; printf 77777777777; tail -c +136 a.tar; } | xz >huge.tar.xz && "
	      "{ head -c 124 a.tar; printf '\\377\\377\\377\\377\\377\\377\\377\\377\\377\\377\\377\\377'; tail -c +137 a.tar; } | xz "
	      ">binary.tar.xz && : | xz >empty.tar.xz");
	CHECK_INT(unpack("a.tar.xz", &btf, &unpacked, &why), 0);
	CHECK_INT(unpack("no.tar.xz", &btf, &unpacked, &why), -EBADMSG);
	CHECK_STR(why, "there is no file *.btf in the archive");
	CHECK_INT(unpack("empty.tar.xz", &btf, &unpacked, &why), -EBADMSG);
	CHECK_INT(unpack("header.tar.xz", &btf, &unpacked, &why), -EBADMSG);
	CHECK_INT(unpack("cut.tar.xz", &btf, &unpacked, &why), -EBADMSG);
	CHECK_STR(why, "the xz data is corrupt");
	CHECK_INT(unpack("text", &btf, &unpacked, &why), -EBADMSG);
	CHECK_INT(unpack("short.tar.xz", &btf, &unpacked, &why), -EBADMSG);
	CHECK_STR(why, "the archive is damaged");
	CHECK_INT(unpack("huge.tar.xz", &btf, &unpacked, &why), -EBADMSG);
	CHECK_INT(unpack("binary.tar.xz", &btf, &unpacked, &why), -EBADMSG);
	buf_done(&unpacked);
}

int main(void)
{
	if (!mkdtemp(dir) || chmod(dir, 0755))
		return 1;
	setenv("no_proxy", "*", 1);
	fetcher = mmap(NULL, sizeof(*fetcher), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	start_server();
	RUN(test_given);
	RUN(test_own);
	RUN(test_folder);
	RUN(test_fetch_raw);
	RUN(test_other_kernel);
	RUN(test_fetched_apart);
	RUN(test_fetch_archive);
	RUN(test_fetch_fails);
	RUN(test_too_large);
	RUN(test_bad_archives);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	shell("rm -rf \"$PWD\"");
	return check_status();
}
