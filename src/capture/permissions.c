/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/permissions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture/backend.h"
#include "util/caps.h"
#include "util/log.h"
#include "util/procfs.h"

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

/* Its root lacks what the host's has. One of its files, or a pid namespace that is not the first. */
static bool root_of_container(void)
{
	const uint32_t first_pid_namespace = 0xeffffffc; /* PROC_PID_INIT_INO, include/linux/proc_ns.h */

	if (geteuid() != 0)
		return false;
	return access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0 ||
	       procfs_namespace(0, "pid") != first_pid_namespace;
}

/* As Debian does it for dumpcap, which captures for the same people. A change of the group takes capabilities away. */
static void advise_group(const char *missing, const char *program)
{
	log_error(
		"no permission to capture: %s missing; give it to the group of those who may capture, once: sudo sh -c "
		"'chgrp wireshark %s && chmod 750 %s && setcap "
		"cap_bpf,cap_net_admin,cap_net_raw,cap_perfmon,cap_sys_ptrace=ep %s'",
		missing, program, program, program);
}

static void capabilities_advise(const struct backend *backend, const char *missing, bool plugin, bool raw)
{
	const char *less = backend_without_bpf();
	char program[4096] = "ptcpdump";
	int n = (int)readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (n > 0)
		program[n] = '\0';
	if (plugin) {
		advise_group(missing, program);
		return;
	}
	if (root_of_container()) {
		log_error(
			"no permission to capture: %s missing; this is a container: start it with \"docker run "
			"--privileged --pid=host --net=host --cgroupns=host\", or instead of --privileged with \"--cap-add "
			"SYS_ADMIN --cap-add NET_ADMIN --cap-add NET_RAW --cap-add SYS_PTRACE --cap-add DAC_READ_SEARCH "
			"--security-opt seccomp=unconfined --security-opt systempaths=unconfined\"",
			missing);
		return;
	}
	log_error("no permission to capture: %s missing; run it with sudo, or once 'sudo setcap "
		  "cap_bpf,cap_net_admin,cap_perfmon,cap_sys_ptrace%s+ep %s'%s%s%s",
		  missing, backend->packet_sockets ? ",cap_net_raw" : "", program, raw ? ", or use --backend " : "",
		  raw ? less : "", raw ? ", which does with less" : "");
}

bool permissions_lack_programs(void)
{
	struct caps caps;

	if (caps_get(&caps))
		return true;
	for (size_t i = 0; i < CAPABILITIES; i++) {
		if (capabilities[i].use == FOR_PROGRAMS && capability_lacks(caps.effective, i))
			return true;
	}
	return false;
}

int permissions_check(const struct backend *backend, bool plugin, bool *no_programs)
{
	char bpf[64], raw[64], missing[sizeof(bpf) + sizeof(raw) + 2];
	bool no_bpf, no_raw;
	struct caps caps;
	int err = caps_get(&caps);

	if (err)
		return err;
	capabilities_missing(caps.effective, FOR_PROGRAMS, bpf, sizeof(bpf));
	capabilities_missing(caps.effective, FOR_SOCKETS, raw, sizeof(raw));
	no_bpf = *bpf && !backend->bpf_optional;
	no_raw = *raw && backend->packet_sockets;
	if (!no_bpf && !no_raw) {
		*no_programs = *bpf;
		if (*no_programs)
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
	capabilities_advise(backend, missing, plugin, backend->programs && !*raw);
	return -EPERM;
}
