/* SPDX-License-Identifier: BSD-3-Clause */
/* Attaching to tc: tcx or clsact, whose qdisc it is, what a killed process left, and what is taken away again. */
#include "capture/attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture_rig.h"
#include "capture/clsact.h"
#include "tc_rig.h"
#include "util/pidns.h"

enum { PIDNS = 99, HANDLE = 0x70740000, HANDLE_OWN = 0x70740001 };

/* --- the kernel -------------------------------------------------------------------- */

static struct world {
	int tcx;	    /* errno of a tcx link; 0: there is one */
	int tcx_fd;	    /* the last one made */
	int exchange_error; /* of giving one another program */
	bool qdisc;	    /* there is a clsact qdisc */
	int qdisc_error;    /* of making it, and its filter */
	bool own_is_listed; /* the filter that goes with the qdisc is among the filters below */
	int filter_error;   /* of adding one */
	unsigned busy;	    /* priorities up to this one are refused */
	int refusal;	    /* with this error */
	unsigned detached;  /* filters taken away, at most: */
	unsigned detach_max;
	uint32_t nmaps; /* that programs have; of which ptcp_control is */
	uint32_t control_at;
	uint32_t control_size; /* its value_size as it says */
	const char *map_name;
	struct capture_control of_prog[8]; /* by program id */
	uint64_t lives;			   /* start time of the process with pid 7; 0: dead */
} world;

static void start(void)
{
	world = (struct world){ .nmaps = 3,
				.control_at = 2,
				.control_size = sizeof(struct capture_control),
				.map_name = "ptcp_control",
				.detach_max = 100 };
	memset(&listed, 0, sizeof(listed));
	what_was_told();
}

/* union bpf_attr of newer kernels, for tcx links */
struct link_request {
	uint32_t prog_fd, ifindex, type, flags, relative_fd, pad;
	uint64_t expected_revision;
};

FAKE(long, syscall, long number, ...)
{
	const struct link_request *q;
	va_list args;
	int command;

	va_start(args, number);
	command = va_arg(args, int);
	q = va_arg(args, void *);
	va_end(args);
	if (number != SYS_bpf || command != BPF_LINK_CREATE || q->relative_fd || q->expected_revision)
		abort();
	told("tcx %u type %u flags %u prog %u; ", q->ifindex, q->type, q->flags, q->prog_fd);
	if (world.tcx) {
		errno = world.tcx;
		return -1;
	}
	world.tcx_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return world.tcx_fd;
}

FAKE(int, bpf_link_update, int link_fd, int prog_fd, const struct bpf_link_update_opts *opts)
{
	told("exchange %d%s; ", prog_fd, opts ? " bad" : "");
	return world.exchange_error;
}

static const char *point_name(enum bpf_tc_attach_point point)
{
	return point == BPF_TC_INGRESS ? "in" : point == BPF_TC_EGRESS ? "out" : "both";
}

static const char *side_name(bool ingress)
{
	return ingress ? "in" : "out";
}

FAKE(int, clsact_create, const struct clsact_filter *f, int prog_fd)
{
	told("qdisc with %s %u prio %u handle %x prog %d; ", side_name(f->ingress), f->ifindex, f->priority, f->handle,
	     prog_fd);
	if (world.qdisc_error)
		return world.qdisc_error;
	if (world.qdisc)
		return -EEXIST;
	world.qdisc = true;
	return 0;
}

FAKE(bool, clsact_remove, const struct clsact_filter *f)
{
	const unsigned ours = world.own_is_listed;

	told("no qdisc with %s %u prio %u handle %x; ", side_name(f->ingress), f->ifindex, f->priority, f->handle);
	if (listed.n[f->ingress] != ours || listed.n[!f->ingress] || world.detached == world.detach_max)
		return false;
	listed.n[f->ingress] = 0;
	return true;
}

FAKE(int, bpf_tc_attach, const struct bpf_tc_hook *hook, struct bpf_tc_opts *opts)
{
	told("%s %d prio %u handle %x prog %d; ", point_name(hook->attach_point), hook->ifindex, opts->priority,
	     opts->handle, opts->prog_fd);
	if (opts->priority <= world.busy)
		return world.refusal;
	return world.filter_error;
}

FAKE(int, bpf_tc_detach, const struct bpf_tc_hook *hook, const struct bpf_tc_opts *opts)
{
	const int in = hook->attach_point == BPF_TC_INGRESS;

	told("no %s %d prio %u handle %x%s; ", point_name(hook->attach_point), hook->ifindex, opts->priority,
	     opts->handle, opts->prog_fd || opts->prog_id ? " bad" : "");
	if (world.detached == world.detach_max)
		return -EPERM;
	world.detached++;
	for (unsigned i = 0; i < listed.n[in]; i++) {
		if (listed.v[in][i].priority != opts->priority)
			continue;
		listed.v[in][i] = listed.v[in][--listed.n[in]];
		break;
	}
	return 0;
}

/* Programs 1 to 7 have the descriptors 110 to 170, and up to two maps: 600, and 410 to 470, the control. */
FAKE(int, bpf_prog_get_fd_by_id, uint32_t id)
{
	return id < 8 ? fcntl(0, F_DUPFD_CLOEXEC, 100 + (int)id * 10) : -ENOENT;
}

FAKE(int, bpf_map_get_fd_by_id, uint32_t id)
{
	return id >= 400 ? fcntl(0, F_DUPFD_CLOEXEC, (int)id) : -ENOENT;
}

FAKE(int, bpf_obj_get_info_by_fd, int fd, void *info, uint32_t *len)
{
	if (fd < 400) {
		struct bpf_prog_info *p = info;
		uint32_t *ids = (void *)(uintptr_t)p->map_ids;

		if (*len != sizeof(*p))
			return -EINVAL;
		for (uint32_t i = 0; i < p->nr_map_ids; i++)
			ids[i] = i == world.control_at ? 300 + (uint32_t)fd : i == 0 ? 5 /* gone */ : 600;
		p->nr_map_ids = world.nmaps;
		return 0;
	}
	if (*len != sizeof(struct bpf_map_info))
		return -EINVAL;
	((struct bpf_map_info *)info)->value_size = world.control_size;
	snprintf(((struct bpf_map_info *)info)->name, BPF_OBJ_NAME_LEN, "%s", fd < 600 ? world.map_name : "other");
	return 0;
}

FAKE(int, bpf_map_lookup_elem, int fd, const void *key, void *value)
{
	if (fd < 410 || fd >= 600 || *(const uint32_t *)key != 0)
		abort();
	memcpy(value, &world.of_prog[(fd - 400) / 10], sizeof(struct capture_control));
	return 0;
}

FAKE(struct pidns, pidns_of_proc, void)
{
	return (struct pidns){ .inode = PIDNS, .ours = true };
}

FAKE(uint64_t, procfs_start, uint32_t pid)
{
	return pid == 7 ? world.lives : 0;
}

/* --- attaching ------------------------------------------------------------------------ */

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void test_tcx(void)
{
	for (int in = 0; in < 2; in++) {
		enum attach_mode mode = ATTACH_AUTO;
		struct attachment a;

		start();
		memset(&a, 0xff, sizeof(a));
		CHECK_INT(attach_program(&a, &mode, IFINDEX, in, PROG_FD), 0);
		CHECK_STR(what_was_told(), in ? "tcx 4 type 46 flags 8 prog 50; " : "tcx 4 type 47 flags 8 prog 50; ");
		CHECK_INT(mode, ATTACH_TCX);
		CHECK(a.active && a.ingress == in && a.ifindex == IFINDEX && !a.own_qdisc);
		CHECK_INT(a.link_fd, world.tcx_fd);
		attach_undo(&a, in);
		CHECK(!a.active && !is_open(world.tcx_fd));
		/* not twice: the number may be another's by then */
		world.tcx_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		attach_undo(&a, false);
		CHECK(is_open(world.tcx_fd));
		close(world.tcx_fd);
		CHECK_STR(what_was_told(), "");
	}
}

static void test_link_made_ahead(void)
{
	for (int in = 0; in < 2; in++) {
		enum attach_mode mode = ATTACH_AUTO;
		struct attachment a;
		int fd;

		start();
		fd = attach_link(IFINDEX, in, PROG_FD);
		what_was_told();
		CHECK_INT(attach_to_link(&a, &mode, IFINDEX, in, fd, PROG_FD + 1), 0);
		CHECK_STR(what_was_told(), "exchange 51; ");
		CHECK_INT(mode, ATTACH_TCX);
		CHECK(a.active && a.ingress == in && a.ifindex == IFINDEX && a.link_fd == fd && is_open(fd));
		attach_undo(&a, false);
		CHECK(!is_open(fd));

		/* the device has gone meanwhile */
		mode = ATTACH_AUTO;
		world.exchange_error = -ENOLINK;
		fd = attach_link(IFINDEX, in, PROG_FD);
		CHECK_INT(attach_to_link(&a, &mode, IFINDEX, in, fd, PROG_FD + 1), -ENOLINK);
		CHECK_INT(mode, ATTACH_AUTO);
		CHECK(!a.active && !is_open(fd));
	}
}

/* An older kernel does not know the type; from then on it is not asked. */
static void test_fallback(void)
{
	static const int unknown[] = { EINVAL, EOPNOTSUPP };

	for (int i = 0; i < 2; i++) {
		enum attach_mode mode = ATTACH_AUTO;
		struct attachment a;

		start();
		world.tcx = unknown[i];
		CHECK_INT(attach_program(&a, &mode, IFINDEX, false, PROG_FD), 0);
		CHECK_STR(what_was_told(), "tcx 4 type 47 flags 8 prog 50; "
					   "qdisc with out 4 prio 1 handle 70740001 prog 50; ");
		CHECK_INT(mode, ATTACH_CLSACT);
		CHECK(a.active && a.own_qdisc && a.link_fd == -1);
		CHECK_INT(attach_program(&a, &mode, IFINDEX, true, PROG_FD), 0);
		CHECK_STR(what_was_told(), "qdisc with in 4 prio 1 handle 70740001 prog 50; "
					   "in 4 prio 1 handle 70740000 prog 50; ");
		CHECK(a.active && a.ingress && !a.own_qdisc);
	}
}

/* What has worked once is known to the kernel: another device may refuse, but that is no reason to change the way. */
static void test_no_fallback(void)
{
	enum attach_mode mode = ATTACH_TCX;
	struct attachment a;

	start();
	world.tcx = EINVAL;
	CHECK_INT(attach_program(&a, &mode, IFINDEX, false, PROG_FD), -EINVAL);
	CHECK_INT(mode, ATTACH_TCX);
	CHECK(!a.active);
	/* nor is any other error */
	mode = ATTACH_AUTO;
	world.tcx = ENODEV;
	CHECK_INT(attach_program(&a, &mode, IFINDEX, false, PROG_FD), -ENODEV);
	CHECK_INT(mode, ATTACH_AUTO);
	CHECK(!a.active);
	attach_undo(&a, false);
	CHECK_STR(what_was_told(), "tcx 4 type 47 flags 8 prog 50; tcx 4 type 47 flags 8 prog 50; ");
}

static int attach_clsact(struct attachment *a, bool ingress)
{
	enum attach_mode mode = ATTACH_CLSACT;

	return attach_program(a, &mode, IFINDEX, ingress, PROG_FD);
}

/* A number that belongs to a filter of another kind is refused; the next one is tried, some times. */
static void test_priorities(void)
{
	static const int refusals[] = { -EINVAL, -EEXIST };
	struct attachment a;

	for (int i = 0; i < 2; i++) {
		start();
		world.qdisc = true;
		world.busy = 2;
		world.refusal = refusals[i];
		CHECK_INT(attach_clsact(&a, true), 0);
		CHECK_STR(what_was_told(),
			  "qdisc with in 4 prio 1 handle 70740001 prog 50; in 4 prio 1 handle 70740000 prog 50; "
			  "in 4 prio 2 handle 70740000 prog 50; in 4 prio 3 handle 70740000 prog 50; ");
		CHECK_INT(a.priority, 3);
		CHECK_INT(a.handle, HANDLE);
	}
	start();
	world.qdisc = true;
	world.busy = 15;
	world.refusal = -EEXIST;
	CHECK_INT(attach_clsact(&a, true), 0);
	CHECK_INT(a.priority, 16);
	start();
	world.qdisc = true;
	world.busy = 16;
	world.refusal = -EEXIST;
	CHECK_INT(attach_clsact(&a, true), -EEXIST);
	CHECK(!a.active);
}

static void test_clsact_errors(void)
{
	struct attachment a;

	start();
	world.qdisc_error = -ENODEV;
	CHECK_INT(attach_clsact(&a, false), -ENODEV);
	CHECK_STR(what_was_told(), "qdisc with out 4 prio 1 handle 70740001 prog 50; ");
	CHECK(!a.active && !a.own_qdisc);
	start();
	world.qdisc = true;
	world.filter_error = -ENOMEM;
	CHECK_INT(attach_clsact(&a, false), -ENOMEM);
	CHECK_STR(what_was_told(), "qdisc with out 4 prio 1 handle 70740001 prog 50; "
				   "out 4 prio 1 handle 70740000 prog 50; ");
	CHECK(!a.active && !a.own_qdisc);
}

/* --- undoing ------------------------------------------------------------------------------ */

static void test_undo_of_a_filter(void)
{
	struct attachment a;

	start();
	world.qdisc = true;
	world.busy = 1;
	world.refusal = -EEXIST;
	attach_clsact(&a, true);
	what_was_told();
	attach_undo(&a, false);
	CHECK_STR(what_was_told(), "no in 4 prio 2 handle 70740000; ");
	CHECK(!a.active);
	attach_undo(&a, false);
	/* with the device its filters went */
	attach_clsact(&a, true);
	what_was_told();
	attach_undo(&a, true);
	CHECK(!a.active);
	CHECK_STR(what_was_told(), "");
}

/* It goes with the qdisc that we made; without it where somebody else has a filter there by now, on whichever side. */
static void test_undo_of_the_qdisc(void)
{
	struct attachment a;

	start();
	attach_clsact(&a, false);
	what_was_told();
	attach_undo(&a, false);
	CHECK_STR(what_was_told(), "no qdisc with out 4 prio 1 handle 70740001; ");
	for (int in = 0; in < 2; in++) {
		start();
		attach_clsact(&a, false);
		put_filter(in, 1, 49152, 0);
		what_was_told();
		attach_undo(&a, false);
		CHECK_STR(what_was_told(),
			  "no qdisc with out 4 prio 1 handle 70740001; no out 4 prio 1 handle 70740001; ");
	}
}

static void test_undo_of_nothing(void)
{
	struct attachment a = { 0 };

	start();
	attach_undo(&a, false);
	attach_undo(&a, true);
	CHECK_STR(what_was_told(), "");
	CHECK(is_open(0));
}

/* --- what a killed process left -------------------------------------------------------------- */

/* A program's process was pid 7, started at 1000, of our namespace of pids. */
static void put_left(bool ingress, uint32_t handle, uint32_t priority, uint32_t prog_id)
{
	put_filter(ingress, handle, priority, prog_id);
	world.of_prog[prog_id] = (struct capture_control){ .owner_pid = 7, .owner_pidns = PIDNS, .owner_start = 1000 };
}

static void test_clean(void)
{
	start();
	put_left(false, HANDLE, 1, 1), put_left(false, HANDLE, 2, 2);
	put_left(true, HANDLE, 3, 3);
	attach_clean(IFINDEX);
	CHECK_STR(what_was_told(), "no out 4 prio 1 handle 70740000; no out 4 prio 2 handle 70740000; "
				   "no in 4 prio 3 handle 70740000; ");
	/* the pid is another's by now */
	start();
	world.control_at = 0;
	world.lives = 1001;
	put_left(true, HANDLE, 3, 3);
	attach_clean(IFINDEX);
	CHECK_STR(what_was_told(), "no in 4 prio 3 handle 70740000; ");
}

/* The filter that the qdisc came with is the last, and both go at once. */
static void test_clean_with_qdisc(void)
{
	for (int in = 0; in < 2; in++) {
		start();
		world.own_is_listed = true;
		put_left(in, HANDLE_OWN, 1, 1);
		put_left(!in, HANDLE, 2, 2);
		CHECK_INT(attach_clean(IFINDEX), 2);
		CHECK_STR(what_was_told(),
			  in ? "no out 4 prio 2 handle 70740000; no qdisc with in 4 prio 1 handle 70740001; "
			     : "no in 4 prio 2 handle 70740000; no qdisc with out 4 prio 1 handle 70740001; ");
	}
	/* others use it */
	start();
	world.own_is_listed = true;
	put_left(false, HANDLE_OWN, 1, 1);
	put_filter(true, 1, 49152, 0);
	CHECK_INT(attach_clean(IFINDEX), 1);
	CHECK_STR(what_was_told(), "no qdisc with out 4 prio 1 handle 70740001; no out 4 prio 1 handle 70740001; ");
}

/* One that cannot be taken away is not tried for ever. */
static void test_clean_fails(void)
{
	start();
	world.detach_max = 0;
	put_left(false, HANDLE, 1, 1);
	CHECK_INT(attach_clean(IFINDEX), 0);
	CHECK_STR(what_was_told(), "no out 4 prio 1 handle 70740000; ");
}

static const char *cleaned(void)
{
	attach_clean(IFINDEX);
	return what_was_told();
}

/* Only what is ours for sure, of a process that is dead for sure. */
static void test_clean_nothing(void)
{
	start();
	world.lives = 1000;
	put_left(false, HANDLE_OWN, 1, 1);
	CHECK_STR(cleaned(), "");
	start();
	put_left(false, HANDLE, 1, 1);
	world.of_prog[1].owner_pidns++;
	CHECK_STR(cleaned(), "");
	start();
	put_left(false, HANDLE + 2, 1, 1), put_left(false, 1, 1, 2), put_left(true, 0x70750000, 1, 3);
	CHECK_STR(cleaned(), "");
	start();
	put_filter(false, HANDLE, 1, 0); /* not eBPF */
	put_filter(true, HANDLE, 1, 9);	 /* gone by now */
	CHECK_STR(cleaned(), "");
	start();
	put_left(false, HANDLE, 1, 1);
	world.nmaps = 2;
	CHECK_STR(cleaned(), "");
	world.nmaps = 200; /* the kernel tells how many there are, not how many it told */
	world.control_at = 200;
	CHECK_STR(cleaned(), "");
	world.control_at = 63;
	world.control_size++;
	CHECK_STR(cleaned(), "");
	world.control_size--;
	world.map_name = "ptcp_contro";
	CHECK_STR(cleaned(), "");
	world.map_name = "ptcp_control";
	CHECK_STR(cleaned(), "no out 4 prio 1 handle 70740000; ");
}

/* No descriptor of a program or a map stays open. */
static void test_clean_closes(void)
{
	start();
	put_left(false, HANDLE, 1, 1);
	attach_clean(IFINDEX);
	CHECK(!is_open(110) && !is_open(410) && !is_open(600));
}

int main(void)
{
	RUN(test_tcx);
	RUN(test_link_made_ahead);
	RUN(test_fallback);
	RUN(test_no_fallback);
	RUN(test_priorities);
	RUN(test_clsact_errors);
	RUN(test_undo_of_a_filter);
	RUN(test_undo_of_the_qdisc);
	RUN(test_undo_of_nothing);
	RUN(test_clean);
	RUN(test_clean_with_qdisc);
	RUN(test_clean_fails);
	RUN(test_clean_nothing);
	RUN(test_clean_closes);
	return check_status();
}
