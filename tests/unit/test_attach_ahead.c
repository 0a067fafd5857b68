/* SPDX-License-Identifier: BSD-3-Clause */
/* Links that are made while the programs are verified: where, in which order, and whose they are afterwards. */
#include "capture/attach_ahead.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "check.h"
#include "fake.h"

enum { OWN = 10, OTHER = 20, OTHER_FD = 300, SLOW = 99 };

static int prog_error, link_error, setns_error;
static int prog_fd, fds[AHEAD_MAX];
static unsigned nfds;
static sem_t go;

FAKE(int, bpf_prog_load, enum bpf_prog_type type, const char *name, const char *license, const struct bpf_insn *insns,
     size_t n, const struct bpf_prog_load_opts *opts)
{
	if (type != BPF_PROG_TYPE_SCHED_CLS || n != 2 || insns[0].imm != -1 || opts)
		told("bad program; ");
	prog_fd = prog_error ? prog_error : open("/dev/null", O_RDONLY | O_CLOEXEC);
	return prog_fd;
}

FAKE(int, setns, int fd, int type)
{
	told("setns %d; ", fd);
	errno = setns_error;
	return setns_error ? -1 : 0;
}

FAKE(int, attach_link, uint32_t ifindex, bool ingress, int prog)
{
	told("%s %u%s; ", ingress ? "in" : "out", ifindex, prog != prog_fd ? " bad" : "");
	if (link_error)
		return link_error;
	if (ifindex == SLOW)
		sem_wait(&go);
	fds[nfds++] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fds[nfds - 1];
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static struct ahead begin(void)
{
	prog_error = link_error = setns_error = 0;
	nfds = 0;
	what_was_told();
	return (struct ahead){ 0 };
}

static void test_links(void)
{
	struct ahead a = begin();

	ahead_add(&a, -1, OWN, 1, false);
	ahead_add(&a, -1, OWN, 2, false);
	ahead_add(&a, -1, OWN, 2, true);
	ahead_add(&a, OTHER_FD, OTHER, 2, false);
	ahead_add(&a, OTHER_FD, OTHER, 2, true);
	ahead_begin(&a);
	CHECK_INT(ahead_take(&a, OWN, 2, true), fds[2]);
	CHECK_INT(ahead_take(&a, OTHER, 2, false), fds[3]);
	CHECK_INT(ahead_take(&a, OWN, 1, true), -1);
	CHECK_INT(ahead_take(&a, OWN, 3, false), -1);
	/* once only */
	CHECK_INT(ahead_take(&a, OWN, 2, true), -1);
	ahead_end(&a);
	CHECK_STR(what_was_told(), "out 1; out 2; in 2; setns 300; out 2; in 2; ");
	CHECK(!is_open(prog_fd));
	CHECK(!is_open(fds[0]) && !is_open(fds[1]) && is_open(fds[2]) && is_open(fds[3]) && !is_open(fds[4]));
	ahead_end(&a);
	CHECK_INT(ahead_take(&a, OWN, 1, false), -1);
	close(fds[2]);
	close(fds[3]);
}

/* The first one is there while others are still made. */
static void test_slow(void)
{
	struct ahead a = begin();

	sem_init(&go, 0, 0);
	ahead_add(&a, -1, OWN, 1, false);
	ahead_add(&a, -1, OWN, SLOW, false);
	CHECK_INT(ahead_descriptors(&a), 0);
	ahead_begin(&a);
	CHECK_INT(ahead_descriptors(&a), 2);
	CHECK_INT(ahead_take(&a, OWN, 1, false), fds[0]);
	CHECK_INT(ahead_descriptors(&a), 1);
	sem_post(&go);
	CHECK_INT(ahead_take(&a, OWN, SLOW, false), fds[1]);
	ahead_end(&a);
	CHECK_INT(ahead_descriptors(&a), 0);
	CHECK(is_open(fds[0]) && is_open(fds[1]));
	close(fds[0]);
	close(fds[1]);
}

/* From another namespace there is no way back to the first one, and one that cannot be entered is left out. */
static void test_namespaces(void)
{
	struct ahead a = begin();

	ahead_add(&a, OTHER_FD, OTHER, 1, false);
	ahead_add(&a, -1, OWN, 1, false);
	ahead_begin(&a);
	ahead_end(&a);
	CHECK_STR(what_was_told(), "setns 300; out 1; ");
	CHECK_INT(nfds, 1);
	a = begin();
	setns_error = EPERM;
	ahead_add(&a, OTHER_FD, OTHER, 1, false);
	ahead_add(&a, -1, OWN, 1, false);
	ahead_begin(&a);
	CHECK_INT(ahead_take(&a, OTHER, 1, false), -1);
	CHECK_INT(ahead_take(&a, OWN, 1, false), fds[0]);
	ahead_end(&a);
	close(fds[0]);
}

static void test_refused(void)
{
	struct ahead a = begin();

	/* a kernel without tcx */
	link_error = -EINVAL;
	ahead_add(&a, -1, OWN, 1, false);
	ahead_add(&a, -1, OWN, 2, false);
	ahead_begin(&a);
	CHECK_INT(ahead_take(&a, OWN, 1, false), -1);
	CHECK_INT(ahead_take(&a, OWN, 2, false), -1);
	ahead_end(&a);
	CHECK_STR(what_was_told(), "out 1; ");
	a = begin();
	prog_error = -EPERM;
	ahead_add(&a, -1, OWN, 1, false);
	ahead_begin(&a);
	CHECK_INT(ahead_take(&a, OWN, 1, false), -1);
	ahead_end(&a);
	CHECK_STR(what_was_told(), "");
}

static void test_none_and_many(void)
{
	struct ahead a = begin();

	ahead_begin(&a);
	CHECK_INT(ahead_take(&a, OWN, 1, false), -1);
	ahead_end(&a);
	for (unsigned i = 0; i < AHEAD_MAX + 1; i++)
		ahead_add(&a, -1, OWN, i, false);
	ahead_begin(&a);
	ahead_end(&a);
	CHECK_INT(nfds, AHEAD_MAX);
}

int main(void)
{
	RUN(test_links);
	RUN(test_slow);
	RUN(test_namespaces);
	RUN(test_refused);
	RUN(test_none_and_many);
	return check_status();
}
