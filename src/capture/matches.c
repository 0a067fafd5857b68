/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Expressions with process terms. The kernel has let pass what some owner could make match, or some kinds of owners; here the
 * whole expression is asked, with the owners known.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <pcap/dlt.h>
#include <stdlib.h>

#include "capture/backend.h"
#include "capture/private.h"
#include "util/log.h"

bool matches_needed(const struct capture *c)
{
	return c->config.filter && c->config.filter->n;
}

/* The last one stands for what no device of this capture has. */
static struct filter_whole *whole_of(const struct capture *c, int dlt)
{
	unsigned i = 0;

	while (i + 1 < c->filter.nwhole && c->filter.whole[i].dlt != dlt)
		i++;
	return &c->filter.whole[i];
}

int matches_keep(struct capture *c, int dlt, struct filter_code *code)
{
	struct packet_filter *f = &c->filter;
	struct filter_whole *more = reallocarray(f->whole, f->nwhole + 1, sizeof(*more));
	const uint32_t reach = filter_reach(code);

	if (!more)
		return -ENOMEM;
	f->whole = more;
	more[f->nwhole++] = (struct filter_whole){ .dlt = dlt, .code = *code };
	*code = (struct filter_code){ 0 };
	if (reach > c->copylen)
		c->copylen = reach < SNAPLEN_MAX ? reach : SNAPLEN_MAX;
	return 0;
}

int matches_compile(struct capture *c, int dlt)
{
	const struct filter_compile_opts opts = {
		.dlt = dlt,
		.snaplen = c->config.snaplen,
		.no_optimize = c->config.no_optimize,
		.live = dlt == DLT_EN10MB || dlt == DLT_RAW,
		.expr = c->config.filter,
	};
	struct filter_code code = { 0 };
	char text[FILTER_ERR_LEN];
	int err;

	if (!matches_needed(c) || (c->filter.nwhole && whole_of(c, dlt)->dlt == dlt))
		return 0;
	err = filter_compile(c->config.filter->exact, &opts, &code, text);
	if (err)
		log_error("%s", text);
	else
		err = matches_keep(c, dlt, &code);
	filter_done(&code);
	return err;
}

bool capture_matches(const struct capture *c, const struct packet *packet, const struct filter_truth *truth)
{
	const struct event_packet *e = packet->record;
	const struct filter_meta meta = {
		.ifindex = e->ifindex,
		.vlan_present = e->flags & EVENT_PKT_VLAN,
		.vlan_tci = e->vlan_tci,
		.vlan_proto = e->vlan_proto,
		.pkt_type = c->backend->programs && e->dir == EVENT_DIR_OUT ? PACKET_OUTGOING : e->pkt_type,
	};

	return filter_match_live(&whole_of(c, packet->iface->dlt)->code, e->data, e->caplen, e->len, &meta, truth);
}

void matches_done(struct packet_filter *f)
{
	for (unsigned i = 0; i < f->nwhole; i++)
		filter_done(&f->whole[i].code);
	free(f->whole);
}
