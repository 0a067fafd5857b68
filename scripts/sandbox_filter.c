/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sandbox_filter MACHINE: writes the seccomp filters of src/sandbox.c as C, by libseccomp, when the program is built: made
 * whenever it starts they would take longer than all the rest of a start. It runs on the machine that builds and writes for
 * the one that is named, as compilers name it.
 */
#include <byteswap.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Stands for the process's own number; none is that large. */
#define SELF 0x7ffffff1u

/* How machines differ, beyond the numbers of calls, which libseccomp translates. */
struct machine {
	const char *name;
	uint32_t arch;
	unsigned tcgets, tcsets, tiocgwinsz, fionread;
	unsigned clone_flags; /* which argument of clone() */
	bool mmap_in_memory;  /* mmap() has one argument, which points to the others: no filter sees them */
	bool big_endian;
};

#define USUAL_IOCTLS .tcgets = 0x5401, .tcsets = 0x5402, .tiocgwinsz = 0x5413, .fionread = 0x541b

static const struct machine machines[] = {
	{ "x86_64", SCMP_ARCH_X86_64, USUAL_IOCTLS },
	{ "aarch64", SCMP_ARCH_AARCH64, USUAL_IOCTLS },
	{ "riscv64", SCMP_ARCH_RISCV64, USUAL_IOCTLS },
	{ "powerpc64le", SCMP_ARCH_PPC64LE, .tcgets = 0x402c7413, .tcsets = 0x802c7414, .tiocgwinsz = 0x40087468,
	  .fionread = 0x4004667f },
	{ "s390x", SCMP_ARCH_S390X, USUAL_IOCTLS, .clone_flags = 1, .mmap_in_memory = true, .big_endian = true },
};

/* Who a rule is for. */
enum {
	ALL = 1,
	NAMES = 2,    /* who asks for names of hosts */
	LEAKS = 4,    /* the search for leaks of AddressSanitizer */
	STRICT = 8,   /* without that */
	DISSECT = 16, /* and without NAMES */
};

/* Whatever their arguments are: no descriptor comes in but by a socket that is open. */
static const int allowed[] = {
	SCMP_SYS(brk),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(close),
	SCMP_SYS(dup3),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(fadvise64),
	SCMP_SYS(fallocate),
	SCMP_SYS(fdatasync),
	SCMP_SYS(fstat),
	SCMP_SYS(fstatfs),
	SCMP_SYS(fsync),
	SCMP_SYS(ftruncate),
	SCMP_SYS(futex),
	SCMP_SYS(getegid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getpid),
	SCMP_SYS(getppid),
	SCMP_SYS(getrandom),
	SCMP_SYS(gettid),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(getuid),
	SCMP_SYS(lseek),
	SCMP_SYS(madvise),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	SCMP_SYS(nanosleep),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(pread64),
	SCMP_SYS(pselect6),
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigpending),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_yield),
	SCMP_SYS(select),
	SCMP_SYS(shutdown),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(sigreturn), /* of s390, where a handler takes a number only */
	SCMP_SYS(sysinfo),
	SCMP_SYS(time),
	SCMP_SYS(uname),
	SCMP_SYS(wait4),
	SCMP_SYS(write),
	SCMP_SYS(writev),
};

static const int allowed_names[] = {
	SCMP_SYS(access),	   SCMP_SYS(bind),	  SCMP_SYS(connect),
	SCMP_SYS(faccessat),	   SCMP_SYS(faccessat2),  SCMP_SYS(getdents64),
	SCMP_SYS(getpeername),	   SCMP_SYS(getsockname), SCMP_SYS(getsockopt),
	SCMP_SYS(lstat),	   SCMP_SYS(newfstatat),  SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),	   SCMP_SYS(recvmmsg),	  SCMP_SYS(rseq),
	SCMP_SYS(sendmmsg),	   SCMP_SYS(sendmsg),	  SCMP_SYS(sendto),
	SCMP_SYS(set_robust_list), SCMP_SYS(setsockopt),  SCMP_SYS(stat),
	SCMP_SYS(statx),
};

static const int allowed_leaks[] = {
	SCMP_SYS(access),    SCMP_SYS(getdents), SCMP_SYS(getdents64), SCMP_SYS(newfstatat), SCMP_SYS(prctl),
	SCMP_SYS(prlimit64), SCMP_SYS(ptrace),	 SCMP_SYS(readlink),   SCMP_SYS(readlinkat), SCMP_SYS(set_robust_list),
	SCMP_SYS(stat),	     SCMP_SYS(statx),	 SCMP_SYS(tgkill),     SCMP_SYS(wait4),
};

/* Libraries may try these, and do without. */
static const int denied[] = {
	SCMP_SYS(access),     SCMP_SYS(connect), SCMP_SYS(creat),  SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(lstat),      SCMP_SYS(open),	 SCMP_SYS(openat), SCMP_SYS(openat2),	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat), SCMP_SYS(socket),	 SCMP_SYS(stat),
};

/* Nothing that we run has a reason to try these: somebody else is at work. */
static const int deadly[] = {
	SCMP_SYS(bpf),
	SCMP_SYS(capset),
	SCMP_SYS(chroot),
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(finit_module),
	SCMP_SYS(init_module),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(kexec_load),
	SCMP_SYS(keyctl),
	SCMP_SYS(mount),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(pivot_root),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(setgid),
	SCMP_SYS(setgroups),
	SCMP_SYS(setns),
	SCMP_SYS(setregid),
	SCMP_SYS(setresgid),
	SCMP_SYS(setresuid),
	SCMP_SYS(setreuid),
	SCMP_SYS(setuid),
	SCMP_SYS(umount2),
	SCMP_SYS(unshare),
};

static const int deadly_unless_leaks[] = { SCMP_SYS(ptrace) };

#define LIST(list, role, action)                                                                                       \
	{                                                                                                              \
		list, sizeof(list) / sizeof(list[0]), role, action                                                     \
	}

static const struct {
	const int *calls;
	size_t n;
	unsigned role;
	uint32_t action;
} lists[] = {
	LIST(allowed, ALL, SCMP_ACT_ALLOW),	    LIST(allowed_names, NAMES, SCMP_ACT_ALLOW),
	LIST(allowed_leaks, LEAKS, SCMP_ACT_ALLOW), LIST(denied, DISSECT, SCMP_ACT_ERRNO(EACCES)),
	LIST(deadly, ALL, SCMP_ACT_KILL_PROCESS),   LIST(deadly_unless_leaks, STRICT, SCMP_ACT_KILL_PROCESS),
};

enum {
	OPEN_WRITES = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY),
	CLONE_NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
			   CLONE_NEWNET,
};

/* Of the lower half: the kernel does not look at the rest of what is an int. */
#define BITS(n, mask, value)                                                                                           \
	{                                                                                                              \
		.arg = n, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value                                  \
	}
#define INT(n, value) BITS(n, UINT32_MAX, value)
#define NONE(n)                                                                                                        \
	{                                                                                                              \
		.arg = n, .op = SCMP_CMP_EQ, .datum_a = 0                                                              \
	}

/* The type without SOCK_CLOEXEC and SOCK_NONBLOCK. */
#define INTERNET(family, type, protocol)                                                                               \
	{                                                                                                              \
		SCMP_SYS(socket), NAMES, 3,                                                                            \
		{                                                                                                      \
			INT(0, family), BITS(1, 0xf, type), INT(2, protocol)                                           \
		}                                                                                                      \
	}

/* Only with these arguments. */
static const struct {
	int call;
	unsigned role, n;
	struct scmp_arg_cmp args[3];
} checked[] = {
	/* No memory becomes code. */
	{ SCMP_SYS(mmap), ALL, 1, { BITS(2, PROT_EXEC, 0) } },
	{ SCMP_SYS(mprotect), ALL, 1, { BITS(2, PROT_EXEC, 0) } },
	/* But what is read from a module. */
	{ SCMP_SYS(mmap), NAMES | LEAKS, 1, { BITS(2, PROT_EXEC | PROT_WRITE, PROT_EXEC) } },
	/* isatty() and the like; not TIOCSTI, which types for somebody. */
	{ SCMP_SYS(ioctl), ALL, 1, { INT(1, TCGETS) } },
	{ SCMP_SYS(ioctl), ALL, 1, { INT(1, TIOCGWINSZ) } },
	/* --top: the terminal's modes are put back in the end. */
	{ SCMP_SYS(ioctl), DISSECT | LEAKS, 1, { INT(1, TCSETS) } },
	{ SCMP_SYS(ioctl), NAMES, 1, { INT(1, FIONREAD) } },
	/* LINUX_SLL2 has numbers of interfaces. */
	{ SCMP_SYS(ioctl), DISSECT, 1, { INT(1, SIOCGIFNAME) } },
	/* Not F_SETOWN, which sends signals. */
	{ SCMP_SYS(fcntl), ALL, 1, { INT(1, F_GETFD) } },
	{ SCMP_SYS(fcntl), ALL, 1, { INT(1, F_SETFD) } },
	{ SCMP_SYS(fcntl), ALL, 1, { INT(1, F_GETFL) } },
	{ SCMP_SYS(prlimit64), ALL, 2, { INT(0, 0), NONE(2) } },
	/* fstat() of some versions of glibc */
	{ SCMP_SYS(newfstatat), DISSECT, 1, { BITS(3, AT_EMPTY_PATH, AT_EMPTY_PATH) } },
	/* send(): a datagram would go elsewhere. Of unix sockets MSG_OOB was CVE-2025-38236. */
	{ SCMP_SYS(sendto), DISSECT | LEAKS, 2, { BITS(3, MSG_OOB, 0), NONE(4) } },
	{ SCMP_SYS(open), NAMES | LEAKS, 1, { BITS(1, OPEN_WRITES, 0) } },
	{ SCMP_SYS(openat), NAMES | LEAKS, 1, { BITS(2, OPEN_WRITES, 0) } },
	/* Others have the kernel load modules: of SCTP, DCCP, L2TP. */
	INTERNET(AF_INET, SOCK_DGRAM, 0),
	INTERNET(AF_INET, SOCK_DGRAM, IPPROTO_UDP),
	INTERNET(AF_INET, SOCK_STREAM, 0),
	INTERNET(AF_INET, SOCK_STREAM, IPPROTO_TCP),
	INTERNET(AF_INET6, SOCK_DGRAM, 0),
	INTERNET(AF_INET6, SOCK_DGRAM, IPPROTO_UDP),
	INTERNET(AF_INET6, SOCK_STREAM, 0),
	INTERNET(AF_INET6, SOCK_STREAM, IPPROTO_TCP),
	{ SCMP_SYS(socket), NAMES, 2, { INT(0, AF_NETLINK), INT(2, 0) } },
	{ SCMP_SYS(clone), NAMES, 1, { BITS(0, CLONE_THREAD | CLONE_NAMESPACES, CLONE_THREAD) } },
	{ SCMP_SYS(clone), LEAKS, 1, { BITS(0, CLONE_NAMESPACES, 0) } },
};

static int add(scmp_filter_ctx ctx, uint32_t action, int call, unsigned n, const struct scmp_arg_cmp *args)
{
	const int err = seccomp_rule_add_array(ctx, action, call, n, args);

	/* It is there already, or this processor has no such call. */
	return err == -EEXIST || err == -EDOM ? 0 : err;
}

/* A rule of checked[], in which numbers are those of the machine that builds. */
static int add_checked(scmp_filter_ctx ctx, const struct machine *machine, size_t i)
{
	struct scmp_arg_cmp args[3];
	unsigned n = checked[i].n;

	memcpy(args, checked[i].args, sizeof(args));
	if (checked[i].call == SCMP_SYS(ioctl))
		switch (args[0].datum_b) {
		case TCGETS: args[0].datum_b = machine->tcgets; break;
		case TCSETS: args[0].datum_b = machine->tcsets; break;
		case TIOCGWINSZ: args[0].datum_b = machine->tiocgwinsz; break;
		case FIONREAD: args[0].datum_b = machine->fionread; break;
		}
	else if (checked[i].call == SCMP_SYS(clone))
		args[0].arg = machine->clone_flags;
	else if (checked[i].call == SCMP_SYS(mmap) && machine->mmap_in_memory)
		n = 0;
	return add(ctx, SCMP_ACT_ALLOW, checked[i].call, n, args);
}

/* abort() and raise() */
static int allow_own_signals(scmp_filter_ctx ctx)
{
	const struct scmp_arg_cmp self = INT(0, SELF);
	const int err = add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, &self);

	return err ? err : add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &self);
}

static int add_rules(scmp_filter_ctx ctx, const struct machine *machine, unsigned role)
{
	int err = role & STRICT ? allow_own_signals(ctx) : 0;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (size_t j = 0; !err && (lists[i].role & role) && j < lists[i].n; j++)
			err = add(ctx, lists[i].action, lists[i].calls[j], 0, NULL);
	for (size_t i = 0; !err && i < sizeof(checked) / sizeof(checked[0]); i++)
		if (checked[i].role & role)
			err = add_checked(ctx, machine, i);
	return err;
}

/* For this one only, whatever the machine that builds is: it cannot be with one of the other byte order. */
static int set_machine(scmp_filter_ctx ctx, uint32_t arch)
{
	const uint32_t native = seccomp_arch_native();
	int err;

	if (arch == native)
		return 0;
	err = seccomp_arch_remove(ctx, native);
	return err ? err : seccomp_arch_add(ctx, arch);
}

/* The program is in the byte order of the machine that it is for. */
static void swap_bytes(struct sock_filter *code, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		code[i].code = bswap_16(code[i].code);
		code[i].k = bswap_32(code[i].k);
	}
}

/* The program as libseccomp gives it: to a descriptor only. */
static int export(const struct machine *machine, unsigned role, struct sock_filter *code, size_t size, size_t *n)
{
	/* glibc knows what to do where a call does not exist. */
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	FILE *f = tmpfile();
	int err = ctx && f ? set_machine(ctx, machine->arch) : -ENOMEM;

	/* A tree: the kernel goes through all of it for each call there is, to know those that are always allowed. */
	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!err)
		err = add_rules(ctx, machine, role);
	if (!err)
		err = seccomp_export_bpf(ctx, fileno(f));
	if (!err) {
		rewind(f);
		*n = fread(code, sizeof(*code), size, f);
		if (machine->big_endian != (BYTE_ORDER == BIG_ENDIAN))
			swap_bytes(code, *n);
	}
	return err;
}

/* The filters as C, in the order of the numbers by which sandbox.c finds them. */
static int write_filters(const struct machine *machine)
{
	static const unsigned roles[] = { ALL | STRICT | DISSECT, ALL | STRICT | NAMES, ALL | LEAKS,
					  ALL | LEAKS | NAMES };
	static struct sock_filter code[BPF_MAXINSNS];
	size_t max = 0;

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		size_t n = 0;
		const int err = export(machine, roles[i], code, BPF_MAXINSNS, &n);

		if (err) {
			fprintf(stderr, "sandbox_filter: filter %zu: %s\n", i, strerror(-err));
			return err;
		}
		printf("static const struct sock_filter sandbox_filter_%zu[] = {\n", i);
		for (size_t j = 0; j < n; j++)
			printf("\t{ 0x%02x, %u, %u, 0x%08x },\n", code[j].code, code[j].jt, code[j].jf, code[j].k);
		printf("};\n");
		max = n > max ? n : max;
	}
	printf("enum { SANDBOX_INSNS_MAX = %zu };\n", max);
	printf("#define SANDBOX_ROW(n) { n, sizeof(n) / sizeof(n[0]) }\n"
	       "static const struct { const struct sock_filter *code; unsigned short n; } sandbox_filters[SANDBOX_FILTERS] = {\n");
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		printf("\tSANDBOX_ROW(sandbox_filter_%zu),\n", i);
	printf("};\n");
	return 0;
}

int main(int argc, char **argv)
{
	const struct machine *machine = NULL;

	for (size_t i = 0; argc == 2 && i < sizeof(machines) / sizeof(machines[0]); i++)
		if (!strcmp(argv[1], machines[i].name))
			machine = &machines[i];
	if (!machine) {
		fprintf(stderr, "sandbox_filter: no such machine in its table\n");
		return 1;
	}
	printf("/* Written by scripts/sandbox_filter.c. */\n"
	       "enum { SANDBOX_NAMES = 1, SANDBOX_LEAKS = 2, SANDBOX_FILTERS = 4 };\n"
	       "enum { SANDBOX_SELF = %u };\n",
	       SELF);
	return write_filters(machine) ? 1 : 0;
}
