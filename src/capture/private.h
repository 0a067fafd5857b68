/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of this folder share. */
#ifndef CAPTURE_PRIVATE_H
#define CAPTURE_PRIVATE_H

#include <net/if.h>
#include <ptcpdump/config.h>
#include <time.h>

#include "capture/attach.h"
#include "capture/capture.h"
#include "capture/ring.h"
#include "filter/filter.h"

/* A packet whose owner is not known waits this long for one who uses its socket. */
#define OWNER_WAIT_NS UINT64_C(100000000)

/* A network namespace whose interfaces are captured. Stays until the end, as interfaces point to its path. */
struct netns {
	struct capture *capture;
	uint32_t inode;
	bool own;      /* the one that we run in */
	bool seen;     /* by the scan */
	bool ended;    /* let go: all descriptors are closed */
	int fd;	       /* to enter it; -1: our own */
	int rtnl_fd;   /* -1: not open */
	int packet_fd; /* holds the promiscuous memberships; -1: not open */
	int tap_fd;    /* of the backend socket-filter, sees every device; -1: not open */
	char *path;
};

/* An interface that we capture on, or did. */
struct link {
	struct iface iface; /* what the outside sees; iface.name owns its string */
	struct netns *ns;
	uint16_t type; /* ARPHRD_* */
	bool l3;
	bool present;	/* the device exists */
	bool up;	/* when last heard of */
	bool closing;	/* its namespace has ended: links_release() */
	bool announced; /* handler->iface() has been called */
	uint64_t due;	/* CLOCK_MONOTONIC ns, when to attach if it is not up before; 0: nothing to do */
	unsigned attempts;
	struct attachment ingress, egress;
	uint64_t gone_received, gone_dropped; /* counters when they were taken from the kernel */
	uint64_t mismatched;		      /* refused by the filter in user space */
};

struct capture {
	struct capture_config config;
	struct capture_config bare_config; /* the same without attribution */
	const struct backend *backend;
	struct pcap_backend *pcap; /* NULL: another backend */
	struct owners *owners;	   /* asked for what programs could not tell; NULL: nobody */
	struct bpf_link *taps[2];  /* at tracepoints or the root cgroup */
	bool without_bpf;	   /* not even permitted */
	struct capture_handler handler;
	struct ptcpdump *skel;
	struct attrib *attrib;
	struct capture_control *control; /* shared with the programs */
	struct ring rings[RINGS_MAX];
	uint64_t ring_ts[RINGS_MAX]; /* time of the last packet taken from each */
	unsigned nrings;
	uint64_t lag_ns; /* packets are merged when they are this old */
	size_t ring_size;
	struct ring wake_ring;
	int epoll_fd, timer_fd;
	int64_t clock_offset;
	uint64_t last_ts;
	uint64_t captured;
	bool attached, stopped;
	bool running; /* past capture_attach(): a device that cannot be attached ends nothing */
	bool pending; /* some links are to be attached later */

	bool any;
	bool any_netns;	 /* and those to come */
	bool scanning;	 /* namespaces other than our own are looked after */
	bool names_only; /* the next scan is for what inotify told of */
	int scan_fd, inotify_fd;
	int own_netns_fd; /* to come back */
	uint32_t own_netns;
	struct netns **netns;
	unsigned nnetns;
	struct link **links; /* all there ever were */
	unsigned nlinks;
	uint32_t nannounced;
	struct link **table; /* by namespace and index */
	unsigned table_size;
	struct link *last_link;
	enum attach_mode mode;

	struct filter_code filter_l2, filter_l3;
	struct filter_inject *inject;
	bool filter_in_user;
	uint8_t *vlan_buf;
};

/* capture.c */
/* Compiles the filter for both kinds of devices that programs see; errors are logged. */
int filters_compile(struct capture *c);
uint64_t now_ns(clockid_t clock);
/* struct procfs_stat, start; 0: no such process, or only its zombie. */
uint64_t process_start_time(uint32_t pid);

/* netns.c */
/* Finds the configured namespaces and prepares scan_fd and inotify_fd; errors are logged. */
int netns_init(struct capture *c);
/* Looks for namespaces that came or ended; when scan_fd is readable. */
void netns_scan(struct capture *c);
/* When inotify_fd is readable. */
void netns_named(struct capture *c);
/* A process lives in the namespace with this inode. */
void netns_seen(struct capture *c, uint32_t inode, uint32_t pid);
int netns_enter(const struct capture *c, const struct netns *ns);
void netns_leave(const struct capture *c, const struct netns *ns);
void netns_free(struct netns *ns);

/* links.c */
/* Finds the wanted interfaces of all namespaces; an unknown name is an error (logged). */
int links_find(struct capture *c);
int links_attach(struct capture *c);
/* One interface more, of a backend that finds them itself; NULL: out of memory. */
struct link *links_add(struct capture *c, struct netns *ns, const char *name, uint32_t ifindex, int dlt);
/* Captures in one more namespace, and hears of its links. */
int links_watch(struct capture *c, struct netns *ns);
/* A namespace is let go. */
void links_forget(struct capture *c, struct netns *ns);
/* Closes what links_forget() left open, some time later. */
void links_release(struct capture *c);
/* Attaches one link that is due. */
int links_attach_due(struct capture *c);
/* News of one namespace's links. */
int links_news(struct capture *c, struct netns *ns);
struct link *links_lookup(struct capture *c, uint32_t netns, uint32_t ifindex);
bool links_all_gone(const struct capture *c);
void links_detach(struct capture *c);
/* Brings received and dropped of all interfaces up to date. */
void links_count(const struct capture *c);
void links_free(struct capture *c);

/* deliver.c */
/* Packets up to time limit (CLOCK_MONOTONIC, ns), at most max; returns their number or a negative errno. */
int deliver(struct capture *c, uint64_t limit, unsigned max, bool force);

/* iface_list.c */
/* The name of the device with number n in the list of -D; 0 or -ENODEV. */
int iface_list_name(unsigned n, char *name);
/* The message for a number that iface_list_name() does not know. */
void iface_list_refuse(const char *number);
/* Whether libpcap knows a device of this name. */
bool iface_list_has(const char *name);

#endif
