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

const char *tc_missing(void)
{
	return programs_missing(KERNEL_SCHED_CLS, "the kernel refuses such programs, or root is needed");
}

/* PTCPDUMP_TC=tcx or clsact forces one of the two ways into tc: for tests, and where tcx is in the way. */
static enum attach_mode mode_forced(void)
{
	const char *forced = getenv("PTCPDUMP_TC");

	if (!forced || !*forced)
		return ATTACH_AUTO;
	if (strcmp(forced, "tcx") == 0)
		return ATTACH_TCX;
	if (strcmp(forced, "clsact") == 0)
		return ATTACH_CLSACT;
	log_warn("PTCPDUMP_TC=%s is neither tcx nor clsact", forced);
	return ATTACH_AUTO;
}

int tc_open(struct capture *c)
{
	c->links.mode = mode_forced();
	return taps_open(c);
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

/*
 * What a new device sends comes first, on all of them: an attachment takes effect at once, but returns only after an RCU
 * grace period, and the next one waits for that.
 */
int tc_attach_link(struct capture *c, struct link *link)
{
	int prog_fd = bpf_program__fd(link->l3 ? c->programs.skel->progs.ptcp_l3 : c->programs.skel->progs.ptcp_l2);
	uint32_t ifindex = link->iface.ifindex;
	bool in, out;
	int err = 0;

	sides_choose(c, link, &in, &out);
	/* One with tcx takes away what one without has left, before it gives up the right to. */
	if ((c->links.mode == ATTACH_CLSACT || !c->links.running) && !link->egress.active)
		attach_clean(ifindex);
	if (out && !link->egress.active) {
		err = attach_program(&link->egress, &c->links.mode, ifindex, false, prog_fd);
		if (!err && in && c->links.running && c->links.mode == ATTACH_TCX)
			return LINK_UNFINISHED;
	}
	if (!err && in)
		err = attach_program(&link->ingress, &c->links.mode, ifindex, true, prog_fd);
	if (err)
		attach_undo(&link->egress, false);
	return err;
}
