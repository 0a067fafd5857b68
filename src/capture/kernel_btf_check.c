/* SPDX-License-Identifier: BSD-3-Clause */
/* What programs read by a BTF file, compared with what is known by other ways. */
#include "capture/kernel_btf_check.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <unistd.h>

#include "capture/kernel.h"
#include "capture/kernel_btf_try.h"
#include "btf_check.skel.h"
#include "capture/static_functions.h"
#include "util/log.h"
#include "util/pidns.h"
#include "util/procfs.h"
#include "util/thread.h"

enum {
	LOG_SIZE = 64 << 10,
	UNTRIED = 1,
	TCP_ESTABLISHED_ = 1,
	TCP_LISTEN_ = 10,
	EXECS_MAX = 1 << 24,
	LONG_LEFT = 256, /* of a path, less is left than the longest name takes */
	DEEP = 20,	 /* of 32 steps, some go from mount to mount */
	/* flags of proc(5), of those that stay: PF_KTHREAD, PF_RANDOMIZE, PF_FORKNOEXEC */
	FLAGS_KEPT = 0x00200000 | 0x00400000 | 0x40,
};

/* /proc/PID/stat, by the numbers of proc(5). */
enum { STAT_FLAGS = 9, STAT_THREADS = 20, STAT_ARG_START = 48, STAT_ARG_END = 49, STAT_FIELDS = 50 };

struct trial {
	struct btf_check *skel;
	struct btf_try did;
	char *why;
	int err;
};

/* The first difference is told. */
static void same(struct trial *t, const char *what, uint64_t read, uint64_t known)
{
	if (read == known || t->err)
		return;
	t->err = -EINVAL;
	snprintf(t->why, KERNEL_BTF_WHY, "%s is read as %llu, and is %llu", what, (unsigned long long)read,
		 (unsigned long long)known);
}

/* 0 where /proc does not tell. */
static void same_namespace(struct trial *t, const char *what, uint32_t read, const char *kind)
{
	const uint32_t known = procfs_namespace(0, kind);

	if (known)
		same(t, what, read, known);
}

static void must(struct trial *t, const char *what, bool right)
{
	if (right || t->err)
		return;
	t->err = -EINVAL;
	snprintf(t->why, KERNEL_BTF_WHY, "%s is read wrong", what);
}

/* Fields from STAT_FLAGS on; false: it cannot be read. */
static bool stat_read(const char *name, unsigned long long fields[STAT_FIELDS])
{
	char text[1024], *at, *more;

	if (procfs_read(pidns_shown(getpid()), name, text, sizeof(text)) <= 0 || !(at = strrchr(text, ')')))
		return false;
	at = strtok_r(at + 1, " ", &more);
	for (int i = 3; i < STAT_FIELDS; i++) {
		if (!at)
			return false;
		fields[i] = strtoull(at, NULL, 10);
		at = strtok_r(NULL, " ", &more);
	}
	return true;
}

static void compare_stat(struct trial *t, const struct btf_check_task *k)
{
	unsigned long long process[STAT_FIELDS], thread[STAT_FIELDS];
	char name[64];

	snprintf(name, sizeof(name), "task/%ld/stat", (long)syscall(SYS_gettid));
	if (stat_read("stat", process)) {
		same(t, "signal_struct.live", k->live, process[STAT_THREADS]);
		same(t, "mm_struct.arg_start", k->arg_start, process[STAT_ARG_START]);
		same(t, "mm_struct.arg_end", k->arg_end, process[STAT_ARG_END]);
	}
	if (stat_read(name, thread))
		same(t, "task_struct.flags", k->flags & FLAGS_KEPT, thread[STAT_FLAGS] & FLAGS_KEPT);
}

static void compare_pids(struct trial *t, const struct btf_check_task *k)
{
	const uint32_t shown = pidns_shown(getpid());

	same(t, "task_struct.tgid", k->tgid, k->pid_tgid >> 32);
	same(t, "task_struct.pid", k->tid, (uint32_t)k->pid_tgid);
	same(t, "pid.numbers of the thread", k->outer_tid, (uint32_t)k->pid_tgid);
	same(t, "pid.numbers of the thread in its namespace", k->inner_tid, (uint64_t)syscall(SYS_gettid));
	same(t, "pid.numbers of the process in its namespace", k->inner_tgid, (uint64_t)getpid());
	if (shown)
		same(t, "the pid", k->task.tgid, shown);
}

static void compare_starts(struct trial *t, const struct btf_check_task *k)
{
	const uint32_t shown = pidns_shown(getpid());
	const uint64_t tick = procfs_tick_ns();
	struct procfs_stat self, parent;

	if (!shown || procfs_stat(shown, &self))
		return;
	must(t, "task_struct.start_boottime", procfs_same_start(tick, k->task.start, self.start));
	must(t, "task_struct.comm of the process", strncmp(k->leader, self.comm, sizeof(k->leader)) == 0);
	/* It may be outside of the namespace, or have ended. */
	if (!self.parent || procfs_stat(self.parent, &parent) || (k->task.parent_tgid & PID_OUTSIDE))
		return;
	same(t, "tgid of task_struct.real_parent", k->task.parent_tgid, self.parent);
	must(t, "start of task_struct.real_parent", procfs_same_start(tick, k->task.parent_start, parent.start));
}

static unsigned steps_in(const struct btf_check_path *k)
{
	unsigned n = 0;

	for (uint32_t i = k->at; i < EVENT_FILENAME_MAX - 1; i++)
		n += k->text[i] == '/';
	return n;
}

/* It is as long as /proc tells it, or longer: seen from outside of our root. A long or deep one may be cut. */
static void compare_path(struct trial *t, const char *what, const struct btf_check_path *k, const char *path, int n)
{
	const uint32_t end = EVENT_FILENAME_MAX - 1, len = end - k->at;

	if (n <= 0 || n >= EVENT_FILENAME_MAX - 1 || path[0] != '/')
		return;
	if (k->cut && (k->at < LONG_LEFT || steps_in(k) >= DEEP))
		return;
	/* Of memfd_create(): in no folder. */
	if (!len && strncmp(path, "/memfd:", 7) == 0)
		return;
	must(t, what, k->at < end && (uint32_t)n <= len && memcmp(k->text + end - n, path, (size_t)n) == 0);
}

static void compare_paths(struct trial *t, const struct btf_check_task *k)
{
	const uint32_t file = t->skel->bss->check_file, shown = pidns_shown(getpid());
	char path[EVENT_FILENAME_MAX], name[64];

	compare_path(t, "the path of mm_struct.exe_file", &k->exe, path, procfs_exe(shown, path, sizeof(path)));
	if (!file || !k->file.at)
		return;
	snprintf(name, sizeof(name), "task/%ld/fd/%u", (long)syscall(SYS_gettid), file);
	compare_path(t, "the path of a file", &k->file, path, procfs_link(shown, name, path, sizeof(path)));
}

static void compare_context(struct trial *t, const struct btf_check_task *k)
{
	if (!k->stack_used) {
		same(t, "thread_info.preempt_count", k->preempt & 0x00ff0100, 0);
		return;
	}
#ifdef __x86_64__
	/* orig_ax, which is lower where the kernel is built for FRED: interrupted_as_probed() of bpf/task.bpf.h */
	if (k->first_argument)
		same(t, "the offset of pt_regs.di", k->first_argument, offsetof(struct user_regs_struct, rdi));
	must(t, "task_struct.stack", k->stack[2] == SYS_prctl || k->stack[0] == SYS_prctl);
#endif
}

static void compare_task(struct trial *t, const struct btf_check_task *k)
{
	compare_pids(t, k);
	must(t, "task_struct.comm", memcmp(k->task.comm, k->comm, sizeof(k->comm)) == 0);
	same(t, "cred.uid", k->task.uid, (uint32_t)k->uid_gid);
	same(t, "kernfs_node.id of the cgroup", k->task.cgroup, k->cgroup);
	same_namespace(t, "mnt_namespace.ns.inum", k->task.mntns, "mnt");
	same_namespace(t, "pid_namespace.ns.inum", k->task.pidns, "pid");
	compare_starts(t, k);
	compare_stat(t, k);
	compare_paths(t, k);
	compare_context(t, k);
	must(t, "task_struct.self_exec_id", k->exec_id && k->exec_id <= EXECS_MAX);
	same(t, "task_struct.in_execve", k->in_execve, 0);
}

static void compare_child(struct trial *t, const struct btf_check_child *k)
{
	if (!t->did.child || !k->seen)
		return;
	same(t, "pid.numbers of a child", k->outer_tid, (uint32_t)k->pid_tgid);
	same(t, "cred.uid of a child", k->uid, (uint32_t)k->uid_gid);
	if (k->ended)
		same(t, "signal_struct.live of a child that ends", k->live, 0);
	if (!t->did.nested)
		return;
	same(t, "pid.numbers of a child in its namespace", k->inner_tid, 1);
	if (t->did.child_pidns)
		same(t, "pid_namespace.ns.inum of a child", k->pidns, t->did.child_pidns);
}

static void compare_address(struct trial *t, const char *what, const uint32_t read[4], uint16_t port,
			    const struct sockaddr_storage *known)
{
	const struct sockaddr_in *v4 = (const void *)known;
	const struct sockaddr_in6 *v6 = (const void *)known;
	uint32_t address[4] = { 0, 0, htonl(0xffff), v4->sin_addr.s_addr };

	if (known->ss_family == AF_INET6)
		memcpy(address, &v6->sin6_addr, sizeof(address));
	must(t, what, memcmp(read, address, sizeof(address)) == 0);
	same(t, what, ntohs(port), ntohs(v4->sin_port)); /* both have it there */
}

static void compare_sock(struct trial *t, const struct btf_check_sock *k, const struct btf_try_sock *s, uint32_t netns)
{
	same(t, "sock_common.skc_cookie", k->cookie, s->cookie);
	same(t, "net.ns.inum of a socket", k->flow.netns, netns);
	same(t, "sock.sk_protocol", k->flow.proto, IPPROTO_TCP);
	same(t, "sock_common.skc_state", k->state, s->connects ? TCP_ESTABLISHED_ : TCP_LISTEN_);
	compare_address(t, "the local end of sock_common", k->flow.l, k->flow.lport, &s->local);
	if (s->connects)
		compare_address(t, "the remote end of sock_common", k->flow.r, k->flow.rport, &s->remote);
	same(t, "sock_common.skc_reuseport", k->shared, s->shares);
	same(t, "sock.sk_reuseport_cb", k->chosen, s->chooses);
	same(t, "sock.sk_lock.owned, which is free,", k->unlocked, 0);
	same(t, "sock.sk_lock.owned, which is held,", k->locked, 1);
	same(t, "sock.sk_kern_sock", k->kernel, 0);
	if (k->kernel_reached)
		same(t, "sock.sk_kern_sock of the kernel's", k->kernel_other, 1);
}

static void compare_packet(struct trial *t, const struct btf_check_packet *k, bool ingress, uint32_t netns)
{
	if (!k->seen)
		return;
	same(t, "sk_buff.tc_at_ingress", k->at_ingress, ingress);
	same(t, "net_device.type", k->type, ARPHRD_LOOPBACK);
	same(t, "net_device.nd_net", k->netns, netns);
	same(t, "sk_buff._nfct", k->nfct, 0);
	same(t, "sk_buff.network_header", k->link_len, ETH_HLEN);
	if (!ingress)
		same(t, "sk_buff.sk", k->socks, 1);
}

/* In the thread, as long as it has all that was looked at. */
static void compare(void *arg)
{
	struct trial *t = arg;
	const struct btf_check__bss *seen = t->skel->bss;
	struct stat st;
	const uint32_t netns = stat("/proc/thread-self/ns/net", &st) ? 0 : (uint32_t)st.st_ino;

	if (!seen->check_done)
		return;
	compare_task(t, &seen->check_task);
	compare_child(t, &seen->check_child);
	if (netns)
		same(t, "net.ns.inum", seen->check_task.task.netns, netns);
	for (size_t i = 0; netns && seen->check_socks_seen >= t->did.n && i < t->did.n; i++)
		compare_sock(t, &seen->check_socks[i], &t->did.socks[i], netns);
	for (size_t i = 0; netns && t->did.packets && i < 2; i++)
		compare_packet(t, &seen->check_packets[i], i, netns);
}

static bool is_map_of_ours(const struct bpf_map *map, const struct btf_check *skel)
{
	return bpf_map__is_internal(map) || map == skel->maps.ptcp_exec_buf;
}

static void prepare(struct btf_check *skel)
{
	const struct pidns pids = pidns_of_proc();
	struct bpf_map *map;
	unsigned name = (unsigned)getpid();

	/* So that nobody else is called so. */
	if (getrandom(&name, sizeof(name), 0) < 0)
		log_debug("no random name: %s", strerror(errno));
	functions_make_static(skel->obj);
	bpf_object__for_each_map(map, skel->obj)
	{
		if (!is_map_of_ours(map, skel))
			bpf_map__set_autocreate(map, false);
	}
	/* Before Linux 5.8 these may not read what is compared. */
	if (!kernel_has(KERNEL_PACKET_TASK)) {
		bpf_program__set_autoload(skel->progs.btf_check_egress, false);
		bpf_program__set_autoload(skel->progs.btf_check_ingress, false);
	}
	skel->rodata->shown_pidns = pids.initial ? 0 : pids.inode;
	snprintf(skel->bss->check_begin, BTF_CHECK_NAME, "btf-%x", name);
	snprintf(skel->bss->check_end, BTF_CHECK_NAME, "btf.%x", name);
	snprintf(skel->bss->check_born, BTF_CHECK_NAME, "btf+%x", name);
}

/* Of the verifier's log, where a field is not in the file, as libbpf has it up to the end of the line. */
static bool tell_missing(const char *log, char *why)
{
	static const char mark[] = "failed to resolve CO-RE relocation ";
	const char *missing = strstr(log, mark);

	if (!missing)
		return false;
	missing += sizeof(mark) - 1;
	snprintf(why, KERNEL_BTF_WHY, "it lacks %.*s", (int)strcspn(missing, "(\n"), missing);
	return true;
}

/* As it takes such programs when they are empty, and lets them read. */
static bool kernel_permits(int err)
{
	return err != -EPERM && kernel_has(KERNEL_RAW_TRACEPOINT) && kernel_has(KERNEL_SCHED_CLS) &&
	       libbpf_probe_bpf_helper(BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_FUNC_probe_read_kernel, NULL) == 1;
}

/* 0; -EINVAL: what is wrong with the file; UNTRIED: it is not the file's fault. */
static int load(struct trial *t, const char *path)
{
	char *log = calloc(1, LOG_SIZE);
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = *path ? path : NULL, .kernel_log_buf = log,
		    .kernel_log_size = LOG_SIZE);
	int err;

	t->skel = log ? btf_check__open_opts(&opts) : NULL;
	err = !log ? -ENOMEM : t->skel ? 0 : -errno;
	if (!err) {
		prepare(t->skel);
		err = btf_check__load(t->skel);
	}
	if (!err)
		err = btf_check__attach(t->skel);
	if (err && err != -ENOMEM) {
		const bool missing = tell_missing(log, t->why);

		if (!missing)
			snprintf(t->why, KERNEL_BTF_WHY, "the kernel refuses programs that are fitted by it (%s)",
				 strerror(-err));
		err = missing || kernel_permits(err) ? -EINVAL : UNTRIED;
	}
	free(log);
	return err;
}

static int run(struct trial *t)
{
	const struct btf_check__bss *seen = t->skel->bss;
	pthread_t thread;
	int err;

	t->err = 0;
	t->did = (struct btf_try){ .begin = seen->check_begin,
				   .end = seen->check_end,
				   .born = seen->check_born,
				   .egress_fd = bpf_program__fd(t->skel->progs.btf_check_egress),
				   .ingress_fd = bpf_program__fd(t->skel->progs.btf_check_ingress),
				   .egress_seen = &seen->check_packets[0].seen,
				   .ingress_seen = &seen->check_packets[1].seen,
				   .file = &t->skel->bss->check_file,
				   .ended = compare,
				   .ended_arg = t };
	err = thread_start(&thread, btf_try, &t->did);
	if (err)
		return err;
	pthread_join(thread, NULL);
	if (!seen->check_done)
		log_info("whether the BTF is this kernel's could not be tried");
	else if (!t->did.packets)
		log_info("whether the BTF is this kernel's could not be tried with packets");
	return t->err;
}

/* What is compared may change meanwhile: a thread ends, a parent. What is read at random may be right once. */
static int run_again(struct trial *t)
{
	int err = run(t);

	if (!err)
		return 0;
	err = run(t);
	return err ? err : run(t);
}

static int check_layout(const char *path, char *why)
{
	struct btf *btf = *path ? btf__parse(path, NULL) : btf__load_vmlinux_btf();
	int err = -errno;

	if (!btf || libbpf_get_error(btf)) {
		snprintf(why, KERNEL_BTF_WHY, "%s", strerror(-err));
		return -EINVAL;
	}
	err = kernel_btf_layout(btf, why);
	btf__free(btf);
	return err;
}

int kernel_btf_check(const char *path, char why[KERNEL_BTF_WHY])
{
	struct trial t = { .why = why };
	int err;

	*why = '\0';
	err = check_layout(path, why);
	if (!err)
		err = load(&t, path);
	if (err == UNTRIED)
		log_info("whether the BTF is this kernel's cannot be tried: %s", why);
	/* Before Linux 5.5 its variables are out of reach. */
	if (!err && !t.skel->bss)
		log_info("whether the BTF is this kernel's cannot be tried here");
	else if (!err)
		err = run_again(&t);
	if (err < 0 && err != -EINVAL)
		log_info("whether the BTF is this kernel's cannot be tried: %s", strerror(-err));
	btf_check__destroy(t.skel);
	return err == -EINVAL ? err : 0;
}
