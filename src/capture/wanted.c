/* SPDX-License-Identifier: BSD-3-Clause */
/* What -i asks for: which devices that are, by their names, their alternative names, or numbers of -D's list. */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "capture/private.h"
#include "capture/rtnl.h"
#include "util/log.h"

int wishes_new(struct capture *c)
{
	unsigned n = 0;

	while (c->config.ifaces[n])
		n++;
	if (!c->links.wishes)
		c->links.wishes = calloc(n + 1, sizeof(*c->links.wishes));
	return c->links.wishes ? 0 : -ENOMEM;
}

void wish_note(struct capture *c, unsigned i, const char *name, bool up)
{
	struct wish *wish = &c->links.wishes[i];

	if (!wish->found)
		snprintf(wish->name, sizeof(wish->name), "%s", name);
	wish->found = true;
	wish->up |= up;
}

bool iface_is_number(const char *given)
{
	return *given && given[strspn(given, "0123456789")] == '\0';
}

/* Numbers are those of the list when the capture starts: later devices shift them. In the device's namespace. */
static bool numbered(const struct capture *c, const char *given, const struct rtnl_link *news)
{
	char name[IF_NAMESIZE];

	return !c->links.running && iface_is_number(given) && if_nametoindex(given) == 0 &&
	       iface_list_name((unsigned)strtoul(given, NULL, 10), name) == 0 && strcmp(name, news->name) == 0;
}

bool link_wanted(struct capture *c, const struct rtnl_link *news)
{
	bool wanted = c->links.any;

	for (unsigned i = 0; c->config.ifaces[i]; i++) {
		const char *given = c->config.ifaces[i];

		if (!rtnl_link_named(news, given) && !numbered(c, given, news))
			continue;
		wish_note(c, i, news->name, news->flags & IFF_UP);
		wanted = true;
	}
	return wanted;
}

int wishes_check(const struct capture *c)
{
	for (unsigned i = 0; c->config.ifaces[i]; i++) {
		const char *given = c->config.ifaces[i];
		const struct wish *wish = &c->links.wishes[i];

		if (wish->up)
			continue;
		/* As tcpdump: it may be up later, but who names it wants to see something now. */
		if (wish->found) {
			log_error("%s: That device is not up; \"ip link set %s up\" changes that", given, wish->name);
			return -ENETDOWN;
		}
		if (given[strspn(given, "-0123456789")] == '\0')
			iface_list_refuse(given);
		else
			log_error("%s: No such device exists; -D lists those that do", given);
		return -ENODEV;
	}
	return 0;
}

const char *capture_iface_name(const struct capture *c, unsigned i)
{
	const struct wish *wish = c->links.wishes ? &c->links.wishes[i] : NULL;

	return wish && wish->found ? wish->name : c->config.ifaces[i];
}
