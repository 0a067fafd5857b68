/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Live packets and process events from the kernel. Phases: new, load (open + verify the programs), attach,
 * then poll in a loop, free. Nothing outlives the process, whatever way it ends.
 */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "packet.h"

struct backend;
struct capture;
struct filter_expr;
struct filter_truth;
struct flows_sample;

enum capture_verdict {
	CAPTURE_DONE, /* the packet was handled */
	CAPTURE_WAIT, /* its owner is not settled: it stays in the ring, call again later */
};

struct capture_handler {
	void *arg;
	/* An interface that will deliver packets; before its first packet. */
	int (*iface)(void *arg, const struct iface *iface);
	/* EVENT_EXEC/FORK/EXIT/OWNER/CGROUP, validated. Always called before the packets that follow it in time. */
	void (*process)(void *arg, uint32_t type, const void *event, size_t size);
	/* In time order; the handler may add to the packet. force: never CAPTURE_WAIT (the ring is filling up, or the
	 * capture ends). A negative errno ends the poll and is returned by it. */
	int (*packet)(void *arg, struct packet *packet, bool force);
	/*
	 * Instead of packet(), where the programs count: of some packets of a flow, one interface and direction, and of the same
	 * owners. packet stands for the first of them: its owners and time are told, of its bytes some headers. sample->annot is to
	 * be filled in. NULL: packets are never counted.
	 */
	int (*sample)(void *arg, struct packet *packet, struct flows_sample *sample, bool force);
	/* Again and again while capture_attach() waits for the kernel; NULL: nothing else is to be done. */
	void (*meanwhile)(void *arg);
};

struct capture_config {
	const char *const *ifaces; /* names, alternative names or numbers, NULL-terminated; "any": all */
	/* names, paths, "any", "newly" (those to come) or who is in them; NULL-terminated; NULL: only our own */
	const char *const *netns;
	/* NULL or no text: everything. What needs owners is for capture_matches() to decide. */
	const struct filter_expr *filter;
	bool no_optimize;
	uint32_t snaplen;	       /* bytes, 1..262144 */
	enum direction direction;      /* DIR_NONE: both */
	size_t ring_bytes;	       /* all packet rings together (-B); 0: default */
	const struct backend *backend; /* of capture_choose_backend(); NULL: the default */
	/* as tcpdump means them: -y, -j, -I, --immediate-mode; some backends cannot serve them */
	const char *dlt_name;
	int dlt; /* of dlt_name; -1: none is asked for */
	const char *tstamp_type;
	bool monitor, immediate;
	bool prompt;		/* packets are delivered as soon as their order is certain, not some at a time */
	bool flows;		/* set by capture_load(): owners are asked for in user space */
	const char *kernel_btf; /* NULL: the usual places */
	bool no_btf_download;	/* these only */
	bool promiscuous;
	/* process filter, any of them non-empty makes it active: a packet passes when either end matches */
	const uint32_t *pids;
	size_t npids;
	const char *const *pnames; /* NULL-terminated */
	const uint32_t *uids;
	size_t nuids;
	bool follow_forks;
	bool container_filter; /* verdicts come by capture_set_verdict() */
	/*
	 * These terms of the filter are true only of owners that satisfy a kind of the process filter: a packet then passes when
	 * either end satisfies any kind, or what is left of the filter matches. NULL: an end has to satisfy all kinds.
	 */
	const struct filter_truth *decided;
	bool chosen_netns; /* without netns: capture_netns() chooses further ones beside our own */
	bool plugin;	   /* another program runs us, as its users: what is missing is given to all of these */
	bool attribution;  /* false: no process is looked for at all */
	bool counting; /* packets may be counted instead of being delivered, where that can be: capture_counting() */
};

enum { CAPTURE_REFUSED_MAX = 1024 };

struct capture_stats {
	uint64_t captured; /* delivered to the handler with CAPTURE_DONE, or counted by it */
	uint64_t received; /* passed the filter in the kernel */
	uint64_t dropped;  /* received, but lost; captured + dropped + still queued == received */
	/* Lost before it was known whether they match the process filter: in none of the above. */
	uint64_t unjudged;
	/* Chosen network namespaces that could not be captured in; CAPTURE_REFUSED_MAX: as many or more. */
	unsigned refused;
};

/* Errors are logged (what, where, cure) and returned as negative errno. */
int capture_new(struct capture **ret, const struct capture_config *config, const struct capture_handler *handler);
int capture_load(struct capture *c);
/* From now on the handler's process() is told, at the next poll, of what happens to processes. */
int capture_watch(struct capture *c);
/* Packets are taken; after capture_watch(). Process events are told meanwhile. */
int capture_attach(struct capture *c);
/* The name of the device that a word of the configured ifaces stands for; the word itself while there is none. */
const char *capture_iface_name(const struct capture *c, unsigned i);
/*
 * After capture_watch(): says whether tasks of a cgroup, or (cgroup 0) those of a process, match the container filter. What is
 * not known passes as EVENT_PKT_MAYBE, also what was of a process that is executed or moved to another cgroup.
 */
int capture_set_verdict(struct capture *c, uint64_t cgroup, uint32_t tgid, bool match);
/* What is known of a network namespace by those who are in it. */
struct capture_netns {
	uint32_t inode;
	uint32_t pid;	  /* a process in it, which may have ended by now */
	const char *name; /* what its interfaces are called after: eth0@NAME, raw; NULL: not known */
	bool chosen; /* it is captured in, where the configuration asks for chosen ones; it stays so until it ends */
};

/*
 * Before capture_attach() or later; may be told again. 0, also of a namespace that has ended; or a negative errno, which is not
 * logged.
 */
int capture_netns(struct capture *c, const struct capture_netns *news);
/* A word of netns that stands for a container (NAME or ID), or for a pod (NAME.NAMESPACE): that; else NULL. */
const char *capture_netns_container(const char *word);
const char *capture_netns_pod(const char *word);
/* Whether chosen namespaces can be captured in. */
bool capture_follows_netns(const struct backend *backend);
/* Becomes readable when capture_poll() has something to do (epoll fd). */
int capture_fd(const struct capture *c);
/* Delivers what is there: all process events, then packets in time order. Waits up to timeout_ms (-1: for ever, 0: not
 * at all) for the first. Returns packets delivered, or negative errno. */
int capture_poll(struct capture *c, int timeout_ms);
/*
 * After capture_load(): the programs count, and handler->sample() is called instead of handler->packet(): by capture_poll() about once
 * a second, and more often when there are many flows, and by capture_drain().
 */
bool capture_counting(const struct capture *c);
/* Now: what has been counted up to this moment. force: as the handler's. 0, or the negative errno of the handler. */
int capture_counts(struct capture *c, bool force);
/* Stops seeing new packets and delivers all that is queued. */
int capture_drain(struct capture *c);
/* Whether a packet that the handler was given matches the filter, where these of its terms are true. */
bool capture_matches(const struct capture *c, const struct packet *packet, const struct filter_truth *truth);
void capture_stats(const struct capture *c, struct capture_stats *ret);
void capture_free(struct capture *c);

/*
 * -D: interfaces, one per line as tcpdump lists them; netns: of these namespaces, as in the configuration, called as the n that are
 * known.
 */
int capture_list_ifaces(FILE *out, const char *const *netns, const struct capture_netns *known, size_t n);
/* For good, the first of these namespaces. 0 or a negative errno; what the user got wrong is logged. */
int capture_enter_netns(const char *const *netns);
/* --backend help: how packets can be seen here, one way per line. */
int capture_list_backends(FILE *out);
/* Their names, separated by spaces. */
extern const char capture_backend_words[];
/* Those that work here. */
void capture_each_backend(void (*each)(void *arg, const char *name), void *arg);
/* The network devices of our namespace; nothing when they cannot be listed. */
void capture_each_iface(void (*each)(void *arg, const char *name), void *arg);
/*
 * The backend for what is wanted of the capture; name: the one that is asked for, NULL: none is. 0, or -EINVAL with a
 * message written. Of wanted, ifaces, netns, monitor, tstamp_type and dlt are looked at.
 */
int capture_choose_backend(const char *name, const struct capture_config *wanted, const struct backend **ret);
/* Whether the backend of this name has programs in the kernel, which judge processes; no check that it works here. */
bool capture_has_programs(const char *name);
/* Whether it opens /proc/PID/fd of other users' processes as long as it runs. */
bool capture_opens_proc(const struct backend *backend);
/* Where packets of a device start, as our programs see them: DLT_EN10MB or DLT_RAW; Ethernet when there is none. */
int capture_device_dlt(const char *name);
/* The name of what -i names or numbers, "any" included: 0, or -ENODEV with a message written. */
int capture_find_iface(const char *given, char name[IF_NAMESIZE]);
/* First usable interface as tcpdump chooses it; 0 or -ENODEV. */
int capture_default_iface(char name[IF_NAMESIZE]);
/* --probe: what this kernel offers and what is lost without it. */
int capture_probe(FILE *out);
/* Removes what killed captures have left, in all network namespaces, and tells what. How many things; -errno, logged. */
int capture_clean(FILE *out);

#endif
