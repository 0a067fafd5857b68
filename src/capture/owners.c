/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/owners.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <pcap/dlt.h>
#include <ptcpdump/config.h>
#include <ptcpdump/owner.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/flow_past.h"
#include "util/clock.h"
#include "util/procfs.h"

#define CACHE_SIZE 4096
/* A socket may be handed to another process, and its tuple be used again. */
#define CACHE_FOUND_NS (100 * NSEC_PER_MSEC)
#define CACHE_MISSED_NS (10 * NSEC_PER_MSEC)
/* /proc is slower to ask, and its answers are gone when the process is. */
#define CACHE_PROC_NS (2 * NSEC_PER_SEC)
#define SCAN_INTERVAL_NS (10 * NSEC_PER_MSEC)
#define SOCKETS_MAX (1 << 20)

struct cached {
	struct flow_key key;
	struct event_owner owner; /* tgid 0: nobody */
	uint64_t asked, until;
};

struct held {
	uint64_t inode, start;
	uint32_t pid, uid;
};

/* To the sockets of a network namespace. */
struct door {
	uint32_t inode;
	int fd; /* sock_diag */
};

struct owners {
	int flows_fd, cookies_fd;
	struct flow_past *past; /* NULL: no flow has changed hands */
	struct cached cache[CACHE_SIZE];
	struct door *doors;
	unsigned ndoors;
	/* sockets of processes, by inode */
	struct held *held;
	size_t nheld, room;
	uint64_t scanned;
};

/* What a packet's headers tell. */
struct tuple {
	struct flow_key src, dst; /* each end seen as the local one */
	bool request;		  /* TCP SYN: cached answers are of an earlier connection */
	bool opening;		  /* SYN or SYN-ACK: the maps may hold an earlier one, too */
	uint64_t ts;
};

int owners_new(struct owners **ret, int flows_fd, int cookies_fd)
{
	struct owners *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->flows_fd = flows_fd;
	o->cookies_fd = cookies_fd;
	*ret = o;
	return 0;
}

int owners_add_netns(struct owners *o, uint32_t inode)
{
	struct door *doors;
	int fd;

	if (o->flows_fd >= 0)
		return 0;
	doors = reallocarray(o->doors, o->ndoors + 1, sizeof(*doors));
	if (!doors)
		return -ENOMEM;
	o->doors = doors;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return -errno;
	doors[o->ndoors++] = (struct door){ inode, fd };
	return 0;
}

void owners_forget_netns(struct owners *o, uint32_t inode)
{
	for (unsigned i = 0; i < o->ndoors; i++) {
		if (o->doors[i].inode != inode)
			continue;
		close(o->doors[i].fd);
		o->doors[i] = o->doors[--o->ndoors];
		return;
	}
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void set_v4(uint32_t *to, const uint8_t *from)
{
	to[0] = to[1] = 0;
	to[2] = htonl(0xffff);
	memcpy(&to[3], from, 4);
}

/* Where the network header starts, and its protocol. False: not one that has owners. */
static bool find_network(int dlt, const uint8_t *p, uint32_t n, uint32_t *off, uint16_t *protocol)
{
	switch (dlt) {
	case DLT_EN10MB: *off = 14; break;
	case DLT_LINUX_SLL: *off = 16; break;
	case DLT_LINUX_SLL2: *off = 20; break;
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6: *off = 0; break;
	case DLT_NULL:
	case DLT_LOOP: *off = 4; break;
	default: return false;
	}
	if (n <= *off)
		return false;
	if (dlt == DLT_EN10MB || dlt == DLT_LINUX_SLL)
		*protocol = get16(p + *off - 2);
	else if (dlt == DLT_LINUX_SLL2)
		*protocol = get16(p);
	else
		*protocol = p[*off] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP;
	for (int i = 0; i < 2 && (*protocol == ETH_P_8021Q || *protocol == ETH_P_8021AD); i++) {
		if (n < *off + 4)
			return false;
		*protocol = get16(p + *off + 2);
		*off += 4;
	}
	return true;
}

/* Returns the offset of the transport header, 0: none here. */
static uint32_t parse_network(const uint8_t *p, uint32_t n, uint32_t off, uint16_t protocol, struct flow_key *k)
{
	if (protocol == ETH_P_IP && n >= off + 20) {
		const uint32_t header = (p[off] & 15U) * 4;

		k->proto = p[off + 9];
		set_v4(k->l, p + off + 12);
		set_v4(k->r, p + off + 16);
		return header < 20 || (get16(p + off + 6) & 0x1fff) ? 0 : off + header;
	}
	if (protocol != ETH_P_IPV6 || n < off + 40)
		return 0;
	k->proto = p[off + 6];
	memcpy(k->l, p + off + 8, 16);
	memcpy(k->r, p + off + 24, 16);
	off += 40;
	for (int i = 0; i < 4 && n >= off + 8; i++) {
		switch (k->proto) {
		case IPPROTO_FRAGMENT:
			if (get16(p + off + 2) & 0xfff8)
				return 0;
			k->proto = p[off];
			off += 8;
			break;
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			k->proto = p[off];
			off += (p[off + 1] + 1U) * 8;
			break;
		default: return off;
		}
	}
	return off;
}

static bool parse_transport(const uint8_t *p, uint32_t n, uint32_t off, struct tuple *t)
{
	struct flow_key *k = &t->src;

	if (!off || n < off + 8)
		return false;
	switch (k->proto) {
	case IPPROTO_TCP:
		t->request = n > off + 13 && (p[off + 13] & 0x12) == 0x02;
		t->opening = n > off + 13 && (p[off + 13] & 0x02);
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP: break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (p[off] == 8 || p[off] == 128)
			memcpy(&k->lport, p + off + 4, 2);
		else if (p[off] == 0 || p[off] == 129)
			memcpy(&k->rport, p + off + 4, 2);
		else
			return false;
		return true;
	default: return false;
	}
	memcpy(&k->lport, p + off, 2);
	memcpy(&k->rport, p + off + 2, 2);
	return true;
}

static bool parse(int dlt, const struct event_packet *e, const uint8_t *data, struct tuple *t)
{
	uint32_t off;
	uint16_t protocol;

	memset(t, 0, sizeof(*t));
	if (!find_network(dlt, data, e->caplen, &off, &protocol))
		return false;
	off = parse_network(data, e->caplen, off, protocol, &t->src);
	if (!parse_transport(data, e->caplen, off, t))
		return false;
	t->ts = e->ts;
	t->src.netns = e->netns;
	t->dst = t->src;
	memcpy(t->dst.l, t->src.r, sizeof(t->dst.l));
	memcpy(t->dst.r, t->src.l, sizeof(t->dst.r));
	t->dst.lport = t->src.rport;
	t->dst.rport = t->src.lport;
	return true;
}

uint8_t owners_direction(int dlt, const uint8_t *data, uint32_t caplen)
{
	uint8_t type;

	if (dlt == DLT_LINUX_SLL && caplen >= 16)
		type = data[1];
	else if (dlt == DLT_LINUX_SLL2 && caplen >= 20)
		type = data[10];
	else
		return EVENT_DIR_NONE;
	return type == PACKET_OUTGOING ? EVENT_DIR_OUT : EVENT_DIR_IN;
}

/* Whoever uses the socket by now. */
static bool now_of_cookie(int cookies_fd, uint64_t cookie, struct owner_rec *now)
{
	return cookie && bpf_map_lookup_elem(cookies_fd, &cookie, now) == 0 && now->tgid;
}

bool owners_record(int flows_fd, int cookies_fd, const struct flow_key *key, struct owner_rec *ret)
{
	struct flow_key anywhere = *key;
	struct owner_rec now;

	if (flows_fd < 0)
		return false;
	if (bpf_map_lookup_elem(flows_fd, key, ret) != 0) {
		anywhere.netns = 0;
		if (bpf_map_lookup_elem(flows_fd, &anywhere, ret) != 0)
			return false;
	}
	if (now_of_cookie(cookies_fd, ret->cookie, &now))
		*ret = now;
	return ret->tgid != 0;
}

struct event_owner owners_of_record(const struct owner_rec *rec)
{
	return (struct event_owner){
		.start = rec->start,
		.cookie = rec->cookie,
		.tgid = rec->tgid,
		.tid = rec->tid,
		.uid = rec->uid,
		.source = rec->source ? rec->source : OWNER_FLOW,
		.flags = OWNER_F_LATER | (rec->certain ? 0 : OWNER_F_PROVISIONAL),
		.image = rec->image,
	};
}

static bool ask_maps(const struct owners *o, const struct flow_key *key, struct event_owner *ret)
{
	struct owner_rec rec;

	if (!owners_record(o->flows_fd, o->cookies_fd, key, &rec))
		return false;
	*ret = owners_of_record(&rec);
	return true;
}

static bool is_v4(const uint32_t *a)
{
	return a[0] == 0 && a[1] == 0 && a[2] == htonl(0xffff);
}

static void fill_id(struct inet_diag_sockid *id, const struct flow_key *k, bool v4, bool swap)
{
	const uint32_t *l = swap ? k->r : k->l, *r = swap ? k->l : k->r;

	id->idiag_sport = swap ? k->rport : k->lport;
	id->idiag_dport = swap ? k->lport : k->rport;
	memcpy(id->idiag_src, v4 ? &l[3] : l, v4 ? 4 : 16);
	memcpy(id->idiag_dst, v4 ? &r[3] : r, v4 ? 4 : 16);
	id->idiag_cookie[0] = id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
}

/* The socket of the local end of a tuple: inode number, 0 none. */
static uint32_t ask_diag(int fd, const struct flow_key *k, uint32_t *uid)
{
	const bool v4 = is_v4(k->l);
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 req;
	} q = { .h = { .nlmsg_len = sizeof(q), .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST } };
	struct {
		struct nlmsghdr h;
		struct inet_diag_msg msg;
		uint8_t attributes[512];
	} a;
	ssize_t n;

	q.req.sdiag_family = v4 ? AF_INET : AF_INET6;
	q.req.sdiag_protocol = k->proto;
	q.req.idiag_states = ~0U;
	/* For UDP the kernel takes source and destination for those of a packet that arrives (net/ipv4/udp_diag.c). */
	fill_id(&q.req.id, k, v4, k->proto != IPPROTO_TCP);
	if (send(fd, &q, sizeof(q), 0) < 0)
		return 0;
	n = recv(fd, &a, sizeof(a), 0);
	if (n < (ssize_t)(sizeof(a.h) + sizeof(a.msg)) || a.h.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return 0;

	*uid = a.msg.idiag_uid;
	return a.msg.idiag_inode;
}

static int by_inode(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static void scan_process(struct owners *o, uint32_t pid)
{
	unsigned long long inode;
	struct procfs_stat ps;
	char path[64], link[64];
	struct dirent *d;
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	dir = opendir(path);
	if (!dir)
		return;
	if (fstat(dirfd(dir), &st) || procfs_stat(pid, &ps))
		goto out;
	while ((d = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), d->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = '\0';
		if (sscanf(link, "socket:[%llu]", &inode) != 1)
			continue;
		if (o->nheld == o->room) {
			size_t room = o->room ? o->room * 2 : 1024;
			struct held *more = room > SOCKETS_MAX ? NULL : realloc(o->held, room * sizeof(*more));

			if (!more)
				break;
			o->held = more;
			o->room = room;
		}
		o->held[o->nheld++] = (struct held){ inode, ps.start, pid, st.st_uid };
	}
out:
	closedir(dir);
}

static void scan(struct owners *o)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;
	uint32_t pid;

	o->nheld = 0;
	if (!dir)
		return;
	while ((d = readdir(dir))) {
		if (procfs_is_pid(d->d_name, &pid))
			scan_process(o, pid);
	}
	closedir(dir);
	if (o->nheld)
		qsort(o->held, o->nheld, sizeof(*o->held), by_inode);
}

static const struct held *find_held(const struct owners *o, uint64_t inode)
{
	size_t lo = 0, hi = o->nheld;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (o->held[mid].inode < inode)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < o->nheld && o->held[lo].inode == inode ? &o->held[lo] : NULL;
}

static bool ask_proc(struct owners *o, const struct flow_key *key, uint64_t now, struct event_owner *ret)
{
	uint32_t inode = 0, uid = 0;
	const struct held *held;

	if (key->proto != IPPROTO_TCP && key->proto != IPPROTO_UDP)
		return false;
	for (unsigned i = 0; i < o->ndoors && !inode; i++) {
		if (o->doors[i].inode == key->netns)
			inode = ask_diag(o->doors[i].fd, key, &uid);
	}
	if (!inode)
		return false;
	held = find_held(o, inode);
	if (!held && now - o->scanned >= SCAN_INTERVAL_NS) {
		scan(o);
		o->scanned = now;
		held = find_held(o, inode);
	}
	if (!held)
		return false;
	*ret = (struct event_owner){ .start = held->start, .tgid = held->pid, .uid = uid, .source = OWNER_SCAN };
	return true;
}

static struct cached *cache_slot(struct owners *o, const struct flow_key *k)
{
	const uint32_t *w = (const void *)k;
	uint64_t h = 0;

	for (size_t i = 0; i < sizeof(*k) / sizeof(*w); i++)
		h = (h ^ w[i]) * UINT64_C(0x9e3779b97f4a7c15) ^ h >> 29;
	return &o->cache[h >> 48 & (CACHE_SIZE - 1)];
}

/*
 * What is cached of a tuple whose connection begins anew is of the one before. And who has sent since may be another
 * program, which the maps know.
 */
static bool outdated(const struct owners *o, const struct cached *c, const struct tuple *t)
{
	return t->request || (o->flows_fd >= 0 && c->owner.tgid && t->ts > c->asked);
}

static bool find(struct owners *o, const struct flow_key *k, const struct tuple *t, uint64_t now,
		 struct event_owner *ret)
{
	struct cached *c = cache_slot(o, k);
	bool found;

	if (memcmp(&c->key, k, sizeof(*k)) == 0 && now < c->until && !outdated(o, c, t)) {
		*ret = c->owner;
		return ret->tgid != 0;
	}
	memset(&c->owner, 0, sizeof(c->owner));
	found = o->flows_fd >= 0 ? ask_maps(o, k, &c->owner) : ask_proc(o, k, now, &c->owner);
	c->key = *k;
	c->asked = now;
	if (!found)
		c->until = now + CACHE_MISSED_NS;
	else
		c->until = now + (o->flows_fd >= 0 ? CACHE_FOUND_NS : CACHE_PROC_NS);
	*ret = c->owner;
	return found;
}

/* Who sends a datagram was there; what its port was used for since, says nothing. A connection may be inherited. */
static bool began_later(const struct tuple *t, const struct flow_key *k, const struct event_owner *found)
{
	const uint64_t asleep = clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC);

	return k == &t->src && k->proto != IPPROTO_TCP && found->start > t->ts + asleep;
}

void owners_flow_was(struct owners *o, const struct event_flow *e)
{
	struct event_owner before = e->before;
	struct owner_rec now;

	if (!o->past)
		o->past = flow_past_new();
	if (!o->past)
		return;
	if (now_of_cookie(o->cookies_fd, before.cookie, &now))
		before = owners_of_record(&now);
	before.flags |= OWNER_F_LATER;
	flow_past_add(o->past, e->flow, e->ts, &before);
}

/* Whoever had the tuple then, if it has become another's since. */
static bool find_past(const struct owners *o, const struct flow_key *k, uint64_t ts, struct event_owner *end)
{
	struct flow_key anywhere = *k;
	const struct event_owner *then;

	if (!o->past)
		return false;
	anywhere.netns = 0;
	then = flow_past_find(o->past, flow_hash(k), ts);
	if (!then)
		then = flow_past_find(o->past, flow_hash(&anywhere), ts);
	if (then)
		*end = *then;
	return then;
}

/* What a cookie stands for may be known by now; else it is waited for. */
static bool find_end(struct owners *o, const struct tuple *t, const struct flow_key *k, uint64_t now,
		     struct event_owner *end)
{
	struct event_owner found;

	if (end->tgid || (end->flags & OWNER_F_NAT) || (end->cookie && t->opening))
		return true;
	if (find_past(o, k, t->ts, end))
		return true;
	if (find(o, k, t, now, &found) && !began_later(t, k, &found)) {
		*end = found;
		return true;
	}
	return end->cookie != 0;
}

bool owners_find(struct owners *o, int dlt, struct event_packet *e, const uint8_t *data, uint64_t now)
{
	bool src, dst;
	struct tuple t;

	if ((e->src.tgid && e->dst.tgid) || !parse(dlt, e, data, &t))
		return true;
	src = find_end(o, &t, &t.src, now, &e->src);
	dst = find_end(o, &t, &t.dst, now, &e->dst);
	/* Both ends are here. */
	if (e->ifindex == LOOPBACK_IFINDEX)
		return src && dst;
	if (e->dir == EVENT_DIR_IN)
		return dst;
	return e->dir == EVENT_DIR_OUT ? src : src || dst;
}

bool owners_destination(int dlt, const struct event_packet *e, const uint8_t *data, struct flow_key *ret, bool *request)
{
	struct tuple t;

	if (!parse(dlt, e, data, &t))
		return false;
	*ret = t.dst;
	*request = t.request;
	return true;
}

void owners_free(struct owners *o)
{
	if (!o)
		return;
	for (unsigned i = 0; i < o->ndoors; i++)
		close(o->doors[i].fd);
	free(o->doors);
	free(o->held);
	flow_past_free(o->past);
	free(o);
}
