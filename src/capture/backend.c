/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/backend.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <pcap/dlt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/private.h"
#include "util/device.h"
#include "util/log.h"

/* In the order of --backend help; the first is the default. A macro, because the names are constants of other tables. */
#define BACKENDS(FIRST, NEXT)                                                                                               \
	FIRST("tc",                                                                                                         \
	      .help = "eBPF programs at tcx or clsact: most exact owners, all namespaces, Ethernet and IP devices",         \
	      .missing = tc_missing, .instead = "pcap", .programs = true, .counts = true,                                   \
	      .device = ether_or_ip_device, .open = tc_open, .prepare = tc_prepare, .attach = tc_attach,                    \
	      .attach_link = tc_attach_link, .stop = programs_stop, .count = links_count, .close = tc_close)                \
	NEXT("cgroup-skb",                                                                                                  \
	     .help = "eBPF programs at the root of cgroup v2: what local sockets send and receive, from the IP header on",  \
	     .missing = cgroup_missing, .instead = "pcap", .programs = true, .flows = true, .raw_ip = true,                 \
	     .device = ether_or_ip_device, .open = taps_open, .prepare = cgroup_prepare, .attach = cgroup_attach,           \
	     .stop = programs_stop, .count = links_count, .close = taps_close)                                              \
	NEXT("socket-filter",                                                                                               \
	     .help = "eBPF filters of packet sockets: what tcpdump sees, before tc on ingress and after it on egress",      \
	     .missing = sockets_missing, .instead = "pcap", .programs = true, .counts = true, .flows = true,                \
	     .packet_sockets = true, .device = ether_or_ip_device, .open = taps_open, .prepare = sockets_prepare,           \
	     .attach = sockets_attach, .attach_link = socket_attach_link, .stop = programs_stop, .count = links_count,      \
	     .close = links_detach)                                                                                         \
	NEXT("tp-btf",                                                                                                      \
	     .help = "tracepoints net_dev_queue and netif_receive_skb: all interfaces at once, the linear part of packets", \
	     .missing = tracepoints_missing, .instead = "pcap", .programs = true, .counts = true, .flows = true,            \
	     .device = ether_or_ip_device, .open = tracepoints_open, .prepare = tracepoints_prepare,                        \
	     .attach = tracepoints_attach, .stop = programs_stop, .count = links_count, .close = taps_close)                \
	NEXT("pcap", .help = "libpcap's own capture: every device that it opens; -I, -y and -j are served by it",           \
	     .missing = pcap_backend_missing, .bpf_optional = true, .packet_sockets = true, .opens_proc = true,             \
	     .open = pcap_backend_open, .attach = pcap_backend_attach, .renamed = pcap_backend_renamed,                     \
	     .up = pcap_backend_up, .flow_was = pcap_backend_flow_was, .forget = pcap_backend_forget,                       \
	     .collect = pcap_backend_collect, .finish = pcap_backend_finish, .stop = pcap_backend_stop,                     \
	     .wait = pcap_backend_wait, .count = pcap_backend_count, .close = pcap_backend_close)

#define ROW(text, ...) { .name = text, __VA_ARGS__ },
#define FIRST_WORD(text, ...) text
#define NEXT_WORD(text, ...) " " text

static const struct backend backends[] = { BACKENDS(ROW, ROW) };
enum { BACKENDS_COUNT = sizeof(backends) / sizeof(backends[0]) };

const char capture_backend_words[] = BACKENDS(FIRST_WORD, NEXT_WORD);

int capture_list_backends(FILE *out)
{
	for (unsigned i = 0; i < BACKENDS_COUNT; i++) {
		const char *missing = backends[i].missing();

		fprintf(out, "%-13s %s%s%s\n", backends[i].name, backends[i].help, missing ? "; not here: " : "",
			missing ? missing : "");
	}
	return ferror(out) ? -EIO : 0;
}

void capture_each_backend(void (*each)(void *arg, const char *name), void *arg)
{
	for (unsigned i = 0; i < BACKENDS_COUNT; i++) {
		if (!backends[i].missing())
			each(arg, backends[i].name);
	}
}

const struct backend *backend_find(const char *name)
{
	for (unsigned i = 0; i < BACKENDS_COUNT; i++) {
		if (strcmp(backends[i].name, name) == 0)
			return &backends[i];
	}
	return NULL;
}

const struct backend *backend_default(void)
{
	return &backends[0];
}

const char *backend_without_bpf(void)
{
	for (unsigned i = 0; i < BACKENDS_COUNT; i++) {
		if (backends[i].bpf_optional)
			return backends[i].name;
	}
	return NULL;
}

bool capture_follows_netns(const struct backend *backend)
{
	return backend->programs;
}

bool capture_has_programs(const char *name)
{
	const struct backend *backend = backend_find(name);

	return backend && backend->programs;
}

bool capture_opens_proc(const struct backend *backend)
{
	return backend->opens_proc;
}

int capture_device_dlt(const char *name)
{
	const int type = device_type(name);
	bool l3 = true;

	if (type >= 0)
		backend_default()->device((uint16_t)type, &l3);
	return type >= 0 && l3 ? DLT_RAW : DLT_EN10MB;
}

/* True too when there is no such device. */
static bool serves_device(const struct backend *backend, const char *given)
{
	char name[IF_NAMESIZE];
	bool l3;
	int type;

	if (strchr(given, '/') || iface_resolve(given, name) != 0 || strcmp(name, "any") == 0)
		return true;
	type = device_type(name);
	/* libpcap has others than network devices. */
	return type >= 0 && backend->device((uint16_t)type, &l3);
}

static bool has_dlt(const char *given, int dlt)
{
	char name[IF_NAMESIZE];

	if (iface_resolve(given, name) != 0)
		return dlt == DLT_EN10MB;
	return strcmp(name, "any") != 0 && capture_device_dlt(name) == dlt;
}

/* What is asked for that a backend cannot serve: flags of tcpdump, and devices. NULL: nothing. */
static const char *beyond(const struct backend *backend, const struct capture_config *wanted)
{
	if (!backend->instead)
		return NULL;
	if (!kernel_takes_packet_programs())
		return "a kernel before Linux 5.8";
	if (wanted->monitor)
		return "-I";
	if (wanted->tstamp_type && strcmp(wanted->tstamp_type, "host") != 0)
		return "-j";
	for (const char *const *name = wanted->ifaces; *name; name++) {
		if (wanted->dlt >= 0 && !has_dlt(*name, wanted->dlt))
			return "-y";
		if ((!wanted->netns || !wanted->netns[0]) && !serves_device(backend, *name))
			return *name;
	}
	return NULL;
}

int capture_choose_backend(const char *name, const struct capture_config *wanted, const struct backend **ret)
{
	const struct backend *backend = name ? backend_find(name) : backend_default();
	const char *reason;

	if (kernel_hide_check())
		return -EINVAL;
	if (!backend) {
		log_error("unknown backend '%s': --backend help lists those that exist", name);
		return -EINVAL;
	}
	*ret = backend;
	reason = beyond(backend, wanted);
	if (!reason)
		return 0;
	if (name) {
		log_error("the backend %s cannot serve %s: use --backend %s", name, reason, backend->instead);
		return -EINVAL;
	}
	log_info("%s is served by the backend %s", reason, backend->instead);
	*ret = backend_find(backend->instead);
	return 0;
}
