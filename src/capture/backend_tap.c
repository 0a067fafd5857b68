/* SPDX-License-Identifier: BSD-3-Clause */
/* Backends whose programs see packets without being attached to tc: packet sockets, tracepoints, cgroups. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/backend.h"
#include "capture/kfunc_link.h"
#include "capture/permissions.h"
#include "capture/private.h"
#include "capture/refusal.h"
#include "ptcpdump.skel.h"
#include "util/cgroup2.h"
#include "util/log.h"

#ifndef ARPHRD_IP6GRE
#define ARPHRD_IP6GRE 823 /* linux/if_arp.h, in newer headers than libc's */
#endif
#define TRY_TC "the kernel refuses such programs, or root is needed; try tc"

/* Device types that our programs see, and where their packets start: at an Ethernet or at an IP header. */
static const struct {
	uint16_t arphrd;
	bool l3;
} types[] = {
	{ ARPHRD_ETHER, false },  { ARPHRD_LOOPBACK, false }, { ARPHRD_NONE, true },  { ARPHRD_TUNNEL, true },
	{ ARPHRD_TUNNEL6, true }, { ARPHRD_SIT, true },	      { ARPHRD_IPGRE, true }, { ARPHRD_IP6GRE, true },
	{ ARPHRD_RAWIP, true },	  { ARPHRD_PPP, true },
};

bool ether_or_ip_device(uint16_t arphrd, bool *l3)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (types[i].arphrd == arphrd) {
			*l3 = types[i].l3;
			return true;
		}
	}
	return false;
}

const char *programs_missing(enum kernel_feature type, enum kernel_feature attach, const char *refused)
{
	const char *why;

	if (!kernel_takes_packet_programs())
		return "this kernel is older than Linux 5.8, and its packet programs cannot tell who runs";
	if (!kernel_has(KERNEL_BTF))
		return "this kernel has no BTF, --kernel-btf can name a file";
	/* libbpf tries what the kernel has by socket filters. */
	if (!permissions_lack_programs() && kernel_has(type) && kernel_has(KERNEL_SOCKET_FILTER) &&
	    kernel_has(KERNEL_MEMORY) && kernel_has(attach))
		return NULL;
	why = refusal_find();
	return why ? why : refused;
}

int taps_open(struct capture *c)
{
	int err = links_find(c);

	return err ? err : filters_compile(c);
}

const char *sockets_missing(void)
{
	const char *why = pcap_backend_missing();

	return why ? why : programs_missing(KERNEL_SOCKET_FILTER, KERNEL_SOCKET_ATTACH, TRY_TC);
}

int sockets_prepare(struct capture *c, struct ptcpdump *skel)
{
	(void)c;
	bpf_program__set_autoload(skel->progs.ptcp_sock, true);
	bpf_program__set_autoload(skel->progs.ptcp_sock_enter, true);
	return 0;
}

/* In the calling thread's namespace; ifindex 0: every device. Returns the socket or -errno. */
static int socket_open(const struct capture *c, uint32_t ifindex)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)ifindex,
	};
	const int prog_fd = bpf_program__fd(c->programs.skel->progs.ptcp_sock_enter);
	/* Protocol 0: it receives nothing before its filter is there. */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &prog_fd, sizeof(prog_fd)) == 0 &&
	    bind(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int sockets_attach(struct capture *c)
{
	const uint32_t first = 0;
	const int rest = bpf_program__fd(c->programs.skel->progs.ptcp_sock);
	int err;

	if (bpf_map_update_elem(bpf_map__fd(c->programs.skel->maps.ptcp_sock_rest), &first, &rest, BPF_ANY) == 0)
		return links_attach(c);
	err = -errno;
	log_error("cannot chain the filters of packet sockets: %s; try --backend tc", refusal_why(err));
	return err;
}

int socket_attach_link(struct capture *c, struct link *link)
{
	struct attachment *a = &link->ingress;

	if (c->links.any) {
		if (link->ns->tap_fd < 0)
			link->ns->tap_fd = socket_open(c, 0);
		return link->ns->tap_fd < 0 ? link->ns->tap_fd : 0;
	}
	a->link_fd = socket_open(c, a->ifindex);
	a->active = a->link_fd >= 0;
	return a->active ? 0 : a->link_fd;
}

static int tap_attach(struct capture *c, unsigned i, struct bpf_program *prog, int cgroup)
{
	if (bpf_program__fd(prog) < 0)
		return 0;
	c->programs.taps[i] = cgroup < 0 ? bpf_program__attach_trace(prog) : bpf_program__attach_cgroup(prog, cgroup);
	return c->programs.taps[i] ? 0 : -errno;
}

/* No file does instead: the kernel asks its own BTF what the arguments of a tracepoint are. */
#define NO_OWN_BTF "this kernel has no BTF of its own, which tracepoints need even with --kernel-btf; try tc"

const char *tracepoints_missing(void)
{
	return kernel_has(KERNEL_BTF) ? programs_missing(KERNEL_TRACING, KERNEL_TRACEPOINT_ATTACH, TRY_TC) : NO_OWN_BTF;
}

int tracepoints_open(struct capture *c)
{
	if (kernel_has(KERNEL_BTF))
		return taps_open(c);
	log_error("--backend %s: %s", c->backend->name, NO_OWN_BTF);
	return -EOPNOTSUPP;
}

int tracepoints_prepare(struct capture *c, struct ptcpdump *skel)
{
	int err;

	bpf_program__set_autoload(skel->progs.ptcp_queue, c->config.direction != DIR_IN);
	bpf_program__set_autoload(skel->progs.ptcp_receive, c->config.direction != DIR_OUT);
	err = bpf_program__set_attach_target(skel->progs.ptcp_queue, 0, "net_dev_queue");
	if (!err)
		err = bpf_program__set_attach_target(skel->progs.ptcp_receive, 0, "netif_receive_skb");
	if (err || !kernel_has(KERNEL_TRACE_FRAGMENTS))
		return err;
	err = kfuncs_link(skel->obj, BPF_PROG_TYPE_TRACING);
	skel->rodata->tap_fragments = !err;
	return err == -ENOENT ? 0 : err;
}

int tracepoints_attach(struct capture *c)
{
	int err = tap_attach(c, 0, c->programs.skel->progs.ptcp_queue, -1);

	if (!err)
		err = tap_attach(c, 1, c->programs.skel->progs.ptcp_receive, -1);
	if (!err)
		return links_attach(c);
	log_error("cannot attach to the tracepoints of network devices: %s; try --backend socket-filter",
		  refusal_why(err));
	return err;
}

const char *cgroup_missing(void)
{
	if (!kernel_has(KERNEL_CGROUP2))
		return "cgroup v2 is not mounted; try socket-filter";
	if (!kernel_has(KERNEL_LINKS))
		return "this kernel would not detach the programs when we are killed; try socket-filter";
	return programs_missing(KERNEL_CGROUP_SKB, KERNEL_CGROUP_ATTACH, TRY_TC);
}

int cgroup_prepare(struct capture *c, struct ptcpdump *skel)
{
	bpf_program__set_autoload(skel->progs.ptcp_cg_out, c->config.direction != DIR_IN);
	bpf_program__set_autoload(skel->progs.ptcp_cg_in, c->config.direction != DIR_OUT);
	return bpf_map__set_max_entries(skel->maps.ptcp_scratch, (uint32_t)c->programs.ncpus * SCRATCH_SLOTS_NESTED);
}

int cgroup_attach(struct capture *c)
{
	const int cgroup = cgroup2_open();
	int err = cgroup < 0 ? cgroup : tap_attach(c, 0, c->programs.skel->progs.ptcp_cg_out, cgroup);

	if (!err)
		err = tap_attach(c, 1, c->programs.skel->progs.ptcp_cg_in, cgroup);
	if (cgroup >= 0)
		close(cgroup);
	if (!err)
		return links_attach(c);
	log_error("cannot attach to the root of cgroup v2: %s; try --backend socket-filter", refusal_why(err));
	return err;
}

void taps_close(struct capture *c)
{
	for (unsigned i = 0; i < sizeof(c->programs.taps) / sizeof(c->programs.taps[0]); i++)
		bpf_link__destroy(c->programs.taps[i]);
	links_detach(c);
}
