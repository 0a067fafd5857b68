/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of this folder share. */
#ifndef CAPTURE_PRIVATE_H
#define CAPTURE_PRIVATE_H

#include <net/if.h>
#include <ptcpdump/config.h>

#include "capture/attach.h"
#include "capture/attach_ahead.h"
#include "capture/capture.h"
#include "capture/counts.h"
#include "capture/expedite.h"
#include "capture/ring.h"
#include "capture/pruner.h"
#include "capture/sections.h"
#include "capture/verifier.h"
#include "filter/expr.h"
#include "filter/filter.h"
#include "util/hash.h"

struct rtnl_link;

#define SNAPLEN_MAX 262144U
#define VLAN_LEN 4 /* bytes, of a tag */

/* A descriptor that a capture waits for, and what to do when it is readable. */
struct watch {
	int (*ready)(struct capture *c, struct watch *watch);
};

enum { CONNTRACK_NOT_OPEN = -1 };

/* A network namespace whose interfaces are captured. Stays until the end, as interfaces point to its path. */
struct netns {
	struct watch watch; /* rtnl_fd; first, so that it leads back to us */
	struct capture *capture;
	uint32_t inode;
	uint32_t pid;	  /* a process that was seen in it; 0: none */
	bool own;	  /* the one that we run in */
	bool before;	  /* "newly", and it was there: not captured, held so that its number means no other */
	bool seen;	  /* by the scan */
	bool ended;	  /* let go: all descriptors are closed */
	int fd;		  /* to enter it; -1: our own */
	int rtnl_fd;	  /* -1: not open */
	int packet_fd;	  /* holds the promiscuous memberships; -1: not open */
	int tap_fd;	  /* a packet socket whose filter sees every device; -1: not open */
	int conntrack_fd; /* CONNTRACK_NOT_OPEN; another negative number: it cannot be asked here */
	char *path;
	const char *given; /* the word of the configuration that it was found by; NULL: none */
	char *name;	   /* raw; NULL: none is known */
	bool name_is_own;  /* "ip netns" calls it so; else whoever told of a container in it, or Docker */
	char *docker_name; /* its name where nobody tells of a container; NULL: none */
	bool chosen;	   /* for who is in it; chosen.c */
	int nsid;	   /* of one that is chosen, what our own has for it; -1: not known */
	uint64_t name_by;  /* CLOCK_MONOTONIC ns, up to when packets wait for a name; 0: none has come yet */
};

/* An interface that we capture on, or did. */
struct link {
	struct iface iface; /* what the outside sees; iface.name owns its string */
	struct netns *ns;
	uint16_t type; /* ARPHRD_* */
	bool l3;
	bool present;	     /* the device exists */
	bool up;	     /* when last heard of */
	bool closing;	     /* its namespace has ended: links_release() */
	bool announced;	     /* handler->iface() has been called */
	bool shown;	     /* a packet of it was handed on */
	struct link *before; /* the same device under the name that it had up to: */
	uint64_t since;	     /* CLOCK_MONOTONIC, ns; 0: it has no other */
	uint64_t due;	     /* CLOCK_MONOTONIC ns, when to attach if it is not up before; 0: nothing to do */
	unsigned attempts;
	struct attachment ingress, egress;
	/* Counters when they were taken from the kernel; of a new name, less what the kernel had counted for the old */
	uint64_t gone_received, gone_dropped;
	uint64_t mismatched; /* refused by the filter in user space */
};

/* The packet rings, one per CPU or source. */
struct rings {
	struct ring ring[RINGS_MAX];
	uint64_t ts[RINGS_MAX]; /* time of the last packet taken from each */
	unsigned n;
	size_t size; /* bytes, of each */
	struct ring wake;
};

/* From the rings to the handler; deliver.c. */
struct delivery {
	uint64_t lag_ns;      /* packets are merged when they are this old */
	int64_t clock_offset; /* ns, from CLOCK_MONOTONIC to CLOCK_REALTIME */
	uint64_t last_ts;
	uint64_t captured;
	uint8_t *vlan_buf;
};

/* poll.c */
struct poll {
	int epoll_fd, timer_fd;
};

/* netns.c, netns_scan.c */
struct namespaces {
	struct netns **all;
	unsigned n;
	bool any;	 /* and those to come */
	bool newly;	 /* only those, and what is named */
	bool chosen;	 /* those that capture_netns() chooses are captured in, too */
	bool scanning;	 /* namespaces other than our own are looked after */
	bool started;	 /* the first scan is over */
	bool names_only; /* the next scan is for what inotify told of */
	bool unbound;	 /* it found a name that has no namespace yet */
	unsigned soon;	 /* so many times more it may come soon */
	/* Processes that a scan may not look at. More than in the first: a namespace that is not seen may have one. */
	unsigned hidden, hidden_first;
	unsigned rounds; /* of the timer */
	int scan_fd, inotify_fd;
	struct watch scan, names; /* of both */
	int own_fd;		  /* to come back */
	uint32_t own;
	uint32_t refused[CAPTURE_REFUSED_MAX]; /* chosen, but they could not be captured in */
	unsigned nrefused;
};

/* What became of a word of -i. */
struct wish {
	bool found, up;
	char name[IF_NAMESIZE]; /* of the first device that it means */
};

/* links.c */
struct links {
	struct link **all; /* all there were, but for those that left nothing; as much room as the next power of two */
	unsigned n;
	unsigned since_tidy; /* new ones since those were forgotten */
	bool any;
	bool attached;
	bool running; /* past capture_attach(): a device that cannot be attached ends nothing */
	bool pending; /* some are to be attached later */
	uint32_t announced;
	struct link **table; /* by namespace and index */
	unsigned table_size;
	struct hash_key key;
	struct iface_slot *counts; /* room of counters.c for a value per CPU: the end must not fail for want of it */
	struct link *last;
	struct wish *wishes; /* one for each of config.ifaces; NULL: nothing was looked for yet */
	enum attach_mode mode;
	struct ahead ahead; /* of the backend tc */
	struct expedite expedite;
};

/* programs.c */
struct programs {
	struct ptcpdump *skel;
	struct capture_control *control; /* shared with the programs */
	struct sections sections;
	struct pruner pruner;
	struct verifier verifier;
	struct bpf_link *taps[2]; /* at tracepoints or the root cgroup */
	bool forbidden;		  /* we are not even permitted to load any */
	int ncpus;		  /* that a program may run on, by the highest number; or -errno */
};

/* All of an expression that has process terms, for one link type. */
struct filter_whole {
	int dlt;
	struct filter_code code;
};

/* Of packets, for both kinds of devices. */
struct packet_filter {
	struct filter_code l2, l3;
	struct filter_code rest_l2, rest_l3; /* for what is of nobody that is asked for: see config.decided */
	struct filter_inject *inject;
	bool in_user; /* the kernel refuses it: packets are filtered when they are delivered */
	struct filter_whole *whole;
	unsigned nwhole;
};

struct capture {
	struct capture_config config;
	struct capture_config bare_config; /* the same without attribution */
	struct capture_handler handler;
	const struct backend *backend;
	struct pcap_backend *pcap; /* NULL: another backend */
	struct owners *owners;	   /* asked for what programs could not tell; NULL: nobody */
	struct nat *nat;	   /* NULL: nobody is asked for */
	struct attrib *attrib;
	struct programs programs;
	struct packet_filter filter;
	uint32_t copylen; /* bytes of a packet that come to us: snaplen, or as many as the filter may look at */
	struct rings rings;
	struct delivery delivery;
	struct counts counts;
	struct namespaces namespaces;
	struct links links;
	struct poll poll;
	bool stopped;
	bool scanned; /* the sockets that existed are known */
};

/* capture.c */
/* What cannot wait for all devices to be attached; 0 or a negative errno. */
int capture_meanwhile(struct capture *c);

/* matches.c */
bool matches_needed(const struct capture *c);
/* For packets of this link type; takes the code. -ENOMEM */
int matches_keep(struct capture *c, int dlt, struct filter_code *code);
/* Before packets of this link type come; errors are logged. */
int matches_compile(struct capture *c, int dlt);
void matches_done(struct packet_filter *f);

/* filters.c */
/* Compiles the filter for both kinds of devices that programs see; errors are logged. */
int filters_compile(struct capture *c);

/* programs.c */
/* libbpf's messages go to our log, at debug. */
void programs_log(void);
/* Makes programs.control too, which a backend without programs has as well. Errors are logged. */
int programs_load(struct capture *c);
/* Packets that were lost before it was known whether they are wanted. */
uint64_t programs_unjudged(const struct capture *c);
/* They see no packet any more. */
void programs_stop(struct capture *c);
void programs_free(struct capture *c);

/* poll.c */
/* Errors are logged. */
int poll_open(struct capture *c);
/* events: EPOLL*. watch NULL: it only wakes us. */
int poll_add(struct capture *c, int fd, uint32_t events, struct watch *watch);
/* Wakes us after ns; 0: not at all. */
void poll_timer(struct capture *c, uint64_t ns);
/* Waits, and lets those that watch descriptors do their work; errors are logged. */
int poll_events(struct capture *c, int timeout_ms);
void poll_close(struct capture *c);

/* netns.c */
/* Where iproute2 and Docker keep named namespaces. */
#define NETNS_DIR "/run/netns/"
#define NETNS_DOCKER_DIR "/run/docker/netns/"
#define OWN_NETNS "/proc/self/ns/net"
/* False: a file system that some program serves is on the way. */
bool netns_may_look(const char *path);
/* A file that is a namespace: a descriptor and *inode, -EINVAL for another file, or another -errno. */
int netns_open(const char *path, uint32_t *inode);
struct netns *netns_find(const struct capture *c, uint32_t inode);
/* Takes over fd; *ret is NULL when the namespace was known already. */
int netns_new(struct capture *c, const char *path, uint32_t inode, int fd, struct netns **ret);
/* What "ip netns" calls a namespace with that path; NULL: nothing that a user thought of. */
const char *netns_name(const char *path);
/* Likewise what Docker calls it. */
const char *netns_docker_name(const char *path);
/* As its path has it. */
int netns_name_by_path(struct netns *ns, const char *path);
int netns_enter(const struct capture *c, const struct netns *ns);
void netns_leave(const struct capture *c, const struct netns *ns);
/* Closes all descriptors. */
void netns_end(struct netns *ns);
void netns_free(struct netns *ns);

/* chosen.c */
/*
 * Renames an interface's namespace: what comes from now on is of eth0@NAME. own: "ip netns" calls it so, which is better than what
 * else is known.
 */
int netns_set_name(struct capture *c, struct netns *ns, const char *name, bool own);
/* When nobody tells of a container in it. */
void netns_set_docker_name(struct capture *c, struct netns *ns, const char *name);
/* Its name is not known, but may be in a moment after ts, when a packet was seen (CLOCK_MONOTONIC ns); force: it is
 * not waited for. */
bool netns_awaits_name(struct capture *c, struct netns *ns, uint64_t ts, bool force);
/* The words of --netns that others than the capture can tell the namespaces of. */
bool is_chosen_word(const char *given);
/* News of a device in ns: with -i any, the other end of a pair is seen where it is chosen. */
bool chosen_elsewhere(struct capture *c, const struct netns *ns, const struct rtnl_link *news);

/* iface_list.c */
/* What netns_init() and netns_scan() need, to look at namespaces without a capture. */
struct capture netns_lister(const char *const *netns);

/* netns_scan.c */
/* Finds the configured namespaces and prepares scan_fd and inotify_fd; errors are logged. */
int netns_init(struct capture *c);
/* From here on those that come and end are noticed. */
int netns_scan_start(struct capture *c);
/* Looks for namespaces that came or ended; when scan_fd is readable. */
void netns_scan(struct capture *c);
/* When inotify_fd is readable. */
void netns_named(struct capture *c);
/* A process lives in the namespace with this inode. */
void netns_seen(struct capture *c, uint32_t inode, uint32_t pid);
void netns_done(struct capture *c);

/* counters.c */
/* Adds up the kernel's counters of an interface. */
void counters_read(const struct capture *c, const struct link *link, uint64_t *received, uint64_t *dropped);
int counters_start(struct capture *c, const struct link *link);
/* The interface's counters leave the kernel; packets of it may still be in the rings. */
void counters_stop(const struct capture *c, struct link *link);

/* A device goes on under another name. */
void counters_hand_over(const struct capture *c, struct link *from, struct link *to);

/* wanted.c */
/* Makes links.wishes, once. */
int wishes_new(struct capture *c);
/* The word of -i with this place means, among others, this device. */
void wish_note(struct capture *c, unsigned i, const char *name, bool up);
/* In the device's namespace. Notes what it fulfils. */
bool link_wanted(struct capture *c, const struct rtnl_link *news);
/* Whether there is a device that is up for all of -i; else it is said what is missing. 0, -ENODEV, -ENETDOWN */
int wishes_check(const struct capture *c);
bool iface_is_number(const char *given);

/* link_list.c */
/* One more, which is present but not attached; l3: it has no link header. NULL: out of memory. */
struct link *link_new(struct capture *c, struct netns *ns, const struct rtnl_link *news, bool l3);
/* Likewise, of a backend that finds them itself. */
struct link *links_add(struct capture *c, struct netns *ns, const char *name, uint32_t ifindex, int dlt);
/* What its namespace and its bridge are, as of now. */
void link_set_place(struct link *link, const struct rtnl_link *news);
/* By its newest name. */
struct link *links_lookup(struct capture *c, uint32_t netns, uint32_t ifindex);
/* Called for each new one while nobody goes through all of them: those that have come and gone without a packet are forgotten. */
void links_tidy(struct capture *c);
void links_free(struct capture *c);

/* links.c */
/* Tells the handler of an interface, once. */
int link_announce(struct capture *c, struct link *link);
/* Finds the wanted interfaces of all namespaces; an unknown name is an error (logged). */
int links_find(struct capture *c);
int links_attach(struct capture *c);
/* Captures in one more namespace, and hears of its links. */
int links_watch(struct capture *c, struct netns *ns);
/* A namespace is let go. */
void links_forget(struct capture *c, struct netns *ns);
/* Closes what links_forget() left open, some time later. */
void links_release(struct capture *c);
/* Attaches one link that is due. */
int links_attach_due(struct capture *c);
/* The same device, called otherwise: another interface for what comes from now on. */
int link_rename(struct capture *c, struct link *old, const struct rtnl_link *news);
/* News of one namespace's links. */
int links_news(struct capture *c, struct netns *ns);
bool links_all_gone(const struct capture *c);
void links_detach(struct capture *c);
/* Brings received and dropped of all interfaces up to date. */
void links_count(const struct capture *c);

/* deliver.c */
/* owners_find(), now. CAPTURE_WAIT: the packet waits for its owner, which it does only so long. */
int owners_ask(struct owners *o, int dlt, struct event_packet *e, const uint8_t *data, bool force);
/* Packets up to time limit (CLOCK_MONOTONIC, ns), at most max; returns their number or a negative errno. */
int deliver(struct capture *c, uint64_t limit, unsigned max, bool force);

/* iface_list.c */
/* The name of the device with number n in the list of -D; 0 or -ENODEV. */
int iface_list_name(unsigned n, char name[IF_NAMESIZE]);
/* The message for a number that iface_list_name() does not know. */
void iface_list_refuse(const char *number);
/*
 * The name of what -i names or numbers, in the calling thread's namespace; "any" and what else libpcap knows included. 0 or
 * -ENODEV
 */
int iface_resolve(const char *given, char name[IF_NAMESIZE]);

#endif
