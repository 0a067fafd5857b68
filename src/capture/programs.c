/* SPDX-License-Identifier: BSD-3-Clause */
/* The programs of a capture and their maps: settings, sizes, load, and what is tried again without. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/align.h"
#include "capture/attrib.h"
#include "capture/backend.h"
#include "capture/kernel.h"
#include "capture/kernel_btf.h"
#include "capture/kfunc_link.h"
#include "capture/nat.h"
#include "capture/owners.h"
#include "capture/private.h"
#include "capture/refusal.h"
#include "capture/static_functions.h"
#include "ptcpdump.skel.h"
#include "util/cpus.h"
#include "util/log.h"
#include "util/pidns.h"
#include "util/procfs.h"

#define RING_BYTES (16U << 20)
/* Of one ring, unless -B is given: 22 ms of small packets at 800,000 a second, and we are woken after 13. */
#define RING_SIZE_MIN (4U << 20)
#define RING_SIZE_MAX (1U << 30)
enum { OWNERS_MIN = 32768, OWNERS_PER_CPU = 16384 };
/* A ring that is this full wakes the reader at once. */
#define FILL_PERCENT 60

static int cpus_seen(void)
{
	const unsigned end = cpus_end();

	return end ? (int)end : libbpf_num_possible_cpus();
}

/* Splits the memory evenly: ring sizes are powers of two, so what is left over stays unused. */
static int rings_plan(struct capture *c)
{
	size_t total = c->config.ring_bytes;
	const int ncpus = c->programs.ncpus;

	if (ncpus <= 0)
		return ncpus;
	c->rings.n = ncpus < RINGS_MAX ? (unsigned)ncpus : RINGS_MAX;
	if (!total)
		total = c->rings.n * RING_SIZE_MIN > RING_BYTES ? c->rings.n * RING_SIZE_MIN : RING_BYTES;
	c->rings.size = (size_t)sysconf(_SC_PAGESIZE);
	if (counts_plan(c, total))
		return 0;
	while (c->rings.size * 2 * c->rings.n <= total && c->rings.size < RING_SIZE_MAX)
		c->rings.size *= 2;
	return 0;
}

static struct bpf_map *ring_map(const struct capture *c, unsigned n)
{
	const struct ptcpdump *skel = c->programs.skel;
	struct bpf_map *const maps[] = {
		skel->maps.ptcp_ring0,	skel->maps.ptcp_ring1,	skel->maps.ptcp_ring2,	skel->maps.ptcp_ring3,
		skel->maps.ptcp_ring4,	skel->maps.ptcp_ring5,	skel->maps.ptcp_ring6,	skel->maps.ptcp_ring7,
		skel->maps.ptcp_ring8,	skel->maps.ptcp_ring9,	skel->maps.ptcp_ring10, skel->maps.ptcp_ring11,
		skel->maps.ptcp_ring12, skel->maps.ptcp_ring13, skel->maps.ptcp_ring14, skel->maps.ptcp_ring15,
	};

	_Static_assert(sizeof(maps) / sizeof(maps[0]) == RINGS_MAX, "all rings of the programs");
	return maps[n];
}

static int rings_prepare(struct capture *c)
{
	const struct ptcpdump *skel = c->programs.skel;

	for (unsigned i = 0; i < RINGS_MAX; i++) {
		struct bpf_map *map = ring_map(c, i);
		int err = i < c->rings.n && c->backend->programs
				  ? bpf_map__set_max_entries(map, (uint32_t)c->rings.size)
				  : bpf_map__set_autocreate(map, false);

		if (err)
			return err;
	}
	/* For packets only; what they need came with 5.8 and 5.5. */
	if (!c->backend->programs) {
		bpf_map__set_autocreate(skel->maps.ptcp_wake_ring, false);
		bpf_map__set_autocreate(skel->maps.ptcp_control, false);
	}
	return 0;
}

/* Bytes of one CPU's packet while it is made. */
static uint32_t scratch_size(const struct capture *c)
{
	const uint32_t room = c->counts.active ? COUNT_WORK_MAX : c->copylen;

	return ((uint32_t)sizeof(struct event_packet) + room + 7) & ~7U;
}

/* Devices of a namespace have different names; one that goes makes room for the next. A table for any takes 0.7 ms. */
static void size_ifaces(const struct capture *c, struct ptcpdump *skel)
{
	uint32_t n = 0;

	while (c->config.ifaces[n])
		n++;
	if (skel->rodata->only_netns && !c->links.any)
		bpf_map__set_max_entries(skel->maps.ptcp_ifaces, IFACE_SLOTS + 2 * n);
}

/* Sockets without storage, and flows: more CPUs make more. Each 16,384 entries of both take 1.1 ms and 5 MB. */
static void size_owners(const struct capture *c, const struct ptcpdump *skel)
{
	const uint32_t max = bpf_map__max_entries(skel->maps.ptcp_flows);
	uint32_t n = OWNERS_MIN;

	while (n < max && n < (uint32_t)c->programs.ncpus * OWNERS_PER_CPU)
		n *= 2;
	bpf_map__set_max_entries(skel->maps.ptcp_flows, n);
	bpf_map__set_max_entries(skel->maps.ptcp_cookies, n);
}

static bool rejects_all(const struct filter_code *code)
{
	return code->n && code->insns[0].code == (BPF_RET | BPF_K) && !code->insns[0].k;
}

static uint32_t select_how(const struct capture *c)
{
	if (!c->config.decided)
		return SELECT_ALL;
	if (!c->filter.in_user && rejects_all(&c->filter.rest_l2) && rejects_all(&c->filter.rest_l3))
		return SELECT_ANY;
	return SELECT_ANY_OR_REST;
}

static void settings_prepare(const struct capture *c, struct ptcpdump *skel)
{
	/* libbpf asks the kernel itself. The skeleton's bss is NULL then, after the load. */
	if (!kernel_has(KERNEL_MMAP))
		bpf_map__set_map_flags(skel->maps.bss, 0);
	skel->rodata->packet_snaplen = c->copylen;
	skel->rodata->ring_count = c->backend->programs ? c->rings.n : 1;
	/* Another's name may be given to a new one. */
	if (c->namespaces.n == 1 && !c->namespaces.any && !c->namespaces.chosen && c->namespaces.all[0]->own)
		skel->rodata->only_netns = c->namespaces.own;
	skel->rodata->any_netns = c->namespaces.any;
	skel->rodata->select_how = select_how(c);
	size_ifaces(c, skel);
	counts_prepare(c, skel);
	skel->rodata->owner_nested = c->config.flows;
	skel->rodata->flows_told = c->backend->flow_was != NULL;
	skel->rodata->tap_in = c->config.direction != DIR_OUT;
	skel->rodata->tap_out = c->config.direction != DIR_IN;
	if (!c->namespaces.any)
		bpf_map__set_max_entries(skel->maps.ptcp_netns, 1);
	if (c->backend->programs) {
		bpf_map__set_max_entries(skel->maps.ptcp_scratch, (uint32_t)c->programs.ncpus * SCRATCH_SLOTS);
		bpf_map__set_value_size(skel->maps.ptcp_scratch, scratch_size(c));
	}
}

/* Verifying a program takes some 10 ms: only those that the hooks and the backend switch on. */
static int programs_choose(struct capture *c, struct ptcpdump *skel)
{
	struct bpf_program *prog;
	int err;

	bpf_object__for_each_program(prog, skel->obj) bpf_program__set_autoload(prog, false);
	align_programs(skel);
	err = attrib_prepare(c->attrib, skel);
	/* Without an iterator, all sockets from before are listed there. */
	if (!err && c->config.attribution && !attrib_scan_first(c->attrib))
		size_owners(c, skel);
	if (!err && c->backend->prepare)
		err = c->backend->prepare(c, skel);
	if (err || !c->config.flows || !kernel_has(KERNEL_PREEMPT_OFF))
		return err;
	err = kfuncs_link(skel->obj, BPF_PROG_TYPE_CGROUP_SKB);
	skel->rodata->owner_preempt_off = !err;
	return err == -ENOENT ? 0 : err;
}

static int filter_prepare(struct capture *c, struct ptcpdump *skel)
{
	const bool in_kernel = !c->filter.in_user;
	/* None: everything matches. */
	const struct filter_codes codes = {
		.l2 = in_kernel ? &c->filter.l2 : NULL,
		.l3 = in_kernel ? &c->filter.l3 : NULL,
		.rest_l2 = in_kernel ? &c->filter.rest_l2 : NULL,
		.rest_l3 = in_kernel ? &c->filter.rest_l3 : NULL,
	};
	char text[FILTER_ERR_LEN];
	int err;

	if (!c->backend->programs)
		return 0;
	err = filter_inject_set(c->filter.inject, skel->obj, &codes, text);
	if (err)
		log_debug("%s", text);
	return err;
}

static int skeleton_prepare(struct capture *c, struct ptcpdump *skel)
{
	/* A backend without programs has rings of its own. */
	int err = c->backend->programs ? rings_plan(c) : 0;

	if (err)
		return err;
	settings_prepare(c, skel);
	err = programs_choose(c, skel);
	if (!err)
		err = rings_prepare(c);
	return err ? err : filter_prepare(c, skel);
}

/*
 * Whether what is to be loaded, and what other threads load and attach meanwhile, finds descriptors. libbpf does without what has none, such as the programs' BTF, and then the kernel
 * refuses the programs for reasons that are no help.
 */
static bool descriptors_suffice(const struct capture *c, const struct ptcpdump *skel)
{
	const int next = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	const struct bpf_map *map;
	struct bpf_program *prog;
	struct rlimit limit;
	rlim_t need = 1 + verifier_descriptors() + ahead_descriptors(&c->links.ahead);

	if (next < 0)
		return errno != EMFILE;
	close(next);
	bpf_object__for_each_program(prog, skel->obj)
	{
		need += bpf_program__autoload(prog);
	}
	bpf_object__for_each_map(map, skel->obj)
	{
		need += bpf_map__autocreate(map);
	}
	return getrlimit(RLIMIT_NOFILE, &limit) || (rlim_t)next + need <= limit.rlim_cur;
}

/* Of the programs that see packets. */
static int verify_beside(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long cookie)
{
	struct programs *p = (struct programs *)cookie;
	const int err = pruner_apply(&p->pruner, prog, opts);

	return err ? err : verifier_begin(&p->verifier, prog, opts);
}

static int skeleton_load_now(struct programs *p)
{
	int err, refused;

	p->pruner.settings = p->skel->maps.rodata;
	err = ptcpdump__load(p->skel);
	refused = verifier_end(&p->verifier);
	return err ? err : refused;
}

/* A part that this kernel refuses is left out, and it is tried again. */
static int skeleton_load_from(struct capture *c, const struct bpf_object_open_opts *opts)
{
	for (;;) {
		int err;

		c->programs.skel = ptcpdump__open_opts(opts);
		if (!c->programs.skel)
			return -errno;
		if (!kernel_has(KERNEL_BTF) || !kernel_has(KERNEL_GLOBALS))
			functions_make_static(c->programs.skel->obj);
		err = skeleton_prepare(c, c->programs.skel);
		if (!err && !descriptors_suffice(c, c->programs.skel))
			return -EMFILE;
		if (!err)
			err = skeleton_load_now(&c->programs);
		if (!err)
			return 0;
		if (!attrib_retry(c->attrib, err)) {
			if (c->filter.in_user || !c->backend->programs || !c->config.filter || !filter_refused(err))
				return err;
			log_warn(
				"the kernel finds the filter too large: every packet is copied and filtered afterwards");
			c->filter.in_user = true;
		}
		ptcpdump__destroy(c->programs.skel);
		c->programs.skel = NULL;
	}
}

/* btf: "" for the kernel's own. */
static int skeleton_load(struct capture *c, const char *btf)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = *btf ? btf : NULL);
	char path[32];
	size_t size;
	const void *elf = ptcpdump__elf_bytes(&size);
	struct sections *sections = &c->programs.sections;
	int subset = -ENOENT, err = attrib_sections(c->attrib, sections);

	if (err)
		return err;
	sections->pruner = &c->programs.pruner;
	if (!*btf)
		subset = kernel_btf_subset(KERNEL_BTF_FOLDER, elf, size, sections->types, sections->n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", subset);
	if (subset >= 0 && access(path, R_OK) == 0)
		opts.btf_custom_path = path;
	err = sections_use(sections);
	if (!err)
		err = skeleton_load_from(c, &opts);
	if (subset >= 0)
		close(subset);
	return err;
}

static int control_map(struct capture *c)
{
	void *p = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(c->programs.skel->maps.ptcp_control), 0);

	if (p == MAP_FAILED)
		return -errno;
	c->programs.control = p;
	c->programs.control->wake_fill = c->rings.size / 100 * FILL_PERCENT;
	c->programs.control->owner_pid = pidns_shown(getpid());
	c->programs.control->owner_start = procfs_start(c->programs.control->owner_pid);
	c->programs.control->owner_pidns = pidns_of_proc().inode;
	return 0;
}

static int rings_open(struct capture *c)
{
	size_t record_max = sizeof(struct event_packet) + c->copylen;
	int err = 0;

	for (unsigned i = 0; !err && i < c->rings.n; i++)
		err = ring_open(&c->rings.ring[i], bpf_map__fd(ring_map(c, i)), c->rings.size, record_max);
	if (!err)
		err = ring_open(&c->rings.wake, bpf_map__fd(c->programs.skel->maps.ptcp_wake_ring),
				bpf_map__max_entries(c->programs.skel->maps.ptcp_wake_ring), 0);
	if (!err)
		err = poll_add(c, bpf_map__fd(c->programs.skel->maps.ptcp_wake_ring), EPOLLIN | EPOLLET, NULL);
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
	c->programs.control = p;
	c->bare_config = c->config;
	c->bare_config.attribution = false;
	c->config.flows = true;
	if (c->programs.forbidden || !c->config.attribution)
		return attrib_new(&c->attrib, &c->bare_config);
	if (!kernel_has(KERNEL_PROGRAMS)) {
		log_warn(
			"this kernel is too old for the eBPF programs (Linux 5.4 is needed): processes are looked up in /proc, and "
			"short-lived ones are missed");
		return attrib_new(&c->attrib, &c->bare_config);
	}
	err = attrib_new(&c->attrib, &c->config);
	if (!err)
		err = kernel_btf_find(c->config.kernel_btf, c->config.no_btf_download, btf);
	if (!err)
		err = skeleton_load(c, btf);
	if (!err)
		return 0;
	log_warn("no eBPF (%s): processes are looked up in /proc, short-lived ones are missed", refusal_why(err));
	ptcpdump__destroy(c->programs.skel);
	c->programs.skel = NULL;
	attrib_free(c->attrib);
	c->attrib = NULL;
	return attrib_new(&c->attrib, &c->bare_config);
}

static int load_needed(struct capture *c, const char *btf)
{
	const struct filter_next next = { verify_beside, (long)&c->programs };
	int err;

	c->config.flows = c->backend->flows;
	err = attrib_new(&c->attrib, &c->config);
	if (!err)
		err = filter_inject_new(&c->filter.inject, &next);
	if (!err)
		err = skeleton_load(c, btf);
	if (!err)
		err = control_map(c);
	if (!err)
		err = rings_open(c);
	if (!err)
		err = counts_open(c);
	if (!err && c->backend->flows && c->config.attribution)
		err = owners_new(&c->owners, bpf_map__fd(c->programs.skel->maps.ptcp_flows),
				 bpf_map__fd(c->programs.skel->maps.ptcp_cookies));
	return err;
}

/* With the maps of the programs, where there are any. */
static int nat_prepare(struct capture *c)
{
	const struct ptcpdump *skel = c->programs.skel;
	struct nat_maps maps = { -1, -1, -1, -1, NULL, NULL };

	if (!c->config.attribution)
		return 0;
	if (skel)
		maps = (struct nat_maps){
			bpf_map__fd(skel->maps.ptcp_flows),	 bpf_map__fd(skel->maps.ptcp_cookies),
			bpf_map__fd(skel->maps.ptcp_nat),	 bpf_map__fd(skel->maps.ptcp_plain),
			skel->bss ? skel->bss->flow_ends : NULL, skel->bss ? &skel->bss->attrib_published : NULL
		};
	return nat_new(&c->nat, &maps);
}

/* Before Linux 5.11 maps counted as locked memory, and what is too much is forbidden. */
static void say_not_loaded(const struct capture *c, int err)
{
	const size_t buffers = c->rings.n * c->rings.size / 1024;
	struct rlimit limit;

	if (err != -ENOMEM && err != -EMFILE && refusal_say("cannot load the eBPF programs", c->backend->missing()))
		return;
	if (err == -ENOMEM)
		log_error("cannot load the eBPF programs: %s: the packet buffers take %zu KiB of it: ask for less with "
			  "-B, or allow more (memory.max of the control group)",
			  strerror(ENOMEM), buffers);
	else if (err == -EPERM && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur / 1024 < 2 * buffers)
		log_error(
			"cannot load the eBPF programs: %s: before Linux 5.11 the packet buffers, %zu KiB, count as "
			"locked memory: ask for less with -B, or allow more (ulimit -l); --log-level debug shows more",
			strerror(EPERM), buffers);
	else
		log_error("cannot load the eBPF programs: %s; %s", strerror(-err),
			  kernel_has(KERNEL_JIT) ? "--log-level debug shows why"
						 : "the kernel's compiler is off: sysctl -w net.core.bpf_jit_enable=1");
}

int programs_load(struct capture *c)
{
	char btf[PATH_MAX];
	int err;

	c->programs.ncpus = cpus_seen();
	if (!c->backend->programs) {
		err = load_optional(c);
		if (!err)
			err = ring_open_local(&c->rings.wake, (size_t)sysconf(_SC_PAGESIZE));
		if (!err)
			err = nat_prepare(c);
		if (err)
			log_error("cannot prepare the capture: %s", strerror(-err));
		return err;
	}
	err = kernel_btf_find(c->config.kernel_btf, c->config.no_btf_download, btf);
	if (err)
		return err;
	err = load_needed(c, btf);
	if (!err)
		err = nat_prepare(c);
	if (err)
		say_not_loaded(c, err);
	return err;
}

uint64_t programs_unjudged(const struct capture *c)
{
	const struct ptcpdump *skel = c->programs.skel;

	return skel && skel->bss ? __atomic_load_n(&skel->bss->packets_unjudged, __ATOMIC_RELAXED) : 0;
}

/* Waits for all programs that did not see it. */
void programs_stop(struct capture *c)
{
	__atomic_store_n(&c->programs.control->stop, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

void programs_free(struct capture *c)
{
	if (c->programs.control)
		munmap(c->programs.control, (size_t)sysconf(_SC_PAGESIZE));
	ptcpdump__destroy(c->programs.skel);
	sections_done(&c->programs.sections);
	pruner_done(&c->programs.pruner);
	filter_inject_free(c->filter.inject);
	filter_done(&c->filter.l2);
	filter_done(&c->filter.l3);
	filter_done(&c->filter.rest_l2);
	filter_done(&c->filter.rest_l3);
	matches_done(&c->filter);
}
