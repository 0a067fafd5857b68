/* SPDX-License-Identifier: BSD-3-Clause */
/* The phases of a capture, and when it sleeps and wakes. */
#include "capture/capture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "capture/attrib.h"
#include "capture/backend.h"
#include "capture/kernel_btf.h"
#include "capture/kfunc_link.h"
#include "capture/owners.h"
#include "capture/private.h"
#include "ptcpdump.skel.h"
#include "util/caps.h"
#include "util/log.h"
#include "util/procfs.h"

#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_SEC 1000000000ULL
#define RING_BYTES (32U << 20)
#define RING_SIZE_MAX (1U << 30)
#define SNAPLEN_MAX 262144U
/* A ring that is this full no longer waits for owners, and wakes the reader at once. */
#define FILL_PERCENT 60
/*
 * A program takes the time first and space in its ring last; another CPU's ring may get a later packet in between.
 * So packets are merged only when they are this old.
 */
#define MERGE_LAG_NS (1 * NSEC_PER_MSEC)
#define LIBBPF_TEXT_MAX 4096
#define BATCH 8192
/* Sleep between batches: no packet has to wake us, and none waits longer. */
#define BATCH_NS (10 * NSEC_PER_MSEC)

uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Of some readings, the one that took least time between both clocks. */
static int64_t clock_offset_get(void)
{
	uint64_t best = UINT64_MAX;
	int64_t offset = 0;

	for (int i = 0; i < 10; i++) {
		uint64_t before = now_ns(CLOCK_MONOTONIC), real = now_ns(CLOCK_REALTIME);
		uint64_t after = now_ns(CLOCK_MONOTONIC);

		if (after - before < best) {
			best = after - before;
			offset = (int64_t)(real - before - (after - before) / 2);
		}
	}
	return offset;
}

static int bpf_message(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char *text, *line, *next;
	size_t n;

	(void)level;
	if (vasprintf(&text, fmt, ap) < 0)
		return 0;
	/* Of a verifier's log the end tells what was wrong. */
	n = strlen(text);
	line = n > LIBBPF_TEXT_MAX ? text + n - LIBBPF_TEXT_MAX : text;
	for (; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		log_debug("%s", line);
	}
	free(text);
	return 0;
}

enum capability_use { FOR_PROGRAMS, FOR_SOCKETS, FOR_MORE };

/* What a run without root may lack. */
static const struct {
	unsigned cap;
	enum capability_use use;
	const char *name, *without; /* without: what is lost */
} capabilities[] = {
	{ CAP_BPF_NR, FOR_PROGRAMS, "CAP_BPF", "no program can be loaded into the kernel" },
	{ CAP_NET_ADMIN, FOR_PROGRAMS, "CAP_NET_ADMIN", "none can be attached to an interface" },
	{ CAP_PERFMON_NR, FOR_PROGRAMS, "CAP_PERFMON", "none may look at sockets and processes" },
	{ CAP_NET_RAW, FOR_SOCKETS, "CAP_NET_RAW", "no packet socket can be opened" },
	{ CAP_SYS_PTRACE, FOR_MORE, "CAP_SYS_PTRACE",
	  "the paths and namespaces of other users' processes that ran before stay unknown" },
};
enum { CAPABILITIES = sizeof(capabilities) / sizeof(capabilities[0]) };

/* CAP_SYS_ADMIN stands for the two that were once part of it. */
static bool capability_lacks(uint64_t caps, size_t i)
{
	const unsigned cap = capabilities[i].cap;

	return !(caps & caps_bit(cap)) && (cap < CAP_PERFMON_NR || !(caps & caps_bit(CAP_SYS_ADMIN)));
}

static void capabilities_missing(uint64_t caps, enum capability_use use, char *text, size_t size)
{
	*text = '\0';
	for (size_t i = 0; i < CAPABILITIES; i++) {
		if (capabilities[i].use == use && capability_lacks(caps, i))
			snprintf(text + strlen(text), size - strlen(text), "%s%s", *text ? ", " : "",
				 capabilities[i].name);
	}
}

static void capabilities_complain(enum log_level level, uint64_t caps, enum capability_use use)
{
	for (size_t i = 0; i < CAPABILITIES; i++) {
		if (capabilities[i].use == use && capability_lacks(caps, i))
			log_msg(level, "without %s %s", capabilities[i].name, capabilities[i].without);
	}
}

static void capabilities_advise(const struct capture *c, const char *missing, bool raw)
{
	char program[4096] = "ptcpdump";
	int n = (int)readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (n > 0)
		program[n] = '\0';
	log_error("no permission to capture: %s missing; run it with sudo, or once 'sudo setcap "
		  "cap_bpf,cap_net_admin,cap_perfmon,cap_sys_ptrace%s+ep %s'%s",
		  missing, c->backend->packet_sockets ? ",cap_net_raw" : "", program,
		  c->backend->programs && raw ? ", or use --backend pcap, which does with less" : "");
}

static int privileges_check(struct capture *c)
{
	char bpf[64], raw[64], missing[sizeof(bpf) + sizeof(raw) + 2];
	bool no_bpf, no_raw;
	struct caps caps;
	int err = caps_get(&caps);

	if (err)
		return err;
	capabilities_missing(caps.effective, FOR_PROGRAMS, bpf, sizeof(bpf));
	capabilities_missing(caps.effective, FOR_SOCKETS, raw, sizeof(raw));
	no_bpf = *bpf && !c->backend->bpf_optional;
	no_raw = *raw && c->backend->packet_sockets;
	if (!no_bpf && !no_raw) {
		c->without_bpf = *bpf;
		if (c->without_bpf)
			log_warn(
				"%s missing: no eBPF, processes are looked up in /proc and short-lived ones are missed",
				bpf);
		capabilities_complain(LOG_WARN, caps.effective, FOR_MORE);
		return 0;
	}
	/* An ordinary user's first try needs no list. */
	if (caps.effective && no_bpf)
		capabilities_complain(LOG_ERROR, caps.effective, FOR_PROGRAMS);
	if (caps.effective && no_raw)
		capabilities_complain(LOG_ERROR, caps.effective, FOR_SOCKETS);
	snprintf(missing, sizeof(missing), "%s%s%s", no_bpf ? bpf : "", no_bpf && no_raw ? ", " : "",
		 no_raw ? raw : "");
	capabilities_advise(c, missing, !*raw);
	return -EPERM;
}

static int filter_compile_for(struct capture *c, int dlt, struct filter_code *code, char err[FILTER_ERR_LEN])
{
	struct filter_compile_opts opts = {
		.dlt = dlt,
		.snaplen = c->config.snaplen,
		.no_optimize = c->config.no_optimize,
		.live = true,
	};

	return filter_compile(c->config.filter, &opts, code, err);
}

/* Compiles for both kinds of devices: one of the other kind may appear later. */
int filters_compile(struct capture *c)
{
	char err_l2[FILTER_ERR_LEN], err_l3[FILTER_ERR_LEN];
	int l2, l3;

	if (!c->config.filter || !*c->config.filter)
		return 0;
	l2 = filter_compile_for(c, DLT_EN10MB, &c->filter_l2, err_l2);
	if (l2 != 0 && l2 != -EOPNOTSUPP) {
		log_error("%s", err_l2);
		return l2;
	}
	l3 = filter_compile_for(c, DLT_RAW, &c->filter_l3, err_l3);
	if (l2 == 0 && l3 == 0)
		return 0;
	for (unsigned i = 0; i < c->nlinks; i++) {
		/* An expression that no interface can match is the user's mistake. */
		if ((c->links[i]->l3 ? l3 : l2) == 0)
			break;
		if (i + 1 == c->nlinks) {
			log_error("%s", c->links[i]->l3 ? err_l3 : err_l2);
			return -EINVAL;
		}
	}
	if (l2 != 0)
		return filter_reject(&c->filter_l2);
	return filter_reject(&c->filter_l3);
}

/* ptr tells events_handle() what it is; NULL: only to wake. */
static int epoll_add(struct capture *c, int fd, uint32_t events, void *ptr)
{
	struct epoll_event event = { .events = events, .data.ptr = ptr };

	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0 ? -errno : 0;
}

/* PTCPDUMP_TC=tcx or clsact forces one of the two ways into tc: for tests, and where tcx is in the way. */
static int mode_choose(struct capture *c, enum attach_mode *ret)
{
	const char *forced = getenv("PTCPDUMP_TC");

	c->backend = backend_find(c->config.backend);
	if (!c->backend) {
		log_error("unknown backend '%s': --backend help lists those that exist", c->config.backend);
		return -EINVAL;
	}
	*ret = ATTACH_AUTO;
	if (!forced || !*forced)
		return 0;
	if (strcmp(forced, "tcx") == 0)
		*ret = ATTACH_TCX;
	else if (strcmp(forced, "clsact") == 0)
		*ret = ATTACH_CLSACT;
	else
		log_warn("PTCPDUMP_TC=%s is neither tcx nor clsact", forced);
	return 0;
}

static int scan_start(struct capture *c)
{
	int err = epoll_add(c, c->scan_fd, EPOLLIN | EPOLLET, &c->scan_fd);

	if (!err)
		err = epoll_add(c, c->inotify_fd, EPOLLIN, &c->inotify_fd);
	if (!err)
		netns_scan(c);
	return err;
}

static int waiting_prepare(struct capture *c)
{
	int err = 0;

	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll_fd >= 0)
		c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->epoll_fd < 0 || c->timer_fd < 0)
		err = -errno;
	/* Edge triggered: setting the timer again is enough, it need not be read. */
	if (!err)
		err = epoll_add(c, c->timer_fd, EPOLLIN | EPOLLET, NULL);
	if (err)
		log_error("cannot wait for packets: %s", strerror(-err));
	return err;
}

static int capture_start(struct capture *c)
{
	int err = mode_choose(c, &c->mode);

	if (!err)
		err = privileges_check(c);
	if (err)
		return err;
	for (const char *const *name = c->config.ifaces; *name; name++)
		c->any |= strcmp(*name, "any") == 0;
	err = waiting_prepare(c);
	if (!err)
		err = netns_init(c);
	if (!err && c->scanning && c->backend->programs)
		err = scan_start(c);
	if (!err)
		err = c->backend->open(c);
	return err;
}

int capture_new(struct capture **ret, const struct capture_config *config, const struct capture_handler *handler)
{
	struct capture *c = calloc(1, sizeof(*c));
	int err = -ENOMEM;

	if (!c)
		return err;
	c->config = *config;
	c->handler = *handler;
	if (c->config.snaplen == 0 || c->config.snaplen > SNAPLEN_MAX)
		c->config.snaplen = SNAPLEN_MAX;
	c->epoll_fd = c->timer_fd = c->own_netns_fd = c->scan_fd = c->inotify_fd = -1;
	c->clock_offset = clock_offset_get();
	c->lag_ns = MERGE_LAG_NS;
	c->vlan_buf = malloc(c->config.snaplen + 4);
	libbpf_set_print(bpf_message);
	if (c->vlan_buf)
		err = capture_start(c);
	if (err) {
		capture_free(c);
		return err;
	}
	*ret = c;
	return 0;
}

/* Splits the memory evenly: ring sizes are powers of two, so what is left over stays unused. */
static int rings_plan(struct capture *c)
{
	size_t total = c->config.ring_bytes ? c->config.ring_bytes : RING_BYTES;
	int ncpus = libbpf_num_possible_cpus();

	if (ncpus <= 0)
		return ncpus;
	c->nrings = ncpus < RINGS_MAX ? (unsigned)ncpus : RINGS_MAX;
	c->ring_size = (size_t)sysconf(_SC_PAGESIZE);
	while (c->ring_size * 2 * c->nrings <= total && c->ring_size < RING_SIZE_MAX)
		c->ring_size *= 2;
	return 0;
}

static struct bpf_map *ring_map(const struct capture *c, unsigned n)
{
	char name[24];

	snprintf(name, sizeof(name), "ptcp_ring%u", n);
	return bpf_object__find_map_by_name(c->skel->obj, name);
}

static int rings_prepare(struct capture *c)
{
	for (unsigned i = 0; i < RINGS_MAX; i++) {
		struct bpf_map *map = ring_map(c, i);
		int err = i < c->nrings && c->backend->programs ? bpf_map__set_max_entries(map, (uint32_t)c->ring_size)
								: bpf_map__set_autocreate(map, false);

		if (err)
			return err;
	}
	return 0;
}

static bool kernel_since(unsigned major, unsigned minor)
{
	unsigned has_major = 0, has_minor = 0;
	struct utsname u;

	return uname(&u) == 0 && sscanf(u.release, "%u.%u", &has_major, &has_minor) == 2 &&
	       (has_major > major || (has_major == major && has_minor >= minor));
}

static int tracepoints_choose(struct ptcpdump *skel)
{
	int err = bpf_program__set_attach_target(skel->progs.ptcp_queue, 0, "net_dev_queue");

	return err ? err : bpf_program__set_attach_target(skel->progs.ptcp_receive, 0, "netif_receive_skb");
}

/* Verifying a program takes some 10 ms: only those that the devices need. */
static int programs_choose(struct capture *c)
{
	const bool tracepoints = strcmp(c->backend->name, "tp-btf") == 0;
	const bool sockets = strcmp(c->backend->name, "socket-filter") == 0;
	struct ptcpdump *skel = c->skel;
	bool need[2] = { c->any || c->any_netns, c->any || c->any_netns };

	for (unsigned i = 0; i < c->nlinks; i++)
		need[c->links[i]->l3] = true;
	if (strcmp(c->backend->name, "tc") != 0)
		need[0] = need[1] = false;
	bpf_program__set_autoload(skel->progs.ptcp_l2, need[0]);
	bpf_program__set_autoload(skel->progs.ptcp_l3, need[1]);
	bpf_program__set_autoload(skel->progs.ptcp_sock, sockets);
	bpf_program__set_autoload(skel->progs.ptcp_sock_enter, sockets);
	bpf_program__set_autoload(skel->progs.ptcp_cg_out, c->backend->raw_ip && c->config.direction != DIR_IN);
	bpf_program__set_autoload(skel->progs.ptcp_cg_in, c->backend->raw_ip && c->config.direction != DIR_OUT);
	bpf_program__set_autoload(skel->progs.ptcp_queue, tracepoints && c->config.direction != DIR_IN);
	bpf_program__set_autoload(skel->progs.ptcp_receive, tracepoints && c->config.direction != DIR_OUT);
	return tracepoints ? tracepoints_choose(skel) : 0;
}

/* -ENOENT is no error: the programs do without. */
static int kfuncs_prepare(struct capture *c)
{
	struct ptcpdump *skel = c->skel;
	struct bpf_program *const tasks[] = { skel->progs.ptcp_flow_out, skel->progs.ptcp_flow_in,
					      skel->progs.ptcp_cg_out, skel->progs.ptcp_cg_in };
	struct bpf_program *const tracepoints[] = { skel->progs.ptcp_queue, skel->progs.ptcp_receive };
	int err = 0;

	/* 6.10 has the functions, but 6.13 still refuses calls of global functions in between. */
	if (c->config.flows && kernel_since(6, 14)) {
		err = kfuncs_link(tasks, sizeof(tasks) / sizeof(tasks[0]));
		skel->rodata->owner_preempt_off = !err;
	}
	/* For tracepoints since then. */
	if ((!err || err == -ENOENT) && strcmp(c->backend->name, "tp-btf") == 0 && kernel_since(6, 12)) {
		err = kfuncs_link(tracepoints, sizeof(tracepoints) / sizeof(tracepoints[0]));
		skel->rodata->tap_fragments = !err;
	}
	return err == -ENOENT ? 0 : err;
}

static int skeleton_prepare(struct capture *c)
{
	uint32_t record_max = (uint32_t)sizeof(struct event_packet) + c->config.snaplen;
	struct ptcpdump *skel = c->skel;
	char text[FILTER_ERR_LEN];
	int err;

	skel->rodata->packet_snaplen = c->config.snaplen;
	skel->rodata->ring_count = c->backend->programs ? c->nrings : 1;
	skel->rodata->only_netns = c->nnetns == 1 && !c->any_netns ? c->netns[0]->inode : 0;
	skel->rodata->any_netns = c->any_netns;
	if (!c->any_netns)
		bpf_map__set_max_entries(skel->maps.ptcp_netns, 1);
	if (c->backend->programs) {
		bpf_map__set_max_entries(skel->maps.ptcp_scratch,
					 (uint32_t)libbpf_num_possible_cpus() *
						 (c->backend->raw_ip ? SCRATCH_SLOTS_NESTED : SCRATCH_SLOTS));
		bpf_map__set_value_size(skel->maps.ptcp_scratch, (record_max + 7) & ~7U);
	}
	skel->rodata->owner_nested = c->config.flows;
	skel->rodata->tap_in = c->config.direction != DIR_OUT;
	skel->rodata->tap_out = c->config.direction != DIR_IN;
	err = programs_choose(c);
	if (!err)
		err = kfuncs_prepare(c);
	if (!err)
		err = rings_prepare(c);
	if (!err)
		err = attrib_prepare(c->attrib, skel->obj);
	if (err || !c->backend->programs || !c->config.filter || !*c->config.filter)
		return err;
	err = filter_inject_set(c->inject, skel->obj, c->filter_in_user ? NULL : &c->filter_l2,
				c->filter_in_user ? NULL : &c->filter_l3, text);
	if (err)
		log_debug("%s", text);
	return err;
}

/* Loads; a part that this kernel refuses is left out, and it is tried again. */
static int skeleton_load(struct capture *c, const char *btf)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = *btf ? btf : NULL);

	for (;;) {
		int err;

		c->skel = ptcpdump__open_opts(&opts);
		if (!c->skel)
			return -errno;
		err = skeleton_prepare(c);
		if (!err)
			err = ptcpdump__load(c->skel);
		if (!err)
			return 0;
		if (!attrib_retry(c->attrib)) {
			if (c->filter_in_user || !c->backend->programs || !c->config.filter || !filter_refused(err))
				return err;
			log_warn(
				"the kernel finds the filter too large: every packet is copied and filtered afterwards");
			c->filter_in_user = true;
		}
		ptcpdump__destroy(c->skel);
		c->skel = NULL;
	}
}

uint64_t process_start_time(uint32_t pid)
{
	struct procfs_stat st;

	return procfs_stat(pid, &st) || st.state == 'Z' ? 0 : st.start;
}

static int control_map(struct capture *c)
{
	struct stat st;
	void *p = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(c->skel->maps.ptcp_control), 0);

	if (p == MAP_FAILED)
		return -errno;
	c->control = p;
	c->control->wake_fill = c->ring_size / 100 * FILL_PERCENT;
	c->control->owner_pid = (uint32_t)getpid();
	c->control->owner_start = process_start_time(c->control->owner_pid);
	if (stat("/proc/self/ns/pid", &st) == 0)
		c->control->owner_pidns = (uint32_t)st.st_ino;
	return 0;
}

static int rings_open(struct capture *c)
{
	size_t record_max = sizeof(struct event_packet) + c->config.snaplen;
	int err = 0;

	for (unsigned i = 0; !err && i < c->nrings; i++)
		err = ring_open(&c->rings[i], bpf_map__fd(ring_map(c, i)), c->ring_size, record_max);
	if (!err)
		err = ring_open(&c->wake_ring, bpf_map__fd(c->skel->maps.ptcp_wake_ring),
				bpf_map__max_entries(c->skel->maps.ptcp_wake_ring), 0);
	if (!err)
		err = epoll_add(c, bpf_map__fd(c->skel->maps.ptcp_wake_ring), EPOLLIN | EPOLLET, NULL);
	return err;
}

/* Of our programs, only those that tell about processes and sockets are of use, and none has to be. */
static int load_optional(struct capture *c)
{
	void *p = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char btf[PATH_MAX];
	int err;

	if (p == MAP_FAILED)
		return -errno;
	c->control = p;
	c->bare_config = c->config;
	c->bare_config.attribution = false;
	c->config.flows = true;
	if (c->without_bpf || !c->config.attribution)
		return attrib_new(&c->attrib, &c->bare_config);
	err = attrib_new(&c->attrib, &c->config);
	if (!err)
		err = kernel_btf_find(c->config.kernel_btf, btf);
	if (!err)
		err = skeleton_load(c, btf);
	if (!err)
		return 0;
	log_warn(
		"cannot load the eBPF programs (%s): processes are looked up in /proc, and short-lived ones are missed",
		strerror(-err));
	ptcpdump__destroy(c->skel);
	c->skel = NULL;
	attrib_free(c->attrib);
	c->attrib = NULL;
	return attrib_new(&c->attrib, &c->bare_config);
}

static int load_needed(struct capture *c)
{
	char btf[PATH_MAX];
	int err = kernel_btf_find(c->config.kernel_btf, btf);

	if (err)
		return err;
	c->config.flows = c->backend->flows;
	err = attrib_new(&c->attrib, &c->config);
	if (!err)
		err = filter_inject_new(&c->inject);
	if (!err)
		err = rings_plan(c);
	if (!err)
		err = skeleton_load(c, btf);
	if (!err)
		err = control_map(c);
	if (!err)
		err = rings_open(c);
	if (!err && c->backend->flows && c->config.attribution)
		err = owners_new(&c->owners, bpf_map__fd(c->skel->maps.ptcp_flows),
				 bpf_map__fd(c->skel->maps.ptcp_cookies));
	return err;
}

int capture_load(struct capture *c)
{
	int err;

	if (!c->backend->programs) {
		err = load_optional(c);
		if (!err)
			err = ring_open_local(&c->wake_ring, (size_t)sysconf(_SC_PAGESIZE));
		if (err)
			log_error("cannot prepare the capture: %s", strerror(-err));
		return err;
	}
	err = load_needed(c);
	if (err)
		log_error("cannot load the eBPF programs: %s; --log-level debug shows why", strerror(-err));
	return err;
}

/* A process event may be the first sign of a new namespace. */
static void process_handle(void *arg, uint32_t type, const void *event, size_t size)
{
	struct capture *c = arg;
	const struct event_netns *news = event;
	const struct event_task *task = NULL;

	if (type == EVENT_NETNS) {
		netns_seen(c, news->netns, news->tid);
		return;
	}
	if (type == EVENT_EXEC)
		task = &((const struct event_exec *)event)->task;
	else if (type == EVENT_FORK)
		task = &((const struct event_fork *)event)->child;
	if (task)
		netns_seen(c, task->netns, task->tgid);
	c->handler.process(c->handler.arg, type, event, size);
}

int capture_set_cgroup(struct capture *c, uint64_t cgroup, bool match)
{
	return attrib_set_cgroup(c->attrib, cgroup, match);
}

int capture_fd(const struct capture *c)
{
	return c->epoll_fd;
}

static void timer_set(struct capture *c, uint64_t ns)
{
	struct itimerspec spec = { .it_value = { .tv_nsec = (long)ns } };

	timerfd_settime(c->timer_fd, 0, &spec, NULL);
}

int capture_attach(struct capture *c)
{
	const struct capture_handler handler = { .arg = c, .process = process_handle };
	int err = attrib_attach(c->attrib, c->skel ? c->skel->obj : NULL, &handler);

	if (!err && attrib_fd(c->attrib) >= 0)
		err = epoll_add(c, attrib_fd(c->attrib), EPOLLIN, NULL);
	if (!err && attrib_scan_first(c->attrib))
		err = attrib_scan(c->attrib);
	if (!err)
		err = c->backend->attach(c);
	if (!err && !attrib_scan_first(c->attrib))
		err = attrib_scan(c->attrib);
	c->running = true;
	/* The fd is readable at once: until a poll has prepared the sleep, no packet wakes anybody. */
	timer_set(c, 1);
	return err;
}

static void wake_set(struct capture *c, uint32_t wake)
{
	__atomic_store_n(&c->control->wake, wake, __ATOMIC_SEQ_CST);
	/* Pairs with the commit of a record, which is a full barrier: see reader_wake() in bpf/maps.bpf.h. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static bool rings_empty(struct capture *c)
{
	for (unsigned i = 0; i < c->nrings; i++) {
		ring_refresh(&c->rings[i]);
		if (c->rings[i].pos != c->rings[i].limit)
			return false;
	}
	return true;
}

/* Decides what makes capture_fd() readable next, after a poll that delivered n packets. */
static void sleep_prepare(struct capture *c, int n)
{
	if (n >= BATCH) {
		timer_set(c, 1);
		return;
	}
	if (n == 0 && rings_empty(c)) {
		wake_set(c, WAKE_ANY);
		if (rings_empty(c)) {
			timer_set(c, c->pending ? BATCH_NS : 0);
			return;
		}
	}
	wake_set(c, WAKE_FILL);
	/* Packets too young to be merged, else the next batch. */
	timer_set(c, n == 0 ? 2 * MERGE_LAG_NS : BATCH_NS);
}

static int event_handle(struct capture *c, void *ptr)
{
	struct netns *ns = ptr;

	if (!ptr)
		return 0;
	if (ptr == &c->scan_fd)
		netns_scan(c);
	else if (ptr == &c->inotify_fd)
		netns_named(c);
	else if (!ns->ended)
		return links_news(c, ns);
	return 0;
}

/* News of interfaces, and what woke us. */
static int events_handle(struct capture *c, int timeout_ms)
{
	struct epoll_event events[16];
	int n = epoll_wait(c->epoll_fd, events, sizeof(events) / sizeof(events[0]), timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		int err = event_handle(c, events[i].data.ptr);

		if (err) {
			log_error("network devices: %s", strerror(-err));
			return err;
		}
	}
	ring_refresh(&c->wake_ring);
	c->wake_ring.pos = c->wake_ring.limit;
	ring_release(&c->wake_ring);
	return 0;
}

static int batch_deliver(struct capture *c)
{
	uint64_t limit = now_ns(CLOCK_MONOTONIC) - c->lag_ns;
	int err = c->backend->collect ? c->backend->collect(c) : 0;

	/* All that happened before the packets up to the limit is in the process ring by now. */
	if (!err)
		err = attrib_consume(c->attrib);

	return err < 0 ? err : deliver(c, limit, BATCH, false);
}

int capture_poll(struct capture *c, int timeout_ms)
{
	int err = events_handle(c, 0), n = 0;

	for (;;) {
		if (!err)
			n = batch_deliver(c);
		if (err || n < 0)
			return err ? err : n;
		if (links_all_gone(c))
			break;
		if (c->pending && c->backend->programs)
			err = links_attach_due(c);
		if (err)
			return err;
		sleep_prepare(c, n);
		if (n > 0 || timeout_ms == 0)
			return n;
		/* Timers of packets that are too young may wake us in between: the time-out is then a little longer. */
		err = events_handle(c, timeout_ms);
		if (timeout_ms > 0)
			timeout_ms = 0;
	}
	err = capture_drain(c);
	if (err)
		return err;
	log_error("the interface disappeared");
	return -ENODEV;
}

int capture_drain(struct capture *c)
{
	int n;

	if (!c->control)
		return 0;
	if (!c->stopped) {
		c->stopped = true;
		c->backend->stop(c);
	}
	do {
		n = c->backend->collect ? c->backend->collect(c) : 0;
		if (n == 0)
			n = attrib_consume(c->attrib);
		if (n >= 0)
			n = deliver(c, UINT64_MAX, BATCH, true);
	} while (n > 0 || (n == 0 && c->backend->wait && c->backend->wait(c)));
	return n;
}

void capture_stats(const struct capture *c, struct capture_stats *ret)
{
	memset(ret, 0, sizeof(*ret));
	c->backend->count(c);
	for (unsigned i = 0; i < c->nlinks; i++) {
		ret->received += c->links[i]->iface.received;
		ret->dropped += c->links[i]->iface.dropped;
	}
	ret->captured = c->captured;
}

int capture_probe(FILE *out)
{
	return attrib_probe(out);
}

static void fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

void capture_free(struct capture *c)
{
	if (!c)
		return;
	if (c->attrib && attrib_lost(c->attrib))
		log_warn(
			"%llu events of processes came faster than they were read and are lost: some names are missing",
			(unsigned long long)attrib_lost(c->attrib));
	if (c->backend)
		c->backend->close(c);
	attrib_free(c->attrib);
	owners_free(c->owners);
	for (unsigned i = 0; i < c->nrings; i++)
		ring_close(&c->rings[i]);
	ring_close(&c->wake_ring);
	if (c->control)
		munmap(c->control, (size_t)sysconf(_SC_PAGESIZE));
	ptcpdump__destroy(c->skel);
	filter_inject_free(c->inject);
	filter_done(&c->filter_l2);
	filter_done(&c->filter_l3);
	links_free(c);
	fd_close(c->own_netns_fd);
	fd_close(c->scan_fd);
	fd_close(c->inotify_fd);
	fd_close(c->epoll_fd);
	fd_close(c->timer_fd);
	free(c->vlan_buf);
	free(c);
}
