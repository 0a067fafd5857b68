/* SPDX-License-Identifier: BSD-3-Clause */
/* Interfaces as libpcap lists them: -D, its numbers, and the default. */
#include <errno.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/private.h"
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

static void device_print(FILE *out, unsigned n, const pcap_if_t *dev)
{
	const char *separator = "", *connection = connection_text(dev->flags);

	fprintf(out, "%u.%s", n, dev->name);
	if (dev->description)
		fprintf(out, " (%s)", dev->description);
	if (dev->flags == 0) {
		fputc('\n', out);
		return;
	}
	fputs(" [", out);
	for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++) {
		if (dev->flags & flag_names[i].flag) {
			fprintf(out, "%s%s", separator, flag_names[i].text);
			separator = ", ";
		}
	}
	if (!*separator) {
		fputs("none", out);
		separator = ", ";
	}
	if (connection && !(dev->flags & PCAP_IF_LOOPBACK))
		fprintf(out, "%s%s", separator, connection);
	fputs("]\n", out);
}

int capture_list_ifaces(FILE *out)
{
	pcap_if_t *devs;
	unsigned n = 0;
	int err = devices_find(&devs);

	if (err)
		return err;
	for (const pcap_if_t *dev = devs; dev; dev = dev->next)
		device_print(out, ++n, dev);
	pcap_freealldevs(devs);
	return 0;
}

int capture_default_iface(char *name)
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

bool iface_list_has(const char *name)
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

int iface_list_name(unsigned n, char *name)
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

int capture_find_iface(const char *given, char *name)
{
	const bool number = *given && given[strspn(given, "-0123456789")] == '\0';

	if (strlen(given) < IF_NAMESIZE &&
	    (strcmp(given, "any") == 0 || if_nametoindex(given) || iface_list_has(given))) {
		strcpy(name, given);
		return 0;
	}
	if (number && iface_list_name((unsigned)strtoul(given, NULL, 10), name) == 0)
		return 0;
	if (number)
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
