/* SPDX-License-Identifier: BSD-3-Clause */
/* Backends whose programs see packets without being attached to tc: packet sockets, tracepoints, cgroups. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/backend.h"
#include "capture/private.h"
#include "ptcpdump.skel.h"
#include "util/cgroup2.h"
#include "util/log.h"

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
	log_error("cannot chain the filters of packet sockets: %s; try --backend tc", strerror(-err));
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

int tracepoints_attach(struct capture *c)
{
	int err = tap_attach(c, 0, c->programs.skel->progs.ptcp_queue, -1);

	if (!err)
		err = tap_attach(c, 1, c->programs.skel->progs.ptcp_receive, -1);
	if (!err)
		return links_attach(c);
	log_error("cannot attach to the tracepoints of network devices: %s; try --backend socket-filter",
		  strerror(-err));
	return err;
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
	log_error("cannot attach to the root of cgroup v2: %s; try --backend socket-filter", strerror(-err));
	return err;
}

void taps_close(struct capture *c)
{
	for (unsigned i = 0; i < sizeof(c->programs.taps) / sizeof(c->programs.taps[0]); i++)
		bpf_link__destroy(c->programs.taps[i]);
	links_detach(c);
}
