/* SPDX-License-Identifier: BSD-3-Clause */
/* The expression, for both kinds of devices that programs see. */
#include <errno.h>
#include <pcap/dlt.h>
#include <stdio.h>
#include <string.h>

#include "capture/private.h"
#include "util/log.h"

/* What the kernel asks of an expression that has process terms. */
static int weaken(struct capture *c, const struct filter_code *exact, struct filter_code *code,
		  struct filter_code *rest)
{
	int err = filter_weaken(exact, NULL, code);

	return err || !c->config.decided ? err : filter_weaken(exact, c->config.decided, rest);
}

static int filter_compile_for(struct capture *c, int dlt, struct filter_code *code, struct filter_code *rest,
			      char text[FILTER_ERR_LEN])
{
	const struct filter_compile_opts opts = {
		.dlt = dlt,
		.snaplen = c->config.snaplen,
		.no_optimize = c->config.no_optimize,
		.live = true,
		.expr = c->config.filter,
	};
	struct filter_code exact = { 0 };
	int err;

	if (!matches_needed(c))
		return filter_compile(c->config.filter->text, &opts, code, text);
	err = filter_compile(c->config.filter->exact, &opts, &exact, text);
	if (err)
		return err;
	err = weaken(c, &exact, code, rest);
	if (!err)
		err = matches_keep(c, dlt, &exact);
	filter_done(&exact);
	if (err) {
		snprintf(text, FILTER_ERR_LEN, "%s", strerror(-err));
		filter_done(code);
		filter_done(rest);
	}
	return err;
}

/* Of devices for which it makes no sense. */
static int filter_reject_for(struct capture *c, int dlt, struct filter_code *code, struct filter_code *rest)
{
	struct filter_code exact = { 0 };
	int err = filter_reject(code);

	if (err || !matches_needed(c))
		return err;
	err = filter_reject(rest);
	if (!err)
		err = filter_reject(&exact);
	if (!err)
		err = matches_keep(c, dlt, &exact);
	filter_done(&exact);
	return err;
}

/* Compiles for both kinds of devices: one of the other kind may appear later. */
int filters_compile(struct capture *c)
{
	struct packet_filter *f = &c->filter;
	char err_l2[FILTER_ERR_LEN], err_l3[FILTER_ERR_LEN];
	int l2, l3;

	if (!c->config.filter || !*c->config.filter->text)
		return 0;
	l2 = filter_compile_for(c, DLT_EN10MB, &f->l2, &f->rest_l2, err_l2);
	if (l2 != 0 && l2 != -EOPNOTSUPP) {
		log_error("%s", err_l2);
		return l2;
	}
	l3 = filter_compile_for(c, DLT_RAW, &f->l3, &f->rest_l3, err_l3);
	if (l2 == 0 && l3 == 0)
		return 0;
	for (unsigned i = 0; i < c->links.n; i++) {
		/* An expression that no interface can match is the user's mistake. */
		if ((c->links.all[i]->l3 ? l3 : l2) == 0)
			break;
		if (i + 1 == c->links.n) {
			log_error("%s", c->links.all[i]->l3 ? err_l3 : err_l2);
			return -EINVAL;
		}
	}
	if (l2 != 0)
		return filter_reject_for(c, DLT_EN10MB, &f->l2, &f->rest_l2);
	return filter_reject_for(c, DLT_RAW, &f->l3, &f->rest_l3);
}
