/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/kernel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/btf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "capture/attach.h"
#include "capture/kernel_btf.h"
#include "capture/kernel_since.h"
#include "capture/trials.h"
#include "ptcpdump.skel.h"
#include "util/cgroup2.h"
#include "util/log.h"

/* Names of the BTF that one feature may need. */
enum { FEATURE_NAMES = 2 };

/* A locked-down kernel may take none of a type. Tracing programs show in the BTF. */
static bool program_taken(enum bpf_prog_type type)
{
	errno = 0;
	return libbpf_probe_bpf_prog_type(type, NULL) == 1;
}

static bool sched_cls_taken(void)
{
	return program_taken(BPF_PROG_TYPE_SCHED_CLS);
}

static bool socket_filter_taken(void)
{
	return program_taken(BPF_PROG_TYPE_SOCKET_FILTER);
}

static bool cgroup_skb_taken(void)
{
	return program_taken(BPF_PROG_TYPE_CGROUP_SKB);
}

static bool cgroup_sock_taken(void)
{
	return program_taken(BPF_PROG_TYPE_CGROUP_SOCK) && program_taken(BPF_PROG_TYPE_CGROUP_SOCK_ADDR);
}

/* Asked for tracing programs, libbpf would try fentry, which needs more than tracepoints do. */
static bool raw_tracepoint_taken(void)
{
	return program_taken(BPF_PROG_TYPE_RAW_TRACEPOINT);
}

static bool kprobe_taken(void)
{
	return access("/sys/bus/event_source/devices/kprobe/type", R_OK) == 0 && program_taken(BPF_PROG_TYPE_KPROBE);
}

/* Asked of a function that is there wherever programs are. */
static bool fentry_taken(void)
{
	const char *const name = "bpf_prog_put";
	bool found = false;

	kernel_functions(&name, &found, 1);
	return found;
}

static bool btf_readable(void)
{
	return access(KERNEL_BTF_PATH, R_OK) == 0;
}

static bool cgroup2_there(void)
{
	const int fd = cgroup2_open();

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool packet_socket_opens(void)
{
	const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Some helpers came to tracing programs first. */
static bool task_btf_usable(void)
{
	static const enum bpf_prog_type types[] = { BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_CGROUP_SKB };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (libbpf_probe_bpf_helper(types[i], BPF_FUNC_get_current_task_btf, NULL) != 1 ||
		    libbpf_probe_bpf_helper(types[i], BPF_FUNC_task_pt_regs, NULL) != 1)
			return false;
	}
	return btf_readable();
}

static bool tcx_there(void)
{
	const int fd = trial_load(BPF_PROG_TYPE_SCHED_CLS, 0, 0);
	bool there;

	if (fd < 0)
		return false;
	there = attach_has_tcx(fd);
	close(fd);
	return there;
}

/* 6.10 has the functions, but 6.13 still refuses calls of global functions in between. */
static bool preempt_off_usable(void)
{
	return kernel_since(6, 14) && btf_readable();
}

/* bpf_dynptr_from_skb(), for tracepoints since then. */
static bool trace_fragments_usable(void)
{
	return kernel_since(6, 12) && btf_readable();
}

static bool synack6_passes(void)
{
	return kernel_since(6, 12);
}

static bool softirq_stack_there(void)
{
	struct utsname u;

	return uname(&u) != 0 || !strstr(u.version, "PREEMPT_RT");
}

/* Off by default on some architectures; without it the kernel takes none of ours. */
static bool jit_on(void)
{
	FILE *f = fopen("/proc/sys/net/core/bpf_jit_enable", "re");
	const int value = f ? fgetc(f) : EOF;

	if (f)
		fclose(f);
	return value != '0';
}

/* Where processors need not load words from any place, the verifier takes no program that does. */
static bool unaligned_taken(void)
{
#ifdef __riscv
	return false;
#else
	return true;
#endif
}

/* A row whose setting the programs are told. */
#define TOLD(name) .told = true, .setting = offsetof(struct ptcpdump__rodata, name)

static const struct {
	const char *kind, *name, *lost;
	const char *btf[FEATURE_NAMES]; /* all of them are in the kernel's BTF, or: */
	bool (*here)(void);
	const char *word; /* of PTCPDUMP_HIDE; NULL: it cannot be hidden */
	bool told;
	size_t setting; /* a __u32 of bpf/settings.bpf.h */
} features[] = {
	[KERNEL_TRACE_STORAGE] = { .kind = "helper",
				   .name = "socket storage, traced",
				   .lost = "owners that tracepoints tell go by socket cookie",
				   .btf = { "bpf_sk_storage_get_tracing", "bpf_get_socket_ptr_cookie" },
				   .word = "storage",
				   TOLD(attrib_trace_storage) },
	[KERNEL_SOCKET_ITERATOR] = { .kind = "iterator",
				     .name = "files",
				     .lost = "existing sockets are read from /proc and sock_diag instead",
				     .btf = { "bpf_iter_task_file" },
				     .word = "iterators" },
	[KERNEL_CGROUP2] = { .kind = "mount",
			     .name = "cgroup v2",
			     .lost = "all cgroup hooks",
			     .here = cgroup2_there,
			     .word = "cgroup2" },
	[KERNEL_BTF] = { .kind = "file",
			 .name = "BTF",
			 .lost = "it is looked for elsewhere; --kernel-btf can name one",
			 .here = btf_readable },
	[KERNEL_TASK_BTF] = { .kind = "helper",
			      .name = "running task",
			      .lost = "packet programs probe kernel memory, which takes longer",
			      .here = task_btf_usable,
			      .word = "taskbtf",
			      TOLD(attrib_task_btf) },
	[KERNEL_SCHED_CLS] = { .kind = "program",
			       .name = "tc",
			       .lost = "packets are not seen at tc",
			       .here = sched_cls_taken,
			       .word = "programs" },
	[KERNEL_SOCKET_FILTER] = { .kind = "program",
				   .name = "socket filter",
				   .lost = "packets are not seen by filters of packet sockets",
				   .here = socket_filter_taken,
				   .word = "programs" },
	[KERNEL_CGROUP_SKB] = { .kind = "program",
				.name = "cgroup packets",
				.lost = "packets are not seen at the root of cgroup v2",
				.here = cgroup_skb_taken,
				.word = "programs" },
	[KERNEL_CGROUP_SOCK] = { .kind = "program",
				 .name = "cgroup sockets",
				 .lost = "all cgroup hooks",
				 .here = cgroup_sock_taken,
				 .word = "programs" },
	[KERNEL_RAW_TRACEPOINT] = { .kind = "program",
				    .name = "raw tracepoint",
				    .lost = "all tracepoints of processes and packets",
				    .here = raw_tracepoint_taken,
				    .word = "programs" },
	[KERNEL_KPROBE] = { .kind = "program",
			    .name = "kprobe",
			    .lost = "who reads and accepts, where function entry and sock_recv_length are lacking, too",
			    .here = kprobe_taken },
	[KERNEL_FENTRY] = { .kind = "program",
			    .name = "function entry",
			    .lost = "kprobes tell who reads and accepts, where sock_recv_length is lacking",
			    .here = fentry_taken },
	[KERNEL_TCX] = { .kind = "link",
			 .name = "tcx",
			 .lost = "filters at clsact, which a process that is killed leaves behind",
			 .here = tcx_there,
			 .word = "tcx" },
	[KERNEL_PACKET_SOCKET] = { .kind = "socket",
				   .name = "AF_PACKET",
				   .lost = "libpcap's own capture, filters of packet sockets, promiscuous mode",
				   .here = packet_socket_opens },
	[KERNEL_PREEMPT_OFF] = { .kind = "function",
				 .name = "bpf_preempt_disable",
				 .lost = "with preempt=full, tasks that send at once can get into one record",
				 .here = preempt_off_usable },
	[KERNEL_TRACE_FRAGMENTS] = { .kind = "function",
				     .name = "bpf_dynptr_from_skb",
				     .lost = "tracepoints show the linear part of packets only",
				     .here = trace_fragments_usable },
	[KERNEL_SYNACK6] = { .kind = "hook",
			     .name = "SYN-ACKs of IPv6",
			     .lost = "each packet that sockets of other namespaces get is looked at, for their SYNs",
			     .here = synack6_passes,
			     TOLD(attrib_synack6) },
	[KERNEL_JIT] = { .kind = "compiler",
			 .name = "JIT",
			 .lost = "all programs: sysctl -w net.core.bpf_jit_enable=1 switches it on",
			 .here = jit_on },
	[KERNEL_UNALIGNED] = { .kind = "load",
			       .name = "unaligned words",
			       .lost = "packet programs read packets by helper, which takes longer",
			       .here = unaligned_taken },
	[KERNEL_SOFTIRQ_STACK] = { .kind = "scheduling",
				   .name = "no PREEMPT_RT",
				   .lost = "the running task never tells who sends",
				   .here = softirq_stack_there,
				   TOLD(attrib_softirq_stack) },
	[KERNEL_RINGBUF] = { .kind = "map",
			     .name = "ring buffer",
			     .lost = "packets by libpcap; events of processes are taken from queues, one by one",
			     .here = kernel_ringbuf_there,
			     .word = "ringbuf",
			     TOLD(attrib_ring) },
	[KERNEL_PACKET_TASK] = { .kind = "helper",
				 .name = "task of a packet",
				 .lost = "packets by libpcap, owners by raw tracepoints and /proc",
				 .here = kernel_packet_task_there,
				 .word = "tasks" },
	[KERNEL_CREATE_STORAGE] = { .kind = "helper",
				    .name = "socket storage, made",
				    .lost = "sockets are unknown until first used",
				    .here = kernel_create_storage_there,
				    .word = "storage" },
	[KERNEL_LINKS] = { .kind = "link",
			   .name = "cgroup",
			   .lost = "all cgroup hooks and the iterator",
			   .here = kernel_links_there,
			   .word = "links" },
	[KERNEL_GLOBALS] = { .kind = "function",
			     .name = "checked once",
			     .lost = "programs take longer to verify",
			     .here = kernel_globals_there,
			     .word = "globals" },
	[KERNEL_MMAP] = { .kind = "map",
			  .name = "variables in memory",
			  .lost = "what the programs are told later than at the load",
			  .here = kernel_mmap_there,
			  .word = "mmap" },
	[KERNEL_PROGRAMS] = { .kind = "program",
			      .name = "loops and settings",
			      .lost = "all programs: packets by libpcap, owners by /proc",
			      .here = kernel_programs_there,
			      .word = "programs" },
	[KERNEL_BPF_CALLS] = { .kind = "system call",
			       .name = "bpf",
			       .lost = "a filter of system calls (seccomp) refuses it: nothing can be loaded",
			       .here = trial_bpf_calls },
	[KERNEL_FIRST_USERNS] = { .kind = "namespace",
				  .name = "user, the first",
				  .lost = "root of another may load nothing",
				  .here = trial_first_user_namespace },
	[KERNEL_MEMORY] = { .kind = "helper",
			    .name = "bpf_probe_read_kernel",
			    .lost = "lockdown=confidentiality, or no CAP_PERFMON: all programs but empty ones",
			    .here = trial_kernel_memory },
	[KERNEL_TRACING] = { .kind = "program",
			     .name = "BTF tracepoint",
			     .lost = "packets are not seen at tracepoints; the last users of shared sockets",
			     .here = trial_tracing },
	[KERNEL_ITERATOR] = { .kind = "program",
			      .name = "iterator",
			      .lost = "existing sockets are read from /proc and sock_diag instead",
			      .here = trial_iterator },
	[KERNEL_DEVICE_ATTACH] = { .kind = "attaching",
				   .name = "at devices",
				   .lost = "packets are not seen at tc",
				   .here = trial_device_attach },
	[KERNEL_CGROUP_ATTACH] = { .kind = "attaching",
				   .name = "at cgroups",
				   .lost = "packets are not seen at the root of cgroup v2; all cgroup hooks",
				   .here = trial_cgroup_attach },
	[KERNEL_TRACEPOINT_ATTACH] = { .kind = "attaching",
				       .name = "at tracepoints",
				       .lost = "all tracepoints of processes and packets",
				       .here = trial_tracepoint_attach },
	[KERNEL_SOCKET_ATTACH] = { .kind = "attaching",
				   .name = "at sockets",
				   .lost = "packets are not seen by filters of packet sockets",
				   .here = trial_socket_attach },
	[KERNEL_SOCK_DIAG] = { .kind = "socket",
			       .name = "sock_diag",
			       .lost = "sockets are looked up in their processes and in /proc/net, which takes longer",
			       .here = trial_sock_diag },
};
_Static_assert(sizeof(features) / sizeof(features[0]) == KERNEL_FEATURES, "a row for each feature");

/* The length of the first of the words; *words goes to the next. */
static size_t word_next(const char **words)
{
	const size_t n = strcspn(*words, ",");

	*words += n + ((*words)[n] == ',');
	return n;
}

static bool word_is(const char *text, size_t n, const char *word)
{
	return word && strlen(word) == n && memcmp(text, word, n) == 0;
}

bool kernel_hides(enum kernel_feature feature)
{
	const char *next = getenv("PTCPDUMP_HIDE");

	while (next && *next) {
		const char *word = next;

		if (word_is(word, word_next(&next), features[feature].word))
			return true;
	}
	return false;
}

static bool word_known(const char *word, size_t n)
{
	for (size_t i = 0; i < KERNEL_FEATURES; i++) {
		if (word_is(word, n, features[i].word))
			return true;
	}
	return false;
}

/* Each once, as rows of one version share theirs. */
static void list_words(char *text, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < KERNEL_FEATURES; i++) {
		size_t first = 0;

		while (features[i].word &&
		       (!features[first].word || strcmp(features[first].word, features[i].word) != 0))
			first++;
		if (features[i].word && first == i && used < size)
			used += (size_t)snprintf(text + used, size - used, " %s", features[i].word);
	}
}

int kernel_hide_check(void)
{
	const char *next = getenv("PTCPDUMP_HIDE");
	char words[256] = "";

	while (next && *next) {
		const char *word = next;
		const size_t n = word_next(&next);

		if (word_known(word, n))
			continue;
		list_words(words, sizeof(words));
		log_error("PTCPDUMP_HIDE: '%.*s' is no feature of a kernel, which are:%s", (int)n, word, words);
		return -EINVAL;
	}
	return 0;
}

/* What loads may still not attach: arm64 has had trampolines since 6.0, and an ftrace that jumps to them since 6.4. */
static bool functions_attach(void)
{
	struct utsname u;

	return (uname(&u) == 0 && strcmp(u.machine, "x86_64") == 0) || kernel_since(6, 4);
}

static bool fentry_loads(uint32_t btf_id)
{
	const int fd = trial_load(BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, btf_id);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void kernel_functions(const char *const *names, bool *found, size_t n)
{
	struct kernel_btf_type types[KERNEL_NAMES_MAX];
	size_t rows[KERNEL_NAMES_MAX], count = 0;

	for (size_t i = 0; i < n && i < KERNEL_NAMES_MAX; i++) {
		if (!names[i])
			continue;
		types[count] = (struct kernel_btf_type){ .kind = BTF_KIND_FUNC };
		snprintf(types[count].name, sizeof(types[count].name), "%s", names[i]);
		found[i] = false;
		rows[count++] = i;
	}
	if (!functions_attach() || kernel_btf_numbers(KERNEL_BTF_FOLDER, types, count))
		return;
	for (size_t i = 0; i < count; i++)
		found[rows[i]] = types[i].id && fentry_loads(types[i].id);
}

bool kernel_has(enum kernel_feature feature)
{
	return features[feature].here && !kernel_hides(feature) && features[feature].here();
}

bool kernel_takes_packet_programs(void)
{
	return kernel_has(KERNEL_PROGRAMS) && kernel_has(KERNEL_MMAP) && kernel_has(KERNEL_RINGBUF) &&
	       kernel_has(KERNEL_PACKET_TASK);
}

/* A name that is looked for in the BTF. */
struct wanted {
	const char *name;
	bool *found;
};

/*
 * Which of the names are in the string section of the kernel's BTF. A type of one of these names has no other reason
 * to exist, so parsing all types, which costs ten times more, would tell nothing else.
 */
static void find_names(const char *data, size_t size, const struct wanted *wanted, size_t n)
{
	const struct btf_header *h = (const void *)data;
	const char *end, *nul;

	if (size < sizeof(*h) || h->magic != BTF_MAGIC || h->hdr_len > size || h->str_off > size - h->hdr_len ||
	    h->str_len > size - h->hdr_len - h->str_off)
		return;
	end = data + h->hdr_len + h->str_off + h->str_len;
	for (const char *s = end - h->str_len; s < end; s = nul + 1) {
		nul = memchr(s, '\0', (size_t)(end - s));
		if (!nul)
			break;
		if (s[0] != 'b' || nul - s < 8)
			continue;
		for (size_t i = 0; i < n; i++) {
			if (strcmp(s, wanted[i].name) == 0)
				*wanted[i].found = true;
		}
	}
}

int kernel_look(bool has[KERNEL_FEATURES], const char *const *names, bool *found, size_t n)
{
	struct wanted wanted[KERNEL_FEATURES * FEATURE_NAMES + KERNEL_NAMES_MAX];
	bool seen[KERNEL_FEATURES][FEATURE_NAMES] = { 0 };
	struct kernel_btf_data btf;
	size_t count = 0;
	int err;

	for (size_t i = 0; i < KERNEL_FEATURES; i++)
		has[i] = features[i].told && kernel_has((enum kernel_feature)i);
	for (size_t i = 0; i < KERNEL_FEATURES * FEATURE_NAMES; i++) {
		const char *name = features[i / FEATURE_NAMES].btf[i % FEATURE_NAMES];

		if (name)
			wanted[count++] = (struct wanted){ name, &seen[i / FEATURE_NAMES][i % FEATURE_NAMES] };
	}
	for (size_t i = 0; i < n && i < KERNEL_NAMES_MAX; i++) {
		found[i] = false;
		if (names[i])
			wanted[count++] = (struct wanted){ names[i], &found[i] };
	}
	err = kernel_btf_read(&btf, KERNEL_BTF_PATH);
	if (err)
		return err == -ENOMEM ? err : 0;
	find_names(btf.p, btf.size, wanted, count);
	kernel_btf_done(&btf);
	has[KERNEL_BTF] = true;
	for (size_t i = 0; i < KERNEL_FEATURES; i++) {
		if (features[i].btf[0])
			has[i] = seen[i][0] && (!features[i].btf[1] || seen[i][1]) &&
				 !kernel_hides((enum kernel_feature)i);
	}
	return 0;
}

void kernel_tell(const bool has[KERNEL_FEATURES], struct ptcpdump__rodata *settings)
{
	for (size_t i = 0; i < KERNEL_FEATURES; i++) {
		const uint32_t value = has[i];

		if (features[i].told)
			memcpy((char *)settings + features[i].setting, &value, sizeof(value));
	}
}

int kernel_probe(FILE *out)
{
	bool has[KERNEL_FEATURES];
	int err = kernel_hide_check();

	if (!err)
		err = kernel_look(has, NULL, NULL, 0);
	for (size_t i = 0; !err && i < KERNEL_FEATURES; i++)
		fprintf(out, KERNEL_PROBE_FORMAT "\n", features[i].kind, features[i].name,
			(has[i] || (!features[i].told && kernel_has((enum kernel_feature)i))) ? "yes" : "no",
			features[i].lost);
	return err;
}
