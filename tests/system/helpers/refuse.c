/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * refuse [WORD[=ERRNO]...] -- COMMAND: runs COMMAND, whose system calls of these kinds fail, as by the filter of a container or under
 * lockdown. ERRNO: EPERM (the default), EACCES, ENOSYS, EINVAL. Words:
 *
 *	bpf, prog_load, map_create, btf_load, link_create, raw_tracepoint_open, iter_create	bpf(2), all of it or one command
 *	sched_cls, socket_filter, cgroup_skb, cgroup_sock, cgroup_sock_addr, raw_tracepoint, tracing, iter	loading programs of a type
 *	memory		loading programs that read the kernel's memory, as under lockdown=confidentiality
 *	sock_diag, packet	sockets of NETLINK_SOCK_DIAG, of AF_PACKET
 *	pidfd		pidfd_open(2), pidfd_getfd(2)
 *	perf		perf_event_open(2)
 *
 * What a program is of is in memory that seccomp does not see: a process of its own looks (seccomp_unotify(2)), which ends with the
 * last that is filtered.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { ALL, COMMAND, TYPE, ITER, MEMORY, SOCK_DIAG, PACKET, PIDFD, PERF };

static const struct {
	const char *word;
	enum kind kind;
	uint32_t number; /* enum bpf_cmd or bpf_prog_type */
} words[] = {
	{ "bpf", ALL, 0 },
	{ "prog_load", COMMAND, BPF_PROG_LOAD },
	{ "map_create", COMMAND, BPF_MAP_CREATE },
	{ "btf_load", COMMAND, BPF_BTF_LOAD },
	{ "link_create", COMMAND, BPF_LINK_CREATE },
	{ "raw_tracepoint_open", COMMAND, BPF_RAW_TRACEPOINT_OPEN },
	{ "iter_create", COMMAND, BPF_ITER_CREATE },
	{ "sched_cls", TYPE, BPF_PROG_TYPE_SCHED_CLS },
	{ "socket_filter", TYPE, BPF_PROG_TYPE_SOCKET_FILTER },
	{ "cgroup_skb", TYPE, BPF_PROG_TYPE_CGROUP_SKB },
	{ "cgroup_sock", TYPE, BPF_PROG_TYPE_CGROUP_SOCK },
	{ "cgroup_sock_addr", TYPE, BPF_PROG_TYPE_CGROUP_SOCK_ADDR },
	{ "raw_tracepoint", TYPE, BPF_PROG_TYPE_RAW_TRACEPOINT },
	{ "tracing", TYPE, BPF_PROG_TYPE_TRACING },
	{ "iter", ITER, BPF_TRACE_ITER },
	{ "memory", MEMORY, 0 },
	{ "sock_diag", SOCK_DIAG, 0 },
	{ "packet", PACKET, 0 },
	{ "pidfd", PIDFD, 0 },
	{ "perf", PERF, 0 },
};
enum { WORDS = sizeof(words) / sizeof(words[0]) };

static int refused[WORDS]; /* errno; 0: it is not */
static bool notified;

static const struct {
	const char *name;
	int error;
} errors[] = { { "EPERM", EPERM }, { "EACCES", EACCES }, { "ENOSYS", ENOSYS }, { "EINVAL", EINVAL } };

static bool parse(const char *arg)
{
	const char *equals = strchr(arg, '=');
	const size_t n = equals ? (size_t)(equals - arg) : strlen(arg);
	int error = equals ? 0 : EPERM;

	for (size_t i = 0; equals && i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (strcmp(equals + 1, errors[i].name) == 0)
			error = errors[i].error;
	}
	for (size_t i = 0; error && i < WORDS; i++) {
		if (strlen(words[i].word) != n || strncmp(arg, words[i].word, n) != 0)
			continue;
		refused[i] = error;
		notified |= words[i].kind == TYPE || words[i].kind == ITER || words[i].kind == MEMORY;
		return true;
	}
	return false;
}

/* --- the filter ---------------------------------------------------------------------- */

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, skip)
#define FAIL(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)(error))

static struct sock_filter code[256];
static unsigned short n;

static void add(const struct sock_filter *insns, size_t count)
{
	memcpy(&code[n], insns, count * sizeof(*insns));
	n += (unsigned short)count;
}

#define ADD(...)                                                                                                       \
	do {                                                                                                           \
		const struct sock_filter insns[] = { __VA_ARGS__ };                                                    \
		add(insns, sizeof(insns) / sizeof(insns[0]));                                                          \
	} while (0)

static void add_word(enum kind kind, uint32_t number, int error)
{
	switch (kind) {
	case ALL: ADD(LOAD(nr), UNLESS(SYS_bpf, 1), FAIL(error)); break;
	case COMMAND: ADD(LOAD(nr), UNLESS(SYS_bpf, 3), LOAD(args[0]), UNLESS(number, 1), FAIL(error)); break;
	case SOCK_DIAG:
		ADD(LOAD(nr), UNLESS(SYS_socket, 5), LOAD(args[0]), UNLESS(AF_NETLINK, 3), LOAD(args[2]),
		    UNLESS(NETLINK_SOCK_DIAG, 1), FAIL(error));
		break;
	case PACKET: ADD(LOAD(nr), UNLESS(SYS_socket, 3), LOAD(args[0]), UNLESS(AF_PACKET, 1), FAIL(error)); break;
	case PIDFD:
		ADD(LOAD(nr), UNLESS(SYS_pidfd_open, 1), FAIL(error), UNLESS(SYS_pidfd_getfd, 1), FAIL(error));
		break;
	case PERF: ADD(LOAD(nr), UNLESS(SYS_perf_event_open, 1), FAIL(error)); break;
	default: break;
	}
}

static void make_filter(void)
{
	for (size_t i = 0; i < WORDS; i++) {
		if (refused[i])
			add_word(words[i].kind, words[i].number, refused[i]);
	}
	if (notified)
		ADD(LOAD(nr), UNLESS(SYS_bpf, 3), LOAD(args[0]), UNLESS(BPF_PROG_LOAD, 1),
		    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
	ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

/* --- who looks into programs ------------------------------------------------------------- */

static bool read_memory(pid_t pid, uint64_t from, void *to, size_t size)
{
	const struct iovec here = { to, size }, there = { (void *)(uintptr_t)from, size };

	return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)size;
}

static bool reads_kernel(pid_t pid, const union bpf_attr *attr)
{
	enum { MAX = 1 << 20 };
	const size_t size = attr->insn_cnt < MAX ? attr->insn_cnt * sizeof(struct bpf_insn) : 0;
	struct bpf_insn *insns = malloc(size ? size : 1);
	bool found = false;

	for (size_t i = 0; insns && read_memory(pid, attr->insns, insns, size) && i < attr->insn_cnt; i++) {
		const struct bpf_insn *p = &insns[i];

		found |= p->code == (BPF_JMP | BPF_CALL) && p->src_reg == 0 &&
			 (p->imm == BPF_FUNC_probe_read || p->imm == BPF_FUNC_probe_read_kernel ||
			  p->imm == BPF_FUNC_probe_read_kernel_str || p->imm == BPF_FUNC_probe_read_str);
	}
	free(insns);
	return found;
}

/* As the verifier of Linux 6.14 says it; before, "unknown func bpf_probe_read_kernel#113". */
static void put_log(pid_t pid, const union bpf_attr *attr)
{
	static char text[] = "program of this type cannot use helper bpf_probe_read_kernel#113\n";
	const struct iovec here = { text, sizeof(text) }, there = { (void *)(uintptr_t)attr->log_buf, sizeof(text) };

	if (attr->log_level && attr->log_size >= sizeof(text))
		process_vm_writev(pid, &here, 1, &there, 1, 0);
}

static int verdict(const struct seccomp_notif *q)
{
	union bpf_attr attr = { 0 };
	const size_t size = q->data.args[2] < sizeof(attr) ? q->data.args[2] : sizeof(attr);

	if (!read_memory((pid_t)q->pid, q->data.args[1], &attr, size))
		return 0;
	for (size_t i = 0; i < WORDS; i++) {
		if (!refused[i])
			continue;
		if (words[i].kind == TYPE && attr.prog_type == words[i].number)
			return refused[i];
		if (words[i].kind == ITER && attr.prog_type == BPF_PROG_TYPE_TRACING &&
		    attr.expected_attach_type == words[i].number)
			return refused[i];
		if (words[i].kind == MEMORY && reads_kernel((pid_t)q->pid, &attr)) {
			put_log((pid_t)q->pid, &attr);
			return EINVAL;
		}
	}
	return 0;
}

static void look(int listener)
{
	struct pollfd p = { listener, POLLIN, 0 };

	while (poll(&p, 1, -1) > 0 && !(p.revents & POLLHUP)) {
		struct seccomp_notif q = { 0 };
		struct seccomp_notif_resp a = { 0 };

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &q))
			continue;
		a.id = q.id;
		a.error = -verdict(&q);
		a.flags = a.error ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &a);
	}
}

/* Our parent tells the number of its descriptor, and keeps it until we have a copy. */
static void look_for(pid_t parent, int from)
{
	int number, process, listener;

	if (read(from, &number, sizeof(number)) != sizeof(number))
		_exit(1);
	process = (int)syscall(SYS_pidfd_open, parent, 0);
	listener = (int)syscall(SYS_pidfd_getfd, process, number, 0);
	if (listener < 0 || write(from, &number, sizeof(number)) < 0)
		_exit(1);
	for (int fd = 0; fd < 3; fd++)
		dup2(process, fd); /* not to hold what others wait for the end of */
	look(listener);
	_exit(0);
}

int main(int argc, char **argv)
{
	const pid_t self = getpid();
	struct sock_fprog program = { .filter = code };
	int i = 1, ends[2], listener;

	while (i < argc && strcmp(argv[i], "--") != 0) {
		if (!parse(argv[i++]))
			return 2;
	}
	if (++i >= argc || socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		return 2;
	make_filter();
	program.len = n;
	if (notified && fork() == 0) {
		close(ends[1]);
		look_for(self, ends[0]);
	}
	close(ends[0]);
	prctl(PR_SET_NO_NEW_PRIVS, geteuid() != 0, 0, 0, 0);
	listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, notified ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0,
				&program);
	if (listener < 0) {
		perror("seccomp");
		return 2;
	}
	if (notified &&
	    (write(ends[1], &listener, sizeof(listener)) < 0 || read(ends[1], &listener, sizeof(listener)) <= 0)) {
		fprintf(stderr, "nobody looks into programs\n");
		return 2;
	}
	if (notified) {
		close(listener);
		close(ends[1]);
	}
	execvp(argv[i], argv + i);
	perror(argv[i]);
	return 2;
}
