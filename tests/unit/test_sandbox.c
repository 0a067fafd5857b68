/* SPDX-License-Identifier: BSD-3-Clause */
/* Children enter the sandbox and try what it must refuse, and what it must let pass. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "sandbox.h"
#include "util/caps.h"

static const struct sandbox_config dissect = { .strict = true, .quiet = true };
static const struct sandbox_config names = { .strict = true, .quiet = true, .names = true };

static int result(long ret)
{
	return ret < 0 ? -errno : 0;
}

/* --- what must be refused: 0 is a success of the attacker ----------------------------- */

static int try_open(void)
{
	return result(syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY));
}

static int try_create(void)
{
	return result(syscall(SYS_openat, AT_FDCWD, "/tmp/sandbox-made-this", O_WRONLY | O_CREAT, 0600));
}

static int try_append(void)
{
	return result(syscall(SYS_openat, AT_FDCWD, "/dev/null", O_WRONLY | O_APPEND));
}

static int try_open_how(void)
{
	const uint64_t how[3] = { O_RDONLY };

	return result(syscall(437 /* openat2 */, AT_FDCWD, "/etc/passwd", how, sizeof(how)));
}

static int try_stat(void)
{
	struct stat st;

	return result(syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &st, 0));
}

static int try_unlink(void)
{
	return result(syscall(SYS_unlinkat, AT_FDCWD, "/tmp/sandbox-is-not-there", 0));
}

static int try_socket(void)
{
	return result(syscall(SYS_socket, AF_INET, SOCK_STREAM, 0));
}

static int try_unix_socket(void)
{
	return result(syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
}

static int try_packet_socket(void)
{
	return result(syscall(SYS_socket, AF_PACKET, SOCK_RAW, 0));
}

static int try_other_protocol(void)
{
	return result(syscall(SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_SCTP));
}

static int try_other_type(void)
{
	return result(syscall(SYS_socket, AF_INET6, SOCK_SEQPACKET, 0));
}

static int try_ping(void)
{
	return result(syscall(SYS_socket, AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
}

static int try_listen(void)
{
	return result(syscall(SYS_listen, 0, 1));
}

static int try_connect(void)
{
	const struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/run/docker.sock" };

	return result(syscall(SYS_connect, 0, &to, sizeof(to)));
}

static int try_exec(void)
{
	char *argv[] = { "true", NULL };

	return result(syscall(SYS_execve, "/bin/true", argv, NULL));
}

static int try_exec_at(void)
{
	char *argv[] = { "true", NULL };

	return result(syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, NULL, 0));
}

static int try_fork(void)
{
	const long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int try_ptrace(void)
{
	return result(syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0));
}

static int try_read_memory(void)
{
	return result(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static int try_bpf(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };

	return result(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static int try_perf(void)
{
	return result(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}

static int try_setuid(void)
{
	return result(syscall(SYS_setuid, getuid()));
}

static int try_setgroups(void)
{
	return result(syscall(SYS_setgroups, 0, NULL));
}

static int try_capset(void)
{
	const struct caps caps = { 0 };
	const int err = caps_set(&caps);

	return err;
}

static int try_mount(void)
{
	return result(syscall(SYS_mount, "none", "/tmp", "tmpfs", MS_RDONLY, NULL));
}

static int try_chroot(void)
{
	return result(syscall(SYS_chroot, "/"));
}

static int try_unshare(void)
{
	return result(syscall(SYS_unshare, CLONE_NEWUSER));
}

static int try_setns(void)
{
	return result(syscall(SYS_setns, 0, 0));
}

static int try_uring(void)
{
	char params[120] = { 0 };

	return result(syscall(425 /* io_uring_setup */, 4, params));
}

static int try_kill(void)
{
	return result(syscall(SYS_kill, getppid(), 0));
}

static int try_kill_all(void)
{
	return result(syscall(SYS_kill, -1, 0));
}

static int try_tgkill(void)
{
	return result(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int try_queue_signal(void)
{
	siginfo_t info = { .si_code = SI_QUEUE };

	return result(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info));
}

static int try_own(void)
{
	return result(syscall(SYS_fcntl, 0, F_SETOWN, getppid()));
}

static int try_type(void)
{
	return syscall(SYS_ioctl, 0, TIOCSTI, "x") == 0 || errno != ENOSYS ? 0 : -ENOSYS;
}

static int try_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -errno : 0;
}

static int try_make_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? 0 : result(syscall(SYS_mprotect, p, 4096, PROT_READ | PROT_EXEC));
}

static int try_more_privileges(void)
{
	return result(syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int try_limits(void)
{
	const struct rlimit limit = { 0, 0 };

	return result(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, NULL));
}

static int try_send_elsewhere(void)
{
	const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };

	return syscall(SYS_sendto, 0, "x", 1, 0, &to, sizeof(to)) >= 0 || errno != ENOSYS ? 0 : -ENOSYS;
}

static int try_send_descriptor(void)
{
	const struct msghdr message = { 0 };

	return syscall(SYS_sendmsg, 0, &message, 0) >= 0 || errno != ENOSYS ? 0 : -ENOSYS;
}

static int try_urgent_data(void)
{
	return syscall(SYS_sendto, 0, "x", 1, MSG_OOB, NULL, 0) >= 0 || errno != ENOSYS ? 0 : -ENOSYS;
}

enum { D = 1, N = 2 };

/* fatal: ends the process. */
static const struct {
	const char *name;
	int (*attempt)(void);
	unsigned who;
	bool fatal;
} attempts[] = {
	{ "open", try_open, D, false },
	{ "create", try_create, D | N, false },
	{ "append", try_append, D | N, false },
	{ "openat2", try_open_how, D | N, false },
	{ "stat", try_stat, D, false },
	{ "unlink", try_unlink, D | N, false },
	{ "socket", try_socket, D, false },
	{ "unix socket", try_unix_socket, D | N, false },
	{ "packet socket", try_packet_socket, D | N, false },
	{ "SCTP", try_other_protocol, D | N, false },
	{ "SOCK_SEQPACKET", try_other_type, D | N, false },
	{ "ping socket", try_ping, D | N, false },
	{ "connect", try_connect, D, false },
	{ "listen", try_listen, D | N, false },
	{ "sendto", try_send_elsewhere, D, false },
	{ "sendmsg", try_send_descriptor, D, false },
	{ "MSG_OOB", try_urgent_data, D, false },
	{ "execve", try_exec, D | N, true },
	{ "execveat", try_exec_at, D | N, true },
	{ "fork", try_fork, D | N, false },
	{ "ptrace", try_ptrace, D | N, true },
	{ "process_vm_readv", try_read_memory, D | N, true },
	{ "bpf", try_bpf, D | N, true },
	{ "perf_event_open", try_perf, D | N, true },
	{ "setuid", try_setuid, D | N, true },
	{ "setgroups", try_setgroups, D | N, true },
	{ "capset", try_capset, D | N, true },
	{ "mount", try_mount, D | N, true },
	{ "chroot", try_chroot, D | N, true },
	{ "unshare", try_unshare, D | N, true },
	{ "setns", try_setns, D | N, true },
	{ "io_uring", try_uring, D | N, true },
	{ "kill", try_kill, D | N, false },
	{ "kill all", try_kill_all, D | N, false },
	{ "tgkill", try_tgkill, D | N, false },
	{ "rt_sigqueueinfo", try_queue_signal, D | N, false },
	{ "F_SETOWN", try_own, D | N, false },
	{ "TIOCSTI", try_type, D | N, false },
	{ "writable code", try_code, D | N, false },
	{ "data into code", try_make_code, D | N, false },
	{ "prctl", try_more_privileges, D | N, false },
	{ "setrlimit", try_limits, D | N, false },
};

/* Ends as the child did: its exit status, or minus the signal. */
static int in_sandbox(const struct sandbox_config *config, int (*what)(void))
{
	const struct rlimit none = { 0, 0 };
	const pid_t pid = fork();
	int status;

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		if (sandbox_enter(config))
			_exit(100);
		_exit(what() ? 1 : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 101;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void refuses(const struct sandbox_config *config, unsigned who)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		const int want = attempts[i].fatal ? -SIGSYS : 1;
		const int got = attempts[i].who & who ? in_sandbox(config, attempts[i].attempt) : want;

		if (got != want)
			CHECK_FAIL("%s ends with %d, not %d", attempts[i].name, got, want);
	}
}

static void test_dissector_refuses(void)
{
	refuses(&dissect, D);
}

static void test_names_refuse(void)
{
	refuses(&names, N);
}

static int no_capability(void)
{
	char text[8192] = "";
	const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || caps_clear())
		return 1;
	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 2;
	return !strstr(text, "CapInh:\t0000000000000000") || !strstr(text, "CapPrm:\t0000000000000000") ||
	       !strstr(text, "CapEff:\t0000000000000000") || !strstr(text, "CapAmb:\t0000000000000000") ||
	       (getuid() == 0 && !strstr(text, "CapBnd:\t0000000000000000"));
}

static void test_capabilities_are_gone(void)
{
	const pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(no_capability());
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
}

/* --- what must pass ------------------------------------------------------------- */

static int channel[2], output;

static int work_as_dissector(void)
{
	const time_t now = time(NULL);
	struct utsname system;
	struct stat st;
	struct tm tm;
	char c = 'x';
	void *p;

	p = malloc(64 << 20);
	if (!p)
		return 1;
	memset(p, 1, 64 << 20);
	p = realloc(p, 128 << 20);
	if (!p)
		return 2;
	free(p);
	if (!localtime_r(&now, &tm) || uname(&system) || getuid() != geteuid() || fstat(output, &st) ||
	    isatty(output) || lseek(output, 0, SEEK_SET))
		return 3;
	if (signal(SIGUSR1, SIG_IGN) == SIG_ERR || raise(SIGUSR1))
		return 4;
	return write(output, &c, 1) == 1 ? 0 : 5;
}

static int work_with_files(void)
{
	return work_as_dissector() || ftruncate(output, 0) || fsync(output) || write(channel[1], "a", 1) != 1 ||
	       send(channel[1], "b", 1, MSG_NOSIGNAL) != 1;
}

static void test_dissector_works(void)
{
	char text[4];

	output = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	CHECK(output >= 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) == 0);
	CHECK_INT(in_sandbox(&dissect, work_as_dissector), 0);
	CHECK_INT(in_sandbox(&dissect, work_with_files), 0);
	CHECK(read(channel[0], text, 1) == 1 && *text == 'a' && read(channel[0], text, 1) == 1 && *text == 'b');
	close(channel[0]);
	close(channel[1]);
	close(output);
}

static int terminal;

/* --top takes the screen before, and gives it back inside. */
static int give_terminal_back(void)
{
	struct termios modes;

	if (tcgetattr(terminal, &modes))
		return 1;
	modes.c_lflag ^= ECHO;
	if (tcsetattr(terminal, TCSANOW, &modes))
		return 2;
	return dup3(terminal, STDERR_FILENO, 0) == STDERR_FILENO ? 0 : 3;
}

static int set_modes(void)
{
	struct termios modes;

	return tcgetattr(terminal, &modes) ? 0 : result(tcsetattr(terminal, TCSANOW, &modes));
}

static void test_terminals(void)
{
	const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(terminal >= 0);
	CHECK_INT(in_sandbox(&dissect, give_terminal_back), 0);
	CHECK_INT(in_sandbox(&names, set_modes), 1);
	close(terminal);
	close(master);
}

static void *thread(void *arg)
{
	*(bool *)arg = true;
	return NULL;
}

static int work_as_names(void)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
					.sin_port = htons(9),
					.sin_addr = { htonl(INADDR_LOOPBACK) } };
	const int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const int tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP);
	bool ran = false;
	pthread_t id;

	if (tcp < 0 || udp < 0 || connect(udp, (const struct sockaddr *)&to, sizeof(to)))
		return 1;
	if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0)
		return 2;
	if (pthread_create(&id, NULL, thread, &ran) || pthread_join(id, NULL) || !ran)
		return 3;
	return dlopen("libresolv.so.2", RTLD_NOW) ? 0 : 4;
}

static void test_names_work(void)
{
	CHECK_INT(in_sandbox(&names, work_as_names), 0);
}

static int open_home(void)
{
	return open("/root", O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0 && open("/proc/self/status", O_RDONLY) < 0 ? 0 : 1;
}

static void test_names_read_only_the_system(void)
{
	if (syscall(444 /* landlock_create_ruleset */, NULL, 0, 1) < 1)
		CHECK_SKIP("the kernel has no Landlock");
	CHECK_INT(in_sandbox(&names, open_home), 0);
}

int main(void)
{
	tzset();
	RUN(test_dissector_refuses);
	RUN(test_names_refuse);
	RUN(test_capabilities_are_gone);
	RUN(test_dissector_works);
	RUN(test_terminals);
	RUN(test_names_work);
	RUN(test_names_read_only_the_system);
	return check_status();
}
