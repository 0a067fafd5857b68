/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that are verified beside the others of their object: when, what takes their place, and what becomes of errors. */
#include "capture/verifier.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "fake.h"
#include "util/log.h"
#include "util/thread.h"

static const struct bpf_insn insns[] = { { .code = 1 }, { .code = 2 }, { .code = 3 } };
static struct bpf_program *const one = (void *)0x1000, *const other = (void *)0x2000, *const third = (void *)0x3000;
static bool pays = true, thread_refused;
static int load_error, place_fd, loaded_fd;

FAKE(bool, thread_pays, void)
{
	return pays;
}

int __real_thread_start(pthread_t *ret, void *(*run)(void *arg), void *arg);
FAKE(int, thread_start, pthread_t *ret, void *(*run)(void *arg), void *arg)
{
	return thread_refused ? -EAGAIN : __real_thread_start(ret, run, arg);
}

FAKE(const char *, bpf_program__name, const struct bpf_program *prog)
{
	return prog == one ? "one" : "other";
}

FAKE(size_t, bpf_program__insn_cnt, const struct bpf_program *prog)
{
	return 3;
}

FAKE(const struct bpf_insn *, bpf_program__insns, const struct bpf_program *prog)
{
	return insns;
}

FAKE(enum bpf_prog_type, bpf_program__type, const struct bpf_program *prog)
{
	return BPF_PROG_TYPE_SCHED_CLS;
}

FAKE(int, bpf_program__set_insns, struct bpf_program *prog, struct bpf_insn *with, size_t n)
{
	told("%s gives place to %zu; ", prog == one ? "one" : "other", n);
	return 0;
}

FAKE(int, bpf_program__fd, const struct bpf_program *prog)
{
	return place_fd;
}

FAKE(int, bpf_prog_load, enum bpf_prog_type type, const char *name, const char *license, const struct bpf_insn *of,
     size_t n, const struct bpf_prog_load_opts *opts)
{
	if (type != BPF_PROG_TYPE_SCHED_CLS || n != 3 || memcmp(of, insns, sizeof(insns)) != 0 ||
	    opts->func_info_cnt != 2 || memcmp(opts->func_info, "facts", 6) != 0 || opts->line_info_cnt ||
	    opts->prog_btf_fd != 77)
		return -EILSEQ;
	if (opts->log_size) {
		memset(opts->log_buf, 'x', 9000);
		strcpy(opts->log_buf + 9000, "\nwhat was wrong\n");
	}
	loaded_fd = load_error ? load_error : open("/dev/null", O_RDONLY | O_CLOEXEC);
	return loaded_fd;
}

static struct bpf_prog_load_opts options(const void *info)
{
	return (struct bpf_prog_load_opts){ .sz = sizeof(struct bpf_prog_load_opts),
					    .prog_btf_fd = 77,
					    .func_info_cnt = 2,
					    .func_info_rec_size = 3,
					    .func_info = info,
					    .line_info_cnt = 9 };
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void start(struct verifier *v)
{
	*v = (struct verifier){ 0 };
	pays = true;
	load_error = 0;
	place_fd = open("/", O_RDONLY | O_CLOEXEC);
	what_was_told();
}

static void test_place(void)
{
	char info[] = "facts";
	struct bpf_prog_load_opts opts = options(info);
	struct verifier v;

	start(&v);
	CHECK_INT(verifier_begin(&v, one, &opts), 0);
	CHECK_STR(what_was_told(), "one gives place to 2; ");
	CHECK_INT(opts.func_info_cnt + opts.line_info_cnt, 0);
	/* libbpf may free it after the call */
	memset(info, 0, sizeof(info));
	CHECK_INT(verifier_end(&v), 0);
	CHECK(!is_open(loaded_fd));
	/* /dev/null took the place of the folder */
	CHECK_INT(read(place_fd, info, 1), 0);
	CHECK_INT(fcntl(place_fd, F_GETFD), FD_CLOEXEC);
	CHECK_INT(verifier_end(&v), 0);
	close(place_fd);
}

static unsigned count_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += is_open(fd);
	return n;
}

/* While they are verified, and with all that there may be; where no thread pays there is none. */
static void test_descriptors(void)
{
	struct bpf_prog_load_opts opts[] = { options("facts"), options("facts"), options("facts") };
	struct verifier v;
	unsigned before;

	start(&v);
	before = count_descriptors();
	CHECK_INT(verifier_begin(&v, one, &opts[0]), 0);
	CHECK_INT(verifier_begin(&v, other, &opts[1]), 0);
	CHECK_INT(verifier_begin(&v, third, &opts[2]), 0);
	for (int i = 0; i < 2000 && count_descriptors() < before + verifier_descriptors(); i++)
		usleep(1000);
	CHECK_INT(count_descriptors(), before + verifier_descriptors());
	CHECK_INT(verifier_end(&v), 0);
	CHECK_INT(count_descriptors(), before);
	pays = false;
	CHECK_INT(verifier_descriptors(), 0);
	pays = true;
	close(place_fd);
}

static void test_refused(void)
{
	struct bpf_prog_load_opts opts = options("facts"), more = options("facts");
	struct verifier v;

	start(&v);
	load_error = -E2BIG;
	CHECK_INT(verifier_begin(&v, one, &opts), 0);
	CHECK_INT(verifier_begin(&v, other, &more), 0);
	CHECK_INT(verifier_end(&v), -E2BIG);
	/* it can be tried again, without what was refused */
	load_error = 0;
	opts = options("facts");
	CHECK_INT(verifier_begin(&v, one, &opts), 0);
	CHECK_INT(verifier_end(&v), 0);
	close(place_fd);
}

/* The kernel says why at the end of a long text. */
static void test_log(void)
{
	struct bpf_prog_load_opts opts = options("facts");
	const int was = dup(STDERR_FILENO), file = memfd_create("said", MFD_CLOEXEC);
	char text[16384];
	struct verifier v;
	ssize_t n;

	start(&v);
	load_error = -EACCES;
	log_set_level(LOG_DEBUG);
	dup2(file, STDERR_FILENO);
	CHECK_INT(verifier_begin(&v, one, &opts), 0);
	CHECK_INT(verifier_end(&v), -EACCES);
	dup2(was, STDERR_FILENO);
	log_set_level(LOG_WARN);
	n = pread(file, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	CHECK(strstr(text, "verifier on \"one\":\n"));
	CHECK(strstr(text, "x\nptcpdump: what was wrong\n"));
	close(place_fd);
	close(file);
	close(was);
}

/* Another program was refused: libbpf has closed all. */
static void test_no_place(void)
{
	struct bpf_prog_load_opts opts = options("facts");
	struct verifier v;

	start(&v);
	close(place_fd);
	place_fd = -1;
	CHECK_INT(verifier_begin(&v, one, &opts), 0);
	CHECK_INT(verifier_end(&v), 0);
	CHECK(!is_open(loaded_fd));
}

static void test_left_to_libbpf(void)
{
	struct bpf_prog_load_opts opts = options("facts");
	struct verifier v;

	start(&v);
	pays = false;
	CHECK_INT(verifier_begin(&v, one, &opts), 0);
	pays = thread_refused = true;
	CHECK_INT(verifier_begin(&v, one, &opts), 0);
	thread_refused = false;
	CHECK_STR(what_was_told(), "");
	CHECK_INT(opts.func_info_cnt, 2);
	for (int i = 0; i < VERIFIED_MAX; i++) {
		struct bpf_prog_load_opts before = options("facts");

		CHECK_INT(verifier_begin(&v, other, &before), 0);
	}
	what_was_told();
	CHECK_INT(verifier_begin(&v, third, &opts), 0);
	CHECK_STR(what_was_told(), "");
	CHECK_INT(opts.func_info_cnt, 2);
	CHECK_INT(verifier_end(&v), 0);
	close(place_fd);
}

int main(void)
{
	RUN(test_place);
	RUN(test_descriptors);
	RUN(test_refused);
	RUN(test_log);
	RUN(test_no_place);
	RUN(test_left_to_libbpf);
	return check_status();
}
