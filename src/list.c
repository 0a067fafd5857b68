/* SPDX-License-Identifier: BSD-3-Clause */
#include "list.h"

#include <errno.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <stdio.h>

#include "capture/capture.h"
#include "netns_words.h"
#include "output/output.h"
#include "util/escape.h"

/* Of --netns; who is in them is asked for where it matters. */
static int find_netns(struct netns_words *w, const struct options *o)
{
	int err = netns_words_split(w, o);

	return err ? err : netns_words_find(w, o);
}

static const char *const *netns_of(const struct netns_words *w, const struct options *o)
{
	return (const char *const *)(w->found ? w->found : o->netns.v);
}

int list_ifaces(const struct options *o)
{
	struct netns_words w = { 0 };
	int err = find_netns(&w, o);

	if (!err)
		err = capture_list_ifaces(stdout, netns_of(&w, o), w.known, w.nknown);
	netns_words_done(&w);
	return err;
}

static int enter_netns(const struct options *o)
{
	struct netns_words w = { 0 };
	int err = find_netns(&w, o);

	if (!err)
		err = capture_enter_netns(netns_of(&w, o));
	netns_words_done(&w);
	return err;
}

/* The interface that is asked about: the first -i, else the one that a capture would take. */
static int chosen_iface(const struct options *o, char name[IF_NAMESIZE])
{
	const int err = o->netns.n ? enter_netns(o) : 0;

	if (err)
		return err;
	if (o->ifaces.n)
		return capture_find_iface(o->ifaces.v[0], name);
	if (capture_default_iface(name) == 0)
		return 0;
	log_error("no interface is usable: name one with -i (-D lists them)");
	return -ENODEV;
}

/* As tcpdump: the link types with -I are those of monitor mode. monitor: whether the device has that mode at all. */
static int open_device(const struct options *o, const char *name, pcap_t **ret, bool *monitor)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_create(name, error);
	int status;

	*ret = pcap;
	if (!pcap) {
		log_error("%s", error);
		return -ENODEV;
	}
	*monitor = pcap_can_set_rfmon(pcap) == 1;
	if (o->capture.monitor && !*monitor) {
		log_error("%s: That device doesn't support monitor mode", name);
		return -EINVAL;
	}
	pcap_set_rfmon(pcap, o->capture.monitor);
	status = pcap_activate(pcap);
	if (status >= 0)
		return 0;
	if (status == PCAP_ERROR)
		log_error("%s", pcap_geterr(pcap));
	else if (status == PCAP_ERROR_PERM_DENIED)
		log_error("can't open '%s': that needs root or CAP_NET_RAW: run with sudo", name);
	else
		log_error("%s: %s", name, pcap_statustostr(status));
	return -ENODEV;
}

/* An interface may be called nearly anything. */
static void put_name(const char *before, const char *name)
{
	struct buf b = { 0 };

	buf_puts(&b, before);
	escape_put(&b, str_of(name), IN_QUOTES);
	fwrite(b.p, 1, b.len, stdout);
	buf_done(&b);
}

int list_link_types(const struct options *o)
{
	char name[IF_NAMESIZE];
	int *types = NULL, n, err = chosen_iface(o, name);
	pcap_t *pcap = NULL;
	bool monitor;

	if (err)
		return err;
	err = open_device(o, name, &pcap, &monitor);
	if (err)
		goto out;
	n = pcap_list_datalinks(pcap, &types);
	if (n <= 0) {
		log_error("%s", n < 0 ? pcap_geterr(pcap) : "No data link types.");
		err = -EOPNOTSUPP;
		goto out;
	}
	put_name("Data link types for ", name);
	printf("%s (use option -y to set):\n", !monitor		    ? ""
					       : o->capture.monitor ? " when in monitor mode"
								    : " when not in monitor mode");
	for (int i = 0; i < n; i++) {
		const char *type = pcap_datalink_val_to_name(types[i]);

		if (type)
			printf("  %s (%s)%s\n", type, pcap_datalink_val_to_description(types[i]),
			       output_text_prints(types[i]) ? "" : " (printing not supported)");
		else
			printf("  DLT %d (printing not supported)\n", types[i]);
	}
out:
	pcap_free_datalinks(types);
	if (pcap)
		pcap_close(pcap);
	return err;
}

int list_tstamp_types(const struct options *o)
{
	char name[IF_NAMESIZE], error[PCAP_ERRBUF_SIZE];
	int *types = NULL, n, err = chosen_iface(o, name);
	pcap_t *pcap;

	if (err)
		return err;
	pcap = pcap_create(name, error);
	if (!pcap) {
		log_error("%s", error);
		return -ENODEV;
	}
	n = pcap_list_tstamp_types(pcap, &types);
	if (n < 0) {
		log_error("%s", pcap_geterr(pcap));
		err = -EOPNOTSUPP;
	} else if (n == 0) {
		put_name("Time stamp type cannot be set for ", name);
		putchar('\n');
	} else {
		put_name("Time stamp types for ", name);
		puts(" (use option -j to set):");
	}
	for (int i = 0; i < n; i++) {
		const char *type = pcap_tstamp_type_val_to_name(types[i]);

		if (type)
			printf("  %s (%s)\n", type, pcap_tstamp_type_val_to_description(types[i]));
		else
			printf("  %d\n", types[i]);
	}
	pcap_free_tstamp_types(types);
	pcap_close(pcap);
	return err;
}
