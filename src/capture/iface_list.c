/* SPDX-License-Identifier: BSD-3-Clause */
/* Interfaces as libpcap lists them: -D, its numbers, and the default. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/backend.h"
#include "capture/private.h"
#include "capture/rtnl.h"
#include "util/buf.h"
#include "util/escape.h"
#include "util/log.h"

static const struct {
	unsigned flag;
	const char *text;
} flag_names[] = {
	{ PCAP_IF_UP, "Up" },
	{ PCAP_IF_RUNNING, "Running" },
	{ PCAP_IF_LOOPBACK, "Loopback" },
	{ PCAP_IF_WIRELESS, "Wireless" },
};

static const char *connection_text(unsigned flags)
{
	bool wireless = flags & PCAP_IF_WIRELESS;

	switch (flags & PCAP_IF_CONNECTION_STATUS) {
	case PCAP_IF_CONNECTION_STATUS_UNKNOWN:
		return wireless ? "Association status unknown" : "Connection status unknown";
	case PCAP_IF_CONNECTION_STATUS_CONNECTED: return wireless ? "Associated" : "Connected";
	case PCAP_IF_CONNECTION_STATUS_DISCONNECTED: return wireless ? "Not associated" : "Disconnected";
	}
	return NULL;
}

static int devices_find(pcap_if_t **ret)
{
	char err[PCAP_ERRBUF_SIZE];

	if (pcap_findalldevs(ret, err) == 0)
		return 0;
	log_error("cannot list the interfaces: %s", err);
	return -EIO;
}

static int altnames_put(void *arg, const struct rtnl_link *link)
{
	const char *separator = " (altname ";
	struct buf *line = arg;

	for (const char *alt = link->altnames; alt && *alt; alt += strlen(alt) + 1) {
		buf_puts(line, separator);
		escape_put(line, str_of(alt), IN_QUOTES);
		separator = ", ";
	}
	if (link->altnames)
		buf_putc(line, ')');
	return 0;
}

static void flags_put(struct buf *line, const pcap_if_t *dev)
{
	const char *separator = "", *connection = connection_text(dev->flags);

	if (dev->flags == 0)
		return;
	buf_puts(line, " [");
	for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++) {
		if (dev->flags & flag_names[i].flag) {
			buf_printf(line, "%s%s", separator, flag_names[i].text);
			separator = ", ";
		}
	}
	if (!*separator) {
		buf_puts(line, "none");
		separator = ", ";
	}
	if (connection && !(dev->flags & PCAP_IF_LOOPBACK))
		buf_printf(line, "%s%s", separator, connection);
	buf_putc(line, ']');
}

/* netns: "", or the name of its namespace. */
static void device_put(struct buf *line, unsigned n, const pcap_if_t *dev, const char *netns)
{
	const struct rtnl_handler handler = { .arg = line, .link = altnames_put };

	buf_printf(line, "%u.", n);
	escape_put(line, str_of(dev->name), IN_QUOTES);
	if (*netns) {
		buf_puts(line, " (netns ");
		escape_put(line, str_of(netns), IN_QUOTES);
		buf_putc(line, ')');
	}
	rtnl_find(dev->name, &handler);
	if (dev->description) {
		buf_puts(line, " (");
		escape_put(line, str_of(dev->description), IN_FIELDS);
		buf_putc(line, ')');
	}
	flags_put(line, dev);
	buf_putc(line, '\n');
}

static int devices_print(FILE *out, const char *netns)
{
	struct buf text = { 0 };
	pcap_if_t *devs;
	unsigned n = 0;
	int err = devices_find(&devs);

	if (err)
		return err;
	for (const pcap_if_t *dev = devs; dev; dev = dev->next)
		device_put(&text, ++n, dev, netns);
	pcap_freealldevs(devs);
	fwrite(text.p, 1, text.len, out);
	buf_done(&text);
	return 0;
}

static int netns_print(const struct capture *c, const struct netns *ns, FILE *out)
{
	char name[NAME_MAX + 1] = "";
	int err = netns_enter(c, ns);

	if (err) {
		log_error("network namespace '%s': %s", ns->path, strerror(-err));
		return err;
	}
	if (!ns->own && (ns->name || ns->docker_name))
		snprintf(name, sizeof(name), "%s", ns->name ? ns->name : ns->docker_name);
	else if (!ns->own)
		snprintf(name, sizeof(name), "%" PRIu32, ns->inode);
	err = devices_print(out, name);
	netns_leave(c, ns);
	return err;
}

struct capture netns_lister(const char *const *netns)
{
	static const char *const no_ifaces[] = { NULL };

	return (struct capture){
		.config = { .netns = netns, .ifaces = no_ifaces },
		.backend = backend_default(),
		.namespaces = { .own_fd = -1, .scan_fd = -1, .inotify_fd = -1 },
	};
}

int capture_enter_netns(const char *const *netns)
{
	struct capture c = netns_lister(netns);
	int err = netns_init(&c);

	if (!err && c.namespaces.n)
		err = netns_enter(&c, c.namespaces.all[0]);
	netns_done(&c);
	return err;
}

int capture_list_ifaces(FILE *out, const char *const *netns, const struct capture_netns *known, size_t n)
{
	struct capture c = netns_lister(netns);
	int err;

	if (!netns || !netns[0])
		return devices_print(out, "");
	err = netns_init(&c);
	/* Nothing is captured in them. */
	c.namespaces.scanning = false;
	if (!err && c.namespaces.any)
		netns_scan(&c);
	for (size_t i = 0; !err && i < n; i++)
		err = capture_netns(&c, &known[i]);
	for (unsigned i = 0; !err && i < c.namespaces.n; i++) {
		if (!c.namespaces.all[i]->before)
			err = netns_print(&c, c.namespaces.all[i], out);
	}
	links_free(&c);
	netns_done(&c);
	return err;
}

void capture_each_iface(void (*each)(void *arg, const char *name), void *arg)
{
	struct if_nameindex *const devices = if_nameindex();

	for (const struct if_nameindex *d = devices; d && d->if_index; d++)
		each(arg, d->if_name);
	if (devices)
		if_freenameindex(devices);
}

int capture_default_iface(char name[IF_NAMESIZE])
{
	pcap_if_t *devs;
	int err = devices_find(&devs);

	if (err)
		return err;
	err = -ENODEV;
	if (devs && !(devs->flags & PCAP_IF_LOOPBACK) && strlen(devs->name) < IF_NAMESIZE) {
		strcpy(name, devs->name);
		err = 0;
	}
	pcap_freealldevs(devs);
	return err;
}

static bool list_has(const char *name)
{
	pcap_if_t *devs;
	bool found = false;

	if (devices_find(&devs) != 0)
		return false;
	for (const pcap_if_t *dev = devs; dev && !found; dev = dev->next)
		found = strcmp(dev->name, name) == 0;
	pcap_freealldevs(devs);
	return found;
}

int iface_list_name(unsigned n, char name[IF_NAMESIZE])
{
	const pcap_if_t *dev;
	pcap_if_t *devs;
	int err = devices_find(&devs);

	if (err)
		return err;
	for (dev = devs; dev && n > 1; dev = dev->next)
		n--;
	err = -ENODEV;
	if (dev && n == 1 && strlen(dev->name) < IF_NAMESIZE) {
		strcpy(name, dev->name);
		err = 0;
	}
	pcap_freealldevs(devs);
	return err;
}

static int name_copy(void *arg, const struct rtnl_link *link)
{
	memcpy(arg, link->name, IF_NAMESIZE);
	return 0;
}

int iface_resolve(const char *given, char name[IF_NAMESIZE])
{
	const struct rtnl_handler handler = { .arg = name, .link = name_copy };

	if (strcmp(given, "any") != 0 && rtnl_find(given, &handler) == 0)
		return 0;
	if (strlen(given) < IF_NAMESIZE && (strcmp(given, "any") == 0 || list_has(given))) {
		strcpy(name, given);
		return 0;
	}
	return iface_is_number(given) ? iface_list_name((unsigned)strtoul(given, NULL, 10), name) : -ENODEV;
}

int capture_find_iface(const char *given, char name[IF_NAMESIZE])
{
	if (iface_resolve(given, name) == 0)
		return 0;
	if (*given && given[strspn(given, "-0123456789")] == '\0')
		iface_list_refuse(given);
	else
		log_error("%s: No such device exists; -D lists those that do", given);
	return -ENODEV;
}

void iface_list_refuse(const char *number)
{
	const long n = strtol(number, NULL, 10);
	long count = 0;
	pcap_if_t *devs;

	if (n <= 0) {
		log_error("Invalid adapter index %s", number);
		return;
	}
	if (devices_find(&devs) != 0)
		return;
	for (const pcap_if_t *dev = devs; dev; dev = dev->next)
		count++;
	pcap_freealldevs(devs);
	log_error("Invalid adapter index %ld: only %ld interface%s found", n, count, count == 1 ? "" : "s");
}
