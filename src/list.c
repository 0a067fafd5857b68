/* SPDX-License-Identifier: BSD-3-Clause */
#include "list.h"

#include <errno.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <stdio.h>

#include "capture/capture.h"

/* The interface that is asked about: the first -i, else the one that a capture would take. */
static int chosen_iface(const struct options *o, char name[IF_NAMESIZE])
{
	if (o->ifaces.n) {
		snprintf(name, IF_NAMESIZE, "%s", o->ifaces.v[0]);
		return 0;
	}
	if (capture_default_iface(name) == 0)
		return 0;
	log_error("no interface is usable: name one with -i (-D lists them)");
	return -ENODEV;
}

int list_link_types(const struct options *o)
{
	char name[IF_NAMESIZE], error[PCAP_ERRBUF_SIZE];
	int *types = NULL, n, err = chosen_iface(o, name);
	pcap_t *pcap;

	if (err)
		return err;
	pcap = pcap_create(name, error);
	if (!pcap || pcap_activate(pcap) < 0) {
		log_error("%s: %s", name, pcap ? pcap_geterr(pcap) : error);
		err = -ENODEV;
		goto out;
	}
	n = pcap_list_datalinks(pcap, &types);
	if (n <= 0) {
		log_error("%s: %s", name, n < 0 ? pcap_geterr(pcap) : "No data link types.");
		err = -EOPNOTSUPP;
		goto out;
	}
	printf("Data link types for %s (use option -y to set):\n", name);
	/* libpcap offers others than the first, such as DOCSIS; packets of our hooks have the interface's own. */
	printf("  %s (%s)\n", pcap_datalink_val_to_name(types[0]), pcap_datalink_val_to_description(types[0]));
out:
	pcap_free_datalinks(types);
	if (pcap)
		pcap_close(pcap);
	return err;
}

int list_tstamp_types(const struct options *o)
{
	const int host = PCAP_TSTAMP_HOST;
	char name[IF_NAMESIZE];
	int err = chosen_iface(o, name);

	if (err)
		return err;
	printf("Time stamp types for %s (use option -j to set):\n  %s (%s)\n", name, pcap_tstamp_type_val_to_name(host),
	       pcap_tstamp_type_val_to_description(host));
	return 0;
}
