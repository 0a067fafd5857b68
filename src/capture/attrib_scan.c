/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/attrib_scan.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <ptcpdump/owner.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/diag.h"
#include "capture/socket_copy.h"
#include "util/log.h"
#include "util/procfs.h"

#define MAX_SOCKETS (1 << 20) /* inodes remembered; more than that are known from their first use */
#define MAX_NETNS 4096

struct candidate {
	uint32_t pid, parent, bits;
};

/* As bpf/process.bpf.c: what may match, since the rest of a name that the kernel cut is known later. */
static bool name_given(uint32_t pid, const char *comm, const char *const *names)
{
	char exe[4096];
	const char *base;

	if (procfs_exe(pid, exe, sizeof(exe)) < 0)
		exe[0] = '\0';
	base = strrchr(exe, '/');
	base = base ? base + 1 : exe;
	for (; names && *names; names++) {
		if (strncmp(comm, *names, EVENT_COMM_LEN - 1) == 0 || strcmp(base, *names) == 0)
			return true;
	}
	return false;
}

static bool pid_given(uint32_t pid, const struct capture_config *c)
{
	for (size_t i = 0; i < c->npids; i++) {
		if (c->pids[i] == pid)
			return true;
	}
	return false;
}

static bool user_given(uint32_t pid, const struct capture_config *c)
{
	const uint32_t uid = procfs_uid(pid);

	if (c->npids || (c->pnames && c->pnames[0]))
		return false;
	for (size_t i = 0; i < c->nuids; i++) {
		if (c->uids[i] == uid)
			return true;
	}
	return false;
}

/* comm: of the process. */
static uint32_t bits_of(uint32_t pid, const char *comm, const struct capture_config *c)
{
	uint32_t bits = 0;

	if (pid_given(pid, c))
		bits |= SELECT_PID_LIVE | (c->decided ? SELECT_PID_GIVEN : 0);
	if (name_given(pid, comm, c->pnames))
		bits |= SELECT_PID_NAME;
	if (c->follow_forks && user_given(pid, c))
		bits |= SELECT_PID_USER;
	return bits;
}

static int list_candidates(const struct capture_config *c, struct candidate **ret, size_t *ret_n)
{
	struct candidate *list = NULL, *more;
	size_t n = 0, cap = 0;
	struct procfs_stat st;
	struct dirent *d;
	uint32_t pid;
	int err = 0;
	DIR *dir = opendir("/proc");

	if (!dir)
		return -errno;
	while ((d = readdir(dir))) {
		if (!procfs_is_pid(d->d_name, &pid) || procfs_stat(pid, &st))
			continue;
		if (n == cap) {
			cap = cap ? cap * 2 : 256;
			more = realloc(list, cap * sizeof(*list));
			if (!more) {
				err = -ENOMEM;
				break;
			}
			list = more;
		}
		list[n].pid = pid;
		list[n].parent = st.parent;
		list[n].bits = bits_of(pid, st.comm, c);
		n++;
	}
	closedir(dir);
	if (err) {
		free(list);
		return err;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

static int by_pid(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* Gives what parents have to children, one generation a pass, until nobody is added. */
static void follow_forks(struct candidate *list, size_t n)
{
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < n; i++) {
			const struct candidate key = { .pid = list[i].parent };
			const struct candidate *parent = bsearch(&key, list, n, sizeof(*list), by_pid);

			if (!parent || !(parent->bits & ~list[i].bits))
				continue;
			list[i].bits |= parent->bits;
			again = true;
		}
	}
}

int scan_filter_pids(int pids_fd, const struct capture_config *config)
{
	struct candidate *list = NULL;
	size_t n = 0;
	int err = list_candidates(config, &list, &n);

	if (err)
		return err;
	if (n)
		qsort(list, n, sizeof(*list), by_pid);
	if (config->follow_forks)
		follow_forks(list, n);
	for (size_t i = 0; i < n && !err; i++) {
		if (list[i].bits)
			err = bpf_map_update_elem(pids_fd, &list[i].pid, &list[i].bits, BPF_ANY);
	}
	free(list);
	return err;
}

struct held {
	uint64_t inode, start;
	uint32_t pid, uid;
	int fd;
	bool told; /* by sock_diag */
};

struct netns_seen {
	uint32_t inode;
	uint32_t pid; /* a process in it */
};

struct sockets {
	struct held *held;
	size_t n, cap;
	struct netns_seen netns[MAX_NETNS];
	size_t nnetns;
	int cookies_fd;
	int refused; /* -errno of sock_diag, for TCP or UDP */
	int closed;  /* -errno of a namespace that cannot be entered */
};

static int add_held(struct sockets *s, const struct held *held)
{
	struct held *more;

	if (s->n == s->cap) {
		if (s->cap >= MAX_SOCKETS)
			return 0;
		s->cap = s->cap ? s->cap * 2 : 1024;
		more = realloc(s->held, s->cap * sizeof(*more));
		if (!more)
			return -ENOMEM;
		s->held = more;
	}
	s->held[s->n++] = *held;
	return 0;
}

static void add_netns(struct sockets *s, uint32_t pid)
{
	const uint32_t inode = procfs_namespace(pid, "net");

	if (!inode || s->nnetns == MAX_NETNS)
		return;
	for (size_t i = 0; i < s->nnetns; i++) {
		if (s->netns[i].inode == inode)
			return;
	}
	s->netns[s->nnetns++] = (struct netns_seen){ inode, pid };
}

/* The main thread may have ended before the others, and has no files then. Returns a thread that has, 0: none. */
static uint32_t living_thread(uint32_t pid)
{
	struct procfs_stat st;
	uint32_t tid, found = 0;
	struct dirent *d;
	char path[64];
	DIR *dir;

	if (procfs_stat(pid, &st))
		return 0;
	if (st.state != 'Z')
		return pid;
	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	dir = opendir(path);
	while (dir && !found && (d = readdir(dir))) {
		if (procfs_is_pid(d->d_name, &tid) && procfs_stat(tid, &st) == 0 && st.state != 'Z')
			found = tid;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Processes may end at any moment: what cannot be read is skipped. */
static int add_process(struct sockets *s, uint32_t pid)
{
	const uint32_t thread = living_thread(pid);
	struct held held = { .pid = pid };
	unsigned long long inode;
	char path[64], link[64];
	struct procfs_stat ps;
	struct dirent *d;
	struct stat st;
	int err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/fd", thread);
	dir = opendir(path);
	if (!dir)
		return 0;
	if (fstat(dirfd(dir), &st) || procfs_stat(pid, &ps))
		goto out;
	add_netns(s, thread);
	held.start = ps.start;
	held.uid = st.st_uid;
	while (!err && (d = readdir(dir))) {
		const ssize_t n = readlinkat(dirfd(dir), d->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = '\0';
		if (sscanf(link, "socket:[%llu]", &inode) != 1)
			continue;
		held.inode = inode;
		held.fd = atoi(d->d_name);
		err = add_held(s, &held);
	}
out:
	closedir(dir);
	return err;
}

/* The same socket in several processes: the oldest pid first, which is what bsearch is then made to find. */
static int by_inode(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* at: of the first that hold it. */
static void note_held(struct sockets *s, size_t at, uint64_t cookie)
{
	const struct held *held = &s->held[at];
	struct owner_rec rec = {
		.cookie = cookie,
		.source = OWNER_SCAN,
		.start = held->start,
		.tgid = held->pid,
		.uid = held->uid,
		.certain = at + 1 == s->n || s->held[at + 1].inode != held->inode,
	};

	bpf_map_update_elem(s->cookies_fd, &cookie, &rec, BPF_NOEXIST);
}

static void note_socket(struct sockets *s, uint64_t inode, uint64_t cookie)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		const size_t mid = lo + (hi - lo) / 2;

		if (s->held[mid].inode < inode)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == s->n || s->held[lo].inode != inode)
		return;
	s->held[lo].told = true;
	note_held(s, lo, cookie);
}

static void note_message(struct sockets *s, const struct nlmsghdr *h, bool packet)
{
	const struct packet_diag_msg *p = NLMSG_DATA(h);
	const struct inet_diag_msg *m = NLMSG_DATA(h);

	if (packet && h->nlmsg_len >= NLMSG_LENGTH(sizeof(*p)))
		note_socket(s, p->pdiag_ino, (uint64_t)p->pdiag_cookie[1] << 32 | p->pdiag_cookie[0]);
	else if (!packet && h->nlmsg_len >= NLMSG_LENGTH(sizeof(*m)))
		note_socket(s, m->idiag_inode, (uint64_t)m->id.idiag_cookie[1] << 32 | m->id.idiag_cookie[0]);
}

/* Reads the answer to one dump request up to its end. */
static int read_dump(struct sockets *s, int fd, bool packet)
{
	static char buf[65536] __attribute__((aligned(8)));

	for (;;) {
		const ssize_t n = recv(fd, buf, sizeof(buf), 0);
		int left; /* signed: see rtnl_read() */

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		left = (int)n;
		for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
				return diag_dump_status(h);
			note_message(s, h, packet);
		}
	}
}

/* One sock_diag request for all sockets, and its answer. */
struct dump {
	struct nlmsghdr h;
	union {
		struct inet_diag_req_v2 inet;
		struct packet_diag_req packet;
	};
};

static int dump_kind(struct sockets *s, int fd, struct dump *request, size_t size, bool packet)
{
	request->h = (struct nlmsghdr){
		.nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
		.nlmsg_type = SOCK_DIAG_BY_FAMILY,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
	};
	if (send(fd, request, request->h.nlmsg_len, 0) < 0)
		return -errno;
	return read_dump(s, fd, packet);
}

/* Of the further ones a kernel may know nothing. */
static void dump_inet(struct sockets *s, int fd, uint8_t family)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_RAW, IPPROTO_SCTP };

	for (size_t i = 0; i < sizeof(protocols); i++) {
		struct dump request = {
			.inet = { .sdiag_family = family, .sdiag_protocol = protocols[i], .idiag_states = ~0U },
		};
		const int err = dump_kind(s, fd, &request, sizeof(request.inet), false);

		if (err && (protocols[i] == IPPROTO_TCP || protocols[i] == IPPROTO_UDP))
			s->refused = err;
	}
}

static void dump_sockets(struct sockets *s)
{
	struct dump request = { .packet = { .sdiag_family = AF_PACKET } };
	const int fd = diag_open();

	if (fd < 0) {
		s->refused = fd;
		return;
	}
	dump_inet(s, fd, AF_INET);
	dump_inet(s, fd, AF_INET6);
	if (dump_kind(s, fd, &request, sizeof(request.packet), true))
		log_debug("packet sockets are not told by sock_diag");
	close(fd);
}

/* Who may not enter others may still ask in our own. 0 or -errno. */
static int dump_namespace(struct sockets *s, const struct netns_seen *ns, uint32_t own)
{
	char path[64];
	int fd, err;

	if (ns->inode == own) {
		dump_sockets(s);
		return 0;
	}
	snprintf(path, sizeof(path), "/proc/%u/ns/net", ns->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ESRCH ? 0 : -errno;
	err = setns(fd, CLONE_NEWNET) ? -errno : 0;
	close(fd);
	if (!err)
		dump_sockets(s);
	return err;
}

/* Our own comes first: the others are entered. */
static int dump_namespaces(struct sockets *s)
{
	const uint32_t own = procfs_namespace(0, "net");
	int err = 0, self = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	bool entered = false;

	if (self < 0)
		return -errno;
	dump_namespace(s, &(struct netns_seen){ .inode = own }, own);
	for (size_t i = 0; i < s->nnetns; i++) {
		if (s->netns[i].inode == own)
			continue;
		err = dump_namespace(s, &s->netns[i], own);
		if (err)
			s->closed = err;
		else
			entered = true;
	}
	err = entered && setns(self, CLONE_NEWNET) ? -errno : 0;
	close(self);
	return err;
}

/* What sock_diag has not told, from the processes that hold it. 0, or the -errno of some that could not be had. */
static int copy_sockets(struct sockets *s)
{
	uint64_t cookie;
	int err = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct held *h = &s->held[i];
		int one;

		if (h->told || (i && h[-1].inode == h->inode))
			continue;
		one = socket_copy_cookie(h->pid, h->fd, h->inode, &cookie);
		if (!one)
			note_held(s, i, cookie);
		else if (one != -EPROTONOSUPPORT && one != -ENOENT && one != -ESRCH && one != -EBADF)
			err = one;
	}
	return err;
}

static void fill_in(struct sockets *s)
{
	const int err = copy_sockets(s);
	const char *why = s->refused ? diag_refused(s->refused) : strerror(-s->closed);

	if (err)
		log_warn(
			"sock_diag does not tell which sockets there are (%s), nor do the processes that have them (%s): those "
			"from before are known from their next use only",
			why, strerror(-err));
	else
		log_msg(s->refused ? LOG_WARN : LOG_INFO,
			"sock_diag does not tell which sockets there are (%s): the processes that have them do", why);
}

int scan_sockets(int cookies_fd)
{
	struct sockets *s = calloc(1, sizeof(*s));
	struct dirent *d;
	uint32_t pid;
	int err = 0;
	DIR *dir;

	if (!s)
		return -ENOMEM;
	s->cookies_fd = cookies_fd;
	dir = opendir("/proc");
	if (!dir) {
		err = -errno;
		goto out;
	}
	while (!err && (d = readdir(dir))) {
		if (procfs_is_pid(d->d_name, &pid))
			err = add_process(s, pid);
	}
	closedir(dir);
	if (err)
		goto out;
	if (s->n)
		qsort(s->held, s->n, sizeof(*s->held), by_inode);
	err = dump_namespaces(s);
	if (s->refused || s->closed)
		fill_in(s);
out:
	free(s->held);
	free(s);
	return err;
}
