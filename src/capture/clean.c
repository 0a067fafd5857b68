/* SPDX-License-Identifier: BSD-3-Clause */
/* What captures that were killed have left in the kernel. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture/attach.h"
#include "capture/expedite.h"
#include "capture/private.h"
#include "capture/rtnl.h"
#include "util/buf.h"
#include "util/log.h"

struct cleaning {
	FILE *out;
	const struct netns *ns;
	int n;
};

static void say(const struct cleaning *c, const char *iface, unsigned filters)
{
	const struct netns *ns = c->ns;
	struct buf text = { 0 };

	buf_put_escaped(&text, str_of(iface));
	if (!ns->own && (ns->name || ns->docker_name)) {
		buf_puts(&text, " (netns ");
		buf_put_escaped(&text, str_of(ns->name ? ns->name : ns->docker_name));
		buf_putc(&text, ')');
	} else if (!ns->own) {
		buf_printf(&text, " (netns %" PRIu32 ")", ns->inode);
	}
	fprintf(c->out, "%.*s: removed %u filter%s\n", (int)text.len, text.p, filters, filters == 1 ? "" : "s");
	buf_done(&text);
}

static int clean_link(void *arg, const struct rtnl_link *link)
{
	struct cleaning *c = arg;
	const unsigned filters = link->gone ? 0 : attach_clean(link->ifindex);

	if (filters)
		say(c, link->name, filters);
	c->n += filters > 0;
	return 0;
}

static int clean_links(struct cleaning *c)
{
	const struct rtnl_handler handler = { .arg = c, .link = clean_link };
	const int fd = rtnl_open();
	bool done = false;
	int err = fd < 0 ? fd : rtnl_dump(fd);

	while (!err && !done)
		err = rtnl_read(fd, &handler, &done);
	if (fd >= 0)
		close(fd);
	return err;
}

static int clean_netns(const struct capture *c, struct cleaning *cleaning)
{
	int err = netns_enter(c, cleaning->ns);

	if (err)
		return err;
	err = clean_links(cleaning);
	netns_leave(c, cleaning->ns);
	return err;
}

int capture_clean(FILE *out)
{
	static const char *const all[] = { "any", NULL };
	struct capture c = netns_lister(all);
	struct cleaning cleaning = { .out = out };
	int err = netns_init(&c);

	c.namespaces.scanning = false;
	if (!err)
		netns_scan(&c);
	for (unsigned i = 0; !err && i < c.namespaces.n; i++) {
		cleaning.ns = c.namespaces.all[i];
		err = clean_netns(&c, &cleaning);
		/* It may have ended just now. */
		if (err)
			log_warn("network namespace '%s': %s", cleaning.ns->path, strerror(-err));
		err = 0;
	}
	links_free(&c);
	netns_done(&c);
	if (expedite_clean(RCU_EXPEDITED)) {
		fprintf(out, "%s: set back to 0\n", RCU_EXPEDITED);
		cleaning.n++;
	}
	return err ? err : cleaning.n;
}
