/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/attrib.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <ptcpdump/owner.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "capture/attrib_hooks.h"
#include "capture/attrib_scan.h"
#include "util/cgroup2.h"
#include "util/clock.h"
#include "util/log.h"

#define VERIFIER_LOG 4096

struct attrib {
	const struct capture_config *config;
	struct capture_handler handler;
	struct hook_support support;
	struct bpf_link *links[HOOKS_MAX];
	char *logs[HOOKS_MAX]; /* verifier logs: one that is not empty names the program that was refused */
	struct bpf_object *obj;
	struct ring_buffer *ring;
	volatile uint64_t *lost;
	volatile uint32_t *scanned;
	int pids, cgroups, cookies;
	int consumed;
	uint32_t filter;
};

static uint32_t filter_of(const struct capture_config *c)
{
	uint32_t f = 0;

	if (c->npids || (c->pnames && c->pnames[0]))
		f |= SELECT_PID;
	if (c->nuids)
		f |= SELECT_UID;
	if (c->container_filter)
		f |= SELECT_CGROUP;
	return f && c->follow_forks ? f | SELECT_PID : f;
}

int attrib_new(struct attrib **ret, const struct capture_config *config)
{
	struct attrib *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	a->config = config;
	a->filter = filter_of(config);
	a->pids = a->cgroups = a->cookies = -1;
	if (config->attribution) {
		err = hooks_probe(&a->support);
		if (err) {
			free(a);
			return err;
		}
	}
	for (size_t i = 0; i < hooks_count; i++)
		a->support.usable[i] = a->support.usable[i] && (hooks[i].kind != HOOK_FLOW || config->flows);
	*ret = a;
	return 0;
}

/* A global variable of the object: .rodata before the load, .bss after it. NULL: no such variable. */
static void *find_variable(struct bpf_object *obj, const char *section, const char *name, size_t size)
{
	const struct btf *btf = bpf_object__btf(obj);
	const struct btf_type *sec, *var;
	const struct btf_var_secinfo *vi;
	struct bpf_map *map;
	const char *map_name;
	size_t area, len;
	char *base;
	int id, i;

	id = btf ? btf__find_by_name_kind(btf, section, BTF_KIND_DATASEC) : -1;
	if (id < 0)
		return NULL;
	sec = btf__type_by_id(btf, (uint32_t)id);
	bpf_object__for_each_map(map, obj)
	{
		map_name = bpf_map__name(map);
		len = strlen(map_name);
		if (len < strlen(section) || strcmp(map_name + len - strlen(section), section) != 0)
			continue;
		base = (char *)bpf_map__initial_value(map, &area); /* const before libbpf 1.5 */
		vi = btf_var_secinfos(sec);
		for (i = 0; base && i < btf_vlen(sec); i++) {
			var = btf__type_by_id(btf, vi[i].type);
			if (strcmp(btf__name_by_offset(btf, var->name_off), name) == 0 && vi[i].offset <= area &&
			    size <= area - vi[i].offset)
				return base + vi[i].offset;
		}
	}
	return NULL;
}

static void set_option(struct bpf_object *obj, const char *name, uint32_t value)
{
	uint32_t *p = find_variable(obj, ".rodata", name, sizeof(value));

	if (p)
		*p = value;
	else
		log_debug("the programs have no setting \"%s\"", name);
}

/* Maps that nobody will fill take no memory. */
static void shrink_maps(struct bpf_object *obj)
{
	static const char *const names[] = { "ptcp_cookies", "ptcp_flows", "ptcp_pids", "ptcp_cgroups" };
	struct bpf_map *map;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		map = bpf_object__find_map_by_name(obj, names[i]);
		if (map)
			bpf_map__set_max_entries(map, 1);
	}
	map = bpf_object__find_map_by_name(obj, "ptcp_process");
	if (map)
		bpf_map__set_max_entries(map, (uint32_t)sysconf(_SC_PAGESIZE));
}

static void shrink_map(struct bpf_object *obj, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, name);

	if (map)
		bpf_map__set_max_entries(map, 1);
}

static bool kernel_realtime(void)
{
	struct utsname u;

	return uname(&u) == 0 && strstr(u.version, "PREEMPT_RT");
}

static int prepare_hook(struct attrib *a, struct bpf_program *prog, size_t i)
{
	bpf_program__set_autoload(prog, a->support.usable[i]);
	if (!a->support.usable[i])
		return 0;
	if (!a->logs[i])
		a->logs[i] = malloc(VERIFIER_LOG);
	if (!a->logs[i])
		return -ENOMEM;
	a->logs[i][0] = '\0';
	return bpf_program__set_log_buf(prog, a->logs[i], VERIFIER_LOG);
}

int attrib_prepare(struct attrib *a, struct bpf_object *obj)
{
	bool receive_known;
	struct bpf_program *prog;
	size_t i;
	int err;

	for (i = 0; i < hooks_count; i++) {
		prog = bpf_object__find_program_by_name(obj, hooks[i].program);
		if (!prog) {
			a->support.usable[i] = false;
			continue;
		}
		err = prepare_hook(a, prog, i);
		if (err)
			return err;
	}
	set_option(obj, "attrib_off", !a->config->attribution);
	if (!a->config->attribution) {
		shrink_maps(obj);
		return 0;
	}
	receive_known = false;
	for (i = 0; i < hooks_count; i++)
		if (strcmp(hooks[i].program, "ptcp_recv_len") == 0)
			receive_known = a->support.usable[i];
	set_option(obj, "select_kinds", a->filter);
	set_option(obj, "select_follow", a->config->follow_forks);
	set_option(obj, "attrib_realtime", kernel_realtime());
	set_option(obj, "attrib_trace_storage", a->support.trace_storage);
	set_option(obj, "attrib_bind_certain", !receive_known);
	set_option(obj, "attrib_task_btf", a->support.task_btf);
	if (!(a->filter & SELECT_PID))
		shrink_map(obj, "ptcp_pids");
	if (!(a->filter & SELECT_CGROUP))
		shrink_map(obj, "ptcp_cgroups");
	return 0;
}

static void give_up(struct attrib *a, size_t i, const char *why)
{
	a->support.usable[i] = false;
	a->support.why[i] = why;
}

bool attrib_retry(struct attrib *a)
{
	size_t i;

	for (i = 0; i < hooks_count; i++) {
		if (!a->support.usable[i] || !a->logs[i] || !a->logs[i][0])
			continue;
		log_debug("verifier on \"%s\": %s", hooks[i].program, a->logs[i]);
		if (hooks[i].kind == HOOK_TP_BTF && a->support.trace_storage)
			a->support.trace_storage = false;
		else
			give_up(a, i, "the kernel's verifier refuses it");
		return true;
	}
	return false;
}

bool attrib_event_valid(const void *event, size_t size)
{
	const struct event_exec *e = event;
	uint32_t type;

	if (size < sizeof(type))
		return false;
	memcpy(&type, event, sizeof(type));
	switch (type) {
	case EVENT_EXEC:
		return size >= sizeof(*e) && e->filename_len < EVENT_FILENAME_MAX && e->args_len <= EVENT_ARGS_MAX &&
		       size - sizeof(*e) == (size_t)e->filename_len + e->args_len;
	case EVENT_FORK: return size == sizeof(struct event_fork);
	case EVENT_EXIT: return size == sizeof(struct event_exit);
	case EVENT_OWNER: return size == sizeof(struct event_socket_owner);
	case EVENT_CGROUP: return size == sizeof(struct event_cgroup);
	case EVENT_NETNS: return size == sizeof(struct event_netns);
	default: return false;
	}
}

static int on_event(void *arg, void *event, size_t size)
{
	struct attrib *a = arg;
	uint32_t type;

	/* A record ends at a multiple of 8 in the ring, but its length is kept exactly. */
	if (!attrib_event_valid(event, size))
		return 0;
	memcpy(&type, event, sizeof(type));
	a->consumed++;
	a->handler.process(a->handler.arg, type, event, size);
	return 0;
}

static int map_fd(struct bpf_object *obj, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(obj, name);

	if (fd < 0)
		log_error("the BPF object has no map \"%s\"", name);
	return fd;
}

static int fill_filters(struct attrib *a)
{
	const struct capture_config *c = a->config;
	int names, uids, err = 0;
	uint32_t one = SELECT_PID_LIVE;
	char key[SELECT_NAME_LEN];
	size_t i;

	names = map_fd(a->obj, "ptcp_names");
	uids = map_fd(a->obj, "ptcp_uids");
	if (names < 0 || uids < 0)
		return -ENOENT;
	for (i = 0; c->pnames && c->pnames[i] && !err; i++) {
		memset(key, 0, sizeof(key));
		strncpy(key, c->pnames[i], sizeof(key) - 1);
		err = bpf_map_update_elem(names, key, &one, BPF_ANY);
	}
	for (i = 0; i < c->nuids && !err; i++)
		err = bpf_map_update_elem(uids, &c->uids[i], &one, BPF_ANY);
	for (i = 0; i < c->npids && !err; i++)
		err = bpf_map_update_elem(a->pids, &c->pids[i], &one, BPF_ANY);
	if (err)
		log_error("the process filter does not fit into the kernel: %s", strerror(-err));
	return err;
}

static void attach_hooks(struct attrib *a)
{
	struct bpf_program *prog;
	int cgroup = a->support.cgroup ? cgroup2_open() : -1;
	size_t i;

	for (i = 0; i < hooks_count; i++) {
		if (!a->support.usable[i] || hooks[i].kind == HOOK_ITER)
			continue;
		prog = bpf_object__find_program_by_name(a->obj, hooks[i].program);
		if (hooks[i].kind == HOOK_CGROUP || hooks[i].kind == HOOK_FLOW)
			a->links[i] = bpf_program__attach_cgroup(prog, cgroup);
		else
			a->links[i] = bpf_program__attach(prog);
		if (!a->links[i])
			give_up(a, i, strerrorname_np(errno));
	}
	if (cgroup >= 0)
		close(cgroup);
	for (i = 0; i < hooks_count; i++)
		if (!a->support.usable[i] && (hooks[i].kind != HOOK_FLOW || a->config->flows))
			log_info("no \"%s\" (%s): %s", hooks[i].target,
				 a->support.why[i] ? a->support.why[i] : "missing", hooks[i].lost);
}

int attrib_attach(struct attrib *a, struct bpf_object *obj, const struct capture_handler *handler)
{
	int fd, err;

	if (!a->config->attribution)
		return 0;
	a->obj = obj;
	a->handler = *handler;
	a->pids = map_fd(obj, "ptcp_pids");
	a->cgroups = map_fd(obj, "ptcp_cgroups");
	a->cookies = map_fd(obj, "ptcp_cookies");
	fd = map_fd(obj, "ptcp_process");
	if (a->pids < 0 || a->cgroups < 0 || a->cookies < 0 || fd < 0)
		return -ENOENT;
	a->lost = find_variable(obj, ".bss", "attrib_lost", sizeof(*a->lost));
	a->scanned = find_variable(obj, ".bss", "attrib_scanned", sizeof(*a->scanned));
	a->ring = ring_buffer__new(fd, on_event, a, NULL);
	if (!a->ring) {
		err = -errno;
		log_error("process events cannot be read: %s", strerror(errno));
		return err;
	}
	err = fill_filters(a);
	if (err)
		return err;
	attach_hooks(a);
	/* After the hooks, so that a process started meanwhile is seen by one or the other. */
	if ((a->config->pnames && a->config->pnames[0]) || (a->config->follow_forks && a->config->npids))
		return scan_filter_pids(a->pids, a->config);
	return 0;
}

static int run_iterator(struct attrib *a, struct bpf_program *prog)
{
	struct bpf_link *link = bpf_program__attach(prog);
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

static struct bpf_program *iterator_of(const struct attrib *a)
{
	size_t i;

	for (i = 0; i < hooks_count; i++)
		if (hooks[i].kind == HOOK_ITER && a->support.usable[i])
			return bpf_object__find_program_by_name(a->obj, hooks[i].program);
	return NULL;
}

bool attrib_scan_first(const struct attrib *a)
{
	return a->config->attribution && !iterator_of(a);
}

int attrib_scan(struct attrib *a)
{
	struct bpf_program *prog;
	uint64_t start;
	int err;

	if (!a->config->attribution)
		return 0;
	start = clock_ns(CLOCK_MONOTONIC);
	prog = iterator_of(a);
	err = prog ? run_iterator(a, prog) : -ENOENT;
	if (err)
		err = scan_sockets(a->cookies);
	if (err)
		log_info("sockets that existed before are known from their first use only: %s", strerror(-err));
	log_debug("looked at the sockets that exist in %llu us",
		  (unsigned long long)((clock_ns(CLOCK_MONOTONIC) - start) / NSEC_PER_USEC));
	if (a->scanned)
		*a->scanned = 1;
	return 0;
}

int attrib_fd(const struct attrib *a)
{
	return a->ring ? ring_buffer__epoll_fd(a->ring) : -1;
}

int attrib_consume(struct attrib *a)
{
	int n;

	if (!a->ring)
		return 0;
	a->consumed = 0;
	n = ring_buffer__consume(a->ring);
	return n < 0 ? n : a->consumed;
}

uint64_t attrib_lost(const struct attrib *a)
{
	return a->lost ? *a->lost : 0;
}

int attrib_set_cgroup(struct attrib *a, uint64_t cgroup, bool match)
{
	uint32_t value = match;

	if (!(a->filter & SELECT_CGROUP) || a->cgroups < 0)
		return -EINVAL;
	return bpf_map_update_elem(a->cgroups, &cgroup, &value, BPF_ANY);
}

int attrib_probe(FILE *out)
{
	static const char *const kinds[] = { "raw tracepoint", "cgroup", "BTF tracepoint", "iterator", "cgroup" };
	struct hook_support s;
	size_t i;
	int err;

	err = hooks_probe(&s);
	if (err)
		return err;
	fprintf(out, "%-15s %-22s %-4s %s\n", "kind", "hook", "here", "lost without it");
	for (i = 0; i < hooks_count; i++)
		fprintf(out, "%-15s %-22s %-4s %s%s%s%s\n", kinds[hooks[i].kind], hooks[i].target,
			s.usable[i] ? "yes" : "no", hooks[i].lost, s.why[i] ? " (" : "", s.why[i] ? s.why[i] : "",
			s.why[i] ? ")" : "");
	fprintf(out, "%-15s %-22s %-4s %s\n", "helper", "socket storage, traced", s.trace_storage ? "yes" : "no",
		"owners that tracepoints tell go by socket cookie");
	fprintf(out, "%-15s %-22s %-4s %s\n", "mount", "cgroup v2", s.cgroup ? "yes" : "no", "all cgroup hooks");
	return ferror(out) ? -EIO : 0;
}

void attrib_free(struct attrib *a)
{
	size_t i;

	if (!a)
		return;
	for (i = 0; i < hooks_count; i++) {
		bpf_link__destroy(a->links[i]);
		free(a->logs[i]);
	}
	ring_buffer__free(a->ring);
	free(a);
}
