/* SPDX-License-Identifier: BSD-3-Clause */
/* What a reader finds goes to an output: callbacks whose argument is that output. */
#ifndef PASS_H
#define PASS_H

#include "block.h"
#include "output/output.h"
#include "packet.h"

static int pass_iface(void *arg, const struct iface *iface)
{
	struct output *o = arg;

	return o->ops->iface(o, iface);
}

static int pass_packet(void *arg, const struct packet *p)
{
	struct output *o = arg;

	return o->ops->packet(o, p);
}

static int pass_block(void *arg, const struct pcapng_block *b)
{
	struct output *o = arg;

	return o->ops->block(o, b);
}

#endif
