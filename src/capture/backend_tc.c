/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend whose programs are at both sides of each device: tcx, or clsact. */
#include <bpf/libbpf.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

#include "capture/backend.h"
#include "capture/private.h"
#include "ptcpdump.skel.h"
#include "util/log.h"

enum { RING_BYTES_AHEAD = 64 << 20 };

const char *tc_missing(void)
{
	return programs_missing(KERNEL_SCHED_CLS, KERNEL_DEVICE_ATTACH,
				"the kernel refuses such programs, or root is needed");
}

/* PTCPDUMP_TC=tcx or clsact forces one of the two ways into tc: for tests, and where tcx is in the way. */
static enum attach_mode mode_forced(void)
{
	const char *forced = getenv("PTCPDUMP_TC");

	if (kernel_hides(KERNEL_TCX) || !kernel_has(KERNEL_LINKS))
		return ATTACH_CLSACT;
	if (!forced || !*forced)
		return ATTACH_AUTO;
	if (strcmp(forced, "tcx") == 0)
		return ATTACH_TCX;
	if (strcmp(forced, "clsact") == 0)
		return ATTACH_CLSACT;
	log_warn("PTCPDUMP_TC=%s is neither tcx nor clsact", forced);
	return ATTACH_AUTO;
}

int tc_prepare(struct capture *c, struct ptcpdump *skel)
{
	const bool all = c->links.any || c->namespaces.any || c->namespaces.chosen;
	bool l2 = all, l3 = all;

	for (unsigned i = 0; i < c->links.n; i++) {
		l2 |= !c->links.all[i]->l3;
		l3 |= c->links.all[i]->l3;
	}
	bpf_program__set_autoload(skel->progs.ptcp_l2, l2);
	bpf_program__set_autoload(skel->progs.ptcp_l3, l3);
	return 0;
}

/*
 * Which sides. A packet on lo passes both: one is enough, and on egress its sender is known best. tcpdump, too,
 * shows each once.
 */
static void sides_choose(const struct capture *c, const struct link *link, bool *in, bool *out)
{
	*in = c->config.direction != DIR_OUT;
	*out = c->config.direction != DIR_IN;
	if (link->type == ARPHRD_LOOPBACK && *out)
		*in = false;
}

/* All but those for which RCU is expedited, which does not hold up anything. */
static void links_ahead(struct capture *c)
{
	struct ahead *a = &c->links.ahead;

	if (c->links.mode == ATTACH_CLSACT || c->links.n * 2 > AHEAD_MAX)
		return;
	/* While such rings may take all that a memory control group has, whoever else asks for memory has us killed. */
	if (c->config.ring_bytes > RING_BYTES_AHEAD)
		return;
	for (unsigned i = 0; i < c->links.n; i++) {
		const struct link *link = c->links.all[i];
		bool in, out;

		if (!link->present || !link->up)
			continue;
		sides_choose(c, link, &in, &out);
		if (out)
			ahead_add(a, link->ns->fd, link->iface.netns, link->iface.ifindex, false);
		if (in)
			ahead_add(a, link->ns->fd, link->iface.netns, link->iface.ifindex, true);
	}
	ahead_begin(a);
}

int tc_open(struct capture *c)
{
	int err;

	c->links.mode = mode_forced();
	err = taps_open(c);
	if (!err)
		links_ahead(c);
	return err;
}

int tc_attach(struct capture *c)
{
	const int err = links_attach(c);

	ahead_end(&c->links.ahead);
	return err;
}

void tc_close(struct capture *c)
{
	ahead_end(&c->links.ahead);
	links_detach(c);
}

static int attach_side(struct capture *c, struct link *link, bool ingress, int prog_fd)
{
	struct attachment *a = ingress ? &link->ingress : &link->egress;
	const uint32_t ifindex = link->iface.ifindex;
	const int fd = ahead_take(&c->links.ahead, link->iface.netns, ifindex, ingress);

	if (fd >= 0 && attach_to_link(a, &c->links.mode, ifindex, ingress, fd, prog_fd) == 0)
		return 0;
	return attach_program(a, &c->links.mode, ifindex, ingress, prog_fd);
}

/*
 * What a new device sends comes first, on all of them: an attachment takes effect at once, but returns only after an RCU
 * grace period, and the next one waits for that.
 */
int tc_attach_link(struct capture *c, struct link *link)
{
	int prog_fd = bpf_program__fd(link->l3 ? c->programs.skel->progs.ptcp_l3 : c->programs.skel->progs.ptcp_l2);
	bool in, out;
	int err = 0;

	sides_choose(c, link, &in, &out);
	/* One with tcx takes away what one without has left, before it gives up the right to. */
	if ((c->links.mode == ATTACH_CLSACT || !c->links.running) && !link->egress.active)
		attach_clean(link->iface.ifindex);
	if (out && !link->egress.active) {
		err = attach_side(c, link, false, prog_fd);
		if (!err && in && c->links.running && c->links.mode == ATTACH_TCX)
			return LINK_UNFINISHED;
	}
	if (!err && in)
		err = attach_side(c, link, true, prog_fd);
	if (err)
		attach_undo(&link->egress, false);
	return err;
}
