/* SPDX-License-Identifier: BSD-3-Clause */
/* Backends whose programs see packets without being attached to tc: packet sockets and tracepoints. */
#include <arpa/inet.h>
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
#include "util/log.h"

/* In the calling thread's namespace; ifindex 0: every device. Returns the socket or -errno. */
static int socket_open(const struct capture *c, uint32_t ifindex)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)ifindex,
	};
	const int prog_fd = bpf_program__fd(c->skel->progs.ptcp_sock);
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

int socket_attach_link(struct capture *c, struct link *link)
{
	struct attachment *a = &link->ingress;

	if (c->any) {
		if (link->ns->tap_fd < 0)
			link->ns->tap_fd = socket_open(c, 0);
		return link->ns->tap_fd < 0 ? link->ns->tap_fd : 0;
	}
	a->link_fd = socket_open(c, a->ifindex);
	a->active = a->link_fd >= 0;
	return a->active ? 0 : a->link_fd;
}

int tracepoints_attach(struct capture *c)
{
	struct bpf_program *progs[] = { c->skel->progs.ptcp_queue, c->skel->progs.ptcp_receive };

	for (unsigned i = 0; i < 2; i++) {
		if (bpf_program__fd(progs[i]) < 0)
			continue;
		c->tracepoints[i] = bpf_program__attach_trace(progs[i]);
		if (!c->tracepoints[i]) {
			const int err = -errno;

			log_error(
				"cannot attach to the tracepoints of network devices: %s; try --backend socket-filter",
				strerror(-err));
			return err;
		}
	}
	return links_attach(c);
}

void tracepoints_close(struct capture *c)
{
	for (unsigned i = 0; i < 2; i++)
		bpf_link__destroy(c->tracepoints[i]);
	links_detach(c);
}
