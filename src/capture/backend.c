/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/backend.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/kernel.h"
#include "capture/private.h"

#define TRY_TC "the kernel refuses such programs, or root is needed; try tc"

static const char *tap_missing(enum kernel_feature programs, const char *refused)
{
	if (!kernel_has(KERNEL_BTF))
		return "this kernel has no BTF, --kernel-btf can name a file";
	return kernel_has(programs) ? NULL : refused;
}

static const char *tc_missing(void)
{
	return tap_missing(KERNEL_SCHED_CLS, "the kernel refuses such programs, or root is needed");
}

static const char *pcap_missing(void)
{
	if (kernel_has(KERNEL_PACKET_SOCKET))
		return NULL;
	return errno == EPERM ? "CAP_NET_RAW is needed" : "the kernel has no packet sockets";
}

static const char *socket_missing(void)
{
	const char *why = pcap_missing();

	return why ? why : tap_missing(KERNEL_SOCKET_FILTER, TRY_TC);
}

static const char *tracepoints_missing(void)
{
	return tap_missing(KERNEL_RAW_TRACEPOINT, TRY_TC);
}

static const char *cgroup_missing(void)
{
	if (!kernel_has(KERNEL_CGROUP2))
		return "cgroup v2 is not mounted; try socket-filter";
	return tap_missing(KERNEL_CGROUP_SKB, TRY_TC);
}

static int tc_open(struct capture *c)
{
	int err = links_find(c);

	return err ? err : filters_compile(c);
}

/* Waits for all programs that did not see it. */
static void tc_stop(struct capture *c)
{
	__atomic_store_n(&c->programs.control->stop, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

const struct backend backends[] = {
	{
		.name = "tc",
		.help = "eBPF programs at tcx or clsact: most exact owners, all namespaces, Ethernet and IP devices",
		.missing = tc_missing,
		.programs = true,
		.open = tc_open,
		.attach = links_attach,
		.attach_link = tc_attach_link,
		.stop = tc_stop,
		.count = links_count,
		.close = links_detach,
	},
	{
		.name = "cgroup-skb",
		.help = "eBPF programs at the root of cgroup v2: what local sockets send and receive, from the IP header on",
		.missing = cgroup_missing,
		.programs = true,
		.flows = true,
		.raw_ip = true,
		.open = tc_open,
		.attach = cgroup_attach,
		.stop = tc_stop,
		.count = links_count,
		.close = taps_close,
	},
	{
		.name = "socket-filter",
		.help = "eBPF filters of packet sockets: what tcpdump sees, before tc on ingress and after it on egress",
		.missing = socket_missing,
		.programs = true,
		.flows = true,
		.packet_sockets = true,
		.open = tc_open,
		.attach = sockets_attach,
		.attach_link = socket_attach_link,
		.stop = tc_stop,
		.count = links_count,
		.close = links_detach,
	},
	{
		.name = "tp-btf",
		.help = "tracepoints net_dev_queue and netif_receive_skb: all interfaces at once, the linear part of packets",
		.missing = tracepoints_missing,
		.programs = true,
		.flows = true,
		.open = tc_open,
		.attach = tracepoints_attach,
		.stop = tc_stop,
		.count = links_count,
		.close = taps_close,
	},
	{
		.name = "pcap",
		.help = "libpcap's own capture: every device that it opens; -I, -y and -j are served by it",
		.missing = pcap_missing,
		.bpf_optional = true,
		.packet_sockets = true,
		.open = pcap_backend_open,
		.attach = pcap_backend_attach,
		.collect = pcap_backend_collect,
		.finish = pcap_backend_finish,
		.stop = pcap_backend_stop,
		.wait = pcap_backend_wait,
		.count = pcap_backend_count,
		.close = pcap_backend_close,
	},
};
const unsigned backends_count = sizeof(backends) / sizeof(backends[0]);

int capture_list_backends(FILE *out)
{
	for (unsigned i = 0; i < backends_count; i++) {
		const char *missing = backends[i].missing();

		fprintf(out, "%-13s %s%s%s\n", backends[i].name, backends[i].help, missing ? "; not here: " : "",
			missing ? missing : "");
	}
	return ferror(out) ? -EIO : 0;
}

const struct backend *backend_find(const char *name)
{
	for (unsigned i = 0; name && i < backends_count; i++) {
		if (strcmp(backends[i].name, name) == 0)
			return &backends[i];
	}
	return name ? NULL : &backends[0];
}
