/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program, whose dissector of ICMP belongs to an attacker: with the first packet it tries what the words of $ATTACK say,
 * and tells on standard output how that went. What it does not survive is not told.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

void __wrap_icmp_print(void *ndo, const unsigned char *bp, unsigned length, const unsigned char *bp2, int fragmented);

static long try_open(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static long try_proc(void)
{
	return open("/proc/self/mem", O_RDWR);
}

static long try_create(void)
{
	return open("/tmp/ptcpdump-attacked", O_WRONLY | O_CREAT, 0600);
}

static long try_overwrite(void)
{
	return open("/dev/null", O_WRONLY);
}

static long try_unlink(void)
{
	return unlink("/tmp/ptcpdump-attacked");
}

static long try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long try_connect(void)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
					.sin_port = htons(9),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	/* Of UDP it would succeed. */
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);

	return fd < 0 ? fd : connect(fd, (const struct sockaddr *)&to, sizeof(to));
}

/* A descriptor that is open may be a socket. */
static long try_connect_unix(void)
{
	const struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/var/run/docker.sock" };

	for (int fd = 3; fd < 64; fd++) {
		if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 || errno == ENOENT ||
		    errno == ECONNREFUSED)
			return 0;
	}
	errno = EBADF;
	return -1;
}

static long try_execve(void)
{
	char *argv[] = { "true", NULL };

	return execv("/bin/true", argv);
}

static long try_fork(void)
{
	const long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return pid;
}

static long try_ptrace(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), 0, 0);
}

static long try_read_parent(void)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { (void *)(uintptr_t)environ, 1 };

	return process_vm_readv(getppid(), &here, 1, &there, 1, 0);
}

static long try_kill(void)
{
	return kill(getppid(), 0);
}

static long try_bpf(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };

	return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

static long try_setuid(void)
{
	return syscall(SYS_setresuid, 0, 0, 0);
}

static long try_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static long try_mount(void)
{
	return mount("none", "/tmp", "tmpfs", 0, NULL);
}

static long try_chmod(void)
{
	return chmod("/tmp", 0777);
}

static long try_type(void)
{
	return ioctl(STDERR_FILENO, TIOCSTI, "x") == 0 || errno == ENOTTY || errno == EIO ? 0 : -1;
}

static long try_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static const struct {
	const char *name;
	long (*act)(void);
} attempts[] = {
	{ "open", try_open },	    { "proc", try_proc },
	{ "create", try_create },   { "overwrite", try_overwrite },
	{ "unlink", try_unlink },   { "socket", try_socket },
	{ "connect", try_connect }, { "connect-unix", try_connect_unix },
	{ "execve", try_execve },   { "fork", try_fork },
	{ "ptrace", try_ptrace },   { "read-parent", try_read_parent },
	{ "kill", try_kill },	    { "bpf", try_bpf },
	{ "setuid", try_setuid },   { "namespace", try_namespace },
	{ "mount", try_mount },	    { "chmod", try_chmod },
	{ "type", try_type },	    { "code", try_code },
};

static void attempt(const char *word)
{
	char text[128];
	int n;

	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		if (strcmp(word, attempts[i].name) != 0)
			continue;
		n = attempts[i].act() < 0 ? snprintf(text, sizeof(text), "attack %s: %s\n", word, strerror(errno))
					  : snprintf(text, sizeof(text), "attack %s: succeeded\n", word);
		if (write(STDOUT_FILENO, text, (size_t)n) < 0)
			abort();
	}
}

void __wrap_icmp_print(void *ndo, const unsigned char *bp, unsigned length, const unsigned char *bp2, int fragmented)
{
	static int done;
	char *words = getenv("ATTACK");

	(void)ndo, (void)bp, (void)length, (void)bp2, (void)fragmented;
	if (done || !words)
		return;
	done = 1;
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		attempt(word);
}
