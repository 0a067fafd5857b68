/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/attrib.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <ptcpdump/owner.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/attrib_events.h"
#include "capture/attrib_hooks.h"
#include "capture/attrib_scan.h"
#include "capture/refusal.h"
#include "capture/sections.h"
#include "ptcpdump.skel.h"
#include "util/cgroup2.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/pidns.h"

#define VERIFIER_LOG 4096

struct attrib {
	const struct capture_config *config;
	struct capture_handler handler;
	struct hook_support support;
	int waiting;   /* hooks that are attached when a program asks for them */
	int cgroup;    /* where; -1: not here, or no more */
	bool tried;    /* what this process may have */
	bool all_pass; /* a program at cgroup skb egress can be attached where every socket's packets pass */
	struct pidns pids;
	struct bpf_link *links[HOOKS_MAX];
	int more_links[HOOKS_MAX]; /* descriptors, of hooks whose program is another's; 0 none */
	char *logs[HOOKS_MAX];	   /* verifier logs: one that is not empty names the program that was refused */
	struct ptcpdump *skel;
	struct sections *sections;
	struct events events;
	bool told;   /* something is told of processes */
	int ring_fd; /* -1: nobody wakes us when it is */
	uint32_t filter;
};

static uint32_t filter_of(const struct capture_config *c)
{
	uint32_t f = 0;

	if (c->npids)
		f |= SELECT_PID;
	if (c->pnames && c->pnames[0])
		f |= SELECT_NAME;
	if (c->nuids)
		f |= SELECT_UID;
	if (c->container_filter)
		f |= SELECT_CGROUP;
	return f;
}

/* In a cgroup namespace we see the root of that only; one program that suffers no others keeps them out. */
static bool egress_sees_all(int cgroup)
{
	uint32_t flags = 0, n = 0;

	return cgroup2_is_root(cgroup) && (bpf_prog_query(cgroup, BPF_CGROUP_INET_EGRESS, 0, &flags, NULL, &n) ||
					   n == 0 || (flags & BPF_F_ALLOW_MULTI));
}

/* What only backends whose packets no program can tell the socket of have a use for. */
static bool hook_meant(const struct hook *hook, const struct capture_config *config)
{
	return (hook->kind != HOOK_FLOW && hook->kind != HOOK_RAW_FLOW) || config->flows;
}

int attrib_new(struct attrib **ret, const struct capture_config *config)
{
	struct attrib *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	a->config = config;
	a->filter = filter_of(config);
	a->pids = pidns_of_proc();
	a->cgroup = a->ring_fd = -1;
	if (config->attribution) {
		err = hooks_probe(&a->support);
		if (err) {
			free(a);
			return err;
		}
		a->cgroup = a->support.has[KERNEL_CGROUP2] ? cgroup2_open() : -1;
		a->all_pass = egress_sees_all(a->cgroup);
	}
	for (size_t i = 0; i < hooks_count; i++)
		a->support.usable[i] = a->support.usable[i] && hook_meant(&hooks[i], config);
	*ret = a;
	return 0;
}

/* Maps that nobody will fill take no memory. */
static void shrink_maps(const struct ptcpdump *skel)
{
	bpf_map__set_max_entries(skel->maps.ptcp_cookies, 1);
	bpf_map__set_max_entries(skel->maps.ptcp_flows, 1);
	bpf_map__set_max_entries(skel->maps.ptcp_pids, 1);
	bpf_map__set_max_entries(skel->maps.ptcp_cgroups, 1);
	bpf_map__set_max_entries(skel->maps.ptcp_judged, 1);
	bpf_map__set_max_entries(skel->maps.ptcp_ended, 1);
	bpf_map__set_max_entries(skel->maps.ptcp_process, (uint32_t)sysconf(_SC_PAGESIZE));
	bpf_map__set_max_entries(skel->maps.ptcp_shorts, 1);
	bpf_map__set_max_entries(skel->maps.ptcp_longs, 1);
}

static bool hook_usable(const struct attrib *a, size_t program)
{
	return a->support.usable[hook_row(program)];
}

static bool hook_attached(const struct attrib *a, size_t program)
{
	return a->links[hook_row(program)];
}

/* The running task can be told from who was interrupted. */
static bool egress_tells_senders(const struct attrib *a)
{
	return a->all_pass && hook_usable(a, offsetof(struct ptcpdump, progs.ptcp_skb)) &&
	       a->support.has[KERNEL_SOFTIRQ_STACK];
}

static bool hook_needless(const struct attrib *a, size_t i)
{
	if (hooks[i].instead == offsetof(struct ptcpdump, progs.ptcp_skb))
		return egress_tells_senders(a);
	return hook_replaced(&a->support, i);
}

/* Each costs all users of sockets something: none without need. */
static bool hook_needed(const struct attrib *a, size_t i)
{
	return a->support.usable[i] && !hook_needless(a, i) && (!hooks[i].shared || hook_usable(a, hooks[i].program));
}

static int hook_prepare(struct attrib *a, struct bpf_program *prog, size_t i)
{
	const bool needed = hook_needed(a, i);

	if (hooks[i].shared)
		return 0;
	bpf_program__set_autoload(prog, needed);
	if (!needed)
		return 0;
	if (!a->logs[i])
		a->logs[i] = malloc(VERIFIER_LOG);
	if (!a->logs[i])
		return -ENOMEM;
	a->logs[i][0] = '\0';
	return bpf_program__set_log_buf(prog, a->logs[i], VERIFIER_LOG);
}

int attrib_prepare(struct attrib *a, struct ptcpdump *skel)
{
	a->skel = skel;
	for (size_t i = 0; i < hooks_count; i++) {
		int err = hook_prepare(a, hook_program(&hooks[i], skel), i);

		if (err)
			return err;
	}
	skel->rodata->attrib_off = !a->config->attribution;
	if (!a->config->attribution) {
		shrink_maps(skel);
		return events_prepare(skel, kernel_has(KERNEL_RINGBUF));
	}
	skel->rodata->select_kinds = a->filter;
	skel->rodata->select_follow = a->config->follow_forks;
	skel->rodata->shown_pidns = a->pids.initial ? 0 : a->pids.inode;
	skel->rodata->attrib_egress_told = egress_tells_senders(a);
	skel->rodata->attrib_bind_certain = !hook_usable(a, offsetof(struct ptcpdump, progs.ptcp_recv_len));
	kernel_tell(a->support.has, skel->rodata);
	if (a->pids.initial)
		bpf_map__set_max_entries(skel->maps.ptcp_outside, 1);
	if (!(a->filter & (SELECT_PID | SELECT_NAME)) && !a->config->follow_forks)
		bpf_map__set_max_entries(skel->maps.ptcp_pids, 1);
	if (!(a->filter & SELECT_CGROUP)) {
		bpf_map__set_max_entries(skel->maps.ptcp_cgroups, 1);
		bpf_map__set_max_entries(skel->maps.ptcp_judged, 1);
	}
	return events_prepare(skel, a->support.has[KERNEL_RINGBUF]);
}

int attrib_sections(struct attrib *a, struct sections *ret)
{
	int err = 0;

	a->sections = ret;
	for (size_t i = 0; i < hooks_count && !err; i++) {
		if (!a->support.usable[i])
			continue;
		if (hooks[i].kind == HOOK_TP_BTF)
			err = sections_add(ret, SECTION_TRACEPOINT, hooks[i].target, hooks[i].demand);
		else if (hooks[i].kind == HOOK_ITER)
			err = sections_add(ret, SECTION_ITERATOR, hooks[i].target, false);
		else if (hooks[i].kind == HOOK_FENTRY)
			err = sections_add(ret, SECTION_FUNCTION, hooks[i].target, false);
	}
	return err;
}

static void give_up(struct attrib *a, size_t i, const char *why)
{
	a->support.usable[i] = false;
	a->support.why[i] = why;
}

/* What the verifier did not get to see, or a helper that others have. */
static bool was_refused(const struct attrib *a, int err)
{
	for (size_t i = 0; i < hooks_count; i++) {
		if (a->support.usable[i] && a->logs[i] && a->logs[i][0])
			return strstr(a->logs[i], "unknown func bpf_probe_read") ||
			       strstr(a->logs[i], "cannot use helper bpf_probe_read");
	}
	return refusal_is(err);
}

bool attrib_retry(struct attrib *a, int err)
{
	if (!a->tried && was_refused(a, err)) {
		a->tried = true;
		if (hooks_try(&a->support))
			return true;
	}
	for (size_t i = 0; i < hooks_count; i++) {
		if (!a->support.usable[i] || !a->logs[i] || !a->logs[i][0])
			continue;
		log_debug("verifier on \"%s\":", bpf_program__name(hook_program(&hooks[i], a->skel)));
		log_end(LOG_DEBUG, a->logs[i]);
		if ((hooks[i].kind == HOOK_TP_BTF || hooks[i].kind == HOOK_FENTRY) &&
		    a->support.has[KERNEL_TRACE_STORAGE])
			a->support.has[KERNEL_TRACE_STORAGE] = false;
		else
			give_up(a, i, "the kernel's verifier refuses it");
		return true;
	}
	return false;
}

static int fill_filters(struct attrib *a)
{
	const int names = bpf_map__fd(a->skel->maps.ptcp_names), uids = bpf_map__fd(a->skel->maps.ptcp_uids);
	const struct capture_config *c = a->config;
	uint32_t one = SELECT_PID_LIVE | (c->decided ? SELECT_PID_GIVEN : 0);
	char key[SELECT_NAME_LEN];
	int err = 0;

	for (size_t i = 0; c->pnames && c->pnames[i] && !err; i++) {
		memset(key, 0, sizeof(key));
		strncpy(key, c->pnames[i], sizeof(key) - 1);
		err = bpf_map_update_elem(names, key, &one, BPF_ANY);
		/* As comm, the kernel keeps its beginning. */
		memset(key + EVENT_COMM_LEN - 1, 0, sizeof(key) - (EVENT_COMM_LEN - 1));
		if (!err)
			err = bpf_map_update_elem(names, key, &one, BPF_ANY);
	}
	for (size_t i = 0; i < c->nuids && !err; i++)
		err = bpf_map_update_elem(uids, &c->uids[i], &one, BPF_ANY);
	for (size_t i = 0; i < c->npids && !err; i++)
		err = bpf_map_update_elem(bpf_map__fd(a->skel->maps.ptcp_pids), &c->pids[i], &one, BPF_ANY);
	if (err)
		log_error("the process filter does not fit into the kernel: %s", strerror(-err));
	return err;
}

/* BPF_CGROUP_MAX_PROGS of the kernel. Unlike what a kernel lacks, this is cured by ending some. */
static const char cgroup_is_full[] = "64 programs are at its cgroup already, those of other captures among them";

static void give_up_attach(struct attrib *a, size_t i, int err)
{
	if (err == E2BIG)
		give_up(a, i, cgroup_is_full);
	else
		give_up(a, i, refusal_is(-err) && err != EINVAL ? hook_refused : strerrorname_np(err));
}

static void attach_hook(struct attrib *a, size_t i)
{
	struct bpf_program *prog = hook_program(&hooks[i], a->skel);

	const int err = sections_load(a->sections, prog);

	if (err) {
		give_up(a, i, strerrorname_np(-err));
		return;
	}
	if (hooks[i].shared) {
		a->more_links[i] = bpf_link_create(bpf_program__fd(prog), a->cgroup, hooks[i].attach, NULL);
		if (a->more_links[i] < 0) {
			give_up_attach(a, i, -a->more_links[i]);
			a->more_links[i] = 0;
		}
		return;
	}
	if (hooks[i].kind == HOOK_CGROUP || hooks[i].kind == HOOK_FLOW) {
		a->links[i] = bpf_program__attach_cgroup(prog, a->cgroup);
		if (!a->links[i])
			give_up_attach(a, i, errno);
		return;
	}
	a->links[i] = hook_attach(i, a->skel);
	if (!a->links[i])
		give_up_attach(a, i, errno);
}

static void cgroup_close(struct attrib *a)
{
	if (a->cgroup >= 0)
		close(a->cgroup);
	a->cgroup = -1;
}

/* The iterator shows the processes of our own pid namespace. */
static struct bpf_program *iterator_of(const struct attrib *a)
{
	if (!a->pids.ours)
		return NULL;
	for (size_t i = 0; i < hooks_count; i++) {
		if (hooks[i].kind == HOOK_ITER && a->support.usable[i])
			return hook_program(&hooks[i], a->skel);
	}
	return NULL;
}

/* For the others, the iterator sees who shares a socket already, and sock_recv_length who begins to, or ptcp_udp_read. */
static bool may_wait(const struct attrib *a, enum hook_demand what)
{
	if (what == DEMAND_SENDERS)
		return egress_tells_senders(a);
	if (!iterator_of(a) || !a->support.has[KERNEL_TRACE_STORAGE])
		return false;
	return hook_usable(a, offsetof(struct ptcpdump, progs.ptcp_recv_len)) ||
	       (what == DEMAND_RECEIVERS && hook_attached(a, offsetof(struct ptcpdump, progs.ptcp_udp_read)));
}

static void hook_say_lost(const struct attrib *a, size_t i)
{
	const char *why = a->support.why[i] ? a->support.why[i] : "missing";

	/* A backend for such kernels was chosen, or another hook tells the same. */
	if (why == hook_too_old || hook_stood_in(&a->support, i))
		return;
	log_msg(why == cgroup_is_full ? LOG_WARN : LOG_INFO, "no \"%s\" (%s): %s", hooks[i].target, why, hooks[i].lost);
}

/* Once for all of them: what each costs is said at info. */
static void say_refused(const struct attrib *a)
{
	const char *why;

	for (size_t i = 0; i < hooks_count; i++) {
		if (a->support.why[i] != hook_refused)
			continue;
		why = refusal_find();
		log_warn(
			"hooks are refused, so owners are looked up in /proc or stay unknown (--log-level info names them): %s",
			why ? why : "a security module or a filter of system calls refuses some programs");
		return;
	}
}

/* What is needed because another could not be attached was not loaded. */
static bool hook_loaded(struct attrib *a, size_t i)
{
	if (bpf_program__autoload(hook_program(&hooks[i], a->skel)))
		return true;
	give_up(a, i, "not loaded");
	return false;
}

static void attach_hooks(struct attrib *a)
{
	for (size_t i = 0; i < hooks_count; i++) {
		if (!hooks[i].demand && hooks[i].kind != HOOK_ITER && hook_needed(a, i) && hook_loaded(a, i))
			attach_hook(a, i);
	}
	/* NULL: see sockets_are_listed(). */
	if (a->skel->bss)
		a->skel->bss->attrib_reads_told =
			hook_attached(a, offsetof(struct ptcpdump, progs.ptcp_udp_read)) ||
			hook_attached(a, offsetof(struct ptcpdump, progs.ptcp_udp_read_probed));
	/* Now it is known which of those there are that ask for them. */
	for (size_t i = 0; i < hooks_count; i++) {
		if (!hooks[i].demand || !hook_needed(a, i) || !hook_loaded(a, i))
			continue;
		if (may_wait(a, hooks[i].demand))
			a->waiting++;
		else
			attach_hook(a, i);
	}
	if (!a->waiting)
		cgroup_close(a);
	for (size_t i = 0; i < hooks_count; i++) {
		if (!a->support.usable[i] && !hook_needless(a, i) && hook_meant(&hooks[i], a->config))
			hook_say_lost(a, i);
	}
	say_refused(a);
}

static bool demanded(const struct attrib *a, enum hook_demand what)
{
	const struct ptcpdump__bss *bss = a->skel->bss;

	switch (what) {
	case DEMAND_RECEIVERS: return __atomic_load_n(&bss->attrib_receivers, __ATOMIC_RELAXED);
	case DEMAND_HEARERS: return __atomic_load_n(&bss->attrib_hearers, __ATOMIC_RELAXED);
	case DEMAND_SENDERS: return __atomic_load_n(&bss->attrib_senders, __ATOMIC_RELAXED);
	default: return false;
	}
}

static void attach_on_demand(struct attrib *a)
{
	for (size_t i = 0; i < hooks_count && a->waiting; i++) {
		if (!hooks[i].demand || a->links[i] || a->more_links[i] || !hook_needed(a, i) ||
		    !demanded(a, hooks[i].demand))
			continue;
		attach_hook(a, i);
		a->waiting--;
		if (a->support.usable[i])
			log_debug("\"%s\" is needed now", hooks[i].target);
		else
			hook_say_lost(a, i);
	}
	if (!a->waiting)
		cgroup_close(a);
}

/* By user space, in ptcp_cookies: who shares them is not known. */
static void sockets_are_listed(struct attrib *a)
{
	struct ptcpdump__bss *bss = a->skel->bss;

	/* Programs that need to know are not loaded where it cannot be said. */
	if (!bss)
		return;
	__atomic_store_n(&bss->attrib_listed, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&bss->attrib_moved, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&bss->attrib_receivers, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&bss->attrib_hearers, 1, __ATOMIC_RELEASE);
}

int attrib_attach(struct attrib *a, const struct capture_handler *handler)
{
	int err;

	if (!a->config->attribution)
		return 0;
	a->handler = *handler;
	a->ring_fd = events_open(&a->events, a->skel, &err);
	a->told = !err;
	if (!err)
		err = fill_filters(a);
	if (err)
		return err;
	/* What the hooks tell meanwhile has to be where the scan puts the rest. */
	if (!iterator_of(a))
		sockets_are_listed(a);
	attach_hooks(a);
	/* After the hooks, so that a process started meanwhile is seen by one or the other. */
	if ((a->filter & SELECT_NAME) || (a->filter && a->config->follow_forks))
		return scan_filter_pids(bpf_map__fd(a->skel->maps.ptcp_pids), a->config);
	return 0;
}

static int run_iterator(struct attrib *a, struct bpf_program *prog)
{
	struct bpf_link *link = bpf_program__attach_iter(prog, NULL);
	int fd, err = 0;
	char sink[64];
	ssize_t n;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0) {
		err = fd;
		goto out;
	}
	/* The program writes nothing; the kernel still returns after a bounded number of files, to be asked again. */
	while ((n = read(fd, sink, sizeof(sink))) > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		;
	if (n < 0)
		err = -errno;
	close(fd);
out:
	bpf_link__destroy(link);
	return err;
}

bool attrib_tells_flows(const struct attrib *a)
{
	for (size_t i = 0; i < hooks_count; i++) {
		if (hooks[i].kind == HOOK_FLOW && !a->links[i])
			return false;
	}
	return true;
}

/* Others than raw tracepoints go by the sockets' storage or cookies, which a scan tells of. */
static bool sockets_matter(const struct attrib *a)
{
	for (size_t i = 0; i < hooks_count; i++) {
		if (a->support.usable[i] && hooks[i].kind != HOOK_RAW_TP && hooks[i].kind != HOOK_RAW_FLOW)
			return true;
	}
	return false;
}

bool attrib_scan_first(const struct attrib *a)
{
	return a->config->attribution && sockets_matter(a) && !iterator_of(a);
}

int attrib_scan(struct attrib *a)
{
	struct bpf_program *prog;
	const uint64_t start = clock_ns(CLOCK_MONOTONIC);
	int err;

	if (!a->config->attribution || !sockets_matter(a))
		return 0;
	prog = iterator_of(a);
	err = prog ? run_iterator(a, prog) : -ENOENT;
	if (err) {
		sockets_are_listed(a);
		err = scan_sockets(bpf_map__fd(a->skel->maps.ptcp_cookies));
	}
	if (err)
		log_info("sockets that existed before are known from their first use only: %s", strerror(-err));
	log_debug("looked at the sockets that exist in %llu us",
		  (unsigned long long)((clock_ns(CLOCK_MONOTONIC) - start) / NSEC_PER_USEC));
	if (a->skel->bss)
		__atomic_store_n(&a->skel->bss->attrib_scanned, 1, __ATOMIC_RELAXED);
	attach_on_demand(a);
	return 0;
}

int attrib_fd(const struct attrib *a)
{
	return a->ring_fd;
}

int attrib_consume(struct attrib *a)
{
	if (!a->told)
		return 0;
	attach_on_demand(a);
	return events_consume(&a->events, a->handler.process, a->handler.arg);
}

bool attrib_polled(const struct attrib *a)
{
	return a->told && events_queued(&a->events);
}

uint64_t attrib_lost(const struct attrib *a)
{
	return a->told && a->skel->bss ? __atomic_load_n(&a->skel->bss->attrib_lost, __ATOMIC_RELAXED) : 0;
}

int attrib_set_verdict(struct attrib *a, uint64_t cgroup, uint32_t tgid, bool match)
{
	uint32_t value = match;

	if (!(a->filter & SELECT_CGROUP) || !a->told)
		return -EINVAL;
	if (cgroup)
		return bpf_map_update_elem(bpf_map__fd(a->skel->maps.ptcp_cgroups), &cgroup, &value, BPF_ANY);
	return bpf_map_update_elem(bpf_map__fd(a->skel->maps.ptcp_judged), &tgid, &value, BPF_ANY);
}

void attrib_free(struct attrib *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < hooks_count; i++) {
		bpf_link__destroy(a->links[i]);
		if (a->more_links[i])
			close(a->more_links[i]);
		free(a->logs[i]);
	}
	events_close(&a->events);
	cgroup_close(a);
	free(a);
}
